"""Assignments, and the lists of patients and doctors that follow from them."""

from django.db.models import F
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import exceptions, viewsets

from doctors.models import Doctor
from doctors.serializers import DoctorSerializer
from healthcare.api.json import encode
from healthcare.api.lists import Listing
from healthcare.api.viewsets import RecordViewSet, StrictQueryMixin, json_response
from mappings.filters import MappingFilter
from mappings.models import Mapping
from mappings.serializers import AssignedDoctorSerializer, MappingSerializer
from patients.models import Patient
from patients.serializers import PatientSerializer


class DoctorsOfPatientMixin:
    """Read the doctors assigned to one of the user's patients."""

    serializer_class = AssignedDoctorSerializer

    @extend_schema(
        summary="The doctors of a patient",
        parameters=[OpenApiParameter("id", int, "path", description="The id of the **patient**.")],
        responses=AssignedDoctorSerializer(many=True),
    )
    def retrieve(self, request, *args, **kwargs):
        """Every doctor assigned to the patient, with the `mapping_id` that removes the assignment."""
        patient = Patient.objects.visible_to(request.user).filter(pk=int(kwargs["pk"]))
        names = [*DoctorSerializer.columns(), "mapping_id", "assigned_at"]
        assigned = (
            Doctor.objects.filter(mappings__patient__in=patient)
            .order_by("mappings__id")
            .values_list(*DoctorSerializer.columns().values(), F("mappings__id"), F("mappings__assigned_at"))
        )
        rows = list(assigned)
        if not rows and not patient.exists():
            raise exceptions.NotFound
        request._request.touched = [row[0] for row in rows]
        return json_response(encode([dict(zip(names, row, strict=True)) for row in rows]))


@extend_schema_view(
    retrieve=extend_schema(operation_id="mappings_doctors_list"),
    destroy=extend_schema(parameters=[OpenApiParameter("id", int, "path", description="The id of the **mapping**.")]),
)
class MappingViewSet(DoctorsOfPatientMixin, RecordViewSet):
    """`GET mappings/<id>/` takes the id of a patient, `DELETE mappings/<id>/` that of a mapping."""

    model = Mapping
    serializer_class = MappingSerializer
    filterset_class = MappingFilter
    ordering_fields = ("id",)
    http_method_names = ["get", "head", "post", "delete"]


class PatientDoctorsViewSet(DoctorsOfPatientMixin, StrictQueryMixin, viewsets.GenericViewSet):
    """The same under the patient's own path."""


class DoctorPatientsViewSet(StrictQueryMixin, viewsets.GenericViewSet):
    """The user's patients assigned to one doctor."""

    query_parameters = None
    serializer_class = PatientSerializer
    lists = Listing(PatientSerializer.columns())

    def listing(self):
        return self.lists

    @extend_schema(
        summary="The patients of a doctor",
        parameters=[OpenApiParameter("id", int, "path", description="The id of the **doctor**.")],
        responses=PatientSerializer(many=True),
    )
    def retrieve(self, request, *args, **kwargs):
        """Those of one's own patients who are assigned to the doctor."""
        doctor = Doctor.objects.visible_to(request.user).filter(pk=int(kwargs["pk"]))
        if not doctor.exists():
            raise exceptions.NotFound
        patients = Patient.objects.visible_to(request.user).filter(mappings__doctor_id=int(kwargs["pk"]))
        return self.listing().respond(request, patients)
