"""From what a person picked to the donation that leaves, and the same rules checked again where it arrives.

Rules: pure; what `preview` shows is what `build_donation` sends, byte for byte; an item is named by its content and
time, so that a retry is the same donation; `check_donation` trusts nothing it can recompute.

Does not: keep, send or price anything.

Usage::

    record = page_record(page, terms)
    donation = build_donation(key, record, terms, network=…, controller_id=…, now_ms=now)
    check_donation(donation, network=…, now_ms=now)
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET, Meta, UnsetType

from extension_bridge.consent import (
    DAY_MS,
    PURPOSE,
    Consent,
    ConsentTerms,
    build_consent,
    consent_receipt_id,
    open_consent,
)
from extension_bridge.notices import Language
from extension_bridge.own_words import is_rounded, others_in, rounded_amount, strip_names, strip_others
from extension_bridge.redaction import Redacted, check_redacted, check_url, redact, redact_url
from extension_bridge.sources import RULES, Field, SourceRule
from windrow_protocol.content import normalise_text, text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, REDACTION_PASSES_MAX, TEXT_BYTES_MAX, TITLE_CHARS_MAX
from windrow_protocol.messages import TimeMs
from windrow_protocol.personal.messages import (
    PersonalContribution,
    PersonalRecord,
    Role,
    month_begins_at_ms,
    personal_contribution_id_for,
)
from windrow_protocol.signing import public_id, sign

_FIELDS: Final[tuple[Field, ...]] = ("url", "title", "text", "captured_at_ms", "role", "amount")


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the extension read from a tab after a click."""

    url: Annotated[str, Meta(min_length=1, max_length=65_536)]
    title: Annotated[str, Meta(max_length=65_536)]
    text: Annotated[str, Meta(max_length=TEXT_BYTES_MAX)]
    captured_at_ms: TimeMs


class Piece(msgspec.Struct, frozen=True):
    """What somebody may give before anything is taken out of it.

    `amount` is a sum of money as an export has it, `names` are those of people known to be meant in the words.
    """

    url: str = ""
    title: str = ""
    text: str = ""
    captured_at_ms: int = 0
    author: Role | None = None
    amount: str = ""
    names: tuple[str, ...] = ()


def item_id_for(
    source: str, url: str, title: str, digest: str, captured_at_ms: int, amount: str | UnsetType = UNSET
) -> str:
    """Return the id of one item: the same content of the same moment is the same item."""
    parts = (source, url, title.replace("\n", " "), digest, str(captured_at_ms))
    named = "\n".join(parts if amount is UNSET else (*parts, amount))
    return hashlib.sha256(f"windrow/item/{named}".encode()).hexdigest()


def page_record(page: Page, terms: ConsentTerms) -> PersonalRecord:
    """Return exactly what would leave of a page or a visit, as `record_of` has it.

    Raises as `record_of`, and WindrowError `bad_consent` for terms of anything that no browser shows.
    """
    if RULES[terms.source].by_month:
        raise WindrowError("bad_consent", f"a page is not of source {terms.source}")
    return record_of(Piece(page.url, page.title, page.text, page.captured_at_ms), terms)


def record_of(piece: Piece, terms: ConsentTerms) -> PersonalRecord:
    """Return exactly what would leave: redacted, in normal form, and no field outside the scope.

    Raises WindrowError `not_own_words` for what somebody else wrote, `empty_text`, `bad_url`, `too_large` or
    `not_redacted`.
    """
    rule, scope = RULES[terms.source], terms.scope
    if piece.author != rule.author:
        raise WindrowError("not_own_words", f"written by: {piece.author or 'not told'}")
    counts: Counter[str] = Counter()
    address = redact_url(piece.url) if "url" in scope else Redacted("", {})
    title, text = (
        _bare(strip_names(normalise_text(each), piece.names, counts), rule, counts) if field in scope else ""
        for field, each in (("title", piece.title.replace("\n", " ")), ("text", piece.text))
    )
    counts.update(address.findings)
    record = PersonalRecord(
        item_id="",
        url=address.text,
        title=_cut(title.replace("\n", " ")),
        text=text,
        text_sha256=text_sha256(text),
        captured_at_ms=_time(piece.captured_at_ms, rule) if "captured_at_ms" in scope else 0,
        redactions=dict(sorted(counts.items())),
        role=UNSET if rule.author is None or "role" not in scope else rule.author,
        amount=rounded_amount(piece.amount) or UNSET if "amount" in scope else UNSET,
    )
    if not any(getattr(record, field) for field in rule.needs):
        raise WindrowError("empty_text", "nothing of it is left to give")
    return msgspec.structs.replace(record, item_id=item_id_of(terms.source, record))


def item_id_of(source: str, record: PersonalRecord) -> str:
    """Return the id that follows from what a record holds."""
    return item_id_for(
        source, record.url, record.title, record.text_sha256, record.captured_at_ms, record.amount
    )


def _bare(text: str, rule: SourceRule, counts: Counter[str]) -> str:
    """Return a text in normal form without what others wrote, what identifies somebody, and accounts of others."""
    for _ in range(REDACTION_PASSES_MAX):  # what is taken out may leave something new standing alone
        for found in ((stripped := strip_others(text, rule)), (redacted := redact(stripped.text))):
            counts.update(found.findings)
        text = redacted.text
        if not others_in(text, rule):
            return text
    raise WindrowError("not_redacted", f"still somebody else's after {REDACTION_PASSES_MAX} passes")


def _time(at_ms: int, rule: SourceRule) -> int:
    return month_begins_at_ms(at_ms) if rule.by_month and at_ms else at_ms


def _cut(title: str) -> str:
    """Return a title that marks have made longer, within its bound and still redacted."""
    while len(title) > TITLE_CHARS_MAX or check_redacted(title):
        title = title[:TITLE_CHARS_MAX].rpartition(" ")[0]
    return title


def build_donation(
    key: Ed25519PrivateKey,
    record: PersonalRecord,
    terms: ConsentTerms,
    *,
    network: str,
    controller_id: str,
    now_ms: int,
    language: Language = "en",
    controller_contact: str = "",
) -> PersonalContribution:
    """Return the donation of one record under its signed consent. Raises WindrowError `bad_consent`."""
    node_id = public_id(key)
    consent = build_consent(
        node_id=node_id,
        controller_id=controller_id,
        network=network,
        terms=terms,
        item_ids=[record.item_id],
        given_at_ms=now_ms,
        language=language,
        controller_contact=controller_contact,
    )
    token = sign(
        key,
        network=network,
        purpose=PURPOSE,
        subject=node_id,
        now_ms=now_ms,
        life_ms=terms.retention_days * DAY_MS,
        content=consent,
    )
    return PersonalContribution(
        contribution_id=personal_contribution_id_for(node_id, [record.item_id]),
        node_id=node_id,
        source=terms.source,
        consent_receipt_id=consent_receipt_id(consent),
        consent_jws=token,
        records=[record],
    )


def check_donation(
    donation: PersonalContribution, *, network: str, now_ms: int, controller_id: str | None = None
) -> Consent:
    """Check a donation on receipt and return its consent.

    Raises what `open_consent` raises, and WindrowError `bad_consent` (items, source or fields not covered),
    `wrong_contribution_id`, `wrong_digest` or `not_redacted`.
    """
    consent = open_consent(
        donation.consent_jws,
        receipt_id=donation.consent_receipt_id,
        node_id=donation.node_id,
        network=network,
        now_ms=now_ms,
    )
    if controller_id is not None and consent.pii_controller_id != controller_id:
        raise WindrowError("bad_consent", "it was given to another controller")
    item_ids = [record.item_id for record in donation.records]
    if sorted(item_ids) != sorted(consent.item_ids) or len(set(item_ids)) != len(item_ids):
        raise WindrowError("bad_consent", "it names other items")
    if donation.source != consent.source:
        raise WindrowError("bad_consent", f"it is for {consent.source}, not for {donation.source}")
    if donation.contribution_id != personal_contribution_id_for(donation.node_id, item_ids):
        raise WindrowError("wrong_contribution_id", donation.contribution_id)
    for record in donation.records:
        _check_record(record, consent)
    return consent


def _check_record(record: PersonalRecord, consent: Consent) -> None:
    rule = RULES[consent.source]
    for field in _FIELDS:
        if (value := getattr(record, field)) is not UNSET and value and field not in consent.scope:
            raise WindrowError("bad_consent", f"`{field}` is outside its scope")
    if record.captured_at_ms > consent.given_at_ms + CLOCK_SKEW_MS_MAX:
        raise WindrowError("bad_consent", "the page is younger than the consent")
    if record.text_sha256 != text_sha256(record.text) or record.item_id != item_id_of(consent.source, record):
        raise WindrowError("wrong_digest", "`text_sha256` or `item_id` is not that of the content")
    if not any(getattr(record, field) for field in rule.needs):
        raise WindrowError("empty_text", record.item_id)
    _check_author(record, rule)
    _check_exactness(record, rule)
    left = {*check_redacted(record.text), *check_redacted(record.title), *check_url(record.url)}
    if left or record.text != normalise_text(record.text):
        raise WindrowError("not_redacted", ", ".join(sorted(left)) or "the text is not in normal form")


def _check_author(record: PersonalRecord, rule: SourceRule) -> None:
    role = None if record.role is UNSET else record.role
    if role != rule.author:
        raise WindrowError("not_own_words", f"written by: {role or 'not told'}")
    others = {*others_in(record.text, rule), *others_in(record.title, rule)}
    if others:
        raise WindrowError("not_own_words", ", ".join(sorted(others)))


def _check_exactness(record: PersonalRecord, rule: SourceRule) -> None:
    if record.captured_at_ms != _time(record.captured_at_ms, rule):
        raise WindrowError("too_exact", "`captured_at_ms` is not the beginning of a month")
    if record.amount is not UNSET and not is_rounded(record.amount):
        raise WindrowError("too_exact", "`amount` is not rounded to its first digit")
