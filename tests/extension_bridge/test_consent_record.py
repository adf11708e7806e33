"""A receipt has every field of ISO/IEC TS 27560, says nothing twice in two ways, and older receipts stay valid."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rdflib
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from real_data import ROOT

from extension_bridge.consent import (
    CONTEXT_BEFORE,
    PURPOSE,
    Consent,
    ConsentTerms,
    build_consent,
    consent_receipt_id,
    open_consent,
)
from extension_bridge.consent_record import PARTS
from extension_bridge.delivery import contact_in
from extension_bridge.sources import BROWSER_FIELDS
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import public_id, sign

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NODE = public_id(KEY)
NOW_MS = 1_790_000_000_000
VALIDATOR = Draft202012Validator(json.loads((ROOT / "docs" / "consent_receipt.schema.json").read_bytes()))
# The standard's fields by clause: header 6.3.2, processing 6.3.4, PII 6.3.5, parties 6.3.6, events 6.3.7.
HEADER = {"schema_version", "record_id", "pii_principal_id"}
PROCESSING = {
    *("privacy_notice", "language", "purposes", "lawful_basis", "pii_information", "pii_controllers"),
    *("collection_method", "processing_method", "storage_locations", "retention_period"),
    *("processing_locations", "geographic_restrictions", "jurisdiction", "recipient_third_parties"),
    *("withdrawal_method", "privacy_rights", "codes_of_conduct", "impact_assessment", "authority_party"),
}
PURPOSES = {"purpose", "purpose_type", "service"}
PII = {
    *("pii_type", "pii_attribute_id", "pii_optional"),
    *("sensitive_pii_category", "special_pii_category"),
}
PARTY = {"party_id", "party_name", "party_role", "party_type", "party_address", "party_contact"}
EVENT = {"event_time", "validity_duration", "entity_id", "event_type", "event_state"}


def receipt(terms: ConsentTerms | None = None) -> dict[str, Any]:
    return build_consent(
        node_id=NODE,
        controller_id="c" * 64,
        network="test",
        terms=terms or ConsentTerms(),
        item_ids=["a" * 64],
        given_at_ms=NOW_MS,
    )


def test_the_operator_is_reached_where_its_network_says() -> None:
    page = "https://windrow.example.org/publishers"
    named = build_consent(
        node_id=NODE,
        controller_id="c" * 64,
        network="test",
        terms=ConsentTerms(),
        item_ids=["a" * 64],
        given_at_ms=NOW_MS,
        controller_contact=page,
    )
    contacts = [
        [party["party_contact"] for party in content["party_identification"]]
        for content in (named, receipt())
    ]
    assert contacts == [["the node", page], ["the node", "not stated by the operator"]]
    opened(named)


@pytest.mark.parametrize(
    "said", [None, "", 7, "javascript:alert(1)", "https://a.example/\r\nX: y", "x" * 300]
)
def test_a_contact_that_is_no_page_is_none(said: object) -> None:
    assert contact_in({"publishers_url": said}) == {}
    assert contact_in({}) == {}


def opened(content: dict[str, Any]) -> Consent:
    token = sign(KEY, network="test", purpose=PURPOSE, subject=NODE, now_ms=NOW_MS, content=content)
    named = consent_receipt_id(content)
    return open_consent(token, receipt_id=named, node_id=NODE, network="test", now_ms=NOW_MS)


def before() -> dict[str, Any]:
    """A receipt as it was before these parts were added."""
    content = {name: value for name, value in receipt().items() if name not in PARTS | {"notice_version"}}
    return content | {"@context": CONTEXT_BEFORE}


@given(st.sets(st.sampled_from(BROWSER_FIELDS), min_size=1), st.integers(1, 3_650))
def test_every_field_of_the_standard_is_there_and_the_schema_knows_it(scope: set[Any], days: int) -> None:
    content = receipt(ConsentTerms(scope=sorted(scope), retention_days=days))
    VALIDATOR.validate(content)
    processing = content["pii_processing"]
    assert content.keys() >= HEADER
    assert processing.keys() == PROCESSING
    assert [each.keys() for each in processing["purposes"]] == [PURPOSES]
    assert [each.keys() for each in processing["pii_information"]] == [PII] * len(scope)
    assert [each.keys() for each in content["party_identification"]] == [PARTY] * 2
    assert [each.keys() for each in content["event_history"]] == [EVENT]
    assert opened(content).retention_days == days


def test_a_receipt_of_before_is_valid_as_it_is() -> None:
    content = before()
    VALIDATOR.validate(content)
    assert opened(content).scope == sorted(BROWSER_FIELDS)


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(receipt()))
    at: Any = content
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return content


@pytest.mark.parametrize(
    "content",
    [
        changed("pii_processing", "retention_period", value="P3650D"),
        changed("pii_processing", "pii_controllers", value=["d" * 64]),
        changed("pii_processing", "privacy_notice", value="urn:sha256:" + "0" * 64),
        changed("pii_processing", "language", value="de"),
        changed("pii_processing", "pii_information", 0, "pii_attribute_id", value="url"),
        changed("party_identification", 0, "party_id", value="e" * 64),
        changed("event_history", 0, "event_time", value=NOW_MS + 1),
        changed("event_history", 0, "entity_id", value="c" * 64),
        changed("event_history", 0, "validity_duration", value="P1D"),
        changed("@context", value=CONTEXT_BEFORE),
        changed("@context", "jurisdiction", value="dpv:hasName"),
        {name: value for name, value in receipt().items() if name != "pii_processing"},
        before() | {"record_id": receipt()["record_id"]},
        changed("pii_processing", "extra", value="x"),
    ],
)
def test_what_is_said_in_two_ways_or_half_is_no_consent(content: dict[str, Any]) -> None:
    with pytest.raises(WindrowError) as refusal:
        opened(content)
    assert refusal.value.code == "bad_consent"


def test_a_reader_of_linked_data_finds_the_vocabulary_s_properties() -> None:
    content = receipt()
    graph = rdflib.Graph().parse(data=json.dumps(content), format="json-ld")
    dpv = rdflib.Namespace("https://w3id.org/dpv#")
    (record,) = graph.subjects(rdflib.RDF.type, dpv.ConsentRecord)
    (process,) = graph.objects(record, dpv.hasProcess)
    assert rdflib.Literal(content["record_id"]) in set(graph.objects(record, rdflib.DCTERMS.identifier))
    wanted = ("hasNotice", "hasPurpose", "hasPersonalData", "hasDataController", "hasRecipient")
    wanted += ("hasStorageCondition", "hasJurisdiction", "hasRight", "hasConsentControl")
    for name in wanted:
        assert list(graph.objects(process, dpv[name])), name
