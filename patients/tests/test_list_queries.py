"""Query parameters of lists of patients that are refused."""

import base64
import json

import pytest
from django.urls import reverse

from patients.tests.pages import PATIENTS

LIMIT = "Must be a whole number from 1 to 1000."
CURSOR = "Invalid cursor for this list: use the URL in the Link header unchanged."
ORDERING = "Must be one of id, name, age, created_at, with - for descending."
UNKNOWN = (
    "Unknown query parameter. "
    "Allowed: age, age_max, age_min, cursor, format, gender, limit, ordering, search, updated_since."
)


def cursor(*key):
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def test_an_empty_cursor_is_the_first_page(owner, patient):
    assert owner.get(PATIENTS + "?limit=1&cursor=").json() == owner.get(PATIENTS + "?limit=1").json()


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        *(
            (f"limit={bad}", "limit", LIMIT)
            for bad in ("0", "1001", "-1", "abc", "", "1.0", "%D9%A3", "9" * 30, "1%0A")
        ),
        ("limit=2&limit=3", "limit", "Must be given only once."),
        (f"cursor={cursor(1, 1)}", "limit", "A limit is required with a cursor."),
        *((f"limit=2&cursor={bad}", "cursor", CURSOR) for bad in ("!", "AAAA", "%C3%A9", "W10", "bnVsbA", "e30")),
        *(
            (f"limit=2&ordering={ordering}&cursor={cursor(*key)}", "cursor", CURSOR)
            for ordering, key in [
                ("id", (1, -1)),
                ("id", (1, True)),
                ("id", (1, "1")),
                ("id", (1, 10**18)),
                ("id", (1, 2, 3)),
                ("id", (10**30, 1)),
                ("name", (None, 1)),
                ("name", ("\0", 1)),
                ("name", ("\ud800", 1)),
                ("age", ("Ann", 1)),
                ("age", (10**30, 1)),
                ("age", (1e400, 1)),
                ("age", ([], 1)),
                ("created_at", ("yesterday", 1)),
                ("created_at", (5, 1)),
                ("created_at", ("2025-09-20T21:19:32", 1)),
                ("created_at", ("2025-09-20", 1)),
                ("created_at", ("0001-01-01T00:00:00+14:00", 1)),
                ("created_at", ("9999-12-31T23:59:59-14:00", 1)),
            ]
        ),
        *(
            (f"ordering={bad}", "ordering", ORDERING)
            for bad in ("", "phone", "--id", "user__password", "id,name", "ID")
        ),
        *((f"{name}=1", name, UNKNOWN) for name in ("page", "user", "Age", "age__gt", "")),
        ("gender=robot", "gender", "Must be one of male, female, other, unknown, or its first letter, in any case."),
        *(
            (f"age={bad}", "age", "Must be a whole number.")
            for bad in ("thirty", "3.0", "%D9%A3", "1_0", "true", "9" * 19)
        ),
        ("age_min=x&age_max=9", "age_min", "Must be a whole number."),
        ("search=%00", "detail", "The query string contains a NUL character."),
        ("search=%FF", "detail", "The query string is not UTF-8."),
    ],
)
def test_a_bad_query_is_refused_on_its_parameter(owner, patient, query, field, message):
    response = owner.get(f"{PATIENTS}?{query}")

    expected = message if field == "detail" else [message]
    assert (response.status_code, response.json()) == (400, {field: expected})


def test_a_single_patient_accepts_no_query_parameters(owner, patient):
    response = owner.get(reverse("patients-detail", args=[patient.pk]) + "?limit=1")

    assert response.status_code == 400
    assert response.json() == {"limit": ["Unknown query parameter. This path accepts none."]}


def test_a_search_for_a_long_text_is_refused(owner):
    response = owner.get(f"/api/patients/?search={'x' * 101}")

    assert (response.status_code, response.json()) == (400, {"search": ["Must have at most 100 characters."]})
