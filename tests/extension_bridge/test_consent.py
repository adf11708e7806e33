"""A consent covers exactly what it names, and the donation's receiver can tell."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from bridge_world import PAGE
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from extension_bridge.consent import (
    DAY_MS,
    LIMITS_OF_WITHDRAWAL,
    Consent,
    ConsentTerms,
    build_consent,
    consent_notice,
    consent_receipt_id,
)
from extension_bridge.donation import Page, build_donation, check_donation, item_id_for, page_record
from windrow_protocol.content import text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CONSENT_ITEMS_MAX, JWS_CHARS_MAX, TITLE_CHARS_MAX
from windrow_protocol.personal.messages import PersonalContribution, personal_contribution_id_for
from windrow_protocol.signing import public_id, sign

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NETWORK, NOW_MS = "windrow-test", 1_800_000_000_000
CONTROLLER = public_id(Ed25519PrivateKey.generate())


def page(**changes: Any) -> Page:
    return msgspec.convert({**PAGE, **changes}, Page)


def given(terms: ConsentTerms | None = None, **changes: Any) -> PersonalContribution:
    terms = terms or ConsentTerms()
    record = page_record(page(**changes), terms)
    return build_donation(KEY, record, terms, network=NETWORK, controller_id=CONTROLLER, now_ms=NOW_MS)


def check(donation: PersonalContribution, now_ms: int = NOW_MS) -> Consent:
    return check_donation(donation, network=NETWORK, now_ms=now_ms, controller_id=CONTROLLER)


def refusal_of(donation: PersonalContribution, now_ms: int = NOW_MS) -> str:
    with pytest.raises(WindrowError) as refusal:
        check(donation, now_ms)
    return refusal.value.code


def test_an_honest_donation_passes_and_is_redacted() -> None:
    donation = given()
    consent = check(donation)
    (record,) = donation.records
    assert consent.item_ids == [record.item_id]
    assert consent.pii_principal_id == donation.node_id == public_id(KEY)
    assert record.url == "https://blog.example/post/7"
    assert "ana@" not in record.text
    assert record.redactions == {"email": 1, "phone": 1}
    assert record.text_sha256 == text_sha256(record.text)


def test_the_receipt_carries_the_fields_of_the_standard() -> None:
    consent = build_consent(
        node_id=public_id(KEY),
        controller_id=CONTROLLER,
        network=NETWORK,
        terms=ConsentTerms(retention_days=30),
        item_ids=["a" * 64],
        given_at_ms=NOW_MS,
    )
    assert consent["@context"]["dpv"]
    assert consent["@type"] == "ConsentRecord"
    assert consent["schema_version"] == "ISO/IEC TS 27560:2023"
    assert consent["expires_at_ms"] == NOW_MS + 30 * DAY_MS
    assert consent["events"] == [{"state": "given", "at_ms": NOW_MS}]
    assert consent["withdrawal_limits"] == LIMITS_OF_WITHDRAWAL["en"]
    assert consent["price_rule"] == "share_of_sales"
    assert consent_receipt_id(consent) == consent_receipt_id(dict(reversed(consent.items())))
    assert consent_receipt_id({**consent, "retention_days": 31}) != consent_receipt_id(consent)


def test_the_largest_consent_still_fits_a_signature() -> None:
    consent = build_consent(
        node_id=public_id(KEY),
        controller_id=CONTROLLER,
        network=NETWORK,
        terms=ConsentTerms(),
        item_ids=[f"{i:064x}" for i in range(CONSENT_ITEMS_MAX)],
        given_at_ms=NOW_MS,
    )
    token = sign(
        KEY, network=NETWORK, purpose="consent", subject=public_id(KEY), now_ms=NOW_MS, content=consent
    )
    assert len(token) <= JWS_CHARS_MAX


def test_the_same_page_is_the_same_donation_and_another_moment_is_not() -> None:
    assert given().contribution_id == given().contribution_id
    assert given().contribution_id != given(captured_at_ms=1_700_000_000_001).contribution_id


def test_a_field_outside_the_scope_does_not_leave() -> None:
    donation = given(ConsentTerms(scope=["text"]))
    (record,) = donation.records
    assert (record.url, record.title, record.captured_at_ms) == ("", "", 0)
    check(donation)


def test_a_title_that_marks_make_longer_stays_within_its_bound() -> None:
    (record,) = given(title="a@b.co " * 200).records
    assert len(record.title) <= TITLE_CHARS_MAX
    assert "@" not in record.title


@pytest.mark.parametrize("text", ["", "  \n \t"])
def test_an_empty_page_cannot_be_given(text: str) -> None:
    with pytest.raises(WindrowError) as refusal:
        given(text=text)
    assert refusal.value.code == "empty_text"


def forged(donation: PersonalContribution, **changes: Any) -> PersonalContribution:
    """Return a donation whose record was changed, with every digest and id made to fit again."""
    record = msgspec.structs.replace(donation.records[0], **changes)
    digest = text_sha256(record.text)
    item_id = item_id_for(donation.source, record.url, record.title, digest, record.captured_at_ms)
    record = msgspec.structs.replace(record, text_sha256=digest, item_id=item_id)
    contribution_id = personal_contribution_id_for(donation.node_id, [item_id])
    return msgspec.structs.replace(donation, records=[record], contribution_id=contribution_id)


def consented(
    donation: PersonalContribution, key: Ed25519PrivateKey = KEY, **changes: Any
) -> PersonalContribution:
    """Return a donation under a consent for its items, built anew with changes."""
    consent = build_consent(
        node_id=donation.node_id,
        controller_id=CONTROLLER,
        network=NETWORK,
        terms=ConsentTerms(),
        item_ids=[record.item_id for record in donation.records],
        given_at_ms=NOW_MS,
    )
    consent |= changes
    token = sign(
        key, network=NETWORK, purpose="consent", subject=public_id(key), now_ms=NOW_MS, content=consent
    )
    return msgspec.structs.replace(
        donation, consent_jws=token, consent_receipt_id=consent_receipt_id(consent)
    )


def test_the_forging_functions_alone_change_nothing() -> None:
    check(consented(forged(given())))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"text": "write to ana@example.org"}, "not_redacted"),
        ({"title": "call +49 30 1234567"}, "not_redacted"),
        ({"url": "https://blog.example/?session=1"}, "not_redacted"),
        ({"text": "not  normal"}, "not_redacted"),
        ({"captured_at_ms": NOW_MS + 10 * DAY_MS}, "bad_consent"),
    ],
)
def test_a_record_is_checked_again_on_receipt(changes: dict[str, Any], code: str) -> None:
    assert refusal_of(consented(forged(given(), **changes))) == code


@pytest.mark.parametrize(
    "changes",
    [
        {"item_ids": ["f" * 64]},
        {"pii_controller_id": public_id(OTHER)},
        {"pii_principal_id": public_id(OTHER)},
        {"scope": ["text"]},
        {"network": "windrow-other"},
        {"purpose": "anything"},
        {"retention_days": 36_500},
        {"expires_at_ms": NOW_MS + 9_999 * DAY_MS},
        {"given_at_ms": NOW_MS - 30 * DAY_MS},
        {"price_rule": "free"},
        {"lawful_basis": "legitimate_interest"},
        {"@context": {"@vocab": "urn:elsewhere:"}},
        {"surprise": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_consent_that_does_not_cover_is_refused(changes: dict[str, Any]) -> None:
    assert refusal_of(consented(given(), **changes)) == "bad_consent"


def test_a_consent_of_somebody_else_or_of_another_time_is_refused() -> None:
    donation = given()
    assert refusal_of(consented(donation, OTHER)) == "bad_signature"
    assert refusal_of(msgspec.structs.replace(donation, consent_receipt_id="0" * 64)) == "bad_consent"
    assert (
        refusal_of(msgspec.structs.replace(donation, contribution_id="p" + "0" * 31))
        == "wrong_contribution_id"
    )
    assert refusal_of(donation, NOW_MS + 366 * DAY_MS) == "signature_expired"
    twice = msgspec.structs.replace(donation, records=donation.records * 2)
    assert refusal_of(twice) == "bad_consent"


def test_a_changed_record_is_refused() -> None:
    donation = given()
    record = msgspec.structs.replace(donation.records[0], text="another text")
    assert refusal_of(msgspec.structs.replace(donation, records=[record])) == "wrong_digest"


def test_the_notice_says_what_leaves_in_both_languages() -> None:
    for language, days in (("en", "30 days"), ("de", "30 Tage")):
        notice = consent_notice(ConsentTerms(retention_days=30, scope=["text"]), language)  # type: ignore[arg-type]
        assert days in notice
        assert "{" not in notice
    assert "title" not in consent_notice(ConsentTerms(scope=["text"]))


def test_the_notice_promises_pay_only_for_what_is_paid() -> None:
    page, visit = (
        consent_notice(ConsentTerms(source=source)) for source in ("browser_page", "browser_history")
    )
    assert "earns nothing" in page
    assert "share" not in page
    assert "a share of what the month is sold for" in visit
