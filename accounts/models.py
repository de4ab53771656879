"""Users: they log in with their e-mail and own patients."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, BaseUserManager, PermissionsMixin
from django.db import models, transaction
from django.utils import timezone

from healthcare.db.functions import Fold
from healthcare.fields import LineField


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    def get_by_natural_key(self, email: str | None) -> "User":
        """Return the user with this e-mail in any case; raise DoesNotExist."""
        return self.get(email__fold=Fold(models.Value(email)))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Store and return a user; raise IntegrityError where the e-mail is taken. No password: none will do."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        with transaction.atomic(using=self._db):
            user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})


class User(AbstractBaseUser, PermissionsMixin):
    """Someone who logs in with an e-mail and a password. Staff also enter the admin."""

    name = LineField()
    email = models.EmailField("e-mail", max_length=254)
    is_staff = models.BooleanField("staff", default=False, help_text="May enter the admin.")
    is_active = models.BooleanField("active", default=True, help_text="Turn this off instead of deleting an account.")
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

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

    def get_short_name(self) -> str:
        return self.name


# Whom a queryset may be asked for.
Viewer = User | AnonymousUser


class AttemptWindow(models.Model):
    """How often something was tried since a moment, for `accounts.attempts`. Holds no e-mail, only a digest of it."""

    key = models.CharField(max_length=120, primary_key=True)
    count = models.PositiveIntegerField()
    ends_at = models.BigIntegerField(db_index=True, help_text="Unix time, in seconds.")

    def __str__(self) -> str:
        return self.key
