"""The tests named in SECURITY.md exist."""

import re

import pytest
from django.conf import settings

PAGE = (settings.BASE_DIR / "SECURITY.md").read_text()
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)


@pytest.mark.parametrize(("path", "test"), NAMED, ids=[test for _, test in NAMED])
def test_a_test_that_the_page_names_exists(path, test):
    assert f"def {test}(" in (settings.BASE_DIR / path).read_text()


def test_every_risk_and_safeguard_has_a_row():
    assert re.findall(r"^\| API(\d+) ", PAGE, re.MULTILINE) == [str(number) for number in range(1, 11)]
    assert re.findall(r"^\| \((\w)\)", PAGE, re.MULTILINE) == ["a"] * 4 + ["b", "c", "d", "e"]
