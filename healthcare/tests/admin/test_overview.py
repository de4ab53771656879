"""The front page of the admin: figures of the records that the user may view, in a constant number of queries."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient

INDEX = reverse("admin:index")


def figures(browser):
    """Return {name: figure} of the front page as `browser` sees it."""
    response = browser.get(INDEX)
    (shown,) = [context["figures"] for context in response.context if "figures" in context][:1] or [[]]
    return {figure["name"]: figure for figure in shown}


@pytest.fixture
def patients(owner):
    """Patients of today, of 29 and of 30 days ago."""
    today = timezone.now()
    for number, days in enumerate([0, 0, 29, 30, 30, 30]):
        instant = today - timedelta(days=days)
        Patient.objects.create(user=owner.user, **{**PATIENT, "name": f"P{number}"}, created_at=instant)


def test_it_counts_all_records_and_those_of_each_of_the_last_30_days(staff_browser, patients, doctor):
    seen = figures(staff_browser)

    bars = [bar["count"] for bar in seen["Patients"]["bars"]]
    assert {"Patients": 6, "Doctors": 1, "Assignments": 0, "Users": 2}.items() <= {
        name: figure["total"] for name, figure in seen.items()
    }.items()
    assert bars == [1, *[0] * 28, 2]
    assert (seen["Patients"]["recent"], seen["Patients"]["most"]) == (3, 2)
    assert (seen["Patients"]["bars"][-1]["height"], seen["Patients"]["bars"][-1]["y"]) == (48, 0)


def test_the_chart_has_a_description_and_a_table(staff_browser, patients):
    page = staff_browser.get(INDEX).content.decode()

    assert "<title>Overview | Healthcare</title>" in page
    assert ">Patients of the last 30 days</title>" in page
    assert f"{timezone.now():%Y-%m-%d}</a></th><td>2</td>" in page
    assert "<script" not in page.split('class="overview"')[1].split("</section>")[0]


def test_the_chart_says_its_highest_value_and_its_first_and_last_day(staff_browser, patients):
    today = timezone.now()

    page = staff_browser.get(INDEX).content.decode()

    first = today - timedelta(days=29)
    scales = re.findall('<p class="scale"><span>(.*?)</span><span>(.*?)</span><span>(.*?)</span></p>', page)
    days = f"{first:%b} {first.day}", f"{today:%b} {today.day}"
    assert scales[:4] == [(days[0], f"at most {most} a day", days[1]) for most in (2, 0, 0, 2)]


def test_large_figures_are_grouped_by_thousands(staff_browser, owner):
    patients = (Patient(user=owner.user, **{**PATIENT, "phone": f"{number:07}"}) for number in range(1234))
    Patient.objects.bulk_create(patients)

    page = staff_browser.get(INDEX).content.decode()

    for text in (">1,234</a>", ">1,234 today</a>", ">1,234 in 30 days</a>"):
        assert text in page
    assert "at most 1,234 a day" in page


def test_staff_see_the_figures_of_what_they_may_view_only(browser_with, patients, doctor):
    assert list(figures(browser_with("view_doctor", "add_patient"))) == ["Doctors"]


def test_staff_who_may_view_nothing_see_no_figures(browser_with, patients):
    assert figures(browser_with()) == {}


def test_its_queries_do_not_grow_with_the_records(staff_browser, make_user, django_assert_max_num_queries):
    for number in range(12):
        user = make_user(f"User {number}")
        patient = Patient.objects.create(user=user, **PATIENT)
        doctor = Doctor.objects.create(user=user, **{**DOCTOR, "email": f"d{number}@example.com"})
        Mapping.objects.create(user=user, patient=patient, doctor=doctor)

    staff_browser.get(INDEX)
    # The session and its renewal, the user, the recent actions, and two per model.
    with django_assert_max_num_queries(14):
        staff_browser.get(INDEX)


def test_its_numbers_link_to_the_records_that_they_count(staff_browser, patients):
    page = staff_browser.get(INDEX).content.decode()

    links = re.findall('<a href="([^"]*)">([0-9,]+)( today| in 30 days)</a>', page.split("Patients", 1)[1])[:2]
    assert [int(count) for _, count, _ in links] == [2, 3]
    assert [staff_browser.get(url).context["cl"].result_count for url, _, _ in links] == [2, 3]


def test_a_patient_who_was_just_added_is_counted_although_counts_are_cached(staff_browser, patients, owner):
    before = figures(staff_browser)["Patients"]
    Patient.objects.create(user=owner.user, **PATIENT)

    after = figures(staff_browser)["Patients"]

    assert (after["total"], after["recent"]) == (before["total"] + 1, before["recent"] + 1)
