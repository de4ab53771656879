"""Assignments in the admin: added and removed on the patient's page, listed on the doctor's."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from conftest import DOCTOR, PATIENT
from doctors.admin import SHOWN
from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient


def form_of(patient, *new, existing=()):
    """Return the form of a patient's page with the `existing` mappings, then the `new` ones."""
    form = {**PATIENT, "user": patient.user_id, "version": patient.history.first().pk}
    form |= {"mappings-TOTAL_FORMS": len(existing) + len(new), "mappings-INITIAL_FORMS": len(existing)}
    rows = [{"id": mapping.pk} for mapping in existing] + list(new)
    for number, row in enumerate(rows):
        form |= {f"mappings-{number}-{name}": value for name, value in {"patient": patient.pk, **row}.items()}
    return form


@pytest.fixture
def page(patient):
    return reverse("admin:patients_patient_change", args=[patient.pk])


def test_staff_assign_a_doctor_on_the_page_of_the_patient(staff_browser, staff, patient, doctor, page):
    response = staff_browser.post(page, form_of(patient, {"doctor": doctor.pk}))

    mapping = Mapping.objects.get()
    assert response.status_code == 302
    assert (mapping.patient, mapping.doctor, mapping.user) == (patient, doctor, staff.user)
    assert mapping.history.get().history_user == staff.user


def test_staff_remove_an_assignment_and_its_deletion_is_recorded(staff_browser, staff, mapping, page):
    form = form_of(mapping.patient, existing=[mapping]) | {"mappings-0-DELETE": "on"}

    staff_browser.post(page, form)

    deletion = Mapping.history.first()
    assert not Mapping.objects.exists()
    assert (deletion.history_type, deletion.id, deletion.history_user) == ("-", mapping.pk, staff.user)


def test_an_unchanged_assignment_keeps_its_user(staff_browser, owner, make_user, mapping, page):
    other = Doctor.objects.create(user=owner.user, **{**DOCTOR, "email": "other@example.com"})

    staff_browser.post(page, form_of(mapping.patient, {"doctor": other.pk}, existing=[mapping]))

    mapping.refresh_from_db()
    assert (mapping.user, mapping.history.count()) == (owner.user, 1)
    assert Mapping.objects.count() == 2


def test_the_doctor_of_an_assignment_cannot_be_changed(staff_browser, owner, mapping, page):
    other = Doctor.objects.create(user=owner.user, **{**DOCTOR, "email": "other@example.com"})
    form = form_of(mapping.patient, existing=[mapping]) | {"mappings-0-doctor": other.pk}

    staff_browser.post(page, form)

    assert Mapping.objects.get().doctor == mapping.doctor


def test_a_doctor_who_was_assigned_meanwhile_is_shown_on_the_form(staff_browser, mapping, page):
    response = staff_browser.post(page, form_of(mapping.patient, {"doctor": mapping.doctor_id}))

    assert "This doctor is already assigned to this patient." in response.content.decode()
    assert Mapping.objects.count() == 1


def test_the_page_of_a_patient_links_to_its_history(staff_browser, patient, page):
    assert reverse("admin:patients_patient_history", args=[patient.pk]) in staff_browser.get(page).content.decode()


def test_the_page_of_a_doctor_names_some_patients_and_links_to_the_list_of_all(
    staff_browser, owner, doctor, django_assert_max_num_queries
):
    for number in range(SHOWN + 1):
        patient = Patient.objects.create(user=owner.user, **{**PATIENT, "name": f"<P{number}>"})
        Mapping.objects.create(patient=patient, doctor=doctor, user=owner.user)
    every = f"{reverse('admin:mappings_mapping_changelist')}?doctor__id__exact={doctor.pk}"

    with django_assert_max_num_queries(10):
        text = staff_browser.get(reverse("admin:doctors_doctor_page", args=[doctor.pk])).content.decode()

    assert text.count("&lt;P") == SHOWN
    assert reverse("admin:patients_patient_page", args=[patient.pk]) in text
    assert every in text
    assert staff_browser.get(every).context["cl"].result_count == SHOWN + 1


def test_the_log_names_the_patients_that_the_page_of_a_doctor_names(staff_browser, mapping, caplog):
    caplog.set_level("INFO", "healthcare")

    staff_browser.get(reverse("admin:doctors_doctor_page", args=[mapping.doctor_id]))

    assert caplog.records[-1].data["ids"] == [mapping.doctor_id, mapping.patient_id]


def test_the_page_of_a_doctor_without_patients_says_so(staff_browser, doctor):
    text = staff_browser.get(reverse("admin:doctors_doctor_page", args=[doctor.pk])).content.decode()

    assert "None yet" in text


def test_the_page_of_a_doctor_names_patients_only_with_the_permission(browser_with, mapping):
    browser = browser_with("view_doctor", "view_mapping")

    text = browser.get(reverse("admin:doctors_doctor_page", args=[mapping.doctor_id])).content.decode()

    assert mapping.doctor.name in text
    assert mapping.patient.name not in text


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ([], False),
        (["view_doctor"], False),
        (["view_mapping"], False),
        (["view_doctor", "view_mapping"], True),
    ],
)
@pytest.mark.parametrize("name", ["page", "history"])
def test_a_patient_is_shown_with_their_doctors_only_with_the_permissions(browser_with, mapping, name, more, shown):
    url = reverse(f"admin:patients_patient_{name}", args=[mapping.patient_id])

    text = browser_with("view_patient", *more).get(url).content.decode()

    assert mapping.patient.name in text
    assert (mapping.doctor.name in text) == shown
    assert ("ssignment" in text.split('id="content"')[1]) == shown


@pytest.mark.parametrize(
    ("more", "status"), [([], 400), (["view_doctor"], 400), (["view_doctor", "view_mapping"], 200)]
)
def test_patients_are_filtered_by_doctor_only_with_the_permissions(browser_with, mapping, more, status):
    url = reverse("admin:patients_patient_changelist")

    response = browser_with("view_patient", *more).get(url, {"mappings__doctor__id__exact": mapping.doctor_id})

    assert response.status_code == status


def test_a_patient_is_restored_without_doctors_by_staff_who_may_not_assign_any(browser_with, mapping):
    mapping.patient.delete()

    message = restored(browser_with("view_patient", "add_patient"), Patient.history.first())

    assert message == "Alice Smith is restored without assigned doctors, which you may not add."
    assert not Mapping.objects.exists()


def restored(browser, version):
    """Restore the record of a deletion's `version`; return the message."""
    url = reverse(f"admin:{version._meta.app_label}_{version._meta.model_name}_changelist")
    form = {"action": "restore", "_selected_action": [version.pk]}
    *_, last = browser.post(url, form, follow=True).context["messages"]
    return str(last)


def test_a_restored_patient_has_the_doctors_assigned_until_the_deletion(staff_browser, owner, mapping, page):
    for name in ("second", "removed before"):
        doctor = Doctor.objects.create(user=owner.user, **{**DOCTOR, "email": f"{name[:6]}@example.com"})
        removed = Mapping.objects.create(patient=mapping.patient, doctor=doctor, user=owner.user)
    removed.delete()
    assigned = [row.doctor.email for row in Mapping.objects.select_related("doctor")]
    Mapping.history.filter(history_type="-").update(history_date=timezone.now() - timedelta(hours=1))
    staff_browser.post(page.replace("change", "delete"), {"post": "yes"})

    message = restored(staff_browser, Patient.history.first())

    assert message == "Alice Smith is restored with 2 assigned doctors."
    assert sorted(mapping.doctor.email for mapping in Mapping.objects.select_related("doctor")) == sorted(assigned)


def test_a_doctor_who_was_deleted_in_the_meantime_does_not_come_back_with_the_patient(staff_browser, mapping, page):
    staff_browser.post(page.replace("change", "delete"), {"post": "yes"})
    mapping.doctor.delete()

    message = restored(staff_browser, Patient.history.first())

    assert message == "Alice Smith is restored without 1 doctor that cannot be assigned again."
    assert not Mapping.objects.exists()


def test_a_patient_without_doctors_is_restored(staff_browser, patient, page):
    staff_browser.post(page.replace("change", "delete"), {"post": "yes"})

    assert restored(staff_browser, Patient.history.first()) == "Alice Smith is restored."


def test_an_assignment_that_is_restored_is_named(staff_browser, mapping):
    mapping.delete()

    message = restored(staff_browser, Mapping.history.first())

    assert message == "Alice Smith → Dr. Robert Brown, Cardiologist is restored."


def test_an_assignment_names_both(staff_browser, mapping, page):
    named = "Alice Smith → Dr. Robert Brown, Cardiologist"
    paths = [
        page,
        reverse("admin:mappings_mapping_change", args=[mapping.pk]),
        reverse("admin:mappings_mapping_delete", args=[mapping.pk]),
        reverse("admin:mappings_historicalmapping_changelist"),
    ]

    assert [path for path in paths if named not in staff_browser.get(path).content.decode()] == []


def test_the_name_of_an_assignment_costs_no_query(mapping, django_assert_num_queries):
    read = Mapping.objects.get()

    with django_assert_num_queries(0):
        assert str(read) == f"patient {mapping.patient_id} → doctor {mapping.doctor_id}"


def test_an_assignment_of_a_patient_who_is_gone_is_named_by_id(staff_browser, mapping):
    pk, version = mapping.patient_id, mapping.history.get()
    mapping.patient.delete()

    pages = [
        staff_browser.get(reverse("admin:mappings_historicalmapping_changelist")),
        staff_browser.get(reverse("admin:mappings_historicalmapping_change", args=[version.pk])),
    ]

    assert all(f"patient {pk} → Dr. Robert Brown, Cardiologist" in page.content.decode() for page in pages)


@pytest.mark.parametrize("counts", [(2_000, 0), (1_000, 1_000), (10**9, 0)])
@pytest.mark.parametrize("view", ["add", "change"])
def test_a_form_for_more_doctors_than_the_page_allows_is_refused(staff_browser, patient, view, counts):
    total, initial = counts
    form = {"mappings-TOTAL_FORMS": total, "mappings-INITIAL_FORMS": initial}
    args = [patient.pk] if view == "change" else []

    assert staff_browser.post(reverse(f"admin:patients_patient_{view}", args=args), form).status_code == 400


@pytest.mark.parametrize("missing", ["view_patient", "view_doctor"])
def test_assignments_require_the_permission_to_view_both(browser_with, mapping, missing):
    verbs = ("view", "add", "change", "delete")
    others = {"view_patient", "view_doctor", *(f"{verb}_mapping" for verb in verbs)} - {missing}
    version = mapping.history.get()
    pages = [
        reverse("admin:mappings_mapping_changelist"),
        reverse("admin:mappings_mapping_add") + f"?patient={mapping.patient_id}&doctor={mapping.doctor_id}",
        *(reverse(f"admin:mappings_mapping_{page}", args=[mapping.pk]) for page in ("change", "delete", "history")),
    ]
    browser = browser_with(*others, "view_historicalmapping")

    assert [browser.get(page).status_code for page in pages] == [403] * len(pages)
    assert browser.post(pages[2], {"patient": mapping.patient_id, "version": "0"}).status_code == 403
    assert browser.get(reverse("admin:mappings_historicalmapping_change", args=[version.pk])).status_code == 403


def test_a_patients_form_has_no_assignments_without_the_permission_to_view_doctors(browser_with, mapping, page):
    browser = browser_with("view_patient", "change_patient", "view_mapping", "add_mapping")

    shown = browser.get(page)

    assert shown.context["inline_admin_formsets"] == []
    assert mapping.doctor.name not in shown.content.decode()
