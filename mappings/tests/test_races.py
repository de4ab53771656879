"""Concurrent requests for mappings: the responses must be those of some serial order."""

from functools import partial

import pytest
from django.urls import reverse

from mappings.models import Mapping
from patients.models import Patient

MAPPINGS = reverse("mappings-list")
ROUNDS = range(5)


def statuses(responses):
    return sorted(getattr(response, "status_code", repr(response)) for response in responses)


@pytest.fixture
def body(patient, doctor):
    return {"patient": patient.pk, "doctor": doctor.pk}


@pytest.mark.parametrize("round_", ROUNDS)
def test_concurrent_posts_of_a_pair_assign_it_once(race, owner, body, round_):
    responses = race(*[partial(owner.post, MAPPINGS, body)] * 8)

    refused = [response.json() for response in responses if response.status_code == 400]
    assert statuses(responses) == [201] + [400] * 7
    assert refused == [{"non_field_errors": ["This doctor is already assigned to this patient."]}] * 7
    assert (Mapping.objects.count(), Mapping.history.count()) == (1, 1)


@pytest.mark.parametrize("round_", ROUNDS)
def test_a_mapping_is_deleted_once(race, owner, mapping, round_):
    responses = race(*[partial(owner.delete, reverse("mappings-detail", args=[mapping.pk]))] * 4)

    assert statuses(responses) == [200, 404, 404, 404]
    assert Mapping.history.filter(history_type="-").count() == 1


@pytest.mark.parametrize("round_", range(10))
def test_a_patient_deleted_while_being_assigned_leaves_no_orphan(race, owner, patient, body, round_):
    path = reverse("patients-detail", args=[patient.pk])

    deleted, *assigned = race(partial(owner.delete, path), *[partial(owner.post, MAPPINGS, body)] * 3)

    # The DELETE may also conflict with a concurrent assignment, and then changes nothing.
    gone = deleted.status_code == 200
    assert deleted.status_code in {200, 409}
    assert set(statuses(assigned)) <= {201, 400, 404, 409}
    assert Patient.objects.exists() is not gone
    assert Mapping.objects.count() == (0 if gone else 1)
