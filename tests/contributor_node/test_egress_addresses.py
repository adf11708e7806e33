"""The egress proxy and addresses: which are reached, however they are written and whatever a name answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from crawl_sites import credentials, grant, serve, through
from egress_opening import Opening, hello

from contributor_node.egress.grants import GrantTable, target_of
from contributor_node.egress.line_log import read_rows
from windrow_protocol.errors import WindrowError


def resolving(*addresses: str) -> Callable[[str, int], Any]:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


ODD_HOSTS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "localhost", "localhost.", "LOCALHOST",
    "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::a9fe:a9fe]", "[::127.0.0.1]",
    "[2002:7f00:1::]", "[fec0::1]", "169.254.169.254", "10.0.0.1", "192.168.0.1", "172.31.255.255", "100.64.0.1",
    "0.0.0.0", "0", "224.0.0.1", "255.255.255.255", "168.63.129.16", "[fe80::1]", "①②⑦.⓪.⓪.①", "127。0。0。1",
]  # fmt: skip


def ascii_host(url: str) -> str:
    """The host as a client would put it into a request line: ASCII, otherwise as written."""
    place = target_of(url).place.host
    return f"[{place}]" if ":" in place else place


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_no_notation_of_a_private_address_is_reached(
    host: str, open_proxy: Opening, tmp_path: Path
) -> None:
    url = f"http://{host}/x"
    async with open_proxy() as proxy:
        proxy.grants.add(grant(url))
        asked = f"http://{ascii_host(url)}/x"
        answer = await through(proxy, asked, auth=credentials(proxy))
    assert answer.refused == "unsafe_address"
    assert list(read_rows(tmp_path / "line_log.ndjson")) == []


@pytest.mark.parametrize(
    "url", ["http://u:p@a.example/", "ftp://a.example/", "//a.example/", "http:///x", "x"]
)
def test_urls_that_are_none_are_no_leases(url: str) -> None:
    with pytest.raises(WindrowError, match="URL cannot be used"):
        GrantTable().add(grant(url))


async def test_a_listed_endpoint_is_exactly_that_address_and_port(open_proxy: Opening) -> None:
    async with serve(hello) as site, serve(hello) as other, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{other.base}/x"))
        proxy.grants.add(grant(f"http://127.0.0.2:{site.port}/x", "l2"))
        assert (await through(proxy, f"{other.base}/x", auth=credentials(proxy))).refused == "unsafe_address"
        second = await through(proxy, f"http://127.0.0.2:{site.port}/x", auth=credentials(proxy, "l2"))
    assert (second.refused, other.hits) == ("unsafe_address", [])


async def test_one_bad_answer_among_good_ones_refuses_the_name(open_proxy: Opening) -> None:
    async with serve(hello) as site, open_proxy(site, resolve=resolving(site.address, "10.0.0.1")) as proxy:
        proxy.grants.add(grant(f"http://a.example:{site.port}/x"))
        answer = await through(proxy, f"http://a.example:{site.port}/x", auth=credentials(proxy))
    assert (answer.refused, site.hits) == ("unsafe_address", [])


async def test_a_name_is_asked_once_and_its_answer_pinned(open_proxy: Opening) -> None:
    asked: list[str] = []

    async with serve(hello) as site:

        async def rebinding(host: str, port: int) -> list[str]:
            asked.append(host)
            return [site.address if len(asked) == 1 else "10.0.0.1"]

        async with open_proxy(site, resolve=rebinding) as proxy:
            url = f"http://a.example:{site.port}/x"
            proxy.grants.add(grant(url))
            first = await through(proxy, url, auth=credentials(proxy))
            second = await through(proxy, url, auth=credentials(proxy))
    assert (first.status, second.refused) == (200, "unsafe_address")
    assert (asked, len(site.hits)) == (["a.example", "a.example"], 1)
    assert site.heads[0]["host"] == f"a.example:{site.port}"


@pytest.mark.parametrize("addresses", [[], ["93.184.215.14"] * 65])
async def test_a_name_without_usable_addresses_is_unreachable(
    addresses: list[str], open_proxy: Opening
) -> None:
    async with open_proxy(resolve=resolving(*addresses)) as proxy:
        proxy.grants.add(grant("http://a.example/x"))
        answer = await through(proxy, "http://a.example/x", auth=credentials(proxy))
    assert (answer.status, answer.refused) == (502, "host_unreachable")


async def test_other_ports_of_public_addresses_are_refused(open_proxy: Opening) -> None:
    async with open_proxy(resolve=resolving("93.184.215.14")) as proxy:
        proxy.grants.add(grant("http://a.example:8080/x"))
        answer = await through(proxy, "http://a.example:8080/x", auth=credentials(proxy))
    assert answer.refused == "unsafe_address"


async def test_the_source_address_is_used_towards_loopback(open_proxy: Opening) -> None:
    async def who(request: web.Request) -> web.StreamResponse:
        return web.Response(text=str(request.remote))

    async with serve(who) as site, open_proxy(site, source_address="127.0.77.1") as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        answer = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
    assert answer.body == b"127.0.77.1"
