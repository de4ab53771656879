from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

from doctors.models import Doctor
from healthcare.api.serializers import ModelSerializer


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Request",
            value={
                "name": "Dr. Robert Brown",
                "specialization": "Cardiologist",
                "phone": "9123456780",
                "age": 21,
                "gender": "male",
                "email": "Robert.brown@gmail.com",
                "address": "245 main strt",
            },
            request_only=True,
        ),
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
            },
            response_only=True,
        ),
    ]
)
class DoctorSerializer(ModelSerializer):
    """A doctor in the shared directory."""

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
