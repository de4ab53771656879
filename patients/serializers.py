from healthcare.api.serializers import ModelSerializer
from patients.models import Patient


class PatientSerializer(ModelSerializer):
    class Meta:
        model = Patient
        fields = ["id", "name", "age", "gender", "phone", "address", "email", "created_at", "user"]
        read_only_fields = ["id", "created_at", "user"]
        extra_kwargs = {"address": {"trim_whitespace": False}}
