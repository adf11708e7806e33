"""The list of domains that a network takes for known: one that nobody makes by registering a name.

    example.org             a domain a line, or
    1,example.org           its rank first, as published lists of popular domains have it; # begins a remark

Rules: pure. A domain is a registrable one, or an IP address of a host that has no name. Only digests are kept, sixteen
bytes each, so that a million domains take 16 MB; a free name with the digest of a known one cannot be found.

Does not: fetch or choose a list, or say what a domain that is not on it is worth (`rewards/novelty_rooms`).

Usage: `ranked = RankedDomains.parse(lines)`; `"example.org" in ranked`.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Self

from windrow_protocol.limits import HOST_CHARS_MAX, RANKED_DOMAINS_MAX

_DIGEST_BYTES = 16
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_:")


class RankedDomains:
    """A set of domains; `sha256` is of their digests in order, so that equal sets have equal ones."""

    def __init__(self, digests: Iterable[bytes]) -> None:
        self._digests = b"".join(sorted(set(digests)))
        self.sha256 = hashlib.sha256(self._digests).hexdigest()

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Self:
        """Read a list. Raises ValueError that names the line which is no domain, or the bound that is passed."""
        digests: list[bytes] = []
        for number, line in enumerate(lines, start=1):
            domain = line.partition("#")[0].strip().rpartition(",")[2].strip().lower().removesuffix(".")
            if not domain:
                continue
            if len(domain) > HOST_CHARS_MAX or not set(domain) <= _ALLOWED:
                raise ValueError(f"line {number} is no domain: {domain[:60]!r}")
            if len(digests) == RANKED_DOMAINS_MAX:
                raise ValueError(f"line {number}: more than {RANKED_DOMAINS_MAX} domains")
            digests.append(_digest(domain))
        return cls(digests)

    def as_dict(self) -> dict[str, Any]:
        """Return what a network says of its list: how many domains, and the digest of them."""
        return {"domains": len(self), "sha256": self.sha256}

    def __len__(self) -> int:
        return len(self._digests) // _DIGEST_BYTES

    def __contains__(self, domain: object) -> bool:
        if not isinstance(domain, str):
            return False
        wanted = _digest(domain)
        at = bisect_left(range(len(self)), wanted, key=self._at)
        return self._at(at) == wanted

    def _at(self, place: int) -> bytes:
        return self._digests[place * _DIGEST_BYTES : (place + 1) * _DIGEST_BYTES]


def _digest(domain: str) -> bytes:
    return hashlib.blake2b(domain.encode(), digest_size=_DIGEST_BYTES).digest()
