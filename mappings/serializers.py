from django.db.models import BigIntegerField, Exists
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from doctors.models import Doctor
from doctors.serializers import DoctorSerializer
from healthcare.api.serializers import IntegerField, ModelSerializer
from healthcare.db.compiled import CompiledQuery, Placeholder, visible_to_user
from mappings.models import Mapping
from patients.models import Patient

# One row (whether the doctor exists) if the user may see the patient, else none.
patient_and_doctor = CompiledQuery(
    lambda: (
        visible_to_user(Patient.objects)
        .filter(pk=Placeholder("patient_id"))
        .order_by()
        .values_list(Exists(visible_to_user(Doctor.objects).filter(pk=Placeholder("doctor_id"))))
    )
)


@extend_schema_serializer(
    component_name="DoctorMapping",
    examples=[
        OpenApiExample("Request", value={"patient": 1, "doctor": 1}, request_only=True),
        OpenApiExample(
            "Answer",
            value={"id": 1, "assigned_at": "2025-09-20T21:26:42.200203Z", "patient": 1, "doctor": 1, "user": 1},
            response_only=True,
        ),
    ],
)
class MappingSerializer(ModelSerializer):
    """A doctor assigned to a patient."""

    patient = IntegerField(source="patient_id")
    doctor = IntegerField(source="doctor_id")

    class Meta:
        model = Mapping
        fields = ["id", "assigned_at", "patient", "doctor", "user"]
        read_only_fields = ["id", "assigned_at", "user"]

    def validate(self, attrs: dict[str, int]) -> dict[str, int]:
        # Databases raise an error for ids over 64 bits; no record has the id 0.
        ids = {name: value if 0 < value <= BigIntegerField.MAX_BIGINT else 0 for name, value in attrs.items()}
        found = patient_and_doctor.rows(user=self.context["request"].user.pk, **ids)
        if not found:
            raise serializers.ValidationError(
                {"patient": ["You have no patient with this id: GET /api/patients/ lists yours."]}
            )
        if not found[0][0]:
            raise serializers.ValidationError(
                {"doctor": ["There is no doctor with this id: GET /api/doctors/ lists all."]}
            )
        return attrs


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Answer",
            value={
                "id": 1,
                "name": "Dr. Robert Brown",
                "age": 21,
                "gender": "male",
                "specialization": "Cardiologist",
                "email": "Robert.brown@gmail.com",
                "phone": "9123456780",
                "address": "245 main strt",
                "created_at": "2025-09-20T21:23:24.527748Z",
                "user": 1,
                "mapping_id": 1,
                "assigned_at": "2025-09-20T21:26:42.200203Z",
            },
            response_only=True,
        ),
    ]
)
class AssignedDoctorSerializer(DoctorSerializer):
    """A doctor assigned to a patient."""

    mapping_id = serializers.IntegerField(read_only=True)
    assigned_at = serializers.DateTimeField(read_only=True)

    class Meta(DoctorSerializer.Meta):
        fields = [*DoctorSerializer.Meta.fields, "mapping_id", "assigned_at"]
