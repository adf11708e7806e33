"""Every source leaves under words of its own, no more of it than its table says, and never another person's words."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from extension_bridge.consent import (
    PURPOSE,
    ConsentTerms,
    build_consent,
    consent_notice,
    consent_receipt_id,
    terms_of,
)
from extension_bridge.donation import (
    Page,
    Piece,
    build_donation,
    check_donation,
    item_id_of,
    page_record,
    record_of,
)
from extension_bridge.notices import NOTICE_VERSION, Language
from extension_bridge.own_words import is_rounded, others_in, rounded_amount, strip_others
from extension_bridge.sources import RULES, Source
from windrow_protocol.content import normalise_text, text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.personal.messages import (
    PersonalContribution,
    PersonalRecord,
    items_by_month,
    personal_contribution_id_for,
)
from windrow_protocol.signing import public_id, sign

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CONTROLLER, NETWORK, NOW_MS = "c" * 64, "test", 1_790_000_000_000
AT_MS, MONTH_MS = 1_788_300_123_456, 1_788_220_800_000  # on 2026-09-01 and at its beginning
NEW: list[Source] = [source for source, rule in RULES.items() if rule.by_month]
BEFORE = json.loads(Path(__file__).with_name("donations_of_before.json").read_text())


def piece(source: Source, **changes: Any) -> Piece:
    known: dict[str, Any] = {
        "url": "https://farm.example/hay?who=ana",
        "title": "PLOVER HAY 4711-0815 LEIPZIG" if source == "transaction" else "On hay",
        "text": "The rake stands behind the barn. Ask ana@example.org.",
        "captured_at_ms": AT_MS,
        "author": RULES[source].author,
        "amount": "-16.85 EUR",
    }
    return Piece(**known | changes)


def donation(source: Source, **changes: Any) -> PersonalContribution:
    terms = terms_of(source)
    record = record_of(piece(source, **changes), terms)
    return build_donation(KEY, record, terms, network=NETWORK, controller_id=CONTROLLER, now_ms=NOW_MS)


def forged(source: Source, scope: list[str] | None = None, **changes: Any) -> PersonalContribution:
    """Return a donation as a cheat makes it: a record with changes, every digest, id and signature made to fit."""
    honest = donation(source)
    record = msgspec.structs.replace(honest.records[0], **changes)
    record = msgspec.structs.replace(record, text_sha256=text_sha256(record.text))
    record = msgspec.structs.replace(record, item_id=item_id_of(source, record))
    consent = build_consent(
        node_id=public_id(KEY),
        controller_id=CONTROLLER,
        network=NETWORK,
        terms=terms_of(source),
        item_ids=[record.item_id],
        given_at_ms=NOW_MS,
    )
    if scope is not None:
        consent["scope"] = sorted(scope)
        elements = consent["pii_processing"]["pii_information"]
        consent["pii_processing"]["pii_information"] = [
            {**elements[0], "pii_attribute_id": field} for field in sorted(scope)
        ]
    token = sign(
        KEY, network=NETWORK, purpose=PURPOSE, subject=public_id(KEY), now_ms=NOW_MS, content=consent
    )
    return msgspec.structs.replace(
        honest,
        records=[record],
        contribution_id=personal_contribution_id_for(honest.node_id, [record.item_id]),
        consent_jws=token,
        consent_receipt_id=consent_receipt_id(consent),
    )


def refusal(given: PersonalContribution) -> str:
    with pytest.raises(WindrowError) as error:
        check_donation(given, network=NETWORK, now_ms=NOW_MS, controller_id=CONTROLLER)
    return error.value.code


# --- what leaves ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", NEW)
def test_of_every_source_only_its_fields_leave_and_are_taken(source: Source) -> None:
    sent = donation(source)
    consent = check_donation(sent, network=NETWORK, now_ms=NOW_MS, controller_id=CONTROLLER)
    (record,) = sent.records
    held = {
        name for name in ("url", "title", "text", "captured_at_ms", "role", "amount") if getattr(record, name)
    }
    assert held == set(RULES[source].fields) == set(consent.scope)
    assert record.captured_at_ms == MONTH_MS
    assert "ana" not in record.url + record.text
    assert consent.price_rule == ("pooled" if source in ("search", "watch", "listen") else "none")
    assert consent.notice_version == NOTICE_VERSION


def test_of_a_payment_only_payee_month_and_first_digit_leave() -> None:
    (record,) = donation("transaction", text="IBAN DE89370400440532013000 for Bo").records
    assert (record.title, record.amount, record.text) == ("PLOVER HAY [NUMBER] LEIPZIG", "-20 EUR", "")
    assert record.redactions == {"number": 1}


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("-16.85 AUD", "-20 AUD"),
        ("-1.234,56 EUR", "-1000 EUR"),
        ("-1,234.56", "-1000"),
        ("-0.40 EUR", "-1 EUR"),
        ("+99.99 USD", "100 USD"),
        ("-1,500 JPY", "-2000 JPY"),
        ("-12'000 CHF", ""),  # no sum as the importers write it
        ("-950", "-1000"),
        ("0.00 EUR", ""),
        ("-5 EUR for Bo", ""),
        ("", ""),
    ],
)
def test_a_sum_keeps_its_first_digit(written: str, left: str) -> None:
    assert rounded_amount(written) == left
    assert not left or (is_rounded(left) and rounded_amount(left) == left)


@given(st.text(alphabet="a >@u/b._\n-1é", max_size=60))
@example("a\n> b\n>> c\nd")
@example("@1@1@1")
@example("u/bbb@1/u/bbb@1")
@example("@" + 64 * "a" + "u/bbb")
def test_what_was_stripped_once_has_nothing_left(text: str) -> None:
    for rule in (RULES["post"], RULES["transaction"]):
        stripped = strip_others(normalise_text(text), rule).text
        assert others_in(stripped, rule) == []


def test_words_of_others_and_their_accounts_do_not_leave_with_ones_own() -> None:
    said = "> I will be there at nine, says Bo\n> really\nThen I come too, @bo_lark and u/plover.\nana@example.org"
    (record,) = donation("post", text=said).records
    assert record.text == "[QUOTE]\nThen I come too, [USER] and [USER].\n[EMAIL]"
    assert record.redactions == {"email": 1, "quote": 1, "user": 2}
    (record,) = donation("message", text="Anna, ask Bo LARK! The bo tree.", names=("Anna Lark", "Bo")).records
    assert record.text == "[NAME], ask Bo [NAME]! The bo tree."


def test_code_in_a_prompt_stays_whole_but_for_quoted_lines() -> None:
    (record,) = donation("ai_prompt", text="@property\ndef a(self): ...\n> what Bo wrote").records
    assert record.text == "@property\ndef a(self): ...\n[QUOTE]"


# --- attacks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "author"),
    [
        ("message", "other"),
        ("message", None),
        ("ai_prompt", "assistant"),
        ("ai_answer", "self"),
        ("post", "other"),
    ],
)
def test_another_s_words_are_refused_on_the_device(source: Source, author: Any) -> None:
    with pytest.raises(WindrowError) as error:
        record_of(piece(source, author=author), terms_of(source))
    assert error.value.code == "not_own_words"


@pytest.mark.parametrize(
    ("source", "changes", "code"),
    [
        ("message", {"role": "other"}, "not_own_words"),
        ("message", {"role": msgspec.UNSET}, "not_own_words"),
        ("ai_prompt", {"role": "assistant"}, "not_own_words"),
        ("message", {"text": "> I come at nine\nGood."}, "not_own_words"),
        ("post", {"text": "Thanks, @bo_lark"}, "not_own_words"),
        ("message", {"text": "call +49 30 1234567"}, "not_redacted"),
        ("search", {"captured_at_ms": MONTH_MS + 86_400_000}, "too_exact"),
        ("transaction", {"amount": "-16.85 EUR"}, "too_exact"),
        ("transaction", {"title": "PLOVER HAY 47110815"}, "not_own_words"),
        ("search", {"url": "https://farm.example/"}, "bad_consent"),
        ("transaction", {"text": "for the hay"}, "bad_consent"),
        ("ai_prompt", {"title": "On hay"}, "bad_consent"),
        ("watch", {"amount": "-20 EUR"}, "bad_consent"),
        ("search", {"role": "self"}, "bad_consent"),
        ("search", {"text": ""}, "empty_text"),
        ("browser_history", {"role": "self"}, "bad_consent"),
    ],
)
def test_the_receiver_refuses_what_the_device_would_not_make(
    source: Source, changes: dict[str, Any], code: str
) -> None:
    assert refusal(forged(source, **changes)) == code


@pytest.mark.parametrize(
    ("source", "scope"),
    [
        ("search", ["text", "captured_at_ms", "url"]),
        ("transaction", ["title", "amount", "text"]),
        ("reaction", ["url", "text"]),
        ("message", ["text"]),  # and whose words they are is not said
        ("ai_prompt", ["text", "role", "title"]),
    ],
)
def test_a_receipt_for_more_than_may_leave_is_none_even_if_signed(source: Source, scope: list[str]) -> None:
    assert refusal(forged(source, scope=scope)) == "bad_consent"
    with pytest.raises(WindrowError, match="bad_consent"):
        build_consent(
            node_id=public_id(KEY),
            controller_id=CONTROLLER,
            network=NETWORK,
            terms=ConsentTerms(source=source, scope=scope),  # type: ignore[arg-type]
            item_ids=["a" * 64],
            given_at_ms=NOW_MS,
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"notice_version": NOTICE_VERSION + 1},
        {"price_rule": "share_of_sales"},
        {"notice_sha256": "0" * 64},
        {"retention_days": 30, "expires_at_ms": NOW_MS + 30 * 86_400_000},  # under the words for a year
    ],
)
def test_a_receipt_over_other_words_is_refused(changes: dict[str, Any]) -> None:
    honest = donation("search")
    content = build_consent(
        node_id=public_id(KEY),
        controller_id=CONTROLLER,
        network=NETWORK,
        terms=terms_of("search"),
        item_ids=[honest.records[0].item_id],
        given_at_ms=NOW_MS,
    )
    content |= changes
    if "notice_sha256" in changes:
        content["pii_processing"]["privacy_notice"] = f"urn:sha256:{changes['notice_sha256']}"
    if "retention_days" in changes:
        content["pii_processing"]["retention_period"] = "P30D"
        content["event_history"][0]["validity_duration"] = "P30D"
    token = sign(
        KEY, network=NETWORK, purpose=PURPOSE, subject=public_id(KEY), now_ms=NOW_MS, content=content
    )
    named = consent_receipt_id(content)
    assert (
        refusal(msgspec.structs.replace(honest, consent_jws=token, consent_receipt_id=named)) == "bad_consent"
    )


def test_a_page_from_the_browser_passes_for_nothing_else() -> None:
    page = Page("https://farm.example/", "Hay", "Words.", AT_MS)
    for source in NEW:
        with pytest.raises(WindrowError) as error:
            page_record(page, terms_of(source))
        assert error.value.code == "bad_consent"


@pytest.mark.parametrize("source", NEW)
def test_nothing_of_an_export_makes_a_month_of_history(source: Source) -> None:
    sent = donation(source)
    lots = [msgspec.structs.replace(sent.records[0], url=f"https://farm.example/{n}") for n in range(300)]
    assert items_by_month(msgspec.structs.replace(sent, records=lots)) == {}
    assert items_by_month(msgspec.structs.replace(sent, records=lots, source="browser_history")) != {}


# --- words and versions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", RULES)
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_words_name_every_field_and_what_is_paid(source: Source, language: Language) -> None:
    whole = consent_notice(terms_of(source), language)
    assert "{" not in whole
    assert "365" in whole
    texts = [
        consent_notice(msgspec.structs.replace(terms_of(source), scope=list(scope)), language)
        for scope in [RULES[source].fields[: n + 1] for n in range(len(RULES[source].fields))]
    ]
    assert all(len(shorter) < len(longer) for shorter, longer in pairwise(texts)), "each field has its words"
    said = {
        "none": {
            "en": "It earns nothing: it is in no dataset",
            "de": "kein Geld: Es steht in keinem Datensatz",
        },
        "pooled": {
            "en": "shared among everybody's months",
            "de": "teilen sich die Monate mit Besuchen aller",
        },
    }
    for price, words in said.items():
        assert (words[language] in whole) == (RULES[source].price == price)


def test_words_of_no_two_sources_are_alike() -> None:
    for language in ("en", "de"):
        assert len({consent_notice(terms_of(source), language) for source in RULES}) == len(RULES)


@pytest.mark.parametrize("before", BEFORE, ids=lambda before: before["name"])
def test_donations_signed_before_there_were_versions_are_taken_as_they_are(before: dict[str, Any]) -> None:
    """The file holds what an earlier version of this program signed: it is not made anew."""
    signed = msgspec.convert(before["donation"], PersonalContribution)
    consent = check_donation(signed, network=NETWORK, now_ms=NOW_MS + 1_000, controller_id=CONTROLLER)
    assert consent.notice_version is msgspec.UNSET
    assert consent.price_rule == "share_of_sales"
    assert msgspec.json.encode(signed.records[0]) == msgspec.json.encode(
        msgspec.convert(before["donation"]["records"][0], PersonalRecord)
    ), "and what is kept of it has the bytes it had"


def test_ids_of_pages_and_visits_are_those_of_before() -> None:
    page = Page("https://farm.example/hay?x=1", "Hay", "The rake stands behind the barn.", NOW_MS - 1_000)
    record = page_record(page, ConsentTerms())
    assert msgspec.to_builtins(record) == BEFORE[0]["donation"]["records"][0]
