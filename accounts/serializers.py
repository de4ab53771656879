"""The request and response bodies of the account endpoints."""

import re
from typing import Any

from django.contrib.auth import authenticate, password_validation
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.http import urlsafe_base64_decode
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from accounts.models import User
from accounts.throttling import check_current_password
from accounts.tokens import RefreshToken, require_no_padding
from healthcare.api.serializers import CharField, EmailField, ModelSerializer, Serializer
from healthcare.fields import ID

# Limits the cost of hashing.
PASSWORD_MAX = 128
EXPECTED = "Send the newest refresh token, not the access token, or log in again."


class PasswordField(CharField):
    """A password, used exactly as sent, including leading and trailing spaces."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"write_only": True, "trim_whitespace": False, "max_length": PASSWORD_MAX, **kwargs})


class NewPasswordField(PasswordField):
    # For OpenAPI; enforced by AUTH_PASSWORD_VALIDATORS.
    shortest = 8


def check_password_rules(field: str, password: str, user: User) -> None:
    """Raise ValidationError on `field` if the password breaks a rule of AUTH_PASSWORD_VALIDATORS."""
    try:
        password_validation.validate_password(password, user)
    except DjangoValidationError as error:
        raise serializers.ValidationError({field: error.messages}) from None


def require_current_password(field: str, password: str, request: Request) -> None:
    """Raise ValidationError on `field` unless `password` is the user's current one; failures are counted."""
    if not check_current_password(request, password):
        raise serializers.ValidationError({field: ["This is not your current password."]})


@extend_schema_serializer(
    component_name="Account",
    examples=[
        OpenApiExample("Answer", value={"id": 1, "name": "John Doe", "email": "john@example.com"}, response_only=True),
    ],
)
class UserSerializer(ModelSerializer):
    """An account."""

    class Meta:
        model = User
        fields = ["id", "name", "email"]


@extend_schema_serializer(
    component_name="OwnAccount",
    examples=[
        OpenApiExample(
            "Request",
            value={"name": "John Doe", "email": "john@example.com", "password": "password123"},
            request_only=True,
        ),
    ],
)
class MeSerializer(UserSerializer):
    """The user's own account. A new e-mail requires the current `password`."""

    password = PasswordField(required=False, help_text="The current password; required only for a new e-mail.")

    class Meta(UserSerializer.Meta):
        fields = [*UserSerializer.Meta.fields, "password"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        request = self.context["request"]
        password = attrs.pop("password", None)
        if attrs.get("email", request.user.email) != request.user.email:
            if password is None:
                raise serializers.ValidationError({"password": ["Send your current password to change the e-mail."]})
            require_current_password("password", password, request)
        return attrs


@extend_schema_serializer(
    component_name="Register",
    examples=[
        OpenApiExample(
            "Request",
            value={"name": "John Doe", "email": "john@example.com", "password": "password123"},
            request_only=True,
        ),
    ],
)
class RegisterSerializer(UserSerializer):
    """A new account."""

    password = NewPasswordField()

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
    default_error_messages = {"no_account": "No active account with this e-mail and password."}

    email = CharField(write_only=True, max_length=254)
    password = PasswordField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, User]:
        """Return the user; raise the same AuthenticationFailed for an unknown, inactive or wrong log-in."""
        user = authenticate(self.context["request"], username=attrs["email"], password=attrs["password"])
        if user is None:
            raise AuthenticationFailed(self.error_messages["no_account"])
        return {"user": user}


@extend_schema_serializer(
    examples=[
        OpenApiExample("Request", value={"refresh": "<the refresh token>"}, request_only=True),
    ]
)
class RefreshSerializer(Serializer):
    refresh = CharField(write_only=True)

    def validate_refresh(self, value: str) -> RefreshToken:
        """Return the token; raise AuthenticationFailed if it is not a valid refresh token."""
        try:
            require_no_padding(value)
            return RefreshToken(value)
        except TokenError as error:
            raise AuthenticationFailed(f"{error}. {EXPECTED}") from None


@extend_schema_serializer(
    examples=[
        OpenApiExample("Answer", value={"access": "<jwt>", "refresh": "<jwt>"}, response_only=True),
    ]
)
class TokenPairSerializer(serializers.Serializer):
    access = serializers.CharField(help_text="Send it as `Authorization: Bearer <access>`.")
    refresh = serializers.CharField(help_text="Send it once to `/api/auth/refresh/`.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Request", value={"old_password": "password123", "new_password": "a-much-longer-one"}, request_only=True
        ),
    ]
)
class PasswordSerializer(Serializer):
    old_password = PasswordField()
    new_password = NewPasswordField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        request = self.context["request"]
        require_current_password("old_password", attrs["old_password"], request)
        check_password_rules("new_password", attrs["new_password"], request.user)
        return attrs


@extend_schema_serializer(
    examples=[OpenApiExample("Request", value={"email": "john@example.com"}, request_only=True)],
)
class PasswordResetSerializer(Serializer):
    email = EmailField(write_only=True, max_length=254)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Request",
            value={"uid": "MQ", "token": "<of the e-mail>", "new_password": "a-much-longer-one"},
            request_only=True,
        ),
    ]
)
class PasswordResetConfirmSerializer(Serializer):
    uid = CharField(write_only=True, max_length=50)
    token = CharField(write_only=True, max_length=100)
    new_password = PasswordField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the user and the new password; raise ValidationError for an invalid, used or expired token."""
        try:
            pk = urlsafe_base64_decode(attrs["uid"]).decode("ascii")
        except ValueError:
            raise invalid_reset() from None
        user = User.objects.filter(pk=pk, is_active=True).first() if re.fullmatch(ID, pk) else None
        if user is None or not default_token_generator.check_token(user, attrs["token"]):
            raise invalid_reset()
        check_password_rules("new_password", attrs["new_password"], user)
        return {"user": user, "new_password": attrs["new_password"]}


def invalid_reset() -> serializers.ValidationError:
    return serializers.ValidationError({"token": ["This link is invalid, expired or already used. Request a new one."]})
