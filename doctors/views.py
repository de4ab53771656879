from typing import Any

from accounts.models import User
from doctors.filters import DoctorFilter
from doctors.models import Doctor
from doctors.serializers import DoctorSerializer
from healthcare.api.history import HistoryMixin
from healthcare.api.permissions import IsCreatorOrHasModelPermission
from healthcare.api.viewsets import RecordViewSet


class DoctorViewSet(HistoryMixin, RecordViewSet):
    queryset = Doctor.objects.all()
    serializer_class = DoctorSerializer
    permission_classes = [*RecordViewSet.permission_classes, IsCreatorOrHasModelPermission]
    filterset_class = DoctorFilter
    search_fields = ("name", "specialization", "email", "phone", "address")
    ordering_fields = ("id", "name", "age", "created_at")

    def perform_destroy(self, instance: Doctor) -> None:
        instance.remove(self.request.user)

    def may_read_history(self, user: User, newest: dict[str, Any]) -> bool:
        return True
