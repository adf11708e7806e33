"""No row of the hazards' table of addresses can be reached, in any spelling or wrapping."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from windrow_protocol.addresses import (
    AllowedEndpoint,
    IPNetwork,
    Own,
    address_verdict,
    endpoint_verdict,
    parse_allowed,
    parse_host_literal,
)
from windrow_protocol.errors import WindrowError
from windrow_protocol.urls import canonical_url, split_http_url

patient = settings(deadline=None)  # a busy machine is no failure

# Written out again, not imported: the table under test must not vouch for itself.
HAZARDS_IPV4 = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32
"""
HAZARDS_IPV6 = "2001::/23 2001:db8::/32 2002::/16 3fff::/20"
NETS: list[IPNetwork] = [ip_network(net) for net in (HAZARDS_IPV4 + HAZARDS_IPV6).split()]
NETS_IPV4 = [net for net in NETS if isinstance(net, IPv4Network)]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "128.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2001:200::1",
    "2003::1",
    "2000::",
    "3fff:1000::1",
]
# Each of these passed `ipaddress.is_global` on some Python, or is where a machine keeps its secrets.
NOTORIOUS = [
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a9fe:a9fe",
    "2002:7f00:1::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1",
    "fec0::1",
    "224.0.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "::",
    "::1",
    "ff02::1",
    "100::1",
    "5f00::1",
    "4000::1",
    "255.255.255.255",
]


def _mapped(ip: IPv4Address) -> IPv6Address:
    return IPv6Address((0xFFFF << 32) | int(ip))


def _nat64(ip: IPv4Address) -> IPv6Address:
    return IPv6Address((0x0064FF9B << 96) | int(ip))


@pytest.mark.parametrize("net", NETS, ids=str)
def test_every_row_of_the_hazards_is_denied(net: IPNetwork) -> None:
    middle = net[net.num_addresses // 2]
    for ip in (net[0], middle, net[-1]):
        verdict = address_verdict(ip)
        assert not verdict.allowed
        assert str(ip) in verdict.sentence
        assert verdict.rule.startswith(f"ipv{ip.version}_")
        assert address_verdict(str(ip)) == verdict
        assert not endpoint_verdict(ip, 80).allowed
        assert not endpoint_verdict(ip, 443).allowed


@pytest.mark.parametrize("text", NOTORIOUS)
def test_notorious_addresses_are_denied(text: str) -> None:
    assert not address_verdict(text).allowed


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_allowed(text: str) -> None:
    assert address_verdict(text).rule == "public"
    ip = ip_address(text)
    if isinstance(ip, IPv4Address):
        assert address_verdict(_mapped(ip)).allowed
        assert address_verdict(_nat64(ip)).allowed


@pytest.mark.parametrize(
    "text", ["", "example.com", "127.1", "0x7f.0.0.1", "010.0.0.1", "1.1.1.1 ", "[::1]", "1"]
)
def test_what_is_no_address_is_denied(text: str) -> None:
    assert address_verdict(text).rule == "not_an_address"
    assert endpoint_verdict(text, 443).rule == "not_an_address"


@patient
@given(st.sampled_from(NETS), st.data())
def test_any_address_inside_a_denied_net_is_denied(net: IPNetwork, data: st.DataObject) -> None:
    ip = net[data.draw(st.integers(0, net.num_addresses - 1))]
    assert not address_verdict(ip).allowed
    if isinstance(ip, IPv4Address):
        assert not address_verdict(_mapped(ip)).allowed
        assert not address_verdict(_nat64(ip)).allowed


@patient
@given(st.ip_addresses(v=6))
def test_ipv6_outside_global_unicast_is_denied(ip: IPv6Address) -> None:
    assume(ip not in IPv6Network("2000::/3"))
    assume(ip not in IPv6Network("::ffff:0:0/96"))
    assume(ip not in IPv6Network("64:ff9b::/96"))
    assert not address_verdict(ip).allowed


@patient
@given(st.ip_addresses(v=4))
def test_ipv4_is_allowed_only_outside_every_row(ip: IPv4Address) -> None:
    expected = not any(ip in net for net in NETS_IPV4)
    assert [address_verdict(form).allowed for form in (ip, _mapped(ip), _nat64(ip))] == [expected] * 3


def test_own_addresses_are_denied() -> None:
    own: Own = ["8.8.4.4", "9.9.9.7/24", IPv6Network("2606:4700::/32"), IPv4Address("1.0.0.1")]
    for text in ("8.8.4.4", "::ffff:8.8.4.4", "64:ff9b::808:404", "9.9.9.1", "2606:4700::5", "1.0.0.1"):
        assert address_verdict(text, own=own).rule == "own_network"
        assert endpoint_verdict(text, 443, own=own).rule == "own_network"
        assert address_verdict(text).allowed
    assert address_verdict("9.9.8.1", own=own).allowed


def test_only_web_ports() -> None:
    assert endpoint_verdict("1.1.1.1", 80).allowed
    assert endpoint_verdict("1.1.1.1", 443).allowed
    for port in (0, 22, 25, 53, 8080, 8443, 65535):
        assert endpoint_verdict("1.1.1.1", port).rule == "port"
    assert endpoint_verdict("10.0.0.1", 22).rule == "ipv4_private"


def test_a_listed_endpoint_matches_exactly() -> None:
    allowed = {parse_allowed("127.0.20.1:8100"), parse_allowed("[::1]:80")}
    assert endpoint_verdict("127.0.20.1", 8100, allowed=allowed).rule == "owner_listed"
    assert endpoint_verdict("::1", 80, allowed=allowed).rule == "owner_listed"
    for ip, port in (
        ("127.0.20.1", 80),
        ("127.0.20.1", 8101),
        ("127.0.20.2", 8100),
        ("::ffff:127.0.20.1", 8100),
        ("64:ff9b::7f00:1401", 8100),
        ("::1", 443),
        ("127.0.0.1", 80),
    ):
        assert not endpoint_verdict(ip, port, allowed=allowed).allowed


def test_only_loopback_can_be_listed_even_by_hand() -> None:
    smuggled = {AllowedEndpoint(ip_address(text), 80) for text in ("10.0.0.1", "169.254.169.254", "fe80::1")}
    for endpoint in smuggled:
        assert not endpoint_verdict(endpoint.ip, 80, allowed=smuggled).allowed


def test_parse_allowed_reads_loopback_with_a_port() -> None:
    assert parse_allowed(" 127.0.20.1:8100 ") == (IPv4Address("127.0.20.1"), 8100)
    assert parse_allowed("[::1]:65535") == (IPv6Address("::1"), 65535)
    assert [str(parse_allowed(text)) for text in ("127.0.0.1:1", "[::1]:1")] == ["127.0.0.1:1", "[::1]:1"]


NOT_LISTABLE = """
10.0.0.1:80 192.168.1.1:80 8.8.8.8:80 169.254.169.254:80 0.0.0.0:80 127.0.0.1 127.0.0.1: 127.0.0.1:0 127.0.0.1:65536
127.0.0.1:-1 127.0.0.1:+80 127.0.0.1:8_0 127.0.0.1:８０ 127.1:80 0x7f.0.0.1:80 localhost:80 127.0.0.0/8:80 ::1:80
[127.0.0.1]:80 [::ffff:127.0.0.1]:80 [fe80::1]:80 [::1%lo]:80 127.0.0.1:80:80 :80 *:80 http://127.0.0.1:80
127.0.0.1:80/
"""


@pytest.mark.parametrize("text", NOT_LISTABLE.split())
def test_parse_allowed_refuses_everything_else(text: str) -> None:
    with pytest.raises(WindrowError) as refused:
        parse_allowed(text)
    assert refused.value.code == "bad_config"


@patient
@given(st.text(max_size=40))
def test_parse_allowed_never_lets_anything_but_loopback_in(text: str) -> None:
    try:
        endpoint = parse_allowed(text)
    except WindrowError:
        return
    assert endpoint.ip.is_loopback
    assert 0 < endpoint.port < 65536


# --- odd notations ----------------------------------------------------------------------------------------


ONE_LOOPBACK = """
127.0.0.1 127.0.0.1. 127.1 127.0.1 2130706433 0x7f000001 0x7F.1 0177.0.0.1 017700000001 0x7f.0x0.0x0.0x1
１２７.０.０.１ 127。0。0。1 127%2e0.0.1 %31%32%37.0.0.1 ⑫7.0.0.1
"""


@pytest.mark.parametrize("host", ONE_LOOPBACK.split())
def test_odd_notations_are_read_as_browsers_read_them(host: str) -> None:
    assert parse_host_literal(host) == IPv4Address("127.0.0.1")


def test_ipv6_notations() -> None:
    assert parse_host_literal("[::ffff:127.0.0.1]") == IPv6Address("::ffff:127.0.0.1")
    assert parse_host_literal("::1") == parse_host_literal("[0:0:0:0:0:0:0:1]") == IPv6Address("::1")


def test_names_are_not_literals() -> None:
    for name in ("example.com", "localhost", "1.2.3.4.example", "bücher.example", "0x7f.example."):
        assert parse_host_literal(name) is None


NO_HOSTS = """
256.0.0.1 1.2.3.4.5 0x100000000 1.2.3.08 a.0x1 fe80::1%eth0 [::1 ::1] 127.0.0.1:80 [::1]:80 user@127.0.0.1
127.0.0.1/ 127.0.0.1# 127.0.0.1\\
"""


@pytest.mark.parametrize("host", [*NO_HOSTS.split(), "", " ", "a b", "1" * 300, "\ud800"])
def test_what_a_browser_refuses_is_refused(host: str) -> None:
    with pytest.raises(WindrowError) as refused:
        parse_host_literal(host)
    assert refused.value.code == "bad_url"


def _part(value: int, style: str) -> str:
    return {"decimal": f"{value}", "hex": f"0x{value:X}", "octal": f"0{value:o}"}[style]


@patient
@given(
    st.ip_addresses(v=4),
    st.integers(1, 4),
    st.lists(st.sampled_from(["decimal", "hex", "octal"]), min_size=4, max_size=4),
    st.sampled_from(["", "."]),
)
def test_any_spelling_of_an_ipv4_address_is_that_address(
    ip: IPv4Address, count: int, styles: list[str], dot: str
) -> None:
    octets = ip.packed
    parts = [*octets[: count - 1], int.from_bytes(octets[count - 1 :])]
    host = ".".join(_part(value, style) for value, style in zip(parts, styles, strict=False)) + dot
    assert parse_host_literal(host) == ip
    # A canonical URL has only one spelling left, so nothing downstream can read it differently.
    assert split_http_url(canonical_url(f"http://{host}/")).host == str(ip)
