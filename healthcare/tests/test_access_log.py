"""Every route that shows records names them in its line of the log."""

import json

import pytest
from django.contrib import admin
from django.urls import get_resolver, reverse

from accounts.models import User
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


def logged(caplog):
    return [record for record in caplog.records if record.name == "healthcare.requests"][-1].data["ids"]


def test_there_are_routes_to_walk():
    assert len(ROUTES) == 10
    assert set(MODELS) <= admin.site._registry.keys()


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
    assert set(logged(caplog)) == shown | path


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
        assert expected <= set(logged(caplog))
