import pytest

from healthcare.tests.api.probes import REQUESTS


@pytest.fixture
def send(owner, patient):
    """Return a function that makes the request of an action on the owner's patient and returns the response."""

    def send(action):
        method, path, body = REQUESTS[action]
        response = owner.request(method, path.format(patient.pk), body)
        b"".join(response) if response.streaming else response.content
        return response

    return send
