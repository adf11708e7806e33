"""From a page a person picked to the donation that leaves, and the same rules checked again where it arrives.

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
from typing import Annotated, Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from extension_bridge.consent import (
    DAY_MS,
    PURPOSE,
    Consent,
    ConsentTerms,
    build_consent,
    consent_receipt_id,
    open_consent,
)
from extension_bridge.redaction import check_redacted, check_url, redact, redact_url
from windrow_protocol.content import normalise_text, text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, TEXT_BYTES_MAX, TITLE_CHARS_MAX
from windrow_protocol.messages import TimeMs
from windrow_protocol.personal_messages import (
    PersonalContribution,
    PersonalRecord,
    personal_contribution_id_for,
)
from windrow_protocol.signing import public_id, sign

WITHOUT_TEXT: Final[frozenset[str]] = frozenset({"browser_history"})  # an address and a title are the item


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the extension read from a tab after a click."""

    url: Annotated[str, Meta(min_length=1, max_length=65_536)]
    title: Annotated[str, Meta(max_length=65_536)]
    text: Annotated[str, Meta(max_length=TEXT_BYTES_MAX)]
    captured_at_ms: TimeMs


def item_id_for(source: str, url: str, title: str, digest: str, captured_at_ms: int) -> str:
    """Return the id of one item: the same content of the same moment is the same item."""
    parts = "\n".join((source, url, title.replace("\n", " "), digest, str(captured_at_ms)))
    return hashlib.sha256(f"windrow/item/{parts}".encode()).hexdigest()


def page_record(page: Page, terms: ConsentTerms) -> PersonalRecord:
    """Return exactly what would leave: redacted, in normal form, and no field outside the scope.

    Raises WindrowError `empty_text`, `bad_url`, `too_large` or `not_redacted`.
    """
    counts: Counter[str] = Counter()
    url = title = ""
    if "url" in terms.scope:
        address = redact_url(page.url)
        url = address.text
        counts.update(address.findings)
    if "title" in terms.scope:
        heading = redact(normalise_text(page.title).replace("\n", " "))
        title = _cut(heading.text)
        counts.update(heading.findings)
    body = redact(normalise_text(page.text)) if "text" in terms.scope else None
    text = body.text if body else ""
    counts.update(body.findings if body else {})
    if not text and not (terms.source in WITHOUT_TEXT and (url or title)):
        raise WindrowError("empty_text", "nothing of this page is left to give")
    captured_at_ms = page.captured_at_ms if "captured_at_ms" in terms.scope else 0
    digest = text_sha256(text)
    return PersonalRecord(
        item_id=item_id_for(terms.source, url, title, digest, captured_at_ms),
        url=url,
        title=title,
        text=text,
        text_sha256=digest,
        captured_at_ms=captured_at_ms,
        redactions=dict(sorted(counts.items())),
    )


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
    language: Literal["en", "de"] = "en",
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
    for field in ("url", "title", "text", "captured_at_ms"):
        if getattr(record, field) and field not in consent.scope:
            raise WindrowError("bad_consent", f"`{field}` is outside its scope")
    if record.captured_at_ms > consent.given_at_ms + CLOCK_SKEW_MS_MAX:
        raise WindrowError("bad_consent", "the page is younger than the consent")
    item_id = item_id_for(consent.source, record.url, record.title, record.text_sha256, record.captured_at_ms)
    if record.text_sha256 != text_sha256(record.text) or record.item_id != item_id:
        raise WindrowError("wrong_digest", "`text_sha256` or `item_id` is not that of the content")
    if not record.text and not (consent.source in WITHOUT_TEXT and (record.url or record.title)):
        raise WindrowError("empty_text", record.item_id)
    left = {*check_redacted(record.text), *check_redacted(record.title), *check_url(record.url)}
    if left or record.text != normalise_text(record.text):
        raise WindrowError("not_redacted", ", ".join(sorted(left)) or "the text is not in normal form")
