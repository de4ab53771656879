"""Mappings: assignments of doctors to patients."""

from typing import Self

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils import timezone

from accounts.models import Viewer
from doctors.models import Doctor
from healthcare.db.compiled import fixed_shape
from healthcare.db.history import HistoricalRecords
from patients.models import Patient


class MappingQuerySet(models.QuerySet):
    @fixed_shape
    def visible_to(self, user: Viewer) -> Self:
        """Return the mappings `user` may see: those of their own patients."""
        if not user.is_authenticated:
            return self.none()
        # A range of one user, as for patients: for `=` PostgreSQL may scan all mappings in the order of their ids.
        return self.filter(patient__user__gte=user, patient__user__lte=user)


class Mapping(models.Model):
    """The assignment of a doctor to a patient."""

    # Assignments are part of the patient's data and are deleted with the patient.
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="mappings", db_index=False)
    # A doctor with assigned patients cannot be deleted.
    doctor = models.ForeignKey(Doctor, on_delete=models.PROTECT, related_name="mappings")
    # The user who made the assignment; cannot be deleted while it exists.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="mappings", verbose_name="added by")
    assigned_at = models.DateTimeField("assigned", default=timezone.now, editable=False)
    history = HistoricalRecords(no_db_index=["user", "doctor"])

    objects = MappingQuerySet.as_manager()

    class Meta:
        verbose_name = "assignment"
        ordering = ["id"]
        # For recent rows, as for patients.
        indexes = [BrinIndex(fields=["assigned_at"], name="mappings_by_day")]
        constraints = [
            # Also serves as the index for the doctors of a patient.
            models.UniqueConstraint(
                fields=["patient", "doctor"],
                name="mappings_mapping_unique_pair",
                violation_error_message="This doctor is already assigned to this patient.",
            ),
        ]

    def __str__(self) -> str:
        """Return the names if both are loaded, else the ids, so that lists need no query per mapping."""
        known = self._state.fields_cache
        patient = known.get("patient") or f"patient {self.patient_id}"
        return f"{patient} → {known.get('doctor') or f'doctor {self.doctor_id}'}"
