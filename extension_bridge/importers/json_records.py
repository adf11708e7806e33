"""Reads the records of a JSON file of any size one by one, each within bounds, and tells a file's shape by its head.

Rules: a file is never held as a whole; a record with too many values or characters is passed over, not built; a token
that does not end, or nesting without end, ends the reading; what came before a broken place was read. Several values
after each other (JSON lines) and a JavaScript name before the value (`window.x = [`) are read as well.

Does not: know what the records mean.

Usage::

    for record in records_of(stream, ("messages", ITEM), on_too_large=count): ...
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import ijson

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    IMPORT_JSON_DEPTH_MAX,
    IMPORT_RECORD_BYTES_MAX,
    IMPORT_RECORD_NODES_MAX,
)

ITEM: Final = None  # in a place: each entry of a list, or each value of an object
Place = tuple[str | None, ...]
Event = tuple[str, Any]

_PIECE_BYTES: Final = 65_536
_SHAPE_DEPTH_MAX: Final = 8
_SHAPE_PLACES_MAX: Final = 2_000
# A mark of byte order, and the name that a script gives the value.
_BEFORE_JSON: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s*(?:var |let |const )?[A-Za-z_$][\w$.]{0,80}\s*=\s*)?"
)
_OPENINGS: Final = frozenset({"start_map", "start_array"})
_CLOSINGS: Final = frozenset({"end_map", "end_array"})


class _Watched:
    """Bytes for the tokenizer, which may not swallow too many of them without giving a token."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        before_json = _BEFORE_JSON.match(stream.peek(256)[:256])
        stream.read(before_json.end() if before_json else 0)
        self.silent_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next piece. Raises WindrowError `export_refused`."""
        self.silent_bytes += _PIECE_BYTES
        if self.silent_bytes > IMPORT_RECORD_BYTES_MAX:
            raise WindrowError(
                "export_refused", f"a JSON token of more than {IMPORT_RECORD_BYTES_MAX:,} bytes"
            )
        return self._stream.read(size if 0 <= size <= _PIECE_BYTES else _PIECE_BYTES)


def _events(stream: io.BufferedReader) -> Iterator[Event]:
    """Yield JSON tokens. Raises WindrowError `export_damaged` where the file is no JSON (any more)."""
    watched = _Watched(stream)
    try:
        for event in ijson.basic_parse(watched, buf_size=_PIECE_BYTES, multiple_values=True, use_float=True):
            watched.silent_bytes = 0
            yield event
    except WindrowError:
        raise
    except (
        ijson.JSONError,
        ValueError,
        OverflowError,
    ) as error:  # ValueError: a number or character beyond all use
        raise WindrowError("export_damaged", str(error).split("\n")[0][:120]) from error


def records_of(
    stream: io.BufferedReader, place: Place, on_too_large: Callable[[], None]
) -> Iterator[tuple[str, Any]]:
    """Yield (key, record) of every value at a place; the key is empty for entries of a list.

    `("chats", ITEM)` names the entries of the list, or the values of the object, that the root holds as `chats`; the
    empty place names each root value. Raises WindrowError `export_damaged` or `export_refused`.
    """
    for _, key, record in records_at(stream, (place,), on_too_large):
        yield key, record


def records_at(
    stream: io.BufferedReader, places: tuple[Place, ...], on_too_large: Callable[[], None]
) -> Iterator[tuple[Place, str, Any]]:
    """Yield (place, key, record) of every value at one of several places, in the order of the file.

    No place may lie within another. Raises as `records_of`.
    """
    events = _events(stream)
    path: list[str | None] = []  # the key in each open container; ITEM in a list
    for event, value in events:
        if event == "map_key":
            path[-1] = value
            continue
        if event in _CLOSINGS:
            path.pop()
            continue
        place = next((each for each in places if _fits(path, each)), None)
        if place is not None:
            record, whole = _assembled(events, event, value)
            if whole:
                yield place, (path[-1] or "") if path else "", record
            else:
                on_too_large()
        elif event in _OPENINGS:
            path.append(ITEM if event == "start_array" else "")
            _check_depth(len(path))


def _fits(path: Sequence[str | None], place: Place) -> bool:
    return len(path) == len(place) and all(
        wanted is ITEM or wanted == step for step, wanted in zip(path, place, strict=True)
    )


def _check_depth(depth: int) -> None:
    if depth > IMPORT_JSON_DEPTH_MAX:
        raise WindrowError("export_refused", f"JSON nested deeper than {IMPORT_JSON_DEPTH_MAX}")


def _assembled(events: Iterator[Event], event: str, value: Any) -> tuple[Any, bool]:
    """Return the value that begins with an event, and whether it is whole: one beyond the bounds is not built."""
    if event not in _OPENINGS:
        return value, True
    root: Any = {} if event == "start_map" else []
    stack, keys = [root], [""]
    nodes = size = 0
    for event, value in events:  # the same stream of events, further on
        if event == "map_key":
            keys[-1] = value
            size += len(value)
            continue
        if event in _CLOSINGS:
            stack.pop()
            keys.pop()
            if not stack:
                return root, nodes <= IMPORT_RECORD_NODES_MAX and size <= IMPORT_RECORD_BYTES_MAX
            continue
        nodes += 1
        size += len(value) if isinstance(value, str) else 8
        if event in _OPENINGS:
            value = {} if event == "start_map" else []
        if nodes <= IMPORT_RECORD_NODES_MAX and size <= IMPORT_RECORD_BYTES_MAX:
            _put(stack[-1], keys[-1], value)
        if event in ("start_map", "start_array"):
            stack.append(value)
            keys.append("")
            _check_depth(len(stack))
    raise WindrowError("export_damaged", "the JSON ends early")


def _put(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    else:
        container.append(value)


def shape_of(head: bytes) -> frozenset[Place]:
    """Return the places that are seen in the head of a JSON file, none when it is no JSON.

    A list's entries are ITEM; so `[{"time": 1}]` has the shape `(ITEM,)`, `(ITEM, "time")`.
    """
    seen: set[Place] = set()
    path: list[str | None] = []
    try:
        for event, value in _events(io.BufferedReader(io.BytesIO(head))):
            if event == "map_key":
                path[-1] = value
                seen.add(tuple(path[:_SHAPE_DEPTH_MAX]))
            elif event in _CLOSINGS:
                path.pop()
            elif event in _OPENINGS:
                path.append(ITEM if event == "start_array" else "")
                _check_depth(len(path))
                if event == "start_array":
                    seen.add(tuple(path[:_SHAPE_DEPTH_MAX]))
            if len(seen) >= _SHAPE_PLACES_MAX:
                break
    except WindrowError:
        pass  # a head ends early as a rule
    return frozenset(seen)


def is_seen(shape: frozenset[Place], place: Place) -> bool:
    """Say whether a shape has a place, in which ITEM stands for any step."""
    return place in shape or any(_fits(seen, place) for seen in shape)


# --- what a record says, whatever it holds -----------------------------------------------------------------------


def text_at(record: Any, *keys: str) -> str:
    """Return the text or number under nested keys as text, empty when there is none."""
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    if isinstance(record, str):
        return record
    return str(record) if isinstance(record, int | float) and not isinstance(record, bool) else ""


def first_text(record: Any, *keys: str) -> str:
    """Return the first text that is there under one of several keys."""
    return next(filter(None, (text_at(record, key) for key in keys)), "")


def list_at(record: Any, *keys: str) -> list[Any]:
    """Return the list under nested keys, empty when there is none."""
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record if isinstance(record, list) else []
