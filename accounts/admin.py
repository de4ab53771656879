from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, PasswordChangeForm, UserChangeForm
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from accounts.throttling import check_current_password
from healthcare.admin.filters import DateFilter, YesNoFilter
from healthcare.admin.history import HistoryAdmin
from healthcare.admin.records import LoggedAdmin, RecordForm

# Staff have no use for tokens, and must not see them.
admin.site.unregister([BlacklistedToken, OutstandingToken])
# Only superusers may change these, because any of them could make a user a superuser.
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
        """Require one remaining superuser with access to the admin, and refuse an outdated version.

        The account and all superusers are locked, always in the same order, because of concurrent saves.
        """
        required = {"is_superuser": True, "is_active": True, "is_staff": True}
        locked = User.objects.select_for_update().filter(Q(**required) | Q(pk=self.instance.pk)).order_by("pk")
        superusers = {user.pk for user in locked if all(getattr(user, name) for name in required)}
        self.initial["version"] = self.newest_version()
        cleaned = super().clean() or {}
        remains = all(cleaned.get(name, getattr(self.instance, name)) for name in required)
        if superusers == {self.instance.pk} and not remains:
            raise ValidationError("This is the last superuser: make someone else one first.")
        return cleaned


def rights_change(form: Any, name: str) -> str:
    """Return how a form changes a right, such as `groups: + Reception, - Auditors`."""
    label, before, after = form.fields[name].label, form.initial.get(name), form.cleaned_data[name]
    if isinstance(after, bool):
        return f"{label}: {'yes' if after else 'no'}"
    changes = [f"+ {right}" for right in after if right not in before]
    return f"{label}: {', '.join([*changes, *(f'- {right}' for right in before if right not in after)])}"


class OwnPasswordForm(PasswordChangeForm):
    """Limit the guesses at the old password, and keep a password that has changed since the old one was checked."""

    required_css_class = "required"

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        password = self.cleaned_data["old_password"]
        if not check_current_password(self.request, password):
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return password

    def save(self, commit: bool = True) -> User:
        if not self.user.change_password(self.cleaned_data["new_password1"]):
            raise PermissionDenied
        return self.user


admin.site.own_password_form = OwnPasswordForm


class SetPasswordForm(AdminPasswordChangeForm):
    """Store only the password; Django's form would overwrite concurrent changes of other fields."""

    def save(self, commit: bool = True) -> User:
        """Store the password unless the user has become a superuser since the permission was checked."""
        user = super().save(commit=False)
        same_rank = User.objects.filter(pk=user.pk, is_superuser=user.is_superuser)
        if commit and not same_rank.update(password=user.password):
            raise PermissionDenied
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
        """Search users; autocomplete fields offer only active ones."""
        if request.resolver_match and request.resolver_match.url_name == "autocomplete":
            queryset = queryset.filter(is_active=True)
        return super().get_search_results(request, queryset, search_term)

    def choice_label(self, record: User) -> str:
        return f"{record} #{record.pk}{'' if record.is_active else ' (deactivated)'}"

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Hide the summary of the password hash from users who cannot set the password."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["email", "name"]}), *fieldsets[1:]]
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        fixed = [] if request.user.is_superuser else PRIVILEGES
        return [*super().get_readonly_fields(request, obj), *fixed]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save only the changed fields; password and last log-in are not part of the version that was checked."""
        if not change:
            obj.save(force_insert=True)
            return
        columns = {field.name for field in User._meta.concrete_fields} - {"password", "last_login"}
        changed = [name for name in form.changed_data if name in columns]
        if changed:
            obj.save(update_fields=changed, force_update=True)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Add the changed rights to the log."""
        message = super().construct_change_message(request, form, formsets, add)
        rights = [rights_change(form, name) for name in form.changed_data if name in {"is_active", *PRIVILEGES}]
        return (
            [*message, {"changed": {"name": "rights", "object": ", ".join(rights), "fields": []}}]
            if rights
            else message
        )

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return whether the user may change accounts; only superusers may change a superuser's account."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (request.user.is_superuser or not (obj and obj.is_superuser))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Return False: accounts are deactivated, because histories refer to them."""
        return False


@admin.register(User.history.model)
class UserHistoryAdmin(HistoryAdmin):
    """Versions of accounts are read-only, because restoring one could grant rights."""

    search_fields = ["name", "email"]
    search_help_text = "Name, e-mail or #id"
    actions = []
    # The log also has changes of groups, permissions and passwords, which versions do not have.
    replaces_log = False

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return False

    def has_put_back_permission(self, request: HttpRequest) -> bool:
        return False
