"""Auditors: members of the group see everything in the admin, and cannot change, export or restore anything."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from conftest import DOCTOR, PATIENT

VIEWED = [
    "accounts.view_user",
    "admin.view_logentry",
    "doctors.view_doctor",
    "doctors.view_historicaldoctor",
    "mappings.view_historicalmapping",
    "mappings.view_mapping",
    "patients.view_historicalpatient",
    "patients.view_patient",
]


@pytest.fixture
def auditor(make_user):
    # Transactional tests empty all tables, including rows added by migrations.
    for migration in ("0003_auditors", "0005_roles"):
        import_module(f"mappings.migrations.{migration}").create(apps, connection.schema_editor())
    user = make_user("Ada Auditor", is_staff=True)
    user.groups.set([Group.objects.get(name="Auditors")])
    browser = Client()
    browser.force_login(user)
    return browser


def urls():
    """Return (name, number of arguments) of every URL of the admin."""
    found = {}
    for pattern in admin.site.urls[0]:
        for one in getattr(pattern, "url_patterns", [pattern]):
            if one.name:
                found[one.name] = len(one.pattern.converters) or one.pattern.regex.groups
    return sorted(found.items())


def address(name, arguments, mapping):
    """Return the path of the URL `name` for the existing records."""
    known = {"patient": mapping.patient, "doctor": mapping.doctor, "mapping": mapping, "user": mapping.user}
    if name == "app_list":
        return reverse(f"admin:{name}", args=["patients"])
    if name == "view_on_site":
        return reverse(f"admin:{name}", args=[1, 1])
    model = name.split("_")[1] if "_" in name else None
    record = known.get(model) or known.get(str(model).removeprefix("historical")) or mapping.user
    key = record.history.first().pk if str(model).startswith("historical") else record.pk
    versions = [record.history.first().pk] if name.endswith("simple_history") else []
    return reverse(f"admin:{name}", args=[key, *versions][:arguments])


def stored():
    """Return all data that an auditor might have changed, except their own log-in."""
    return {
        model: list(model.objects.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.app_label in {"patients", "doctors", "mappings", "accounts", "auth", "admin"}
    }


READABLE = {"index", "app_list", "jsi18n", "autocomplete", "search", "activity", "view_on_site"}
READABLE |= {"password_change", "password_change_done"}


@pytest.mark.parametrize(("name", "arguments"), urls())
def test_an_auditor_can_only_read(auditor, mapping, name, arguments):
    path = address(name, arguments, mapping)
    form = {**PATIENT, **DOCTOR, "name": "Changed", "user": mapping.user_id, "patient": mapping.patient_id}
    form |= {"doctor": mapping.doctor_id, "mappings-TOTAL_FORMS": 1, "mappings-INITIAL_FORMS": 1}
    form |= {"mappings-0-id": mapping.pk, "mappings-0-patient": mapping.patient_id, "mappings-0-DELETE": "on"}
    form |= {"resource": 0, "format": 0, "import_file_name": "x", "original_file_name": "x", "post": "yes"}
    before = stored()

    got = auditor.get(path)
    actions = ["delete_selected", "restore", "export_admin_action"]
    posted = [auditor.post(path, {**form, "action": action, "_selected_action": 1}) for action in actions]

    app, _, rest = name.partition("_")
    model, _, verb = rest.partition("_")
    viewed = {permission.replace(".", "_").replace("_view", "") for permission in VIEWED}
    # The permission to view accounts includes their versions.
    seen = f"{app}_{model}" in viewed | {"accounts_historicaluser"}
    if seen and verb in {"changelist", "change", "page", "history"}:
        assert got.status_code == 200
    elif name not in READABLE | {"login", "logout"}:
        assert got.status_code in {302, 403, 404, 405}
    assert "attachment" not in "".join(str(response.headers) for response in [got, *posted])
    assert {response.status_code for response in posted} <= {200, 302, 403, 404, 405}
    if "logout" not in name:
        assert stored() == before


@pytest.mark.parametrize("page", ["patients_patient", "doctors_doctor", "mappings_mapping", "accounts_user"])
def test_an_auditor_sees_no_button(auditor, mapping, page):
    record = mapping.user if page == "accounts_user" else getattr(mapping, page.split("_")[1], mapping)

    listing = auditor.get(reverse(f"admin:{page}_changelist")).content.decode()
    change = auditor.get(reverse(f"admin:{page}_change", args=[record.pk])).content.decode()

    for button in ["addlink", "import_link", "export_link", 'name="action"', 'name="_save"', "deletelink", "DELETE"]:
        assert button not in listing + change
    assert "Version" not in change


def test_an_auditor_sees_no_restore(auditor, patient):
    patient.delete()

    page = auditor.get(reverse("admin:patients_historicalpatient_changelist")).content.decode()

    assert PATIENT["name"] in page
    assert 'value="restore"' not in page


def test_an_auditor_sees_nothing_of_a_password(auditor, owner):
    page = auditor.get(reverse("admin:accounts_user_change", args=[owner.user.pk])).content.decode()

    assert owner.user.email in page
    assert not [word for word in ("algorithm", "hash", "salt") if word in page]


def test_an_auditor_does_not_save_a_version(auditor, patient):
    url = reverse("admin:patients_patient_simple_history", args=[patient.pk, patient.history.get().pk])

    response = auditor.post(url, {**PATIENT, "name": "Changed", "user": patient.user_id})

    patient.refresh_from_db()
    assert response.status_code == 302
    assert patient.name == PATIENT["name"]


def test_auditors_have_only_view_permissions(auditor):
    group = Group.objects.get(name="Auditors")

    assert sorted(f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.all()) == VIEWED


def test_the_migration_makes_the_group_once_and_its_reverse_removes_it(transactional_db):
    call_command("migrate", "mappings", "0002", verbosity=0)
    gone = Group.objects.filter(name="Auditors").exists()
    Permission.objects.filter(codename="view_patient").delete()
    call_command("migrate", "mappings", verbosity=0)
    call_command("migrate", verbosity=0)

    group = Group.objects.get(name="Auditors")
    assert not gone
    assert sorted(f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.all()) == VIEWED
    assert Permission.objects.get(codename="view_patient").name == "Can view patient"
