"""Rows as the aggregator and the market would leave them, written into a real state."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from state_database import state_url

from chain.client import ChainClient
from chain.relayer import Relayer
from rewards.accountant import run_accountant
from rewards.epochs.closing import Signers, close_epoch
from rewards.epochs.rows import Epoch
from rewards.ledger import balances, cumulative
from storage.env import Clock
from storage.house import House
from storage.real_env import real_env
from storage.state import State
from storage.tables.contributions import consents, contributions, duplicates, nodes, sales, verdicts
from storage.tables.trust import audit_epochs
from windrow_protocol.merkle import checksum_address
from windrow_protocol.trust_rules import TrustRules

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
START_MS = 1_750_000_000_000


class MovableClock:
    """Real time, plus what was slept: sleeping takes no time and moves everyone who shares the clock."""

    def __init__(self) -> None:
        self._ahead_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._ahead_ms

    async def sleep(self, wait_s: float) -> None:
        self._ahead_ms += int(wait_s * 1000)


@dataclass
class Settled:
    """A house on a chain, with the keys that settle."""

    house: House
    chain: ChainClient
    signers: Signers
    relayer: Relayer
    clock: MovableClock


AT_ONCE = TrustRules(off=("vesting", "probation"))  # pay is posted when it is told


def open_house(home: Path, clock: Clock | None = None, rules: TrustRules = AT_ONCE) -> House:
    """Open the house on a home folder, as `windrow up` does."""
    home.mkdir(parents=True, exist_ok=True)
    env = real_env()
    if clock is not None:
        env = replace(env, clock=clock)
    return House(env, State.open(state_url(home)), home, "windrow-test", KEY, rules)


def node_id(number: int) -> str:
    """Return a node's id."""
    return hashlib.sha256(f"node {number}".encode()).hexdigest()


def payout(number: int) -> str:
    """Return a payout address in EIP-55 spelling."""
    return checksum_address("0x" + hashlib.sha256(f"payout {number}".encode()).hexdigest()[:40])


def contribution_id(seq: int) -> str:
    """Return the id of the contribution at a place of the log."""
    return "c" + hashlib.sha256(f"contribution {seq}".encode()).hexdigest()[:31]


def text_sha256(seq: int) -> str:
    """Return the digest of the text at a place of the log."""
    return hashlib.sha256(f"text {seq}".encode()).hexdigest()


def add_node(connection: sa.Connection, number: int, role: str = "contributor") -> str:
    """Register a node and return its id."""
    connection.execute(
        sa.insert(nodes).values(
            node_id=node_id(number),
            role=role,
            payout_address=payout(number),
            agent="test",
            region="",
            prefix=f"127.0.{number}.0/24",
            registered_at_ms=START_MS,
        )
    )
    return node_id(number)


def add_contribution(connection: sa.Connection, seq: int, node: int, audit_of: int | None = None) -> str:
    """Write a committed contribution (a truth when it audits another) and return its id."""
    connection.execute(
        sa.insert(contributions).values(
            contribution_id=contribution_id(seq),
            seq=seq,
            lease_id=f"l{seq:031x}",
            node_id=node_id(node),
            kind="work" if audit_of is None else "truth",
            audit_of=None if audit_of is None else contribution_id(audit_of),
            url=f"http://127.0.0.2/{seq}",
            final_url=f"http://127.0.0.2/{seq}",
            http_status=200,
            content_type="text/html",
            fetched_at_ms=START_MS + seq,
            received_at_ms=START_MS + seq,
            robots_state="allowed",
            optout_signals="[]",
            raw_sha256=text_sha256(seq),
            text_sha256=text_sha256(seq),
            text_bytes=1_000,
            title="",
            extractor_version="1",
        )
    )
    return contribution_id(seq)


def add_verdict(
    connection: sa.Connection, seq: int, node: int, verdict: str, reason: str, truths: list[int] | None = None
) -> None:
    """Write the verdict about a contribution."""
    connection.execute(
        sa.insert(verdicts).values(
            contribution_id=contribution_id(seq),
            seq=seq,
            node_id=node_id(node),
            verdict=verdict,
            reason=reason,
            similarity=0.9,
            truth_sha256=json.dumps([text_sha256(truth) for truth in truths or []]),
            decided_at_ms=START_MS + 10_000 + seq,
            jws="",
        )
    )


def add_novelty(connection: sa.Connection, seq: int, kind: str, unique_bytes: int) -> None:
    """Write the novelty of an accepted contribution."""
    connection.execute(
        sa.insert(duplicates).values(
            contribution_id=contribution_id(seq),
            seq=seq,
            kind=kind,
            cluster_id=contribution_id(seq),
            first_contribution_id=contribution_id(seq),
            similarity=0.0,
            unique_bytes=unique_bytes,
        )
    )


def add_accepted(connection: sa.Connection, seq: int, node: int, unique_bytes: int) -> str:
    """Write a contribution that was accepted as new."""
    identity = add_contribution(connection, seq, node)
    add_verdict(connection, seq, node, "accepted", "matches_truth")
    add_novelty(connection, seq, "unique", unique_bytes)
    return identity


def add_consent(connection: sa.Connection, number: int, node: int) -> str:
    """Write a received personal donation and return its contribution id."""
    identity = "p" + hashlib.sha256(f"donation {number}".encode()).hexdigest()[:31]
    connection.execute(
        sa.insert(consents).values(
            consent_receipt_id=hashlib.sha256(f"consent {number}".encode()).hexdigest(),
            contribution_id=identity,
            node_id=node_id(node),
            source="browser_history",
            purpose="training",
            items=1,
            given_at_ms=START_MS,
            received_at_ms=START_MS + number,
            segment="personal-000000.zst",
            offset=0,
            length=1,
            consent_jws="",
            receipt="",
        )
    )
    return identity


def add_sale(
    connection: sa.Connection,
    number: int,
    price: int,
    royalties: int,
    version: str = "1.0.0",
    burned: int = 0,
) -> str:
    """Write a confirmed sale and return its id."""
    identity = f"s{number:031x}"
    connection.execute(
        sa.insert(sales).values(
            sale_id=identity,
            dataset="web_text",
            version=version,
            export_id="0x" + hashlib.sha256(version.encode()).hexdigest(),
            buyer=payout(900 + number),
            asset="WIND",
            price=price,
            royalties=royalties,
            fees=price - royalties - burned,
            burned=burned,
            tx_hash="0x" + f"{number:064x}",
            block=number,
            sold_at_ms=START_MS + 20_000 + number,
        )
    )
    return identity


NODES = 5


def earn(house: House, first_seq: int, count: int) -> None:
    """Have some contributions judged and priced."""
    with house.state.write() as connection:
        if first_seq == 1:
            for number in range(NODES):
                add_node(connection, number)
        for seq in range(first_seq, first_seq + count):
            add_accepted(connection, seq, seq % NODES, unique_bytes=seq * 100)
    run_accountant(house)


def leaves_of(house: House) -> dict[str, int]:
    with house.state.read() as connection:
        return cumulative(balances(connection))


async def close(settled: Settled) -> Epoch:
    return await close_epoch(settled.house, settled.chain, settled.signers)


def epoch(connection: sa.Connection, number: int, state: str, first_seq: int) -> None:
    """Write or move an audit epoch."""
    row = audit_epochs.c.epoch_id == number
    connection.execute(sa.delete(audit_epochs).where(row))
    connection.execute(
        sa.insert(audit_epochs).values(
            epoch_id=number,
            state=state,
            first_seq=first_seq,
            opened_at_ms=START_MS,
            ended_at_ms=START_MS + 90_000 + number,
        )
    )


def judged(
    connection: sa.Connection, seq: int, verdict: str, reason: str, in_epoch: int, node: int = 1
) -> None:
    """Write a contribution with its verdict in an audit epoch, and its novelty where it has one."""
    add_contribution(connection, seq, node)
    add_verdict(connection, seq, node, verdict, reason)
    if verdict in ("accepted", "unaudited"):
        add_novelty(connection, seq, "unique", 1_000)
    of_seq = verdicts.c.contribution_id == contribution_id(seq)
    connection.execute(sa.update(verdicts).where(of_seq).values(epoch_id=in_epoch))
