from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

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
    """A patient."""

    class Meta:
        model = Patient
        fields = ["id", "name", "age", "gender", "phone", "address", "email", "created_at", "user"]
        read_only_fields = ["id", "created_at", "user"]
        extra_kwargs = {"address": {"trim_whitespace": False}}


@extend_schema_field({"$ref": "#/components/schemas/FieldErrors"})
class FieldErrorsField(serializers.DictField):
    pass


class RefusedLineSerializer(serializers.Serializer):
    """A line of a CSV that was not stored, with the errors that a POST of it would have."""

    line = serializers.IntegerField()
    errors = FieldErrorsField()  # type: ignore[assignment]  # the name of a property of serializers


class PatientImportSerializer(serializers.Serializer):
    """The result of an import."""

    created = serializers.IntegerField(help_text="How many patients were stored.")
    refused = RefusedLineSerializer(many=True)
    ignored_columns = serializers.ListField(
        child=serializers.CharField(), help_text="Columns that are none of the fields that a client may write."
    )
