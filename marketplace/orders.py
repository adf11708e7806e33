"""An order: the paying account asks for what it paid for, in a message only that account can sign.

Rules: a transaction is public, so its hash proves nothing about who asks; the order is EIP-712 typed data over network,
export, payment, nonce and end, bound to chain and market. Pure: no key is kept, no clock is read.

Does not: look up payments, remember nonces, or deliver.

Usage::

    order = Order(network, export_id, tx_hash, buyer, nonce, expires_at_s)
    signed = sign_order(key, OrderDomain(chain_id, market), order)
    assert signer_of_order(signed, OrderDomain(chain_id, market)) == key.address

Source: EIP-712, EIP-191.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_DOMAIN_TYPE: Final = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_ORDER_TYPE: Final = [
    {"name": "network", "type": "string"},
    {"name": "exportId", "type": "bytes32"},
    {"name": "payment", "type": "bytes32"},
    {"name": "buyer", "type": "address"},
    {"name": "nonce", "type": "bytes32"},
    {"name": "expiresAt", "type": "uint64"},
]

Bytes32 = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$", max_length=66)]
Address = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{40}$", max_length=42)]


@dataclass(frozen=True, slots=True)
class OrderDomain:
    """The market an order is for."""

    chain_id: int
    market: str


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /market/orders: `tx_hash` is the payment, `nonce` 32 random bytes, `expires_at_s` Unix time."""

    network: Annotated[str, Meta(max_length=64)]
    export_id: Bytes32
    tx_hash: Bytes32
    buyer: Address
    nonce: Bytes32
    expires_at_s: Annotated[int, Meta(ge=0, le=2**53)]
    signature: Annotated[str, Meta(max_length=140)] = ""


def order_message(order: Order, domain: OrderDomain) -> dict[str, Any]:
    """Return the EIP-712 message as wallets take it."""
    return {
        "types": {"EIP712Domain": _DOMAIN_TYPE, "Order": _ORDER_TYPE},
        "primaryType": "Order",
        "domain": {
            "name": "Windrow market",
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": domain.market,
        },
        "message": {
            "network": order.network,
            "exportId": order.export_id,
            "payment": order.tx_hash,
            "buyer": order.buyer,
            "nonce": order.nonce,
            "expiresAt": order.expires_at_s,
        },
    }


def sign_order(key: LocalAccount, domain: OrderDomain, order: Order) -> Order:
    """Return the order with the buyer's signature."""
    signed = key.sign_typed_data(full_message=order_message(order, domain))
    return msgspec.structs.replace(order, signature="0x" + bytes(signed.signature).hex())


def signer_of_order(order: Order, domain: OrderDomain) -> str:
    """Return the address that signed an order. Raises WindrowError `unsigned` or `bad_signature`."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    if not order.signature:
        raise WindrowError("unsigned", "the order has no `signature`")
    try:
        signature = bytes.fromhex(order.signature.removeprefix("0x"))
        message = encode_typed_data(full_message=order_message(order, domain))
        return str(Account.recover_message(message, signature=signature))
    except Exception as error:  # eth-account and eth-keys raise many kinds for a malformed signature
        raise WindrowError("bad_signature", f"{type(error).__name__}: {error}"[:120]) from error
