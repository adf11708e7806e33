"""One deployed contract: read it, write to it, read its events.

Rules: reads are of the newest state (`pending` where the node has one, so that what this process has just sent counts);
events are read in bounded ranges, because nodes refuse large ones.

Does not: know what any function means; `chain/token.py`, `chain/distributor.py` and `chain/market.py` do.

Usage::

    token = BoundContract(w3, sender, "WindToken", address)
    token.read("balanceOf", account)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from eth_typing import HexStr
from web3 import Web3
from web3.exceptions import ContractLogicError, LogTopicError, Web3RPCError
from web3.logs import DISCARD
from web3.types import BlockIdentifier, TxReceipt

from chain.abi import ContractName, artifact, functions
from chain.sender import Outgoing, Sender, TxDone, raise_reverted
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import LOG_BLOCKS_MAX

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


class BoundContract:
    """A contract at an address. Raises WindrowError `wrong_chain` on first use when nothing lies there."""

    def __init__(self, w3: Web3, sender: Sender, name: ContractName, address: str) -> None:
        self.address = Web3.to_checksum_address(address)
        self.name = name
        self.w3 = w3
        self.sender = sender
        self._functions = functions(name)
        self._contract: Any = w3.eth.contract(address=self.address, abi=artifact(name).abi)

    def check(self) -> None:
        """Make sure that there is code at the address. Raises WindrowError `wrong_chain`."""
        if not self.w3.eth.get_code(self.address):
            raise WindrowError("wrong_chain", f"there is no {self.name} at {self.address} on this chain")

    def read(self, function: str, *arguments: Any, block: BlockIdentifier = "pending") -> Any:
        """Call a view function. Raises WindrowError `chain_rejected` when it reverts."""
        called = self._functions[function]
        data = HexStr("0x" + called.encode(arguments).hex())
        try:
            return called.decode(bytes(self.w3.eth.call({"to": self.address, "data": data}, block)))
        except ContractLogicError as error:
            raise_reverted(error)
        except Web3RPCError as error:
            raise WindrowError("chain_rejected", f"{self.name}.{function}: {error}"[:300]) from error

    def write(
        self,
        key: LocalAccount,
        function: str,
        *arguments: Any,
        gas_max: int | None = None,
        fee_wei_max: int | None = None,
    ) -> TxDone:
        """Send a transaction and wait for it; an overloaded function is named with its types.

        Raises as `Sender.send` does.
        """
        data = self._functions[function].encode(arguments)
        outgoing = Outgoing(self.address, data, gas_max=gas_max, fee_wei_max=fee_wei_max)
        return self.sender.send(key, outgoing)

    def events(
        self, event: str, from_block: int, to_block: int, filters: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
        """The events of a kind in a range of blocks, both ends included, in order."""
        reader = getattr(self._contract.events, event)()
        start = from_block
        while start <= to_block:
            end = min(start + LOG_BLOCKS_MAX - 1, to_block)
            yield from reader.get_logs(from_block=start, to_block=end, argument_filters=dict(filters or {}))
            start = end + 1

    def events_in(self, event: str, receipt: TxReceipt) -> list[Any]:
        """The events of a kind that this contract, and no other, emitted in a transaction."""
        try:
            found = getattr(self._contract.events, event)().process_receipt(receipt, errors=DISCARD)
        except LogTopicError:
            return []
        return [one for one in found if one["address"] == self.address]
