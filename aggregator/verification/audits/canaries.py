"""Canaries: leases of control pages whose text only a real fetch made now can know, and what their answers say.

    text handed in                                          verdict    reason
    like one of the minutes between lease and receipt       accepted   canary_matched
    like none of them                                       rejected   canary_differs
    none (a report of any kind)                             no verdict: perhaps our page was down

Rules: the lease has the shape of any other, the host answers like any small site, and the text never gets into the
lake. It needs no validator: the house's key and clock say what was to be seen.

Does not: choose hosts (the operator's `canary_hosts`), or pay.

Usage: `network.serve(canary_routes(house), host=…, port=…)`; `url = canary_url(house)`; `ruling = judge_canary(…)`.
"""

from __future__ import annotations

from typing import Any

from aggregator.verification.audits.verdict_log import Ruling
from aggregator.verification.comparing.canary_text import (
    canary_page,
    canary_path,
    canary_text,
    is_canary_path,
)
from aggregator.verification.comparing.comparison import similarity
from storage.env import Request, Response, Route
from storage.house import House
from windrow_protocol.content import text_sha256
from windrow_protocol.limits import MATCH_SIMILARITY_MIN
from windrow_protocol.trust_rules import PPM
from windrow_protocol.urls import canonical_url, split_http_url

_MINUTE_MS = 60_000


def is_canarys_turn(house: House) -> bool:
    """Say by lot whether a node's next lease is of a control page."""
    if not house.canary_hosts or not house.rules.on("canaries"):
        return False
    lot = int.from_bytes(house.env.randomness.token(8), "big")
    return lot * PPM < house.rules.canary_ppm << 64


def canary_url(house: House) -> str:
    """Return the URL of a control page that nobody was given before."""
    lot = house.env.randomness.token(16)
    host = house.canary_hosts[lot[0] % len(house.canary_hosts)].rstrip("/")
    return canonical_url(host + canary_path(_path_key(house), lot))


def canary_routes(house: House) -> list[Route]:
    """Return what a host of control pages answers."""

    async def answer(request: Request) -> Response:
        if not is_canary_path(_path_key(house), request.path):
            return Response(404, b"<!doctype html><title>Not found</title><h1>Not found</h1>\n", "text/html")
        minute = house.now_ms() // _MINUTE_MS
        page = canary_page(_text_key(house), request.path, minute)
        return Response(200, page.encode(), "text/html; charset=utf-8")

    return [Route("GET", "/{path:.*}", answer, "A page")]


def judge_canary(house: House, lease: Any, text: str, received_at_ms: int) -> Ruling:
    """Compare a text with what its page held in each minute between the lease and the receipt."""
    path = split_http_url(lease.url).path
    minutes = range(lease.issued_at_ms // _MINUTE_MS, received_at_ms // _MINUTE_MS + 1)
    held = [canary_text(_text_key(house), path, minute) for minute in minutes]
    found = [(similarity(text, each), each) for each in held]
    best, of = max(found, key=lambda pair: pair[0].two_sided)
    matched = best.two_sided >= MATCH_SIMILARITY_MIN
    return Ruling(
        "accepted" if matched else "rejected",
        "canary_matched" if matched else "canary_differs",
        best.two_sided,
        round(PPM * best.a_in_b),
        (text_sha256(of),),
    )


def _path_key(house: House) -> bytes:
    return house.keyed("canary/path")


def _text_key(house: House) -> bytes:
    return house.keyed("canary/text")
