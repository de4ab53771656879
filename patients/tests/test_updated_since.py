"""`?updated_since=`: what a client that keeps a copy has to read again."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.urls import reverse
from django.utils import timezone as django_timezone

from conftest import DOCTOR, PATIENT, timestamp
from doctors.models import Doctor
from patients.models import Patient
from patients.tests.pages import PATIENTS, pages

START = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
INVALID = "Must be a timestamp with a time zone, such as 2026-01-02T03:04:05Z."


@pytest.fixture
def people(owner, stranger):
    """Five patients of the owner, one version a day from START on, and one of the stranger."""
    users = [owner.user] * 5 + [stranger.user]
    people = [Patient.objects.create(user=user, **{**PATIENT, "name": f"P {i}"}) for i, user in enumerate(users)]
    for number, person in enumerate(people):
        person.history.update(history_date=START + timedelta(days=number))
    return people


def names(client, since, more=""):
    response = client.get(f"{PATIENTS}?updated_since={since}{more}")
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()]


def test_records_whose_newest_version_is_at_or_after_the_timestamp_are_listed(owner, people):
    third = START + timedelta(days=2)

    assert names(owner, timestamp(third)) == ["P 2", "P 3", "P 4"]
    assert names(owner, timestamp(third + timedelta(microseconds=1))) == ["P 3", "P 4"]
    assert names(owner, timestamp(START + timedelta(days=9))) == []
    assert names(owner, "0001-01-01T00:00:00Z") == [f"P {number}" for number in range(5)]
    assert names(owner, "") == [f"P {number}" for number in range(5)]


def test_a_change_counts_and_a_deletion_is_not_listed(owner, people):
    now = timestamp(django_timezone.now())
    owner.patch(f"{PATIENTS}{people[1].pk}/", {"age": 77})
    owner.patch(f"{PATIENTS}{people[2].pk}/", {"age": people[2].age})
    owner.delete(f"{PATIENTS}{people[3].pk}/")
    owner.post(PATIENTS, {**PATIENT, "name": "New"})

    assert names(owner, now) == ["P 1", "New"]


@pytest.mark.parametrize("offset", ["+02:00", "%2B02:00", "-0330", "Z"])
def test_a_timestamp_may_have_any_offset(owner, people, offset):
    hours = {"Z": 0, "-0330": -3.5}.get(offset, 2)
    local = (START + timedelta(days=3)).astimezone(timezone(timedelta(hours=hours)))

    assert names(owner, f"{local:%Y-%m-%dT%H:%M:%S.%f}{offset}") == ["P 3", "P 4"]


def test_it_can_be_combined_with_pages_filters_and_csv(owner, people):
    query = f"updated_since={timestamp(START + timedelta(days=1))}&search=p&gender=f"

    found = pages(owner, f"{PATIENTS}?{query}&limit=3&ordering=-name")
    table = owner.get(f"{PATIENTS}?{query}&format=csv").content.decode()

    assert [[row["name"] for row in page] for page in found] == [["P 4", "P 3", "P 2"], ["P 1"]]
    assert [line.split(",")[1] for line in table.splitlines()] == ["name", "P 1", "P 2", "P 3", "P 4"]


def test_doctors_have_it_too(owner, stranger):
    old, new = (Doctor.objects.create(user=owner.user, **{**DOCTOR, "email": f"{n}@example.com"}) for n in "ab")
    old.history.update(history_date=START)

    response = stranger.get(f"{reverse('doctors-list')}?updated_since=2026-01-02T03:04:06Z")

    assert [row["id"] for row in response.json()] == [new.pk]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "yesterday",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-02-30T00:00:00Z",
            "1767323045",
            "2026-01-02T25:00:00Z",
        ),
        *("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "%D9%A2026-01-02T03:04:05Z", "2" * 5000),
    ],
)
def test_an_invalid_timestamp_is_a_400(owner, value):
    response = owner.get(f"{PATIENTS}?updated_since={value}")

    assert (response.status_code, response.json()) == (400, {"updated_since": [INVALID]})


def test_it_costs_no_further_query(owner, people, django_assert_num_queries):
    with django_assert_num_queries(2):
        names(owner, timestamp(START))
