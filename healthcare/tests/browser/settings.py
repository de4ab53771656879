"""The project's settings with a temporary database."""

import os

from healthcare.settings import *  # noqa: F403, all settings but one
from healthcare.settings import DATABASES, DB_LIVE

if not DB_LIVE:
    DATABASES["default"]["NAME"] = os.environ["BROWSER_DATABASE"]
