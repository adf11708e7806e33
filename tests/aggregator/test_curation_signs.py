"""A scanner that the signs leave out would have found nothing, whatever the text."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_data

from aggregator.curation import language
from aggregator.curation.language import SAMPLE_CHARS, detect_language
from aggregator.curation.licence_rules import ANYWHERE, GNU_TITLE_SIGNS, GNU_TITLES, GRANTED
from aggregator.curation.licences import UNKNOWN, detect_licence
from aggregator.curation.quality import measure_quality
from aggregator.curation.signs import (
    GRANTED_NAMES,
    GRANTS,
    LICENCES,
    PHRASES,
    SECRETS,
    may_name_a_licence,
    signs_of,
)
from windrow_protocol.personal.secrets import secrets_in

EVERYTHING = LICENCES | GRANTS | GRANTED_NAMES | SECRETS | PHRASES
SIGNED = [(rule, LICENCES) for _, rule in ANYWHERE] + [(rule, GRANTED_NAMES) for _, rule in GRANTED]


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("SPDX-License-Identifier: MIT", LICENCES),
        ("see Creative   Commons\nAttribution 4.0 International", LICENCES),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007", LICENCES),
        ("Under\u00a0the terms", GRANTS),
        ("it is APACHE 2", GRANTED_NAMES),
        ("mit", GRANTED_NAMES),
        ("(MIT)", GRANTED_NAMES),
        ("per\u200bmit", GRANTED_NAMES),
        ("AKIAABCDEFGHIJKLMNOP", SECRETS),
        ("api_to\u200bken = x", SECRETS),
        ("Pa\u017fsword: x", SECRETS),
        ("\uff50\uff57\uff44\uff1a x", SECRETS),
        ("The pwd is x", SECRETS),
        ("Our COOKIE policy", PHRASES),
    ],
)
def test_a_sign_is_seen_however_it_is_written(text: str, group: int) -> None:
    assert signs_of(text) & group
    assert signs_of(f"One {text} two") & group


@pytest.mark.parametrize(
    "text", ["", "permit", "submits", "The key to the house", "a token of love", "spdx", "cook ie"]
)
def test_prose_has_none(text: str) -> None:
    assert signs_of(text) == 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_a_licence_rule_matches_has_a_sign_of_its_group(data: st.DataObject) -> None:
    rule, group = data.draw(st.sampled_from(SIGNED))
    text = data.draw(st.from_regex(rule.shape))
    assert signs_of(text) & group, text


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(GNU_TITLES).flatmap(lambda rule: st.from_regex(rule.shape)))
def test_whatever_a_title_matches_has_a_sign(text: str) -> None:
    assert signs_of(text) & LICENCES
    assert any(sign in text for sign in GNU_TITLE_SIGNS)


PIECES = st.sampled_from(
    [
        *("licensed under ", "Lizenz: ", "subject to ", "mit", "MIT ", "Apache-2.0", "gpl v3", "GPL", "bsd"),
        *("gnu general public license, version 2", "mpl 2.0", "cc-by 4.0", "isc license", "under ", "CC0"),
        *("3-clause bsd", "unlicense", "psf license 2", "released "),
        *("\u200b", "\n", " ", "x", ".", "\u0130", "\u212a", "\u017f", "\uff4d"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_shreds_of_licences_are_detected_as_without_signs(text: str) -> None:
    assert detect_licence(text) == detect_licence(text, signs=EVERYTHING)


def test_real_licences_are_detected_as_without_signs() -> None:
    table = pq.read_table(real_data("neardup_licences_spdx") / "docs.parquet", columns=["text"])
    found = [detect_licence(str(text)) for text in table.column(0).to_pylist()[::16]]
    assert found == [
        detect_licence(str(text), signs=EVERYTHING) for text in table.column(0).to_pylist()[::16]
    ]
    assert sum(each != UNKNOWN for each in found) > len(found) // 5


SECRET_PIECES = st.sampled_from(
    [
        *(
            "ghp_",
            "0123456789abcdefghijABCDEFGHIJ012345",
            "password",
            ": ",
            " is ",
            "='",
            "hunter2x9",
            "Bearer ",
        ),
        *("abcdefgh12345678ijklmnop", "SK", "0123456789abcdef" * 2, "-----BEGIN PRIVATE KEY-----", "sk-"),
        *("AKIA", "ABCDEFGHIJ234567", "api key", "eyJ", ".", "secret", '"', "\n", "token", "="),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(SECRET_PIECES, max_size=7).map("".join))
def test_a_text_with_a_secret_has_a_sign_or_a_long_hexadecimal_number(text: str) -> None:
    if any(True for _ in secrets_in(text)):
        assert signs_of(text) & SECRETS or any(
            all(char in "0123456789abcdefABCDEF" for char in text[start : start + 32])
            for start in range(len(text) - 31)
        )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["Lorem ", "ipsum", "use cookies", ". ", "\n", "JavaScript", "words "])).map(
        "".join
    )
)
def test_numbers_do_not_depend_on_who_looked_for_signs(text: str) -> None:
    assert measure_quality(text) == measure_quality(text, signs=EVERYTHING)


def test_a_url_counts_for_the_licence_of_its_text() -> None:
    url = "https://www.apache.org/licenses/LICENSE-2.0"
    assert detect_licence("nothing", url=url) == "Apache-2.0"
    assert may_name_a_licence(signs_of(f"{url} nothing"))


def test_a_glance_says_what_the_whole_sample_says(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pq.read_table(real_data("langid_lingua_a") / "sentences.parquet").to_pylist()
    said = [row["text"] for row in table if row["kind"] == "sentences"]
    long = [" ".join(said[first : first + 8]) for first in range(0, len(said) - 8, 96)]
    long += [
        f"{said[0]} {said[1]} {text}" for text in long[1::2]
    ]  # a page whose menu speaks another language
    long = [text for text in long if len(text) > SAMPLE_CHARS]
    assert len(long) > 100
    quick = [detect_language(text).code for text in long]
    monkeypatch.setattr(language, "GLANCE_SURE_MIN", 2.0)
    slow = [detect_language(text).code for text in long]
    assert sum(one != other for one, other in zip(quick, slow, strict=True)) <= len(long) // 100
