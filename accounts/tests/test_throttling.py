"""Password guessing is limited on every path, only for its source, and only for a time."""

import time
from types import SimpleNamespace

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts import throttling
from accounts.models import AttemptWindow, User
from accounts.tests.guesses import LOGIN, guess
from accounts.throttling import attempt
from conftest import PASSWORD
from healthcare.api.throttling import RedisCounter
from healthcare.db.names import described

pytestmark = pytest.mark.usefixtures("few_failures")


def test_the_guess_after_the_last_allowed_one_is_refused_with_the_time_to_wait(owner):
    statuses = [guess(owner.user).status_code for _ in range(3)]

    refused = guess(owner.user, PASSWORD)

    assert statuses == [401, 401, 401]
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert "Too many failed attempts." in refused.json()["detail"]


def test_the_owner_can_log_in_from_another_address_and_others_from_the_same(owner, stranger):
    for _ in range(5):
        guess(owner.user)

    assert guess(owner.user, PASSWORD, address="10.0.0.2").status_code == 200
    assert guess(stranger.user, PASSWORD).status_code == 200


def test_a_log_in_resets_earlier_failures(owner):
    for _ in range(4):
        guess(owner.user)
        assert guess(owner.user, PASSWORD).status_code == 200


def test_log_ins_are_possible_again_after_the_window(owner):
    for _ in range(4):
        guess(owner.user)
    AttemptWindow.objects.update(ends_at=0)

    assert guess(owner.user, PASSWORD).status_code == 200


def test_guesses_in_the_admin_are_limited_too(staff):
    form = {"username": staff.user.email, "password": "wrong-guess"}
    for _ in range(3):
        assert Client().post("/admin/login/", form).status_code == 200

    refused = Client().post("/admin/login/", {**form, "password": PASSWORD})

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_guesses_at_many_accounts_are_limited_by_address(db, set_rate):
    set_rate("login", "2/hour")

    def log_in(number, address="10.0.0.1"):
        form = {"username": f"staff{number}@example.com", "password": "Spring2026!"}
        return Client(REMOTE_ADDR=address).post("/admin/login/", form)

    assert [log_in(number).status_code for number in range(3)] == [200, 200, 429]
    assert log_in(3, "10.0.0.2").status_code == 200


def test_guesses_at_the_current_password_are_limited(owner):
    body = {"old_password": "wrong-guess", "new_password": "another-pass-77"}
    for _ in range(3):
        assert owner.post("/api/auth/password/", body).json() == {
            "old_password": ["This is not your current password."]
        }

    assert owner.post("/api/auth/password/", {**body, "old_password": PASSWORD}).status_code == 429


def test_guesses_at_the_current_password_in_the_admin_are_limited(staff, staff_browser):
    form = {"old_password": "wrong-guess", "new_password1": "another-pass-77", "new_password2": "another-pass-77"}
    path = reverse("admin:password_change")
    for _ in range(3):
        page = staff_browser.post(path, form)
        assert (page.status_code, list(page.context["form"].errors)) == (200, ["old_password"])

    refused = staff_browser.post(path, {**form, "old_password": PASSWORD})

    assert (refused.status_code, refused.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert int(refused.headers["Retry-After"]) > 0
    assert "Too many attempts" in refused.content.decode()
    body = {"old_password": PASSWORD, "new_password": "another-pass-77"}
    assert staff.post("/api/auth/password/", body).status_code == 429
    staff.user.refresh_from_db()
    assert staff.user.check_password(PASSWORD)


@pytest.mark.parametrize("email", ["user {pk}", " user {pk}", "USER {pk}", "e-mail user {pk}"])
def test_failed_log_ins_do_not_block_the_password_change_of_an_account(owner, email):
    for _ in range(4):
        guess(SimpleNamespace(email=email.format(pk=owner.user.pk)), address="127.0.0.1")

    body = {"old_password": PASSWORD, "new_password": "another-pass-77"}

    assert owner.post("/api/auth/password/", body).status_code == 200


def test_a_log_in_without_a_request_is_not_counted(owner):
    assert authenticate(username=owner.user.email, password=PASSWORD) == owner.user
    assert not AttemptWindow.objects.exists()


def test_an_attempt_is_stored_without_the_e_mail(owner):
    guess(owner.user)

    assert owner.user.email not in str(AttemptWindow.objects.all())


@pytest.mark.parametrize(("rate", "path"), [("register", "/api/auth/register/"), ("anon", LOGIN)])
def test_anonymous_requests_are_limited(anonymous, set_rate, rate, path):
    set_rate(rate, "2/hour")

    statuses = [anonymous.post(path, {}).status_code for _ in range(3)]
    refused = anonymous.post(path, {})

    assert statuses == [400, 400, 429]
    assert int(refused.headers["Retry-After"]) > 0


def test_each_user_has_a_separate_rate(owner, stranger, set_rate):
    set_rate("user", "2/hour")

    mine = [owner.get("/api/patients/").status_code for _ in range(3)]

    assert mine == [200, 200, 429]
    assert stranger.get("/api/patients/").status_code == 200


def test_spellings_of_an_e_mail_are_counted_as_one_account(make_user):
    user = make_user("Mike")
    for spelling in ("mike@example.com", "MIKE@example.com", "m\u0130ke@example.com"):
        guess(SimpleNamespace(email=spelling))

    assert [window.count for window in AttemptWindow.objects.filter(key__startswith="failed:")] == [3]
    assert guess(user, PASSWORD).status_code == 429


def test_a_new_e_mail_does_not_reset_the_guesses_at_the_password(owner):
    body = {"old_password": "wrong-guess", "new_password": "another-pass-77"}
    for _ in range(3):
        owner.post("/api/auth/password/", body)

    User.objects.filter(pk=owner.user.pk).update(email="new@example.com")

    assert owner.post("/api/auth/password/", body).status_code == 429


def test_expired_counters_are_deleted_and_others_kept(owner, stranger, capsys):
    guess(owner.user)
    AttemptWindow.objects.update(ends_at=0)
    guess(stranger.user)

    call_command("clean_expired")

    assert AttemptWindow.objects.count() == 2
    printed = capsys.readouterr().out
    assert f"Deleted expired tokens, sessions and 2 counters from {described(connection)}." in printed


@pytest.fixture
def slow_hashes(monkeypatch, hashed):
    """Delay each hash so that other requests arrive meanwhile; return the hashed passwords."""
    encode = MD5PasswordHasher.encode

    def slowly(self, password, salt):
        time.sleep(0.2)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", slowly)
    return hashed


def test_a_guess_that_is_refused_is_not_hashed(owner, hashed):
    for _ in range(6):
        guess(owner.user)

    assert len(hashed) == 3


def test_concurrent_guesses_are_not_hashed_beyond_the_limit(owner, race, slow_hashes):
    answers = race(*[lambda: guess(owner.user).status_code] * 8)

    assert sorted(answers) == [401] * 3 + [429] * 5
    assert len(slow_hashes) == 3


@pytest.mark.parametrize("path", [LOGIN, "/api/auth/register/"])
def test_all_processes_share_the_counters(owner, set_rate, path):
    set_rate("register", "3/hour")
    statuses = []
    for _ in range(4):
        # Another process has its own cache.
        cache.clear()
        body = {"email": owner.user.email, "password": "wrong-guess"}
        statuses.append(Client().post(path, body, content_type="application/json").status_code)

    assert statuses[-1] == 429
    assert 429 not in statuses[:3]


def test_a_window_from_before_the_clock_was_set_back_has_ended(owner):
    for _ in range(3):
        guess(owner.user)
    AttemptWindow.objects.update(ends_at=int(time.time()) + 30 * 86400)

    assert guess(owner.user, PASSWORD).status_code == 200


def test_an_attempt_that_was_interrupted_does_not_count(db, settings):
    settings.LOGIN_FAILURES = 1
    with pytest.raises(KeyboardInterrupt), attempt(RequestFactory().get("/"), "somebody"):
        raise KeyboardInterrupt

    with attempt(RequestFactory().get("/"), "somebody") as current:
        current.succeeded = True

    assert not AttemptWindow.objects.filter(count__gt=0).exists()


def test_attempts_are_counted_in_the_database_while_redis_is_unavailable(owner, monkeypatch):
    counter = RedisCounter("redis://127.0.0.1:1/0", fallback=throttling.DatabaseCounter())
    monkeypatch.setattr(throttling, "shared_counter", counter)

    statuses = [guess(owner.user).status_code for _ in range(4)]

    assert statuses == [401, 401, 401, 429]


def test_authenticate_accepts_the_username_field_of_the_model(owner):
    assert authenticate(email=owner.user.email, password=PASSWORD) == owner.user
