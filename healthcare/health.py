"""Liveness and readiness probes: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/."""

from functools import cache

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import CharField, Func, Value
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from healthcare.api.errors import json_error
from healthcare.api.json import encode, json_response

NO_STORE = {"Cache-Control": "no-store"}
# "on" on a standby, or if default_transaction_read_only is set.
READ_ONLY = (
    Func(Value("transaction_read_only"), function="current_setting", output_field=CharField())
    if settings.DB_LIVE
    else Value("off")
)


@csrf_exempt
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Return 200 while the process runs, without using the database."""
    return json_response(encode({"status": "alive"}), 200, **NO_STORE)


@csrf_exempt
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Return 200 if the database responds, is fully migrated and accepts writes, else 503."""
    migrations = MigrationRecorder(connection).migration_qs.annotate(read_only=READ_ONLY)
    try:
        found = set(migrations.values_list("app", "name", "read_only"))
    except Error:
        return not_ready("The database does not respond.")
    missing = known_migrations() - {(app, name) for app, name, _ in found}
    if missing:
        return not_ready(f"{len(missing)} migrations are not applied: run manage.py migrate.")
    if any(read_only == "on" for *_, read_only in found):
        return not_ready("The database is read-only.")
    return json_response(encode({"status": "ready"}), 200, **NO_STORE)


def not_ready(detail: str) -> HttpResponse:
    return json_error(503, detail, **NO_STORE, **{"Retry-After": "2"})


@cache
def known_migrations() -> set[tuple[str, str]]:
    """Return the migrations on disk, as (app, name)."""
    return set(MigrationLoader(None).disk_migrations)
