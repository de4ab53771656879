from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.core.checks import Tags, register


class HealthcareConfig(AppConfig):
    name = "healthcare"

    def ready(self) -> None:
        from tablib import formats

        from healthcare.checks import postgresql_is_unicode, postgresql_logs_no_contents, redis_answers

        register(redis_answers, Tags.caches)
        register(postgresql_is_unicode, Tags.database)
        register(postgresql_logs_no_contents, Tags.security, deploy=True)
        # Before django-import-export lists the registered formats.
        formats.registry.register("xlsx", LazyXLSX())


class AdminConfig(admin.AdminConfig):
    default_site = "healthcare.admin.site.AdminSite"
    # HealthcareConfig is the default AppConfig of this package.
    default = False


class LazyXLSX:
    """tablib's XLSX format, imported when an import or export page is first opened, because openpyxl loads slowly."""

    def __getattr__(self, name: str) -> Any:
        from tablib.formats._xlsx import XLSXFormat

        return getattr(XLSXFormat, name)
