"""The draw of audits: what is checked follows from a secret that was fixed before the work was done.

Rules: a validator commits to a secret before an epoch and reveals it at its end; whether it audits an entry of the log
is the HMAC of lease and content under that secret, so neither node nor coordinator can steer it and anyone can
re-derive it afterwards. Probabilities are integers in parts per million, comparisons exact.

Does not: keep secrets, or know rates (`aggregator/verification/standings/audit_rate.py`).

Usage::

    commitment = commitment_of(secret)                        # published before the epoch
    if is_drawn(secret, lease_id, content_sha256, rate_ppm): ...
    assert commitment_of(revealed) == commitment              # anybody, afterwards

Source: RFC 2104 (HMAC), FIPS 180-4 (SHA-256).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, Literal

from windrow_protocol.trust_rules import PPM

SECRET_BYTES: Final = 32
NO_LOG: Final = "0" * 64  # the digest of a log of which nothing was seen
Purpose = Literal["audit", "double"]


def commitment_of(secret: bytes) -> str:
    """Return the published digest of a secret. Raises ValueError for one that is not 32 bytes long."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret has {SECRET_BYTES} bytes, not {len(secret)}")
    return hashlib.sha256(b"windrow/audit-secret/" + secret).hexdigest()


def is_drawn(
    secret: bytes, lease_id: str, content_sha256: str, rate_ppm: int, purpose: Purpose = "audit"
) -> bool:
    """Say whether an entry is drawn at a probability of `rate_ppm` parts per million."""
    message = f"windrow/{purpose}/{lease_id}/{content_sha256}".encode()
    place = int.from_bytes(hmac.digest(secret, message, "sha256")[:8], "big")
    return place * PPM < rate_ppm << 64


def leave_place(seed: bytes, lease_id: str, content_sha256: str) -> int:
    """Return a document's place in the order in which those of a departing node are drawn, the lowest first."""
    message = f"windrow/leave/{lease_id}/{content_sha256}".encode()
    return int.from_bytes(hmac.digest(seed, message, "sha256")[:8], "big")


def share_of_one_ppm(rate_ppm: int, validators: int) -> int:
    """Return the rate at which each of some independent validators draws, so that together they reach `rate_ppm`."""
    if rate_ppm >= PPM:
        return PPM
    if validators <= 1:
        return rate_ppm
    undrawn: float = (1 - rate_ppm / PPM) ** (1 / validators)
    return round(PPM * (1 - undrawn))


def next_log_digest(before: str, seq: int, lease_id: str, content_sha256: str, share_ppm: int) -> str:
    """Return the digest of the entries a validator was shown, after one more; the first follows `NO_LOG`."""
    message = f"windrow/audit-log/{before}/{seq}/{lease_id}/{content_sha256}/{share_ppm}"
    return hashlib.sha256(message.encode()).hexdigest()
