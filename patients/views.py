import logging
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.decorators import action
from rest_framework.response import Response

from accounts.models import User
from healthcare.api.csv import CSVParser
from healthcare.api.history import HistoryMixin
from healthcare.api.requests import ApiRequest
from healthcare.api.serializers import prefers_strict
from healthcare.api.viewsets import RecordViewSet
from healthcare.jobs import exclusive
from healthcare.logs import log_access
from patients.filters import PatientFilter
from patients.imports import BATCH, PatientImport
from patients.models import Patient
from patients.serializers import PatientImportSerializer, PatientSerializer

log = logging.getLogger("healthcare.imports")

IMPORT_EXAMPLES = [
    OpenApiExample(
        "Request",
        value="name,age,gender,phone\r\nAda Example,36,female,5550100001\r\nBob Example,160,male,5550100002\r\n",
        media_type=CSVParser.media_type,
        request_only=True,
    ),
    OpenApiExample(
        "Answer",
        value={
            "created": 1,
            "refused": [{"line": 3, "errors": {"age": ["Must be a whole number from 0 to 150."]}}],
            "ignored_columns": [],
        },
        response_only=True,
    ),
]


class PatientViewSet(HistoryMixin, RecordViewSet):
    queryset = Patient.objects.all()
    serializer_class = PatientSerializer
    filterset_class = PatientFilter
    search_fields = ("name", "phone", "email", "address")
    # PostgreSQL underestimates the cost of searching the index of all patients; scanning a user's own is faster.
    search_by_index = False
    ordering_fields = ("id", "name", "age", "created_at")
    ordering_prefix = "user_id"

    def may_read_history(self, user: User, newest: dict[str, Any]) -> bool:
        return newest["user_id"] == user.pk

    @extend_schema(
        operation_id="importPatients",
        summary="Import patients from a CSV",
        request={CSVParser.media_type: OpenApiTypes.STR},
        responses={200: PatientImportSerializer},
        examples=IMPORT_EXAMPLES,
    )
    @action(detail=False, methods=["post"], url_path="import", url_name="import", parser_classes=[CSVParser])
    def import_csv(self, request: ApiRequest, *args: Any, **kwargs: Any) -> Response:
        """Invalid lines and lines of existing patients are refused; all others are stored.

        The first line has the column names, in any order: `name`, `age`, `gender` and, optionally, `phone`, `address`
        and `email`. At most 10,000 rows; UTF-8, or UTF-16 with a byte order mark; commas, semicolons or tabs.
        """
        # Read first, because a client may send it slowly. DRF does not parse an empty body.
        body: Any = request.data or b""
        with exclusive():
            patient_import = PatientImport(body, request.user, prefers_strict(request))
            ids = patient_import.store()
        log_access(request, ids[:BATCH])
        for start in range(BATCH, len(ids), BATCH):
            data = {"request_id": request.id, "ids": ids[start : start + BATCH]}
            log.info("import continued", extra={"data": data})
        ignored = [name[:100] for name in patient_import.columns.unknown]
        return Response({"created": len(ids), "refused": patient_import.refused, "ignored_columns": ignored})
