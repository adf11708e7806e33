"""An epoch that is killed after any of its effects ends, when it is closed again, as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from rewards_cases import Settled, close, earn, leaves_of, open_house

from rewards.epochs.closing import close_epoch
from rewards.epochs.rows import all_epochs
from rewards.ledger_checks import verify_ledger
from storage.env import AppendFile
from storage.house import House
from storage.tables.contributions import ledger
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree


class Killed(Exception):  # noqa: N818 - it is what happens, not what is wrong
    """Stands for SIGKILL: nothing after it runs."""


class Fuse:
    """Counts the places where a kill may strike, and strikes at one.

    They lie after each lasting effect: before one is the same as after the one before it.
    """

    def __init__(self, strike_at: int) -> None:
        self._left = strike_at

    def point(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed


class DyingDisk:
    """The real disk, with a possible kill after each durable write."""

    def __init__(self, disk: Any, fuse: Fuse) -> None:
        self._disk = disk
        self._fuse = fuse

    def write_durably(self, path: Path, data: bytes) -> None:
        self._disk.write_durably(path, data)
        self._fuse.point()

    def open_append(self, path: Path, keep_bytes: int) -> AppendFile:
        return cast(AppendFile, self._disk.open_append(path, keep_bytes))

    def read_range(self, path: Path, offset: int, length: int) -> bytes:
        return cast(bytes, self._disk.read_range(path, offset, length))

    def adopt_durably(self, temporary: Path, path: Path) -> None:
        self._disk.adopt_durably(temporary, path)

    def remove(self, path: Path) -> None:
        self._disk.remove(path)


class DyingState:
    """The real state, with a possible kill after each commit."""

    def __init__(self, state: Any, fuse: Fuse) -> None:
        self._state = state
        self._fuse = fuse

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with self._state.write() as connection:
            yield connection
        self._fuse.point()

    def read(self) -> Any:
        return self._state.read()


class DyingOps:
    """One contract's real operations, with a possible kill after each that sends."""

    SENDING = ("mint", "propose_root", "accept_root", "claim")

    def __init__(self, real: Any, fuse: Fuse) -> None:
        self._real = real
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in self.SENDING:
            return found

        def struck(*arguments: Any) -> Any:
            done = found(*arguments)
            self._fuse.point()
            return done

        return struck


class DyingChain:
    """The real client over operations that may be killed."""

    def __init__(self, chain: Any, fuse: Fuse) -> None:
        self._chain = chain
        self.token = DyingOps(chain.token, fuse)
        self.distributor = DyingOps(chain.distributor, fuse)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)


def dying(settled: Settled, strike_at: int) -> tuple[House, Any]:
    fuse = Fuse(strike_at)
    house = settled.house
    env = replace(house.env, disk=DyingDisk(house.env.disk, fuse))
    return replace(house, env=env, state=cast(Any, DyingState(house.state, fuse))), DyingChain(
        settled.chain, fuse
    )


async def test_killed_anywhere_the_next_call_ends_with_the_same_root(settled: Settled) -> None:
    """One epoch for each place where a kill may strike, all on one chain, so that each also builds on a survivor."""
    strike_at = 0
    struck = True
    while struck:
        strike_at += 1
        earn(settled.house, strike_at, 1)
        leaves = leaves_of(settled.house)
        house, chain = dying(settled, strike_at)
        try:
            await close_epoch(house, chain, settled.signers)
            struck = False
        except Killed:
            settled.house = open_house(settled.house.home, settled.clock)
            with settled.house.state.read() as connection:
                begun = [epoch for epoch in all_epochs(connection) if epoch.epoch_id == strike_at]
            epoch = await close(settled) if not begun or begun[0].state != "accepted" else begun[0]
            assert not begun or epoch.header_jws == begun[0].header_jws
        assert settled.chain.distributor.root() == MerkleTree.from_amounts(leaves).root
        assert settled.chain.token.total_supply() == sum(leaves.values())
        assert settled.chain.distributor.pending() is None
    with settled.house.state.read() as connection:
        closed = all_epochs(connection)
        assert verify_ledger(connection) == []
    assert strike_at == 13  # 4 commits, 5 files, 3 transactions, and one run to the end
    assert [(epoch.epoch_id, epoch.state) for epoch in closed] == [
        (number, "accepted") for number in range(strike_at, 0, -1)
    ]
    proposed = settled.chain.distributor.accepted_roots(0, settled.chain.head())
    assert [one.proposal_id for one in proposed] == list(range(1, strike_at + 1))


async def test_entries_posted_while_it_is_open_belong_to_the_next_epoch(settled: Settled) -> None:
    earn(settled.house, 1, 4)
    frozen = MerkleTree.from_amounts(leaves_of(settled.house))
    house, chain = dying(settled, 1)  # just after the row is written
    with pytest.raises(Killed):
        await close_epoch(house, chain, settled.signers)
    earn(settled.house, 5, 4)
    assert (await close(settled)).root == frozen.root
    assert (await close(settled)).total == sum(leaves_of(settled.house).values())


async def test_a_ledger_that_was_changed_after_the_freeze_is_not_published(settled: Settled) -> None:
    earn(settled.house, 1, 4)
    house, chain = dying(settled, 1)
    with pytest.raises(Killed):
        await close_epoch(house, chain, settled.signers)
    with settled.house.state.write() as connection:
        connection.execute(sa.update(ledger).where(ledger.c.entry_seq == 1).values(reason="novelty"))
    with pytest.raises(WindrowError, match="unbalanced"):
        await close(settled)
    assert not (settled.house.home / "epochs").exists()
