"""Choices of related records are named only to staff who may view these; others see the ids."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from conftest import PATIENT
from mappings.models import Mapping

ADD = "admin:mappings_mapping_add"


@pytest.fixture
def browser_with(make_user):
    """Return a function that returns the browser of staff with the given permissions."""

    def browser(*codenames):
        user = make_user("Clara Clerk", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return browser


def labels(response):
    """Return {name of the field: label of the selected record}."""
    selects = re.findall(r'<select name="([\w-]+)"(.*?)</select>', response.content.decode(), re.DOTALL)
    chosen = {name: re.search(r"<option [^>]*selected>(.+?)</option>", select) for name, select in selects}
    return {name: option[1] for name, option in chosen.items() if option}


@pytest.mark.parametrize("permission", ["add_mapping", "change_mapping"])
def test_a_form_shows_the_ids_in_the_url_of_what_its_user_may_not_view(browser_with, mapping, permission):
    query = {"patient": mapping.patient_id, "doctor": mapping.doctor_id, "user": mapping.user_id}
    browser, pk = browser_with(permission), mapping.pk
    url = reverse(ADD) if permission == "add_mapping" else reverse("admin:mappings_mapping_change", args=[pk])

    shown = browser.get(url, query)

    assert labels(shown) == {"patient": f"#{mapping.patient_id}", "doctor": f"#{mapping.doctor_id}"}
    hidden = [mapping.patient.phone, mapping.doctor.phone, mapping.user.email]
    assert not [text for text in hidden if text in shown.content.decode()]


@pytest.mark.parametrize(
    ("permission", "field", "label"),
    [
        ("view_patient", "patient", "Alice Smith, 30, female, 9876543210, #{mapping.patient_id}"),
        ("view_doctor", "doctor", "Dr. Robert Brown, Cardiologist, 9123456780, #{mapping.doctor_id}"),
        ("view_user", "user", "Olive Owner &lt;olive.owner@example.com&gt; #{mapping.user_id}"),
    ],
)
def test_a_form_names_what_its_user_may_view(browser_with, mapping, permission, field, label):
    browser, pk = browser_with("add_mapping", permission), getattr(mapping, f"{field}_id")

    shown = browser.get(reverse(ADD), {field: pk})

    assert labels(shown)[field] == label.format(mapping=mapping)


def test_a_form_with_errors_shows_the_ids_of_what_its_user_may_not_view(browser_with, mapping):
    chosen = {"patient": mapping.patient_id, "doctor": mapping.doctor_id}

    refused = browser_with("add_mapping").post(reverse(ADD), chosen)

    assert "This doctor is already assigned to this patient." in refused.content.decode()
    assert labels(refused) == {name: f"#{pk}" for name, pk in chosen.items()}
    assert PATIENT["name"] not in refused.content.decode()


@pytest.mark.parametrize(("permissions", "named"), [([], False), (["view_doctor"], True)])
def test_a_doctor_chosen_on_a_patients_form_is_named_to_those_who_may_view_it(
    browser_with, patient, doctor, permissions, named
):
    counts = {"mappings-TOTAL_FORMS": 1, "mappings-INITIAL_FORMS": 0}
    browser = browser_with("change_patient", "add_mapping", *permissions)

    refused = browser.post(
        reverse("admin:patients_patient_change", args=[patient.pk]), {**counts, "mappings-0-doctor": doctor.pk}
    )

    label = f"{doctor.name}, Cardiologist, {doctor.phone}, #{doctor.pk}" if named else f"#{doctor.pk}"
    assert labels(refused) == {"gender": "---------", "mappings-0-doctor": label}


def test_a_filter_by_what_its_user_may_not_view_is_not_shown(browser_with, mapping):
    query = {"patient__id__exact": mapping.patient_id, "doctor__id__exact": mapping.doctor_id}

    shown = browser_with("view_mapping").get(reverse("admin:mappings_mapping_changelist"), query)

    assert shown.context["cl"].result_count == 1
    assert mapping.patient.phone not in shown.content.decode()
    assert mapping.doctor.phone not in shown.content.decode()


@pytest.mark.parametrize(
    ("permissions", "name"),
    [
        ([], "patient {patient.pk} → doctor {doctor.pk}"),
        (["view_patient"], "Alice Smith → doctor {doctor.pk}"),
        (["view_patient", "view_doctor"], "Alice Smith → Dr. Robert Brown, Cardiologist"),
    ],
)
def test_an_id_that_its_user_may_not_view_can_be_saved(browser_with, patient, doctor, permissions, name):
    chosen = {"patient": patient.pk, "doctor": doctor.pk}

    saved = browser_with("add_mapping", *permissions).post(reverse(ADD), chosen, follow=True)

    name = name.format(patient=patient, doctor=doctor)
    assert Mapping.objects.filter(**chosen).exists()
    assert [str(message) for message in saved.context["messages"]] == [
        f"The assignment “{name}” was added successfully."
    ]
    assert LogEntry.objects.get().object_repr == name
