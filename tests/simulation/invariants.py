"""What must hold of a house after any crash, and what must hold of every receipt its nodes were ever given.

Each function yields sentences about what is wrong; none of them trusts a total, a cursor or a digest it can compute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import sqlalchemy as sa
from simulation.actors import NETWORK, Actor

from aggregator.log_entries import GENESIS_HEAD, next_head
from aggregator.verification.comparing.comparison import decide
from rewards.accountant import run_accountant
from rewards.epochs.files import LEDGER, epoch_folder, ledger_bytes, sha256_hex
from rewards.epochs.rows import all_epochs
from rewards.ledger import last_entry
from rewards.ledger_checks import verify_ledger
from storage.house import House
from storage.segments import Place, Segments
from storage.state import get_cursor, get_meta
from storage.tables.contributions import contributions, cursors, leases, ledger, submissions, verdicts
from storage.tables.lake import lake_files
from storage.tables.pay import epoch_pay, node_pay, novelty_rooms, pending_pay
from storage.tables.trust import audit_epochs, consequences, node_stakes
from windrow_protocol.messages import Contribution, canonical_record
from windrow_protocol.signing import verify

PENALTIES = ("replaced", "escalated", "strike", "fined", "padding", "suspended", "would_suspend")
OF_REFUSALS = (
    "refusal_agreed",
    "refusal_open",
    "refusal_differs",
    "truth_unavailable",
    "truths_disagree",
    "not_drawn",
)
# What an honest node may be told: its answer came too late, or the network doubled its request.
HONEST_REFUSALS = {"lease_expired", "replayed", "unknown_node", "clock_skew"}


def recovery_problems(house: House) -> list[str]:
    """What is cheap to look at after every start."""
    with house.state.read() as connection:
        return [*_watermark_problems(house, connection), *_lake_problems(house, connection)]


def all_problems(house: House, segments: Segments, actors: Iterable[Actor]) -> list[str]:
    """Everything that must hold of a house that is at rest."""
    with house.state.read() as connection:
        records = _records(connection, segments)
        return [
            *_log_problems(connection, records),
            *(problem for actor in actors for problem in _receipt_problems(house, connection, actor)),
            *_verdict_problems(connection, records),
            *(str(problem) for problem in verify_ledger(connection)),
            *_pay_problems(connection),
            *_lake_problems(house, connection),
            *_epoch_problems(house, connection),
        ]


def _watermark_problems(house: House, connection: sa.Connection) -> Iterator[str]:
    """After opening, the current segment ends exactly where the last commit says."""
    for family in ("contributions", "personal"):
        number = get_cursor(connection, f"segments/{family}/number")
        vouched = get_cursor(connection, f"segments/{family}/bytes")
        size = (house.home / "segments" / f"{family}-{number:06d}.zst").stat().st_size
        if size != vouched:
            yield f"{family}: {size} bytes where {vouched} are vouched for"


def _lake_problems(house: House, connection: sa.Connection) -> Iterator[str]:
    for row in connection.execute(sa.select(lake_files)):
        path = house.home / "lake" / row.path
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row.sha256:
            yield f"lake file {row.path} is listed and not there whole"


def _records(connection: sa.Connection, segments: Segments) -> dict[str, bytes]:
    """Return the stored bytes of every record by lease; empty where they cannot be read."""
    found = {}
    for row in connection.execute(sa.select(submissions)):
        try:
            found[row.lease_id] = segments.read(Place(row.segment, row.offset, row.length))
        except (OSError, ValueError, Exception):  # zstd has an error of its own
            found[row.lease_id] = b""
    return found


def _log_problems(connection: sa.Connection, records: dict[str, bytes]) -> Iterator[str]:
    head, seq = GENESIS_HEAD, 0
    for row in connection.execute(sa.select(submissions).order_by(submissions.c.seq)):
        seq, head = seq + 1, next_head(head, row.record_sha256)
        if (row.seq, row.head) != (seq, head):
            yield f"the log breaks at {row.seq}"
        if hashlib.sha256(records[row.lease_id]).hexdigest() != row.record_sha256:
            yield f"record {row.seq} is not there whole"
    if (get_cursor(connection, "submissions"), get_meta(connection, "submissions/head") or GENESIS_HEAD) != (
        seq,
        head,
    ):
        yield "the log's end is not where it is said to be"
    twice = sa.select(contributions.c.lease_id).group_by(contributions.c.lease_id).having(sa.func.count() > 1)
    yield from (f"lease {row.lease_id} has two results" for row in connection.execute(twice))
    answered = sa.select(leases.c.lease_id).where(leases.c.state == "answered")
    in_log = sa.select(submissions.c.lease_id)
    if set(connection.execute(answered).scalars()) != set(connection.execute(in_log).scalars()):
        yield "leases and log disagree about what was answered"


def _receipt_problems(house: House, connection: sa.Connection, actor: Actor) -> Iterator[str]:
    yield from actor.contradictions
    rows = {
        row.lease_id: row
        for row in connection.execute(sa.select(submissions).where(submissions.c.node_id == actor.node_id))
    }
    for lease_id, token in actor.receipts.items():
        content = verify(
            token,
            signer=house.coordinator_id,
            network=NETWORK,
            purpose="receipt",
            subject=actor.node_id,
            now_ms=house.now_ms(),
        ).content
        row, record = rows.get(lease_id), actor.sent[lease_id]
        if row is None:
            yield f"{actor.name}: acknowledged and lost: {lease_id}"
        elif content is None or (content["seq"], content["head"]) != (row.seq, row.head):
            yield f"{actor.name}: the receipt of {lease_id} names another place"
        elif hashlib.sha256(canonical_record(record)).hexdigest() != row.record_sha256:
            yield f"{actor.name}: the log holds another record for {lease_id}"
    if actor.honest:
        unheard = [lease_id for lease_id in rows if lease_id not in actor.receipts]
        yield from (f"{actor.name}: in the log and never acknowledged: {each}" for each in unheard)
        wrong = {reason for _, reason in actor.refusals} - HONEST_REFUSALS
        yield from (f"{actor.name}: is honest and was refused: {reason}" for reason in sorted(wrong))


def _verdict_problems(connection: sa.Connection, records: dict[str, bytes]) -> Iterator[str]:
    """Each verdict follows again from the texts in the log."""
    texts = {
        lease_id: msgspec.json.decode(data, type=Contribution).text
        for lease_id, data in records.items()
        if b'"kind":"contribution"' in data
    }
    kinds = {"matches_truth": "match", "differs_from_truth": "mismatch"}
    reported = set(
        connection.execute(sa.select(submissions.c.seq).where(submissions.c.kind == "report")).scalars()
    )
    for verdict in connection.execute(sa.select(verdicts)):
        about = contributions.c.contribution_id == verdict.contribution_id
        work = connection.execute(sa.select(contributions).where(about)).one_or_none()
        if work is None:  # a refusal has no text, and what is said of it is no comparison
            if verdict.seq not in reported or verdict.reason not in OF_REFUSALS:
                yield f"verdict {verdict.reason} on {verdict.seq} is about nothing"
            continue
        used = msgspec.json.decode(verdict.truth_sha256, type=list[str])
        truths = connection.execute(
            sa.select(contributions.c.lease_id, contributions.c.text_sha256)
            .where(contributions.c.audit_of == verdict.contribution_id)
            .order_by(contributions.c.seq)
        ).all()
        if verdict.reason in kinds and work.lease_id in texts:
            chosen = [texts.get(truth.lease_id, "") for truth in truths if truth.text_sha256 in used]
            decision = decide(texts[work.lease_id], chosen)
            if decision.kind != kinds[verdict.reason]:
                yield f"verdict {verdict.reason} on {work.seq} does not follow: {decision.kind}"


def _pay_problems(connection: sa.Connection) -> Iterator[str]:
    """No line of pay stands twice, and nothing is paid for what does not stand in the log."""
    lines = sa.select(ledger.c.cause, ledger.c.debit, ledger.c.reason).where(ledger.c.amount > 0)
    counted: dict[tuple[str, ...], int] = {}
    for row in connection.execute(lines):
        counted[tuple(row)] = counted.get(tuple(row), 0) + 1
    yield from (f"paid twice: {key}" for key, count in counted.items() if count > 1)
    known = set(connection.execute(sa.select(contributions.c.contribution_id)).scalars())
    causes = set(connection.execute(sa.select(ledger.c.cause)).scalars())
    yield from (f"paid for nothing: {cause}" for cause in sorted(causes - known) if cause.startswith("c"))


def _epoch_problems(house: House, connection: sa.Connection) -> Iterator[str]:
    for epoch in (each for each in all_epochs(connection) if each.state != "frozen"):
        path = epoch_folder(house.home, epoch.epoch_id) / LEDGER
        if not path.is_file() or path.read_bytes() != ledger_bytes(connection, epoch.entry_seq):
            yield f"epoch {epoch.epoch_id}: the published ledger is not the ledger"


def unpaid_problems(house: House) -> list[str]:
    """At rest, every verdict of a closed epoch has its line in the ledger, if only one that says why it is nothing."""
    with house.state.read() as connection:
        told = sa.select(audit_epochs.c.epoch_id).where(audit_epochs.c.state == "closed")
        judged = (
            sa.select(contributions.c.contribution_id)
            .join(verdicts, verdicts.c.contribution_id == contributions.c.contribution_id)
            .where(verdicts.c.epoch_id.in_(told))
        )
        paid = set(connection.execute(sa.select(ledger.c.cause)).scalars())
        missing = sorted(set(connection.execute(judged).scalars()) - paid)
    return [f"judged and never priced: {contribution_id}" for contribution_id in missing]


def punished(house: House, actors: Iterable[Actor]) -> list[str]:
    """Honest nodes with a verdict or a consequence against them."""
    honest = {actor.node_id: actor.name for actor in actors if actor.honest}
    rejected = sa.select(verdicts.c.node_id, verdicts.c.reason).where(verdicts.c.verdict == "rejected")
    against = sa.select(consequences.c.node_id, consequences.c.kind).where(consequences.c.kind.in_(PENALTIES))
    with house.state.read() as connection:
        rows = [*connection.execute(rejected), *connection.execute(against)]
    return [
        f"{honest[node_id]} is honest and suffered: {what}" for node_id, what in rows if node_id in honest
    ]


def replay_problems(house: House) -> list[str]:
    """Empty the ledger of a house at rest and account for the same logs again: the same bytes must come."""
    with house.state.read() as connection:
        before = ledger_bytes(connection, last_entry(connection)[0])
    with house.state.write() as connection:
        for table in (ledger, pending_pay, node_pay, epoch_pay, novelty_rooms, node_stakes):
            connection.execute(sa.delete(table))
        connection.execute(sa.delete(cursors).where(cursors.c.name.like("rewards/%")))
    while run_accountant(house):
        pass
    with house.state.read() as connection:
        after = ledger_bytes(connection, last_entry(connection)[0])
    return [] if _lines(before) == _lines(after) else ["the same logs gave another ledger"]


def _lines(published: bytes) -> list[str]:
    """Return the ledger's lines without what follows from when they were written.

    That is their place, since verdicts do not come in the log's order; the date of a release, which is that of the
    newest audit epoch closed by then; and which of a node's documents became its bond, the first ones that were priced.
    A replay finds all epochs closed, where the house saw them close one by one.
    """
    lines = []
    for line in published.splitlines():
        row = msgspec.json.decode(line)
        by_moment = ("entry_seq", "head", *(("created_at_ms",) if row["reason"] == "released" else ()))
        kept = {name: value for name, value in row.items() if name not in by_moment}
        lines.append(repr(kept).replace("'bond:", "'pending:"))
    return sorted(lines)


def fingerprint(house: House) -> str:
    """Return one digest of everything that the run left: log, ledger and published files."""
    with house.state.read() as connection:
        parts = [get_meta(connection, "submissions/head") or "", last_entry(connection)[1]]
    files = sorted(path for path in (house.home / "epochs").rglob("*") if path.is_file())
    return sha256_hex("".join([*parts, *map(_digest, files)]).encode())


def _digest(path: Path) -> str:
    return sha256_hex(path.read_bytes())
