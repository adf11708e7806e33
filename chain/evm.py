"""The embedded EVM: one chain in memory on py-evm, one transaction to a block, the same blocks whenever it is replayed.

Rules: a block's bytes depend only on the genesis, the raw transactions before it and the block times, so a replay
gives equal block hashes. Block time is the time given, never less than the parent's; equal times are allowed (as on
rollups), so chain time follows real time instead of running a second ahead with each transaction.

Does not: touch disk, network or clock; that is `chain/journal.py` and `chain/devnet.py`. It has no pool: a transaction
is mined at once or refused.

Usage::

    chain = EmbeddedChain(Genesis(chain_id=31337, timestamp_s=0, balances_wei={"0x…": 10**18}))
    mined = chain.commit(chain.prepare(raw_transaction, timestamp_s=5))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from eth.abc import BlockHeaderAPI, ComputationAPI, SignedTransactionAPI, StateAPI
from eth.chains.base import Chain
from eth.consensus.noproof import NoProofConsensus
from eth.constants import CREATE_CONTRACT_ADDRESS, ZERO_ADDRESS
from eth.db.atomic import AtomicDB
from eth.exceptions import Revert, VMError
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_keys.exceptions import BadSignature
from eth_typing import Address, BlockNumber, Hash32
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from chain.create2 import FACTORY_ADDRESS, FACTORY_CODE
from chain.evm_proofs import AccountProof, account_proof
from chain.evm_values import Call, Genesis, Mined, RefusalError
from windrow_protocol.limits import BLOCK_GAS_MAX, TX_BYTES_MAX
from windrow_protocol.merkle import keccak256

_TYPES_TAKEN: Final = (
    1,
    2,
)  # access list and dynamic fee; a legacy one has no type; blobs and delegations have no use here


class _DevnetVM(PragueVM):
    """Prague, with blocks that may share a second and need no proof."""

    consensus_class = NoProofConsensus

    @classmethod
    def validate_header(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        if header.timestamp == parent_header.timestamp:
            # Every other rule still applies: only "strictly later" is relaxed to "not earlier".
            header = header.copy(timestamp=header.timestamp + 1)
        super().validate_header(header, parent_header)


class EmbeddedChain:
    """One chain in memory. Not thread-safe: give it one thread."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        chain_class = type(
            "DevnetChain",
            (Chain,),
            {"chain_id": genesis.chain_id, "vm_configuration": ((BlockNumber(0), _DevnetVM),)},
        )
        allocation: dict[Address, Any] = {
            _address(address): _account(balance_wei) for address, balance_wei in genesis.balances_wei.items()
        }
        allocation[_address(FACTORY_ADDRESS)] = _account(0, FACTORY_CODE)
        parameters = {
            "difficulty": 0,
            "gas_limit": BLOCK_GAS_MAX,
            "timestamp": genesis.timestamp_s,
            "coinbase": ZERO_ADDRESS,
        }
        self._chain = cast(Chain, chain_class.from_genesis(AtomicDB(), parameters, allocation))  # type: ignore[attr-defined]
        self._by_hash: dict[bytes, Mined] = {}
        self._by_number: list[Mined] = []

    @property
    def head(self) -> BlockHeaderAPI:
        """The header of the newest block."""
        return self._chain.get_canonical_head()

    @property
    def head_number(self) -> int:
        """The newest block's number."""
        return len(self._by_number)

    def next_header(self, timestamp_s: int) -> BlockHeaderAPI:
        """The header of the block that a transaction sent at this time would go into."""
        parent = self.head
        header: BlockHeaderAPI = _DevnetVM.create_header_from_parent(
            parent,
            gas_limit=parent.gas_limit,
            timestamp=max(timestamp_s, parent.timestamp),
            coinbase=ZERO_ADDRESS,
            # PREVRANDAO: any value does, but a replay must find the same one
            mix_hash=keccak256(parent.hash),
        )
        return header

    def base_fee_wei(self, timestamp_s: int) -> int:
        """What the next block asks for each unit of gas."""
        return self.next_header(timestamp_s).base_fee_per_gas or 0

    def header(self, number: int) -> BlockHeaderAPI:
        """The header of a block; raises IndexError when there is none."""
        if not 0 <= number <= self.head_number:
            raise IndexError(number)
        return self._chain.get_canonical_block_header_by_number(BlockNumber(number))

    def number_of(self, block_hash: bytes) -> int | None:
        """The number of the block of this hash, None when there is none."""
        if not self._chain.chaindb.header_exists(Hash32(block_hash)):
            return None
        return int(self._chain.get_block_header_by_hash(Hash32(block_hash)).block_number)

    def mined_in(self, number: int) -> Mined | None:
        """What was mined in a block; None for genesis or a number not reached."""
        return self._by_number[number - 1] if 0 < number <= len(self._by_number) else None

    def mined(self, transaction_hash: bytes) -> Mined | None:
        """What became of a transaction; None when it was never mined."""
        return self._by_hash.get(transaction_hash)

    def state(self, number: int | None = None) -> StateAPI:
        """The state after a block (default: the newest), for balances, nonces, code and storage."""
        header = self.head if number is None else self.header(number)
        return self._chain.get_vm(header).state

    def proof(self, address: bytes, slots: Sequence[int], number: int) -> AccountProof:
        """What proves an account and words of its storage after a block; raises IndexError when there is none."""
        return account_proof(self._chain.chaindb.db, self.header(number).state_root, address, slots)

    def prepare(self, raw: bytes, timestamp_s: int, known_sender: bytes | None = None) -> Mined:
        """Execute a raw signed transaction on top of the head, without making it part of the chain.

        `known_sender` spares recovering the signer in a replay, where the block's hash is compared afterwards and
        would betray a wrong one. Give it nowhere else.

        Raises RefusalError when the transaction cannot be mined. One that reverts is mined, as on any chain.
        """
        transaction = _decode(raw, known_sender)
        header = self.next_header(timestamp_s)
        self._check(transaction, header)
        vm = self._chain.get_vm(header)
        try:
            filled_header, receipts, computations = vm.apply_all_transactions([transaction], header)
        except ValidationError as error:
            raise RefusalError(str(error)) from error
        except RecursionError as error:
            raise RefusalError("call depth is beyond what this devnet can run") from error
        filled = vm.set_block_transactions_and_withdrawals(
            vm.get_block(), filled_header, [transaction], receipts
        )
        block = vm.mine_block(filled).block
        creates = transaction.to == CREATE_CONTRACT_ADDRESS
        return Mined(
            block=block,
            transaction=transaction,
            receipt=receipts[0],
            sender=transaction.sender,
            created=computations[0].msg.storage_address if creates else None,
            price_wei=vm.state.get_gas_price(transaction),
            output=computations[0].output,
        )

    def commit(self, mined: Mined) -> Mined:
        """Make a prepared block the head. Raises ValidationError when the head has moved since."""
        self._chain.persist_block(mined.block)
        self._by_number.append(mined)
        self._by_hash[mined.transaction.hash] = mined
        return mined

    def call(self, call: Call, timestamp_s: int, number: int | None = None) -> bytes:
        """Try a message and return its output; on a numbered block in that block's own time.

        Without a number it runs as the next block would. Raises RefusalError with the revert data when it fails.
        """
        computation = self._try(call, timestamp_s, number)
        _raise_if_failed(computation)
        return computation.output

    def estimate_gas(self, call: Call, timestamp_s: int) -> int:
        """The gas with which the message succeeds in the next block. Raises RefusalError when it does at no limit."""
        computation = self._try(call, timestamp_s, None)
        _raise_if_failed(computation)
        spent = call.gas - computation.get_gas_remaining() + computation.data_floor_gas
        # A call may keep a 64th back or look at what is left, so what was spent need not suffice.
        low, high = spent - 1, spent
        while high < call.gas and self._fails(call, high, timestamp_s):
            low, high = high, min(high + high // 8 + 2_300, call.gas)
        while high - low > high // 64:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fails(call, middle, timestamp_s) else (low, middle)
        return high

    def _fails(self, call: Call, gas: int, timestamp_s: int) -> bool:
        tried = Call(call.sender, call.to, call.data, call.value_wei, gas)
        return self._try(tried, timestamp_s, None).is_error

    def _try(self, call: Call, timestamp_s: int, number: int | None) -> ComputationAPI:
        header = self.next_header(timestamp_s) if number is None else self.header(number)
        vm = self._chain.get_vm(header.copy(base_fee_per_gas=0))
        state = vm.state
        builder = _DevnetVM.get_transaction_builder()
        unsigned = cast(Any, builder).new_unsigned_dynamic_fee_transaction(
            chain_id=self.genesis.chain_id,
            nonce=state.get_nonce(Address(call.sender)),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=call.gas,
            to=call.to or CREATE_CONTRACT_ADDRESS,
            value=call.value_wei,
            data=call.data,
            access_list=(),
        )
        spoofed = cast(SignedTransactionAPI, SpoofTransaction(unsigned, from_=call.sender))
        try:
            return state.apply_transaction(spoofed)
        except ValidationError as error:
            raise RefusalError(str(error)) from error
        except RecursionError as error:
            raise RefusalError("call depth is beyond what this devnet can run") from error

    def _check(self, transaction: SignedTransactionAPI, header: BlockHeaderAPI) -> None:
        """The refusals a wallet must be able to tell apart, in the words other nodes use."""
        if transaction.hash in self._by_hash:
            raise RefusalError("already known")
        if transaction.chain_id != self.genesis.chain_id:
            given = "none" if transaction.chain_id is None else str(transaction.chain_id)
            raise RefusalError(f"invalid chain id for signer: have {given}, want {self.genesis.chain_id}")
        state = self.state()
        nonce = state.get_nonce(transaction.sender)
        if transaction.nonce < nonce:
            raise RefusalError(f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}")
        if transaction.nonce > nonce:
            raise RefusalError(f"nonce too high: next nonce {nonce}, tx nonce {transaction.nonce}")
        if transaction.gas > header.gas_limit:
            raise RefusalError("exceeds block gas limit")
        if transaction.gas < transaction.intrinsic_gas:
            raise RefusalError(
                f"intrinsic gas too low: have {transaction.gas}, want {transaction.intrinsic_gas}"
            )
        base_fee = header.base_fee_per_gas or 0
        if transaction.max_fee_per_gas < base_fee:
            raise RefusalError(f"max fee per gas less than block base fee: {base_fee}")
        needed = transaction.gas * transaction.max_fee_per_gas + transaction.value
        balance = state.get_balance(transaction.sender)
        if balance < needed:
            raise RefusalError(f"insufficient funds for gas * price + value: have {balance}, want {needed}")


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


def _account(balance_wei: int, code: bytes = b"") -> dict[str, Any]:
    return {"balance": balance_wei, "nonce": 0, "code": code, "storage": {}}


def _raise_if_failed(computation: ComputationAPI) -> None:
    if not computation.is_error:
        return
    error: VMError = computation.error
    if isinstance(error, Revert):
        data = bytes(error.args[0]) if error.args and isinstance(error.args[0], bytes) else b""
        raise RefusalError("execution reverted", data)
    raise RefusalError(f"execution failed: {type(error).__name__} {error}".strip())


def _decode(raw: bytes, known_sender: bytes | None) -> SignedTransactionAPI:
    if not raw or len(raw) > TX_BYTES_MAX:
        raise RefusalError(f"a raw transaction has 1 to {TX_BYTES_MAX} bytes")
    if raw[0] < 0xC0 and raw[0] not in _TYPES_TAKEN:
        raise RefusalError(f"transaction type {raw[0]} is not supported here")
    try:
        transaction = _DevnetVM.get_transaction_builder().decode(raw)
        transaction.validate()
        if known_sender is not None:
            vars(transaction)["sender"] = known_sender  # where the property keeps what it found
        _ = transaction.sender
    except (RLPException, ValidationError, BadSignature) as error:
        raise RefusalError(f"not a signed transaction: {error}") from error
    except (ValueError, TypeError, IndexError, AssertionError) as error:
        raise RefusalError("not a signed transaction") from error
    return transaction
