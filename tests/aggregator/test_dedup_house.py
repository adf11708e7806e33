"""The index of a house follows its database: after a lost index, a failed transaction, and an erasure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aggregator_world import World
from real_house import words_of

from aggregator.dedup import HouseIndex, Incoming, sketch
from aggregator.judgement import CURSOR
from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from storage.lake import Lake
from storage.state import get_cursor
from storage.tables.contributions import contributions, duplicates
from storage.tables.lake import erasures, lake_files
from storage.tables.trust import audits


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def submitted(world: World, texts: list[str]) -> None:
    """Have one node submit texts, in this order, and every verdict be given."""
    known = len(rows(world))
    world.seed(known + len(texts))
    node = await world.node()
    for text in texts:
        (lease,) = await world.take(node, 1)
        await node.submit(world.doors.submissions, [node.contribution(lease, text)])
        await world.settle({lease.url: text})


def rows(world: World) -> list[Any]:
    with world.house.state.read() as connection:
        return list(connection.execute(sa.select(duplicates).order_by(duplicates.c.seq)))


def kinds(world: World) -> list[str]:
    return [row.kind for row in rows(world)]


def lose_index(world: World) -> None:
    for path in (world.house.home / "dedup").iterdir():
        path.unlink()


ONE, OTHER = words_of(1), words_of(2)
NEAR_ONE = ONE + " end"


async def test_a_lost_index_is_made_again_from_the_stored_texts(world: World) -> None:
    await submitted(world, [ONE, OTHER, NEAR_ONE, ONE])
    assert kinds(world) == ["unique", "unique", "near", "exact"]
    lose_index(world)
    await submitted(world, [OTHER, NEAR_ONE, OTHER + " end"])
    assert kinds(world)[4:] == ["exact", "exact", "near"]
    found = rows(world)
    assert [row.first_contribution_id for row in found[4:]] == [
        found[1].contribution_id,
        found[2].contribution_id,
        found[1].contribution_id,
    ]
    assert {row.cluster_id for row in found} == {found[0].contribution_id, found[1].contribution_id}


async def test_a_damaged_index_mends_itself_from_the_stored_texts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bit that the disk changed under an open index: no copy is missed, before or after it is noticed."""
    monkeypatch.setattr("aggregator.dedup.postings.RESIDENT_TEXTS", 0)
    await submitted(world, [ONE, OTHER])
    with world.house.state.write() as connection:
        HouseIndex(world.house.env.disk, world.house.home / "dedup", world.segments).erase(
            connection, get_cursor(connection, CURSOR), []
        )
    (run,) = (world.house.home / "dedup").glob("run-*.idx")
    await submitted(world, [ONE])
    for place in range(0, 8, 2):  # in the block of the digests, the first that a look-up meets
        data = bytearray(run.read_bytes())
        data[place] ^= 4
        run.write_bytes(data)
    await submitted(world, [NEAR_ONE, ONE, OTHER])
    assert kinds(world) == ["unique", "unique", "exact", "near", "exact", "exact"]
    assert not run.exists(), "made anew"


async def test_a_transaction_that_fails_leaves_the_index_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submitted(world, [OTHER])
    with monkeypatch.context() as failing:
        failing.setattr(Lake, "commit", _refuse)
        with pytest.raises(RuntimeError):
            await submitted(world, [ONE])
        assert kinds(world) == ["unique"]
    while world.pipeline.step():
        pass
    assert kinds(world) == ["unique", "unique"], "judged again, it is no copy of itself"
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(lake_files)).scalar() == 2


def _refuse(*_: object) -> None:
    raise RuntimeError("the disk is full")


async def test_an_erased_text_lives_on_under_who_gave_it_too(world: World) -> None:
    await submitted(world, [ONE, OTHER, ONE, ONE])
    first, other, second, third = rows(world)
    index = HouseIndex(world.house.env.disk, world.house.home / "dedup", world.segments)
    with world.house.state.write() as connection:
        committed = get_cursor(connection, CURSOR)
        index.erase(connection, committed, [first.seq])
        _forget(connection, [first.seq])
    with world.house.state.write() as connection:
        (near,) = index.judge(connection, committed, [Incoming(99, "new", sketch(NEAR_ONE))], committed + 1)
        assert (near.kind, near.cluster_id, near.first_contribution_id) == (
            "near",
            first.contribution_id,
            second.contribution_id,
        )
        connection.rollback()
    with world.house.state.write() as connection:
        index.erase(connection, committed, [second.seq, third.seq, other.seq])
        _forget(connection, [second.seq, third.seq, other.seq])
    with world.house.state.write() as connection:
        texts = [Incoming(98, "a", sketch(NEAR_ONE)), Incoming(99, "b", sketch(OTHER))]
        assert [each.kind for each in index.judge(connection, committed, texts, committed + 1)] == [
            "unique"
        ] * 2
        connection.rollback()
    files = [path for path in (world.house.home / "dedup").iterdir() if path.suffix == ".idx"]
    assert files == [], "nothing of them is left"


async def test_an_heir_is_found_again_when_the_index_is_lost_after_an_erasure(world: World) -> None:
    """Somebody erases the first text, the index is made again, and a copy of it must not be paid as new."""
    await submitted(world, [ONE, OTHER, ONE, ONE])
    first, _, second, _ = rows(world)
    with world.house.state.write() as connection:
        HouseIndex(world.house.env.disk, world.house.home / "dedup", world.segments).erase(
            connection, get_cursor(connection, CURSOR), [first.seq]
        )
        connection.execute(
            sa.insert(erasures).values(
                contribution_id=first.contribution_id,
                seq=first.seq,
                segment="",
                offset=0,
                length=0,
                reason="asked",
                state="done",
                asked_at_ms=1,
            )
        )
    lose_index(world)
    await submitted(world, [NEAR_ONE, ONE])
    assert kinds(world)[4:] == ["near", "exact"]
    assert {row.first_contribution_id for row in rows(world)[4:]} == {second.contribution_id}


def _forget(connection: sa.Connection, numbers: list[int]) -> None:
    connection.execute(sa.delete(duplicates).where(duplicates.c.seq.in_(numbers)))
    connection.execute(sa.delete(contributions).where(contributions.c.seq.in_(numbers)))
    assert connection.execute(sa.select(audits.c.seq)).first() is not None


async def test_an_erased_text_that_comes_again_brings_no_new_bytes(world: World) -> None:
    """The attack: have one's own page taken down, put its text on another site, and be paid by the byte again."""
    await submitted(world, [ONE, OTHER])
    first = rows(world)[0]
    end_epoch(world.house)
    while close_epochs(world.house, world.segments, 0):
        pass
    world.pipeline.eraser.erase(first.contribution_id, "a takedown")
    await submitted(world, [ONE, ONE, NEAR_ONE])
    lose_index(world)
    await submitted(world, [ONE, words_of(3)])
    found = rows(world)[2:]
    assert [row.kind for row in found] == ["unique", "exact", "near", "exact", "unique"]
    assert [row.unique_bytes for row in found[:4]] == [0] * 4, "it was paid for when it was new"
    assert found[4].unique_bytes > 0
    assert {row.cluster_id for row in found[:4]} == {found[0].contribution_id}, "it can be sold again"


async def test_the_text_of_a_page_that_nobody_could_check_is_still_new(world: World) -> None:
    """It was never paid by the byte, so who gives it first where it can be checked brings its bytes."""
    await submitted(world, [ONE])
    (first,) = rows(world)
    with world.house.state.write() as connection:
        connection.execute(sa.update(duplicates).values(kind="hard", unique_bytes=0))
    end_epoch(world.house)
    while close_epochs(world.house, world.segments, 0):
        pass
    world.pipeline.eraser.erase(first.contribution_id, "a takedown")
    await submitted(world, [ONE])
    assert rows(world)[1].unique_bytes > 0


async def test_a_truth_in_the_place_of_a_fake_is_found_again(world: World) -> None:
    """Its number is its own, its place the rejected contribution's."""
    world.seed(1)
    cheat = await world.node()
    (lease,) = await world.take(cheat, 1)
    await cheat.submit(world.doors.submissions, [cheat.contribution(lease, words_of(666))])
    await world.settle({lease.url: ONE})
    await world.settle({lease.url: ONE})
    (judged,) = rows(world)
    assert judged.seq > 1
    lose_index(world)
    await submitted(world, [NEAR_ONE])
    assert [row.kind for row in rows(world) if row.seq > judged.seq] == ["near"]
