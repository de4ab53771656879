"""The ASGI application, for hosts that speak nothing else. WSGI is the measured way to run this project."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "healthcare.settings")

application = get_asgi_application()
