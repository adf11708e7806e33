"""Generated attempts to reach what must never be reached, by three clients, watched packet by packet.

The part that runs here is a sample of every kind; `python -m bench.egress_corpus` runs them all.
"""

from __future__ import annotations

import json
from collections import Counter
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from egress_cases import (
    IPV4_DENIED,
    IPV6_DENIED,
    PUBLIC_V4,
    PUBLIC_V6,
    all_cases,
    carriers,
    denied_v4,
    denied_v6,
    public_addresses,
    some_cases,
)
from egress_internet import in_its_own_network, sighting_of, why_not
from real_data import ROOT

from windrow_protocol.addresses import DENIED_NETS, address_verdict

PROGRAM = ROOT / "bench" / "egress_corpus.py"


def test_there_are_ten_thousand_cases_of_every_kind() -> None:
    kinds = Counter(case.kind for case in all_cases())
    assert kinds.total() >= 10_000
    assert set(kinds) == {
        *("ipv4 notation", "ipv6 notation", "disguise", "name", "rebinding"),
        *("redirect", "robots redirect", "port"),
    }
    assert min(kinds.values()) >= 500
    assert {case.kind for case in some_cases(200)} == set(kinds)


def test_every_edge_is_among_them_and_the_nodes_own_table_agrees() -> None:
    tried = {*map(str, denied_v4()), *map(str, denied_v6())}
    for net in map(ip_network, [*IPV4_DENIED, *IPV6_DENIED]):
        assert {str(net[0]), str(net[-1])} <= tried
    assert {row.net for row in DENIED_NETS} <= {ip_network(net) for net in [*IPV4_DENIED, *IPV6_DENIED]}
    assert [text for text in tried if address_verdict(text).allowed] == []
    assert all(address_verdict(text).allowed for text in (PUBLIC_V4, PUBLIC_V6))


def test_carriers_carry_what_they_should() -> None:
    metadata = denied_v4()[0]
    assert metadata == ip_address("169.254.169.254")
    found = set(carriers(metadata))
    for text in ("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::169.254.169.254"):
        assert ip_address(text) in found
    assert metadata in {each.teredo[1] for each in found if each.teredo}


def test_only_what_is_public_in_octal_may_be_reached_beside_the_public_hosts() -> None:
    extra = public_addresses(all_cases()) - {PUBLIC_V4, PUBLIC_V6}
    assert all(address_verdict(text).allowed for text in extra)
    assert "8.255.255.254" in extra


@pytest.mark.parametrize(
    ("packet", "sighting"),
    [
        ("45000028000000004006000000000000 0a000001 1234 0050 00000000 00000000 5002 0000 0000 0000",
         ("tcp", "10.0.0.1", 80)),
        ("45000028000000004006000000000000 0a000001 1234 0050 00000000 00000000 5012 0000 0000 0000", None),
        ("4500001c00000000401100000000000 00a000035 1234 0035 0008 0000", ("udp", "10.0.0.53", 53)),
        ("6000000000141140" + "00" * 16 + "fec0" + "00" * 13 + "01" + "1234 01bb 0008 0000", ("udp", "fec0::1", 443)),
        ("00", None),
    ],
)  # fmt: skip
def test_the_watch_reads_packets(packet: str, sighting: object) -> None:
    assert sighting_of(bytes.fromhex(packet.replace(" ", ""))) == sighting


@pytest.fixture(scope="module")
def lines() -> dict[str, dict[str, Any]]:
    if reason := why_not():
        pytest.skip(reason)
    done = in_its_own_network([str(PROGRAM), "--inside", "--cases", "200"], capture_output=True, timeout=280)
    assert done.stdout, done.stderr[-2_000:]
    return {line["client"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_the_watch_sees_what_no_guard_holds_back(lines: dict[str, dict[str, Any]]) -> None:
    assert lines["control"]["connections"] == 4


@pytest.mark.parametrize("client", ["plain", "scrapy", "chromium"])
def test_nothing_but_public_hosts_is_ever_reached(client: str, lines: dict[str, dict[str, Any]]) -> None:
    line = lines[client]
    assert (line["connections"], line["reached"], line["packets_lost"]) == (0, [], 0)
    assert line["public_requests"] > 0, "the client was alive: its harmless requests left"
    assert sum(line["refused"].values()) >= 100, "and the others came as far as the proxy"
