"""Recognize what the database rolled back to end a deadlock, and may therefore be repeated."""

from django.db import connection

# The SQLSTATEs of a deadlock and of a serialization failure.
ROLLED_BACK = {"40P01", "40001"}


def was_rolled_back(error: Exception) -> bool:
    """Return whether `error` ended its transaction, so that nothing of it is stored."""
    return getattr(error.__cause__, "pgcode", None) in ROLLED_BACK and not connection.in_atomic_block
