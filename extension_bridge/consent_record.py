"""What ISO/IEC TS 27560 asks of a consent record beyond what Windrow itself decides by, as one part of each receipt.

Rules: pure. Every field of the standard's sections on processing, PII, parties and events is there. What an operator
has not stated says so in these words, and nothing is claimed that nobody checked. What a receipt says twice (fields,
time, controller) must agree, or it is no consent.

Does not: hold what the network decides by (`consent`), sign, or keep receipts.

Usage: `receipt |= record_parts(receipt)`; `if not agrees(receipt): …`.

Source: ISO/IEC TS 27560:2023, clauses 6.3.2 to 6.3.7, as mapped in W3C's "Implementing ISO/IEC TS 27560 with DPV".
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from extension_bridge.sources import RULES, Field, PriceRule, Source
from windrow_protocol.messages import Hex64, TimeMs

Said = Annotated[str, Meta(min_length=1, max_length=400)]
NOT_STATED: Final = "not stated by the operator"
_SERVICES: Final[dict[PriceRule, str]] = {
    "share_of_sales": "data sets for sale",
    "pooled": "data sets for sale",
    "none": "kept for data sets to come, in none without being asked anew",
}
_PII_OF_PAGES: Final[dict[Field, str]] = {
    "url": "host and path of a visited address",
    "title": "title of a visited page",
    "text": "text of a visited page, redacted on the device",
    "captured_at_ms": "time of a visit",
}
_PII_OF_EXPORTS: Final[dict[Field, str]] = {
    "url": "host and path of an address, of what kind `source` says",
    "title": "title or name, redacted on the device, of what kind `source` says",
    "text": "words, redacted on the device, of what kind `source` says",
    "captured_at_ms": "calendar month",
    "role": "who wrote the words: the person, or a machine",
    "amount": "sum of money, rounded to its first digit",
}


class PiiElement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of personal data (6.3.5)."""

    pii_type: Said
    pii_attribute_id: Field
    pii_optional: bool
    sensitive_pii_category: Said
    special_pii_category: Said


class Purpose(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the data is used for, and by which service (6.3.4.3 to 6.3.4.5)."""

    purpose: Said
    purpose_type: Said
    service: Said


class Processing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the data is processed (6.3.4)."""

    privacy_notice: Annotated[str, Meta(pattern="^urn:sha256:[0-9a-f]{64}$")]
    language: Literal["en", "de"]
    purposes: Annotated[list[Purpose], Meta(min_length=1, max_length=1)]
    lawful_basis: Literal["consent"]
    pii_information: Annotated[list[PiiElement], Meta(min_length=1, max_length=4)]
    pii_controllers: Annotated[list[Hex64], Meta(min_length=1, max_length=1)]
    collection_method: Said
    processing_method: Said
    storage_locations: Annotated[list[Said], Meta(min_length=1, max_length=4)]
    retention_period: Annotated[str, Meta(pattern="^P[1-9][0-9]{0,3}D$")]
    processing_locations: Annotated[list[Said], Meta(min_length=1, max_length=4)]
    geographic_restrictions: Said
    jurisdiction: Said
    recipient_third_parties: Annotated[list[Said], Meta(min_length=1, max_length=4)]
    withdrawal_method: Said
    privacy_rights: Annotated[list[Said], Meta(min_length=1, max_length=8)]
    codes_of_conduct: Said
    impact_assessment: Said
    authority_party: Said


class Party(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who takes part (6.3.6)."""

    party_id: Hex64
    party_name: Said
    party_role: Literal["pii_principal", "pii_controller"]
    party_type: Said
    party_address: Said
    party_contact: Said


class RecordEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step in a consent's life (6.3.7)."""

    event_time: TimeMs
    validity_duration: Annotated[str, Meta(pattern="^P[1-9][0-9]{0,3}D$")]
    entity_id: Hex64
    event_type: Literal["explicit_consent"]
    event_state: Literal["consent_given"]


RecordId = Annotated[str, Meta(pattern="^urn:uuid:[0-9a-f-]{36}$")]
PARTS: Final = frozenset({"record_id", "pii_processing", "party_identification", "event_history"})


def record_parts(receipt: Mapping[str, Any], controller_contact: str = "") -> dict[str, Any]:
    """Return the standard's further fields for a receipt that has its own, as JSON.

    `controller_contact` is the page on which the network's operator says where it is reached; empty where it names
    none.
    """
    period = f"P{receipt['retention_days']}D"
    principal, controller = receipt["pii_principal_id"], receipt["pii_controller_id"]
    named = "\n".join((principal, controller, str(receipt["given_at_ms"]), *receipt["item_ids"]))
    event = RecordEvent(receipt["given_at_ms"], period, principal, "explicit_consent", "consent_given")
    parts = {
        "record_id": uuid.uuid5(uuid.NAMESPACE_URL, f"urn:windrow:consent:{named}").urn,
        "pii_processing": _processing(receipt, period),
        "party_identification": _parties(
            principal, controller, receipt["network"], controller_contact or NOT_STATED
        ),
        "event_history": [event],
    }
    return {name: msgspec.to_builtins(part) for name, part in parts.items()}


def agrees(receipt: Mapping[str, Any]) -> bool:
    """Say whether what a receipt says twice is the same both times."""
    processing = receipt["pii_processing"]
    (event,), parties = receipt["event_history"], receipt["party_identification"]
    period = f"P{receipt['retention_days']}D"
    fields = sorted(each["pii_attribute_id"] for each in processing["pii_information"])
    return (
        fields == sorted(receipt["scope"])
        and processing["privacy_notice"] == f"urn:sha256:{receipt['notice_sha256']}"
        and processing["language"] == receipt["notice_language"]
        and processing["pii_controllers"] == [receipt["pii_controller_id"]]
        and [each["party_id"] for each in parties]
        == [receipt["pii_principal_id"], receipt["pii_controller_id"]]
        and processing["retention_period"] == event["validity_duration"] == period
        and (event["event_time"], event["entity_id"]) == (receipt["given_at_ms"], receipt["pii_principal_id"])
    )


def _processing(receipt: Mapping[str, Any], period: str) -> Processing:
    rule = RULES[receipt["source"]]
    return Processing(
        privacy_notice=f"urn:sha256:{receipt['notice_sha256']}",
        language=receipt["notice_language"],
        purposes=[
            Purpose("training and testing AI models", "dpv:ResearchAndDevelopment", _SERVICES[rule.price])
        ],
        lawful_basis="consent",
        pii_information=_elements(receipt["source"], receipt["scope"]),
        pii_controllers=[receipt["pii_controller_id"]],
        collection_method="picked, read over and sent by the person",
        processing_method="redacted, encrypted, put into data sets",
        storage_locations=[
            "the person's device",
            "the coordinator, encrypted",
            "buyers' copies of data sets",
        ],
        retention_period=period,
        processing_locations=["the person's device", "the coordinator"],
        geographic_restrictions="none",
        jurisdiction=NOT_STATED,
        recipient_third_parties=["buyers of data sets"],
        withdrawal_method="the extension, the node's dashboard, or `windrow consent withdraw`",
        privacy_rights=["dpv:RightToWithdrawConsent", "access and portability: `windrow consent export`"],
        codes_of_conduct="none",
        impact_assessment=NOT_STATED,
        authority_party="that of the person's own place",
    )


def _elements(source: Source, scope: Sequence[Field]) -> list[PiiElement]:
    might = "not looked for"
    types = _PII_OF_EXPORTS if RULES[source].by_month else _PII_OF_PAGES
    return [
        msgspec.convert(
            {
                "pii_type": types[field],
                "pii_attribute_id": field,
                "pii_optional": True,
                "sensitive_pii_category": might,
                "special_pii_category": might,
            },
            PiiElement,
        )
        for field in scope
    ]


def _parties(principal: str, controller: str, network: str, contact: str) -> list[Party]:
    return [
        Party(
            principal, "the key of the person's node", "pii_principal", "person", "not asked for", "the node"
        ),
        Party(
            controller,
            f"the coordinator of the network {network[:200]}",
            "pii_controller",
            "network operator",
            NOT_STATED,
            contact,
        ),
    ]
