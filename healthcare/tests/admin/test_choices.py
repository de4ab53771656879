"""Choices of related records are named only to staff who may view these; others see the ids."""

import re

import pytest
from django.urls import reverse

from healthcare.admin.filters import choice_label

ADD = "admin:mappings_mapping_add"
BOTH = ["view_patient", "view_doctor", "add_mapping"]


def labels(response):
    """Return {name of the field: label of the selected record}."""
    selects = re.findall(r'<select name="([\w-]+)"(.*?)</select>', response.content.decode(), re.DOTALL)
    chosen = {name: re.search(r"<option [^>]*selected>(.+?)</option>", select) for name, select in selects}
    return {name: option[1] for name, option in chosen.items() if option}


def test_a_form_names_what_its_user_may_view(browser_with, mapping):
    query = {name: getattr(mapping, f"{name}_id") for name in ("patient", "doctor", "user")}

    assert labels(browser_with(*BOTH, "view_user").get(reverse(ADD), query)) == {
        "patient": f"Alice Smith, 30, female, 9876543210, #{mapping.patient_id}",
        "doctor": f"Dr. Robert Brown, Cardiologist, 9123456780, #{mapping.doctor_id}",
        "user": f"Olive Owner &lt;olive.owner@example.com&gt; #{mapping.user_id}",
    }


@pytest.mark.parametrize("record", ["patient", "doctor", "user"])
def test_a_record_that_its_user_may_not_view_is_labelled_by_its_id_and_not_logged(rf, make_user, mapping, record):
    request, chosen = rf.get("/"), getattr(mapping, record)
    request.user = make_user("Clara Clerk", is_staff=True)

    assert choice_label(request, chosen) == f"#{chosen.pk}"
    assert not getattr(request, "accessed_ids", [])
