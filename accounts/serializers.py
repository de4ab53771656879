"""What the account endpoints take and answer."""

from typing import Any

from django.contrib.auth import authenticate, password_validation
from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.exceptions import TokenError

from accounts import attempts
from accounts.models import User
from accounts.tokens import RefreshToken
from healthcare.api.serializers import CharField, ModelSerializer, Serializer

# Bytes of work an attacker may ask of the password hash.
PASSWORD_MAX = 128
WANTED = "Send the newest refresh token, not the access token, or log in again."


class PasswordField(CharField):
    """A password: kept as it is, spaces at its ends too."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"write_only": True, "trim_whitespace": False, "max_length": PASSWORD_MAX, **kwargs})


def check_password_rules(field: str, password: str, user: User) -> None:
    """Raise ValidationError on `field` where the password breaks a rule of AUTH_PASSWORD_VALIDATORS."""
    try:
        password_validation.validate_password(password, user)
    except DjangoValidationError as error:
        raise serializers.ValidationError({field: error.messages}) from None


@extend_schema_serializer(
    examples=[
        OpenApiExample("Request", value={"name": "John Doe", "email": "john@example.com"}, request_only=True),
        OpenApiExample("Answer", value={"id": 1, "name": "John Doe", "email": "john@example.com"}, response_only=True),
    ]
)
class UserSerializer(ModelSerializer):
    """An account."""

    class Meta:
        model = User
        fields = ["id", "name", "email"]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Request",
            value={"name": "John Doe", "email": "john@example.com", "password": "password123"},
            request_only=True,
        ),
        OpenApiExample("Answer", value={"id": 1, "name": "John Doe", "email": "john@example.com"}, response_only=True),
    ]
)
class RegisterSerializer(UserSerializer):
    """A new account."""

    password = PasswordField()

    class Meta(UserSerializer.Meta):
        fields = [*UserSerializer.Meta.fields, "password"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        check_password_rules("password", attrs["password"], User(name=attrs["name"], email=attrs["email"]))
        return attrs

    def create(self, validated_data: dict[str, Any]) -> User:
        return User.objects.create_user(**validated_data)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Request", value={"email": "john@example.com", "password": "password123"}, request_only=True),
    ]
)
class LoginSerializer(Serializer):
    email = CharField(write_only=True, max_length=254)
    password = PasswordField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, User]:
        """Return the user; raise AuthenticationFailed, the same and as late for a wrong, unknown or inactive one."""
        user = authenticate(self.context["request"], username=attrs["email"], password=attrs["password"])
        if user is None:
            raise AuthenticationFailed("No active account with this e-mail and password.")
        return {"user": user}


@extend_schema_serializer(
    examples=[
        OpenApiExample("Request", value={"refresh": "<the refresh token>"}, request_only=True),
    ]
)
class RefreshSerializer(Serializer):
    refresh = CharField(write_only=True)

    def validate_refresh(self, value: str) -> RefreshToken:
        """Return the token; raise AuthenticationFailed where it is not a valid refresh token."""
        try:
            return RefreshToken(value)
        except TokenError as error:
            raise AuthenticationFailed(f"{error}. {WANTED}") from None


@extend_schema_serializer(
    examples=[
        OpenApiExample("Answer", value={"access": "<jwt>", "refresh": "<jwt>"}, response_only=True),
    ]
)
class TokenPairSerializer(serializers.Serializer):
    access = serializers.CharField(help_text="Send it as `Authorization: Bearer <access>`.")
    refresh = serializers.CharField(help_text="Good for one call of `/api/auth/refresh/`.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Request", value={"old_password": "password123", "new_password": "a-much-longer-one"}, request_only=True
        ),
    ]
)
class PasswordSerializer(Serializer):
    old_password = PasswordField()
    new_password = PasswordField()

    def validate_old_password(self, value: str) -> str:
        request = self.context["request"]
        attempts.begin(request, f"user {request.user.pk}")
        if not request.user.check_password(value):
            raise serializers.ValidationError("This is not your current password.")
        attempts.succeeded(request, f"user {request.user.pk}")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        check_password_rules("new_password", attrs["new_password"], self.context["request"].user)
        return attrs
