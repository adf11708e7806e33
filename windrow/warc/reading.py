"""Reads a WARC file through a child process, and goes on behind the record that killed it.

Rules: a file is looked at first: what is no WARC is refused with its reason. A record that ends the child, or
leaves it silent for `CHILD_SILENT_S_MAX`, is skipped as `parser_died` or `parser_hung`; after `WARC_DEATHS_MAX` of
them the file is given up. Never more than one document is held.

Does not: extract (`records`), store, or follow links.

Usage: `for step in read_warc(path): ...`: a `Document`, a reason, and last how the file ended.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from aggregator.importing import Document
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    CHILD_LINE_BYTES_MAX,
    CHILD_SILENT_S_MAX,
    CHILD_START_S_MAX,
    WARC_DEATHS_MAX,
)

_HEADS: Final = (b"WARC/", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_ROOT: Final = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Step:
    """What became of one record, or, as the last, how the file ended (`reason` is empty when it was whole)."""

    kind: Literal["document", "skip", "end"]
    reason: str = ""
    document: Document | None = None


def require_warc(path: Path) -> None:
    """Look at a file's beginning. Raises WindrowError `not_found` or `bad_warc`."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise WindrowError("not_found", f"{path}: {error.strerror}") from error
    if head.startswith(b"filedesc:"):
        raise WindrowError("bad_warc", f"{path.name} is an ARC file")
    if not head:
        raise WindrowError("bad_warc", f"{path.name} is empty")
    if not head.startswith(_HEADS):
        raise WindrowError("bad_warc", f"{path.name} begins with {head[:8]!r}")


def read_warc(path: Path, silent_s: float = CHILD_SILENT_S_MAX) -> Iterator[Step]:
    """Yield what every record is. Raises WindrowError `not_found` or `bad_warc`."""
    require_warc(path)
    after = deaths = 0
    while True:
        begun = after
        for line in _lines(path, after, silent_s):
            name, *rest = line
            if name == "begin":
                begun = rest[0]
            elif name == "end":
                yield Step("end", rest[0])
                return
            else:
                after = rest[0]
                yield _step(name, rest[1])
        deaths += 1
        if deaths > WARC_DEATHS_MAX or begun == after:
            yield Step("end", f"given up after record {after}: its reader died {deaths} times")
            return
        after = begun
        yield Step("skip", "parser_died")


def _step(name: str, value: Any) -> Step:
    if name == "document":
        return Step("document", document=msgspec.convert(value, Document))
    return Step("skip", str(value))


def _lines(path: Path, after: int, silent_s: float) -> Iterator[list[Any]]:
    """Yield the child's lines until it ends, dies, or is killed for its silence."""
    child = subprocess.Popen(
        [sys.executable, "-m", "windrow.warc.child", str(path.resolve()), str(after)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "ARROW_DEFAULT_MEMORY_POOL": "system"},
    )
    assert child.stdout is not None
    poll = selectors.DefaultSelector()  # `select` knows no descriptor above 1,023
    poll.register(child.stdout, selectors.EVENT_READ)
    try:
        buffer, patience_s = b"", float(CHILD_START_S_MAX)
        while poll.select(patience_s):
            data = os.read(child.stdout.fileno(), 1 << 16)
            if not data or len(buffer) > CHILD_LINE_BYTES_MAX:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                yield msgspec.json.decode(line)
            patience_s = silent_s
    finally:
        poll.close()
        child.kill()
        child.wait()
        child.stdout.close()
