"""People who give months of their browser history to a real house, and a program that makes such months up."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from real_house import NETWORK, Node, open_house, open_segments

from aggregator.personal import Personal
from aggregator.requests import authenticate
from extension_bridge.consent import DAY_MS, PURPOSE, ConsentTerms, build_consent, consent_receipt_id
from extension_bridge.donation import item_id_for
from extension_bridge.withdrawal import REQUEST_PURPOSE
from rewards.personal.history_doubts import Moment
from rewards.personal.months import run_person_months
from rewards.personal.pay import run_personal_pay
from storage.house import House
from storage.tables.contributions import nodes
from windrow_protocol.content import text_sha256
from windrow_protocol.merkle import checksum_address
from windrow_protocol.personal.messages import (
    PersonalContribution,
    PersonalRecord,
    PersonalWithdrawal,
    personal_contribution_id_for,
)
from windrow_protocol.signing import sign

BEGIN_MS = 1_772_323_200_000  # 2026-03-01
NOW_MS = BEGIN_MS + 40 * DAY_MS
COMMON = [f"https://common{i}.example" for i in range(12)]
TERMS = ConsentTerms(source="browser_history", scope=["url", "title", "captured_at_ms"])
RECORDS = 100  # of one donation


def word(drawn: random.Random) -> str:
    """Return a page's name without digits: a long number could be somebody's card, and redaction takes it out."""
    return "".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=8))


def person(seed: int, *, days: int = 30, shift_hours: int = 0, begin_ms: int = BEGIN_MS) -> list[Moment]:
    """A person's month: sessions by day, gaps within them of all lengths, a few hosts often and many rarely, returns.

    Every person shares the twelve best known hosts and their start pages with all others.
    """
    drawn = random.Random(seed)
    hosts = COMMON + [f"https://own{seed}-{i}.example" for i in range(200)]
    weights = [1 / (i + 1) for i in range(len(hosts))]
    moments = []
    for day in range(days):
        for _ in range(drawn.randint(1, 5)):
            hour = drawn.choice([8, 9, 12, 13, 17, 19, 20, 21, 22]) + drawn.random() + shift_hours
            at_ms = begin_ms + day * DAY_MS + int(hour * 3_600_000)
            for _ in range(drawn.randint(3, 30)):
                host = drawn.choices(hosts, weights)[0]
                page = drawn.choices(["", f"/{drawn.randint(0, 40)}", f"/{word(drawn)}"], [3, 4, 3])[0]
                moments.append(Moment(at_ms, host + page))
                at_ms += int(drawn.lognormvariate(3.0, 1.5) * 1_000) + drawn.randint(0, 999)
    return moments


def month(seed: int) -> list[Moment]:
    """As much of a person's month as has every mark of one: some 500 visits in twelve days."""
    return person(seed, days=12)


def visit(moment: Moment, title: str = "") -> PersonalRecord:
    """Return a visit as it leaves a device; addresses here have nothing to take out."""
    digest = text_sha256("")
    item_id = item_id_for("browser_history", moment.url, title, digest, moment.at_ms)
    return PersonalRecord(item_id, moment.url, title, "", digest, moment.at_ms)


def payout_of(number: int) -> str:
    """Return a person's payout address."""
    return checksum_address("0x" + hashlib.sha256(f"person {number}".encode()).hexdigest()[:40])


def number_key(number: int) -> Ed25519PrivateKey:
    """Return the key of a person's node."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % number).digest())


@dataclass
class SetClock:
    """A clock that only the test moves."""

    at_ms: int = NOW_MS

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, wait_s: float) -> None:
        self.at_ms += round(wait_s * 1_000)


@dataclass
class HistoryHouse:
    """A house that takes donations in, judges months and pays them."""

    folder: Path
    clock: SetClock = field(default_factory=SetClock)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.house: House = open_house(self.folder, clock=self.clock, key=self.key)
        self.segments = open_segments(self.house, "personal")
        self.personal = Personal(self.house, self.segments)

    def join(self, number: int, *, payout: str = "", owner: str = "") -> Node:
        """Register a person's node."""
        node = Node(self.house, number_key(number))
        with self.house.state.write() as connection:
            connection.execute(
                sa.insert(nodes).values(
                    node_id=node.node_id,
                    role="contributor",
                    payout_address=payout or payout_of(number),
                    agent="test",
                    region="",
                    prefix=f"127.0.{number}.0/24",
                    owner=owner,
                    registered_at_ms=self.house.now_ms(),
                )
            )
        return node

    def give(self, node: Node, moments: Sequence[Moment], *, title: str = "", days: int = 365) -> list[str]:
        """Hand a history in, some visits at a time, and return the ids of the donations."""
        terms = msgspec.structs.replace(TERMS, retention_days=days)
        records = list({each.item_id: each for each in (visit(each, title) for each in moments)}.values())
        given = []
        for start in range(0, len(records), RECORDS):
            donation = self._donation(node, terms, records[start : start + RECORDS])
            body = msgspec.json.encode(donation)
            self.personal.accept(authenticate(self.house, node.request("personal", body), "personal"), body)
            given.append(donation.contribution_id)
        return given

    def _donation(
        self, node: Node, terms: ConsentTerms, records: list[PersonalRecord]
    ) -> PersonalContribution:
        ids = [each.item_id for each in records]
        consent = build_consent(
            node_id=node.node_id,
            controller_id=self.house.coordinator_id,
            network=NETWORK,
            terms=terms,
            item_ids=ids,
            given_at_ms=self.house.now_ms(),
        )
        token = sign(
            node.key,
            network=NETWORK,
            purpose=PURPOSE,
            subject=node.node_id,
            now_ms=self.house.now_ms(),
            life_ms=terms.retention_days * DAY_MS,
            content=consent,
        )
        return PersonalContribution(
            contribution_id=personal_contribution_id_for(node.node_id, ids),
            node_id=node.node_id,
            source=terms.source,
            consent_receipt_id=consent_receipt_id(consent),
            consent_jws=token,
            records=records,
        )

    def take_back(self, node: Node, contribution_ids: Sequence[str]) -> None:
        """Withdraw donations as their person does."""
        for contribution_id in contribution_ids:
            content = {"contribution_id": contribution_id, "consent_receipt_id": "c" * 64}
            token = sign(
                node.key,
                network=NETWORK,
                purpose="withdrawal",
                subject=node.node_id,
                now_ms=self.house.now_ms(),
                content=content,
            )
            body = msgspec.json.encode(PersonalWithdrawal(withdrawal_jws=token))
            caller = authenticate(self.house, node.request(REQUEST_PURPOSE, body), REQUEST_PURPOSE)
            self.personal.withdrawals.accept(caller, body)

    def days_pass(self, days: float) -> None:
        """Let time go by, and do what the house does by itself."""
        self.clock.at_ms += int(days * DAY_MS)
        self.work()

    def work(self) -> None:
        """Judge and pay what is due."""
        run_person_months(self.house, self.personal.vault.read)
        run_personal_pay(self.house)

    def node(self, number: int) -> Node:
        """Return the node of a person who joined before; its nonces are new ones."""
        known = Node(self.house, number_key(number))
        known.nonces = self.clock.at_ms % 1_000_003 + number * 10_000_019
        return known

    @classmethod
    def reopened(cls, folder: Path) -> HistoryHouse:
        """Open a house that a copy or a crash left; its key and time lie beside it."""
        key = Ed25519PrivateKey.from_private_bytes((folder / "key").read_bytes())
        return cls(folder, SetClock(int((folder / "now").read_text())), key)
