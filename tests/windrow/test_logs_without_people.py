"""What a house writes to its log and its metrics while personal data goes through every door: nothing of it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import json
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote, quote_plus, urlsplit

import pytest
import structlog
import zstandard
from bad_input_world import HEX, PAGE, PAYOUT, WISH
from running_house import HandNode, RunningHouse, windrow

from storage.env import Request, Response, Route
from storage.real_env import real_env
from windrow.cli import _log_to_stderr
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import contribution_id_for

SEEDS = {
    "mail": "grete.hummel@seeded.example",
    "card": "4012888888881881",
    "account": "DE02120300000000202051",
    "phone": "+49 30 23125 077",
    "name": "Grete Hummelgard",
    "address": "Krumme Lanke 17, 14163 Berlin",
    "key": "sk-live-51HseededSEEDEDseeded",
}
ALL = " | ".join(SEEDS.values())
DOORS = (
    *("/", "/health", "/v1/network", "/v1/market", "/v1/datasets", "/v1/receipts", "/v1/personal/removals"),
    *("/console", "/console/login", "/console/enter", "/publishers", "/v1/audit/epochs", "/openapi.json"),
)


def _asked(house: RunningHouse, node: HandNode) -> Iterator[int]:
    """Send the seeds in paths, queries, headers, cookies, and bodies that are right, wrong, signed and not."""
    told = {
        "User-Agent": ALL,
        "Cookie": f"windrow={quote(ALL)}",
        "Authorization": f"Bearer {SEEDS['key']}",
        "X-Mail": ALL,
    }
    for door in DOORS:
        for path in (f"{door}?q={quote_plus(ALL)}", f"{door.rstrip('/')}/{quote(ALL, safe='')}"):
            yield house.ask("GET", path, headers=told).status
            yield house.ask("POST", path, ALL.encode(), told).status
    for path, purpose in (
        *(("/v1/nodes", "register"), ("/v1/leases", "lease_request"), ("/v1/submissions", "submit")),
        *(("/v1/personal", "personal"), ("/v1/personal/withdrawals", "personal_withdrawal")),
        *(("/v1/appeals", "appeal"), ("/v1/disclosures", "disclosures"), ("/v1/nodes/leave", "leave")),
    ):
        for body in (
            ALL.encode(),
            json.dumps({"reason": ALL, "consent_jws": ALL, "record": {"text": ALL}}).encode(),
        ):
            yield node.post(path, purpose, body).status
            yield node.post(path, purpose, zstandard.compress(body)).status
    for path, value in (
        ("/console/sign-in", {"message": ALL, "signature": "0x" + "ab" * 65}),
        ("/console/arrow", {"statement": f"SELECT '{ALL}' FROM contributions WHERE title = '{ALL}'"}),
    ):
        yield house.ask(
            "POST", path, json.dumps(value).encode(), {**told, "Content-Type": "application/json"}
        ).status


def _handed_in(house: RunningHouse) -> str:
    """Hand in a page that is full of people, as pages are, and return its id."""
    assert windrow("frontier", "add", PAGE + "people", env=house.env).code == 0
    node = HandNode(house)
    registered = json.dumps({"payout_address": PAYOUT, "agent": SEEDS["mail"][:60]}).encode()
    assert node.post("/v1/nodes", "register", registered).status == 200
    (token,) = node.post("/v1/leases", "lease_request", WISH).json["leases"]
    lease = json.loads(bytes_of(token))["content"]
    record = {
        "kind": "contribution",
        "contribution_id": contribution_id_for(lease["lease_id"], node.node_id),
        "lease_id": lease["lease_id"],
        "url": lease["url"],
        "final_url": f"{lease['url']}?to={quote(ALL)}",
        "http_status": 200,
        "content_type": "text/html",
        "fetched_at_ms": lease["issued_at_ms"],
        "robots_state": "allowed",
        "optout_signals": [],
        "raw_sha256": HEX,
        "title": ALL,
        "text": ALL,
        "text_sha256": hashlib.sha256(ALL.encode()).hexdigest(),
    }
    answer = node.post("/v1/submissions", "submit", zstandard.compress(json.dumps(record).encode()))
    (result,) = answer.json["results"]
    assert result["ok"], result
    return str(record["contribution_id"])


def bytes_of(token: str) -> bytes:
    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_neither_log_nor_metrics_hold_what_people_wrote(house: RunningHouse) -> None:
    handed_in = _handed_in(house)
    statuses = set(_asked(house, HandNode(house)))
    assert {200, 400, 404} <= statuses, "doors that answer, that refuse, and that are not there"
    assert not {each for each in statuses if each >= 500}
    for statement in (f"SELECT '{ALL}'", f'SELECT * FROM "{ALL}"', f"SELECT error('{ALL}')"):
        windrow("sql", statement, env=house.env)
    windrow("trace", handed_in, env=house.env)
    written = house.log.read_text(errors="replace")
    assert "windrow ready" in written
    metrics = house.ask("GET", "/metrics", to=house.metrics_url).body.decode()
    assert "windrow_" in metrics
    for place, text in (("log", written), ("metrics", metrics)):
        folded = text.casefold()
        for what, seed in SEEDS.items():
            for form in (seed, quote(seed), quote(seed, safe=""), quote_plus(seed)):
                assert form.casefold() not in folded, f"a {what} is in the {place}"


async def test_a_door_that_fails_is_named_without_what_was_asked_of_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def fails(request: Request) -> Response:
        raise RuntimeError(f"cannot do {request.params['what']} for {ALL}")

    async def breaks_off(_request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begun"
            raise WindrowError("sql_failed", ALL)

        return Response(chunks=parts())

    structlog.reset_defaults()  # another test may have silenced warnings
    _log_to_stderr()
    doors = [Route("GET", "/{what}", fails, "fails"), Route("GET", "/half/{what}", breaks_off, "breaks off")]
    server = await real_env().network.serve(doors, host="127.0.0.1", port=0)
    try:
        failed = await asyncio.to_thread(_told, server.url, f"/{quote(ALL, safe='')}")
        with pytest.raises((OSError, http.client.HTTPException)):
            await asyncio.to_thread(_told, server.url, f"/half/{quote(ALL, safe='')}")
    finally:
        await server.close()
        structlog.reset_defaults()
    written = "".join(capfd.readouterr())
    assert '"error":"internal"' in failed
    assert "request_failed" in written
    assert "answer_broken_off" in written
    assert "/half/{what}" in written
    for seed in SEEDS.values():
        assert seed not in written
        assert quote(seed, safe="") not in written
        assert seed not in failed


def _told(url: str, path: str) -> str:
    """Ask with a client that logs nothing itself."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
