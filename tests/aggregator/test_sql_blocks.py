"""Columnar blocks: the same answers with them and without, after every fault, and nothing of what was erased."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aggregator_world import World
from real_house import open_house, words_of
from sql_world import SqlWorld, row_for
from state_database import state_url

from aggregator.judgement import CURSOR
from aggregator.sql import held_files, sealing, view_blocks
from aggregator.sql.children import Spare
from aggregator.sql.sandbox import run_query
from aggregator.sql.sealing import BlockSealer
from aggregator.sql.view_blocks import FOLDER, covered, let_go
from aggregator.sql.views import GROWING
from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from storage.house import House
from storage.state import set_cursor
from storage.tables import contributions as tables
from storage.tables.lake import view_blocks as listed_blocks

SIZES = (4, 8, 32)
# One statement, because each costs the start of a process.
QUESTION = """
SELECT (SELECT list(c ORDER BY seq) FROM contributions c),
       (SELECT list(v ORDER BY contribution_id) FROM verdicts v),
       (SELECT list(d ORDER BY contribution_id) FROM duplicates d),
       (SELECT list(l ORDER BY entry_seq) FROM ledger l),
       (SELECT list(b ORDER BY contribution_id) FROM boilerplate b),
       (SELECT list(url_host || given_verdict ORDER BY url_host, seq) FROM contributions WHERE novelty IS NOT NULL),
       (SELECT sum(amount) FROM ledger l JOIN contributions c ON l.cause = c.contribution_id),
       (SELECT title FROM contributions WHERE contribution_id = 'contribution_id-9')
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(view_blocks, "BLOCK_KEYS", SIZES)
    monkeypatch.setattr(sealing, "BLOCK_KEYS", SIZES)
    monkeypatch.setattr(sealing, "_READ_KEYS", SIZES[0])
    return open_house(tmp_path)


def fill(house: House, first: int, last: int, judged: int) -> None:
    """Add rows of every growing view; those up to `judged` are judged."""
    with house.state.write() as connection:
        for number in range(first, last + 1):
            said: dict[str, dict[str, Any]] = {
                "submissions": {},
                "contributions": {"kind": "work", "url": f"https://h{number % 3}.example:8080/p{number}"},
                "ledger": {"cause": f"contribution_id-{number}"},
            }
            if number <= judged:
                kinds: dict[str, dict[str, Any]] = {
                    "verdicts": {},
                    "duplicates": {},
                    "annotations": {},
                    "boilerplate": {},
                }
                said |= kinds
            for name, given in said.items():
                table = tables.metadata.tables[name]
                connection.execute(sa.insert(table).values(row_for(table, number, **given)))
        set_cursor(connection, CURSOR, judged)


def seal(house: House) -> int:
    sealer, steps = BlockSealer(house), 0
    while sealer.step():
        steps += 1
    return steps


def answers(house: House, with_blocks: bool = True) -> list[Any]:
    url = state_url(house.home)
    with house.state.read() as connection:
        blocks = covered(connection, house.home / FOLDER, GROWING) if with_blocks else None
    (row,) = run_query(url, [], QUESTION, blocks=blocks).rows
    return list(row)


def ranges(house: House, view: str) -> list[tuple[int, int]]:
    with house.state.read() as connection:
        rows = connection.execute(
            sa.select(listed_blocks.c.first_key, listed_blocks.c.last_key)
            .where(listed_blocks.c.view == view)
            .order_by(listed_blocks.c.first_key)
        )
        return [(row.first_key, row.last_key) for row in rows]


def test_blocks_grow_and_answers_stay(house: House) -> None:
    fill(house, 1, 21, judged=18)
    assert seal(house) > 0
    assert ranges(house, "contributions") == [(0, 7), (8, 15)]
    assert ranges(house, "ledger") == [(0, 7), (8, 15), (16, 19)]
    before = answers(house)
    assert before == answers(house, with_blocks=False)
    assert [len(rows) for rows in before[:5]] == [21, 18, 18, 21, 18]
    assert before[5][0] == "h0.exampleverdict-3"
    assert seal(house) == 0
    fill(house, 22, 70, judged=70)
    seal(house)
    assert ranges(house, "contributions") == [(0, 31), (32, 63), (64, 67)]
    assert answers(house) == answers(house, with_blocks=False)
    assert len(list((house.home / FOLDER).iterdir())) < 40


def test_a_block_that_is_gone_is_read_from_the_state_and_made_again(house: House) -> None:
    fill(house, 1, 40, judged=40)
    seal(house)
    right = answers(house)
    for path in sorted((house.home / FOLDER).glob("*.parquet"))[::2]:
        path.unlink()
    assert answers(house) == right
    (house.home / FOLDER / ".half.parquet.tmp").write_bytes(b"PAR1")
    assert seal(house) > 0
    assert answers(house) == right
    with house.state.read() as connection:
        listed = set(connection.execute(sa.select(listed_blocks.c.path)).scalars())
    assert {path.name for path in (house.home / FOLDER).iterdir()} == listed


def test_a_row_that_changes_is_shown_as_it_is(house: House) -> None:
    fill(house, 1, 40, judged=40)
    seal(house)
    with house.state.write() as connection:
        row = tables.contributions.c.seq == 9
        connection.execute(sa.update(tables.contributions).where(row).values(title=""))
        gone = let_go(connection, ["contributions"], [9])
    assert len(gone) == 1
    assert answers(house) == answers(house, with_blocks=False)
    assert answers(house)[7] == ""
    seal(house)
    assert ranges(house, "contributions") == [(0, 31), (32, 39)]
    assert answers(house) == answers(house, with_blocks=False)


def test_a_crash_between_file_and_list_costs_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(house, 1, 10, judged=10)
    sealer = BlockSealer(house)
    with monkeypatch.context() as crashing:
        crashing.setattr(type(house.state), "write", _refuse)
        with pytest.raises(RuntimeError):
            sealer.step()
    assert len(list((house.home / FOLDER).glob("*.parquet"))) == 1
    seal(house)
    assert answers(house) == answers(house, with_blocks=False)


async def test_an_erased_title_leaves_no_block(house: House, tmp_path: Path) -> None:
    (tmp_path / "working").mkdir()
    world = World(tmp_path / "working")
    world.seed(3)
    node = await world.node()
    for number in range(3):
        (lease,) = await world.take(node, 1)
        await node.submit(world.doors.submissions, [node.contribution(lease, words_of(number))])
        await world.settle({lease.url: words_of(number)})
    end_epoch(world.house)
    while close_epochs(world.house, world.segments, 0):
        pass
    seal(world.house)
    question = "SELECT contribution_id, title FROM contributions ORDER BY seq"
    with world.house.state.read() as connection:
        blocks = covered(connection, world.house.home / FOLDER, GROWING)
    rows = run_query(state_url(world.house.home), [], question, blocks=blocks).rows
    (old,) = blocks["contributions"].files[:1]
    assert rows[0][1]
    world.pipeline.eraser.erase(rows[0][0], "asked")
    assert not old.exists()
    seal(world.house)
    with world.house.state.read() as connection:
        blocks = covered(connection, world.house.home / FOLDER, GROWING)
    assert blocks["contributions"].files
    rows = run_query(state_url(world.house.home), [], question, blocks=blocks).rows
    assert [bool(title) for _, title in rows] == [False, True, True]


def test_a_spare_process_answers_one_question_and_the_next_is_ready(tmp_path: Path) -> None:
    world, spare = SqlWorld(tmp_path / "small"), Spare()
    question = "SELECT count(*) FROM contributions"
    try:
        assert spare._waiting is None, "nobody has asked yet"
        assert run_query(world.url, [], question, spare=spare).rows == [[3]]
        first = spare._waiting
        assert first is not None
        assert run_query(world.url, [], question, spare=spare).rows == [[3]]
        first.wait(30)  # what a stranger's statement ran in is never used again
        second = spare._waiting
        assert second not in (None, first)
        assert second is not None
        second.kill()
        second.wait()
        assert run_query(world.url, [], question, spare=spare).rows == [[3]], "a dead one is replaced"
        third = spare._waiting
        spare.rest()
        assert third is not None
        assert third.poll() is not None
    finally:
        spare.close()
    assert run_query(world.url, [], question, spare=spare).rows == [[3]]
    assert spare._waiting is None, "nothing waits any more"


@pytest.mark.parametrize("descriptors_max", [512, 0])
def test_files_are_read_when_they_can_be_opened_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, descriptors_max: int
) -> None:
    monkeypatch.setattr(held_files, "_DESCRIPTORS_MAX", descriptors_max)
    (tmp_path / "file").write_bytes(bytes(range(256)) * 16)
    held = held_files.HeldFiles({"some": ([str(tmp_path / "file")], b"first")})
    (tmp_path / "file").unlink()
    file = held.open(held.names["some"][1])
    assert file.size == 4096
    file.seek(254)
    assert file.read(4) == b"\xfe\xff\x00\x01"
    file.seek(-1, 2)
    assert file.read(10) == b"\xff"


def test_a_file_that_became_shorter_is_no_shorter_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    held = held_files.HeldFiles({"some": ([str(tmp_path / "file")], b"first")})
    os.truncate(tmp_path / "file", 4)
    with pytest.raises(EOFError):
        held.open(held.names["some"][1]).read()


def _refuse(*_: object) -> None:
    raise RuntimeError("killed")
