"""Sends signed transactions: the next nonce, fair fees, one answer, and the contract's own word when it refuses.

Rules: one transaction of a key is numbered and sent at a time in a process; other processes with the same key are met
by numbering again. A transaction is tried before it is sent, so what must fail costs nothing. What has no answer is
sent again as the same bytes, never as a second transaction. Every wait has an end.

Does not: decide whether to send: what must not happen twice is checked on chain by the caller after `wait_idle`.

Usage::

    receipt = Sender(w3).send(key, Outgoing(to=token, data=call_data))
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from eth_typing import HexStr
from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception, Web3RPCError
from web3.types import TxParams, TxReceipt, Wei

from chain.abi import describe_revert, revert_name
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import RECEIPT_WAIT_S_MAX

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_NONCE_TRIES_MAX: Final = 5
_POLL_S_MIN: Final = 0.02
_POLL_S_MAX: Final = 1.0
_RESEND_S: Final = 2.0
_TAKEN_NONCE: Final = ("nonce too low", "nonce too high", "replacement transaction", "invalid nonce")
_KNOWN: Final = ("already known", "already imported", "already exists", "known transaction")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A transaction to be made. Bounds are refusals: nothing is sent that would cost more."""

    to: str
    data: bytes = b""
    value_wei: int = 0
    gas_max: int | None = None
    fee_wei_max: int | None = None


@dataclass(frozen=True, slots=True)
class TxDone:
    """A transaction in a block. `tx` is 0x hex; `fee_wei` is what it cost its sender in the chain's coin."""

    tx: str
    block: int
    gas_used: int
    fee_wei: int
    receipt: TxReceipt


class Sender:
    """Sends for any number of keys over one connection. Safe to use from several threads."""

    def __init__(
        self,
        w3: Web3,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
        receipt_wait_s: float = RECEIPT_WAIT_S_MAX,
    ) -> None:
        self._w3 = w3
        self._monotonic_s = monotonic_s
        self._sleep_s = sleep_s
        self._receipt_wait_s = receipt_wait_s
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._chain_id = w3.eth.chain_id

    def send(self, key: LocalAccount, outgoing: Outgoing) -> TxDone:
        """Sign, send and wait until it is in a block.

        Raises WindrowError `chain_rejected` (with `reverted`, the contract's error, where there is one),
        `chain_pending` or `chain_unreachable`.
        """
        with self._locks[key.address]:
            raw, tx = self._submit(key, outgoing)
        return self._wait(raw, tx, outgoing, key.address)

    def wait_idle(self, address: str) -> None:
        """Wait until nothing this address sent before is still unmined. Raises WindrowError `chain_pending`."""
        deadline_s = self._monotonic_s() + self._receipt_wait_s
        account = Web3.to_checksum_address(address)
        poll_s = _POLL_S_MIN
        while self._w3.eth.get_transaction_count(account, "pending") > self._w3.eth.get_transaction_count(
            account, "latest"
        ):
            if self._monotonic_s() >= deadline_s:
                raise WindrowError("chain_pending", f"{address} has unmined transactions")
            self._sleep_s(poll_s)
            poll_s = min(poll_s * 2, _POLL_S_MAX)

    def _submit(self, key: LocalAccount, outgoing: Outgoing) -> tuple[bytes, str]:
        message = ""
        for _ in range(_NONCE_TRIES_MAX):
            signed = key.sign_transaction(cast(Any, self._fill(key.address, outgoing)))
            raw, tx = bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex()
            try:
                self._w3.eth.send_raw_transaction(raw)
            except Web3RPCError as error:
                message = _rpc_message(error)
                if any(word in message.lower() for word in _KNOWN) or self._is_known(tx):
                    return raw, tx
                if any(word in message.lower() for word in _TAKEN_NONCE):
                    continue
                raise WindrowError("chain_rejected", message) from error
            return raw, tx
        raise WindrowError("chain_rejected", f"another process keeps using this key: {message}")

    def _fill(self, address: str, outgoing: Outgoing) -> TxParams:
        sender = Web3.to_checksum_address(address)
        call: TxParams = {
            "from": sender,
            "to": Web3.to_checksum_address(outgoing.to),
            "data": HexStr("0x" + outgoing.data.hex()),
            "value": Wei(outgoing.value_wei),
        }
        gas = self._estimate(call)
        block = self._w3.eth.get_block("latest")
        if "baseFeePerGas" not in block:
            raise WindrowError("wrong_chain", "the chain has no base fee (EIP-1559)")
        tip_wei = self._w3.eth.max_priority_fee
        price_wei = 2 * block["baseFeePerGas"] + tip_wei
        if outgoing.gas_max is not None and gas > outgoing.gas_max:
            raise WindrowError("chain_rejected", f"needs {gas} gas, allowed are {outgoing.gas_max}")
        if outgoing.fee_wei_max is not None and gas * price_wei > outgoing.fee_wei_max:
            raise WindrowError(
                "chain_rejected", f"may cost {gas * price_wei} wei of gas, allowed are {outgoing.fee_wei_max}"
            )
        return {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": self._w3.eth.get_transaction_count(sender, "pending"),
            "to": call["to"],
            "data": call["data"],
            "value": call["value"],
            "gas": gas,
            "maxFeePerGas": Wei(price_wei),
            "maxPriorityFeePerGas": tip_wei,
        }

    def _estimate(self, call: TxParams) -> int:
        try:
            estimate = self._w3.eth.estimate_gas(call, "pending")
        except ContractLogicError as error:
            raise_reverted(error)
        except Web3RPCError as error:
            raise WindrowError("chain_rejected", _rpc_message(error)) from error
        return estimate + estimate // 5  # state may change before it is mined

    def _is_known(self, tx: str) -> bool:
        try:
            self._w3.eth.get_transaction(HexStr(tx))
        except TransactionNotFound:
            return False
        return True

    def _wait(self, raw: bytes, tx: str, outgoing: Outgoing, sender: str) -> TxDone:
        started_s = resent_s = self._monotonic_s()
        poll_s = _POLL_S_MIN
        while True:
            try:
                receipt = self._w3.eth.get_transaction_receipt(HexStr(tx))
                break
            except TransactionNotFound:
                now_s = self._monotonic_s()
            if now_s - started_s >= self._receipt_wait_s:
                raise WindrowError("chain_pending", tx)
            if now_s - resent_s >= _RESEND_S:
                resent_s = now_s
                self._resend(raw)
            self._sleep_s(poll_s)
            poll_s = min(poll_s * 2, _POLL_S_MAX)
        if receipt["status"] != 1:
            self._raise_why(receipt, outgoing, sender)
        fee_wei = receipt["gasUsed"] * receipt["effectiveGasPrice"]
        return TxDone(tx, receipt["blockNumber"], receipt["gasUsed"], fee_wei, receipt)

    def _resend(self, raw: bytes) -> None:
        """A node that was killed may have lost what it had not mined; the same bytes cannot count twice."""
        try:
            self._w3.eth.send_raw_transaction(raw)
        except Web3RPCError:
            return  # known already, or overtaken: the receipt will tell

    def _raise_why(self, receipt: TxReceipt, outgoing: Outgoing, sender: str) -> NoReturn:
        tx = "0x" + bytes(receipt["transactionHash"]).hex()
        try:
            self._w3.eth.call(
                {
                    "from": Web3.to_checksum_address(sender),
                    "to": Web3.to_checksum_address(outgoing.to),
                    "data": HexStr("0x" + outgoing.data.hex()),
                    "value": Wei(outgoing.value_wei),
                },
                receipt["blockNumber"],
            )
        except ContractLogicError as error:
            raise_reverted(error, tx)
        except Web3Exception:
            pass
        raise WindrowError("chain_rejected", f"{tx} failed after it was sent", tx=tx)


def raise_reverted(error: ContractLogicError, tx: str = "") -> NoReturn:
    """Turn a revert into WindrowError `chain_rejected`; `reverted` is the contract error's name."""
    data = _revert_data(error)
    said = describe_revert(data) if data else str(error.message or "reverted without a reason")
    facts: dict[str, Any] = {"reverted": revert_name(data) or ""}
    if tx:
        facts["tx"] = tx
    raise WindrowError("chain_rejected", said, **facts) from error


def _revert_data(error: ContractLogicError) -> bytes:
    data = error.data
    if isinstance(data, dict):
        data = data.get("data")
    if not isinstance(data, str) or not data.startswith("0x"):
        return b""
    try:
        return bytes.fromhex(data[2:])
    except ValueError:
        return b""


def _rpc_message(error: Web3RPCError) -> str:
    response = error.rpc_response or {}
    found: Any = response.get("error", {})
    return str(found.get("message", error) if isinstance(found, dict) else error)[:300]
