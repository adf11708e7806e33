"""What a wallet signs for a token: EIP-712 messages of EIP-2612 and EIP-3009, as the JSON that wallets take.

Rules: every message names chain and contract, so a signature counts nowhere else. Amounts are wei, times are seconds
of chain time. Pure: no key, no clock.

Does not: sign (`LocalAccount.sign_typed_data(full_message=…)` does, or the buyer's wallet) and send nothing.

Usage::

    payment = Authorization(payer, payee, value_wei, 0, deadline_s, nonce)
    message = receive_authorization(TokenDomain(chain_id, token), payment)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from windrow_protocol.merkle import keccak256

TOKEN_NAME: Final = "Windrow"
TOKEN_VERSION: Final = "1"
TOKEN_DECIMALS: Final = 18

_DOMAIN_TYPE: Final = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_PERMIT_TYPE: Final = [
    {"name": "owner", "type": "address"},
    {"name": "spender", "type": "address"},
    {"name": "value", "type": "uint256"},
    {"name": "nonce", "type": "uint256"},
    {"name": "deadline", "type": "uint256"},
]
_AUTHORIZATION_TYPE: Final = [
    {"name": "from", "type": "address"},
    {"name": "to", "type": "address"},
    {"name": "value", "type": "uint256"},
    {"name": "validAfter", "type": "uint256"},
    {"name": "validBefore", "type": "uint256"},
    {"name": "nonce", "type": "bytes32"},
]
_CANCEL_TYPE: Final = [{"name": "authorizer", "type": "address"}, {"name": "nonce", "type": "bytes32"}]


@dataclass(frozen=True, slots=True)
class TokenDomain:
    """The token a signature is for."""

    chain_id: int
    token: str
    name: str = TOKEN_NAME
    version: str = TOKEN_VERSION


@dataclass(frozen=True, slots=True)
class Authorization:
    """One payment by signature (EIP-3009). `nonce` is 32 bytes, used once per payer."""

    payer: str
    payee: str
    value_wei: int
    valid_after_s: int
    valid_before_s: int
    nonce: bytes

    def message(self) -> dict[str, Any]:
        """Its fields as EIP-3009 names them."""
        return {
            "from": self.payer,
            "to": self.payee,
            "value": self.value_wei,
            "validAfter": self.valid_after_s,
            "validBefore": self.valid_before_s,
            "nonce": "0x" + self.nonce.hex(),
        }


def permit(
    domain: TokenDomain, owner: str, spender: str, value_wei: int, nonce: int, deadline_s: int
) -> dict[str, Any]:
    """EIP-2612: let `spender` take up to `value_wei` from `owner`."""
    message = {"owner": owner, "spender": spender, "value": value_wei, "nonce": nonce, "deadline": deadline_s}
    return _typed(domain, "Permit", _PERMIT_TYPE, message)


def transfer_authorization(domain: TokenDomain, authorization: Authorization) -> dict[str, Any]:
    """EIP-3009: a transfer that anyone may send."""
    return _typed(domain, "TransferWithAuthorization", _AUTHORIZATION_TYPE, authorization.message())


def receive_authorization(domain: TokenDomain, authorization: Authorization) -> dict[str, Any]:
    """EIP-3009: a transfer that only the payee may send."""
    return _typed(domain, "ReceiveWithAuthorization", _AUTHORIZATION_TYPE, authorization.message())


def cancel_authorization(domain: TokenDomain, authorizer: str, nonce: bytes) -> dict[str, Any]:
    """EIP-3009: make an unused nonce useless."""
    message = {"authorizer": authorizer, "nonce": "0x" + nonce.hex()}
    return _typed(domain, "CancelAuthorization", _CANCEL_TYPE, message)


def domain_separator(domain: TokenDomain) -> bytes:
    """The 32 bytes that a token has to answer as its DOMAIN_SEPARATOR (EIP-712)."""
    words = ("name", "version")
    kind = "EIP712Domain(" + ",".join(f"{one['type']} {one['name']}" for one in _DOMAIN_TYPE) + ")"
    hashed = [keccak256(str(getattr(domain, word)).encode()) for word in words]
    numbers = domain.chain_id.to_bytes(32, "big") + bytes.fromhex(domain.token[2:].rjust(64, "0"))
    return keccak256(keccak256(kind.encode()) + b"".join(hashed) + numbers)


def _typed(
    domain: TokenDomain, primary: str, fields: list[dict[str, str]], message: dict[str, Any]
) -> dict[str, Any]:
    return {
        "types": {"EIP712Domain": _DOMAIN_TYPE, primary: fields},
        "primaryType": primary,
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.token,
        },
        "message": message,
    }
