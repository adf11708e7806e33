"""How chain values are spelled in JSON-RPC, both ways (Ethereum execution API).

Rules: quantities are 0x hex without leading zeros, data is 0x hex of even length; a parameter of another shape is a
`ParameterError` that names it. Everything here is a pure function of values.

Does not: look anything up; `chain/devnet_methods.py` does.

Usage::

    quantity(255) == "0xff"; parse_quantity("0xff", "gas") == 255
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import rlp  # type: ignore[import-untyped]
from eth.abc import BlockHeaderAPI

from chain.evm_proofs import AccountProof
from chain.evm_values import Call, Mined
from windrow_protocol.limits import BLOCK_GAS_MAX, TX_BYTES_MAX
from windrow_protocol.merkle import checksum_address

Json = dict[str, Any]
NEWEST_TAGS: Final = ("latest", "pending", "safe", "finalized")
_QUANTITY_CHARS_MAX: Final = 66


class ParameterError(Exception):
    """A request's parameter cannot be read; the message says which and why."""


def quantity(value: int | None) -> str:
    """A number as JSON-RPC spells it. Raises ParameterError when the block's fork does not have it."""
    if value is None:
        raise ParameterError("this block does not have such a field")
    return hex(value)


def data(value: bytes | None) -> str:
    """Bytes as JSON-RPC spells them. Raises ParameterError when the block's fork does not have them."""
    if value is None:
        raise ParameterError("this block does not have such a field")
    return "0x" + value.hex()


def address(value: bytes) -> str:
    """An address as JSON-RPC spells it, with its checksum."""
    return checksum_address(data(value))


def parse_quantity(value: object, name: str) -> int:
    """Read a quantity of at most 256 bits. Raises ParameterError."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > _QUANTITY_CHARS_MAX:
        raise ParameterError(f"{name} must be a 0x hex quantity")
    try:
        return int(value, 16)
    except ValueError:
        raise ParameterError(f"{name} must be a 0x hex quantity") from None


def parse_data(value: object, name: str, length: int | None = None) -> bytes:
    """Read bytes, of exactly `length` if given. Raises ParameterError."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > 2 + 2 * TX_BYTES_MAX:
        raise ParameterError(f"{name} must be 0x hex of at most {TX_BYTES_MAX} bytes")
    try:
        parsed = bytes.fromhex(value[2:])
    except ValueError:
        raise ParameterError(f"{name} must be 0x hex") from None
    if length is not None and len(parsed) != length:
        raise ParameterError(f"{name} must have {length} bytes")
    return parsed


def parse_call(value: object) -> Call:
    """Read a transaction object to be tried. Raises ParameterError."""
    if not isinstance(value, Mapping):
        raise ParameterError("the call must be an object")
    given = value.get("input", value.get("data"))
    gas = parse_quantity(value["gas"], "gas") if value.get("gas") is not None else BLOCK_GAS_MAX
    to = value.get("to")
    return Call(
        sender=parse_data(value["from"], "from", 20) if value.get("from") is not None else bytes(20),
        to=parse_data(to, "to", 20) if to not in (None, "", "0x") else None,
        data=parse_data(given, "input") if given is not None else b"",
        value_wei=parse_quantity(value["value"], "value") if value.get("value") is not None else 0,
        gas=min(gas, BLOCK_GAS_MAX),
    )


def block_json(header: BlockHeaderAPI, mined: Mined | None, *, full: bool, pending: bool) -> Json:
    """A block; a pending one has no hash yet."""
    transactions: list[Any] = []
    if mined is not None:
        transactions = [transaction_json(mined)] if full else [data(mined.transaction.hash)]
    return {
        "number": quantity(header.block_number),
        "hash": None if pending else data(header.hash),
        "parentHash": data(header.parent_hash),
        "nonce": None if pending else data(header.nonce),
        "sha3Uncles": data(header.uncles_hash),
        "logsBloom": data(header.bloom.to_bytes(256, "big")),
        "transactionsRoot": data(header.transaction_root),
        "stateRoot": data(header.state_root),
        "receiptsRoot": data(header.receipt_root),
        "miner": address(header.coinbase),
        "difficulty": "0x0",
        "extraData": data(header.extra_data),
        "size": quantity(len(rlp.encode(header)) if mined is None else len(rlp.encode(mined.block))),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "mixHash": data(header.mix_hash),
        "baseFeePerGas": quantity(header.base_fee_per_gas),
        "withdrawalsRoot": data(header.withdrawals_root),
        "blobGasUsed": quantity(header.blob_gas_used),
        "excessBlobGas": quantity(header.excess_blob_gas),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "requestsHash": data(header.requests_hash),  # type: ignore[attr-defined]
        "transactions": transactions,
        "withdrawals": [],
        "uncles": [],
    }


def proof_json(account_address: bytes, found: AccountProof) -> Json:
    """What proves an account and words of its storage (EIP-1186)."""
    return {
        "address": address(account_address),
        "balance": quantity(found.account.balance),
        "nonce": quantity(found.account.nonce),
        "codeHash": data(found.account.code_hash),
        "storageHash": data(found.account.storage_root),
        "accountProof": [data(node) for node in found.nodes],
        "storageProof": [
            {"key": quantity(slot), "value": quantity(value), "proof": [data(node) for node in nodes]}
            for slot, value, nodes in found.storage
        ],
    }


def transaction_json(mined: Mined) -> Json:
    """A mined transaction."""
    transaction = mined.transaction
    header = mined.block.header
    kind = transaction.type_id or 0
    answer: Json = {
        "hash": data(transaction.hash),
        "nonce": quantity(transaction.nonce),
        "blockHash": data(header.hash),
        "blockNumber": quantity(header.block_number),
        "transactionIndex": "0x0",
        "from": address(mined.sender),
        "to": address(transaction.to) if transaction.to else None,
        "value": quantity(transaction.value),
        "gas": quantity(transaction.gas),
        "gasPrice": quantity(mined.price_wei),
        "input": data(transaction.data),
        "type": quantity(kind),
        "chainId": quantity(transaction.chain_id or 0),
        "r": quantity(transaction.r),
        "s": quantity(transaction.s),
        "v": quantity(
            transaction.y_parity if kind else 35 + 2 * (transaction.chain_id or 0) + transaction.y_parity
        ),
    }
    if kind:
        answer["yParity"] = quantity(transaction.y_parity)
        answer["accessList"] = [
            {
                "address": address(account),
                "storageKeys": [data(k.to_bytes(32, "big")) for k in keys],
            }
            for account, keys in transaction.access_list
        ]
    if kind == 2:
        answer["maxFeePerGas"] = quantity(transaction.max_fee_per_gas)
        answer["maxPriorityFeePerGas"] = quantity(transaction.max_priority_fee_per_gas)
    return answer


def receipt_json(mined: Mined) -> Json:
    """What became of a mined transaction. One transaction fills a block, so its gas is the block's gas."""
    transaction = mined.transaction
    header = mined.block.header
    return {
        "transactionHash": data(transaction.hash),
        "transactionIndex": "0x0",
        "blockHash": data(header.hash),
        "blockNumber": quantity(header.block_number),
        "from": address(mined.sender),
        "to": address(transaction.to) if transaction.to else None,
        "cumulativeGasUsed": quantity(mined.receipt.gas_used),
        "gasUsed": quantity(mined.receipt.gas_used),
        "effectiveGasPrice": quantity(mined.price_wei),
        "contractAddress": address(mined.created) if mined.created and mined.succeeded else None,
        "logs": logs_json(mined),
        "logsBloom": data(mined.receipt.bloom.to_bytes(256, "big")),
        "type": quantity(transaction.type_id or 0),
        "status": quantity(int(mined.succeeded)),
    }


def logs_json(mined: Mined) -> list[Json]:
    """The events of a mined transaction, in order."""
    header = mined.block.header
    return [
        {
            "address": address(log.address),
            "topics": [data(topic.to_bytes(32, "big")) for topic in log.topics],
            "data": data(log.data),
            "blockNumber": quantity(header.block_number),
            "blockHash": data(header.hash),
            "transactionHash": data(mined.transaction.hash),
            "transactionIndex": "0x0",
            "logIndex": quantity(place),
            "removed": False,
        }
        for place, log in enumerate(mined.receipt.logs)
    ]
