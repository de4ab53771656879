from django.apps import AppConfig
from django.core.checks import Tags, register


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import checks

        register(checks.common_passwords, Tags.security, deploy=True)
        register(checks.email, Tags.security, deploy=True)
