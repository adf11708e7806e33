"""Leaving detectors out changes no finding, whatever the text; and what is counted is what the bridge would redact."""

from __future__ import annotations

import json
import re

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_data

from aggregator.curation.personal_findings import count_personal
from aggregator.curation.personal_kernels import detectors_for
from windrow_protocol.personal.national_ids import SHAPES, Shape
from windrow_protocol.personal.patterns import DETECTORS, find_personal

ONE_OF_EACH = {
    "secret": [
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "password: hunter2x9",
        "xoxb-0123456789",
        "Bearer abcdefgh12345678ijklmnop",
    ],
    "email": ["ana@example.org", "ana [at] example [dot] org", "\u201cana\u201d@[10.1.2.3]"],
    "network": ["10.20.30.40", "2a02:1:2::7", "fe80::1:2:3", "00:1b:44:11:3a:b7", "00-1b-44-11-3a-b7"],
    "evm": ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
    "base58": ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"],
    "bech32": ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"],
    "number": [
        "+1 212 555 0187",
        "4111 1111 1111 1111",
        "219-09-9999",
        "DE89 3704 0044 0532 0130 00",
        "A123456(3)",
    ],
}
PIECES = [piece for pieces in ONE_OF_EACH.values() for piece in pieces]


def assert_nothing_is_missed(text: str) -> None:
    assert find_personal(text, detectors_for(text)) == find_personal(text)


@pytest.mark.parametrize("detector", DETECTORS)
def test_each_detector_is_run_where_it_finds(detector: str) -> None:
    for piece in ONE_OF_EACH[detector]:
        assert detector in detectors_for(f"before {piece} behind"), piece
        assert_nothing_is_missed(f"before {piece} behind")


def test_prose_runs_none() -> None:
    assert detectors_for("In 1890 the harbour (at last) was built: 120 ships, 3.5 metres deep.") == ("email",)
    assert detectors_for("In 1890 the harbour was built: 120 ships, 3.5 metres deep.") == ()


@pytest.mark.parametrize(
    "figures",
    [
        "from 1998, in 2003 and for 35 of 1,200",
        "12 x 34 x 56 x 78",
        "1:23, 4:56, 7:89",
        "A4, B5, C6, D7, E8, F9",
    ],
)
def test_figures_far_from_one_another_run_none(figures: str) -> None:
    assert detectors_for(figures) == ()
    assert find_personal(figures) == []


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.country} {shape.written}"[:40])
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_national_numbers_of_every_shape_are_run(shape: Shape, data: st.DataObject) -> None:
    number = data.draw(st.from_regex(re.compile(f"(?:{shape.written})", re.IGNORECASE), fullmatch=True))
    assert "number" in detectors_for(f"before {number} behind")


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(r"[A-Za-z]{2}[0-9]{2}", fullmatch=True),
    st.lists(st.from_regex(r"[A-Z]{0,3}[0-9][A-Z]{0,2}", fullmatch=True), min_size=5, max_size=9),
    st.sampled_from(["", " ", "-", "\u200b"]),
)
def test_accounts_with_letters_between_their_digits_are_run(head: str, parts: list[str], joint: str) -> None:
    assert "number" in detectors_for(joint.join([head, *parts]))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.from_regex(r"[0-9]{1,3}", fullmatch=True), min_size=7, max_size=9), st.data())
def test_telephone_numbers_however_parted_are_run(groups: list[str], data: st.DataObject) -> None:
    joints = st.sampled_from([" ", "-", ".", "/", " (", "-(", "(", ")", ") ", ")-", ")."])
    number = "".join(f"{data.draw(joints)}{group}" for group in groups)
    assert "number" in detectors_for(f"+{number}")
    assert_nothing_is_missed(f"phone {number}")


SHREDS = st.sampled_from(
    [*PIECES, *(piece[: len(piece) // 2] for piece in PIECES), *(piece[3:] for piece in PIECES)]
)
JOINTS = st.sampled_from(
    [
        " ",
        "\n",
        "",
        ":",
        "-",
        ".",
        "\u200b",
        "@",
        "[",
        "(at)",
        "//",
        "://",
        "\uff11",
        "\u0661",
        "\u017f",
        "0x",
        "1",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(SHREDS, JOINTS), max_size=6).map(lambda parts: "".join(a + b for a, b in parts)))
def test_shreds_of_findings_are_searched_as_before(text: str) -> None:
    assert_nothing_is_missed(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("0123456789abcfxtAT:.-@[({])} \n/\u200b\uff10\u0661s=keybearer"), max_size=60))
def test_any_run_of_telling_characters_is_searched_as_before(text: str) -> None:
    assert_nothing_is_missed(text)


def test_labelled_texts_are_searched_as_before() -> None:
    folder = real_data("pii_presidio_research_synth")
    for line in (folder / "spans.jsonl").read_text().strip().split("\n"):
        assert_nothing_is_missed(json.loads(line)["text"])
    for line in (real_data("pii_validatorjs") / "cases.jsonl").read_text().strip().split("\n")[::3]:
        assert_nothing_is_missed(str(json.loads(line)["input"]))


def test_real_pages_are_searched_as_before() -> None:
    pages = pq.read_table(real_data("html_wcxb_a") / "pages.parquet", columns=["expected_text"])
    for text in pages.column(0).to_pylist()[::4]:
        assert_nothing_is_missed(text or "")


def test_counts_have_no_zeros_and_an_order() -> None:
    assert count_personal("Mail ana@example.org, bo@example.org or 10.20.30.40") == {"email": 2, "ip": 1}
    assert count_personal("nothing") == {}
