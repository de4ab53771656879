from django.db.models import Exists
from rest_framework import serializers

from doctors.models import Doctor
from doctors.serializers import DoctorSerializer
from healthcare.api.serializers import IntegerField, ModelSerializer
from mappings.models import Mapping
from patients.models import Patient


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


class AssignedDoctorSerializer(DoctorSerializer):
    """A doctor as assigned to one patient."""

    mapping_id = serializers.IntegerField(read_only=True)
    assigned_at = serializers.DateTimeField(read_only=True)

    class Meta(DoctorSerializer.Meta):
        fields = [*DoctorSerializer.Meta.fields, "mapping_id", "assigned_at"]
