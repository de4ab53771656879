from doctors.models import Doctor
from healthcare.api.serializers import ModelSerializer


class DoctorSerializer(ModelSerializer):
    class Meta:
        model = Doctor
        fields = [
            "id",
            "name",
            "age",
            "gender",
            "specialization",
            "email",
            "phone",
            "address",
            "created_at",
            "user",
        ]
        read_only_fields = ["id", "created_at", "user"]
        extra_kwargs = {"address": {"trim_whitespace": False}}
