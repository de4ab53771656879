"""The key that signs tokens and sessions."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from healthcare import env

SECRET_KEY_BYTES = 32


def secret_key(production: bool, path: Path) -> str:
    """Return SECRET_KEY; outside production, create one at `path` that only the owner can read.

    It is stored so that tokens survive a restart. Raises ImproperlyConfigured for a key under 32 bytes (RFC 7518,
    section 3.2: at least as long as the HS256 output) and, in production, for a missing or weak key.
    """
    key = env.text("SECRET_KEY")
    if not key and not production:
        key = _stored_key(path)
    if not key:
        raise ImproperlyConfigured("SECRET_KEY is not set: PRODUCTION=True requires at least 32 bytes.")
    if len(key.encode()) < SECRET_KEY_BYTES:
        raise ImproperlyConfigured(
            f"SECRET_KEY is too short: {len(key.encode())} bytes, at least {SECRET_KEY_BYTES} are required."
        )
    if production and (len(set(key)) < 12 or key.startswith("django-insecure-")):
        raise ImproperlyConfigured("SECRET_KEY is weak: PRODUCTION=True requires a random one.")
    return key


def _stored_key(path: Path) -> str:
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        # Link instead of rename, so that of several processes starting concurrently the first one's key is used.
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()
