"""The consent receipt: what a person allowed, in words they saw, as a record that either side can prove.

Rules: one receipt names one source, exact items, the fields that leave, one purpose, the retention and the price rule,
and the digest of the notice that was shown. Its id is the digest of its canonical JSON; the node key signs it as JWS
(purpose `consent`). Nothing is implied: a field that is not in `scope` must not be in a record.

Does not: ask the person (the extension does), keep receipts (see `outbox`), or sign.

Usage::

    consent = build_consent(node_id=…, controller_id=…, network=…, terms=ConsentTerms(), item_ids=[…], given_at_ms=now)
    receipt_id = consent_receipt_id(consent)

What the standard asks for beyond that stands in each receipt too (`consent_record`); receipts of before stay valid.

Source: ISO/IEC TS 27560:2023 (consent record structure), JSON-LD 1.1, W3C Data Privacy Vocabulary.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from joserfc.util import urlsafe_b64decode
from msgspec import UNSET, Meta, UnsetType

from extension_bridge.consent_record import (
    PARTS,
    Party,
    Processing,
    RecordEvent,
    RecordId,
    agrees,
    record_parts,
)
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, CONSENT_ITEMS_MAX, CONSENT_RETENTION_DAYS_MAX
from windrow_protocol.messages import Hex64, TimeMs
from windrow_protocol.signing import Statement, verify

DAY_MS: Final = 86_400_000
PURPOSE: Final = "consent"  # of the signature
CONTEXT_BEFORE: Final = {  # of receipts without the parts of `consent_record`; they stay valid
    "@vocab": "urn:windrow:consent:",
    "dpv": "https://w3id.org/dpv#",
    "ConsentRecord": "dpv:ConsentRecord",
    "pii_principal_id": "dpv:hasDataSubject",
    "pii_controller_id": "dpv:hasDataController",
    "lawful_basis": "dpv:hasLegalBasis",
    "scope": "dpv:hasPersonalData",
    "purpose": "dpv:hasPurpose",
    "retention_days": "dpv:hasStorageCondition",
}
CONTEXT: Final = CONTEXT_BEFORE | {
    "dct": "http://purl.org/dc/terms/",
    "schema_version": "dct:conformsTo",
    "record_id": "dct:identifier",
    "pii_processing": "dpv:hasProcess",
    "privacy_notice": "dpv:hasNotice",
    "language": "dct:language",
    "purposes": "dpv:hasPurpose",
    "service": "dpv:hasService",
    "pii_information": "dpv:hasPersonalData",
    "pii_attribute_id": "dct:identifier",
    "pii_optional": "dpv:hasNecessity",
    "pii_controllers": "dpv:hasDataController",
    "collection_method": "dpv:hasDataSource",
    "processing_method": "dpv:hasProcessing",
    "storage_locations": "dpv:hasStorageCondition",
    "retention_period": "dpv:hasStorageCondition",
    "processing_locations": "dpv:hasProcessingCondition",
    "geographic_restrictions": "dpv:hasRule",
    "jurisdiction": "dpv:hasJurisdiction",
    "recipient_third_parties": "dpv:hasRecipient",
    "withdrawal_method": "dpv:hasConsentControl",
    "privacy_rights": "dpv:hasRight",
    "codes_of_conduct": "dpv:hasOrganisationalMeasure",
    "impact_assessment": "dpv:hasAssessment",
    "event_history": "dpv:hasConsentStatus",
}
LIMITS_OF_WITHDRAWAL: Final = (
    "Withdrawal stops every future use, drops the items from the next version of each dataset and lists them as "
    "removed. Copies already sold cannot be called back; their buyers are bound to apply the list of removals. A keyed "
    "fingerprint, from which nothing can be read, stays for twelve months so that nobody else can sell the same."
)

Source = Literal["browser_page", "browser_history"]
Field = Literal["url", "title", "text", "captured_at_ms"]
Purpose = Literal["model_training"]
Days = Annotated[int, Meta(ge=1, le=CONSENT_RETENTION_DAYS_MAX)]
ALL_FIELDS: Final[tuple[Field, ...]] = ("url", "title", "text", "captured_at_ms")


class ConsentTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person is asked to agree to."""

    source: Source = "browser_page"
    scope: Annotated[list[Field], Meta(min_length=1, max_length=4)] = msgspec.field(
        default_factory=lambda: list(ALL_FIELDS)
    )
    purpose: Purpose = "model_training"
    retention_days: Days = 365


class ConsentEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step in a consent's life."""

    state: Literal["given"]
    at_ms: TimeMs


class Consent(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"context": "@context", "type": "@type"},
):
    """A consent receipt as it is signed."""

    context: dict[str, str]
    type: Literal["ConsentRecord"]
    schema_version: Literal["ISO/IEC TS 27560:2023"]
    network: str
    pii_principal_id: Hex64
    pii_controller_id: Hex64
    lawful_basis: Literal["consent"]
    source: Source
    item_ids: Annotated[list[Hex64], Meta(min_length=1, max_length=CONSENT_ITEMS_MAX)]
    scope: Annotated[list[Field], Meta(min_length=1, max_length=4)]
    purpose: Purpose
    retention_days: Days
    price_rule: Literal["share_of_sales"]
    notice_language: Literal["en", "de"]
    notice_sha256: Hex64
    withdrawal_method: Literal["bridge"]
    withdrawal_limits: str
    given_at_ms: TimeMs
    expires_at_ms: TimeMs
    events: Annotated[list[ConsentEvent], Meta(min_length=1, max_length=1)]
    record_id: RecordId | UnsetType = UNSET
    pii_processing: Processing | UnsetType = UNSET
    party_identification: Annotated[list[Party], Meta(min_length=2, max_length=2)] | UnsetType = UNSET
    event_history: Annotated[list[RecordEvent], Meta(min_length=1, max_length=1)] | UnsetType = UNSET


def build_consent(
    *,
    node_id: str,
    controller_id: str,
    network: str,
    terms: ConsentTerms,
    item_ids: Sequence[str],
    given_at_ms: int,
    language: Literal["en", "de"] = "en",
    controller_contact: str = "",
) -> dict[str, Any]:
    """Return the receipt as JSON-LD; `controller_contact` as `record_parts` has it.

    Raises WindrowError `bad_consent` when the terms or items are out of bounds."""
    receipt = {
        "@context": CONTEXT,
        "@type": "ConsentRecord",
        "schema_version": "ISO/IEC TS 27560:2023",
        "network": network,
        "pii_principal_id": node_id,
        "pii_controller_id": controller_id,
        "lawful_basis": "consent",
        "source": terms.source,
        "item_ids": sorted(item_ids),
        "scope": sorted(set(terms.scope)),
        "purpose": terms.purpose,
        "retention_days": terms.retention_days,
        "price_rule": "share_of_sales",
        "notice_language": language,
        "notice_sha256": hashlib.sha256(consent_notice(terms, language).encode()).hexdigest(),
        "withdrawal_method": "bridge",
        "withdrawal_limits": LIMITS_OF_WITHDRAWAL,
        "given_at_ms": given_at_ms,
        "expires_at_ms": given_at_ms + terms.retention_days * DAY_MS,
        "events": [{"state": "given", "at_ms": given_at_ms}],
    }
    _converted(receipt)
    return receipt | record_parts(receipt, controller_contact)


def consent_receipt_id(consent: Mapping[str, Any]) -> str:
    """Return the digest that names a receipt: of its JSON with sorted keys and no blanks (RFC 8785 for our types)."""
    canonical = json.dumps(consent, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def open_consent(token: str, *, receipt_id: str, node_id: str, network: str, now_ms: int) -> Consent:
    """Check a signed receipt and return it.

    Raises what `signing.verify` raises, and WindrowError `bad_consent` when it is not what it is called, was made for
    somebody else, or its times do not agree.
    """
    statement = verify(
        token, signer=node_id, network=network, purpose=PURPOSE, now_ms=now_ms, subject=node_id
    )
    content = statement.content or {}
    if consent_receipt_id(content) != receipt_id:
        raise WindrowError("bad_consent", "`consent_receipt_id` is not the digest of the receipt")
    consent = _converted(content)
    if consent.pii_principal_id != node_id or consent.network != network:
        raise WindrowError("bad_consent", "it was given by another node, or on another network")
    if not _is_whole(content, consent.context):
        raise WindrowError("bad_consent", "it is of no known form, or says two things")
    lasts_until_ms = consent.given_at_ms + consent.retention_days * DAY_MS
    timely = abs(consent.given_at_ms - statement.issued_at_ms) <= CLOCK_SKEW_MS_MAX
    if not timely or consent.expires_at_ms != lasts_until_ms or lasts_until_ms < now_ms:
        raise WindrowError("bad_consent", "its times do not agree, or it has ended")
    return consent


def _is_whole(content: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """Say whether a receipt has all parts of its form, and these agree; older receipts have fewer."""
    there = PARTS & content.keys()
    if context == CONTEXT_BEFORE:
        return not there
    return context == CONTEXT and there == PARTS and agrees(content)


def consent_ends_at_ms(token: str) -> int:
    """Return when a signed receipt of this very device ends; the signature is not looked at."""
    return msgspec.json.decode(urlsafe_b64decode(token.split(".")[1].encode()), type=Statement).expires_at_ms


def _converted(receipt: Mapping[str, Any]) -> Consent:
    try:
        return msgspec.convert(receipt, Consent)
    except msgspec.ValidationError as error:
        raise WindrowError("bad_consent", str(error)) from error


_NOTICE: Final = {
    "en": (
        "You give {item} to Windrow: {fields}. It is used for one purpose: {purpose}. "
        "It is kept for {days} days at most, then deleted. {pay} "
        "You can withdraw at any time: future use stops at once and it is dropped from the next version of each "
        "dataset. Copies already sold cannot be called back."
    ),
    "de": (
        "Sie geben {item} an Windrow: {fields}. Das wird nur für einen Zweck verwendet: {purpose}. "
        "Es wird höchstens {days} Tage aufbewahrt und dann gelöscht. {pay} "
        "Sie können jederzeit widerrufen: Die künftige Verwendung endet sofort, und es fehlt in der nächsten "
        "Fassung jedes Datensatzes. Schon verkaufte Kopien lassen sich nicht zurückholen."
    ),
}
_PAY: Final = {
    "en": {
        "browser_page": "A page by itself earns nothing.",
        "browser_history": "As part of a month it earns a share of what the month is sold for, never per byte.",
    },
    "de": {
        "browser_page": "Eine einzelne Seite bringt Ihnen kein Geld.",
        "browser_history": "Als Teil eines Monats bringt er einen Anteil am Verkauf, nie je Byte.",
    },
}
_WORDS: Final = {
    "en": {
        "browser_page": "this page",
        "browser_history": "this visit of your history",
        "url": "its address",
        "title": "its title",
        "text": "its text as you see it",
        "captured_at_ms": "the time you opened it",
        "model_training": "training and testing AI models",
    },
    "de": {
        "browser_page": "diese Seite",
        "browser_history": "diesen Besuch aus Ihrem Verlauf",
        "url": "ihre Adresse",
        "title": "ihren Titel",
        "text": "ihren Text, wie Sie ihn sehen",
        "captured_at_ms": "den Zeitpunkt des Öffnens",
        "model_training": "das Trainieren und Prüfen von KI-Modellen",
    },
}


def consent_notice(terms: ConsentTerms, language: Literal["en", "de"] = "en") -> str:
    """Return the words a person agrees to; the receipt carries their digest."""
    words = _WORDS[language]
    fields = ", ".join(words[field] for field in ALL_FIELDS if field in terms.scope)
    return _NOTICE[language].format(
        item=words[terms.source],
        fields=fields,
        purpose=words[terms.purpose],
        days=terms.retention_days,
        pay=_PAY[language][terms.source],
    )
