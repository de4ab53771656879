"""The ASGI application, for servers without WSGI support. Benchmarks and load tests use WSGI."""

import os
import sys

from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthcare.settings")

try:
    application = get_asgi_application()
except ImproperlyConfigured as error:
    sys.exit(f"error: {error}")
