"""Doctors: a directory shared by all users."""

from collections.abc import Iterable
from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.models import User, Viewer
from healthcare import fields
from healthcare.db.compiled import fixed_shape
from healthcare.db.functions import Fold, fold
from healthcare.db.history import HistoricalRecords
from healthcare.db.writes import delete_with_history

YOUNGEST, OLDEST = 18, 120


class DoctorQuerySet(models.QuerySet):
    @fixed_shape
    def visible_to(self, user: Viewer) -> Self:
        """Return the doctors `user` may see: all of them if authenticated."""
        return self.all() if user.is_authenticated else self.none()

    def like(self, doctors: Iterable["Doctor"]) -> list["Doctor"]:
        """Return the stored doctors that are the same as one of `doctors`: same e-mail."""
        return list(self.filter(email__fold__in={fold(doctor.email) for doctor in doctors}).order_by())


class Doctor(models.Model):
    """A doctor in the shared directory."""

    name = fields.LineField()
    age = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(YOUNGEST), MaxValueValidator(OLDEST)],
        help_text="Years, 18 to 120.",
    )
    gender = fields.GenderField(
        blank=True, help_text="male, female, other or unknown, or its first letter, in any case."
    )
    specialization = fields.LineField()
    email = models.EmailField("e-mail", max_length=254)
    phone = fields.PhoneField(blank=True)
    address = fields.AddressField(blank=True)
    created_at = models.DateTimeField("added", default=timezone.now, editable=False)
    # Other users need the entry, so the account that created it is deactivated, not deleted.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="doctors", verbose_name="added by")
    history = HistoricalRecords(no_db_index=["user"])

    objects = DoctorQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        # For pages ordered by name. On PostgreSQL, a migration also creates a trigram index for search.
        indexes = [models.Index(fields=["name", "id"], name="doctors_by_name")]
        permissions = [("export_doctor", "Can export doctors")]
        constraints = [
            models.UniqueConstraint(
                Fold("email"),
                name="doctors_doctor_email_unique",
                violation_error_message="A doctor with this e-mail already exists.",
            ),
            models.CheckConstraint(
                condition=models.Q(age__isnull=True) | fields.age_condition(YOUNGEST, OLDEST),
                name="doctors_doctor_age",
                violation_error_message="Must be from 18 to 120.",
            ),
            models.CheckConstraint(
                condition=fields.gender_condition(blank=True),
                name="doctors_doctor_gender",
                violation_error_message=fields.GENDER_MESSAGE,
            ),
            models.CheckConstraint(
                condition=fields.phone_condition(),
                name="doctors_doctor_phone",
                violation_error_message=fields.PHONE_MESSAGE,
            ),
            models.CheckConstraint(
                condition=fields.address_condition(),
                name="doctors_doctor_address",
                violation_error_message=fields.ADDRESS_MESSAGE,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.specialization}"

    def identity(self) -> tuple[str, str]:
        """Return (unique constraint, its value), which is equal for duplicates."""
        return "doctors_doctor_email_unique", fold(self.email)

    def remove(self, user: User) -> None:
        """Delete the doctor and its assignments to `user`'s patients; raise ProtectedError if there are others."""
        delete_with_history(self.mappings.filter(patient__user=user), user.pk)
        self.delete()
