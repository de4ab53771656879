"""Registration, log-in, token renewal, log-out, and the user's own account."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from accounts import mail, serializers
from accounts.models import User
from accounts.permissions import RegistrationIsOpen
from accounts.throttling import (
    EmailChangeRateThrottle,
    HashQueueThrottle,
    PasswordResetRateThrottle,
    RegisterRateThrottle,
)
from accounts.tokens import ALREADY_USED, RefreshToken
from healthcare.api.requests import ApiRequest
from healthcare.api.serializers import DetailSerializer
from healthcare.api.throttling import AnonRateThrottle, ConcurrencyThrottle, UserRateThrottle
from healthcare.api.viewsets import ApiViewMixin
from healthcare.logs import log_access

REGISTRATION_CLOSED = OpenApiResponse(
    DetailSerializer,
    "The server is set to `REGISTRATION=closed`.",
    [OpenApiExample("closed", {"detail": RegistrationIsOpen.message})],
)
LOGIN_REFUSED = OpenApiResponse(
    DetailSerializer,
    "The e-mail is unknown, the password wrong, or the account deactivated.",
    [OpenApiExample("refused", {"detail": serializers.LoginSerializer.default_error_messages["no_account"]})],
)
TOKEN_REFUSED = OpenApiResponse(
    DetailSerializer,
    "The token is not a refresh token, has expired or has already been used.",
    [
        OpenApiExample("wrong", {"detail": f"Token has wrong type. {serializers.EXPECTED}"}),
        OpenApiExample("used", {"detail": ALREADY_USED}),
    ],
)
ACCOUNT_CHANGED = "The account was changed or deactivated during this request. Log in again."


class AccountView(ApiViewMixin, generics.GenericAPIView):
    """The base of all account views."""

    # Parsing a larger body would be expensive, and most of these views need no authentication.
    max_body_bytes = 16 * 1024

    def validated(self, request: Request) -> dict[str, Any]:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


class PublicView(AccountView):
    """A public view, which ignores the Authorization header."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        # Without authentication classes, DRF would turn a 401 into a 403.
        return 'Bearer realm="api"'


@extend_schema_view(
    post=extend_schema(operation_id="register", responses={201: serializers.UserSerializer, 403: REGISTRATION_CLOSED})
)
class RegisterView(PublicView, generics.CreateAPIView):
    """Register.

    The e-mail is unique, ignoring case. The password has 8 to 128 characters, is not entirely numeric and is not too
    similar to the name or the e-mail.
    """

    serializer_class = serializers.RegisterSerializer
    permission_classes = [RegistrationIsOpen]
    throttle_classes = [HashQueueThrottle, AnonRateThrottle, RegisterRateThrottle]

    def perform_create(self, serializer: BaseSerializer) -> None:
        user = serializer.save()
        log_access(self.request, [user.pk])

    def get_success_headers(self, data: Any) -> dict[str, str]:
        return {"Location": reverse("auth:me")}


class LoginView(PublicView):
    """Log in.

    The case of the e-mail is ignored. Wrong passwords, unknown e-mails and deactivated accounts get the same response.
    """

    serializer_class = serializers.LoginSerializer
    throttle_classes = [HashQueueThrottle, AnonRateThrottle]

    @extend_schema(operation_id="logIn", responses={200: serializers.TokenPairSerializer, 401: LOGIN_REFUSED})
    def post(self, request: Request) -> Response:
        user = self.validated(request)["user"]
        log_access(request, [user.pk])
        if not as_authenticated(user).update(last_login=timezone.now()):
            raise AuthenticationFailed(ACCOUNT_CHANGED)
        return token_pair(RefreshToken.for_user(user))


class RefreshView(PublicView):
    """Renew the tokens.

    A refresh token works once: store the new one. Reusing it later revokes all tokens of the same log-in.
    """

    serializer_class = serializers.RefreshSerializer

    @extend_schema(operation_id="refreshTokens", responses={200: serializers.TokenPairSerializer, 401: TOKEN_REFUSED})
    def post(self, request: Request) -> Response:
        return token_pair(consume(request, self.validated(request)["refresh"], renew=True))


class LogoutView(PublicView):
    """Log out.

    Revokes the refresh token. The access token is not required.
    """

    serializer_class = serializers.RefreshSerializer

    @extend_schema(operation_id="logOut", responses={200: DetailSerializer, 401: TOKEN_REFUSED})
    def post(self, request: Request) -> Response:
        consume(request, self.validated(request)["refresh"], renew=False)
        return Response({"detail": "Logged out."})


class PasswordView(AccountView):
    """Change the password.

    Revokes all tokens issued before, including access tokens.
    """

    serializer_class = serializers.PasswordSerializer
    throttle_classes = [HashQueueThrottle, UserRateThrottle]

    @extend_schema(operation_id="changePassword", responses=DetailSerializer)
    def post(self, request: ApiRequest) -> Response:
        new_password = self.validated(request)["new_password"]
        if not request.user.change_password(new_password):
            raise AuthenticationFailed(ACCOUNT_CHANGED)
        return Response({"detail": "Password changed. Log in again."})


class PasswordResetView(PublicView):
    """Request a password reset.

    If the account exists, an e-mail with a link is sent; the link is valid once and for an hour.
    """

    serializer_class = serializers.PasswordResetSerializer
    throttle_classes = [AnonRateThrottle, PasswordResetRateThrottle]

    @extend_schema(operation_id="requestPasswordReset", responses=DetailSerializer)
    def post(self, request: Request) -> Response:
        mail.send_password_reset(self.validated(request)["email"])
        return Response({"detail": "If there is an active account with this e-mail, a message was sent to it."})


class PasswordResetConfirmView(PublicView):
    """Set a new password.

    Requires the `uid` and `token` of the e-mail. Revokes all tokens issued before.
    """

    serializer_class = serializers.PasswordResetConfirmSerializer
    throttle_classes = [HashQueueThrottle, AnonRateThrottle]

    @extend_schema(operation_id="confirmPasswordReset", responses=DetailSerializer)
    def post(self, request: Request) -> Response:
        reset = self.validated(request)
        log_access(request, [reset["user"].pk])
        if not reset["user"].change_password(reset["new_password"]):
            raise serializers.invalid_reset()
        return Response({"detail": "Password changed. Log in with it."})


@extend_schema_view(
    get=extend_schema(
        operation_id="getAccount",
        summary="Read your own account",
        description="The account that the access token belongs to.",
        responses=serializers.UserSerializer,
    ),
    patch=extend_schema(
        operation_id="updateAccount",
        summary="Change your own account",
        description="A new e-mail requires the current `password`.",
        responses=serializers.UserSerializer,
    ),
)
class MeView(AccountView, generics.RetrieveUpdateAPIView):
    """Your own account."""

    serializer_class = serializers.MeSerializer
    queryset = get_user_model().objects.none()
    http_method_names = ["get", "patch", "head"]
    throttle_classes = [UserRateThrottle, EmailChangeRateThrottle, ConcurrencyThrottle]

    def get_object(self) -> User:
        return self.request.user

    def perform_update(self, serializer: BaseSerializer) -> None:
        accounts = as_authenticated(self.request.user)
        if "email" in serializer.validated_data:
            # Whether it is a new e-mail, and requires the password, was decided by the old one.
            accounts = accounts.filter(email=self.request.user.email)
        with transaction.atomic():
            serializer.instance = accounts.select_for_update(no_key=True).first()
            if serializer.instance is None:
                raise AuthenticationFailed(ACCOUNT_CHANGED)
            serializer.save()


def as_authenticated(user: User) -> Any:
    """Return the row of `user`, or none if the account was deactivated or its password changed since authentication."""
    return User.objects.filter(pk=user.pk, password=user.password, is_active=True)


def token_pair(refresh: RefreshToken) -> Response:
    return Response({"access": str(refresh.access_token), "refresh": str(refresh)})


def consume(request: Request, refresh: RefreshToken, renew: bool) -> Any:
    log_access(request, [int(refresh[api_settings.USER_ID_CLAIM])])
    try:
        return refresh.consume(renew)
    except TokenError as error:
        raise AuthenticationFailed(str(error)) from None
