"""The project's settings, on a database that is thrown away."""

import os

from healthcare.settings import *  # noqa: F403, all of them but one
from healthcare.settings import DATABASES, DB_LIVE

if not DB_LIVE:
    DATABASES["default"]["NAME"] = os.environ["BROWSER_DATABASE"]
