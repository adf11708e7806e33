"""The public doors over a real socket: what strangers see of epochs, proofs, claims and their money."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
import pytest
import pytest_asyncio
from rewards_cases import (
    Settled,
    add_accepted,
    add_consent,
    add_contribution,
    add_node,
    add_verdict,
    open_house,
    payout,
)

from rewards.accountant import run_accountant
from rewards.accounts import account_statement
from rewards.epochs.closing import close_epoch
from rewards.epochs.files import NAMES
from rewards.ledger import balances
from rewards.routes import routes
from rewards.settlement import relay_claim
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree, verify_proof


class Doors:
    """A client of the running doors."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def get(self, path: str) -> tuple[int, Any]:
        async with self._session.get(self._url + path) as answer:
            return answer.status, await answer.json()

    async def file(self, path: str) -> tuple[int, str, bytes]:
        async with self._session.get(self._url + path) as answer:
            return answer.status, answer.content_type, await answer.read()

    async def post(self, path: str, body: bytes) -> tuple[int, Any]:
        async with self._session.post(self._url + path, data=body) as answer:
            return answer.status, await answer.json()


@pytest_asyncio.fixture
async def doors(settled: Settled) -> AsyncIterator[Doors]:
    table = routes(settled.house, lambda: settled.chain, lambda: settled.relayer)
    server = await settled.house.env.network.serve(table, host="127.0.0.1", port=0)
    async with aiohttp.ClientSession() as session:
        yield Doors(session, server.url)
    await server.close()


@pytest_asyncio.fixture
async def chainless(tmp_path: Path) -> AsyncIterator[Doors]:
    """The doors of a new house whose chain does not answer: what needs none must not ask it."""

    def gone() -> NoReturn:
        raise WindrowError("chain_unreachable")

    house = open_house(tmp_path)
    server = await house.env.network.serve(routes(house, gone, gone), host="127.0.0.1", port=0)
    async with aiohttp.ClientSession() as session:
        yield Doors(session, server.url)
    await server.close()


def fill(settled: Settled, first_seq: int = 1) -> None:
    with settled.house.state.write() as connection:
        if first_seq == 1:
            add_node(connection, 1)
            add_node(connection, 2, role="validator")
            add_node(connection, 3)
            add_consent(connection, 1, 1)
        add_accepted(connection, first_seq + 6, 3, unique_bytes=100)
        for seq in range(first_seq, first_seq + 6, 3):
            add_accepted(connection, seq, 1, unique_bytes=5_000)
            add_contribution(connection, seq + 1, 1)
            add_verdict(connection, seq + 1, 1, "rejected", "differs_from_truth", truths=[seq + 2])
            add_contribution(connection, seq + 2, 2, audit_of=seq + 1)
    run_accountant(settled.house)


def asked(account: str) -> bytes:
    return json.dumps({"account": account}).encode()


async def test_epochs_and_files_are_served_as_published(settled: Settled, doors: Doors) -> None:
    assert await doors.get("/v1/epochs") == (200, {"epochs": []})
    fill(settled)
    epoch = await close_epoch(settled.house, settled.chain, settled.signers)
    status, listed = await doors.get("/v1/epochs")
    assert (status, [one["root"] for one in listed["epochs"]]) == (200, [epoch.root])
    assert listed["epochs"][0]["total_wei"] == str(epoch.total)
    for name in NAMES:
        status, kind, body = await doors.file(f"/v1/epochs/1/{name}")
        assert status == 200
        assert body == (settled.house.home / "epochs" / "1" / name).read_bytes()
    status, kind, body = await doors.file("/v1/epochs/1/tree.json")
    assert kind == "application/json"
    assert hashlib.sha256(body).hexdigest() == epoch.tree_sha256
    assert MerkleTree.load(json.loads(body)).root == epoch.root
    assert (await doors.file("/v1/epochs/1/ledger.ndjson"))[1] == "application/x-ndjson"
    (settled.house.home / "epochs" / "1" / "notes.txt").write_text("not for strangers")
    for name in ("notes.txt", "..%2F1%2Ftree.json", "..%2F..%2Fstate.db", "tree.json%00", "TREE.JSON"):
        status, said = await doors.get(f"/v1/epochs/1/{name}")
        assert (status, said["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/epochs/1/state.db",
        "/v1/epochs/1/..%2F..%2Fstate.db",
        "/v1/epochs/..%2F1/tree.json",
        "/v1/epochs/-1/tree.json",
        "/v1/epochs/%C2%B2/tree.json",
        "/v1/epochs/9999999999/tree.json",
        "/v1/epochs/7/tree.json",
        "/v1/epochs/latest/proof/" + payout(1),
    ],
)
async def test_what_is_not_there_is_said_so(chainless: Doors, path: str) -> None:
    status, said = await chainless.get(path)
    assert (status, said["error"]) == (404, "not_found")
    assert said["remedy"]


async def test_a_proof_can_be_checked_offline(settled: Settled, doors: Doors) -> None:
    fill(settled)
    epoch = await close_epoch(settled.house, settled.chain, settled.signers)
    status, said = await doors.get(f"/v1/epochs/latest/proof/{payout(1).lower()}")
    assert status == 200
    assert said["account"] == payout(1)
    assert said["root"] == epoch.root
    assert verify_proof(said["account"], int(said["amount_wei"]), said["proof"], said["root"])
    assert said["epoch_jws"] == epoch.header_jws
    status, said = await doors.get("/v1/epochs/latest/proof/0x12")
    assert (status, said["error"]) == (400, "bad_payout_address")
    assert (await doors.get(f"/v1/epochs/latest/proof/{payout(5)}"))[0] == 404


async def test_anyone_may_ask_and_only_the_account_is_paid_once(settled: Settled, doors: Doors) -> None:
    fill(settled)
    await close_epoch(settled.house, settled.chain, settled.signers)
    answers = await asyncio.gather(*(doors.post("/v1/claims", asked(payout(1))) for _ in range(5)))
    assert [status for status, _ in answers] == [200] * 5
    paid = [int(said["paid_wei"]) for _, said in answers]
    assert sorted(paid, reverse=True)[1:] == [0] * 4
    assert max(paid) == settled.chain.token.balance_of(payout(1)) > 0
    assert len([said for _, said in answers if said["tx_hash"]]) == 1
    status, said = await doors.post("/v1/claims", asked(payout(1)))
    assert (status, said["paid_wei"], said["cumulative_wei"]) == (200, "0", str(max(paid)))


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "not_json"),
        (b"[]", 400, "wrong_schema"),
        (b'{"account": 5}', 400, "wrong_schema"),
        (b'{"account": "0x12"}', 400, "bad_payout_address"),
        (b'{"account": "0x12", "amount": 5}', 400, "wrong_schema"),
        (asked(payout(1)), 404, "not_found"),
        (b'{"account": "' + b"a" * 2_000 + b'"}', 413, "too_large"),
    ],
)
async def test_bad_claims_are_refused_with_their_reason(
    chainless: Doors, body: bytes, status: int, error: str
) -> None:
    found, said = await chainless.post("/v1/claims", body)
    assert (found, said["error"]) == (status, error)


async def test_a_claim_that_failed_waits_before_the_next(settled: Settled, doors: Doors) -> None:
    fill(settled)
    await close_epoch(settled.house, settled.chain, settled.signers)
    settled.chain.distributor.pause(settled.signers.owner)
    status, said = await doors.post("/v1/claims", asked(payout(1)))
    assert (status, said["error"]) == (409, "claims_paused")
    status, said = await doors.post("/v1/claims", asked(payout(1)))
    assert (status, said["error"]) == (429, "too_many_requests")
    status, said = await doors.post("/v1/claims", asked(payout(3)))
    assert (status, said["error"]) == (409, "claims_paused")
    await settled.clock.sleep(6)
    settled.chain.distributor.resume(settled.signers.owner)
    assert (await doors.post("/v1/claims", asked(payout(1))))[0] == 200


async def test_rows_sum_to_the_balance_before_and_after_a_claim(settled: Settled, doors: Doors) -> None:
    fill(settled)
    for round_number in range(3):
        status, said = await doors.get(f"/v1/accounts/{payout(1)}/entries?limit=500")
        assert status == 200
        totals = {name: int(amount) for name, amount in said["totals"].items()}
        assert sum(int(row["earned_wei"]) for row in said["entries"]) == totals["earned_wei"]
        assert totals["earned_wei"] == totals["pending_wei"] + totals["posted_wei"] + totals["claimed_wei"]
        assert sum(int(row["amount_wei"]) for row in said["reasons"]) == totals["earned_wei"]
        assert all(row["sentence"] for row in said["entries"])
        with settled.house.state.read() as connection:
            folded = balances(connection)
        assert totals["posted_wei"] == folded[f"posted:{payout(1)}"]
        assert totals["claimed_wei"] == folded.get(f"claimed:{payout(1)}", 0)
        kinds = {row["kind"] for row in said["entries"]}
        assert kinds == {"earned", "released", "refused"} | ({"claimed"} if round_number else set())
        refused = {row["reason"] for row in said["entries"] if row["kind"] == "refused"}
        assert refused == {"differs_from_truth", "personal_by_sales"}
        await close_epoch(settled.house, settled.chain, settled.signers)
        relay_claim(settled.house, settled.chain, settled.relayer, payout(1))
        fill(settled, 100 + round_number * 10)


async def test_long_statements_come_in_pages(settled: Settled, doors: Doors) -> None:
    fill(settled)
    with settled.house.state.read() as connection:
        whole = account_statement(settled.house, connection, payout(1), limit=500)
    assert whole["next_before_seq"] is None
    seen: list[Any] = []
    path = f"/v1/accounts/{payout(1)}/entries?limit=2"
    while True:
        _, page = await doors.get(path + (f"&before_seq={seen[-1]['entry_seq']}" if seen else ""))
        assert page["totals"] == whole["totals"]
        assert len(page["entries"]) <= 2
        seen += page["entries"]
        if page["next_before_seq"] is None:
            break
    assert seen == whole["entries"]
    assert (await doors.get(f"/v1/accounts/{payout(1)}/entries?limit=x"))[1]["error"] == "wrong_schema"


async def test_no_data_is_shown_as_no_data(chainless: Doors) -> None:
    status, said = await chainless.get(f"/v1/accounts/{payout(8)}/entries")
    assert (status, said["entries"], said["totals"]["earned_wei"]) == (200, [], "0")
