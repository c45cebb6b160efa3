"""The arithmetic of limits."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_melody_mfa.core import limits
from flask_melody_mfa.core.types import DAY, MINUTE


@given(st.integers(-5, 10_000))
def test_a_lock_never_shrinks_with_its_level_and_never_exceeds_a_day(level: int) -> None:
    length = limits.lock_length(level)
    assert 15 * MINUTE <= length <= DAY
    assert limits.lock_length(level + 1) >= length


@pytest.mark.parametrize(
    ("level", "minutes"), [(0, 15), (1, 30), (2, 60), (6, 960), (7, 1440), (99, 1440)]
)
def test_a_lock_doubles_up_to_a_day(level: int, minutes: int) -> None:
    assert limits.lock_length(level) == minutes * MINUTE


@pytest.mark.check("L15")
@given(st.one_of(st.none(), st.text(max_size=60)))
def test_whatever_an_address_looks_like_it_is_counted_somewhere(address: str | None) -> None:
    network = limits.network_of(address)
    assert network
    assert limits.network_of(address) == network


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_itself(address: ipaddress.IPv4Address) -> None:
    assert limits.network_of(str(address)) == str(address)
    assert limits.network_of(f"::ffff:{address}") == str(address)


@pytest.mark.check("L15", "L03")
@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_addresses_of_a_64_network_are_one(address: ipaddress.IPv6Address, host: int) -> None:
    if address.ipv4_mapped:
        return
    sibling = ipaddress.IPv6Address((int(address) >> 64 << 64) | host)
    if sibling.ipv4_mapped:
        return
    assert limits.network_of(str(address)) == limits.network_of(str(sibling))
    assert limits.network_of(str(address) + "%eth0") == limits.network_of(str(address))


@given(st.integers(0, 10**12))
def test_seconds_are_rounded_up(length: int) -> None:
    seconds = limits.seconds(length)
    assert (seconds - 1) * 1000 < length <= seconds * 1000
