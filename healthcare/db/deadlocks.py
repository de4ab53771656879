"""Detect transactions that the database rolled back because of a deadlock, which can be retried."""

from django.db import connection

# The SQLSTATEs of a deadlock and of a serialization failure.
ROLLED_BACK = {"40P01", "40001"}


def was_rolled_back(error: Exception) -> bool:
    """Return whether the database rolled back the whole transaction because of a deadlock or serialization failure."""
    return getattr(error.__cause__, "pgcode", None) in ROLLED_BACK and not connection.in_atomic_block
