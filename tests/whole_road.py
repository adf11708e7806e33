"""The whole road from lease to published epoch and dataset, walked by hand and begun again wherever something failed.

What came out is returned without random ids and times, so that two roads can be compared: one undisturbed, one killed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from published_world import PAYOUTS, RECIPES, VALIDATOR_PAYOUT, PublishedWorld, pages
from real_house import Node

from aggregator.assignment.frontier import add_urls
from aggregator.publish import Export, publish
from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from rewards.accountant import run_accountant
from rewards.epochs import freezing as epoch_freezing
from rewards.epochs.rows import Epoch, unfinished
from rewards.ledger import ASSET, balances
from rewards.ledger_checks import verify_ledger
from storage.env import Env
from storage.published import published_files
from storage.tables.contributions import contributions, epochs, submissions, verdicts
from windrow_protocol.messages import LeaseRequest, Registration

T = TypeVar("T")
TEXTS = dict(list(pages().items())[:5])
CHAIN = epoch_freezing.OnChain(epoch_freezing.NO_ROOT, 31_337, PAYOUTS[0], PAYOUTS[1])


async def until_done(act: Callable[[], Awaitable[T]]) -> T:
    """Ask again when the database or the disk failed, as nodes do, and the house's own stages: not without a pause,
    or a server that takes long to come back is asked more often than a node may ask."""
    while True:
        try:
            return await act()
        except (sa.exc.DBAPIError, OSError):
            await asyncio.sleep(0.05)


async def stage(act: Callable[..., T], *arguments: Any, **more: Any) -> T:
    """Run one stage of the house until it went through."""

    async def once() -> T:
        return act(*arguments, **more)

    return await until_done(once)


async def walk(world: PublishedWorld) -> list[str]:
    """Go the whole road and return the receipts that were given."""
    nodes = (*world.contributors, world.validator)
    for node, payout in zip(nodes, (*PAYOUTS, VALIDATOR_PAYOUT), strict=True):
        await until_done(
            lambda n=node, p=payout: n.ask(world.doors.register, "register", Registration(payout_address=p))
        )  # type: ignore[misc]

    def fill() -> None:
        with world.house.state.write() as connection:
            add_urls(connection, [(url, "http") for url in TEXTS], world.house.now_ms())

    await stage(fill)
    receipts: list[str] = []
    heard = dict.fromkeys((node.node_id for node in nodes), "")
    busy = True
    while busy:
        busy = False
        for node in nodes:
            given = await _work(world, node, heard)
            receipts += given
            busy = busy or bool(given)
        while await stage(world.pipeline.step):
            busy = True
    await stage(end_epoch, world.house)
    await stage(close_epochs, world.house, world.segments, patience_ms=0)
    await stage(run_accountant, world.house)
    frozen = await stage(_frozen, world)
    await stage(epoch_freezing.publish, world.house, frozen)
    return receipts


async def _work(world: PublishedWorld, node: Node, heard: dict[str, str]) -> Sequence[str]:
    request = lambda: node.ask(  # noqa: E731
        world.doors.leases, "lease_request", LeaseRequest(count=3, heard=heard[node.node_id])
    )
    answer = await until_done(request)
    heard[node.node_id] = answer.get("offer") or heard[node.node_id]
    leases = node.open_leases(answer["leases"])
    if not leases:
        return []
    records = [node.contribution(lease, TEXTS[lease.url]) for lease in leases]
    results = await until_done(lambda: node.submit(world.doors.submissions, list(records)))
    assert all(each["ok"] for each in results)
    return [each["receipt"] for each in results]


def _frozen(world: PublishedWorld) -> Epoch:
    with world.house.state.read() as connection:
        begun = unfinished(connection)
    return begun or epoch_freezing.freeze(world.house, lambda: CHAIN)


def outcome(world: PublishedWorld, receipts: list[str], export: Export) -> dict[str, Any]:
    """Return what came out, without what differs from run to run: random ids and times."""
    files = published_files(world.house.env.disk, world.house.home, export.dataset, export.version)
    shards = sorted(name for name in files.disk.tree(files.folder) if name.startswith("data/"))
    rows = [row for name in shards for row in files.small_table(name).to_pylist()]
    with world.house.state.read() as connection:
        assert verify_ledger(connection) == []
        logged = connection.execute(sa.select(submissions).order_by(submissions.c.seq)).all()
        assert [row.seq for row in logged] == list(range(1, len(logged) + 1))
        assert sorted(row.receipt for row in logged) == sorted(receipts), "what was acknowledged, once"
        work = sa.select(contributions.c.url, contributions.c.kind, contributions.c.text_sha256)
        judged = sa.select(contributions.c.url, verdicts.c.verdict, verdicts.c.reason).where(
            verdicts.c.seq == contributions.c.seq
        )
        return {
            "contributions": sorted(map(tuple, connection.execute(work))),
            "verdicts": sorted(map(tuple, connection.execute(judged))),
            "balances": sum(amount for amount in balances(connection, ASSET).values() if amount > 0),
            "epochs": connection.execute(sa.select(epochs.c.epoch_id, epochs.c.state, epochs.c.total)).all(),
            "sold": sorted((row["url"], hashlib.sha256(row["text"].encode()).hexdigest()) for row in rows),
        }


async def gone(home: Path, address: str = "", env: Env | None = None) -> dict[str, Any]:
    """Walk the road in a new home and return what came out; `address` is of a database, `env` has the disk."""
    home.mkdir()
    world = PublishedWorld(home, address=address, env=env)
    receipts = await walk(world)
    return outcome(world, receipts, await stage(publish, world.house, RECIPES, "web_text"))
