from typing import Any

from accounts.models import User, Viewer
from doctors.filters import DoctorFilter
from doctors.models import Doctor, DoctorQuerySet
from doctors.serializers import DoctorSerializer
from healthcare.api.history import HistoryMixin
from healthcare.api.viewsets import RecordViewSet


class DoctorViewSet(HistoryMixin, RecordViewSet):
    model = Doctor
    serializer_class = DoctorSerializer
    forbidden_detail = "Only the user who added this doctor, or staff, may change or delete it."
    filterset_class = DoctorFilter
    search_fields = ("name", "specialization", "email")
    ordering_fields = ("id", "name", "age", "created_at")

    @classmethod
    def changeable(cls, user: Viewer) -> DoctorQuerySet:
        return cls.model.objects.kept_by(user)

    def may_read_history(self, user: User, newest: dict[str, Any]) -> bool:
        return True

    def perform_destroy(self, instance: Doctor) -> None:
        instance.remove(self.request.user)
