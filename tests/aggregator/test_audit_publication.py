"""How audit epochs close and are published: late verdicts, refusals, silent validators, and kills at every write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from audit_world import MOST, AuditWorld

from aggregator.verification.drawing import draws as drawing
from aggregator.verification.drawing.audit_epochs import end_epoch, end_if_due, epochs_in
from aggregator.verification.epochs.audit_closing import close_epochs, publish_epoch
from aggregator.verification.epochs.audit_files import file_sha256, read_rows
from aggregator.verification.epochs.audit_rows import (
    HEADER,
    Header,
)
from aggregator.verification.epochs.replay import replay
from storage.env import Request
from storage.house import House
from storage.real_env import PosixDisk, SystemCalls
from storage.tables.contributions import verdicts
from storage.tables.trust import audits, dividends, draws
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import AuditDraws, Outcome


async def test_an_entry_hidden_from_one_validator_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The coordinator shows one validator a log without its friend's entry, and publishes the whole one."""
    world = AuditWorld(tmp_path)
    node = await world.ready()
    truth = await world.hand_in(node, 6)
    whole = drawing._entries

    def without_the_friends(*arguments: Any, **named: Any) -> Iterator[Any]:
        return (entry for entry in whole(*arguments, **named) if entry.seq != 2)

    monkeypatch.setattr(drawing, "_entries", without_the_friends)
    folder = await world.close(truth)
    found = replay(folder)
    assert not found.ok
    assert "was shown other entries" in found.first_difference


async def test_a_draw_that_is_wrong_or_missing_or_a_secret_kept_back_costs_the_dividends(
    tmp_path: Path,
) -> None:
    world = AuditWorld(tmp_path, operators=4, rules=MOST)
    node = await world.ready()
    truth = await world.hand_in(node, 24)
    await world.audit(truth)
    liar, forgetful, sleeper, honest = (validator.node_id for validator in world.validators)
    with world.house.state.write() as connection:
        drawn = set(
            connection.execute(sa.select(draws.c.lease_id).where(draws.c.validator_id == liar)).scalars()
        )
        others = connection.execute(sa.select(audits.c.lease_id)).scalars()
        undrawn = next(lease_id for lease_id in others if lease_id not in drawn)
        one = sa.select(draws.c.lease_id).where(draws.c.validator_id == forgetful).limit(1).scalar_subquery()
        connection.execute(sa.delete(draws).where(draws.c.validator_id == forgetful, draws.c.lease_id == one))
    said = AuditDraws(1, 1_000, [undrawn])
    await world.clients[0].ask("/v1/audit/draws", "audit_draws", said, msgspec.Raw)
    end_epoch(world.house)
    del world.drawing[2]
    await world.audit(truth)
    assert close_epochs(world.house, world.segments, world.house.rules.draw_wait_ms) == 1, "it is waited for"
    world.clock.ahead_ms += world.house.rules.draw_wait_ms + 1
    assert close_epochs(world.house, world.segments, world.house.rules.draw_wait_ms) == 0
    found = replay(world.house.home / "audits" / "1")
    assert found.ok, found.first_difference
    assert {row.validator_id: (row.reason, row.share_ppm > 0) for row in found.dividends} == {
        liar: ("wrong_draw", False),
        forgetful: ("draw_missing", False),
        sleeper: ("unrevealed", False),
        honest: ("single_operator", True),
    }


async def test_verdicts_that_come_after_their_epoch_was_sealed_are_published_with_the_next(
    tmp_path: Path,
) -> None:
    world = AuditWorld(tmp_path, rules=MOST)
    node = await world.ready()
    truth = await world.hand_in(node, 8)
    end_epoch(world.house)
    await world.draw_all()
    world.clock.ahead_ms += world.house.rules.draw_wait_ms + 1
    assert close_epochs(world.house, world.segments, world.house.rules.draw_wait_ms) == 0
    first = replay(world.house.home / "audits" / "1")
    assert (first.ok, first.audited) == (True, 0)
    assert first.drawn > 0
    await world.audit(truth)
    second = replay(await world.close(await world.hand_in(node, 1)))
    assert second.ok, second.first_difference
    rows = list(read_rows(world.house.home / "audits" / "2"))
    late = [row for row in rows if row.epoch_id == 1]
    assert len([row for row in late if row.verdict and row.verdict.record]) == first.drawn
    assert sum(row.audits for row in second.dividends) >= second.audited
    headers = [
        msgspec.json.decode((world.house.home / "audits" / n / HEADER).read_bytes(), type=Header)
        for n in ("1", "2")
    ]
    assert headers[1].first_head == headers[0].last_head
    assert headers[1].first_seq == headers[0].last_seq + 1
    digest = file_sha256(world.house.home / "audits" / "1" / HEADER, 10**9)
    assert headers[1].previous_header_sha256 == digest


async def test_refusals_are_published_and_recomputed(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, rules=MOST)
    node = await world.ready()
    world.seed(12)
    leases = await world.take(node, 12)
    outcomes = [Outcome.NOT_FOUND] * 8 + [Outcome.TIMEOUT] * 4
    records = [node.report(lease, outcome) for lease, outcome in zip(leases, outcomes, strict=True)]
    await node.submit(world.doors.submissions, list(records))
    truth = {lease.url: world.page(lease) for lease in leases[:4]}

    folder = await world.close(truth)
    found = replay(folder)
    assert found.ok, found.first_difference
    assert found.entries == 8
    kinds = [row.kind for row in read_rows(folder) if row.kind != "truth"]
    assert kinds == ["entry"] * 8 + ["undrawn"] * 4
    with world.house.state.read() as connection:
        decided = connection.execute(sa.select(sa.func.count()).select_from(verdicts)).scalar()
    assert decided == found.audited > 0


async def test_an_epoch_without_anything_goes_on_and_its_time_ends_it(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1)
    house = world.house
    node = await world.ready()
    assert end_epoch(house) is None
    world.clock.ahead_ms += house.rules.epoch_ms
    assert end_if_due(house) is None, "nothing was committed in it"
    truth = await world.hand_in(node, 2)
    assert end_if_due(house) == 1
    assert end_if_due(house) is None
    await world.audit(truth)
    assert close_epochs(house, world.segments, house.rules.reveal_wait_ms) == 0
    assert close_epochs(house, world.segments, house.rules.reveal_wait_ms) == 0


async def test_without_validators_an_epoch_closes_at_once(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1)
    node = await world.node()
    await world.hand_in(node, 3)
    assert end_epoch(world.house) == 1
    assert close_epochs(world.house, world.segments, world.house.rules.draw_wait_ms) == 0
    found = replay(world.house.home / "audits" / "1")
    assert (found.ok, found.drawn, found.dividends) == (True, 0, [])
    assert found.trust == "single-operator trust"


class Killed(BaseException):
    """The process is gone."""


class KillingCalls(SystemCalls):
    """The real calls, of which one never returns."""

    def __init__(self, number: int) -> None:
        self.left = number

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def write(self, descriptor: int, data: memoryview) -> int:
        self._count()
        return super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._count()
        super().fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._count()
        super().rename(source, target)


def house_on(world: AuditWorld, calls: SystemCalls) -> House:
    return replace(world.house, env=replace(world.house.env, disk=PosixDisk(calls)))


async def test_killed_at_any_write_of_its_publication_it_is_published_all_the_same(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path)
    truth = await world.hand_in(await world.ready(), 6)
    end_epoch(world.house)
    await world.audit(truth)
    kills = 0
    while True:
        house = house_on(world, KillingCalls(kills + 1))
        try:
            close_epochs(house, world.segments, house.rules.draw_wait_ms)
            break
        except Killed:
            kills += 1
            with world.house.state.read() as connection:
                assert [epoch.state for epoch in epochs_in(connection, "sealed")] == ["sealed"]
                assert connection.execute(sa.select(dividends)).first() is None
            doors = {route.pattern: route.handle for route in world.routes}
            asked = Request("GET", "", params={"epoch_id": "1", "name": HEADER})
            with pytest.raises(WindrowError):
                await doors["/v1/audit/epochs/{epoch_id}/{name}"](asked)
    assert kills >= 8
    found = replay(world.house.home / "audits" / "1")
    assert found.ok, found.first_difference
    publish_epoch(world.house, world.segments, 1)
    assert replay(world.house.home / "audits" / "1") == found
