"""What a closed audit epoch decided is priced then, truths too that came after the epoch had ended."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from aggregator_world import World

from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from rewards.accountant import run_accountant
from storage.tables.contributions import contributions, ledger, verdicts

TEXT = "A page of some length that says something of its own, number {0}. " * 12


def texts() -> dict[str, str]:
    return {f"http://h{i % 3}.example/p{i}": TEXT.replace("{0}", str(i)) for i in range(6)}


def unpriced(world: World) -> list[tuple[str, str]]:
    """Return what has a verdict, as work or as a truth, and no line in the ledger."""
    about = sa.func.coalesce(contributions.c.audit_of, contributions.c.contribution_id)
    statement = (
        sa.select(contributions.c.kind, contributions.c.contribution_id)
        .join(verdicts, verdicts.c.contribution_id == about)
        .where(~sa.exists().where(ledger.c.cause == contributions.c.contribution_id))
    )
    with world.house.state.read() as connection:
        return [(row.kind, row.contribution_id) for row in connection.execute(statement)]


def closed(world: World) -> None:
    while close_epochs(world.house, world.segments, patience_ms=0):
        pass
    world.pipeline.step()
    while run_accountant(world.house):
        pass


async def test_truths_that_came_after_the_end_are_priced_with_their_epoch(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    world.seed(6)
    await world.validators_ready()
    node = await world.node()
    answers = [node.contribution(lease, texts()[lease.url]) for lease in await world.take(node, 10)]
    await node.submit(world.doors.submissions, answers)
    end_epoch(world.house)
    await world.settle(texts())  # all of the truths stand in the log after what the next epoch began with
    assert len(unpriced(world)) > len(answers), "nothing is priced before the epoch is closed"
    closed(world)
    assert unpriced(world) == []
