"""Every route that shows or changes records names them in its line of the log."""

import json

import pytest
from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.auth.tokens import default_token_generator
from django.urls import get_resolver, reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts import urls
from accounts.models import User
from accounts.tokens import RefreshToken
from conftest import DOCTOR, PASSWORD, PATIENT, ApiClient
from doctors.models import Doctor
from healthcare.admin.filters import RecordFilter
from mappings.models import Mapping
from patients.models import Patient

ROUTES = sorted(
    name
    for name in get_resolver().reverse_dict
    # An import shows no records; its own test has what it logs.
    if isinstance(name, str) and name.startswith(("patients-", "doctors-", "mappings-")) and name != "patients-import"
)
MODELS = [User, Doctor, Mapping, Patient]
VERSIONS = [model.history.model for model in MODELS]
# (URL name, query parameter, model of the record that the page then shows as a choice)
CHOICES = [
    (f"admin:{model._meta.app_label}_{model._meta.model_name}_add", name, model._meta.get_field(name).related_model)
    for model, model_admin in admin.site._registry.items()
    for name in model_admin.autocomplete_fields
]
FILTERS = [
    (
        f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist",
        f"{path[0]}__id__exact",
        get_fields_from_path(model, path[0])[-1].related_model,
    )
    for model, model_admin in admin.site._registry.items()
    for path in model_admin.list_filter
    if RecordFilter in path
]
NEW_PASSWORD = "another horse and staple"
# Its response does not depend on the account, and neither does its log line.
UNLOGGED_ROUTE = "password-reset"
ACCOUNT_ROUTES = sorted({route.name for route in urls.urlpatterns} - {UNLOGGED_ROUTE})


def request_line(caplog):
    return [record for record in caplog.records if record.name == "healthcare.requests"][-1].data


def test_there_are_routes_to_walk():
    assert len(ROUTES) == 10
    assert len(ACCOUNT_ROUTES) == 7
    assert {*MODELS, *VERSIONS} <= admin.site._registry.keys()
    assert (len(CHOICES), len(FILTERS)) == (5, 10)


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_of_the_api_logs_every_record_it_shows(owner, mapping, caplog, route):
    caplog.set_level("INFO", "healthcare")
    pk = mapping.doctor_id if route.startswith("doctors") else mapping.patient_id

    response = owner.get(reverse(route, args=[] if route.endswith("list") else [pk]))

    body = json.loads(response.getvalue())
    shown = {row["id"] for row in (body if isinstance(body, list) else [body])}
    path = set() if route.endswith("list") else {pk}
    assert response.status_code == 200
    assert shown
    assert set(request_line(caplog)["ids"]) == shown | path


@pytest.fixture
def send_to(owner):
    """Return a function that makes a successful request to each account route and returns the response."""
    refresh = str(RefreshToken.for_user(owner.user))
    reset = {
        "uid": urlsafe_base64_encode(force_bytes(owner.user.pk)),
        "token": default_token_generator.make_token(owner.user),
    }
    anonymous, passwords = ApiClient(), {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    requests = {
        "register": (anonymous, "POST", {"name": "Nora New", "email": "nora@example.com", "password": PASSWORD}),
        "login": (anonymous, "POST", {"email": owner.user.email, "password": PASSWORD}),
        "refresh": (anonymous, "POST", {"refresh": refresh}),
        "logout": (anonymous, "POST", {"refresh": refresh}),
        "me": (owner, "GET", None),
        "password": (owner, "POST", passwords),
        "password-reset-confirm": (anonymous, "POST", {**reset, "new_password": NEW_PASSWORD}),
    }

    def send(route):
        client, method, body = requests[route]
        return client.request(method, reverse(f"auth:{route}"), body)

    return send


@pytest.mark.parametrize("route", ACCOUNT_ROUTES)
def test_a_route_of_accounts_logs_the_account_it_uses(transactional_db, send_to, caplog, route):
    caplog.set_level("INFO", "healthcare")

    response = send_to(route)

    account = User.objects.latest("pk").pk if route == "register" else User.objects.get(name="Olive Owner").pk
    line = request_line(caplog)
    assert response.status_code in {200, 201}
    assert {line["user"], *line["ids"]} - {None} == {account}


@pytest.mark.parametrize("model", MODELS)
def test_a_page_of_the_admin_logs_every_record_it_shows(staff_browser, mapping, caplog, model):
    caplog.set_level("INFO", "healthcare")
    options, record = model._meta, model.objects.first()

    for page, args, expected in [
        ("changelist", [], set(model.objects.values_list("pk", flat=True))),
        ("change", [record.pk], {record.pk}),
        ("history", [record.pk], {record.pk}),
    ]:
        response = staff_browser.get(reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=args))

        assert response.status_code == 200
        assert expected <= set(request_line(caplog)["ids"])


@pytest.mark.parametrize("model", VERSIONS)
def test_a_page_of_versions_logs_every_record_it_shows(staff_browser, mapping, caplog, model):
    caplog.set_level("INFO", "healthcare")
    options, version = model._meta, model.objects.first()
    # The id of a version differs from that of its record.
    model.objects.filter(pk=version.pk).update(history_id=10**6)

    for page, args, expected in [
        ("changelist", [], set(model.objects.values_list("id", flat=True))),
        ("change", [10**6], {version.id}),
    ]:
        response = staff_browser.get(reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=args))

        assert response.status_code == 200
        assert expected <= set(request_line(caplog)["ids"])


@pytest.fixture
def far(owner, make_user):
    """Return {model: id of a record}; the ids differ from all others."""
    make_user("Fay Far", id=10**6)
    Patient.objects.create(id=10**6 + 1, user=owner.user, **{**PATIENT, "name": "Bob"})
    Doctor.objects.create(id=10**6 + 2, user=owner.user, **{**DOCTOR, "email": "far@example.com"})
    return {User: 10**6, Patient: 10**6 + 1, Doctor: 10**6 + 2}


@pytest.mark.parametrize(("page", "parameter", "model"), [*CHOICES, *FILTERS, ("admin:activity", "person", User)])
def test_a_page_of_the_admin_logs_the_choices_it_shows(staff_browser, far, caplog, page, parameter, model):
    caplog.set_level("INFO", "healthcare")

    response = staff_browser.get(reverse(page), {parameter: far[model]})

    assert f'<option value="{far[model]}" selected>' in response.content.decode()
    assert far[model] in request_line(caplog)["ids"]


def test_a_form_with_errors_logs_the_choices_it_shows(staff_browser, patient, far, caplog):
    caplog.set_level("INFO", "healthcare")
    form = {"mappings-TOTAL_FORMS": 1, "mappings-INITIAL_FORMS": 0, "mappings-0-doctor": far[Doctor], "user": far[User]}

    staff_browser.post(reverse("admin:patients_patient_change", args=[patient.pk]), form)

    assert {patient.pk, far[Doctor], far[User]} <= set(request_line(caplog)["ids"])


def test_a_form_logs_the_possible_duplicates_it_shows(staff_browser, far, caplog):
    caplog.set_level("INFO", "healthcare")
    counts = {"mappings-TOTAL_FORMS": 0, "mappings-INITIAL_FORMS": 0}
    form = {**PATIENT, **counts, "name": "Bob", "email": "x@example.com", "user": far[User]}

    response = staff_browser.post(reverse("admin:patients_patient_add"), form)

    assert "Possible duplicates" in response.content.decode()
    assert far[Patient] in request_line(caplog)["ids"]


@pytest.mark.parametrize("page", ["page", "change"])
def test_a_page_of_a_patient_logs_the_assigned_doctors(staff_browser, patient, far, caplog, page):
    caplog.set_level("INFO", "healthcare")
    Mapping.objects.create(patient=patient, doctor_id=far[Doctor], user=patient.user)

    staff_browser.get(reverse(f"admin:patients_patient_{page}", args=[patient.pk]))

    assert far[Doctor] in request_line(caplog)["ids"]
