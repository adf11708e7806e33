"""Personal data is found by shape and checksum, on labelled real sets and under hostile input."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_data import real_data

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TEXT_BYTES_MAX
from windrow_protocol.personal import national_ids
from windrow_protocol.personal import patterns as personal_patterns
from windrow_protocol.personal.checksums import evm_address, iban, luhn, mod_11_10, verhoeff
from windrow_protocol.personal.patterns import DEVICE_DETECTORS, KINDS, find_personal

# Written in halves, so that no scanner of repositories takes a test for a leaked key.
AWS, GITHUB = "AKIA" + "Q3EGR7XJ5PLMNZ2V", "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
WALLET = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # the example of EIP-55

FOUND = [
    ("email", "write to ana.lima+x@mail.example.org.", "ana.lima+x@mail.example.org"),
    ("email", "mail jörg@bücher.de now", "jörg@bücher.de"),
    ("email", "ana (at) example (dot) org", "ana (at) example (dot) org"),
    ("email", "see /u?mail=ana@example.org&x=1", "ana@example.org"),
    ("email", '"ana lima"@example.org', '"ana lima"@example.org'),
    ("phone", "call +49 (0)30 1234567!", "+49 (0)30 1234567"),
    ("phone", "at (415) 673-5700 x12", "(415) 673-5700 x12"),
    ("phone", "or 01.84.17.61.18 today", "01.84.17.61.18"),
    ("phone", "Phone: 467 3395", "467 3395"),
    ("phone", "ring ٠٦١٢٣٤٥٦٧٨ please", "٠٦١٢٣٤٥٦٧٨"),
    ("card", "paid with 4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("card", "amex 3782-822463-10005", "3782-822463-10005"),
    ("card", "card 4111\u200b1111\u200b11111111 hidden", "4111\u200b1111\u200b11111111"),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00 please", "DE89 3704 0044 0532 0130 00"),
    ("iban", "gb29nwbk60161331926819", "gb29nwbk60161331926819"),
    ("ip", "from 93.184.216.34 at", "93.184.216.34"),
    ("ip", "host 2606:2800:220:1:248:1893:25c8:1946", "2606:2800:220:1:248:1893:25c8:1946"),
    ("mac", "dev 00:1b:44:11:3a:b7", "00:1b:44:11:3a:b7"),
    ("wallet", f"send to {WALLET}", WALLET),
    ("wallet", "to bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    ("wallet", "or 1MUz4VMYui5qY1mxUiG8BQ1Luv6tqkvaiL", "1MUz4VMYui5qY1mxUiG8BQ1Luv6tqkvaiL"),
    ("secret", f"id {AWS} leaked", AWS),
    ("secret", f"token={GITHUB}", GITHUB),
    ("secret", "api_key: 'k3v9Zq81mN0pX7'", "k3v9Zq81mN0pX7"),
    ("secret", "git clone https://ana:hunter2@example.org/x", "ana:hunter2"),
    ("national_id", "SSN 460-89-9847", "460-89-9847"),
    ("national_id", "DNI 12345678Z", "12345678Z"),
    ("national_id", "C.F. RSSMRA85T10A562S", "RSSMRA85T10A562S"),
    ("national_id", "NIR 2 55 08 14 168 025 38", "2 55 08 14 168 025 38"),
    ("national_id", "HETU 131052-308T", "131052-308T"),
    ("national_id", "CPF 529.982.247-25", "529.982.247-25"),
    ("national_id", "PESEL 44051401359", "44051401359"),
    ("national_id", "Steuer-ID 86 095 742 719", "86 095 742 719"),
    ("national_id", "Aadhaar 2984 4886 3364", "2984 4886 3364"),
]
NOT_FOUND = [
    "icon@2x.png and user@localhost and @handle",
    "between 1990-1995, on 2000-04-16 11:34:35 and 16/04/2000",
    "version 10.0.19041.1, 127.0.0.1, 255.255.255.0 and 192.0.2.7",
    "std::vector<a::b> and 12:30:45",
    "ISBN 978-0-306-40615-7 and ISBN 0-306-40615-2",
    "1 234 567 people paid 1.234.567 or 2 500 000",
    "4111 1111 1111 1112 fails Luhn, DE88370400440532013000 fails mod 97",
    f"{WALLET[:-1]}E has a wrong checksum",
    "commit 8317ab2c91d0aa3f and build 27533478",
    "12345678A is no DNI and 460-00-9847 no SSN",
    "token: required, password = changeme",
    "doi: 10.1146/annurev-med-060619-022943",
    "01 02 03 04 05 06 07 08 09 10 11 12 13 14 15",
]


@pytest.mark.parametrize(("kind", "text", "value"), FOUND, ids=lambda value: str(value)[:24])
def test_finds(kind: str, text: str, value: str) -> None:
    assert [(f.kind, f.text) for f in find_personal(text)] == [(kind, value)]


@pytest.mark.parametrize("text", NOT_FOUND, ids=lambda text: text[:24])
def test_leaves_alone(text: str) -> None:
    assert find_personal(text) == []


def _scores(cases: Iterator[dict[str, Any]], kinds: dict[str, str]) -> dict[str, tuple[float, float, int]]:
    """Return (recall, precision, spans) per kind; a span counts when one finding of its kind covers it whole."""
    hit, wanted, claimed, right = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for case in cases:
        findings = find_personal(case["text"])
        spans = [(kinds[s["type"]], s["start"], s["end"]) for s in case["spans"] if s["type"] in kinds]
        for kind, start, end in spans:
            wanted[kind] += 1
            hit[kind] += any(f.kind == kind and f.start <= start and f.end >= end for f in findings)
        for finding in findings:
            claimed[finding.kind] += 1
            right[finding.kind] += any(
                finding.kind == kind and finding.start < end and finding.end > start
                for kind, start, end in spans
            )
    return {k: (hit[k] / wanted[k], right[k] / max(1, claimed[k]), wanted[k]) for k in wanted}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def test_recall_and_precision_on_labelled_sentences() -> None:
    kinds = {
        "EMAIL_ADDRESS": "email",
        "PHONE_NUMBER": "phone",
        "CREDIT_CARD": "card",
        "IBAN_CODE": "iban",
        "IP_ADDRESS": "ip",
        "US_SSN": "national_id",
        "US_DRIVER_LICENSE": "national_id",
    }
    scores = _scores(_lines(real_data("pii_presidio_research_synth") / "spans.jsonl"), kinds)
    assert set(scores) == set(kinds.values())
    for kind, (recall, precision, spans) in scores.items():
        print(f"{kind:12} recall {recall:.4f} precision {precision:.4f} spans {spans}")
        assert recall >= 0.98, kind
        assert precision >= 0.95, kind


@pytest.mark.parametrize(
    ("validator", "kind", "recall_min", "wrong_max"),
    [
        ("isEmail", "email", 1.0, 0.20),
        ("isCreditCard", "card", 1.0, 0.0),
        ("isIBAN", "iban", 1.0, 0.40),
        ("isEthereumAddress", "wallet", 1.0, 0.20),
        ("isJWT", "secret", 1.0, 0.0),
    ],
)
def test_strings_a_validator_knows(validator: str, kind: str, recall_min: float, wrong_max: float) -> None:
    # What counts as wrong includes addresses a mail server would refuse for their length, and IBANs whose checksum and
    # length are right although their bank code is not.
    rows = [
        row
        for row in _lines(real_data("pii_validatorjs") / "cases.jsonl")
        if row["validator"] == validator and row["args"] is None
    ]
    found = {
        valid: [
            any(f.kind == kind and f.text == row["input"] for f in find_personal(row["input"]))
            for row in rows
            if row["valid"] is valid
        ]
        for valid in (True, False)
    }
    assert sum(found[True]) / len(found[True]) >= recall_min
    assert sum(found[False]) / len(found[False]) <= wrong_max


def test_real_mobile_numbers() -> None:
    rows = [
        r for r in _lines(real_data("pii_validatorjs") / "cases.jsonl") if r["validator"] == "isMobilePhone"
    ]
    numbers = {r["input"] for r in rows if r["valid"] and sum(map(str.isdigit, r["input"])) >= 7}
    abroad = [n for n in numbers if n.startswith("+")]
    alone = sum(any(f.kind == "phone" and f.text == n for f in find_personal(n)) for n in abroad) / len(
        abroad
    )
    named = sum(any(f.kind == "phone" for f in find_personal(f"Phone: {n}")) for n in numbers) / len(numbers)
    print(
        f"international alone {alone:.4f} of {len(abroad)}, after the word phone {named:.4f} of {len(numbers)}"
    )
    assert alone >= 0.98
    assert named >= 0.98


_PIECES = st.one_of(
    st.sampled_from([value for _, _, value in FOUND]),
    st.text(alphabet=string.printable + "äß\u00a0\u200b٣@：", max_size=12),
    st.from_regex(r"[0-9+() ./-]{1,24}", fullmatch=True),
)


@given(st.lists(_PIECES, max_size=12).map("".join))
def test_findings_are_ordered_disjoint_and_true_to_the_text(text: str) -> None:
    findings = find_personal(text)
    assert findings == find_personal(text)
    last = 0
    for finding in findings:
        assert finding.kind in KINDS
        assert last <= finding.start < finding.end <= len(text)
        assert finding.text == text[finding.start : finding.end]
        last = finding.end


@given(st.text())
def test_any_text_is_searched_without_an_error(text: str) -> None:
    find_personal(text)


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1 ",
        "a@",
        "@",
        "0x",
        "1.",
        "a.",
        "::",
        ":0",
        "+1(",
        "[at]",
        "-----BEGIN ",
        "eyJa.",
        "key=",
        "DE12 ",
        "m" * 40,
        "٣",
    ],
)
def test_hostile_repetition_stays_within_the_time_of_the_suite(piece: str) -> None:
    # A search that is not linear would run for hours here, and the suite with it.
    find_personal(piece * (TEXT_BYTES_MAX // 8 // len(piece.encode())))


def test_a_text_beyond_the_bound_is_refused() -> None:
    with pytest.raises(WindrowError) as refusal:
        find_personal("ü" * (TEXT_BYTES_MAX // 2 + 1))
    assert refusal.value.code == "too_large"


@given(st.text(alphabet=string.digits, min_size=2, max_size=18), st.integers(0, 17), st.integers(1, 9))
def test_one_changed_digit_breaks_a_check(number: str, place: int, by: int) -> None:
    place %= len(number)
    digit = (int(number[place]) + by) % 10
    changed = f"{number[:place]}{digit}{number[place + 1 :]}"
    for check in (luhn, verhoeff, mod_11_10):
        assert not (check(number) and check(changed)), check.__name__


def test_checksums_of_published_examples() -> None:
    assert verhoeff("2363")
    assert mod_11_10("86095742719")
    assert iban("GB82WEST12345698765432")
    assert not iban("GB82WEST12345698765433")
    assert evm_address(WALLET)
    assert evm_address(WALLET.lower())
    assert not evm_address(WALLET.swapcase().replace("0X", "0x"))


@pytest.mark.parametrize(
    "shape", national_ids.SHAPES, ids=lambda shape: f"{shape.country} {shape.written}"[:40]
)
def test_every_number_of_a_shape_passes_what_is_looked_for_before_it(shape: national_ids.Shape) -> None:
    """Or numbers would be left out unseen: numbers are drawn from the shape itself."""

    @given(st.from_regex(re.compile(f"(?:{shape.written})", re.IGNORECASE), fullmatch=True))
    def passes(number: str) -> None:
        for text in (number, f"no. {number}, and", f"({number})"):
            assert national_ids._ENOUGH.search(text)

    passes()


@given(st.text(st.characters(codec=None), max_size=40) | st.text(max_size=200))
def test_characters_beyond_ascii_are_those_of_the_text(text: str) -> None:
    assert personal_patterns._beyond_ascii(text) == {char for char in text if char > "\x7f"}


@pytest.mark.parametrize(
    ("before", "number"),
    [
        ("phone_number=", "+382 30 274 558"),
        ("phone=", "(246) 258-1002"),
        ("Tel/Fax ", "+998912776186, ext. 4835"),
        ("WhatsApp me on ", "011 962 6 250 9155 Ext: 2895"),
        ("M: ", "9 523 2060"),
        ("Telefon: ", "00-1-649-242-7100"),
        ("T: ", "00.966.51.255.4201"),
        ("For help dial ", "1.(809).226-5595"),
        ("call me at ", "63.296.957"),
        ("ring me: ", "83 10 94"),
        ("Phone: ", "974"),
        ("Phone: ", "55 (17) 96332-2155"),
        ("my sister is at ", "2270 9673"),
        ("my new phone number: ", "573003321235"),  # whose check would make it a card
    ],
)
def test_on_a_device_what_people_write_of_their_telephones_is_found(before: str, number: str) -> None:
    found = find_personal(f"{before}{number}", DEVICE_DETECTORS)
    assert [(each.kind, each.text) for each in found] == [("phone", number)]


@pytest.mark.parametrize(
    "text",
    ["The office is at 17031 2202 Rissik St", "it cost 1.000.000 to call", "Phone: 12", "?id=1234567890"],
)
def test_on_a_device_other_numbers_are_no_telephones(text: str) -> None:
    assert [each for each in find_personal(text, DEVICE_DETECTORS) if each.kind == "phone"] == []


@pytest.mark.parametrize("address", ["A9 C5 D4 9F EB D3", "01AB03040506", "01:02:03:04:05:06:07:ab"])
def test_behind_its_name_a_hardware_address_is_found_however_it_is_written(address: str) -> None:
    found = find_personal(f"MAC: {address}", DEVICE_DETECTORS)
    assert [(each.kind, each.text) for each in found] == [("mac", address)]


def test_eighteen_digits_with_a_birthday_and_a_right_check_are_a_person_s_not_a_card_s() -> None:
    found = find_personal("653101199709305423", DEVICE_DETECTORS)
    assert [each.kind for each in found] == ["national_id"]


def test_an_account_of_no_country_s_length_is_found_by_its_check_on_a_device_only() -> None:
    for account, right in (("PH089736304700135269", True), ("PH089736304700135268", False)):
        kinds = [each.kind for each in find_personal(f"to {account} (savings)", DEVICE_DETECTORS)]
        assert ("iban" in kinds) is right
        assert find_personal(f"to {account} (savings)") == []
