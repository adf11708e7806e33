"""The consent receipt: what a person allowed, in words they saw, as a record that either side can prove.

Rules: one receipt names one source, exact items, the fields that leave (of those of its source), one purpose, the
retention, the price rule, and version and digest of the notice that was shown. Its id is the digest of its canonical
JSON; the node key signs it as JWS (purpose `consent`). Nothing is implied: a field that is not in `scope` must not be
in a record.

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
from extension_bridge.notices import NOTICE_VERSION, Language, notice_of
from extension_bridge.sources import BROWSER_FIELDS, RULES, Field, PriceRule, Source
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
LIMITS_OF_WITHDRAWAL: Final[dict[Language, str]] = {
    "en": (
        "Withdrawal stops every future use, drops the items from the next version of each dataset and lists them as "
        "removed. Copies already sold cannot be called back; their buyers are bound to apply the list of removals. A "
        "keyed fingerprint, from which nothing can be read, stays for twelve months: for long texts of yours and many "
        "items given together it keeps everybody else from selling the same; for a page or a short item it does not."
    ),
    "de": (
        "Der Widerruf beendet jede künftige Verwendung, nimmt die Einträge aus der nächsten Fassung jedes Datensatzes "
        "und führt sie als entfernt auf. Schon verkaufte Kopien lassen sich nicht zurückholen; ihre Käufer müssen die "
        "Liste der Entfernungen anwenden. Ein verschlüsselter Fingerabdruck, aus dem sich nichts lesen lässt, bleibt "
        "zwölf Monate: Bei langen Texten von Ihnen und vielen zusammen gegebenen Einträgen hindert er alle anderen, "
        "dasselbe zu verkaufen; bei einer Seite oder einem kurzen Eintrag nicht."
    ),
}

Purpose = Literal["model_training"]
Days = Annotated[int, Meta(ge=1, le=CONSENT_RETENTION_DAYS_MAX)]
Scope = Annotated[list[Field], Meta(min_length=1, max_length=4)]


class ConsentTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person is asked to agree to."""

    source: Source = "browser_page"
    scope: Scope = msgspec.field(default_factory=lambda: list(BROWSER_FIELDS))
    purpose: Purpose = "model_training"
    retention_days: Days = 365


def terms_of(source: Source, retention_days: int = 365) -> ConsentTerms:
    """Return the terms under which everything of a source leaves that may."""
    return ConsentTerms(source=source, scope=list(RULES[source].fields), retention_days=retention_days)


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
    scope: Scope
    purpose: Purpose
    retention_days: Days
    price_rule: PriceRule
    notice_language: Language
    notice_sha256: Hex64
    withdrawal_method: Literal["bridge"]
    withdrawal_limits: str
    given_at_ms: TimeMs
    expires_at_ms: TimeMs
    events: Annotated[list[ConsentEvent], Meta(min_length=1, max_length=1)]
    notice_version: Annotated[int, Meta(ge=2, le=NOTICE_VERSION)] | UnsetType = UNSET
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
    language: Language = "en",
    controller_contact: str = "",
) -> dict[str, Any]:
    """Return the receipt as JSON-LD; `controller_contact` as `record_parts` has it.

    Raises WindrowError `bad_consent` when the terms or items are out of bounds, or ask for a field that does not leave.
    """
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
        "price_rule": RULES[terms.source].price,
        "notice_language": language,
        "notice_sha256": notice_sha256(terms, language),
        "notice_version": NOTICE_VERSION,
        "withdrawal_method": "bridge",
        "withdrawal_limits": LIMITS_OF_WITHDRAWAL[language],
        "given_at_ms": given_at_ms,
        "expires_at_ms": given_at_ms + terms.retention_days * DAY_MS,
        "events": [{"state": "given", "at_ms": given_at_ms}],
    }
    _require_allowed(_converted(receipt))
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
    _require_allowed(consent)
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


def _require_allowed(consent: Consent) -> None:
    """Refuse fields that leave under no consent of a source, and words that are not those of the version named.

    What has no version is from before there were other sources than the browser.
    """
    rule = RULES[consent.source]
    fields = BROWSER_FIELDS if consent.notice_version is UNSET else rule.fields
    beyond = sorted(set(consent.scope) - set(fields))
    if beyond:
        raise WindrowError("bad_consent", f"`{beyond[0]}` does not leave with source {consent.source}")
    if rule.author is not None and "role" not in consent.scope:
        raise WindrowError("bad_consent", "it does not say who wrote the words")
    if consent.price_rule != rule.price:
        raise WindrowError("bad_consent", f"source {consent.source} is paid otherwise")
    if consent.notice_version is UNSET:
        if rule.by_month:
            raise WindrowError("bad_consent", "it does not say which words were agreed to")
    elif consent.notice_version == NOTICE_VERSION:
        terms = ConsentTerms(consent.source, consent.scope, consent.purpose, consent.retention_days)
        if consent.notice_sha256 != notice_sha256(terms, consent.notice_language):
            raise WindrowError("bad_consent", "other words were agreed to than those of its version")


def consent_ends_at_ms(token: str) -> int:
    """Return when a signed receipt of this very device ends; the signature is not looked at."""
    return msgspec.json.decode(urlsafe_b64decode(token.split(".")[1].encode()), type=Statement).expires_at_ms


def _converted(receipt: Mapping[str, Any]) -> Consent:
    try:
        return msgspec.convert(receipt, Consent)
    except msgspec.ValidationError as error:
        raise WindrowError("bad_consent", str(error)) from error


def consent_notice(terms: ConsentTerms, language: Language = "en") -> str:
    """Return the words a person agrees to; the receipt carries their digest and their version."""
    return notice_of(terms.source, terms.scope, terms.purpose, terms.retention_days, language)


def notice_sha256(terms: ConsentTerms, language: Language) -> str:
    """Return the digest of the words a person agrees to."""
    return hashlib.sha256(consent_notice(terms, language).encode()).hexdigest()
