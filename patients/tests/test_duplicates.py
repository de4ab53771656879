"""The same patient twice: which fields make a duplicate, and how it is refused."""

import pytest
from django.urls import reverse

from conftest import PATIENT
from patients.models import Patient

PATIENTS = reverse("patients-list")
EMILE = {**PATIENT, "name": "Émile Zola", "email": "emile@example.com"}
TAKEN = {
    "non_field_errors": [
        "This patient exists already: same name, phone and e-mail. "
        "For another person, such as a twin, change one of them."
    ]
}
# A patient without phone and e-mail.
INFANT = {"name": "Léa Zola", "age": 0, "gender": "female", "address": "Rue 1"}
TAKEN_WITHOUT_CONTACT = {
    "non_field_errors": [
        "This patient exists already: same name, age, gender and address, and neither has a phone or an e-mail. "
        "For another person, such as a twin, change one of them."
    ]
}


@pytest.mark.parametrize("again", [{}, {"name": "LÉA zola"}, {"gender": "F"}, {"address": "rue 1"}, {"phone": " "}])
def test_without_phone_and_e_mail_the_same_name_age_gender_and_address_are_refused(owner, again):
    owner.post(PATIENTS, INFANT)

    response = owner.post(PATIENTS, {**INFANT, **again})

    assert (response.status_code, response.json()) == (400, TAKEN_WITHOUT_CONTACT)
    assert (Patient.objects.count(), Patient.history.count()) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"name": "Luc Zola"},
        {"age": 1},
        {"gender": "male"},
        {"address": "Rue 2"},
        {"phone": "1234567"},
        {"email": "lea@example.com"},
    ],
)
def test_without_phone_and_e_mail_one_difference_makes_another_patient(owner, stranger, other):
    owner.post(PATIENTS, INFANT)

    responses = [owner.post(PATIENTS, {**INFANT, **other}), stranger.post(PATIENTS, INFANT)]

    assert [response.status_code for response in responses] == [201, 201]


def test_removing_phone_and_e_mail_cannot_create_a_duplicate(owner):
    owner.post(PATIENTS, INFANT)
    other = owner.post(PATIENTS, {**INFANT, "phone": "1234567"})

    response = owner.patch(other.headers["Location"], {"phone": ""})

    assert (response.status_code, response.json()) == (400, TAKEN_WITHOUT_CONTACT)


def test_duplicates_are_compared_by_the_complete_address(owner):
    infant = {**INFANT, "address": "🏥é" * 500}

    statuses = [owner.post(PATIENTS, body).status_code for body in (infant, infant, {**infant, "address": "🏥è" * 500})]

    assert statuses == [201, 400, 201]


@pytest.mark.parametrize(
    "again",
    [
        {},
        {"name": "émile ZOLA"},
        {"name": " ÉMILE ZOLA "},
        {"phone": "(987) 654-3210"},
        {"email": "EMILE@EXAMPLE.com"},
        {"age": 31, "gender": "male", "address": "elsewhere"},
    ],
)
def test_the_same_patient_twice_is_refused(owner, again):
    owner.post(PATIENTS, EMILE)

    response = owner.post(PATIENTS, {**EMILE, **again})

    assert (response.status_code, response.json()) == (400, TAKEN)
    assert Patient.objects.count() == 1


def test_the_same_patient_without_an_email_twice_is_refused(owner):
    owner.post(PATIENTS, {**PATIENT, "email": ""})

    response = owner.post(PATIENTS, {**PATIENT, "email": ""})

    assert (response.status_code, response.json()) == (400, TAKEN)


@pytest.mark.parametrize("other", [{"name": "Emile Zola"}, {"phone": "9876543211"}, {"email": ""}])
def test_a_patient_with_one_difference_is_another(owner, other):
    owner.post(PATIENTS, EMILE)

    response = owner.post(PATIENTS, {**EMILE, **other})

    assert response.status_code == 201
    assert Patient.objects.count() == 2


def test_another_user_may_have_the_same_patient(patient, stranger):
    response = stranger.post(PATIENTS, PATIENT)

    assert response.status_code == 201
    assert set(Patient.objects.values_list("user", flat=True)) == {patient.user_id, stranger.user.pk}


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_change_that_creates_a_duplicate_is_refused(owner, patient, method):
    other = Patient.objects.create(user=owner.user, **EMILE)

    response = getattr(owner, method)(reverse("patients-detail", args=[other.pk]), PATIENT)

    assert (response.status_code, response.json()) == (400, TAKEN)
    other.refresh_from_db()
    assert other.name == EMILE["name"]
