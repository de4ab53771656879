"""Imports and exports: one at a time in each process, because they are CPU-bound and delay all other requests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from healthcare.api.exceptions import JobBusy

_running = threading.Lock()


@contextmanager
def exclusive() -> Iterator[None]:
    """Run an import or export; raise JobBusy (503) while another one runs in this process."""
    if not _running.acquire(blocking=False):
        raise JobBusy
    try:
        yield
    finally:
        _running.release()
