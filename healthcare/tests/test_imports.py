"""Imports apply the validation of the API, also when it runs field by field."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError

from conftest import DOCTOR, PATIENT
from doctors.serializers import DoctorSerializer
from healthcare.imports import hooks, validated_fields
from patients.serializers import PatientSerializer

NAMES = sorted({*PATIENT, *DOCTOR})
VALUES = st.text(max_size=12) | st.sampled_from([*map(str, PATIENT.values()), *map(str, DOCTOR.values()), "", None])


def outcome(call):
    try:
        return call()
    except ValidationError as error:
        return error.detail


@pytest.mark.parametrize("serializer", [PatientSerializer, DoctorSerializer])
@pytest.mark.parametrize("partial", [False, True])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_fields_validated_alone_are_what_the_serializer_makes_of_them(serializer, partial, row):
    alone = outcome(lambda: validated_fields(serializer(partial=partial), row))
    whole = outcome(lambda: serializer(partial=partial).run_validation(row))

    assert hooks(serializer) == []
    assert dict(alone) == dict(whole)


@pytest.mark.parametrize("name", ["validate", "validate_name", "to_internal_value", "run_validation"])
def test_a_hook_of_a_serializer_runs(name):
    serializer = type("Hooked", (PatientSerializer,), {name: lambda self, value: value})

    assert hooks(serializer) != []
