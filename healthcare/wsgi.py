"""The WSGI application: what a production server imports."""

import os
from contextlib import suppress

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthcare.settings")

application = get_wsgi_application()

# Requests are served by other threads, over connections of their own. Closing the last one would delete SQLite's -wal
# and -shm files, which no read can make again on a full disk; so this thread, which serves nothing, keeps one open.
if not settings.DB_LIVE:
    with suppress(OperationalError):
        connection.ensure_connection()
