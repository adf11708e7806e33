"""Which domains the node's owner keeps it from, or keeps it to: asked for every request, redirects and parts included.

Rules: a domain stands for itself and everything below it. A domain on the deny list, or in a denied category, is never
asked; where there is an allow list, nothing else is. A category is a file of the owner's, `categories/NAME.txt` in the
node's home: a domain a line, `#` for remarks; lines of a hosts file (`0.0.0.0 ads.example`) are read too. Of these only
64-bit digests are kept in memory, at most `OWNER_DOMAINS_MAX` of them.

Does not: come with lists of its own, or resolve names (`egress_address` decides about addresses).

Usage::

    domains = OwnerDomains.of(deny=["ads.example"], allow=[], categories={"adult": path})
    domains.check("tracker.ads.example")        # raises WindrowError `owner_denied`
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from contributor_node.egress.grants import target_of
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import OWNER_DOMAINS_MAX

FOLDER = "categories"


@dataclass(frozen=True, slots=True)
class OwnerDomains:
    """The owner's lists. Empty ones hold nothing back."""

    denied: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    categories: Mapping[str, array[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, deny: Iterable[str], allow: Iterable[str], categories: Mapping[str, Path]) -> Self:
        """Read lists and files. Raises WindrowError `bad_config`."""
        read = {
            name: array("Q", sorted({_digest(d) for d in _lines(path)})) for name, path in categories.items()
        }
        return cls(frozenset(map(domain_of, deny)), frozenset(map(domain_of, allow)), read)

    def check(self, host: str) -> None:
        """Raise WindrowError `owner_denied` where the owner does not want a host asked (ASCII, lower case)."""
        names = list(_with_parents(host))
        if not self.denied.isdisjoint(names):
            raise WindrowError("owner_denied", f"{host} is on the deny list")
        if self.allowed and self.allowed.isdisjoint(names):
            raise WindrowError("owner_denied", f"{host} is not on the allow list")
        if self.categories:
            digests = [_digest(name) for name in names]
            for category, known in self.categories.items():
                if any(_has(known, digest) for digest in digests):
                    raise WindrowError("owner_denied", f"{host} is in the category '{category}'")


def domain_of(text: str) -> str:
    """Return a domain as hosts are compared: ASCII, lower case. Raises WindrowError `bad_config`."""
    name = text.strip().removeprefix("*.").strip(".")
    try:
        place = target_of(f"http://{name}/").place
    except WindrowError:
        place = None
    if not name or place is None or place.port != 80 or any(mark in name for mark in "/?#@ "):
        raise WindrowError("bad_config", f"{text[:60]!r} is not a domain such as `ads.example`")
    return place.host


def category_paths(home: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return the files of some categories. Raises WindrowError `bad_config` for one that is not there."""
    found = {}
    for name in names:
        path = home / FOLDER / f"{name}.txt"
        if not name.replace("-", "").replace("_", "").isalnum() or not path.is_file():
            raise WindrowError("bad_config", f"there is no {FOLDER}/{name[:40]}.txt in {home}")
        found[name] = path
    return found


def _lines(path: Path) -> Iterator[str]:
    """Yield a file's domains. Raises WindrowError `bad_config` where it cannot be read or is too long."""
    count = 0
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.partition("#")[0].split()
                if not words:
                    continue
                count += 1
                if count > OWNER_DOMAINS_MAX:
                    raise WindrowError("bad_config", f"{path} has more than {OWNER_DOMAINS_MAX} domains")
                yield words[-1].strip(".").lower()
    except OSError as error:
        raise WindrowError("bad_config", f"{path}: {error.strerror}") from error


def _with_parents(host: str) -> Iterator[str]:
    while host:
        yield host
        host = host.partition(".")[2]


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def _has(known: array[int], digest: int) -> bool:
    at = bisect_left(known, digest)
    return at < len(known) and known[at] == digest
