"""Object permissions, which compiled writes also enforce."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import permissions
from rest_framework.request import Request

ACTIONS = {"PUT": "change", "PATCH": "change", "DELETE": "delete"}


class IsCreatorOrHasModelPermission(permissions.BasePermission):
    """Allow changes by the creator of a record and by users with the model permission that the admin requires."""

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        options = obj._meta
        self.message = self.message_for(options.verbose_name)
        action = ACTIONS.get(request.method or "")
        permission = f"{options.app_label}.{action}_{options.model_name}"
        return not action or obj.user_id == request.user.pk or request.user.has_perm(permission)

    @staticmethod
    def message_for(name: Any) -> str:
        return f"Only the user who added this {name}, or staff with the permission for it, may change or delete it."

    @staticmethod
    def created_by(queryset: QuerySet, user: Any) -> QuerySet:
        """Return the rows that `user` may change without model permissions."""
        return queryset.filter(user=user)
