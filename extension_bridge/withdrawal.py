"""The statement by which a person takes a donation back, signed as the consent was.

Rules: it names the donation and the consent receipt it ends; the coordinator must answer it with a receipt of its own.

Does not: send it, or decide whether there is anything to take back (see `outbox`).

Usage: `token = sign_withdrawal(key, kept, network, now_ms)`.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from extension_bridge.outbox import Kept
from windrow_protocol.signing import public_id, sign

PURPOSE: Final = "withdrawal"
REQUEST_PURPOSE: Final = "personal_withdrawal"
RECEIPT_PURPOSE: Final = "personal_withdrawal_receipt"


def sign_withdrawal(key: Ed25519PrivateKey, kept: Kept, network: str, now_ms: int) -> str:
    """Return the signed withdrawal of one donation."""
    return sign(
        key,
        network=network,
        purpose=PURPOSE,
        subject=public_id(key),
        now_ms=now_ms,
        content={
            "contribution_id": kept.contribution_id,
            "consent_receipt_id": kept.consent_receipt_id,
            "withdrawn_at_ms": now_ms,
        },
    )
