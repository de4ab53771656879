from django.db.models import Exists
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from doctors.models import Doctor
from doctors.serializers import DoctorSerializer
from healthcare.api.serializers import IntegerField, ModelSerializer
from mappings.models import Mapping
from patients.models import Patient


@extend_schema_serializer(
    examples=[
        OpenApiExample("Request", value={"patient": 1, "doctor": 1}, request_only=True),
        OpenApiExample(
            "Answer",
            value={"id": 1, "assigned_at": "2025-09-20T21:26:42.200203Z", "patient": 1, "doctor": 1, "user": 1},
            response_only=True,
        ),
    ]
)
class MappingSerializer(ModelSerializer):
    patient = IntegerField(source="patient_id")
    doctor = IntegerField(source="doctor_id")

    class Meta:
        model = Mapping
        fields = ["id", "assigned_at", "patient", "doctor", "user"]
        read_only_fields = ["id", "assigned_at", "user"]

    def validate(self, attrs):
        """Find the patient among those the user may see, and the doctor, in one query."""
        user, doctors = self.context["request"].user, Doctor.objects.filter(pk=attrs["doctor_id"])
        patients = Patient.objects.visible_to(user).filter(pk=attrs["patient_id"])
        found = patients.values_list(Exists(doctors.visible_to(user))).first()
        if found is None:
            raise serializers.ValidationError({"patient": [f"There is no patient {attrs['patient_id']}."]})
        if not found[0]:
            raise serializers.ValidationError({"doctor": [f"There is no doctor {attrs['doctor_id']}."]})
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
    """A doctor as assigned to one patient."""

    mapping_id = serializers.IntegerField(read_only=True)
    assigned_at = serializers.DateTimeField(read_only=True)

    class Meta(DoctorSerializer.Meta):
        fields = [*DoctorSerializer.Meta.fields, "mapping_id", "assigned_at"]
