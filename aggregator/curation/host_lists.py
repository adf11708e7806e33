"""Lists of hosts that an operator keeps, such as public ones of pages for adults or of spam: which of them hold a host.

Rules: a folder with one file for each list, named `<list>.txt`, one host a line; what stands before a blank is ignored
(so that files of the form `0.0.0.0 host` do), and what stands behind a `#`. A list that holds a domain holds all hosts
below it. Kept as sorted 64-bit hashes: 8 bytes a host, so that millions fit; a file is read once. Bounded.

Does not: download lists, or drop a page (recipes do).

Usage::

    lists = HostLists(Path("home/host_lists"))
    lists.holding("https://shop.casino.example/page")     # ["spam"]
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HOST_CHARS_MAX, HOST_LISTS_MAX

FOLDER: Final = "host_lists"  # in a home
_LABELS_MAX: Final = 128


class HostLists:
    """All lists below a folder; none when there is no folder."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read the lists. Raises WindrowError `bad_config` for too many or for one that is not text."""
        files = sorted(folder.glob("*.txt")) if folder else []
        if len(files) > HOST_LISTS_MAX:
            raise WindrowError("bad_config", f"{folder}: {len(files)} lists, {HOST_LISTS_MAX} allowed")
        self._lists = {path.stem: _read(path) for path in files}

    def holding(self, url: str) -> list[str]:
        """Return the names of the lists with the host of an address, or a domain above it, in alphabetic order."""
        if not self._lists:
            return []
        hashes = np.array([_hash(name) for name in _names(url)], np.uint64)
        return [name for name, listed in self._lists.items() if np.isin(hashes, listed).any()]


def _read(path: Path) -> NDArray[np.uint64]:
    try:
        with path.open(encoding="utf-8") as lines:
            hosts = (line.split("#", 1)[0].split() for line in lines)
            hashes = np.fromiter((_hash(parts[-1].lower()) for parts in hosts if parts), np.uint64)
    except (OSError, UnicodeDecodeError) as error:
        raise WindrowError("bad_config", f"{path}: {error}") from error
    return np.unique(hashes)


def _hash(host: str) -> int:
    return int.from_bytes(hashlib.blake2b(host.strip(".").encode(), digest_size=8).digest(), "little")


def _names(url: str) -> Iterator[str]:
    """Yield a host and all domains above it."""
    try:
        host = (urlsplit(url).hostname or "").strip(".")
    except ValueError:
        return
    labels = host[-HOST_CHARS_MAX:].split(".")[-_LABELS_MAX:]
    for first in range(len(labels)):
        yield ".".join(labels[first:])
