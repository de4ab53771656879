"""The address as which a failed log-in is counted."""

import pytest

from accounts.tests.guesses import guess
from conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("few_failures")


def test_a_forged_x_forwarded_for_is_ignored(owner):
    for number in range(3):
        guess(owner.user, **{"X-Forwarded-For": f"1.2.3.{number}"})

    assert guess(owner.user, **{"X-Forwarded-For": "9.9.9.9"}).status_code == 429


def test_behind_a_proxy_the_address_is_the_one_the_proxy_saw(owner, settings):
    settings.TRUSTED_PROXIES = 1
    for _ in range(3):
        guess(owner.user, **{"X-Forwarded-For": "made.up, 1.1.1.1"})

    from_there = guess(owner.user, PASSWORD, **{"X-Forwarded-For": "other, 1.1.1.1"})
    from_elsewhere = guess(owner.user, PASSWORD, **{"X-Forwarded-For": "1.1.1.1, 2.2.2.2"})

    assert (from_there.status_code, from_elsewhere.status_code) == (429, 200)


def test_ipv6_addresses_of_one_network_are_counted_together(owner):
    for number in range(3):
        guess(owner.user, address=f"2001:db8::{number}")

    assert guess(owner.user, address="2001:db8::ffff").status_code == 429
    assert guess(owner.user, PASSWORD, address="2001:db8:0:100::1").status_code == 200


def test_requests_without_a_valid_address_count_as_those_of_the_proxy(owner, settings):
    settings.TRUSTED_PROXIES = 1

    statuses = [guess(owner.user, **{"X-Forwarded-For": f"{'z' * 300}{number}"}).status_code for number in range(4)]

    assert statuses == [401, 401, 401, 429]


def test_an_ipv4_mapped_ipv6_address_counts_as_the_ipv4_address(owner):
    for _ in range(4):
        guess(owner.user, address="::ffff:1.2.3.4")

    assert guess(owner.user, PASSWORD, address="1.2.3.4").status_code == 429
    assert guess(owner.user, PASSWORD, address="::ffff:9.9.9.9").status_code == 200


def test_the_ipv6_networks_of_one_subscriber_are_counted_together(owner):
    statuses = [guess(owner.user, address=f"2001:db8:0:{number:x}::1").status_code for number in range(8)]

    assert statuses == [401] * 6 + [429] * 2
    assert guess(owner.user, PASSWORD, address="2001:db9::1").status_code == 200
