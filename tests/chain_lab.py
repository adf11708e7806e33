"""A laboratory for contracts: real EVM, real bytecode, no signatures and no HTTP, so that thousands of calls are cheap.

Rules: every call is executed by py-evm on the state of an embedded chain; any address may be the sender; the time is
whatever a test says. What reverts raises `RevertedError` with the contract's own error.

Does not: make blocks or measure gas as a chain would.

Usage::

    lab = Lab(); token = lab.create("WindToken", OWNER, OWNER)
    lab.send(OWNER, token, "mint", BUYER, 5)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.exceptions import Revert
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_abi.abi import decode, encode

from chain.abi import NAMES, Function, artifact, creation_code, describe_revert, functions, revert_name
from chain.evm import EmbeddedChain
from chain.evm_values import Genesis
from windrow_protocol.merkle import checksum_address, keccak256

HOSTILE = Path(__file__).parent / "chain" / "hostile"
CHAIN_ID = 31_337
START_S = 1_800_000_000
GAS = 8_000_000


def address(number: int) -> str:
    """A readable address."""
    return checksum_address(f"0x{number:040x}")


TIMELOCK_S = 3_600
OWNER, TREASURY, BUYER, STRANGER, RELAYER = (address(0xA0000 + n) for n in range(5))


class RevertedError(Exception):
    """A call reverted. `name` is the contract's error, `said` that with its arguments."""

    def __init__(self, data: bytes) -> None:
        self.name = revert_name(data)
        self.said = describe_revert(data)
        super().__init__(self.said)


@dataclass(frozen=True)
class Event:
    """One event as it lies in the log."""

    emitter: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Sent:
    """What a successful call gave."""

    output: bytes
    events: list[Event]


@dataclass(frozen=True)
class Contract:
    """A contract in the laboratory."""

    address: str
    name: str
    calls: dict[str, Any]


def event_topic(signature: str) -> bytes:
    """The first topic of an event."""
    return keccak256(signature.encode())


def hostile_artifact(name: str) -> dict[str, Any]:
    """A contract that exists to attack ours."""
    content: dict[str, Any] = json.loads((HOSTILE / f"{name}.json").read_text())
    return content


class Lab:
    """One state that calls change."""

    def __init__(self) -> None:
        # A coinbase with a coin is never cleared as empty, which py-evm could not undo across several calls; nor is the
        # place of signature recovery, which every signed transfer touches.
        chain = EmbeddedChain(Genesis(CHAIN_ID, START_S, {address(0): 1, address(1): 1}))
        header = chain.next_header(START_S).copy(base_fee_per_gas=0)
        self._state: Any = chain._chain.get_vm(header).state
        self.now_s = START_S

    def create(self, name: str, *arguments: Any) -> Contract:
        """Create one of ours, or a hostile one."""
        if name in NAMES:
            code, calls = creation_code(name, *arguments), dict(functions(name))
        else:
            made = hostile_artifact(name)
            inputs = [one["type"] for e in made["abi"] if e["type"] == "constructor" for one in e["inputs"]]
            code = bytes.fromhex(made["bytecode"][2:]) + encode(inputs, arguments)
            calls = _calls(made["abi"])
        computation = self._apply(OWNER, None, code)
        return Contract(checksum_address("0x" + computation.msg.storage_address.hex()), name, calls)

    def send(self, sender: str, contract: Contract, function: str, *arguments: Any) -> Sent:
        """Call and keep the effect. Raises RevertedError."""
        computation = self._apply(sender, contract.address, contract.calls[function].encode(arguments))
        events = [
            Event(
                checksum_address("0x" + emitter.hex()),
                tuple(t.to_bytes(32, "big") for t in topics),
                bytes(data),
            )
            for emitter, topics, data in computation.get_log_entries()
        ]
        return Sent(bytes(computation.output), events)

    def read(self, contract: Contract, function: str, *arguments: Any) -> Any:
        """Call and drop the effect. Raises RevertedError."""
        called = contract.calls[function]
        with self.undone():
            return called.decode(self._apply(STRANGER, contract.address, called.encode(arguments)).output)

    def code(self, contract: Contract) -> bytes:
        """The code at a contract's address, immutables filled in."""
        return bytes(self._state.get_code(bytes.fromhex(contract.address[2:])))

    def word(self, contract: Contract, variable: str) -> bytes:
        """The word of storage that a variable of one of ours fills."""
        slot = artifact(contract.name).storage[variable]  # type: ignore[arg-type]
        return int(self._state.get_storage(bytes.fromhex(contract.address[2:]), slot)).to_bytes(32, "big")

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Run something and take back everything it did, time included."""
        snapshot, now_s = self._state.snapshot(), self.now_s
        try:
            yield
        finally:
            self._state.revert(snapshot)
            self.now_s = now_s

    def _apply(self, sender: str, to: str | None, data: bytes) -> Any:
        raw_sender = bytes.fromhex(sender[2:])
        self._state.execution_context._timestamp = self.now_s
        builder: Any = PragueVM.get_transaction_builder()
        unsigned = builder.new_unsigned_dynamic_fee_transaction(
            chain_id=CHAIN_ID,
            nonce=self._state.get_nonce(raw_sender),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=GAS,
            to=CREATE_CONTRACT_ADDRESS if to is None else bytes.fromhex(to[2:]),
            value=0,
            data=data,
            access_list=(),
        )
        computation = self._state.apply_transaction(SpoofTransaction(unsigned, from_=raw_sender))
        if computation.is_error:
            error = computation.error
            if isinstance(error, Revert):
                raise RevertedError(bytes(error.args[0]) if error.args else b"")
            raise error
        return computation


def _calls(abi: list[dict[str, Any]]) -> dict[str, Any]:
    table = {}
    for entry in abi:
        if entry["type"] == "function":
            inputs = tuple(one["type"] for one in entry["inputs"])
            selector = keccak256(f"{entry['name']}({','.join(inputs)})".encode())[:4]
            table[entry["name"]] = Function(selector, inputs, tuple(one["type"] for one in entry["outputs"]))
    return table


@dataclass(frozen=True)
class House:
    """The contracts in one laboratory, with the owner as minter."""

    lab: Lab
    token: Contract
    distributor: Contract
    market: Contract

    @classmethod
    def build(cls) -> House:
        """Create them all."""
        lab = Lab()
        token = lab.create("WindToken", OWNER, OWNER)
        distributor = lab.create("RewardDistributor", token.address, TIMELOCK_S, OWNER)
        market = lab.create("DatasetMarket", token.address, distributor.address, TREASURY, OWNER)
        return cls(lab, token, distributor, market)

    @property
    def reserve(self) -> str:
        """Where the distributor takes what it allots from."""
        return checksum_address(self.lab.read(self.distributor, "reserve"))

    @property
    def reserve_contract(self) -> Contract:
        """The reserve, to be called."""
        return Contract(self.reserve, "RewardReserve", dict(functions("RewardReserve")))

    def fund(self, amount_wei: int) -> None:
        """Give the distributor's reserve money."""
        self.lab.send(OWNER, self.token, "mint", self.reserve, amount_wei)

    def propose(self, root: str, total_wei: int) -> Sent:
        """Propose a root."""
        return self.lab.send(OWNER, self.distributor, "proposeRoot", raw32(root), total_wei, bytes(32))

    def accept(self, root: str) -> Sent:
        """Accept a root."""
        return self.lab.send(OWNER, self.distributor, "acceptRoot", raw32(root))

    def install(self, root: str, total_wei: int) -> None:
        """Propose a root, wait, accept it."""
        self.propose(root, total_wei)
        self.lab.now_s += TIMELOCK_S
        self.accept(root)

    def claim(self, account: str, amount_wei: int, proof: Sequence[str], sender: str = STRANGER) -> int:
        """Claim for an account; returns what was paid."""
        sent = self.lab.send(
            sender, self.distributor, "claim", account, amount_wei, [raw32(step) for step in proof]
        )
        return int.from_bytes(sent.output, "big")

    def balance(self, account: str) -> int:
        """An account's WIND."""
        return int(self.lab.read(self.token, "balanceOf", account))


def raw32(text: str) -> bytes:
    """32 bytes from 0x hex."""
    return bytes.fromhex(text.removeprefix("0x"))


def decoded(event: Event, *types: str) -> tuple[Any, ...]:
    """The unindexed fields of an event."""
    return tuple(decode(types, event.data))
