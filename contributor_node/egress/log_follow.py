"""Reading the line log while the node writes it.

Rules: whole lines only, in order, none twice, through rotation; a line torn by a full disk is skipped. A rotated file
has its turn in its name, so none is missed however fast they come.

Does not: write, or wait by itself: the caller says how.

Usage: `for event in follow(home / "line_log.ndjson", wait=lambda: time.sleep(0.25)): ...`
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from contributor_node.egress.line_log import event_of, last_turn, rotated_path


def follow(path: Path, wait: Callable[[], object]) -> Iterator[dict[str, Any]]:
    """Yield each event written from now on, for ever; `wait` is called whenever there is nothing new."""
    turn = last_turn(path) + 1  # of the file in use, once it is rotated
    file, rest = _opened(path, turn), b""
    if file is not None:
        file.seek(0, os.SEEK_END)
    while True:
        is_whole = rotated_path(path, turn).exists()  # asked first: then what is read is all there will be
        if file is None:
            file = _opened(path, turn)
        if file is not None:
            *lines, rest = (rest + file.read()).split(b"\n")
            yield from (event for line in lines if line and (event := event_of(line)) is not None)
        if not is_whole or file is None:
            wait()
            continue
        file.close()
        turn, file, rest = turn + 1, None, b""


def _opened(path: Path, turn: int) -> BinaryIO | None:
    """Open the file of a turn, whether it is rotated already or in use; None where it is not there yet."""
    for name in (rotated_path(path, turn), path, rotated_path(path, turn)):
        try:
            file = name.open("rb")
        except FileNotFoundError:
            continue
        if name != path or last_turn(path) < turn:  # else it was rotated between the two names
            return file
        file.close()
    return None
