"""What identifies a person does not leave, however it is written, and redaction done twice changes nothing."""

from __future__ import annotations

import json
import string
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_data import real_data

from extension_bridge.redaction import check_redacted, check_url, mark_of, redact, redact_url
from windrow_protocol.errors import WindrowError
from windrow_protocol.personal.patterns import DEVICE_DETECTORS, KINDS, find_personal

VALUES = [
    "ana@example.org",
    "+49 30 1234567",
    "(415) 673-5700",
    "0490 75 40 81",
    "4111 1111 1111 1111",
    "DE89370400440532013000",
    "93.184.216.34",
    "2606:2800:220:1:248:1893:25c8:1946",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "460-89-9847",
    "12345678Z",
    "phone 467 3395",
]
PIECES = st.one_of(
    st.sampled_from([*VALUES, *map(mark_of, KINDS)]),
    st.text(alphabet=string.printable + "\u00a0\u200bü٣", max_size=8),
    st.from_regex(r"[0-9+() ./@:-]{1,20}", fullmatch=True),
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)


def test_marks_name_the_kind_and_findings_are_counted() -> None:
    redacted = redact("ana@example.org and bo@example.org, call +49 30 1234567")
    assert redacted.text == "[EMAIL] and [EMAIL], call [PHONE]"
    assert redacted.findings == {"email": 2, "phone": 1}


def test_what_a_replacement_brings_together_is_found_as_well() -> None:
    text = "4111111111111111 0612345678"
    assert len(find_personal(text)) >= 1
    assert check_redacted(redact(text).text) == []


@given(TEXTS)
def test_no_finding_survives_and_twice_is_once(text: str) -> None:
    once = redact(text)
    assert check_redacted(once.text) == []
    assert redact(once.text).text == once.text
    assert not redact(once.text).findings


@given(TEXTS)
def test_nothing_but_findings_is_changed(text: str) -> None:
    findings = find_personal(text, DEVICE_DETECTORS)
    if not findings:
        assert redact(text).text == text
    assert sum(redact(text).findings.values()) >= len(findings)


def test_no_labelled_value_of_a_structured_type_survives() -> None:
    kinds = {"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "US_SSN"}
    kept, spans = [], 0
    with (real_data("pii_presidio_research_synth") / "spans.jsonl").open(encoding="utf-8") as file:
        for case in map(json.loads, file):
            left = redact(case["text"]).text
            for span in case["spans"]:
                if span["type"] in kinds:
                    spans += 1
                    kept += [span] if span["value"] in left else []
    assert spans >= 300
    assert len(kept) / spans <= 0.02


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://ana:pw@blog.example/a/b?q=1#x", "https://blog.example/a/b"),
        ("https://blog.example", "https://blog.example/"),
        ("https://blog.example:8443/u/ana%40example.org/x", "https://blog.example:8443/u/[EMAIL]/x"),
        ("https://blog.example/u/ana%2540example.org", "https://blog.example/u/[EMAIL]"),
        ("http://93.184.216.34/x", "http://redacted.invalid/x"),
        ("http://[2606:2800:220:1:248:1893:25c8:1946]:81/x", "http://redacted.invalid:81/x"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
    ],
)
def test_of_an_address_only_the_place_leaves(url: str, left: str) -> None:
    assert redact_url(url).text == left
    assert redact_url(left).text == left
    assert check_url(left) == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "about:blank",
        "chrome://settings",
        "https://",
        "http://[::",
        "http://a:99999/",
    ],
)
def test_what_is_no_web_page_cannot_be_given(url: str) -> None:
    with pytest.raises(WindrowError) as refusal:
        redact_url(url)
    assert refusal.value.code == "bad_url"


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_address_leaves_a_query_or_a_user_behind(path: str, query: str) -> None:
    try:
        left = redact_url(f"https://u:p@blog.example/{path}?{query}#f").text
    except WindrowError:
        return  # refused: nothing leaves
    assert check_url(left) == []
    parts = urlsplit(left)
    assert (parts.query, parts.fragment, parts.username) == ("", "", None)


@pytest.mark.parametrize(
    "url", ["https://blog.example/?q=1", "https://a@blog.example/", "https://x/ana@example.org", "http://["]
)
def test_the_check_on_receipt_sees_what_should_not_have_left(url: str) -> None:
    assert check_url(url)
