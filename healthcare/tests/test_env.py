"""Readers of environment variables: types, defaults and the local key."""

import stat

import pytest
from django.core.exceptions import ImproperlyConfigured

from healthcare import env
from healthcare.secret_key import secret_key


@pytest.mark.parametrize(
    ("value", "expected"),
    [("True", True), ("yes", True), (" ON ", True), ("1", True), ("false", False), ("0", False), ("", "default")],
)
def test_a_boolean_is_a_plain_yes_or_no(monkeypatch, value, expected):
    monkeypatch.setenv("SWITCH", value)

    assert env.boolean("SWITCH", "default") == expected


@pytest.mark.parametrize("value", ["1.5", "-1", "٣", "1_0", "0x1", "1" * 10, "five"])
def test_an_integer_is_ascii_digits(monkeypatch, value):
    monkeypatch.setenv("NUMBER", value)

    with pytest.raises(ImproperlyConfigured, match="NUMBER must be a whole number of at least 0"):
        env.integer("NUMBER", 7)


@pytest.mark.parametrize(("value", "expected"), [("a, b,,c ", ["a", "b", "c"]), ("", ["d"]), (" , ", ["d"])])
def test_names_are_separated_by_commas(monkeypatch, value, expected):
    monkeypatch.setenv("NAMES", value)

    assert env.names("NAMES", ["d"]) == expected


def test_a_local_key_is_generated_once_and_readable_only_by_its_owner(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY", "")

    first, second = (secret_key(False, tmp_path / "key") for _ in range(2))

    assert first == second
    assert len(first.encode()) >= 32
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
