"""Patients, each owned by the user who created it."""

from collections.abc import Iterable
from typing import Any, Self

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import MD5, Left
from django.utils import timezone

from accounts.models import Viewer
from healthcare import fields
from healthcare.db.compiled import fixed_shape
from healthcare.db.functions import Fold, fold
from healthcare.db.history import HistoricalRecords

OLDEST = 150
NO_CONTACT = models.Q(phone="", email="")


class PatientQuerySet(models.QuerySet):
    @fixed_shape
    def visible_to(self, user: Viewer) -> Self:
        """Return the patients `user` may see: those they created."""
        # A range of one user makes PostgreSQL use the index `patients_of_user` for pages. For `=` it may scan all
        # patients in the order of their ids instead.
        return self.filter(user__gte=user, user__lte=user) if user.is_authenticated else self.none()

    def like(self, patients: Iterable["Patient"]) -> list["Patient"]:
        """Return the stored patients that may be the same as one of `patients`: same user, same name."""
        users, names = {patient.user_id for patient in patients}, {fold(patient.name) for patient in patients}
        # Unordered, and one query for each unique index; otherwise SQLite would scan all patients.
        named = self.filter(user__in=users, name__fold__in=names).order_by()
        return [*named.filter(~NO_CONTACT), *named.filter(NO_CONTACT)]

    def duplicates_of(self, patient: "Patient") -> Self:
        """Return possible duplicates of `patient`, of any user: the same phone, or the same name and age."""
        same = models.Q(name__fold=fold(patient.name), age=patient.age)
        if patient.phone:
            same |= models.Q(phone=patient.phone)
        return self.filter(same).exclude(pk=patient.pk)

    def ids_with_duplicates(self) -> models.QuerySet[Any, Any]:
        """Return the ids of the patients that have possible duplicates (`duplicates_of`) among these."""
        # Duplicates are adjacent in the indexes, so an index scan is enough.
        unordered = self.order_by()
        phones = unordered.exclude(phone="").values("phone").annotate(alike=models.Count("*")).filter(alike__gt=1)
        same_phone = unordered.filter(phone__in=phones.values("phone"))
        alike = models.Window(models.Count("*"), partition_by=[Fold("name"), models.F("age")])
        same_name = unordered.annotate(alike=alike).filter(alike__gt=1)
        return same_phone.values_list("pk", flat=True).union(same_name.values_list("pk", flat=True))


class Patient(models.Model):
    """A person in the care of the user who registered them."""

    name = fields.LineField()
    age = models.PositiveSmallIntegerField(validators=[MaxValueValidator(OLDEST)], help_text="Years, 0 to 150.")
    gender = fields.GenderField(help_text="male, female, other or unknown, or its first letter, in any case.")
    phone = fields.PhoneField(blank=True)
    address = fields.AddressField(blank=True)
    email = models.EmailField("e-mail", max_length=254, blank=True)
    created_at = models.DateTimeField("added", default=timezone.now, editable=False)
    # Accounts with patients are deactivated, not deleted.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="patients", db_index=False, verbose_name="added by"
    )
    history = HistoricalRecords(no_db_index=["user"])

    objects = PatientQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["user", "id"], name="patients_of_user"),
            # For recent rows. Rows are stored in this order, so a few kilobytes are enough (a b-tree on SQLite).
            BrinIndex(fields=["created_at"], name="patients_by_day"),
            # For possible duplicates.
            models.Index(fields=["phone"], name="patients_by_phone"),
            models.Index(Fold("name"), "age", name="patients_by_name_and_age"),
        ]
        permissions = [("export_patient", "Can export patients")]
        constraints = [
            models.UniqueConstraint(
                "user",
                Fold("name"),
                "phone",
                Fold("email"),
                condition=~NO_CONTACT,
                name="patients_patient_unique_per_user",
                violation_error_message=(
                    "This patient exists already: same name, phone and e-mail. "
                    "For another person, such as a twin, change one of them."
                ),
            ),
            models.UniqueConstraint(
                "user",
                Fold("name"),
                "age",
                # All spellings of a gender start with the same letter, and no other gender does.
                Left(Fold("gender"), 1),
                # Hashed, because an address may exceed the 2,704 bytes of an index entry.
                MD5(Fold("address")),
                condition=NO_CONTACT,
                name="patients_patient_unique_without_contact",
                violation_error_message=(
                    "This patient exists already: same name, age, gender and address, and neither has a phone or an "
                    "e-mail. For another person, such as a twin, change one of them."
                ),
            ),
            models.CheckConstraint(
                condition=fields.age_condition(0, OLDEST),
                name="patients_patient_age",
                violation_error_message="Must be from 0 to 150.",
            ),
            models.CheckConstraint(
                condition=fields.gender_condition(),
                name="patients_patient_gender",
                violation_error_message=fields.GENDER_MESSAGE,
            ),
            models.CheckConstraint(
                condition=fields.phone_condition(),
                name="patients_patient_phone",
                violation_error_message=fields.PHONE_MESSAGE,
            ),
            models.CheckConstraint(
                condition=fields.address_condition(),
                name="patients_patient_address",
                violation_error_message=fields.ADDRESS_MESSAGE,
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def identity(self) -> tuple[Any, ...]:
        """Return (unique constraint, its values), which are equal for duplicates."""
        if self.phone or self.email:
            return "patients_patient_unique_per_user", self.user_id, fold(self.name), self.phone, fold(self.email)
        same = fold(self.name), self.age, fold(self.gender)[:1], fold(self.address)
        return "patients_patient_unique_without_contact", self.user_id, *same
