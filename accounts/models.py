"""Users, who log in with their e-mail and own patients."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password, verify_password
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, BaseUserManager, PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.crypto import salted_hmac

from healthcare.db.functions import Fold, fold
from healthcare.db.history import HistoricalRecords
from healthcare.fields import LineField


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    def filter_by_email(self, email: str | None) -> models.QuerySet["User"]:
        """Return the users with this e-mail, ignoring case: one or none."""
        return self.filter(email__fold=Fold(models.Value(email)))

    def get_by_natural_key(self, email: str | None) -> "User":
        """Return the user with this e-mail, ignoring case; raise DoesNotExist."""
        return self.filter_by_email(email).get()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user; raise IntegrityError if the e-mail is taken. Without a password, the user cannot log in."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        with transaction.atomic(using=self._db):
            user.save(using=self._db)
        return user

    def decoy_password(self, email: str) -> str:
        """Return a hash to check for an unknown `email`, so that the response time does not reveal that it is unknown.

        Hashes with old parameters take another time. So this is the hash of another account, always the same one for
        the same e-mail; without accounts it is an unusable hash, which takes as long as a new one.
        """
        oldest, newest = (models.Subquery(self.order_by(order).values("pk")[:1]) for order in ("pk", "-pk"))
        fraction = int.from_bytes(salted_hmac("accounts.decoy", fold(email)).digest()[:4]) / 2**32
        start = Cast(oldest + (newest - oldest) * fraction, models.BigIntegerField())
        password = self.filter(pk__gte=start).order_by("pk").values_list("password", flat=True).first()
        return password or UNUSABLE_PASSWORD_PREFIX

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})


class AccountHistory(HistoricalRecords):
    def post_save(self, instance: models.Model, created: bool, using: str | None = None, **kwargs: Any) -> None:
        """Write a version unless all saved fields are excluded from history."""
        saved = kwargs.get("update_fields")
        if created or saved is None or not set(saved) <= set(self.excluded_fields):
            super().post_save(instance, created, using, **kwargs)


class User(AbstractBaseUser, PermissionsMixin):
    """A user who logs in with an e-mail and a password. Staff may also enter the admin."""

    name = LineField()
    email = models.EmailField("e-mail", max_length=254)
    is_staff = models.BooleanField("staff", default=False, help_text="May enter the admin.")
    is_active = models.BooleanField("active", default=True, help_text="Turn this off instead of deleting an account.")
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    # Tokens and sessions from before stay revoked when the account is activated again.
    deactivated_at = models.DateTimeField(null=True, editable=False)

    # Excluded: the password hash is a secret, and a log-in is not a change of the account; `is_active` has a history.
    history = AccountHistory(excluded_fields=["password", "last_login", "deactivated_at"])

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                Fold("email"),
                name="accounts_user_email_unique",
                violation_error_message="A user with this e-mail already exists.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save, and revoke the tokens and sessions of an account that is being deactivated."""
        if not self.is_active and (update_fields is None or "is_active" in update_fields):
            self.deactivated_at = timezone.now()
            update_fields = update_fields and [*update_fields, "deactivated_at"]
        super().save(*args, update_fields=update_fields, **kwargs)

    @property
    def revocation_key(self) -> str:
        """Return the text whose hash tokens contain: a new password or a deactivation revokes them."""
        return f"{self.password}{self.deactivated_at or ''}"

    def get_session_auth_hash(self) -> str:
        return f"{super().get_session_auth_hash()}{self.deactivated_at or ''}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        return (f"{known}{self.deactivated_at or ''}" for known in super().get_session_auth_fallback_hash())

    def check_password(self, raw_password: str) -> bool:
        """Return whether the password is correct; replace a hash with old parameters unless it changed concurrently."""
        correct, outdated = verify_password(raw_password, self.password)
        if not (correct and outdated and self.is_active):
            return correct
        checked, self.password = self.password, make_password(raw_password)
        if User.objects.filter(pk=self.pk, password=checked).update(password=self.password):
            return True
        stored = User.objects.filter(pk=self.pk).values_list("password", flat=True).first()
        self.password = stored or UNUSABLE_PASSWORD_PREFIX
        return self.check_password(raw_password)

    def change_password(self, raw_password: str) -> bool:
        """Store a new password in one statement; return False if the account has changed since it was read.

        The e-mail counts, because a link to reset the password must not work after it was changed.
        """
        unchanged = User.objects.filter(pk=self.pk, email=self.email, password=self.password, is_active=True)
        self.set_password(raw_password)
        return bool(unchanged.update(password=self.password))

    def get_short_name(self) -> str:
        return self.name


# The argument of `visible_to`.
Viewer = User | AnonymousUser


class AttemptWindow(models.Model):
    """The number of attempts in a time window. The key contains a digest of the e-mail."""

    key = models.CharField(max_length=120, primary_key=True)
    count = models.IntegerField()
    ends_at = models.BigIntegerField(db_index=True, help_text="Unix time, in seconds.")

    def __str__(self) -> str:
        return self.key
