"""Assertions about responses and stored rows."""

import json

from django.contrib.auth import get_user_model

from doctors.models import Doctor
from mappings.models import Mapping
from patients.models import Patient

MEGABYTE = 1024 * 1024
JOHN = {"name": "John Doe", "email": "john@example.com", "password": "password123"}
WRITES = ["/api/auth/register/", "/api/patients/", "/api/doctors/", "/api/mappings/"]


def stored():
    return [model.objects.count() for model in (get_user_model(), Patient, Doctor, Mapping)]


def assert_json(response, status):
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    assert isinstance(json.loads(response.content), dict)
