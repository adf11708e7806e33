"""What the published lines of an audit epoch add up to: the one computation that publishes it and that anybody repeats.

Line by line it follows the log's heads, re-derives every draw from the revealed secrets, recomputes every verdict from
the texts, and counts what each validator's truths showed.

Rules: pure, one pass, nothing but the lines and what stands in the header before them. A validator that said it drew
what its secret does not draw, or kept silent about what it does, loses its dividends (`wrong_draw`, `draw_missing`);
whatever else does not follow is a difference, and the first one is named.

Does not: read files, know the coordinator's tables, or check signatures (`replay` does).

Usage::

    fold = EpochFold(Range(1, 40, head), validators, rules)
    for row in rows: fold.add(row)
    folded = fold.result()
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from aggregator.log_entries import next_head
from aggregator.verification.comparing.comparison import Decision
from aggregator.verification.comparing.weighing import REFUSALS
from aggregator.verification.epochs.audit_rows import (
    AuditRow,
    PublishedNeighbour,
    PublishedTruth,
    PublishedValidator,
    PublishedVerdict,
    record_of,
)
from aggregator.verification.epochs.dividends import Dividend, Found, Seat, split
from aggregator.verification.epochs.recomputing import (
    agreements,
    decided,
    follows,
    is_intact,
    may_rest_on,
    neighbour_text,
)
from windrow_protocol.audit_draw import NO_LOG, is_drawn, next_log_digest
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Contribution, Report, Submission, contribution_id_for
from windrow_protocol.trust_rules import TrustRules, trust_label
from windrow_protocol.urls import host_key

_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of the log; `first_head` is the head before `first_seq`."""

    epoch_id: int
    first_seq: int
    last_seq: int
    first_head: str


@dataclass(frozen=True, slots=True)
class Folded:
    """What the lines add up to. `differences` are sentences, the first one first.

    `drawn_unaudited` counts entries whose draw came too late; `seen` is the digest of the entries that each validator
    had to be shown.
    """

    entries: int
    drawn: int
    drawn_unaudited: int
    audited: int
    verdicts_recomputed: int
    mismatching: int
    last_head: str
    found: list[tuple[str, str, int, int]]
    seen: dict[str, str]
    dividends: list[Dividend]
    differences: tuple[str, ...]


@dataclass(slots=True)
class _Count:
    entries: int = 0
    drawn: int = 0
    drawn_unaudited: int = 0
    audited: int = 0
    recomputed: int = 0
    mismatching: int = 0


@dataclass(slots=True)
class _Drawing:
    """What is followed of one validator."""

    validator: PublishedValidator
    seen: str = NO_LOG
    fault: str = ""
    secret: bytes = field(default=b"")


class EpochFold:
    """One pass over an epoch's lines."""

    def __init__(self, log: Range, validators: Sequence[PublishedValidator], rules: TrustRules) -> None:
        self._log = log
        self._rules = rules
        self._drawing = {
            each.validator_id: _Drawing(each, secret=bytes.fromhex(each.secret)) for each in validators
        }
        self._head = log.first_head
        self._next_seq = log.first_seq
        self._last_late = 0
        self._records: dict[int, str] = {}  # of truths, until their own place of the log is reached
        self._digests = bytearray()  # of the epoch's records so far, for neighbours named later
        self._found = Found()
        self._count = _Count()
        self._differences: list[str] = []

    def add(self, row: AuditRow) -> None:
        """Take the next line."""
        if row.seq < self._log.first_seq:
            self._follow_late(row)
        else:
            self._follow(row)
        if row.kind == "entry" and row.epoch_id == self._log.epoch_id:
            self._count.entries += 1
            self._check_draws(row)
        if row.verdict is not None and row.verdict.record:
            self._weigh(row, row.verdict)

    def result(self) -> Folded:
        """Return what all the lines add up to."""
        if self._next_seq != self._log.last_seq + 1:
            self._differ(self._next_seq, "is missing")
        found = sorted((*key, truths, agreed) for key, (truths, agreed) in self._found.truths.items())
        return Folded(
            entries=self._count.entries,
            drawn=self._count.drawn,
            drawn_unaudited=self._count.drawn_unaudited,
            audited=self._count.audited,
            verdicts_recomputed=self._count.recomputed,
            mismatching=self._count.mismatching,
            last_head=self._head,
            found=found,
            seen={validator_id: each.seen for validator_id, each in self._drawing.items()},
            dividends=split(self._rules, [self._seat(each) for each in self._drawing.values()], self._found),
            differences=tuple(self._differences),
        )

    def _seat(self, each: _Drawing) -> Seat:
        validator = each.validator
        refused = each.fault
        if not validator.commitment:
            refused = "no_commitment"
        elif not validator.secret:
            refused = "unrevealed"
        return Seat(validator.validator_id, validator.operator, refused)

    def _follow_late(self, row: AuditRow) -> None:
        if row.seq <= self._last_late or row.kind != "entry" or row.verdict is None:
            self._differ(row.seq, "stands where only later verdicts about earlier epochs do")
        self._last_late = row.seq

    def _follow(self, row: AuditRow) -> None:
        if row.seq != self._next_seq or row.seq > self._log.last_seq:
            self._differ(row.seq, f"stands where {self._next_seq} should")
        self._next_seq = row.seq + 1
        self._head = next_head(self._head, row.record_sha256)
        self._digests += bytes.fromhex(row.record_sha256)
        if self._records.pop(row.seq, row.record_sha256) != row.record_sha256:
            self._differ(row.seq, "is not the truth that a verdict names")
        if row.kind == "entry" and row.epoch_id != self._log.epoch_id:
            self._differ(row.seq, f"says it belongs to epoch {row.epoch_id}")
        if row.kind == "truth" and row.validator_id not in self._drawing:
            self._differ(row.seq, "is called a truth, but not by a validator")
        if row.kind == "undrawn":
            self._check_undrawn(row)

    def _check_undrawn(self, row: AuditRow) -> None:
        """Check that what nobody could draw is a report that is never drawn, lest an answer be hidden among them."""
        try:
            record = record_of(row.record)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            self._differ(row.seq, "is not drawn, and gives no record that says why")
            return
        drawn = isinstance(record, Contribution) or (
            record.outcome in REFUSALS and self._rules.on("refusal_audits")
        )
        if drawn or hashlib.sha256(row.record.encode()).hexdigest() != row.record_sha256:
            self._differ(row.seq, "should have been drawn, or is another record than the log's")

    def _check_draws(self, row: AuditRow) -> None:
        """Compare what validators said they drew with what their secrets draw, and follow what they were shown."""
        said, doubled = set(row.drawn_by), set(row.doubled_by)
        if unknown := (said | doubled) - set(self._drawing):
            self._differ(row.seq, f"is drawn by {min(unknown)[:16]}…, no validator of this epoch")
        any_drawn = False
        for validator_id, each in self._drawing.items():
            if not each.validator.commitment or row.seq <= each.validator.from_seq:
                if validator_id in said:
                    each.fault = each.fault or "wrong_draw"
                continue
            each.seen = next_log_digest(each.seen, row.seq, row.lease_id, row.content_sha256, row.share_ppm)
            drawn = validator_id in said
            if each.secret:
                drawn = is_drawn(each.secret, row.lease_id, row.content_sha256, row.share_ppm)
                self._compare(each, row, drawn, validator_id in said, validator_id in doubled)
            any_drawn = any_drawn or drawn
        self._count.drawn += any_drawn
        is_unaudited = row.verdict is not None and row.verdict.verdict == "unaudited"
        self._count.drawn_unaudited += any_drawn and is_unaudited

    def _compare(self, each: _Drawing, row: AuditRow, drawn: bool, said: bool, doubled: bool) -> None:
        if said and not drawn:
            each.fault = each.fault or "wrong_draw"
        elif drawn and not said:
            each.fault = each.fault or "draw_missing"
        elif drawn and doubled != is_drawn(
            each.secret, row.lease_id, row.content_sha256, self._rules.doubled_ppm, "double"
        ):
            each.fault = each.fault or "wrong_draw"

    def _weigh(self, row: AuditRow, verdict: PublishedVerdict) -> None:
        """Recompute a verdict from its texts and count what each truth says about the node."""
        self._count.audited += 1
        try:
            record = record_of(verdict.record)
            truths = [record_of(truth.record) for truth in verdict.truths]
            neighbour_text(verdict)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            self._differ(row.seq, "holds a record that is none")
            return
        self._check_record(row, verdict, record)
        if verdict.neighbour is not None:
            self._check_neighbour(row, verdict.neighbour, record)
        self._expect_truths(verdict.truths, truths, record)
        if not may_rest_on(record, truths):
            self._differ(row.seq, f"rests on {len(truths)} truths")
            return
        decision = self._recompute(row, verdict, record, truths)
        speaks = verdict.verdict in ("accepted", "rejected")
        agreed = agreements(verdict, record, truths, decision)
        for truth, agrees in zip(verdict.truths, agreed, strict=True):
            self._found.add(truth.validator_id, verdict.node_id, agrees=agrees, speaks=speaks)

    def _check_record(self, row: AuditRow, verdict: PublishedVerdict, record: Submission) -> None:
        digest = hashlib.sha256(verdict.record.encode()).hexdigest()
        content = record.text_sha256 if isinstance(record, Contribution) else digest
        if (digest, content, record.lease_id) != (row.record_sha256, row.content_sha256, row.lease_id):
            self._differ(row.seq, "holds another record than the log")
        if isinstance(record, Report):
            return
        if record.contribution_id != contribution_id_for(record.lease_id, verdict.node_id):
            self._differ(row.seq, "is counted for another node than its own")
        if not is_intact(record):
            self._differ(row.seq, "holds a text of another digest")

    def _check_neighbour(self, row: AuditRow, neighbour: PublishedNeighbour, record: Submission) -> None:
        """Check that a neighbour is what the log had earlier of another page of the host.

        Of what stands in an earlier epoch only that epoch's files can tell whether it is the log's.
        """
        its_record = record_of(neighbour.record)
        is_page = isinstance(its_record, Contribution) and is_intact(its_record)
        other = its_record.url != record.url and _host(its_record) == _host(record)
        if not is_page or not other or neighbour.seq >= row.seq:
            self._differ(row.seq, "looks at a neighbour that is no earlier page of its host")
        at = (neighbour.seq - self._log.first_seq) * _DIGEST_BYTES
        if at >= 0 and self._digests[at : at + _DIGEST_BYTES] != _digest(neighbour.record):
            self._differ(row.seq, "looks at a neighbour that is not in the log")

    def _expect_truths(
        self, truths: Sequence[PublishedTruth], records: Sequence[Submission], record: Submission
    ) -> None:
        for truth, its_record in zip(truths, records, strict=True):
            if truth.validator_id not in self._drawing:
                self._differ(truth.seq, "is a truth of no validator of this epoch")
            if its_record.url != record.url:
                self._differ(truth.seq, "is a truth of another page")
            if isinstance(its_record, Contribution) and not is_intact(its_record):
                self._differ(truth.seq, "holds a text of another digest")
            if self._next_seq <= truth.seq <= self._log.last_seq:
                self._records[truth.seq] = hashlib.sha256(truth.record.encode()).hexdigest()

    def _recompute(
        self, row: AuditRow, verdict: PublishedVerdict, record: Submission, truths: Sequence[Submission]
    ) -> Decision:
        self._count.recomputed += 1
        decision = decided(self._rules, verdict, record, truths)
        if not follows(self._rules, verdict, decision, isinstance(record, Contribution)):
            self._count.mismatching += 1
            said = f"{verdict.verdict} at {verdict.similarity}"
            self._differ(row.seq, f"is {decision.kind} at {round(decision.score, 6)}, published as {said}")
        return decision

    def _differ(self, seq: int, what: str) -> None:
        self._differences.append(f"place {seq} of the log {what}")


def _host(record: Submission) -> str:
    try:
        return host_key(record.url)
    except WindrowError:
        return record.url


def _digest(record: str) -> bytes:
    return hashlib.sha256(record.encode()).digest()


def label_of(validators: Sequence[PublishedValidator], rules: TrustRules) -> str:
    """Return how far an epoch's verdicts are independent: by the operators that committed to a secret for it."""
    operators = {each.operator for each in validators if each.commitment}
    return trust_label(len(operators), rules.operators_min)
