"""Serve a test's viewset under /api/probe/, with a URLconf of its own."""

import itertools

from conftest import PATIENT
from healthcare.api.viewsets import Router

PROBE = "/api/probe/"
OTHER = {**PATIENT, "name": "Bob", "phone": "1234567"}
REQUESTS = {
    "list": ("GET", PROBE, None),
    "page": ("GET", f"{PROBE}?limit=1", None),
    "search": ("GET", f"{PROBE}?search=alice&gender=female", None),
    "retrieve": ("GET", f"{PROBE}{{}}/", None),
    "create": ("POST", PROBE, OTHER),
    "update": ("PUT", f"{PROBE}{{}}/", OTHER),
    "partial_update": ("PATCH", f"{PROBE}{{}}/", {"name": "Bob"}),
    "destroy": ("DELETE", f"{PROBE}{{}}/", None),
}
STATUSES = {"create": 201}
LISTS = {"list", "page", "search"}
UPDATES = {"update", "partial_update"}
DETAILS = {"retrieve", "destroy", *UPDATES}
READS = {"retrieve", *LISTS}
WRITES = {"create", "destroy", *UPDATES}
NUMBERS = itertools.count()


def serve(settings, viewset, **initkwargs):
    """Serve `viewset` under PROBE."""
    router = Router()
    router.register("api/probe", viewset, basename="probe")
    settings.ROOT_URLCONF = type("URLs", (), {"urlpatterns": router.urls})


def recording(base, name, calls, **attributes):
    """Return a subclass of `base` whose method `name` adds an entry to `calls` and calls the original."""

    def method(self, *args, **kwargs):
        calls.append(name)
        return getattr(super(subclass, self), name)(*args, **kwargs)

    subclass = type(f"Recording{next(NUMBERS)}", (base,), {name: method, **attributes})
    return subclass


def cases(hooks):
    return [(hook, action) for hook, actions in hooks.items() for action in sorted(actions)]


def assert_ran(send, action, hook, calls):
    response = send(action)

    assert response.status_code == STATUSES.get(action, 200), response.content
    assert hook in calls
