"""Profile a request by layer."""

import cProfile
import io
import logging
import os
import pstats
from collections import defaultdict

from benchmarks import report, seed
from benchmarks.cases import patient
from benchmarks.report import say
from benchmarks.servers import HOST, ROOT, environment

USER, TIMES = 1, 500
WAITING = "waiting for PostgreSQL"
# The first key found in a file's path below the project or site-packages applies; built-ins count towards their caller.
LAYERS = {
    "healthcare/db": "SQL: compiled queries, Django's cursor",
    "django/db": "SQL: compiled queries, Django's cursor",
    "accounts/": "authentication",
    "rest_framework": "DRF: request, dispatch, validation",
    "healthcare/logs": "logging",
    "/logging/": "logging",
    "healthcare/": "the project: middleware, viewset, throttle, JSON",
    "django/": "Django: handler, middleware, URLs, response",
    "asgiref/": "Django: handler, middleware, URLs, response",
}
OTHER = "other Python code"
BUILT_IN = "~"


def run(rounds, seconds):
    """Profile requests in this process and write their section of RESULTS.md; `rounds` and `seconds` are unused."""
    database = seed.database("layers")
    seed.migrate(database, environment(database))
    try:
        seed.run(
            database,
            seed.users(USER, USER),
            seed.patients(1, 100, str(USER)),
            seed.next_ids("patients_patient"),
            "VACUUM ANALYZE",
        )
        spent = {title: profiled(request) for title, request in requests(database).items()}
    finally:
        from django.db import connection

        connection.close()
        seed.drop(database)
    say("\n" + report.write("layers", section(spent)))


def requests(database):
    """Return {title: function that makes the request}, with all caches warm."""
    os.environ.update(environment(database))
    from healthcare.wsgi import application

    logging.getLogger().handlers[0].setStream(io.StringIO())
    numbers = iter(range(10**6))
    functions = {
        "one patient": lambda: send(application, "GET", "/api/patients/1/"),
        "list of 100": lambda: send(application, "GET", "/api/patients/"),
        "create": lambda: send(application, "POST", "/api/patients/", patient(next(numbers))),
    }
    for request in functions.values():
        for _ in range(20):
            request()
    return functions


def send(application, method, path, body=""):
    """Make a request as a WSGI server does; raise RuntimeError unless it succeeds."""
    statuses = []
    answer = application(
        {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SERVER_NAME": HOST,
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": HOST,
            "HTTP_HOST": HOST,
            "HTTP_AUTHORIZATION": f"Bearer {TOKEN}",
            "HTTP_X_FORWARDED_FOR": HOST,
            "HTTP_X_FORWARDED_PROTO": "https",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body.encode()),
            "wsgi.url_scheme": "http",
        },
        lambda status, headers: statuses.append(status),
    )
    list(answer)
    answer.close()
    if statuses[0][:2] != "20":
        raise RuntimeError(f"{method} {path} returned {statuses[0]}")


TOKEN = seed.token(USER)


def profiled(request):
    """Return {layer: [calls, seconds]} of one request."""
    profile = cProfile.Profile()
    with profile:
        for _ in range(TIMES):
            request()
    spent = defaultdict(lambda: [0, 0.0])
    for (path, _, name), (_, _, _, _, callers) in pstats.Stats(profile).stats.items():
        for (caller, _, _), (_, calls, seconds, _) in callers.items():
            layer = WAITING if is_waiting(path, name) else layer_of(caller if path == BUILT_IN else path)
            spent[layer][0] += calls / TIMES
            spent[layer][1] += seconds / TIMES
    return spent


def is_waiting(path, name):
    return path == BUILT_IN and ("psycopg2" in name or "select.poll" in name)


def layer_of(path):
    path = path.removeprefix(f"{ROOT}/").rpartition("site-packages/")[2]
    return next((layer for part, layer in LAYERS.items() if part in path), OTHER)


def section(spent):
    """Return the section of RESULTS.md."""
    own = {
        title: sum(seconds for layer, (_, seconds) in layers.items() if layer != WAITING)
        for title, layers in spent.items()
    }
    totals = {title: sum(calls for calls, _ in layers.values()) for title, layers in spent.items()}
    rows = []
    for layer in [*dict.fromkeys(LAYERS.values()), OTHER]:
        cells = [layer]
        for title, layers in spent.items():
            calls, seconds = layers[layer]
            cells += [f"{calls:,.0f}", f"{seconds / own[title]:.0%}"]
        rows.append(cells)
    head = ["", *(cell for title in spent for cell in (f"{title}: calls", "share"))]
    return f"""
## Where a request's time goes

`make bench-layers`: function calls per request, and each layer's share of the process's time, excluding the wait for
PostgreSQL. cProfile adds overhead to each call, so the shares are approximate.

{report.table(head, rows)}

Total: {", ".join(f"{title} {total:,.0f} calls" for title, total in totals.items())}.
"""
