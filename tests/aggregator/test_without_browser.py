"""Audits that need a browser while no validator has one: they end as no evidence, cost nobody, and are seen."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from aggregator_world import World
from real_house import Node, words_of
from shells_world import BOTH, pages, ready, settled, take, truly, verdicts_of

from aggregator.assignment.frontier import add_urls
from aggregator.pipeline import Pipeline
from aggregator.verification.audits.without_browser import browserless
from storage.tables.trust import consequences
from windrow.doctor import _browser_findings
from windrow_protocol.limits import BROWSER_WAIT_MS, NODE_SEEN_STEP_MS

URL = "http://h1.example/p1"


async def with_an_audit(home: Path) -> tuple[World, Node]:
    """Return a world where a page was rendered and handed in, and a node that did it."""
    world = await ready(home, browsers=3)
    with world.house.state.write() as connection:
        add_urls(connection, [(URL, "browser")], world.house.now_ms())
    node = await world.node()
    (lease,) = await take(world, node, 1)
    await node.submit(world.doors.submissions, [node.contribution(lease, words_of(5))])
    return world, node


async def without_browsers(world: World, pipeline: Pipeline) -> None:
    """Let every validator come without its browser, and the house do its work."""
    for validator in world.validators:
        assert await take(world, validator, 5, ["http"]) == []
    world._draw()
    pipeline.step()
    pipeline.housekeeping()


def waiting(world: World) -> tuple[int, bool]:
    with world.house.state.read() as connection:
        found = browserless(connection)
    return found.waiting, bool(found.since_ms)


def told(world: World) -> str:
    with world.house.state.read() as connection:
        (finding,) = _browser_findings(connection)
    return finding.state


async def test_an_audit_that_no_browser_can_settle_ends_as_no_evidence(tmp_path: Path) -> None:
    world, node = await with_an_audit(tmp_path)
    pipeline = world.pipeline
    assert told(world) == "passed"
    await without_browsers(world, pipeline)
    assert waiting(world) == (1, True)
    assert told(world) == "failed"
    world.clock.ahead_ms += BROWSER_WAIT_MS - 60_000
    await without_browsers(world, pipeline)
    assert verdicts_of(world, node) == [], "not yet"
    world.clock.ahead_ms += 120_000
    await without_browsers(world, pipeline)
    pipeline.step()
    assert verdicts_of(world, node) == [("no_evidence", "truth_unavailable")]
    assert waiting(world) == (0, True)
    assert pages(world)[URL] == ("open", "browser"), "somebody else may have it later"
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(consequences)).all() == []


async def test_meanwhile_nobody_is_leased_what_nobody_can_check(tmp_path: Path) -> None:
    """The attack: pages that need a browser, filled with invented text as long as no validator has one."""
    world, _ = await with_an_audit(tmp_path)
    pipeline = world.pipeline
    await without_browsers(world, pipeline)
    with world.house.state.write() as connection:
        add_urls(connection, [("http://h2.example/p2", "browser")], world.house.now_ms())
        add_urls(connection, [("http://h2.example/p3", "http")], world.house.now_ms())
    liar = await world.node()
    assert [lease.render for lease in await take(world, liar, 5)] == ["http"]


async def test_a_browser_that_comes_back_settles_what_waits(tmp_path: Path) -> None:
    world, node = await with_an_audit(tmp_path)
    pipeline = world.pipeline
    await without_browsers(world, pipeline)
    world.clock.ahead_ms += BROWSER_WAIT_MS // 2
    for validator in world.validators:
        for lease in await take(world, validator, 5, BOTH):
            await validator.submit(world.doors.submissions, [truly(validator, lease)])
    pipeline.housekeeping()
    assert (waiting(world), told(world)) == ((waiting(world)[0], False), "passed")
    await settled(world)
    assert [verdict for verdict, _ in verdicts_of(world, node)] == ["rejected"], "it was invented"


async def test_while_the_house_was_away_nobody_was_waited_for(tmp_path: Path) -> None:
    world, node = await with_an_audit(tmp_path)
    await without_browsers(world, world.pipeline)
    world.clock.ahead_ms += 2 * BROWSER_WAIT_MS
    await without_browsers(world, world.pipeline)  # made anew, as at a start
    world.pipeline.step()
    assert verdicts_of(world, node) == []


async def test_validators_that_fell_silent_with_their_browsers_are_missed_too(tmp_path: Path) -> None:
    world, node = await with_an_audit(tmp_path)
    pipeline = world.pipeline
    world._draw()
    pipeline.step()
    pipeline.housekeeping()
    assert waiting(world)[1] is False
    for _ in range(BROWSER_WAIT_MS // NODE_SEEN_STEP_MS + 4):
        world.clock.ahead_ms += NODE_SEEN_STEP_MS
        pipeline.housekeeping()
        pipeline.step()
    assert verdicts_of(world, node) == [("no_evidence", "truth_unavailable")]
