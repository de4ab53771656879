"""Property-based test of paging: the pages of any list together are the complete list."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import PATIENT
from patients.models import Patient
from patients.tests.pages import ORDERINGS, PATIENTS, pages

# Few names and ages, so that many rows tie and only the id orders them.
ROWS = st.lists(st.tuples(st.sampled_from("aAbé"), st.integers(0, 3)), min_size=2, max_size=12)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, limit=st.integers(1, 5), ordering=st.sampled_from(ORDERINGS))
def test_the_pages_of_any_list_are_the_list_in_its_order(owner, rows, limit, ordering):
    Patient.objects.all().delete()
    for number, (name, age) in enumerate(rows):
        Patient.objects.create(user=owner.user, **{**PATIENT, "name": name, "age": age, "phone": f"{10**9 + number}"})

    whole = owner.get(f"{PATIENTS}?ordering={ordering}").json()
    paged = pages(owner, f"{PATIENTS}?ordering={ordering}&limit={limit}")

    assert [row for page in paged for row in page] == whole
    assert len(whole) == len(rows)
    assert all(len(page) == limit for page in paged[:-1])
