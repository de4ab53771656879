"""Documented hooks of DRF and Django run on both databases: compiled SQL is not used where one is defined."""

import pytest
from django_filters.rest_framework import FilterSet
from rest_framework import permissions
from rest_framework.filters import BaseFilterBackend
from rest_framework.pagination import PageNumberPagination

from conftest import PATIENT
from healthcare.api.filters import FilterBackend, OrderingFilter
from healthcare.api.pagination import KeysetPagination
from healthcare.tests.api.probes import (
    DETAILS,
    LISTS,
    OTHER,
    PROBE,
    READS,
    UPDATES,
    WRITES,
    assert_ran,
    cases,
    recording,
    serve,
)
from patients.filters import PatientFilter
from patients.models import Patient
from patients.serializers import PatientSerializer
from patients.views import PatientViewSet

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
