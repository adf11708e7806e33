"""From a contribution to its verdict and its place among everything seen: fakes fail, doubts cost nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aggregator_world import World
from real_house import NETWORK, words_of

from storage.lake import Lake
from storage.tables.contributions import duplicates, frontier, verdicts
from storage.tables.trust import truth_requests
from windrow_protocol.messages import contribution_id_for
from windrow_protocol.signing import verify


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def rows(world: World, table: sa.Table) -> list[Any]:
    with world.house.state.read() as connection:
        return list(connection.execute(sa.select(table).order_by(table.c.seq)))


def lake_rows(world: World) -> list[dict[str, Any]]:
    with world.house.state.read() as connection:
        table = Lake(world.house.env, world.house.home / "lake").dataset(connection).to_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


async def test_a_page_that_matches_is_accepted_signed_and_in_the_lake(world: World) -> None:
    world.seed(1)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    await node.submit(world.doors.submissions, [node.contribution(lease, words_of(1))])
    await world.settle({lease.url: words_of(1)})
    (verdict,) = rows(world, verdicts)
    assert (verdict.verdict, verdict.reason, verdict.similarity) == ("accepted", "matches_truth", 1.0)
    statement = verify(
        verdict.jws,
        signer=world.house.coordinator_id,
        network=NETWORK,
        purpose="verdict",
        subject=node.node_id,
        now_ms=world.house.now_ms(),
    )
    assert (statement.content or {})["contribution_id"] == verdict.contribution_id
    assert [row["text"] for row in lake_rows(world)] == [words_of(1)]


async def test_invented_text_is_rejected_only_after_three_truths_and_the_truth_takes_its_place(
    world: World,
) -> None:
    world.seed(1)
    cheat, honest = await world.node(), await world.node()
    (lease,) = await world.take(cheat, 1)
    await cheat.submit(world.doors.submissions, [cheat.contribution(lease, words_of(666))])
    truth = {lease.url: words_of(1)}
    await world.validate(truth)
    world.pipeline.step()
    assert rows(world, verdicts) == [], "one truth is not enough to call somebody a liar"
    await world.settle(truth)
    verdict, replacing = rows(world, verdicts)
    assert (verdict.verdict, verdict.reason, verdict.confirmed_ppm) == ("rejected", "differs_from_truth", 0)
    assert verdict.truth_sha256.count('"') == 6
    assert (replacing.verdict, replacing.reason) == ("accepted", "replaces")
    (kept,) = lake_rows(world)
    assert (kept["text"], kept["contribution_id"]) == (words_of(1), replacing.contribution_id)
    assert kept["payout_address"] == "", "nobody is paid for what the verifier fetched"
    assert [row.contribution_id for row in rows(world, duplicates)] == [replacing.contribution_id]
    assert await world.take(honest, 1) == [], "the page is known now"


async def test_our_outage_is_nobodys_fault(world: World) -> None:
    world.seed(1)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    await node.submit(world.doors.submissions, [node.contribution(lease, words_of(1))])
    await world.settle({})
    (verdict,) = rows(world, verdicts)
    assert (verdict.verdict, verdict.reason) == ("no_evidence", "truth_unavailable")
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(frontier.c.state)).scalar() == "open"


async def test_a_page_that_changes_each_time_is_no_evidence(world: World) -> None:
    world.seed(1)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    await node.submit(world.doors.submissions, [node.contribution(lease, words_of(1))])
    await world.validate({lease.url: words_of(2)})
    world.pipeline.step()
    await world.settle({lease.url: words_of(3)})
    (verdict,) = rows(world, verdicts)
    assert (verdict.verdict, verdict.reason) == ("no_evidence", "truths_disagree")


async def test_the_first_in_the_log_is_first_whenever_its_verdict_comes(world: World) -> None:
    world.seed(2)
    early, late = await world.node(), await world.node()
    (first,), (second,) = await world.take(early, 1), await world.take(late, 1)
    await early.submit(world.doors.submissions, [early.contribution(first, words_of(1))])
    await late.submit(world.doors.submissions, [late.contribution(second, words_of(1))])
    with world.house.state.write() as connection:  # the truth of the first is late
        first_truth = truth_requests.c.contribution_id == contribution_id_for(first.lease_id, early.node_id)
        connection.execute(sa.update(truth_requests).where(first_truth).values(state="leased"))
    await world.settle({second.url: words_of(1)})
    assert [row.verdict for row in rows(world, verdicts)] == ["accepted"]
    assert rows(world, duplicates) == []
    with world.house.state.write() as connection:
        connection.execute(sa.update(truth_requests).where(first_truth).values(state="wanted"))
    await world.settle({first.url: words_of(1), second.url: words_of(1)})
    assert [(row.seq, row.kind) for row in rows(world, duplicates)] == [(1, "unique"), (2, "exact")]


async def test_doing_a_step_again_changes_nothing(world: World) -> None:
    world.seed(3)
    node = await world.node()
    leases = await world.take(node, 3)
    texts = {lease.url: words_of(i) for i, lease in enumerate(leases)}
    await node.submit(
        world.doors.submissions, [node.contribution(lease, texts[lease.url]) for lease in leases]
    )
    await world.settle(texts)
    before = rows(world, verdicts), rows(world, duplicates)
    assert world.pipeline.step() == 0
    assert (rows(world, verdicts), rows(world, duplicates)) == before
