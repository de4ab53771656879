"""Password hashing in a bounded queue.

A hash costs tens of milliseconds of CPU. Without a bound, the threads of a process would all compute or wait for one
while a burst of log-ins lasts, and nothing else would be served.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, local

from django.conf import settings
from django.contrib.auth import hashers

from healthcare.api.exceptions import ServerBusy


class HashQueue:
    """Lets `concurrent` threads of this process hash and `waiting` more wait, each for `seconds`."""

    def __init__(self, concurrent: int, waiting: int, seconds: float) -> None:
        self._admitted = BoundedSemaphore(concurrent + waiting)
        self._turns = BoundedSemaphore(concurrent)
        self._seconds = seconds
        self._thread = local()

    def require_room(self) -> None:
        """Raise ServerBusy (503) if the queue is full, before anything was spent on the request."""
        with self._admission():
            pass

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and keep it; nested calls share it.

        Raise ServerBusy (503) immediately if the queue is full, or after a wait so long that the client may have left.
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
    """Django's, with parameters from the settings, in the queue. Hashes with other parameters are still verified."""

    memory_cost = settings.ARGON2_MEMORY_KIB
    time_cost = settings.ARGON2_TIME_COST
    parallelism = settings.ARGON2_PARALLELISM

    def encode(self, password: str, salt: str) -> str:
        with queue.turn():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with queue.turn():
            return super().verify(password, encoded)
