"""Repeats an audit epoch from its published files alone, on anybody's machine.

    header.jws        signed by the coordinator, names the digests of the other two
    header.json       each validator's commitment and reveal signed by itself, the secret the one committed to
    audits.ndjson.zst every place of the log, under heads that lead from the first to the last; every draw what the
                      secrets draw; every entry one that each validator signed it was shown; every verdict what its
                      texts give
    together          the counts, what was found about nodes, and the dividends

Rules: nothing is believed that can be recomputed, and nothing is asked of anybody. The first thing that does not follow
is named. A truth fetched after the epoch had ended stands under the heads of the next epoch's files. Whose key signs is
the reader's to know: `coordinator_id` is compared when it is given.

Does not: need the house, a database or a network, or say whether validators told the truth about the web.

Usage: `replayed = replay(Path("audits/7"), coordinator_id="9f…")`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import msgspec

from aggregator.verification.drawing.audit_epochs import known_rules
from aggregator.verification.drawing.draws import Signed
from aggregator.verification.epochs.audit_files import folder_digest, read_rows
from aggregator.verification.epochs.audit_rows import (
    AUDITS,
    HEADER,
    PURPOSE,
    SIGNED,
    Header,
    PublishedDividend,
    PublishedValidator,
    header_bytes,
)
from aggregator.verification.epochs.epoch_fold import EpochFold, Folded, Range, label_of
from windrow_protocol.audit_draw import commitment_of
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX
from windrow_protocol.messages import AuditCommitment, AuditReveal, decode_json
from windrow_protocol.signing import Statement, verify
from windrow_protocol.trust_rules import TrustRules

T = TypeVar("T")


class Replayed(msgspec.Struct, frozen=True):
    """What was recomputed. `digest` is over the three files; `first_difference` is empty when all follows."""

    epoch: int
    entries: int
    drawn: int
    drawn_unaudited: int
    audited: int
    verdicts_recomputed: int
    mismatching: int
    dividends: list[PublishedDividend]
    trust: str
    coordinator_id: str
    digest: str
    ok: bool
    first_difference: str = ""


def replay(folder: Path, coordinator_id: str = "", epoch_id: int | None = None) -> Replayed:
    """Recompute everything and return what came out; what cannot even be read is a difference too."""
    header, folded, digest = None, None, ""
    try:
        digests, digest = folder_digest(folder)
        header = _signed_header(folder, digests, coordinator_id, epoch_id)
        rules = _rules(header)
        ids = [validator.validator_id for validator in header.validators]
        if ids != sorted(set(ids)):
            raise _differs(f"{HEADER} names a validator twice")
        for validator in header.validators:
            _check_validator(header, validator)
        log = Range(header.epoch_id, header.first_seq, header.last_seq, header.first_head)
        fold = EpochFold(log, header.validators, rules)
        for row in read_rows(folder):
            fold.add(row)
        folded = fold.result()
        _compare(header, rules, folded)
    except WindrowError as error:
        return _told(header, folded, digest, error.detail or str(error))
    return _told(header, folded, digest, "")


def _told(header: Header | None, folded: Folded | None, digest: str, difference: str) -> Replayed:
    return Replayed(
        epoch=header.epoch_id if header else 0,
        entries=folded.entries if folded else 0,
        drawn=folded.drawn if folded else 0,
        drawn_unaudited=folded.drawn_unaudited if folded else 0,
        audited=folded.audited if folded else 0,
        verdicts_recomputed=folded.verdicts_recomputed if folded else 0,
        mismatching=folded.mismatching if folded else 0,
        dividends=_dividends(folded) if folded else [],
        trust=header.trust if header else "",
        coordinator_id=header.coordinator_id if header else "",
        digest=digest,
        ok=not difference,
        first_difference=difference,
    )


def _signed_header(
    folder: Path, digests: dict[str, str], coordinator_id: str, epoch_id: int | None
) -> Header:
    """Return the header that the coordinator signed, with the digests of the other files checked."""
    data, token = (folder / HEADER).read_bytes(), _canonical((folder / SIGNED).read_bytes())
    try:
        header = msgspec.json.decode(data, type=Header)
        issued_at_ms = _payload(token).issued_at_ms
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise _differs(f"{HEADER} or {SIGNED}: {str(error)[:200]}") from error
    if coordinator_id and header.coordinator_id != coordinator_id:
        raise _differs(f"{HEADER} is by coordinator {header.coordinator_id[:16]}…, not by the one expected")
    if epoch_id is not None and header.epoch_id != epoch_id:
        raise _differs(f"{HEADER} is of epoch {header.epoch_id}")
    statement = verify(
        token,
        signer=header.coordinator_id,
        network=header.network,
        purpose=PURPOSE,
        subject=str(header.epoch_id),
        now_ms=issued_at_ms,
    )
    signed = {
        "epoch_id": header.epoch_id,
        "header_sha256": digests[HEADER],
        "audits_sha256": digests[AUDITS],
    }
    if statement.content != signed or header.audits_sha256 != digests[AUDITS]:
        raise _differs(f"{SIGNED} names other digests than those of {HEADER} and {AUDITS}")
    if data != header_bytes(header):
        raise _differs(f"{HEADER} is not written as it is published")
    return header


def _check_validator(header: Header, validator: PublishedValidator) -> None:
    """Check that a validator signed its commitment and its reveal, and that the secret is the one committed to."""
    name = f"validator {validator.validator_id[:16]}…"
    if not validator.commitment:
        if validator.secret or validator.committed or validator.revealed:
            raise _differs(f"{name} revealed without a commitment")
        return
    if validator.committed is None:
        raise _differs(f"{name} did not sign its commitment")
    said, at_ms = _statement(header, validator, validator.committed, "audit_commitment", AuditCommitment)
    if (said.epoch_id, said.commitment) != (header.epoch_id, validator.commitment):
        raise _differs(f"{name} signed another commitment")
    if at_ms > header.ended_at_ms + CLOCK_SKEW_MS_MAX:
        raise _differs(f"{name} committed after the epoch had ended")
    if not validator.secret:
        if validator.revealed:
            raise _differs(f"{name} revealed, but its secret is not published")
        return
    if validator.revealed is None:
        raise _differs(f"{name} did not sign its reveal")
    if commitment_of(bytes.fromhex(validator.secret)) != validator.commitment:
        raise _differs(f"{name} revealed another secret than it committed to")
    reveal, _ = _statement(header, validator, validator.revealed, "audit_reveal", AuditReveal)
    seen = (reveal.epoch_id, reveal.secret, reveal.last_seq, reveal.head)
    if seen != (header.epoch_id, validator.secret, header.last_seq, header.last_head):
        raise _differs(f"{name} signed another secret or another end of the log")


def _statement(
    header: Header, validator: PublishedValidator, signed: Signed, purpose: str, kind: type[T]
) -> tuple[T, int]:
    """Return what a validator signed and when."""
    issued_at_ms = _payload(_canonical(signed.jws.encode())).issued_at_ms
    statement = verify(
        signed.jws,
        signer=validator.validator_id,
        network=header.network,
        purpose=purpose,
        subject=validator.validator_id,
        now_ms=issued_at_ms,
    )
    if statement.content_sha256 != hashlib.sha256(signed.body.encode()).hexdigest():
        raise _differs(f"validator {validator.validator_id[:16]}… signed another {purpose}")
    return decode_json(signed.body.encode(), kind), issued_at_ms


def _compare(header: Header, rules: TrustRules, folded: Folded) -> None:
    """Compare what the header says with what the lines add up to."""
    if folded.differences:
        raise _differs(folded.differences[0])
    for validator in header.validators:
        if validator.revealed is None:
            continue
        reveal = decode_json(validator.revealed.body.encode(), AuditReveal)
        if reveal.log_sha256 != folded.seen[validator.validator_id]:
            raise _differs(
                f"validator {validator.validator_id[:16]}… was shown other entries than are published"
            )
    recomputed = {
        "last_head": folded.last_head,
        "entries": folded.entries,
        "drawn": folded.drawn,
        "audited": folded.audited,
        "found": folded.found,
        "dividends": _dividends(folded),
        "trust": label_of(header.validators, rules),
    }
    for name, value in recomputed.items():
        if getattr(header, name) != value:
            raise _differs(f"{HEADER} says {name} is {_short(getattr(header, name))}, not {_short(value)}")


def _dividends(folded: Folded) -> list[PublishedDividend]:
    return [PublishedDividend(**asdict(each)) for each in folded.dividends]


def _rules(header: Header) -> TrustRules:
    try:
        return known_rules(header.rules)
    except (msgspec.ValidationError, ValueError) as error:
        raise _differs(f"the rules of {HEADER}: {error}") from error


def _canonical(token: bytes) -> str:
    """Return a token whose every part is written in the one way base64url has, so that no byte of it may vary."""
    try:
        text = token.decode("ascii")
        parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in text.split(".")]
    except (UnicodeDecodeError, binascii.Error, ValueError) as error:
        raise _differs("a signature is no JWS") from error
    if ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) != text:
        raise _differs("a signature is not written as JWS are")
    return text


def _payload(token: str) -> Statement:
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=Statement)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise _differs("a signature holds no statement") from error


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _differs(what: str) -> WindrowError:
    return WindrowError("replay_differs", what)
