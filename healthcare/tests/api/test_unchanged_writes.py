"""A write that changes nothing: the response is the usual one, and the history gets no version."""

import pytest
from django.urls import reverse

from conftest import DOCTOR, PATIENT


@pytest.fixture(params=["patient", "doctor"])
def record(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def path(record):
    return reverse(f"{record._meta.model_name}s-detail", args=[record.pk])


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("write", ["PUT", "PATCH", "PATCH with an empty body"])
def test_a_write_that_changes_nothing_adds_no_version(owner, record, path, write, conditional):
    before = owner.get(path)
    headers = {"If-Match": before.headers["ETag"]} if conditional else {}
    body = {} if "empty" in write else PATIENT if record._meta.model_name == "patient" else DOCTOR

    response = owner.request(write.split()[0], path, body, **headers)

    assert (response.status_code, response.content) == (200, before.content)
    assert response.headers["ETag"] == before.headers["ETag"]
    assert [version.history_type for version in record.history.all()] == ["+"]


def test_a_write_after_one_that_changed_nothing_adds_a_version(owner, record, path):
    owner.patch(path, {"name": record.name})

    response = owner.patch(path, {"name": "Eve"})

    assert (response.status_code, response.json()["name"]) == (200, "Eve")
    assert [version.name for version in record.history.all()] == ["Eve", record.name]
