"""The directory of doctors over HTTP: all users read it; its creator and permitted staff change an entry."""

from datetime import timedelta

import pytest
from django.db.models.signals import post_delete
from django.urls import reverse
from django.utils import timezone

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient

DOCTORS = reverse("doctors-list")
FORBIDDEN = {
    "detail": "Only the user who added this doctor, or staff with the permission for it, may change or delete it."
}
TAKEN = {"email": ["A doctor with this e-mail already exists."]}
STALE = "The record has changed since you read it. Read it again and retry with the new ETag."
WRITES = [("PUT", {**DOCTOR, "name": "Eve"}), ("PATCH", {"name": "Eve"}), ("DELETE", None)]


def path_of(doctor):
    return reverse("doctors-detail", args=[doctor.pk])


def assign(doctor, client):
    """Assign `doctor` to a new patient of the client's user."""
    patient = Patient.objects.create(user=client.user, **PATIENT)
    return Mapping.objects.create(patient=patient, doctor=doctor, user=client.user)


# Create and read


def test_the_example_of_the_specification_creates_a_doctor(owner):
    response = owner.post("/api/doctors/", DOCTOR)

    doctor = Doctor.objects.get()
    assert response.status_code == 201
    assert list(response.json().items()) == [
        ("id", doctor.pk),
        ("name", "Dr. Robert Brown"),
        ("age", 21),
        ("gender", "male"),
        ("specialization", "Cardiologist"),
        ("email", "Robert.brown@gmail.com"),
        ("phone", "9123456780"),
        ("address", "245 main strt"),
        ("created_at", doctor.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
        ("user", owner.user.pk),
    ]
    assert owner.get(response.headers["Location"]).content == response.content


def test_optional_fields_are_null_or_blank_by_default(owner):
    body = {name: DOCTOR[name] for name in ("name", "specialization", "email")}

    response = owner.post(DOCTORS, body)

    assert response.status_code == 201
    assert [response.json()[name] for name in ("age", "gender", "phone", "address")] == [None, "", "", ""]
    assert Doctor.objects.filter(age=None, gender="", phone="", address="").count() == 1


@pytest.mark.parametrize("field", ["name", "specialization", "email"])
def test_a_missing_required_field_is_refused(owner, field):
    body = {name: value for name, value in DOCTOR.items() if name != field}

    response = owner.post(DOCTORS, body)

    assert (response.status_code, response.json()) == (400, {field: ["This field is required."]})
    assert not Doctor.objects.exists()


@pytest.mark.parametrize(
    ("field", "sent", "stored"),
    [
        ("age", 18, 18),
        ("age", "120", 120),
        ("age", None, None),
        ("gender", "UNKNOWN", "UNKNOWN"),
        ("gender", "f", "f"),
        ("phone", "", ""),
        ("specialization", " Chirurgie générale ", "Chirurgie générale"),
        ("specialization", "S" * 100, "S" * 100),
        ("phone", "+91 (912) 345-67.80", "+919123456780"),
        ("email", "ROBERT@Example.COM", "ROBERT@Example.COM"),
    ],
)
def test_a_valid_value_is_stored(owner, field, sent, stored):
    response = owner.post(DOCTORS, {**DOCTOR, field: sent})

    assert response.status_code == 201, response.json()
    assert response.json()[field] == stored
    assert Doctor.objects.values_list(field, flat=True).get() == stored


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "This field may not be blank."),
        ("age", 17, "Must be a whole number from 18 to 120."),
        ("age", 121, "Must be a whole number from 18 to 120."),
        ("age", True, "Must be a whole number from 18 to 120."),
        ("age", "", "Must be a whole number from 18 to 120."),
        ("age", "٣٠", "Must be a whole number from 18 to 120."),
        ("gender", "robot", "Must be one of male, female, other, unknown, or its first letter, in any case."),
        ("gender", None, "Must be one of male, female, other, unknown, or its first letter, in any case."),
        ("specialization", "S" * 101, "Ensure this field has no more than 100 characters."),
        ("specialization", "Heart\nsurgeon", "Control characters, such as tabs and line ends, are not allowed."),
        ("specialization", "\u200b", "This field may not be blank."),
        ("phone", "123456", "Enter 7 to 15 digits, with or without a + in front."),
        ("phone", "٩٨٧٦٥٤٣٢١٠", "Enter 7 to 15 digits, with or without a + in front."),
        ("email", "", "This field may not be blank."),
        ("email", "robert", "Enter a valid email address, such as name@example.com."),
        ("address", "x" * 1001, "Ensure this field has no more than 1000 characters."),
    ],
)
@pytest.mark.parametrize("method", ["post", "patch"])
def test_an_invalid_value_is_refused_on_its_field(owner, doctor, method, field, value, message):
    path, body = (DOCTORS, {**DOCTOR, "email": "new@example.com"}) if method == "post" else (path_of(doctor), {})

    response = getattr(owner, method)(path, {**body, field: value})

    assert (response.status_code, response.json()) == (400, {field: [message]})
    assert Doctor.objects.get() == doctor
    assert list(Doctor.objects.values(*DOCTOR)) == [DOCTOR]


def test_all_users_read_the_same_directory(owner, stranger, doctor):
    added = stranger.post(DOCTORS, {**DOCTOR, "email": "second@example.com"})

    answers = [client.get(DOCTORS) for client in (owner, stranger)]

    assert answers[0].content == answers[1].content
    assert answers[0].json() == [stranger.get(path_of(doctor)).json(), added.json()]


# The e-mail


@pytest.mark.parametrize("email", ["Robert.brown@gmail.com", "ROBERT.BROWN@GMAIL.COM", "robert.brown@Gmail.com"])
def test_an_email_is_unique_among_the_doctors_of_all_users(stranger, doctor, email):
    response = stranger.post(DOCTORS, {**DOCTOR, "name": "Another", "email": email})

    assert (response.status_code, response.json()) == (400, TAKEN)
    assert Doctor.objects.get() == doctor


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_doctor_cannot_take_anothers_email(owner, doctor, method):
    other = Doctor.objects.create(user=owner.user, **{**DOCTOR, "email": "other@example.com"})

    response = getattr(owner, method)(path_of(other), {**DOCTOR, "email": DOCTOR["email"].upper()})

    assert (response.status_code, response.json()) == (400, TAKEN)
    other.refresh_from_db()
    assert other.email == "other@example.com"


def test_the_case_of_an_email_can_be_changed(owner, doctor):
    response = owner.patch(path_of(doctor), {"email": DOCTOR["email"].upper()})

    assert (response.status_code, response.json()["email"]) == (200, "ROBERT.BROWN@GMAIL.COM")


# Change and delete


@pytest.mark.parametrize(("method", "body"), WRITES)
@pytest.mark.parametrize("who", ["owner", "staff"])
def test_the_creator_and_staff_may_change_a_doctor(request, doctor, who, method, body):
    client = request.getfixturevalue(who)

    response = client.request(method, path_of(doctor), body)

    assert response.status_code == 200
    assert not Doctor.objects.filter(name=DOCTOR["name"]).exists()
    assert Doctor.history.latest("history_id").history_user == client.user
    if body:
        assert Doctor.objects.filter(name="Eve", user=doctor.user).count() == 1
    else:
        assert response.json() == {"detail": "Doctor deleted."}


@pytest.mark.parametrize(("method", "body"), WRITES)
def test_a_stranger_cannot_change_a_doctor(stranger, doctor, method, body):
    response = stranger.request(method, path_of(doctor), body)

    assert (response.status_code, response.json()) == (403, FORBIDDEN)
    assert Doctor.objects.filter(name=DOCTOR["name"]).count() == Doctor.history.count() == 1


def test_deleting_a_doctor_deletes_the_callers_own_assignments(owner, mapping):
    response = owner.delete(path_of(mapping.doctor))

    assert response.status_code == 200
    assert not Mapping.objects.exists()
    assert Patient.objects.get() == mapping.patient
    removed = Mapping.history.latest("history_id")
    assert (removed.id, removed.history_type, removed.history_user) == (mapping.pk, "-", owner.user)


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_a_doctor_of_another_users_patient_cannot_be_deleted(request, stranger, mapping, who):
    client = request.getfixturevalue(who)
    others = assign(mapping.doctor, stranger)

    response = client.delete(path_of(mapping.doctor))

    assert (response.status_code, response.json()) == (
        409,
        {"detail": "This record cannot be deleted while other records, such as mappings of other users, refer to it."},
    )
    assert list(Mapping.objects.all()) == [mapping, others]
    assert Doctor.objects.get() == mapping.doctor
    assert not Mapping.history.filter(history_type="-").exists()


def test_an_old_version_cannot_be_changed(owner, staff, doctor):
    etag = owner.get(path_of(doctor)).headers["ETag"]
    staff.patch(path_of(doctor), {"age": 50})

    response = owner.put(path_of(doctor), {**DOCTOR, "name": "Eve"}, **{"If-Match": etag})

    assert (response.status_code, response.json()) == (412, {"detail": STALE})
    assert Doctor.objects.filter(name=DOCTOR["name"], age=50).count() == 1
    assert owner.get(path_of(doctor), **{"If-None-Match": etag}).status_code == 200


def test_all_users_can_read_who_changed_what_in_a_history(owner, stranger, staff, doctor):
    staff.patch(path_of(doctor), {"age": None})
    owner.delete(path_of(doctor))

    response = stranger.get(reverse("doctors-history", args=[doctor.pk]))

    actions = [(version["action"], version["by"]) for version in response.json()]
    assert actions == [("deleted", owner.user.pk), ("changed", staff.user.pk), ("created", None)]
    assert response.json()[1]["changes"] == [{"field": "age", "old": 21, "new": None}]


@pytest.mark.parametrize("text", ["Zoe\u0308", "Zo\u00eb", "名前 🏥", "\u202bعلي\u202c", 'a"b\\c/d', "ﬁ Å"])
def test_text_is_returned_unchanged(owner, patient, text):
    texts = dict.fromkeys(["name", "specialization", "address"], text)
    created = owner.post(DOCTORS, {**DOCTOR, **texts})
    owner.post("/api/mappings/", {"patient": patient.pk, "doctor": created.json()["id"]})

    answers = [created.json(), owner.get(created.headers["Location"]).json(), *owner.get(DOCTORS).json()]
    answers += owner.get(f"/api/patients/{patient.pk}/doctors/").json()
    assert [{name: answer[name] for name in texts} for answer in answers] == [texts] * 4


@pytest.mark.parametrize("number", [1, 50])
def test_own_assignments_are_deleted_with_the_doctor_in_a_few_queries(
    owner, doctor, django_assert_max_num_queries, number
):
    patients = Patient.objects.bulk_create(
        Patient(user=owner.user, **PATIENT | {"phone": f"{10**9 + index}"}) for index in range(number)
    )
    Mapping.objects.bulk_create(Mapping(patient=patient, doctor=doctor, user=owner.user) for patient in patients)

    with django_assert_max_num_queries(13):
        response = owner.delete(reverse("doctors-detail", args=[doctor.pk]))

    assert response.status_code == 200
    assert not Mapping.objects.exists()
    versions = Mapping.history.filter(history_type="-", history_user=owner.user, doctor_id=doctor.pk, user=owner.user)
    assert set(versions.values_list("patient_id", flat=True)) == {patient.pk for patient in patients}
    assert versions.count() == number
    assert all(timezone.now() - version.history_date < timedelta(minutes=1) for version in versions)


def test_a_signal_receiver_gets_the_assignments_deleted_with_a_doctor(owner, doctor, mapping):
    deleted = []

    def receive(instance, **kwargs):
        deleted.append(instance.pk)

    post_delete.connect(receive, sender=Mapping)
    try:
        owner.delete(reverse("doctors-detail", args=[doctor.pk]))
    finally:
        post_delete.disconnect(receive, sender=Mapping)

    assert deleted == [mapping.pk]
    assert Mapping.history.filter(history_type="-").count() == 1
