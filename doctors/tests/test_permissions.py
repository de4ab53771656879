"""Who can change and delete a doctor: its creator, and users with the model permission that the admin requires."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from conftest import DOCTOR, ApiClient
from doctors.models import Doctor

FORBIDDEN = "Only the user who added this doctor, or staff with the permission for it, may change or delete it."
EVERYBODY = {
    "creator": {},
    "stranger": {},
    "staff without permissions": {"is_staff": True},
    "auditor": {"is_staff": True, "permissions": ["view_doctor"]},
    "changer": {"is_staff": True, "permissions": ["change_doctor"]},
    "deleter": {"is_staff": True, "permissions": ["delete_doctor"]},
    "changer without admin": {"permissions": ["change_doctor"]},
    "superuser": {"is_superuser": True},
}
MAY = {
    "PUT": {"creator", "changer", "changer without admin", "superuser"},
    "PATCH": {"creator", "changer", "changer without admin", "superuser"},
    "DELETE": {"creator", "deleter", "superuser"},
}
BODIES = {"PUT": DOCTOR | {"name": "Changed"}, "PATCH": {"name": "Changed"}, "DELETE": None}


@pytest.fixture
def client(request, make_user):
    """Return a client of the user named by the parameter; the creator has added a doctor."""
    fields = dict(EVERYBODY[request.param])
    permissions = fields.pop("permissions", [])
    user = make_user(request.param, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    creator = user if request.param == "creator" else make_user("Somebody Else")
    Doctor.objects.create(user=creator, **DOCTOR)
    return ApiClient(user)


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}], ids=["unconditional", "conditional"])
@pytest.mark.parametrize("method", MAY)
@pytest.mark.parametrize("client", EVERYBODY, indirect=True)
def test_a_doctor_can_be_changed_by_its_creator_and_with_the_permission(request, client, method, headers):
    path = reverse("doctors-detail", args=[Doctor.objects.get().pk])

    response = client.request(method, path, BODIES[method], **headers)

    allowed = request.node.callspec.params["client"] in MAY[method]
    assert response.status_code == (200 if allowed else 403)
    assert allowed or response.json() == {"detail": FORBIDDEN}
    names = list(Doctor.objects.values_list("name", flat=True))
    assert names == (([] if method == "DELETE" else ["Changed"]) if allowed else [DOCTOR["name"]])


@pytest.mark.parametrize("client", EVERYBODY, indirect=True)
def test_every_user_reads_every_doctor(client):
    doctor = Doctor.objects.get()

    answers = [client.get("/api/doctors/"), client.get(reverse("doctors-detail", args=[doctor.pk]))]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == [answers[1].json()]
