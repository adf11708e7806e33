"""Undoing Content-Encoding: right for the honest, bounded for the others."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contributor_node.crawling.content_coding import undo_content_encoding
from windrow_protocol.errors import WindrowError

BOUND = 5_000_000


def raw_deflate(body: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(body) + machine.flush()


@given(body=st.binary(max_size=4_000), cut=st.integers(0, 4_000))
def test_what_was_encoded_comes_back(body: bytes, cut: int) -> None:
    assert undo_content_encoding(body, "", BOUND) == body
    assert undo_content_encoding(body, "identity", BOUND) == body
    assert undo_content_encoding(gzip.compress(body[:cut]) + gzip.compress(body[cut:]), "gzip", BOUND) == body
    assert undo_content_encoding(zlib.compress(body), "deflate", BOUND) == body
    assert undo_content_encoding(raw_deflate(body), "Deflate", BOUND) == body
    assert undo_content_encoding(gzip.compress(zlib.compress(body)), "deflate, x-gzip", BOUND) == body


@given(
    body=st.binary(max_size=2_000), coding=st.sampled_from(["gzip", "deflate", "gzip, deflate", "br", "zstd"])
)
def test_any_bytes_give_an_answer_or_a_reason(body: bytes, coding: str) -> None:
    try:
        assert len(undo_content_encoding(body, coding, 10_000)) <= 10_000
    except WindrowError as error:
        assert error.code in ("bad_answer", "decompression_bomb")  # noqa: PT017


BOMBS = {
    "one": (gzip.compress(b"0" * 50_000_000), "gzip"),
    "members": (gzip.compress(b"0" * 300_000) * 200, "gzip"),
    "nested": (gzip.compress(gzip.compress(b"0" * 50_000_000)), "gzip, gzip"),
    "deflate": (zlib.compress(b"0" * 50_000_000), "deflate"),
}


@pytest.mark.parametrize(("body", "coding"), BOMBS.values(), ids=BOMBS)
def test_bombs_are_stopped_before_they_cost_memory(body: bytes, coding: str) -> None:
    tracemalloc.start()
    with pytest.raises(WindrowError) as caught:
        undo_content_encoding(body, coding, 20_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "decompression_bomb"
    assert peak < 25_000_000


def test_small_bodies_may_be_very_repetitive() -> None:
    page = b"<li>the same</li>" * 50_000
    assert len(page) / len(gzip.compress(page)) > 100
    assert undo_content_encoding(gzip.compress(page), "gzip", BOUND) == page


@pytest.mark.parametrize(
    ("body", "coding"),
    [(gzip.compress(b"x" * 999)[:-9], "gzip"), (b"plain", "gzip"), (b"x", "br"), (b"x", "gzip, gzip, gzip")],
    ids=["cut short", "not gzip", "never asked for", "three deep"],
)
def test_lies_are_bad_answers(body: bytes, coding: str) -> None:
    with pytest.raises(WindrowError) as caught:
        undo_content_encoding(body, coding, BOUND)
    assert caught.value.code == "bad_answer"


def test_a_plain_body_beyond_the_bound_is_refused_too() -> None:
    with pytest.raises(WindrowError):
        undo_content_encoding(b"x" * 11, "", 10)
