"""System checks of `manage.py check --deploy` for accounts."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import Warning


def common_passwords(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Warning]:
    if settings.PASSWORD_REJECT_COMMON:
        return []
    return [
        Warning(
            "Common passwords such as password123 are accepted.",
            hint="Set PASSWORD_REJECT_COMMON=True.",
            id="accounts.W001",
        )
    ]


def email(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[Warning]:
    if settings.EMAIL_URL and settings.PASSWORD_RESET_URL:
        return []
    return [
        Warning(
            "Password reset e-mails are not sent, or contain no link.",
            hint="Set EMAIL_URL and PASSWORD_RESET_URL.",
            id="accounts.W002",
        )
    ]
