"""Compiled reads return the same bytes as the plain path."""

from datetime import UTC

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import DOCTOR, PATIENT
from doctors.models import Doctor
from doctors.serializers import DoctorSerializer
from healthcare.api.json import encode
from healthcare.db.compiled import visible_to_user
from patients.models import Patient
from patients.serializers import PatientSerializer

# All values of a text column, including those that validators refuse.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
TIMESTAMPS = st.datetimes(timezones=st.just(UTC)) | st.datetimes(timezones=st.just(UTC)).map(
    lambda instant: instant.replace(microsecond=0)
)
COMMON = {
    "name": TEXT,
    "gender": st.sampled_from(["male", "Female", "UNKNOWN"]),
    "phone": st.from_regex(r"\A\+?[0-9]{7,15}\Z"),
    "address": TEXT,
    "created_at": TIMESTAMPS,
}
RECORDS = {
    "patients": (Patient, PatientSerializer, PATIENT, st.fixed_dictionaries({**COMMON, "age": st.integers(0, 150)})),
    "doctors": (
        Doctor,
        DoctorSerializer,
        DOCTOR,
        st.fixed_dictionaries({**COMMON, "age": st.none() | st.integers(18, 120), "specialization": TEXT}),
    ),
}


@pytest.mark.parametrize("path", RECORDS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_compiled_and_plain_reads_return_the_same(owner, path, data):
    model, serializer, example, values = RECORDS[path]
    model.objects.all().delete()
    stored = [
        model.objects.create(user=owner.user, **{**example, **row, "email": f"{number}@example.com"})
        for number, row in enumerate(data.draw(st.lists(values, min_size=1, max_size=4)))
    ]
    plain = [encode(serializer(record).data) for record in model.objects.filter(pk__in=[r.pk for r in stored])]

    one = [owner.get(f"/api/{path}/{record.pk}/").content for record in stored]
    everything = owner.get(f"/api/{path}/").content
    page = owner.get(f"/api/{path}/?limit=1000").content
    searched = owner.get(f"/api/{path}/?search=@EXAMPLE.com").content

    assert one == plain
    assert everything == page == searched == b"[" + b",".join(plain) + b"]"


def test_a_query_of_another_app_needs_a_visible_to_of_fixed_shape():
    class Varying(QuerySet):
        def visible_to(self, user):
            return self.filter(user__email=user.email)

    with pytest.raises(ImproperlyConfigured, match=r"Varying.visible_to must be marked @fixed_shape"):
        visible_to_user(Varying(Patient))
