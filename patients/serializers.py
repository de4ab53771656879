from drf_spectacular.utils import OpenApiExample, extend_schema_serializer

from healthcare.api.serializers import ModelSerializer
from patients.models import Patient


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Request",
            value={
                "name": "Alice Smith",
                "age": 30,
                "gender": "Female",
                "phone": "9876543210",
                "address": "street 123",
                "email": "aliceS@gmail.com",
            },
            request_only=True,
        ),
        OpenApiExample(
            "Answer",
            value={
                "id": 1,
                "name": "Alice Smith",
                "age": 30,
                "gender": "Female",
                "phone": "9876543210",
                "address": "street 123",
                "email": "aliceS@gmail.com",
                "created_at": "2025-09-20T21:19:32.767840Z",
                "user": 1,
            },
            response_only=True,
        ),
    ]
)
class PatientSerializer(ModelSerializer):
    """A person in your care."""

    class Meta:
        model = Patient
        fields = ["id", "name", "age", "gender", "phone", "address", "email", "created_at", "user"]
        read_only_fields = ["id", "created_at", "user"]
        extra_kwargs = {"address": {"trim_whitespace": False}}
