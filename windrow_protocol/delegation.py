"""A delegation: a wallet says which node works for it, in a message only that wallet can sign.

Rules: EIP-712 typed data over network, node key, payout address, scopes, end and nonce. The domain names no chain and
no contract, because the message is for the network it names, whatever chain that network pays on. Pure: no key is kept,
no clock is read.

Does not: decide whether the signer may speak for the node (`aggregator/delegations`), or send.

Usage::

    signed = sign_delegation(wallet_key, Delegation(network, node_id, payout, ["payout"], expires_at_ms, nonce, ""))
    assert signer_of_delegation(signed) == wallet_key.address

Source: EIP-712; docs/protocol.md, "Keys".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Delegation

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_DOMAIN_TYPE: Final = [{"name": "name", "type": "string"}, {"name": "version", "type": "string"}]
_DELEGATION_TYPE: Final = [
    {"name": "network", "type": "string"},
    {"name": "nodeKey", "type": "bytes32"},
    {"name": "payoutAddress", "type": "address"},
    {"name": "scopes", "type": "string[]"},
    {"name": "expiresAt", "type": "uint64"},
    {"name": "nonce", "type": "string"},
]


def delegation_message(delegation: Delegation) -> dict[str, Any]:
    """Return the EIP-712 message as wallets take it; `expiresAt` is in milliseconds, as `expires_at_ms` is."""
    return {
        "types": {"EIP712Domain": _DOMAIN_TYPE, "Delegation": _DELEGATION_TYPE},
        "primaryType": "Delegation",
        "domain": {"name": "Windrow node", "version": "1"},
        "message": {
            "network": delegation.network,
            "nodeKey": "0x" + delegation.node_id,
            "payoutAddress": delegation.payout_address,
            "scopes": delegation.scopes,
            "expiresAt": delegation.expires_at_ms,
            "nonce": delegation.nonce,
        },
    }


def sign_delegation(key: LocalAccount, delegation: Delegation) -> Delegation:
    """Return the delegation with the wallet's signature."""
    signed = key.sign_typed_data(full_message=delegation_message(delegation))
    return msgspec.structs.replace(delegation, signature="0x" + bytes(signed.signature).hex())


def signer_of_delegation(delegation: Delegation) -> str:
    """Return the address that signed. Raises WindrowError `unsigned` or `bad_delegation`."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    if not delegation.signature:
        raise WindrowError("unsigned", "the delegation has no `signature`")
    try:
        signature = bytes.fromhex(delegation.signature.removeprefix("0x"))
        message = encode_typed_data(full_message=delegation_message(delegation))
        return str(Account.recover_message(message, signature=signature))
    except Exception as error:  # eth-account and eth-keys raise many kinds for a malformed signature
        raise WindrowError("bad_delegation", f"{type(error).__name__}: {error}"[:120]) from error
