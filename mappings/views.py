"""Assignments, the doctors of a patient, and the patients of a doctor."""

from typing import Any

from django.db.models import F, QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import exceptions, viewsets

from doctors.models import Doctor
from doctors.serializers import DoctorSerializer
from healthcare.api.filters import OrderingFilter
from healthcare.api.json import encode_rows, json_response
from healthcare.api.requests import ApiRequest
from healthcare.api.serializers import ModelSerializer
from healthcare.api.viewsets import ApiViewMixin, RecordViewSet
from healthcare.db.compiled import CompiledQuery, Placeholder, fixed_shape, visible_to_user
from healthcare.logs import log_access
from mappings.filters import MappingFilter
from mappings.models import Mapping
from mappings.serializers import AssignedDoctorSerializer, MappingSerializer
from patients.models import Patient
from patients.serializers import PatientSerializer

# Built now, so that a `visible_to` that cannot be compiled prevents the start.
visible_patients, visible_doctors = visible_to_user(Patient.objects), visible_to_user(Doctor.objects)


def id_of(record: str) -> OpenApiParameter:
    """Return the path parameter of an operation whose id belongs to another model than the path suggests."""
    examples = [OpenApiExample(record, value=1)]
    return OpenApiParameter("id", int, "path", description=f"The id of the **{record}**.", examples=examples)


class DoctorsOfPatientMixin(ApiViewMixin, viewsets.GenericViewSet):
    """Read the doctors assigned to one of the user's patients."""

    serializer_class: type[ModelSerializer] = AssignedDoctorSerializer
    patient = CompiledQuery(lambda: visible_patients.filter(pk=Placeholder("pk")).order_by().values_list("pk"))
    doctors = CompiledQuery(
        lambda: (
            visible_doctors.filter(mappings__patient__in=visible_patients.filter(pk=Placeholder("pk")))
            .order_by("mappings__id")
            .values_list(*DoctorSerializer.Meta.fields, F("mappings__id"), F("mappings__assigned_at"))
        )
    )

    @extend_schema(
        operation_id="listPatientDoctors",
        summary="List the doctors of a patient",
        parameters=[id_of("patient")],
        responses=AssignedDoctorSerializer(many=True),
    )
    def retrieve(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """All doctors assigned to the patient, each with the `mapping_id` for removing the assignment."""
        scope = {"user": request.user.pk, "pk": int(kwargs["pk"])}
        rows = self.doctors.rows(**scope)
        if not rows and not self.patient.rows(**scope):
            raise exceptions.NotFound
        log_access(request, (row[0] for row in rows))
        keys = AssignedDoctorSerializer.Meta.fields
        return json_response(encode_rows(keys, rows, [keys.index("created_at"), keys.index("assigned_at")]))


@extend_schema_view(
    retrieve=extend_schema(operation_id="listMappingDoctors"),
    destroy=extend_schema(parameters=[id_of("mapping")]),
)
class MappingViewSet(DoctorsOfPatientMixin, RecordViewSet):
    """`GET mappings/<id>/` takes the id of a patient, `DELETE mappings/<id>/` that of a mapping."""

    queryset = Mapping.objects.all()
    serializer_class = MappingSerializer
    filterset_class = MappingFilter
    ordering_fields = ("id", "assigned_at")
    # No index starts with this column, but it limits the cost of a page to the user's own mappings.
    ordering_prefix = "patient__user_id"
    has_etag = False
    http_method_names = ["get", "head", "post", "delete"]


class PatientDoctorsViewSet(DoctorsOfPatientMixin):
    """The same list under `patients/<id>/doctors/`."""


class DoctorPatientsViewSet(RecordViewSet):
    """The user's patients assigned to one doctor."""

    queryset = Patient.objects.all()
    serializer_class = PatientSerializer
    filter_backends = [OrderingFilter]
    ordering_prefix = "user_id"
    doctor = CompiledQuery(lambda: visible_doctors.filter(pk=Placeholder("pk")).order_by().values_list("pk"))

    @fixed_shape
    def get_queryset(self) -> QuerySet:
        return Patient.objects.visible_to(self.request.user).filter(mappings__doctor_id=self.kwargs["pk"])

    @extend_schema(
        operation_id="listDoctorPatients",
        summary="List the patients of a doctor",
        parameters=[id_of("doctor")],
    )
    def list(self, request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The user's own patients that are assigned to the doctor."""
        if not self.doctor.rows(user=request.user.pk, pk=int(kwargs["pk"])):
            raise exceptions.NotFound
        return super().list(request, *args, **kwargs)
