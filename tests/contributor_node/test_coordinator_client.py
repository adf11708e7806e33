"""The node believes its coordinator only what its pinned key signed for this node, and survives any other answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from crawl_sites import wall_ms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from node_world import NETWORK, Coordinator, client_of, coordinator

from contributor_node.coordinator import client as coordinator_client
from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.egress.line_log import read_rows
from storage.env import Request, Response, json_response
from windrow_protocol import limits
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Lease, Outcome, Report
from windrow_protocol.signing import SIGNATURE_HEADER, public_id, sign, verify_request

ELSE = Ed25519PrivateKey.generate()


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with coordinator(tmp_path / "house") as running:
        yield running


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator_client, "WAIT_S_MAX", 0.01)


@dataclass
class Forgery:
    """A lease as a coordinator could sign it, and one thing that is wrong with it."""

    house: Coordinator
    client: CoordinatorClient

    def lease(self, **changes: Any) -> Lease:
        values: dict[str, Any] = {
            "lease_id": "l" + "0" * 31,
            "node_id": self.client.node_id,
            "url": "http://a.example/",
            "render": "http",
            "body_bytes_max": 1_000,
            "decoded_bytes_max": 1_000,
            "time_s_max": 5,
            "redirects_max": 1,
            "nonce": "n",
            "issued_at_ms": wall_ms(),
            "expires_at_ms": wall_ms() + 60_000,
        }
        return Lease(**{**values, **changes})

    def token(
        self, *, key: Ed25519PrivateKey | None = None, lease: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        own = self.house.house.key
        said: dict[str, Any] = {
            "network": NETWORK,
            "purpose": "lease",
            "subject": self.client.node_id,
            "now_ms": wall_ms(),
            "life_ms": 60_000,
            "content": {**msgspec.to_builtins(self.lease()), **(lease or {})},
        }
        return sign(key or own, **{**said, **changes})


FORGERIES: dict[str, Callable[[Forgery], str]] = {
    "signed with another key": lambda f: f.token(key=ELSE),
    "for another node": lambda f: f.token(subject=public_id(ELSE)),
    "naming another node": lambda f: f.token(lease={"node_id": public_id(ELSE)}),
    "expired signature": lambda f: f.token(now_ms=wall_ms() - 120_000),
    "expired lease": lambda f: f.token(lease={"expires_at_ms": wall_ms() - 1}),
    "from the future": lambda f: f.token(now_ms=wall_ms() + 600_000),
    "of another network": lambda f: f.token(network="elsewhere"),
    "for another purpose": lambda f: f.token(purpose="receipt"),
    "with a field too many": lambda f: f.token(lease={"headers": {"Cookie": "x"}}),
    "to post": lambda f: f.token(lease={"method": "POST"}),
    "without content": lambda f: f.token(content=None),
    "bent by one character": lambda f: f.token()[:-3] + "AAA",
    "no token": lambda f: "lease",
    "empty": lambda f: "",
    "endless": lambda f: "e" * 20_000,
}


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_lease_that_is_not_ours_is_dropped_and_the_good_one_beside_it_kept(
    house: Coordinator, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await client_of(house, tmp_path / "node")
    forgery = Forgery(house, client)
    tokens = [FORGERIES[kind](forgery), forgery.token(lease={"lease_id": "l" + "1" * 31})]

    async def malicious(_request: Request) -> Response:
        return json_response({"leases": tokens})

    house.swap("/v1/leases", malicious)
    await house.down()
    await house.up()
    taken = (await client.leases(5, ["http"])).leases
    assert [lease.lease_id for lease in taken] == ["l" + "1" * 31]
    assert "lease refused" in caplog.text


async def test_a_real_lease_is_taken_and_a_greedy_one_bounded(house: Coordinator, tmp_path: Path) -> None:
    house.seed(["http://a.example/1", "http://a.example/2"])
    client = await client_of(house, tmp_path / "node")
    real = (await client.leases(5, ["http"])).leases
    assert {lease.url for lease in real} == {"http://a.example/1", "http://a.example/2"}
    greedy = Forgery(house, client).token(
        lease={
            "body_bytes_max": 10**12,
            "decoded_bytes_max": 10**12,
            "time_s_max": 9_999,
            "redirects_max": 99,
        }
    )

    async def malicious(_request: Request) -> Response:
        return json_response({"leases": [greedy] * 9})

    house.swap("/v1/leases", malicious)
    await house.down()
    await house.up()
    (lease,) = (await client.leases(5, ["http"])).leases
    assert (lease.body_bytes_max, lease.decoded_bytes_max, lease.time_s_max, lease.redirects_max) == (
        limits.FETCH_BODY_BYTES_MAX,
        limits.FETCH_DECODED_BYTES_MAX,
        limits.FETCH_TIME_S_MAX,
        limits.FETCH_REDIRECTS_MAX,
    )


NONSENSE: dict[str, Response] = {
    "a web page": Response(body=b"<html>Log in to the hotel's network</html>", content_type="text/html"),
    "nothing": Response(body=b""),
    "a list": Response(body=b"[]"),
    "null": Response(body=b"null"),
    "no field": Response(body=b"{}"),
    "wrong types": Response(
        body=b'{"leases":{"a":1},"network":7,"coordinator_id":[],"role":{},"results":[7]}'
    ),
    "a short key": Response(body=b'{"network":"n","coordinator_id":"ab","role":5,"leases":5,"results":5}'),
    "too deep": Response(body=b'{"x":' + b"[" * 100_000),
    "not UTF-8": Response(body=b'{"network":"\xff"}'),
}


@pytest.mark.parametrize("kind", NONSENSE)
async def test_any_other_answer_is_one_clear_refusal(house: Coordinator, tmp_path: Path, kind: str) -> None:
    client = await client_of(house, tmp_path / "node")

    async def odd(_request: Request) -> Response:
        return NONSENSE[kind]

    for pattern in ("/v1/network", "/v1/nodes", "/v1/leases", "/v1/submissions"):
        house.swap(pattern, odd)
    await house.down()
    await house.up()
    report = Report("l" + "0" * 31, "http://a.example/", Outcome.NOT_FOUND, wall_ms())
    for ask in (
        client.network(),
        client.register("0x", "", ""),
        client.leases(1, ["http"]),
        client.submit([report]),
    ):
        with pytest.raises(WindrowError, match="bad_coordinator_answer"):
            await ask


async def test_an_answer_for_each_record_or_none(house: Coordinator, tmp_path: Path) -> None:
    client = await client_of(house, tmp_path / "node")

    async def short(_request: Request) -> Response:
        return json_response({"results": []})

    house.swap("/v1/submissions", short)
    await house.down()
    await house.up()
    report = Report("l" + "0" * 31, "http://a.example/", Outcome.NOT_FOUND, wall_ms())
    with pytest.raises(WindrowError, match="0 answers to 1 records"):
        await client.submit([report])


@pytest.mark.parametrize(("status", "tries"), [(500, 4), (503, 4), (429, 4), (400, 1), (403, 1), (302, 1)])
async def test_trouble_is_tried_again_with_a_new_nonce_and_a_refusal_is_not(
    house: Coordinator, tmp_path: Path, status: int, tries: int
) -> None:
    client = await client_of(house, tmp_path / "node")
    nonces = []

    async def troubled(request: Request) -> Response:
        token = request.header(SIGNATURE_HEADER)
        said = verify_request(
            token, network=NETWORK, purpose="lease_request", body=request.body, now_ms=wall_ms()
        )
        nonces.append(said[1].nonce)
        return Response(status=status, body=b'{"error":"busy"}', headers={"Retry-After": "0"})

    house.swap("/v1/leases", troubled)
    await house.down()
    await house.up()
    with pytest.raises(WindrowError, match="busy"):
        await client.leases(1, ["http"])
    assert len(nonces) == len(set(nonces)) == tries


async def test_a_coordinator_that_is_down_is_said_so(house: Coordinator, tmp_path: Path) -> None:
    client = await client_of(house, tmp_path / "node")
    await house.down()
    with pytest.raises(WindrowError, match="not_running"):
        await client.leases(1, ["http"])


async def test_every_request_stands_in_the_line_log_with_its_bytes_and_counts(
    house: Coordinator, tmp_path: Path
) -> None:
    counted: list[int] = []
    seen: list[int] = []
    real = house.doors.leases

    async def watching(request: Request) -> Response:
        rows = list(read_rows(tmp_path / "node" / "line_log.ndjson"))
        seen.append(len([row for row in rows if row.url.endswith("/v1/leases") and row.done_at_ms is None]))
        return await real(request)

    house.swap("/v1/leases", watching)
    await house.down()
    await house.up()
    client = await client_of(house, tmp_path / "node", count=counted.append)
    await client.leases(1, ["http"])
    assert seen == [1], "the row was there before the request arrived"
    rows = list(read_rows(tmp_path / "node" / "line_log.ndjson"))
    assert [row.url.removeprefix(house.url) for row in rows] == ["/v1/network", "/v1/nodes", "/v1/leases"]
    assert all(row.purpose == "coordinator" and row.status == 200 for row in rows)
    assert counted == [row.bytes_up + row.bytes_down for row in rows]
    assert min(row.bytes_up for row in rows) > 80
    assert min(row.bytes_down for row in rows) > 80


async def test_no_row_no_request(house: Coordinator, tmp_path: Path) -> None:
    client = await client_of(house, tmp_path / "node")
    asked = len(house.asked)
    client._line_log.close()  # what a disk that fails looks like to the log
    with pytest.raises(WindrowError, match="line_log_unwritable"):
        await client.leases(1, ["http"])
    assert len(house.asked) == asked


async def test_requests_leave_from_the_address_the_owner_chose(house: Coordinator, tmp_path: Path) -> None:
    peers: list[str] = []

    async def watching(request: Request) -> Response:
        peers.append(request.peer)
        return json_response({"leases": []})

    house.swap("/v1/leases", watching)
    await house.down()
    await house.up()
    client = await client_of(house, tmp_path / "node", source_address="127.0.0.77")
    await client.leases(1, ["http"])
    assert peers == ["127.0.0.77"]
