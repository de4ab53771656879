"""Crafted query strings of the admin are answered with a page, never with a 500."""

from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import BadRequest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DataError
from django.db.models import DateTimeField
from django.urls import reverse

from healthcare.admin import site
from patients.models import Patient

VALUES = ["\0", "x", "9" * 30, "٣", "9999-12-31", "0001-01-01T00:00:00+14:00"]
LIST = ["q", "o", "p", "all", "e", "_popup", "_to_field"]
ADD = ["_popup", "_to_field", "_changelist_filters"]


def names(model_admin, page):
    """Return the query parameters that a list or an add page reads."""
    fields = [field.name for field in model_admin.model._meta.get_fields()]
    if page == "add":
        return [*fields, *ADD]
    filters = [f"{field.name}{end}" for field in model_admin.model._meta.fields for end in lookups(field)]
    return [*LIST, *filters, "duplicates", "mappings__doctor__id__exact", "id__gte"]


def lookups(field):
    """Return the lookups that a filter of the field has."""
    if field.is_relation:
        return ["", "__id__exact"]
    return ["__from", "__to"] if isinstance(field, DateTimeField) else ["__exact"]


def bad(client, url, parameters, values=VALUES):
    """Return the query strings that get a 500."""
    client.raise_request_exception = False
    queries = [urlencode({name: value}) for name in parameters for value in values]
    return [query for query in queries if client.get(f"{url}?{query}").status_code >= 500]


# On PostgreSQL, a refused value ends the transaction of the test.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", ["changelist", "add"])
def test_lists_and_add_pages(staff_browser, mapping, page):
    for model, model_admin in admin.site._registry.items():
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")

        assert bad(staff_browser, url, names(model_admin, page)) == [], url


def test_search_and_activity(staff_browser, mapping):
    assert bad(staff_browser, reverse("admin:search"), ["q"]) == []
    assert bad(staff_browser, reverse("admin:activity"), ["person", "kind", "first", "last", "before"]) == []
    history = reverse("admin:patients_patient_history", args=[mapping.patient_id])
    assert bad(staff_browser, history, ["before"]) == []


@pytest.mark.parametrize("name", ["term", "page", "app_label", "model_name", "field_name"])
def test_autocomplete(staff_browser, mapping, name):
    known = {"app_label": "mappings", "model_name": "mapping", "field_name": "patient", "term": "a"}
    url = reverse("admin:autocomplete")
    staff_browser.raise_request_exception = False

    statuses = {value: staff_browser.get(url, {**known, name: value}).status_code for value in VALUES}

    assert {value: status for value, status in statuses.items() if status >= 500} == {}


def test_autocomplete_of_all_fields(staff_browser, mapping):
    Group.objects.create(name="Reception staff")
    url = reverse("admin:autocomplete")
    fields = [
        {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": field.name, "term": ""}
        for model in apps.get_models()
        for field in model._meta.get_fields()
    ]
    staff_browser.raise_request_exception = False

    answers = [(field, staff_browser.get(url, field)) for field in fields]

    assert [field for field, answer in answers if answer.status_code not in {200, 403, 404}] == []
    groups = [answer.json()["results"] for field, answer in answers if field["field_name"] == "groups"]
    assert {"Reception staff"} <= {choice["text"] for choice in groups[0]}


def test_a_form_is_shown_again_after_an_invalid_choice(staff_browser, patient):
    form = {"patient": "x", "doctor": "\0", "user": "9" * 30}

    response = staff_browser.post(reverse("admin:mappings_mapping_add"), form)

    assert response.status_code == 200
    assert set(response.context["adminform"].form.errors) == {"patient", "doctor", "user"}


def test_an_assigned_doctor_that_is_no_choice_is_refused(staff_browser, patient):
    counts = {"mappings-TOTAL_FORMS": 1, "mappings-INITIAL_FORMS": 0}

    response = staff_browser.post(
        reverse("admin:patients_patient_change", args=[patient.pk]), {**counts, "mappings-0-doctor": "x"}
    )

    assert response.status_code == 200
    assert "Select a valid choice" in response.content.decode()


def test_a_filter_of_django_itself_works_in_a_list(staff_browser, patient, monkeypatch):
    url = reverse("admin:patients_patient_changelist")
    monkeypatch.setattr(admin.site.get_model_admin(Patient), "list_filter", ["age"])

    shown = staff_browser.get(f"{url}?age={patient.age}")
    empty = staff_browser.get(f"{url}?age={patient.age + 1}")

    assert f'href="?age={patient.age}"' in shown.content.decode()
    assert [response.context["cl"].result_count for response in (shown, empty)] == [1, 0]


def test_values_in_the_url_that_a_field_cannot_hold_are_ignored(rf, staff):
    request = rf.get("/", {"created_at": "x", "age": "x", "unknown": "x", "name": "Ann"})
    request.user = staff.user

    initial = admin.site.get_model_admin(Patient).get_changeform_initial_data(request)

    assert initial == {"user": staff.user.pk, "name": "Ann"}


@pytest.mark.parametrize("lookup", ["name__regex", "name__fold__iregex", "user__name__contains", "created_at__regex"])
def test_a_pattern_to_match_is_refused(staff_browser, patient, lookup):
    for page in ("changelist", "export"):
        assert staff_browser.get(reverse(f"admin:patients_patient_{page}"), {lookup: "(a|a)*b"}).status_code == 400


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", ["patients_patient", "auth_group", "accounts_historicaluser"])
def test_lookups_of_all_kinds(staff_browser, mapping, model):
    url = reverse(f"admin:{model}_changelist")
    # One field of each type.
    fields = {type(field): field for field in apps.get_model(*model.split("_"))._meta.concrete_fields}.values()
    paths = [f"{field.name}__{lookup}" for field in fields for lookup in field.get_lookups()]
    paths += [f"{path}__gt" for path in paths]

    assert bad(staff_browser, url, paths, ["0", "1,x"]) == []


def test_a_pattern_in_a_list_of_groups_is_refused(staff_browser):
    assert staff_browser.get(reverse("admin:auth_group_changelist"), {"name__regex": "(a|a)*b"}).status_code == 400


def test_a_field_may_be_named_like_a_lookup(rf, monkeypatch):
    monkeypatch.setattr(site, "unused_lookups", site.unused_lookups.__wrapped__)
    monkeypatch.setattr(Patient._meta.get_field("age"), "name", "date")

    assert not site.crafted_query(rf.get("/", {"visits__date__from": "2026-01-01"}))
    assert site.crafted_query(rf.get("/", {"visits__date__year": "2026"}))


@pytest.mark.parametrize(("method", "error"), [("GET", BadRequest), ("HEAD", BadRequest), ("POST", DataError)])
def test_a_value_beyond_the_databases_is_refused_in_a_query_only(rf, staff, method, error):
    @admin.site.admin_view
    def view(request):
        raise DataError

    request = rf.generic(method, "/")
    request.user, request._dont_enforce_csrf_checks = staff.user, True

    with pytest.raises(error):
        view(request)


@pytest.mark.parametrize("query", ["x=1", "format=0", "age__gt=abc", "created_at__from=zz"])
def test_an_export_with_an_unknown_filter_is_refused(staff_browser, patient, query):
    assert staff_browser.get(f"{reverse('admin:patients_patient_export')}?{query}").status_code == 400


@pytest.mark.parametrize("action", ["delete_selected", "restore"])
@pytest.mark.parametrize("selected", ["abc", "", "1e5", "\0", "٣"])
def test_an_action_on_what_is_no_id_is_refused(staff_browser, patient, action, selected):
    model = "historicalpatient" if action == "restore" else "patient"
    form = {"action": action, "_selected_action": selected}

    response = staff_browser.post(reverse(f"admin:patients_{model}_changelist"), form)

    assert response.status_code == 400
    assert Patient.objects.exists()


@pytest.mark.parametrize("change", [{"format": "99"}, {"format": "x"}, {"format": "-1"}, {"resource": "99"}])
def test_a_crafted_confirmation_of_an_import_is_refused(staff_browser, db, change):
    form = confirmation(staff_browser) | change

    response = staff_browser.post(reverse("admin:patients_patient_process_import"), form)

    assert (response.status_code, Patient.objects.count()) == (400, 0)


def test_a_confirmation_with_another_format_asks_for_the_file_again(staff_browser, db):
    form = confirmation(staff_browser) | {"format": "1"}

    response = staff_browser.post(reverse("admin:patients_patient_process_import"), form)

    assert response.headers["Location"] == reverse("admin:patients_patient_import")
    assert Patient.objects.count() == 0


def confirmation(browser):
    """Upload a CSV and return the form that confirms it."""
    file = SimpleUploadedFile("patients.csv", b"name,age,gender\nAlice,30,female\n")
    preview = browser.post(reverse("admin:patients_patient_import"), {"import_file": file, "format": "0"})
    return {name: value for name, value in preview.context["confirm_form"].initial.items() if value is not None}
