from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from healthcare.admin.filters import DateFilter, YesNoFilter
from healthcare.admin.history import HistoryAdmin
from healthcare.admin.records import LoggedAdmin, RecordForm

# Nothing that staff should see, or could do well.
admin.site.unregister([BlacklistedToken, OutstandingToken])
# What only superusers give and take: with it, anybody could make themselves one.
PRIVILEGES = ["is_staff", "is_superuser", "groups", "user_permissions"]


class UserAddForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ["name", "email"]


class UserForm(RecordForm, UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, type] = {}

    def clean(self) -> dict[str, Any] | None:
        """Keep one superuser who can enter the admin, and refuse a version that is not the newest.

        The account and all superusers are locked, in one order, as two people may save concurrently.
        """
        able = {"is_superuser": True, "is_active": True, "is_staff": True}
        locked = User.objects.select_for_update().filter(Q(**able) | Q(pk=self.instance.pk)).order_by("pk")
        superusers = {user.pk for user in locked if all(getattr(user, name) for name in able)}
        self.initial["version"] = self.newest_version()
        cleaned = super().clean() or {}
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


class SetPasswordForm(AdminPasswordChangeForm):
    """Store the password alone; Django's form writes back every other field as it was read."""

    def save(self, commit: bool = True) -> User:
        user = super().save(commit=False)
        if commit:
            user.save(update_fields=["password"])
        return user


@admin.register(User)
class UserAdmin(LoggedAdmin, DjangoUserAdmin):
    overview_date_field = "date_joined"
    add_form = UserAddForm
    form = UserForm
    change_password_form = SetPasswordForm
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
        (None, {"fields": ["email", "name", "password", "version"]}),
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

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save what was changed and nothing else: the password and the last log-in are no part of a version."""
        if not change:
            obj.save(force_insert=True)
            return
        columns = {field.name for field in User._meta.concrete_fields} - {"password", "last_login"}
        changed = [name for name in form.changed_data if name in columns]
        if changed:
            obj.save(update_fields=changed, force_update=True)

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


@admin.register(User.history.model)
class UserHistoryAdmin(HistoryAdmin):
    """Versions of accounts are read only: putting one back could give rights."""

    search_fields = ["name", "email"]
    search_help_text = "Name, e-mail or #id"
    actions = []
    # The log also has what a version does not: groups, permissions and new passwords.
    replaces_log = False

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return False

    def has_put_back_permission(self, request: HttpRequest) -> bool:
        return False
