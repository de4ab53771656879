"""The root URLconf. README.md lists the paths of the API."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation

from healthcare import health
from healthcare.admin import errors as pages
from healthcare.api import errors
from healthcare.api.schema import CachedGenerator

FAVICON = "drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png"
open_docs = {"content_negotiation_class": DefaultContentNegotiation}

urlpatterns = [
    # The most requested paths come first, because Django tries the patterns in order.
    path("api/", include("patients.urls")),
    path("api/", include("doctors.urls")),
    path("api/", include("mappings.urls")),
    path("api/auth/", include("accounts.urls")),
    path("api/schema/", SpectacularAPIView.as_view(generator_class=CachedGenerator, **open_docs), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(**open_docs), name="docs"),
    # With DEBUG on, Django would return an HTML page for an unknown path.
    re_path("^api/", errors.not_found),
    path("", RedirectView.as_view(pattern_name="docs")),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}{FAVICON}")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("admin/", admin.site.urls),
]

handler400 = pages.bad_request
handler403 = pages.permission_denied
handler404 = pages.not_found
handler500 = pages.server_error
