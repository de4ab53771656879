"""The project's keyset cursors for lists ordered by id: base64 of `[id, id]`."""

import base64
import json

MAX_LIMIT = 1000


def after(limit, cursor):
    """Return (limit, id that the page starts after); raise ValueError for invalid values."""
    if not 1 <= int(limit) <= MAX_LIMIT:
        raise ValueError("Must be a whole number from 1 to 1000.")
    if not cursor:
        return int(limit), 0
    _, last_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return int(limit), int(last_id)


def link(url, limit, last_id):
    """Return the Link header of the page after `last_id`."""
    key = json.dumps([last_id, last_id], separators=(",", ":")).encode()
    return f'<{url}?limit={limit}&cursor={base64.urlsafe_b64encode(key).decode().rstrip("=")}>; rel="next"'
