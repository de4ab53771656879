from typing import Any

from django.apps import AppConfig


class HealthcareConfig(AppConfig):
    name = "healthcare"

    def ready(self) -> None:
        from tablib.formats import registry

        from healthcare import checks  # noqa: F401, registers them

        # Before django-import-export asks which formats there are.
        registry.register("xlsx", LateXLSX())


class LateXLSX:
    """tablib's format for XLSX, which imports openpyxl, imported when a staff member first needs it: it takes long."""

    title, extensions = "xlsx", ("xlsx",)

    def __getattr__(self, name: str) -> Any:
        from tablib.formats._xlsx import XLSXFormat

        return getattr(XLSXFormat, name)
