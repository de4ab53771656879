"""Which searches use the trigram index of PostgreSQL."""

import pytest
from django.db import connection

from doctors.models import Doctor
from healthcare.search import search
from patients.models import Patient

PATIENT_FIELDS = ("name", "phone", "email", "address")
DOCTOR_FIELDS = ("name", "specialization", "email", "phone", "address")


@pytest.mark.parametrize(
    ("model", "fields", "index"),
    [(Patient, PATIENT_FIELDS, "patients_search"), (Doctor, DOCTOR_FIELDS, "doctors_search")],
)
@pytest.mark.parametrize("by_index", [True, False])
def test_a_search_reads_the_index(db, model, fields, index, by_index):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

        plan = search(model.objects.order_by(), fields, "Émile Zola", by_index).explain()

    assert (index in plan) is by_index


def test_a_scan_normalizes_each_row_once_for_all_words(db):
    plan = search(Patient.objects.order_by(), PATIENT_FIELDS, "é 1 ée 2 éée x 555", by_index=False).explain()

    assert plan.count("NORMALIZE") == 1
