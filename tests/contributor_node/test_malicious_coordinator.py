"""A coordinator that means harm sends fifty nodes to one server, under every name and spelling it can think of.

What holds it back is each node by itself: times are lower bounds, so a slow machine fails nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web
from crawl_sites import credentials, grant, html, serve, through, wall_ms

from contributor_node.egress.grants import address_pace_key, pace_key, target_of
from contributor_node.egress.line_log import LineLog
from contributor_node.egress.proxy import EgressProxy, EgressSettings
from windrow_protocol.limits import ADDRESS_PACE_SHARE

NODES = 50
PACE_S = 0.1  # the least that is allowed, for endpoints that a node's owner lists


@pytest.mark.parametrize(
    "urls",
    [
        ("http://A.example/", "http://a.example./x", "https://a.EXAMPLE/y", "http://a.example:80/", "http://a.example:443/"),
        ("http://b\u00fccher.example/", "http://xn--bcher-kva.example/x", "http://B\u00dcCHER.example./"),
    ],
)  # fmt: skip
def test_spellings_of_a_host_are_one_host(urls: tuple[str, ...]) -> None:
    assert len({pace_key(target_of(url).place) for url in urls}) == 1


def test_an_address_is_one_server_whatever_leads_to_it() -> None:
    assert address_pace_key("93.184.215.14", 80) == address_pace_key("93.184.215.14", 443)
    assert address_pace_key("2606:2800::1", 443) == address_pace_key("2606:2800::ffff", 80)
    assert address_pace_key("2606:2800::1", 443) != address_pace_key("2606:2800:0:1::1", 443)
    assert address_pace_key("93.184.215.14", 80) != address_pace_key("93.184.215.15", 80)


async def _node(number: int, urls: list[str], base: Path, site: object, resolve: object) -> tuple[str, float]:
    """Ask for everything at once through one node; return its address and how long that took."""
    source = f"127.5.{number}.1"
    settings = EgressSettings(frozenset([site.endpoint]), pace_private_s=PACE_S, source_address=source)  # type: ignore[attr-defined]
    proxy = EgressProxy(settings, LineLog(base / f"{number}.ndjson", wall_ms), wall_ms, resolve=resolve)  # type: ignore[arg-type]
    await proxy.start()
    for index, url in enumerate(urls):
        proxy.grants.add(grant(url, f"l{index}"))
    begun_s = time.monotonic()
    asks = (through(proxy, url, auth=credentials(proxy, f"l{index}")) for index, url in enumerate(urls))
    answers = await asyncio.gather(*asks)
    took_s = time.monotonic() - begun_s
    await proxy.close()
    assert {answer.status for answer in answers} == {200}
    return source, took_s


@pytest.mark.parametrize(("names", "gap_s"), [(1, PACE_S), (8, PACE_S / ADDRESS_PACE_SHARE)])
async def test_fifty_nodes_keep_their_pace_against_any_coordinator(
    names: int, gap_s: float, tmp_path: Path
) -> None:
    seen: Counter[str] = Counter()

    async def page(request: web.Request) -> web.StreamResponse:
        seen[str(request.remote)] += 1
        return html("grass")

    async with serve(page) as site:

        async def resolve(host: str, port: int) -> list[str]:
            return [site.address]

        urls = [f"http://n{n % names}.victim.example:{site.port}/{n}" for n in range(8)]
        ends = await asyncio.gather(*(_node(n, urls, tmp_path, site, resolve) for n in range(NODES)))
    assert dict(seen) == {source: 8 for source, _ in ends}
    assert all(took_s >= 7 * gap_s - 0.005 for _, took_s in ends)
