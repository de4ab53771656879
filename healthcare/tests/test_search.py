"""Search in the API and the admin, with the same results on both databases."""

from urllib.parse import urlencode

import pytest
from django.db.models import Value
from django.urls import reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import User
from conftest import DOCTOR, PATIENT
from healthcare.db.functions import Searchable, searchable
from healthcare.search import search
from patients.models import Patient

PATIENT_FIELDS = ("name", "phone", "email", "address")
DOCTOR_FIELDS = ("name", "specialization", "email", "phone", "address")
PEOPLE = [
    {"name": "Émile Zola", "phone": "5551234", "address": "12 Rue de Médan"},
    {"name": "Łukasz Gęsiarz", "phone": "+34612345678", "address": "Straße 7, Köln"},
    {"name": "ΓΙΩΡΓΟΣ Weiß", "phone": "", "address": "100% Æble Vej_1"},
]
FOUND = [
    ("Zola Émile", [0]),
    ("emile", [0]),
    ("ÉMILE", [0]),
    ("E\u0301MILE", [0]),
    ("zola medan", [0]),
    ("zola köln", []),
    ("(555) 1234", [0]),
    ("555-1234", [0]),
    ("emile 555\u00a01234", [0]),
    ("12 rue", [0]),
    ("+34 612 345 678", [1]),
    ("612 345", [1]),
    ("lukasz gesiarz", [1]),
    ("GĘSIARZ", [1]),
    ("strasse", [1]),
    ("koln 7", [1]),
    ("γιωργος", [2]),
    ("γιωργοσ weiss", [2]),
    ("aeble", [2]),
    ("%", [2]),
    ("j_1", [2]),
    ("d%n", []),
    ("\\", []),
]


@pytest.fixture
def people(owner):
    return [Patient.objects.create(user=owner.user, **{**PATIENT, "email": "", **person}) for person in PEOPLE]


@pytest.mark.parametrize("by_index", [True, False])
@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_a_search_finds_what_was_typed(people, text, expected, by_index):
    found = search(Patient.objects.order_by("id"), PATIENT_FIELDS, text, by_index)

    assert list(found) == [people[number] for number in expected]


@pytest.mark.parametrize("text", ["", " \t"])
def test_an_empty_search_does_not_filter(people, text):
    assert search(Patient.objects.all(), PATIENT_FIELDS, text).count() == 3


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_the_admin_finds_it(staff_browser, people, text, expected):
    response = staff_browser.get(reverse("admin:patients_patient_changelist"), {"q": text})

    assert sorted(record.pk for record in response.context["cl"].result_list) == [people[n].pk for n in expected]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_the_api_finds_it(owner, people, text, expected):
    response = owner.get(f"{reverse('patients-list')}?{urlencode({'search': text})}")

    assert [row["id"] for row in response.json()] == [people[number].pk for number in expected]


EIGHT = "emile zola 12 rue de medan 555 1234"


def test_a_search_in_the_api_has_at_most_eight_words(owner, people):
    path = reverse("patients-list")

    found = owner.get(f"{path}?{urlencode({'search': EIGHT})}")
    refused = owner.get(f"{path}?{urlencode({'search': f'{EIGHT} x'})}")

    assert [row["id"] for row in found.json()] == [people[0].pk]
    assert (refused.status_code, refused.json()) == (400, {"search": ["Must have at most 8 words."]})


@pytest.mark.parametrize("rest", [" nowhere", " " * 100 + "nowhere", "\u3000nowhere" * 1000])
def test_a_search_in_the_admin_ignores_more_words(staff_browser, people, rest):
    response = staff_browser.get(reverse("admin:patients_patient_changelist"), {"q": EIGHT + rest})

    assert list(response.context["cl"].result_list) == [people[0]]


@pytest.mark.parametrize("text", ["(912) 345-6780", "BROWN robert", "cardiologist 245"])
def test_a_doctor_is_found_by_each_of_the_fields(stranger, staff_browser, doctor, text):
    response = stranger.get(f"{reverse('doctors-list')}?{urlencode({'search': text})}")
    in_admin = staff_browser.get(reverse("admin:doctors_doctor_changelist"), {"q": text})

    assert [row["email"] for row in response.json()] == [DOCTOR["email"]]
    assert list(in_admin.context["cl"].result_list) == [doctor]


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "M", "N", "P", "Zs"], max_codepoint=0x17FF), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(WORDS, WORDS)
@example("ǅ", "İıſ")
@example("ﬁ", "Ⅷ½")
@example("Ά\u0345", "ΐς")
def test_both_databases_normalize_text_in_the_same_way(db, one, other):
    User.objects.get_or_create(email="one@example.com", name="One")

    (normalized,) = User.objects.values_list(Searchable(Value(one), Value(other)), flat=True)

    assert normalized == searchable(f"{one} {other}")
