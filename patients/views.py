from typing import Any

from accounts.models import User
from healthcare.api.history import HistoryMixin
from healthcare.api.viewsets import RecordViewSet
from patients.filters import PatientFilter
from patients.models import Patient
from patients.serializers import PatientSerializer


class PatientViewSet(HistoryMixin, RecordViewSet):
    queryset = Patient.objects.all()
    serializer_class = PatientSerializer
    filterset_class = PatientFilter
    search_fields = ("name", "phone", "email", "address")
    # PostgreSQL would underestimate what the index of all patients costs: a user's own are found faster.
    search_by_index = False
    ordering_fields = ("id", "name", "age", "created_at")
    ordering_prefix = "user_id"

    def may_read_history(self, user: User, newest: dict[str, Any]) -> bool:
        return newest["user_id"] == user.pk
