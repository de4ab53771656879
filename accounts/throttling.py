"""How often accounts are registered, and passwords tried.

What is counted for a password is an account and an address together, so that nobody can lock out the owner from
elsewhere. One password tried on many accounts meets the rate of its address (`login`).
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

# Seconds after which an attempt whose process died is no longer waited for.
PENDING_SECONDS = 30


class DatabaseCounter:
    """Counts in the database, in one statement."""

    def add(self, additions: Sequence[Addition]) -> list[Count]:
        now, table = int(time.time()), AttemptWindow._meta.db_table
        rows = ", ".join(["(%s, %s, %s)"] * len(additions))
        # A window that ends later than a new one would was counted before the clock was set back.
        over = f"{table}.ends_at <= %s OR {table}.ends_at > excluded.ends_at"
        sql = f"""
            INSERT INTO {table} (key, count, ends_at) VALUES {rows}
            ON CONFLICT (key) DO UPDATE SET
                count = CASE WHEN {over} OR {table}.count < 0 THEN excluded.count
                    ELSE {table}.count + excluded.count END,
                ends_at = CASE WHEN {over} THEN excluded.ends_at ELSE {table}.ends_at END
            RETURNING key, count, ends_at
        """  # noqa: S608, no value is put in, only the table's own name
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
    """Refuse a request (503) while the queue of hashes is full; listed first, so that nothing is counted for it."""

    def allow_request(self, request: Request, view: object) -> bool:
        hashers.queue.require_room()
        return True


class RegisterRateThrottle(WindowThrottle):
    """New accounts from one address."""

    scope = "register"
    counter = shared_counter


class PasswordResetRateThrottle(WindowThrottle):
    """Password resets asked for from one address."""

    scope = "password_reset"
    counter = shared_counter


class EmailChangeRateThrottle(RegisterRateThrottle):
    """New e-mails of accounts: like a registration, the answer tells whether an e-mail is taken."""

    def get_sources(self, request: Request, view: object) -> list[Source]:
        asks = request.method == "PATCH" and isinstance(request.data, Mapping) and "email" in request.data
        return super().get_sources(request, view) if asks else []


class LoginRateThrottle(WindowThrottle):
    """Passwords tried from one address, in the API and in the admin."""

    scope = "login"


class Attempt:
    """One check of a password; the caller sets `succeeded`."""

    succeeded = False


@contextmanager
def attempt(request: HttpRequest | Request, account: str) -> Iterator[Attempt]:
    """Hold a turn to hash for one check of the password of `account`, and count it if it fails.

    Attempts that are being checked count as failures until they are decided, or a hundred concurrent guesses would all
    be hashed. Raise ServerBusy (503), or Throttled (429) where there were too many failures.
    """
    with hashers.queue.turn():
        if client_has_left(request):
            # While it waited: nobody would read the answer.
            raise ServerBusy
        throttle = LoginRateThrottle()
        if not throttle.allow_request(request, None):
            raise Throttled(wait=throttle.wait())
        digest = hashlib.sha256(fold(account).encode()).hexdigest()[:32]
        sources = sources_of(client_address(request))
        failed = [f"failed:{digest}:{source.network}" for source in sources]
        pending = [f"pending:{digest}:{source.network}" for source in sources]
        counts = _add(failed, 0, pending, 1)
        found = Attempt()
        try:
            for source, failures, checks in zip(sources, counts, counts[len(sources) :], strict=False):
                limit = settings.LOGIN_FAILURES * source.factor
                if failures.number >= limit:
                    raise Throttled(wait=max(failures.left, 1), detail="Too many failed attempts.")
                if failures.number + checks.number > limit:
                    raise Throttled(wait=1, detail="Other attempts for this account are being checked.")
            yield found
        except BaseException:
            # Nothing was learned about the password.
            _add(failed, 0, pending, -1)
            raise
        if found.succeeded:
            shared_counter.forget([*failed, *pending])
        else:
            _add(failed, 1, pending, -1)


def _add(failed: list[str], failures: int, pending: list[str], checks: int) -> list[Count]:
    return shared_counter.add(
        [Addition(key, failures, settings.LOGIN_FAILURE_SECONDS) for key in failed]
        + [Addition(key, checks, PENDING_SECONDS) for key in pending]
    )
