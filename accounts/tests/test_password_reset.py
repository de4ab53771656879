"""Password reset: an e-mail with a token, sent over SMTP to a real server."""

import re
import socket
import time
from datetime import datetime, timedelta
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from django.contrib.auth.tokens import default_token_generator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts import mail
from accounts.models import User
from accounts.tests.sessions import ME, assert_refused, login, refresh
from conftest import PASSWORD, ApiClient

RESET, CONFIRM = "/api/auth/password/reset/", "/api/auth/password/reset/confirm/"
NEW_PASSWORD = "another password"
SENT = {"detail": "If there is an active account with this e-mail, a message was sent to it."}
INVALID = {"token": ["This link is invalid, expired or already used. Request a new one."]}


class Inbox:
    """Store the messages that an SMTP server receives."""

    def __init__(self):
        self.messages = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802, aiosmtpd's name
        self.messages.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"


@pytest.fixture
def inbox(settings):
    """Start an SMTP server and configure it; return its inbox."""
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    controller = Controller(inbox, *address, ready_timeout=30)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = address
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.PASSWORD_RESET_URL = "https://clinic.example/reset?uid={uid}&token={token}"
    yield inbox
    controller.stop()


def ask(email):
    """Request a reset, and wait until its e-mail, if any, is sent."""
    response = ApiClient().post(RESET, {"email": email})
    mail.sender.submit(lambda: None).result(timeout=30)
    return response


def confirm(reset, password=NEW_PASSWORD):
    return ApiClient().post(CONFIRM, {**reset, "new_password": password})


def reset_of(user):
    """Return the uid and token of a password reset e-mail to `user`."""
    return {"uid": urlsafe_base64_encode(force_bytes(user.pk)), "token": default_token_generator.make_token(user)}


def test_a_forgotten_password_is_set_with_the_link_of_an_email(transactional_db, owner, inbox):
    tokens = login(owner).json()

    response = ask("OLIVE.owner@example.com")

    assert (response.status_code, response.json()) == (200, SENT)
    ((recipients, message),) = inbox.messages
    assert recipients == [owner.user.email]
    assert message["Subject"] == "Set a new password"
    link = re.search(r"https://clinic\.example/reset\?uid=(?P<uid>\S+)&token=(?P<token>\S+)", message.get_payload())
    assert confirm(link.groupdict()).json() == {"detail": "Password changed. Log in with it."}
    assert_refused(ApiClient(token=tokens["access"]).get(ME))
    assert_refused(refresh(tokens["refresh"]))
    assert_refused(login(owner, PASSWORD))
    assert login(owner, NEW_PASSWORD).status_code == 200


def test_without_an_address_for_links_the_email_has_the_token_itself(transactional_db, owner, inbox, settings):
    settings.PASSWORD_RESET_URL = ""

    ask(owner.user.email)

    ((_, message),) = inbox.messages
    reset = re.search(r'"uid": "(?P<uid>[^"]+)", "token": "(?P<token>[^"]+)"', message.get_payload())
    assert confirm(reset.groupdict()).status_code == 200


@pytest.mark.parametrize("account", ["unknown", "inactive", "without a password"])
def test_a_user_who_cannot_log_in_gets_the_same_response_and_no_email(transactional_db, make_user, inbox, account):
    if account != "unknown":
        user = make_user("Ina Other", is_active=account != "inactive")
        if account == "without a password":
            user.set_unusable_password()
            user.save()

    response = ask("ina.other@example.com")

    assert (response.status_code, response.json()) == (200, SENT)
    assert inbox.messages == []


def test_a_reset_request_does_not_read_the_account(owner, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(mail, "sender", type("Sender", (), {"submit": lambda *args: None}))

    for email in (owner.user.email, "nobody@example.com"):
        with django_assert_num_queries(1):  # counts the address
            assert ApiClient().post(RESET, {"email": email}).json() == SENT
        mail.waiting.release()


def test_an_unavailable_mail_server_does_not_change_the_response(transactional_db, owner, settings, caplog):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    response = ask(owner.user.email)

    assert (response.status_code, response.json()) == (200, SENT)
    assert "an e-mail was not sent" in caplog.text


def test_the_emails_to_one_address_are_limited_per_hour(transactional_db, owner, inbox):
    responses = [ask(owner.user.email) for _ in range(mail.HOURLY + 2)]

    assert {response.status_code for response in responses} == {200}
    assert len(inbox.messages) == mail.HOURLY


def test_requests_beyond_the_queue_are_dropped(owner, monkeypatch, caplog):
    monkeypatch.setattr(mail, "waiting", type("Full", (), {"acquire": lambda *args, **kwargs: False}))

    assert ApiClient().post(RESET, {"email": owner.user.email}).json() == SENT
    assert "one was dropped" in caplog.text


def test_resets_are_limited_by_address(anonymous, set_rate):
    set_rate("password_reset", "2/hour")

    statuses = [anonymous.post(RESET, {"email": "nobody@example.com"}).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]


def test_a_token_works_once(owner):
    reset = reset_of(owner.user)

    assert confirm(reset).status_code == 200
    again = confirm(reset, "a third password")

    assert (again.status_code, again.json()) == (400, INVALID)
    assert login(owner, NEW_PASSWORD).status_code == 200


def test_of_concurrent_resets_with_one_token_one_succeeds(race, owner):
    reset = reset_of(owner.user)

    responses = race(*(lambda number=number: confirm(reset, f"new password {number}") for number in range(4)))

    statuses = [response.status_code for response in responses]
    assert sorted(statuses) == [200, 400, 400, 400]
    assert User.objects.get().check_password(f"new password {statuses.index(200)}")


@pytest.mark.parametrize("minutes", [59, 61])
def test_a_token_expires_after_an_hour(owner, monkeypatch, minutes):
    reset = reset_of(owner.user)
    later = datetime.now() + timedelta(minutes=minutes)
    monkeypatch.setattr(default_token_generator, "_now", lambda: later)

    assert confirm(reset).status_code == (200 if minutes < 60 else 400)


@pytest.mark.parametrize(
    "wrong",
    [
        {"uid": "???"},
        {"uid": ""},
        {"uid": urlsafe_base64_encode(b"999999")},
        {"uid": urlsafe_base64_encode("٣".encode())},
        {"uid": urlsafe_base64_encode(b"9" * 30)},
        {"token": "x-y"},
    ],
)
def test_a_wrong_token_changes_nothing(owner, wrong):
    response = confirm({**reset_of(owner.user), **wrong})

    assert response.status_code == 400
    assert response.json() == INVALID or response.json() == {"uid": ["This field may not be blank."]}
    assert login(owner).status_code == 200


def test_a_token_of_another_or_a_deactivated_account_is_refused(owner, stranger):
    mixed = confirm({**reset_of(owner.user), "uid": reset_of(stranger.user)["uid"]})
    reset = reset_of(owner.user)
    User.objects.filter(pk=owner.user.pk).update(is_active=False)

    assert (mixed.status_code, mixed.json()) == (400, INVALID)
    assert confirm(reset).json() == INVALID


def test_a_new_password_is_validated(owner):
    response = confirm(reset_of(owner.user), "8273645190")

    assert (response.status_code, response.json()) == (400, {"new_password": ["This password is entirely numeric."]})
    assert login(owner).status_code == 200


def test_a_request_does_not_wait_for_the_mail_server(transactional_db, owner, settings):
    settings.EMAIL_BACKEND = "accounts.tests.slow_mail.EmailBackend"

    started = time.monotonic()
    ApiClient().post(RESET, {"email": owner.user.email})
    seconds = time.monotonic() - started

    assert seconds < 1
    mail.sender.submit(lambda: None).result(timeout=30)
