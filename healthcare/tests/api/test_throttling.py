"""The address of a request, and counters in an unresponsive Redis."""

import logging
import socket
import threading
import time

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from healthcare.api.throttling import Addition, ConcurrencyThrottle, Count, RedisCounter, client_address, sources_of

ADDITION = [Addition("a key", 1, 60)]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:40000", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("made up by a client, 203.0.113.7:40000", "203.0.113.7"),
        ("no address", "192.0.2.1"),
        ("", "192.0.2.1"),
    ],
)
def test_an_address_behind_a_proxy_is_read_without_its_port(settings, forwarded, address):
    settings.TRUSTED_PROXIES = 1

    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": forwarded})

    assert client_address(request) == address


def test_a_peer_without_an_ip_address_is_counted_by_its_name():
    request = RequestFactory().get("/", REMOTE_ADDR="unix:")

    assert client_address(request) == "unix:"
    assert sources_of("unix:") == [("unix:", 1)]


def test_an_ipv6_address_counts_as_its_networks_the_wider_ones_with_higher_limits():
    assert sources_of("203.0.113.7") == [("203.0.113.7", 1)]
    assert sources_of("2001:db8:0:1234::1") == [
        ("2001:db8:0:1234::/64", 1),
        ("2001:db8:0:1200::/56", 2),
        ("2001:db8::/48", 4),
    ]


@pytest.fixture
def frozen_redis(monkeypatch):
    """Return the URL of a server that accepts connections and never responds."""
    monkeypatch.setattr(RedisCounter, "_paused_until", 0.0)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


class Fallback:
    def add(self, additions):
        return [Count(7, 1.0) for _ in additions]

    def forget(self, keys):
        self.forgotten = list(keys)


def test_nothing_is_counted_while_redis_does_not_answer(frozen_redis, caplog):
    counter = RedisCounter(frozen_redis)

    with caplog.at_level(logging.ERROR):
        counts = [counter.add(ADDITION) for _ in range(100)]

    assert counts == [[Count(0, 0)]] * 100
    assert [record.message for record in caplog.records] == [
        "Redis is unavailable: general rates are off, log-ins are counted in the database"
    ]


def test_a_fallback_counts_while_redis_does_not_answer(frozen_redis):
    fallback = Fallback()
    counter = RedisCounter(frozen_redis, fallback)

    assert counter.add(ADDITION) == [Count(7, 1.0)]
    counter.forget(["a key"])

    assert fallback.forgotten == ["a key"]


def test_many_threads_wait_for_a_frozen_redis_for_one_time_out_in_all(frozen_redis):
    counter = RedisCounter(frozen_redis)
    threads = [threading.Thread(target=counter.add, args=[ADDITION]) for _ in range(32)]

    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert time.monotonic() - started < 1.5


@pytest.fixture
def two_concurrent(settings):
    settings.USER_CONCURRENT_REQUESTS = 2


def test_concurrent_requests_of_one_user_are_bounded(transactional_db, owner, stranger, patient, two_concurrent):
    def begin():
        """Request a list without reading it, as a WSGI server that is still sending it."""
        request = RequestFactory().get("/api/patients/", headers={"Authorization": f"Bearer {owner.token}"})
        return WSGIHandler()(request.environ, lambda *args: None)

    at_work = [begin() for _ in range(2)]
    refused = owner.get("/api/patients/")
    another = stranger.get("/api/patients/")
    for response in at_work:
        response.close()

    assert [response.status_code for response in at_work] == [200, 200]
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert another.status_code == 200
    assert owner.get("/api/patients/").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"), [("/api/patients/0/", 404), ("/api/patients/?x=1", 400), ("/api/doctors/", 200)]
)
def test_a_finished_request_is_no_longer_counted(owner, two_concurrent, path, status):
    statuses = [owner.get(path).status_code for _ in range(5)]

    assert statuses == [status] * 5
    assert ConcurrencyThrottle._running == {}
