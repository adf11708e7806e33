"""One month of one person's history as a job, its judgement as a result, and the seals that tie the two together.

    job  ── nonce, person, month, digest of the donations ──▶  judge  ──▶  result with the same four, signed

Rules: pure. A result counts for the job whose nonce it carries, about exactly the donations that the job names, and
once. A donation that is not what its id says, or is of somebody else's node, is no part of any month. What is counted
are items with a time and an address, up to a full month; bytes never count. What others were paid for parts of the
same stream is taken off.

Does not: read donations, keep anything, or pay (`months`, `pay`).

Usage::

    judged = judge(job, donations, key=key, known=known)
    token = seal(judged.result, sign)
    result = open_result(token, job, signer=…, network=…, now_ms=now)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from extension_bridge.donation import item_id_for
from rewards.personal.history_doubts import Moment
from rewards.personal.history_fingerprints import fingerprints, genuine_months
from rewards.personal.month_breadth import breadth_ppm, pack_spans, spans_of
from windrow_protocol.content import text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HISTORY_ITEMS_MIN
from windrow_protocol.personal.messages import (
    PersonalContribution,
    month_of,
    personal_contribution_id_for,
    visits_in,
)
from windrow_protocol.signing import verify
from windrow_protocol.trust_rules import PPM

PURPOSE: Final = "person_month"  # of the signature
Known = Callable[[AbstractSet[bytes]], set[bytes]]


class MonthJob(msgspec.Struct, frozen=True):
    """What is to be judged. `donations` are ids; `target_sha256` names exactly these, for this person and month."""

    job_id: str
    nonce: str
    person: str
    payout_address: str
    month: str
    donations: tuple[str, ...]
    asked_at_ms: int

    @property
    def target_sha256(self) -> str:
        """The digest that a result must carry."""
        return target_sha256(self.person, self.month, self.donations)


class MonthResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found. `marks_sha256` names the digests and spans that the month leaves; none where it is refused.

    `share_ppm` is the part of a full month that it is paid as, in millionths.
    """

    job_id: str
    nonce: str
    target_sha256: str
    verdict: Literal["genuine", "refused"]
    reason: str
    check_name: str
    items: int
    marks_sha256: str
    decided_at_ms: int
    share_ppm: int = PPM


@dataclass(frozen=True)
class Judged:
    """A result, and what is kept with it so that nobody is paid for the same again: keyed digests, packed spans."""

    result: MonthResult
    marks: frozenset[bytes]
    spans: bytes = b""


def target_sha256(person: str, month: str, donations: Iterable[str]) -> str:
    """Return the digest that names a set of donations of one person and month."""
    named = "\n".join(("windrow/person_month", person, month, *sorted(donations)))
    return hashlib.sha256(named.encode()).hexdigest()


def marks_sha256(marks: Iterable[bytes], spans: bytes = b"") -> str:
    """Return the digest that names what a month leaves."""
    return hashlib.sha256(b"".join(sorted(marks)) + spans).hexdigest()


def judge(
    job: MonthJob,
    donations: Sequence[PersonalContribution],
    *,
    key: bytes,
    known: Known,
    now_ms: int,
    paid_part: Callable[[int], int] = lambda _: 0,
) -> Judged:
    """Judge a month. `known` returns those of some digests that were paid before.

    `paid_part` returns how many millionths of a month others were paid for parts of the stream that has these spans.
    Times are held against the moment of asking, so that the same job is judged the same later.
    """
    moments = _moments(job, donations)
    if len(moments) < HISTORY_ITEMS_MIN:
        return _refused(job, "too_few_items", "", len(moments), now_ms)
    marks = fingerprints(key, moments)
    doubts = genuine_months(moments, key=key, seen=known(marks), now_ms=job.asked_at_ms)[job.month]
    if doubts:
        codes = sorted(doubt.code for doubt in doubts)
        reason = "given_before" if "given_before" in codes else "looks_made"
        return _refused(job, reason, ",".join(codes), len(moments), now_ms)
    spans = spans_of(moments, job.month)
    share_ppm = min(breadth_ppm(moments), PPM - paid_part(spans))
    if share_ppm <= 0:
        return _refused(job, "given_before", "same_stream", len(moments), now_ms)
    return _genuine(job, len(moments), share_ppm, marks, pack_spans(spans), now_ms)


def _moments(job: MonthJob, donations: Sequence[PersonalContribution]) -> list[Moment]:
    """Return what counts of some donations, each once."""
    return [
        Moment(record.captured_at_ms, record.url)
        for donation in {each.contribution_id: each for each in donations}.values()
        if donation.contribution_id in job.donations and _is_whole(donation)
        for record in visits_in(donation)
        if month_of(record.captured_at_ms) == job.month
    ]


def seal(result: MonthResult, sign: Callable[[str, str, dict[str, Any]], str]) -> str:
    """Return a result signed: `sign(purpose, subject, content)`."""
    return sign(PURPOSE, result.job_id, msgspec.structs.asdict(result))


def open_result(token: str, job: MonthJob, *, signer: str, network: str, now_ms: int) -> MonthResult:
    """Return a result that was made for exactly this job.

    Raises what `signing.verify` raises, `wrong_schema`, and `wrong_target` for another job, nonce or set of donations.
    """
    statement = verify(
        token, signer=signer, network=network, purpose=PURPOSE, subject=job.job_id, now_ms=now_ms
    )
    try:
        result = msgspec.convert(statement.content, MonthResult)
    except msgspec.ValidationError as error:
        raise WindrowError("wrong_schema", str(error)) from error
    told = (result.job_id, result.nonce, result.target_sha256)
    if told != (job.job_id, job.nonce, job.target_sha256):
        raise WindrowError("wrong_target", job.job_id)
    return result


def _is_whole(donation: PersonalContribution) -> bool:
    """Say whether a donation's id follows from its items, and those from what they hold."""
    ids = [record.item_id for record in donation.records]
    items = (
        record.text_sha256 == text_sha256(record.text)
        and record.item_id
        == item_id_for(donation.source, record.url, record.title, record.text_sha256, record.captured_at_ms)
        for record in donation.records
    )
    return donation.contribution_id == personal_contribution_id_for(donation.node_id, ids) and all(items)


def _genuine(
    job: MonthJob, items: int, share_ppm: int, marks: frozenset[bytes], spans: bytes, now_ms: int
) -> Judged:
    result = MonthResult(
        job_id=job.job_id,
        nonce=job.nonce,
        target_sha256=job.target_sha256,
        verdict="genuine",
        reason=PURPOSE,
        check_name="",
        items=items,
        marks_sha256=marks_sha256(marks, spans),
        decided_at_ms=now_ms,
        share_ppm=share_ppm,
    )
    return Judged(result, marks, spans)


def _refused(job: MonthJob, reason: str, check_name: str, items: int, now_ms: int) -> Judged:
    result = MonthResult(
        job_id=job.job_id,
        nonce=job.nonce,
        target_sha256=job.target_sha256,
        verdict="refused",
        reason=reason,
        check_name=check_name,
        items=items,
        marks_sha256=marks_sha256(()),
        decided_at_ms=now_ms,
        share_ppm=0,
    )
    return Judged(result, frozenset())
