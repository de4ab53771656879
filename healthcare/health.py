"""Whether the process lives, and whether it can serve: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/."""

from functools import cache

from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from healthcare.api.errors import json_error
from healthcare.api.json import encode, json_response

NO_STORE = {"Cache-Control": "no-store"}


@csrf_exempt
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process runs. Touches nothing."""
    return json_response(encode({"status": "alive"}), 200, **NO_STORE)


@csrf_exempt
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the database answers and has every migration, else 503."""
    try:
        missing = wanted_migrations() - set(MigrationRecorder(connection).applied_migrations())
    except Error:
        return json_error(503, "The database does not answer.", **NO_STORE, **{"Retry-After": "2"})
    if missing:
        detail = f"{len(missing)} migrations are not applied: run manage.py migrate."
        return json_error(503, detail, **NO_STORE, **{"Retry-After": "2"})
    return json_response(encode({"status": "ready"}), 200, **NO_STORE)


@cache
def wanted_migrations() -> set[tuple[str, str]]:
    """Return the migrations on disk, as (app, name)."""
    return set(MigrationLoader(None).disk_migrations)
