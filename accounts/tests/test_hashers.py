"""The bounded queue for password hashing, and old hashes."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, get_hasher
from django.test import Client

from accounts import hashers
from accounts.hashers import HashQueue
from accounts.models import User
from accounts.tests.sessions import CHANGE_PASSWORD, LOGIN, ME, login
from conftest import PASSWORD, ApiClient
from healthcare.api.exceptions import ServerBusy

REGISTER = "/api/auth/register/"
JOHN = {"name": "John Doe", "email": "john@example.com", "password": PASSWORD}


@contextmanager
def busy(queue):
    """Take a turn of the queue on another thread."""
    taken, done = threading.Event(), threading.Event()

    def hold():
        with queue.turn():
            taken.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture
def full_queue(monkeypatch):
    """Replace the queue with one of a single slot, which is taken, and no waiting."""
    queue = HashQueue(concurrent=1, waiting=0, seconds=1)
    monkeypatch.setattr(hashers, "queue", queue)
    with busy(queue):
        yield queue


@pytest.fixture
def old_hash(make_user):
    """A user whose hash has the parameters of Django, not of the settings."""
    user = make_user("Olga Old")
    user.password = Argon2PasswordHasher().encode(PASSWORD, "a-salt-of-22-characters")
    user.save()
    return user


def test_no_more_passwords_are_hashed_concurrently_than_allowed():
    queue, now, most = HashQueue(concurrent=2, waiting=8, seconds=5), 0, 0
    lock = threading.Lock()

    def work():
        nonlocal now, most
        with queue.turn():
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.02)
            with lock:
                now -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 2


def test_a_client_is_refused_immediately_while_the_queue_is_full(full_queue):
    with pytest.raises(ServerBusy), full_queue.turn():
        pass


def test_a_request_that_waited_too_long_does_not_hash():
    queue = HashQueue(concurrent=1, waiting=1, seconds=0.01)

    with busy(queue), pytest.raises(ServerBusy), queue.turn():
        pass


def test_a_nested_turn_takes_no_second_place_in_the_queue():
    queue = HashQueue(concurrent=1, waiting=0, seconds=1)

    with queue.turn(), queue.turn():
        pass

    queue.require_capacity()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", LOGIN, {"email": "olive.owner@example.com", "password": PASSWORD}),
        ("POST", REGISTER, JOHN),
        ("POST", CHANGE_PASSWORD, {"old_password": PASSWORD, "new_password": "another-pass-77"}),
        ("PATCH", ME, {"email": "new@example.com", "password": PASSWORD}),
    ],
)
def test_the_api_answers_503_while_the_queue_is_full(owner, full_queue, method, path, body):
    response = owner.request(method, path, body)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.json() == {"detail": ServerBusy.default_detail}
    assert list(User.objects.values_list("email", flat=True)) == [owner.user.email]


def test_the_admin_answers_503_while_the_queue_is_full(staff, client, full_queue):
    response = client.post("/admin/login/", {"username": staff.user.email, "password": PASSWORD})

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert ServerBusy.default_detail in response.content.decode()


def test_a_refusal_by_a_full_queue_is_no_failed_attempt(owner, settings, full_queue, monkeypatch):
    settings.LOGIN_FAILURES = 1
    login(owner, "wrong password")
    monkeypatch.setattr(hashers, "queue", HashQueue(concurrent=1, waiting=0, seconds=1))

    assert login(owner).status_code == 200


@pytest.mark.argon2
def test_a_new_hash_has_the_parameters_of_the_settings(owner):
    assert owner.user.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.argon2
def test_a_log_in_replaces_a_hash_with_old_parameters(old_hash):
    assert old_hash.password.startswith("argon2$argon2id$v=19$m=102400,t=2,p=8$")

    assert login(ApiClient(old_hash)).status_code == 200

    old_hash.refresh_from_db()
    assert not get_hasher().must_update(old_hash.password)
    assert login(ApiClient(old_hash)).status_code == 200


@pytest.mark.argon2
def test_a_wrong_password_or_an_inactive_user_leaves_an_old_hash(old_hash):
    old_hash.is_active = False
    old_hash.save()

    login(ApiClient(old_hash), "wrong password")
    login(ApiClient(old_hash))

    assert User.objects.get(pk=old_hash.pk).password == old_hash.password


@pytest.mark.argon2
def test_concurrent_log_ins_that_replace_a_hash_all_get_working_tokens(race, old_hash, monkeypatch):
    monkeypatch.setattr(hashers, "queue", HashQueue(concurrent=4, waiting=0, seconds=60))

    responses = race(*[lambda: login(ApiClient(old_hash))] * 4)

    tokens = [response.json()["access"] for response in responses]
    assert [ApiClient(token=token).get(ME).status_code for token in tokens] == [200] * 4


@pytest.mark.argon2
def test_a_hash_is_not_replaced_when_the_password_was_changed_meanwhile(old_hash):
    stale = User.objects.get(pk=old_hash.pk)
    old_hash.set_password("another password")
    old_hash.save()

    assert not stale.check_password(PASSWORD)
    assert User.objects.get(pk=old_hash.pk).check_password("another password")


@pytest.mark.argon2
def test_an_unknown_email_is_checked_against_a_hash_as_expensive_as_stored_ones(old_hash):
    assert User.objects.decoy_password("nobody@example.com") == old_hash.password
    assert User.objects.decoy_password("somebody@example.com") == old_hash.password


@pytest.mark.argon2
def test_the_same_unknown_email_is_always_checked_against_the_same_hash(make_user):
    for number in range(8):
        make_user(f"User {number}")

    decoys = [{User.objects.decoy_password(f"nobody{number}@example.com") for _ in range(3)} for number in range(20)]

    assert all(len(chosen) == 1 for chosen in decoys)
    assert len(set.union(*decoys)) > 1


@pytest.mark.parametrize(("leaves", "status"), [(False, 200), (True, 503)])
def test_the_password_of_a_client_that_has_left_is_not_hashed(owner, monkeypatch, leaves, status):
    monkeypatch.setattr(User, "check_password", lambda *args: not leaves)
    server, client = socket.socketpair()
    with server, client:
        if leaves:
            client.close()
        body = {"email": owner.user.email, "password": PASSWORD}
        response = Client().post(LOGIN, body, "application/json", **{"gunicorn.socket": server})

    assert response.status_code == status
