"""Reading the line log while the node writes it.

Rules: whole lines only, in order, none twice, through rotation; a line torn by a full disk is skipped.

Does not: write, or wait by itself: the caller says how.

Usage: `for event in follow(home / "line_log.ndjson", wait=lambda: time.sleep(0.25)): ...`
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from contributor_node.line_log import event_of, log_files


def follow(path: Path, wait: Callable[[], object]) -> Iterator[dict[str, Any]]:
    """Yield each event written from now on, for ever; `wait` is called whenever there is nothing new."""
    known = [_mark(file) for file in log_files(path)]
    file: BinaryIO | None = path.open("rb") if path.exists() else None
    if file is not None:
        file.seek(0, os.SEEK_END)
    rest = b""
    while True:
        following = None if file is not None and _mark(path) in known else _following(path, known)
        if (
            file is not None
        ):  # after looking for the next one: what the old one had by then is read to its end
            *lines, rest = (rest + file.read()).split(b"\n")
            yield from (event for line in lines if line and (event := event_of(line)) is not None)
        if following is None:
            wait()
            continue
        if file is not None:
            file.close()
        file, rest = following, b""


def _following(path: Path, known: list[tuple[int, int]]) -> BinaryIO | None:
    """Open the oldest file that was not read yet."""
    for each in log_files(path):
        mark = _mark(each)
        if mark not in known:
            known.append(mark)
            return each.open("rb")
    return None


def _mark(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return found.st_dev, found.st_ino
