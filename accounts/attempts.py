"""Guessing passwords and registering in bulk: counted across processes, refused before any password is hashed.

An attempt counts when it begins, and a log-in that succeeds forgets it: were it counted when it fails, a hundred
guesses at once would all pass. What is counted is an account and an address together, so that nobody can lock an
account's owner out from elsewhere. One password tried on many accounts meets the rate of its address.
"""

import hashlib
import time

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from accounts.models import AttemptWindow
from healthcare.api.throttling import CacheCounter, Counter, Throttle, client_address
from healthcare.db.functions import fold


class DatabaseCounter:
    """Counts in the database, in one statement."""

    def hit(self, key: str, seconds: int) -> tuple[int, float]:
        now, table = int(time.time()), AttemptWindow._meta.db_table
        over = f"{table}.ends_at <= %(now)s"
        sql = f"""
            INSERT INTO {table} (key, count, ends_at) VALUES (%(key)s, 1, %(end)s)
            ON CONFLICT (key) DO UPDATE SET
                count = CASE WHEN {over} THEN 1 ELSE {table}.count + 1 END,
                ends_at = CASE WHEN {over} THEN %(end)s ELSE {table}.ends_at END
            RETURNING count, ends_at
        """  # noqa: S608, no value is put in, only the table's own name
        with connection.cursor() as cursor:
            cursor.execute(sql, {"key": key, "now": now, "end": now + seconds})
            count, ends_at = cursor.fetchone()
        return count, ends_at - now

    def forget(self, key: str, seconds: int) -> None:
        AttemptWindow.objects.filter(pk=key).delete()


shared_counter: Counter = CacheCounter() if settings.CACHE_URL else DatabaseCounter()


def begin(request: HttpRequest | Request, email: str) -> None:
    """Count an attempt to prove to be the user with `email`; raise Throttled (429) where there were too many."""
    # Also at the admin's door, which no throttle of the API guards.
    throttle = Throttle()
    if not throttle.allow("anonymous", f"attempts:{client_address(request)}"):
        raise Throttled(wait=throttle.wait())
    count, left = shared_counter.hit(_key(request, email), settings.LOGIN_FAILURE_SECONDS)
    if count > settings.LOGIN_FAILURES:
        raise Throttled(wait=left, detail="Too many failed attempts.")


def succeeded(request: HttpRequest | Request, email: str) -> None:
    """Forget the attempts of this account from this address."""
    shared_counter.forget(_key(request, email), settings.LOGIN_FAILURE_SECONDS)


def _key(request: HttpRequest | Request, email: str) -> str:
    return f"account:{hashlib.sha256(fold(email).encode()).hexdigest()[:32]}:{client_address(request)}"


class RegisterThrottle(Throttle):
    """New accounts from one address."""

    counter = shared_counter

    def allow_request(self, request: Request, view: object) -> bool:
        return self.allow("register", client_address(request))
