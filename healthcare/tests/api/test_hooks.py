"""Documented hooks of DRF and Django run on both databases: compiled SQL is not used where one is defined."""

import pytest
from django.db import models
from django.db.models import signals
from django_filters.rest_framework import FilterSet
from rest_framework import permissions
from rest_framework.filters import BaseFilterBackend
from rest_framework.pagination import PageNumberPagination
from simple_history.signals import post_create_historical_record, pre_create_historical_record

from conftest import PATIENT
from healthcare.api.filters import FilterBackend, OrderingFilter
from healthcare.api.pagination import KeysetPagination
from healthcare.tests.api.probes import DETAILS, LISTS, OTHER, PROBE, READS, STATUSES, UPDATES, WRITES, recording, serve
from mappings.models import Mapping, MappingQuerySet
from patients.filters import PatientFilter
from patients.models import HistoricalPatient, Patient, PatientQuerySet
from patients.serializers import PatientSerializer
from patients.views import PatientViewSet


def cases(hooks):
    return [(hook, action) for hook, actions in hooks.items() for action in sorted(actions)]


def assert_ran(send, action, hook, calls):
    response = send(action)

    assert response.status_code == STATUSES.get(action, 200), response.content
    assert hook in calls


VIEW = {
    "perform_create": {"create"},
    "perform_update": UPDATES,
    "perform_destroy": {"destroy"},
    "get_queryset": LISTS | DETAILS,
    "filter_queryset": LISTS | DETAILS,
    "get_object": DETAILS,
    "check_object_permissions": DETAILS,
    "get_permissions": LISTS | DETAILS | WRITES,
    "get_serializer": LISTS | DETAILS - {"destroy"} | {"create"},
    "get_serializer_class": LISTS | DETAILS - {"destroy"} | {"create"},
    "get_serializer_context": LISTS | DETAILS - {"destroy"} | {"create"},
    "get_success_headers": {"create"},
    "paginate_queryset": LISTS,
    "get_paginated_response": {"page"},
}


@pytest.mark.parametrize(("hook", "action"), cases(VIEW))
def test_a_method_of_the_view_runs(settings, send, hook, action):
    calls = []
    serve(settings, recording(PatientViewSet, hook, calls))

    assert_ran(send, action, hook, calls)


SERIALIZER = {
    "__init__": READS | WRITES - {"destroy"},
    "create": {"create"},
    "update": UPDATES,
    "save": {"create", *UPDATES},
    "is_valid": {"create", *UPDATES},
    "run_validation": {"create", *UPDATES},
    "to_internal_value": {"create", *UPDATES},
    "validate": {"create", *UPDATES},
    "get_fields": READS | WRITES - {"destroy"},
    "to_representation": READS | WRITES - {"destroy"},
}


@pytest.mark.parametrize(("hook", "action"), cases(SERIALIZER))
def test_a_method_of_the_serializer_runs(settings, send, hook, action):
    calls = []
    serializer = recording(PatientSerializer, hook, calls)
    serve(settings, type("Probe", (PatientViewSet,), {"serializer_class": serializer}))

    assert_ran(send, action, hook, calls)


MODEL = {
    "__init__": READS | WRITES,
    "save": WRITES - {"destroy"},
    "save_base": WRITES - {"destroy"},
    "delete": {"destroy"},
}


@pytest.mark.parametrize(("hook", "action"), cases(MODEL))
def test_a_method_of_the_model_runs(settings, send, monkeypatch, hook, action):
    calls, original = [], getattr(models.Model, hook)
    serve(settings, type("Probe", (PatientViewSet,), {}))

    def method(self, *args, **kwargs):
        calls.append(hook)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Patient, hook, method)

    assert_ran(send, action, hook, calls)


@pytest.mark.parametrize("action", sorted(READS | UPDATES))
def test_a_method_that_loads_the_model_runs(settings, send, monkeypatch, action):
    calls, original = [], models.Model.from_db.__func__
    serve(settings, type("Probe", (PatientViewSet,), {}))

    def from_db(cls, *args):
        calls.append("from_db")
        return original(cls, *args)

    monkeypatch.setattr(Patient, "from_db", classmethod(from_db))

    assert_ran(send, action, "from_db", calls)


SIGNALS = {
    (signals.pre_init, Patient): READS | WRITES,
    (signals.post_init, Patient): READS | WRITES,
    (signals.pre_save, Patient): WRITES - {"destroy"},
    (signals.post_save, Patient): WRITES - {"destroy"},
    (signals.pre_delete, Patient): {"destroy"},
    (signals.post_delete, Patient): {"destroy"},
    (signals.pre_delete, Mapping): {"destroy"},
    (signals.post_delete, Mapping): {"destroy"},
    (signals.post_save, HistoricalPatient): WRITES,
    (pre_create_historical_record, HistoricalPatient): WRITES,
    (post_create_historical_record, HistoricalPatient): WRITES,
}


@pytest.mark.parametrize(("signal", "action"), cases(SIGNALS))
def test_a_receiver_runs_even_if_it_was_connected_after_the_first_request(settings, send, mapping, signal, action):
    calls = []
    serve(settings, PatientViewSet)
    for first in ("list", "retrieve", "partial_update"):
        send(first)
    Patient.objects.update(name="Before")

    def receiver(sender, **kwargs):
        calls.append(signal)

    signal[0].connect(receiver, sender=signal[1])
    try:
        assert_ran(send, action, signal, calls)
    finally:
        signal[0].disconnect(receiver, sender=signal[1])


@pytest.mark.parametrize("before", [(signals.post_save, Mapping), (signals.post_delete, Patient)])
def test_a_receiver_runs_that_was_connected_to_another_model_or_signal_before(settings, send, before):
    calls = []
    serve(settings, PatientViewSet)

    def receiver(sender, **kwargs):
        calls.append(sender)

    for signal, model in (before, (signals.post_save, Patient)):
        signal.connect(receiver, sender=model)
        try:
            Patient.objects.update(name="Before")
            assert send("partial_update").status_code == 200
        finally:
            signal.disconnect(receiver, sender=model)

    assert calls == [Patient]


@pytest.mark.parametrize("cls", [type(Patient.objects), PatientQuerySet])
def test_create_of_the_manager_or_queryset_runs(settings, send, monkeypatch, cls):
    calls, original = [], cls.create
    serve(settings, type("Probe", (PatientViewSet,), {}))

    def create(self, **kwargs):
        calls.append("create")
        return original(self, **kwargs)

    monkeypatch.setattr(cls, "create", create)

    assert_ran(send, "create", "create", calls)


def test_delete_of_the_queryset_runs_for_the_assignments_of_a_doctor(owner, mapping, monkeypatch):
    calls, original = [], MappingQuerySet.delete

    def delete(self):
        calls.append("delete")
        return original(self)

    monkeypatch.setattr(MappingQuerySet, "delete", delete)

    assert owner.delete(f"/api/doctors/{mapping.doctor_id}/").status_code == 200
    assert calls == ["delete"]


@pytest.mark.parametrize("action", sorted(LISTS | DETAILS))
def test_visible_to_without_a_fixed_shape_is_called_at_every_request(settings, send, action):
    youngest = [0]

    class Varying(PatientQuerySet):
        def visible_to(self, user):
            return self.filter(user__email=user.email, age__gte=youngest[0])

    serve(settings, type("Probe", (PatientViewSet,), {"queryset": Varying(Patient)}))
    assert send("retrieve").status_code == 200
    youngest[0] = 100

    response = send(action)

    assert response.status_code == (200 if action in LISTS else 404)
    assert action not in LISTS or response.json() == []


@pytest.mark.parametrize("action", sorted(DETAILS))
@pytest.mark.parametrize("composed", [False, True])
def test_an_object_permission_refuses(settings, send, action, composed):
    class Nobody(permissions.BasePermission):
        message = "Refused by the hook."

        def has_object_permission(self, request, view, obj):
            return False

    classes = [Nobody & permissions.IsAuthenticated if composed else Nobody]
    serve(settings, type("Probe", (PatientViewSet,), {"permission_classes": classes}))

    response = send(action)

    assert response.status_code == 403
    assert Patient.objects.filter(name=PATIENT["name"]).exists()


@pytest.mark.parametrize("action", sorted(LISTS | DETAILS))
def test_a_filter_backend_runs(settings, send, action):
    class Nothing(BaseFilterBackend):
        def filter_queryset(self, request, queryset, view):
            return queryset.none()

    backends = [Nothing, *PatientViewSet.filter_backends]
    serve(settings, type("Probe", (PatientViewSet,), {"filter_backends": backends}))

    response = send(action)

    assert response.status_code == (200 if action in LISTS else 404)
    assert action not in LISTS or response.json() == []


@pytest.mark.parametrize("action", sorted(LISTS | DETAILS))
@pytest.mark.parametrize("hook", ["qs", "filter_queryset", "__init__"])
def test_a_hook_of_a_filterset_runs(settings, send, action, hook):
    calls = []
    if hook == "qs":

        def qs(self):
            calls.append(hook)
            return FilterSet.qs.fget(self)

        filterset = type("Probe", (PatientFilter,), {"qs": property(qs)})
    else:
        filterset = recording(PatientFilter, hook, calls)
    serve(settings, type("Probe", (PatientViewSet,), {"filterset_class": filterset}))

    assert_ran(send, action, hook, calls)


@pytest.mark.parametrize(("hook", "action"), [("paginate_queryset", "list"), ("get_paginated_response", "page")])
def test_a_method_of_the_paginator_runs(settings, send, hook, action):
    calls = []
    serve(settings, type("Probe", (PatientViewSet,), {"pagination_class": recording(KeysetPagination, hook, calls)}))

    assert_ran(send, action, hook, calls)


def test_another_paginator_pages(settings, owner, patient):
    Patient.objects.create(user=owner.user, **OTHER)

    class Pages(PageNumberPagination):
        page_size = 1

    serve(settings, type("Probe", (PatientViewSet,), {"pagination_class": Pages}))

    first, second, unknown = (owner.get(f"{PROBE}{query}") for query in ("", "?page=2&ordering=-id", "?limit=1"))

    assert (first.json()["count"], [row["name"] for row in first.json()["results"]]) == (2, [PATIENT["name"]])
    assert [row["name"] for row in second.json()["results"]] == [PATIENT["name"]]
    assert (unknown.status_code, list(unknown.json())) == (400, ["limit"])


def test_a_list_without_a_paginator_is_whole(settings, owner, patient):
    Patient.objects.create(user=owner.user, **OTHER)
    serve(settings, type("Probe", (PatientViewSet,), {"pagination_class": None, "filter_backends": [OrderingFilter]}))

    response = owner.get(f"{PROBE}?ordering=-name")

    assert [row["name"] for row in response.json()] == ["Bob", PATIENT["name"]]


def test_a_view_filters_by_filterset_fields(settings, owner, patient):
    attributes = {"filterset_class": None, "filterset_fields": ["age"], "filter_backends": [FilterBackend]}
    serve(settings, type("Probe", (PatientViewSet,), attributes))

    assert [len(owner.get(f"{PROBE}?age={age}").json()) for age in (30, 31)] == [1, 0]


def test_the_queryset_of_a_class_narrows_what_a_user_sees(settings, owner, patient):
    serve(settings, type("Probe", (PatientViewSet,), {"queryset": Patient.objects.filter(age__lt=20)}))

    answers = [owner.get(PROBE).json(), *(owner.request(method, f"{PROBE}{patient.pk}/", {}) for method in WRITE)]

    assert answers[0] == []
    assert [answer.status_code for answer in answers[1:]] == [404] * 4


WRITE = ["GET", "PUT", "PATCH", "DELETE"]


def test_a_record_is_looked_up_by_another_field(settings, owner, patient):
    serve(settings, type("Probe", (PatientViewSet,), {"lookup_field": "phone", "lookup_value_regex": "[0-9]+"}))
    path = f"{PROBE}{patient.phone}/"

    answers = [owner.get(path), owner.patch(path, {"age": 31}), owner.delete(path)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[1].json()["age"] == 31
    assert not Patient.objects.exists()
