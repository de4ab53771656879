"""Helpers of the tests of `POST /api/patients/import/`."""

from django.urls import reverse

from patients.tests.files import HEADER

IMPORT = reverse("patients-import")


def post(client, *lines, content=None, **headers):
    raw = "\n".join(lines).encode() if content is None else content
    return client.post(IMPORT, raw=raw, **{"content_type": "text/csv", **headers})


def result(created, refused=(), ignored_columns=()):
    return {"created": created, "refused": list(refused), "ignored_columns": list(ignored_columns)}


def many(numbers):
    return [HEADER, *(f"Patient {number},30,male,{number + 10**7},," for number in numbers)]
