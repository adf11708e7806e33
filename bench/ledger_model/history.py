"""A made-up history of judged work: documents, verdicts, consequences and closes, the same for the same seed.

Rules: rows as the aggregator leaves them, so that the accountant cannot tell; amounts, nodes and domains are drawn so
that caps, fines beyond what is there, suspensions, undone penalties and departures all occur.

Does not: price or post.

Usage: `for epoch in History(seed=1, nodes=50, documents=2_000).epochs(10): epoch.write(connection)`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from storage.tables.contributions import contributions, duplicates, nodes, verdicts
from storage.tables.trust import audit_epochs, consequences, standings
from windrow_protocol.merkle import checksum_address

START_MS: Final = 1_750_000_000_000
EPOCH_MS: Final = 86_400_000
_VERDICTS: Final = (
    ("unaudited", "not_drawn", 82),
    ("accepted", "matches_truth", 14),
    ("rejected", "differs_from_truth", 3),
)
_REST: Final = ("no_evidence", "truths_disagree")
_PENALTIES: Final = ("fined", "fined", "fined", "padding", "replaced", "appeal_denied", "strike", "suspended")


def digest(*parts: object) -> str:
    """Return 64 hex digits that follow from the parts."""
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


def payout_of(node_id: str) -> str:
    """Return a node's payout address; every third node is paid to one and the same."""
    return checksum_address("0x" + digest("payout", int(node_id, 16) % 3 and node_id)[:40])


@dataclass
class Epoch:
    """What one audit epoch adds, as rows, and the time of its close."""

    epoch_id: int
    first_seq: int
    closed_at_ms: int
    documents: list[dict[str, Any]] = field(default_factory=list)
    consequences: list[dict[str, Any]] = field(default_factory=list)
    standings: dict[str, tuple[bool, bool]] = field(default_factory=dict)  # node: frozen, suspended

    def write(self, connection: sa.Connection) -> None:
        """Write it all as decided, and the epoch as closed."""
        closed = {
            "state": "closed",
            "opened_at_ms": self.closed_at_ms - EPOCH_MS,
            "ended_at_ms": self.closed_at_ms,
        }
        row = {"epoch_id": self.epoch_id, "first_seq": self.first_seq, **closed}
        connection.execute(sa.insert(audit_epochs).values(**row))
        _insert(connection, contributions, [_contribution(each) for each in self.documents])
        _insert(connection, verdicts, [_verdict(each, self) for each in self.documents])
        judged = [each for each in self.documents if each["verdict"] in ("accepted", "unaudited")]
        _insert(connection, duplicates, [_duplicate(each) for each in judged])
        _insert(connection, consequences, self.consequences)
        for node_id, (frozen, suspended) in self.standings.items():
            connection.execute(sa.delete(standings).where(standings.c.node_id == node_id))
            values = {"frozen": frozen, "suspended": suspended, "standing": "{}", "updated_at_ms": 0}
            connection.execute(sa.insert(standings).values(node_id=node_id, **values))


class EpochClock:
    """The house's clock, moved from close to close."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        """The time of the close at hand."""
        return self.ms

    async def sleep(self, wait_s: float) -> None:
        """Move on."""
        self.ms += int(wait_s * 1000)


class History:
    """Epochs of a network with so many nodes and documents an epoch."""

    def __init__(self, seed: int, nodes: int, documents: int) -> None:
        self._chance = Random(seed)
        self.node_ids = [digest("node", seed, number) for number in range(nodes)]
        self._per_epoch = documents
        self._epochs = 0
        self._seq = 0
        self._consequences = 0
        self._undoable: list[dict[str, Any]] = []
        self._gone: set[str] = set()

    def write_nodes(self, connection: sa.Connection) -> None:
        """Register every node."""
        rows = [
            {
                "node_id": node_id,
                "role": "contributor",
                "payout_address": payout_of(node_id),
                "agent": "",
                "region": "",
            }
            | {"prefix": "", "registered_at_ms": START_MS}
            for node_id in self.node_ids
        ]
        _insert(connection, nodes, rows)

    def epochs(self, count: int) -> Iterator[Epoch]:
        """Yield epoch after epoch."""
        for _ in range(count):
            yield self.epoch(self._per_epoch)

    def epoch(self, documents: int, chance: Random | None = None) -> Epoch:
        """Make the next epoch, of so many documents; all of it is drawn from `chance` where one is given."""
        self._chance = chance or self._chance
        self._epochs += 1
        epoch = Epoch(self._epochs, self._seq + 1, START_MS + self._epochs * EPOCH_MS)
        for _ in range(documents):
            self._document(epoch)
        self._undo(epoch)
        self._leave(epoch)
        return epoch

    def _document(self, epoch: Epoch) -> None:
        chance, self._seq = self._chance, self._seq + 1
        node_id = self.node_ids[int(len(self.node_ids) * chance.random() ** 2)]
        draw, verdict, reason = chance.randrange(100), *_REST
        for name, why, share in _VERDICTS:
            if draw < share:
                verdict, reason = name, why
                break
            draw -= share
        hard = verdict == "accepted" and chance.random() < 0.05
        document = {
            "contribution_id": "c" + digest("document", self._seq)[:31],
            "seq": self._seq,
            "node_id": node_id,
            "url": f"http://p{self._seq}.d{chance.randrange(200)}.example/",
            "received_at_ms": epoch.closed_at_ms - chance.randrange(EPOCH_MS),
            "verdict": verdict,
            "reason": "hard_host" if hard else reason,
            "confirmed_ppm": chance.randint(700_000, 1_000_000) if verdict == "accepted" else 1_000_000,
            "kind": chance.choice(("unique", "unique", "unique", "near", "exact")),
            "unique_bytes": chance.randrange(80_000),
        }
        epoch.documents.append(document)
        if verdict == "rejected":
            self._penalise(epoch, document)

    def _penalise(self, epoch: Epoch, document: dict[str, Any]) -> None:
        kind = self._chance.choice(_PENALTIES)
        if kind == "suspended" and self._chance.random() < 0.8:
            kind = "would_suspend"
        row = self._consequence(
            epoch,
            document["node_id"],
            kind,
            document["contribution_id"],
            documents_ppm=self._chance.randrange(40_000_000) if kind == "fined" else 0,
            share_ppm=self._chance.randrange(900_000) if kind == "padding" else 0,
        )
        self._undoable.append(row)
        if kind == "fined" and row["documents_ppm"] % 3 == 0:
            self._consequence(epoch, document["node_id"], "begun_again", document["contribution_id"])
        epoch.standings[document["node_id"]] = (self._chance.random() < 0.5, kind == "suspended")

    def _undo(self, epoch: Epoch) -> None:
        for _ in range(len(self._undoable) // 4):
            row = self._chance.choice(self._undoable)
            kind = self._chance.choice(("voided", "restored"))
            self._consequence(
                epoch, row["node_id"], kind, row["contribution_id"], undoes=row["consequence_id"]
            )
            epoch.standings[row["node_id"]] = (False, False)

    def _leave(self, epoch: Epoch) -> None:
        node_id = self._chance.choice(self.node_ids)
        if node_id in self._gone:
            kind = "bond_returned" if self._seq % 3 else "bond_kept"
            self._consequence(epoch, node_id, kind, "")
        else:
            self._gone.add(node_id)
            self._consequence(epoch, node_id, "left_settled", "")

    def _consequence(self, epoch: Epoch, node_id: str, kind: str, about: str, **facts: Any) -> dict[str, Any]:
        self._consequences += 1
        row = {
            "consequence_seq": self._consequences,
            "consequence_id": "q" + digest("consequence", self._consequences)[:31],
            "node_id": node_id,
            "kind": kind,
            "contribution_id": about,
            "documents_ppm": 0,
            "share_ppm": 0,
            "undoes": "",
            "epoch_id": epoch.epoch_id,
            "created_at_ms": epoch.closed_at_ms,
            **facts,
        }
        epoch.consequences.append(row)
        return row


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def _contribution(document: dict[str, Any]) -> dict[str, Any]:
    named = ("contribution_id", "seq", "node_id", "url", "received_at_ms")
    text = {"raw_sha256": "", "text_sha256": "", "text_bytes": 80_000, "title": "", "extractor_version": ""}
    page = {"http_status": 200, "content_type": "", "robots_state": "allowed", "optout_signals": "[]"}
    lease = {"lease_id": "l" + digest("lease", document["seq"])[:31], "kind": "work", "audit_of": None}
    times = {"final_url": document["url"], "fetched_at_ms": document["received_at_ms"]}
    return {name: document[name] for name in named} | text | page | lease | times


def _verdict(document: dict[str, Any], epoch: Epoch) -> dict[str, Any]:
    named = ("contribution_id", "seq", "node_id", "verdict", "reason", "confirmed_ppm")
    decided = {
        "epoch_id": epoch.epoch_id,
        "decided_at_ms": epoch.closed_at_ms,
        "decided_seq": document["seq"],
    }
    return (
        {name: document[name] for name in named}
        | decided
        | {
            "similarity": 1.0,
            "truth_sha256": json.dumps([]),
            "jws": "",
        }
    )


def _duplicate(document: dict[str, Any]) -> dict[str, Any]:
    first = {"cluster_id": document["contribution_id"], "first_contribution_id": document["contribution_id"]}
    named = ("contribution_id", "seq", "kind", "unique_bytes")
    return {name: document[name] for name in named} | first | {"similarity": 0.0}
