from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import ExitStack

import pytest

from accounts.hashers import HASHES_AT_ONCE, Argon2PasswordHasher, turn

HASHER = Argon2PasswordHasher()
ENCODED = HASHER.encode("password123", "salt of a test")


@pytest.mark.parametrize(
    "work", [lambda: HASHER.encode("x", "salt of a test"), lambda: HASHER.verify("password123", ENCODED)]
)
def test_a_hash_waits_while_as_many_as_may_be_are_under_way(work):
    with ThreadPoolExecutor(1) as thread:
        with ExitStack() as others:
            for _ in range(HASHES_AT_ONCE):
                others.enter_context(turn)
            waiting = thread.submit(work)
            with pytest.raises(NotYet):
                waiting.result(timeout=0.5)

        assert waiting.result(timeout=10)


def test_a_password_is_verified():
    assert HASHER.verify("password123", ENCODED)
    assert not HASHER.verify("password124", ENCODED)
