from rest_framework import serializers

from benchmarks.peers.drf.models import Doctor, Mapping, Patient
from healthcare.fields import plain_phone, validate_phone


class PhoneField(serializers.CharField):
    def to_internal_value(self, data):
        return plain_phone(super().to_internal_value(data))


class AgeField(serializers.IntegerField):
    def to_internal_value(self, data):
        if isinstance(data, bool | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class PatientSerializer(serializers.ModelSerializer):
    phone = PhoneField(validators=[validate_phone], required=False, allow_blank=True, default="")
    age = AgeField(min_value=0, max_value=150)

    class Meta:
        model = Patient
        fields = ["id", "name", "age", "gender", "phone", "address", "email", "created_at", "user"]
        read_only_fields = ["id", "created_at", "user"]
        extra_kwargs = {"address": {"trim_whitespace": False}}


class DoctorSerializer(serializers.ModelSerializer):
    class Meta:
        model = Doctor
        fields = ["id", "name", "age", "gender", "specialization", "email", "phone", "address", "created_at", "user"]


class AssignedDoctorSerializer(serializers.ModelSerializer):
    """A mapping, represented by its doctor."""

    class Meta:
        model = Mapping
        fields = ["id", "assigned_at"]

    def to_representation(self, mapping):
        own = super().to_representation(mapping)
        doctor = DoctorSerializer(mapping.doctor).data
        return {**doctor, "mapping_id": own["id"], "assigned_at": own["assigned_at"]}


class MappingSerializer(serializers.ModelSerializer):
    class Meta:
        model = Mapping
        fields = ["id", "assigned_at", "patient", "doctor", "user"]
        read_only_fields = ["id", "assigned_at", "user"]
        # The database constraint ensures uniqueness, as for the other servers; a validator would need another query.
        validators = []

    def validate_patient(self, patient):
        if patient.user_id != self.context["request"].user.pk:
            raise serializers.ValidationError("There is no such patient.")
        return patient
