"""Register, log in, renew, log out, and one's own account."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import update_last_login
from django.urls import reverse
from rest_framework import generics, status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from accounts import serializers
from accounts.attempts import RegisterThrottle
from accounts.models import User
from accounts.tokens import RefreshToken
from healthcare.api.serializers import DetailSerializer
from healthcare.api.viewsets import StrictQueryMixin
from healthcare.logs import log_access


class AccountView(StrictQueryMixin, generics.GenericAPIView):
    """One POST with a body that `serializer_class` checks."""

    def post(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return self.perform(serializer)

    def perform(self, serializer: BaseSerializer) -> Response:
        """Do what the checked body asks for."""
        raise NotImplementedError


class PublicView(AccountView):
    """Open to everybody: an Authorization header, right or wrong, changes nothing."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        # Login and refresh answer 401 although they authenticate nobody.
        return 'Bearer realm="api"'


def pair(refresh: RefreshToken) -> Response:
    return Response({"access": str(refresh.access_token), "refresh": str(refresh)})


def spent(refresh: RefreshToken, renew: bool) -> Any:
    try:
        return refresh.spend(renew)
    except TokenError as error:
        raise AuthenticationFailed(str(error)) from None


class RegisterView(PublicView):
    """Register.

    The e-mail is unique without regard to case. The password has 8 to 128 characters, is not all digits and is not too
    like the name or the e-mail.
    """

    serializer_class = serializers.RegisterSerializer
    throttle_classes = [*PublicView.throttle_classes, RegisterThrottle]

    def perform(self, serializer: BaseSerializer) -> Response:
        user = serializer.save()
        log_access(self.request, [user.pk])
        return Response(serializer.data, status=status.HTTP_201_CREATED, headers={"Location": reverse("auth:me")})


class LoginView(PublicView):
    """Log in.

    The e-mail in any case. A wrong password, an unknown e-mail and a deactivated account get the same answer.
    """

    answer_class = serializers.TokenPairSerializer
    serializer_class = serializers.LoginSerializer

    def perform(self, serializer: BaseSerializer) -> Response:
        user = serializer.validated_data["user"]
        log_access(self.request, [user.pk])
        update_last_login(User, user)
        return pair(RefreshToken.for_user(user))


class RefreshView(PublicView):
    """Renew the tokens.

    A refresh token works once: keep the new one. Used again, it ends every session that came from the same login.
    """

    answer_class = serializers.TokenPairSerializer
    serializer_class = serializers.RefreshSerializer

    def perform(self, serializer: BaseSerializer) -> Response:
        refresh = serializer.validated_data["refresh"]
        log_access(self.request, [int(refresh[api_settings.USER_ID_CLAIM])])
        return pair(spent(refresh, renew=True))


class LogoutView(AccountView):
    """Log out: the refresh token is dead from now on."""

    answer_class = DetailSerializer
    serializer_class = serializers.RefreshSerializer

    def perform(self, serializer: BaseSerializer) -> Response:
        spent(serializer.validated_data["refresh"], renew=False)
        return Response({"detail": "Logged out."})


class PasswordView(AccountView):
    """Change the password: every token issued before, this one too, is dead at once."""

    answer_class = DetailSerializer
    serializer_class = serializers.PasswordSerializer

    def perform(self, serializer: BaseSerializer) -> Response:
        user = self.request.user
        user.set_password(serializer.validated_data["new_password"])
        user.save(update_fields=["password"], force_update=True)
        return Response({"detail": "Password changed. Log in again."})


class MeView(StrictQueryMixin, generics.RetrieveUpdateAPIView):
    """One's own account."""

    serializer_class = serializers.UserSerializer
    queryset = get_user_model().objects.none()
    http_method_names = ["get", "patch", "head"]

    def get_object(self) -> User:
        return self.request.user
