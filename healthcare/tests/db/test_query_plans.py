"""Which indexes the queries of the API use. PostgreSQL only."""

import pytest
from django.db import connection, transaction
from django.test import RequestFactory
from rest_framework.request import Request

from conftest import PATIENT
from doctors.models import Doctor
from doctors.views import DoctorViewSet
from healthcare.api.filters import SearchFilter
from healthcare.api.pagination import Order
from mappings.models import Mapping
from mappings.views import MappingViewSet
from patients.models import Patient
from patients.views import PatientViewSet

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_search_of_doctors_has_an_index():
    request = Request(RequestFactory().get("/api/doctors/?search=Cardio"))
    doctors = SearchFilter().filter_queryset(request, Doctor.objects.all(), DoctorViewSet())

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        plan = doctors.explain()

    assert "Bitmap Index Scan on doctors_search" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("ordering", ["id", "-id"])
def test_the_first_page_of_a_user_does_not_scan_the_patients_of_others(owner, stranger, ordering):
    """If a user's patients are the last ones, a scan in the order of ids reads all others first."""
    for user, count in ((stranger.user, 3000), (owner.user, 500)):
        Patient.objects.bulk_create(Patient(user=user, **PATIENT | {"phone": f"{10**9 + n}"}) for n in range(count))
    order = Order(Patient._meta.pk, ordering == "-id", PatientViewSet.ordering_prefix)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE patients_patient")

    plan = order.sort(Patient.objects.visible_to(owner.user))[:51].explain()

    assert "using patients_of_user" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("ordering", ["id", "-id"])
def test_the_first_page_of_a_user_does_not_scan_the_mappings_of_others(owner, stranger, doctor, ordering):
    for user, count in ((stranger.user, 3000), (owner.user, 500)):
        patients = Patient.objects.bulk_create(
            Patient(user=user, **PATIENT | {"phone": f"{10**9 + n}"}) for n in range(count)
        )
        Mapping.objects.bulk_create(Mapping(patient=patient, doctor=doctor, user=user) for patient in patients)
    order = Order(Mapping._meta.pk, ordering == "-id", MappingViewSet.ordering_prefix)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE patients_patient, mappings_mapping")

    plan = order.sort(Mapping.objects.visible_to(owner.user))[:51].explain()

    assert "patients_of_user" in plan
    assert "mappings_mapping_pkey" not in plan
