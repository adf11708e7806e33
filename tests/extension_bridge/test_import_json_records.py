"""JSON of any size and shape is read record by record, and what is made to exhaust a reader does not."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extension_bridge.importers import json_records
from extension_bridge.importers.json_records import ITEM, Place, records_of, shape_of
from windrow_protocol.errors import WindrowError

LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


def records(data: bytes | str, place: Place) -> list[tuple[str, Any]]:
    raw = data.encode() if isinstance(data, str) else data
    return list(records_of(io.BufferedReader(io.BytesIO(raw)), place, lambda: None))


@given(st.lists(VALUES, max_size=6))
def test_the_entries_of_a_list_are_what_the_library_reads(values: list[Any]) -> None:
    assert [value for _, value in records(json.dumps(values), (ITEM,))] == values


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=5))
def test_the_values_of_an_object_come_with_their_keys(values: dict[str, Any]) -> None:
    assert dict(records(json.dumps(values), (ITEM,))) == values


@given(VALUES, VALUES)
def test_a_place_deep_inside_is_found(value: Any, other: Any) -> None:
    text = json.dumps({"x": other, "chats": {"list": [{"messages": [value, other]}, {"messages": []}]}})
    assert [v for _, v in records(text, ("chats", "list", ITEM, "messages", ITEM))] == [value, other]


def test_lines_of_json_a_mark_and_a_script_s_name_are_read() -> None:
    assert [v for _, v in records('{"a": 1}\n{"a": 2}\n', ())] == [{"a": 1}, {"a": 2}]
    assert [v for _, v in records(b"\xef\xbb\xbf[1]", (ITEM,))] == [1]
    assert [v for _, v in records("window.YTD.tweets.part0 = [ 1 ]", (ITEM,))] == [1]


def test_what_came_before_a_broken_place_is_read() -> None:
    reading = records_of(io.BufferedReader(io.BytesIO(b'[{"a": 1}, {"a": ')), (ITEM,), lambda: None)
    assert next(reading) == ("", {"a": 1})
    with pytest.raises(WindrowError, match="export_damaged"):
        next(reading)


def test_a_record_with_too_many_values_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "IMPORT_RECORD_NODES_MAX", 10)
    passed = []
    data = json.dumps([[0] * 11, [1], {"a": [{}] * 20}, [2]]).encode()
    stream = io.BufferedReader(io.BytesIO(data))
    assert [v for _, v in records_of(stream, (ITEM,), lambda: passed.append(1))] == [[1], [2]]
    assert len(passed) == 2


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000, b'[{"a":' * 50_000])
def test_nesting_without_end_is_refused(deep: bytes) -> None:
    with pytest.raises(WindrowError, match="export_refused"):
        records(deep, (ITEM, "x"))
    with pytest.raises(WindrowError, match="export_refused"):
        records(deep, (ITEM,))
    assert len(shape_of(deep)) < 100


@pytest.mark.parametrize(
    "filler", [b'["' + b"a" * 3_000_000, b"[" + b"1" * 3_000_000, b"[" + b" " * 3_000_000]
)
def test_a_token_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, filler: bytes) -> None:
    monkeypatch.setattr(json_records, "IMPORT_RECORD_BYTES_MAX", 1_000_000)
    with pytest.raises(WindrowError, match="export_refused"):
        records(filler, (ITEM,))


def outcome(data: bytes) -> str:
    try:
        records(data, (ITEM,))
    except WindrowError as error:
        return error.code
    return "read"


@pytest.mark.parametrize(
    "text", ["[1e999999]", "[" + "9" * 5_000 + "]", '["\\ud800"]', "[nan]", "\x00", "", "]"]
)
def test_odd_values_end_the_file_or_are_read_but_never_fail(text: str) -> None:
    assert outcome(text.encode()) in ("read", "export_damaged")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    shape_of(data)
    assert outcome(data) in ("read", "export_damaged", "export_refused")
