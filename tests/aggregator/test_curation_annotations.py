"""All annotations of one document together: bounded, repeatable, and the same for a pinned tokenizer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rs_bpe.bpe import openai

from aggregator.curation import VERSION, Annotations, Fetched, annotate, annotate_all
from aggregator.curation.tokens import TOKENIZER, count_tokens
from storage.lake import LAKE_SCHEMA
from storage.tables.annotations import ANNOTATION_COLUMNS
from windrow_protocol.content import normalise_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TEXT_BYTES_MAX, TOKEN_PIECES_MAX

PAGE = (
    "The harbour was built in 1890 and has been used to land herring ever since.\n"
    "Write to keeper@harbour-museum.org with questions; there is a guide to have.\n"
    "Text is available under CC BY-SA 4.0."
)


def note(text: str = PAGE, **changed: Any) -> Annotations:
    recorded = {"url": "https://example.org/", "robots_state": "allowed", "optout_signals": [], **changed}
    return annotate(text, **recorded)


def test_a_page_is_annotated() -> None:
    judged = note()
    assert (judged.version, judged.language, judged.license_detected) == (VERSION, "en", "CC-BY-SA-4.0")
    assert (judged.training_allowed, judged.rights_reason) == (True, "allowed")
    assert judged.language_score > 0.8
    assert judged.personal == {"email": 1}
    assert judged.quality.lines == 3
    assert judged.token_count == 50


def test_annotations_are_plain_json_and_come_back_equal() -> None:
    judged = note()
    assert msgspec.json.decode(msgspec.json.encode(judged), type=Annotations) == judged
    signals = json.loads(msgspec.json.encode(judged.signals))
    assert signals["tokenizer"] == TOKENIZER
    assert signals["personal"] == {"email": 1}
    assert signals["quality"]["words"] == judged.quality.words


def test_its_columns_are_those_of_the_lake() -> None:
    columns = note().columns
    assert set(columns) >= {column.name for column in ANNOTATION_COLUMNS}
    table = pa.Table.from_pylist(
        [columns], pa.schema([field for field in LAKE_SCHEMA if field.name in columns])
    )
    (row,) = table.to_pylist()
    assert row == columns
    assert (row["annotation_version"], row["personal_email"], row["personal_card"]) == (VERSION, 1, 0)


def test_an_optout_is_seen() -> None:
    assert not note(optout_signals=["meta:robots noai="]).training_allowed
    assert note(robots_state="unreachable").rights_reason == "robots:unreachable"


def test_the_text_itself_never_appears_in_its_annotations() -> None:
    assert b"keeper@" not in msgspec.json.encode(note())


def test_a_text_over_the_bound_is_refused_and_one_at_the_bound_is_not() -> None:
    with pytest.raises(WindrowError) as refusal:
        note("ü" * (TEXT_BYTES_MAX // 2 + 1))
    assert refusal.value.code == "too_large"
    assert note("word " * (TEXT_BYTES_MAX // 5)).quality.words == TEXT_BYTES_MAX // 5


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300).map(normalise_text))
def test_any_text_can_be_annotated_and_twice_gives_the_same(text: str) -> None:
    assert note(text) == note(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("Hello, world", 3),
        ("<|endoftext|>", 7),
        ("Grüße aus Köln", 6),
        ("你好,世界", 6),
        ("a" * 300_000, 37_500),
    ],
)
def test_tokens_are_counted_by_the_pinned_tokenizer(text: str, tokens: int) -> None:
    assert (TOKENIZER, count_tokens(text)) == ("cl100k_base", tokens)


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=60)
    | st.text(
        st.sampled_from("ab 'sStTrReE1९٣ \n\t\r!.,\u0301é中\U0001f600\u00a0\u3000\x85\u2028ſK"), max_size=50
    )
)
def test_remembered_pieces_add_up_to_what_the_tokenizer_counts(text: str) -> None:
    expected = openai.cl100k_base().count(text)
    assert count_tokens(text) == expected
    assert count_tokens(text) == expected, "the second time from memory"


def test_many_new_pieces_neither_fill_the_memory_nor_spoil_a_count() -> None:
    tokenizer = openai.cl100k_base()
    for first in range(0, 2 * TOKEN_PIECES_MAX, 256):
        words = " ".join(
            f"{''.join(chr(97 + (n >> shift) % 26) for shift in (0, 4, 8, 12, 16))}x"
            for n in range(first, first + 256)
        )
        assert count_tokens(words) == tokenizer.count(words)


def test_documents_judged_together_are_judged_as_alone() -> None:
    documents = [
        Fetched(PAGE, "https://a.example/", "allowed", []),
        Fetched("Der Zug hatte Verspätung, und alle warteten.", "https://b.example/", "denied", []),
        Fetched("", "", "allowed", ["meta:robots noai="]),
    ]
    alone = [
        annotate(each.text, url=each.url, robots_state=each.robots_state, optout_signals=each.optout_signals)
        for each in documents
    ]
    assert annotate_all(documents) == alone
    assert annotate_all([]) == []
