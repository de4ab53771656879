"""The ASGI application, for hosts that speak nothing else. WSGI is the measured way to run this project."""

import os
import sys

from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthcare.settings")

try:
    application = get_asgi_application()
except ImproperlyConfigured as error:
    sys.exit(f"error: {error}")
