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
    """tablib's XLSX format, imported when a page of imports or exports is first opened: openpyxl takes long."""

    def __getattr__(self, name: str) -> Any:
        from tablib.formats._xlsx import XLSXFormat

        return getattr(XLSXFormat, name)
