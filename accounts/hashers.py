"""Password hashing in a bounded queue.

A hash takes tens of milliseconds of CPU time. Without a bound, a burst of log-ins would occupy all threads of a
process, and no other requests would be served.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, local

from django.conf import settings
from django.contrib.auth import hashers

from healthcare.api.exceptions import ServerBusy


class HashQueue:
    """Limit hashing in this process to `concurrent` threads, with `waiting` more in a queue for up to `seconds`."""

    def __init__(self, concurrent: int, waiting: int, seconds: float) -> None:
        self._admitted = BoundedSemaphore(concurrent + waiting)
        self._turns = BoundedSemaphore(concurrent)
        self._seconds = seconds
        self._thread = local()

    def require_capacity(self) -> None:
        """Raise ServerBusy (503) if the queue is full."""
        with self._admission():
            pass

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it; nested calls share it.

        Raises ServerBusy (503) immediately if the queue is full, or after the maximum wait.
        """
        if getattr(self._thread, "has_turn", False):
            yield
            return
        with self._admission():
            if not self._turns.acquire(timeout=self._seconds):
                raise ServerBusy
            self._thread.has_turn = True
            try:
                yield
            finally:
                self._thread.has_turn = False
                self._turns.release()

    @contextmanager
    def _admission(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise ServerBusy
        try:
            yield
        finally:
            self._admitted.release()


queue = HashQueue(settings.PASSWORD_CONCURRENT_HASHES, settings.PASSWORD_HASHES_WAITING, settings.PASSWORD_HASH_SECONDS)


class Argon2PasswordHasher(hashers.Argon2PasswordHasher):
    """Django's hasher with parameters from the settings, in the queue; it also verifies hashes with others."""

    memory_cost = settings.ARGON2_MEMORY_KIB
    time_cost = settings.ARGON2_TIME_COST
    parallelism = settings.ARGON2_PARALLELISM

    def encode(self, password: str, salt: str) -> str:
        with queue.turn():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with queue.turn():
            return super().verify(password, encoded)
