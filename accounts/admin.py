from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from healthcare.admin.filters import DateFilter, YesNoFilter
from healthcare.admin.records import LoggedAdmin

# Nothing that staff should see, or could do well.
admin.site.unregister([BlacklistedToken, OutstandingToken])
# What only superusers give and take: with it, anybody could make themselves one.
PRIVILEGES = ["is_staff", "is_superuser", "groups", "user_permissions"]


class UserAddForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ["name", "email"]


class UserForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, type] = {}

    def clean(self) -> dict[str, Any] | None:
        """Keep one superuser who can enter the admin; all are locked, as two may give up rights concurrently."""
        cleaned = super().clean() or {}
        able = {"is_superuser": True, "is_active": True, "is_staff": True}
        superusers = set(User.objects.select_for_update().filter(**able).order_by("pk").values_list("pk", flat=True))
        stays = all(cleaned.get(name, getattr(self.instance, name)) for name in able)
        if superusers == {self.instance.pk} and not stays:
            raise ValidationError("This is the last superuser: make someone else one first.")
        return cleaned


def given_and_taken(form: Any, name: str) -> str:
    """Return how a form changes a right, such as `groups: + Reception, - Auditors`."""
    label, before, after = form.fields[name].label, form.initial.get(name), form.cleaned_data[name]
    if isinstance(after, bool):
        return f"{label}: {'yes' if after else 'no'}"
    changes = [f"+ {right}" for right in after if right not in before]
    return f"{label}: {', '.join([*changes, *(f'- {right}' for right in before if right not in after)])}"


@admin.register(User)
class UserAdmin(LoggedAdmin, DjangoUserAdmin):
    overview_date_field = "date_joined"
    add_form = UserAddForm
    form = UserForm
    list_display = ["email", "name", "is_active", "is_staff", "date_joined", "last_login"]
    list_filter = [
        ("is_active", YesNoFilter),
        ("is_staff", YesNoFilter),
        ("is_superuser", YesNoFilter),
        ("date_joined", DateFilter),
    ]
    search_fields = ["name", "email"]
    search_help_text = "Name, e-mail or #id"
    ordering = ["id"]
    readonly_fields = ["last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        ("Access", {"fields": ["is_active", *PRIVILEGES]}),
        ("Times", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"fields": ["name", "email", "usable_password", "password1", "password2"]})]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Search users; offer only active ones as choices of a form."""
        if request.resolver_match and request.resolver_match.url_name == "autocomplete":
            queryset = queryset.filter(is_active=True)
        return super().get_search_results(request, queryset, search_term)

    def choice_label(self, record: User) -> str:
        return f"{record} #{record.pk}{'' if record.is_active else ' (deactivated)'}"

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Show no summary of a password's hash to those who cannot set the password."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["email", "name"]}), *fieldsets[1:]]
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        fixed = [] if request.user.is_superuser else PRIVILEGES
        return [*super().get_readonly_fields(request, obj), *fixed]

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Say in the log which rights were given and taken."""
        message = super().construct_change_message(request, form, formsets, add)
        rights = [given_and_taken(form, name) for name in form.changed_data if name in {"is_active", *PRIVILEGES}]
        return (
            [*message, {"changed": {"name": "rights", "object": ", ".join(rights), "fields": []}}]
            if rights
            else message
        )

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser's account, and so its password, is changed by superusers alone."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (request.user.is_superuser or not (obj and obj.is_superuser))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """An account is deactivated: the history of others' records names it."""
        return False
