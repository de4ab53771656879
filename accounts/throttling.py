"""Limits for registrations and password attempts.

Failed passwords are counted per account and address, so that an attacker cannot lock out the owner. Attempts on many
accounts from one address are limited by the `login` rate.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import hashers
from accounts.models import AttemptWindow
from healthcare.api.exceptions import ServerBusy
from healthcare.api.requests import client_has_left
from healthcare.api.throttling import (
    Addition,
    Count,
    RedisCounter,
    SharedCounter,
    Source,
    WindowThrottle,
    client_address,
    sources_of,
)
from healthcare.db.functions import fold

# Seconds after which a pending attempt no longer counts, in case its process was killed.
PENDING_SECONDS = 30


class DatabaseCounter:
    """Counts in the database, in one statement."""

    def add(self, additions: Sequence[Addition]) -> list[Count]:
        now, table = int(time.time()), AttemptWindow._meta.db_table
        rows = ", ".join(["(%s, %s, %s)"] * len(additions))
        # Also reset windows from before the clock was set back: they end later than a new one.
        over = f"{table}.ends_at <= %s OR {table}.ends_at > excluded.ends_at"
        sql = f"""
            INSERT INTO {table} (key, count, ends_at) VALUES {rows}
            ON CONFLICT (key) DO UPDATE SET
                count = CASE WHEN {over} OR {table}.count < 0 THEN excluded.count
                    ELSE {table}.count + excluded.count END,
                ends_at = CASE WHEN {over} THEN excluded.ends_at ELSE {table}.ends_at END
            RETURNING key, count, ends_at
        """  # noqa: S608, only the name of the table is interpolated
        values = [value for key, amount, seconds in additions for value in (key, amount, now + seconds)]
        with connection.cursor() as cursor:
            cursor.execute(sql, [*values, now, now])
            counts = {key: Count(number, ends_at - now) for key, number, ends_at in cursor.fetchall()}
        return [counts[key] for key, _, _ in additions]

    def forget(self, keys: Iterable[str]) -> None:
        AttemptWindow.objects.filter(pk__in=keys).delete()


shared_counter: SharedCounter = DatabaseCounter()
if settings.CACHE_URL:
    shared_counter = RedisCounter(settings.CACHE_URL, fallback=shared_counter)


class HashQueueThrottle(BaseThrottle):
    """Refuse requests (503) while the hash queue is full; listed first, so that refused requests are not counted."""

    def allow_request(self, request: Request, view: object) -> bool:
        hashers.queue.require_capacity()
        return True


class RegisterRateThrottle(WindowThrottle):
    """New accounts from one address."""

    scope = "register"
    counter = shared_counter


class PasswordResetRateThrottle(WindowThrottle):
    """Password resets requested from one address."""

    scope = "password_reset"
    counter = shared_counter


class EmailChangeRateThrottle(RegisterRateThrottle):
    """Changes of e-mails: like a registration, the response reveals whether an e-mail is taken."""

    def get_sources(self, request: Request, view: object) -> list[Source]:
        applies = request.method == "PATCH" and isinstance(request.data, Mapping) and "email" in request.data
        return super().get_sources(request, view) if applies else []


class LoginRateThrottle(WindowThrottle):
    """Password attempts from one address, in the API and the admin."""

    scope = "login"


class Attempt:
    """One check of a password; the caller sets `succeeded`."""

    succeeded = False


@contextmanager
def attempt(request: HttpRequest | Request, account: str) -> Iterator[Attempt]:
    """Hold a turn in the hash queue for one check of `account`'s password, and count the check if it fails.

    `account` is `e-mail` or `user` and the e-mail or id, so that log-ins do not block an authenticated user.

    Pending checks count as failures until they finish; otherwise concurrent guesses would exceed the limit. Raises
    ServerBusy (503), or Throttled (429) after too many failures.
    """
    with hashers.queue.turn():
        if client_has_left(request):
            # The client disconnected while the request was queued.
            raise ServerBusy
        throttle = LoginRateThrottle()
        if not throttle.allow_request(request, None):
            raise Throttled(wait=throttle.wait())
        digest = hashlib.sha256(fold(account).encode()).hexdigest()[:32]
        sources = sources_of(client_address(request))
        failed = [f"failed:{digest}:{source.network}" for source in sources]
        pending = [f"pending:{digest}:{source.network}" for source in sources]
        counts = _add(failed, 0, pending, 1)
        current = Attempt()
        try:
            for source, failures, checks in zip(sources, counts, counts[len(sources) :], strict=False):
                limit = settings.LOGIN_FAILURES * source.factor
                if failures.number >= limit:
                    raise Throttled(wait=max(failures.left, 1), detail="Too many failed attempts.")
                if failures.number + checks.number > limit:
                    raise Throttled(wait=1, detail="Too many concurrent attempts for this account.")
            yield current
        except BaseException:
            # The check was not completed.
            _add(failed, 0, pending, -1)
            raise
        if current.succeeded:
            shared_counter.forget([*failed, *pending])
        else:
            _add(failed, 1, pending, -1)


def check_current_password(request: HttpRequest | Request, password: str) -> bool:
    """Return whether `password` is that of the authenticated user; failures are counted, as by `attempt`."""
    with attempt(request, f"user {request.user.pk}") as current:
        current.succeeded = request.user.check_password(password)
    return current.succeeded


def _add(failed: list[str], failures: int, pending: list[str], checks: int) -> list[Count]:
    return shared_counter.add(
        [Addition(key, failures, settings.LOGIN_FAILURE_SECONDS) for key in failed]
        + [Addition(key, checks, PENDING_SECONDS) for key in pending]
    )
