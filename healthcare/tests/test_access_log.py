"""Every route that shows or changes records names them in its line of the log."""

import json

import pytest
from django.contrib import admin
from django.contrib.auth.tokens import default_token_generator
from django.urls import get_resolver, reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts import urls
from accounts.models import User
from accounts.tokens import RefreshToken
from conftest import PASSWORD, ApiClient
from doctors.models import Doctor
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
