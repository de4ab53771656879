from django.conf import settings
from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class RegistrationIsOpen(BasePermission):
    """Allow everyone unless REGISTRATION=closed."""

    message = "Registration is closed. Ask an administrator for an account."

    def has_permission(self, request: Request, view: object) -> bool:
        return settings.REGISTRATION_OPEN
