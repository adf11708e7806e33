"""The devnet's folder: its genesis, its journal, and the chain that follows from them.

Rules: the genesis is written once, at the first start, and later starts must agree with it. A transaction is executed,
journalled with fsync, and only then becomes part of the chain; a replay must find the very same block hashes. One
process per folder, held by a lock.

Does not: serve anything; `chain/devnet.py` does. It keeps no clock: every call is told the time.

Usage::

    with DurableChain.open(home, chain_id=31337, balances_wei={}, now_s=int(time.time())) as chain:
        mined = chain.send(raw_transaction, now_s=int(time.time()))
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from chain.evm import EmbeddedChain
from chain.evm_values import Genesis, Mined, RefusalError
from chain.journal import Journal, Record, sync_directory
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address


class DurableChain:
    """A chain whose folder survives a kill at any moment."""

    def __init__(self, chain: EmbeddedChain, journal: Journal, closing: ExitStack) -> None:
        self.chain = chain
        self.torn_bytes = journal.torn_bytes
        self._journal = journal
        self._closing = closing

    @classmethod
    def open(cls, home: Path, *, chain_id: int, balances_wei: Mapping[str, int], now_s: int) -> DurableChain:
        """Open a folder, making it where it is new, and replay its journal.

        Raises WindrowError: `home_unwritable`, `home_locked`, `wrong_chain`, `bad_config` (other balances than at the
        first start), `chain_journal_corrupt`.
        """
        with ExitStack() as stack:
            _lock(home, stack)
            genesis = _genesis(home / "genesis.json", chain_id, balances_wei, now_s)
            chain = EmbeddedChain(genesis)
            journal = stack.enter_context(Journal.open(home / "journal.bin"))
            for place, record in enumerate(journal.records):
                _replay(chain, record, place)
            journal.records.clear()
            return cls(chain, journal, stack.pop_all())
        raise AssertionError  # pragma: no cover - ExitStack suppresses nothing

    def send(self, raw: bytes, now_s: int) -> Mined:
        """Mine a raw transaction and return once it is on disk.

        Raises RefusalError; OSError means that the disk failed and that this process must end without answering.
        """
        prepared = self.chain.prepare(raw, now_s)
        header = prepared.block.header
        self._journal.append(Record(header.timestamp, header.hash, prepared.sender, raw))
        return self.chain.commit(prepared)

    def close(self) -> None:
        """Give the folder up."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(home: Path, stack: ExitStack) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WindrowError("home_unwritable", f"{home.name}: {error.strerror}") from error
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WindrowError("home_locked", f"another devnet uses {home.name}") from error


def _genesis(path: Path, chain_id: int, balances_wei: Mapping[str, int], now_s: int) -> Genesis:
    wanted = {checksum_address(address): wei for address, wei in balances_wei.items()}
    if not path.exists():
        genesis = Genesis(chain_id, now_s, wanted)
        _write_genesis(path, genesis)
        return genesis
    try:
        stored = json.loads(path.read_text())
        balances = {address: int(wei) for address, wei in stored["balances_wei"].items()}
        genesis = Genesis(int(stored["chain_id"]), int(stored["timestamp_s"]), balances)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WindrowError("chain_journal_corrupt", "genesis.json cannot be read") from error
    if genesis.chain_id != chain_id:
        raise WindrowError("wrong_chain", f"this folder holds chain {genesis.chain_id}, not {chain_id}")
    for address, wei in wanted.items():
        if genesis.balances_wei.get(address) != wei:
            raise WindrowError("bad_config", f"{address} was not funded with {wei} wei at the first start")
    return genesis


def _write_genesis(path: Path, genesis: Genesis) -> None:
    content = {
        "chain_id": genesis.chain_id,
        "timestamp_s": genesis.timestamp_s,
        "balances_wei": {address: str(wei) for address, wei in sorted(genesis.balances_wei.items())},
    }
    temporary = path.with_suffix(".new")
    with temporary.open("w") as file:
        file.write(json.dumps(content, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_directory(path.parent)


def _replay(chain: EmbeddedChain, record: Record, place: int) -> None:
    try:
        prepared = chain.prepare(record.raw, record.timestamp_s, record.sender)
    except RefusalError as error:
        raise WindrowError("chain_journal_corrupt", f"transaction {place}: {error.message}") from error
    if prepared.block.header.hash != record.block_hash:
        raise WindrowError("chain_journal_corrupt", f"transaction {place} gives another block than it gave")
    chain.commit(prepared)
