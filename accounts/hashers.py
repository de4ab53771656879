"""Argon2 in bounded memory."""

from threading import BoundedSemaphore

from django.contrib.auth import hashers

# A hash takes 100 MB, and a core for as long as it lasts: more at once would be no faster, and fill the memory.
HASHES_AT_ONCE = 2

turn = BoundedSemaphore(HASHES_AT_ONCE)


class Argon2PasswordHasher(hashers.Argon2PasswordHasher):
    """Django's, with HASHES_AT_ONCE in each process at the same time; the others wait their turn."""

    def encode(self, password: str, salt: str) -> str:
        with turn:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with turn:
            return super().verify(password, encoded)
