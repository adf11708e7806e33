"""What a strategy came to, as one line: counted from the ledger and the logs of the arena's house.

Rules: income is what was posted to the payout addresses after everybody had left, for each lease that was given;
fetches count as cost, identities as free. A strategy is *held* when it earns no more than its share of honest work
would have (and next to nothing if it fetched nothing). `submitted` counts records, `received` the leases for which it
holds a receipt. `lease_share` is what it took of all leases that were given; a defence is worth its place when some
strategy gains by its absence.

Does not: play. Usage: `line = await play(ArenaPlan("garbage"))`.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from rewards.ledger import balance_of, posted_account
from storage.tables.contributions import leases, verdicts
from storage.tables.trust import consequences
from windrow.redteam.arena import Arena, ArenaPlan, Player
from windrow.redteam.strategies import STRATEGIES

NOTHING_RATIO_MAX: Final = 0.05
_MEASURES: Final = {"lease_limits": "lease_share", "sybil_limits": "lease_share"}  # what is won; else income
TOLERANCE: Final = (
    0.08  # nodes get different pages: with 200 of them an honest node's income varies by about this much
)


async def play(plan: ArenaPlan) -> dict[str, Any]:
    """Play one strategy and return its line."""
    with tempfile.TemporaryDirectory(prefix="windrow-redteam-") as folder:
        arena = Arena(plan, Path(folder))
        async with arena.played() as house:
            with house.state.read() as connection:
                return _line(connection, plan, arena)


def play_now(plan: ArenaPlan) -> dict[str, Any]:
    """Play one strategy to its end, from code that is not asynchronous."""
    return asyncio.run(play(plan))


def guarded_by(defence: str) -> list[str]:
    """Return the strategies that a defence is there for."""
    return [name for name, kind in STRATEGIES.items() if defence in kind.guards]


def compared(with_it: dict[str, Any], without: dict[str, Any]) -> dict[str, Any]:
    """Return the line of a play without a defence, and what the strategy gained by its absence."""
    measure = _MEASURES.get(without["without"][0], "income_ratio")
    return {**without, "measure": measure, "gain": round(without[measure] - with_it[measure], 4)}


def _line(connection: sa.Connection, plan: ArenaPlan, arena: Arena) -> dict[str, Any]:
    cheats, honest = arena.cheats, arena.honest
    accepted = _accepted(connection, cheats)
    everybody = _accepted(connection, [*cheats, *honest])
    fetches = sum(
        client.fetches
        for client in (*(p.client for p in (*cheats, *honest)), *(v.client for v in arena.validators))
    )
    theirs, ours = _income(connection, cheats), _income(connection, honest)
    ratio = theirs / ours if ours else float("nan")
    share = _work_share(cheats)
    return {
        "strategy": plan.strategy,
        "without": list(plan.rules.off),
        "submitted": sum(player.handed_in for player in cheats),
        "received": sum(player.client.answered for player in cheats),
        "accepted": accepted,
        "paid_wei": str(_paid(connection, cheats)),
        "work_share": round(share, 4),
        "lease_share": round(_given(connection, cheats) / max(1, _given(connection, [*cheats, *honest])), 4),
        "fetches_per_accepted": round(fetches / everybody, 4) if everybody else None,
        "income_ratio": round(ratio, 4),
        "income_ratio_max": round(max(NOTHING_RATIO_MAX, share + TOLERANCE if share else 0.0), 4),
        "held": ratio <= max(NOTHING_RATIO_MAX, share + TOLERANCE if share else 0.0),
        "honest_rejected": _rejected(connection, honest),
        "honest_suspended": _suspended(connection, honest),
        "refused": dict(
            sum((player.client.refusals for player in cheats), start=type(cheats[0].client.refusals)())
        ),
    }


def _ids(players: Sequence[Player]) -> list[str]:
    return [player.client.node_id for player in players]


def _accepted(connection: sa.Connection, players: Sequence[Player]) -> int:
    good = verdicts.c.verdict.in_(("accepted", "unaudited"))
    counted = sa.select(sa.func.count()).where(verdicts.c.node_id.in_(_ids(players)), good)
    return int(connection.execute(counted).scalar_one())


def _rejected(connection: sa.Connection, players: Sequence[Player]) -> int:
    bad = verdicts.c.verdict == "rejected"
    counted = sa.select(sa.func.count()).where(verdicts.c.node_id.in_(_ids(players)), bad)
    return int(connection.execute(counted).scalar_one())


def _suspended(connection: sa.Connection, players: Sequence[Player]) -> int:
    kinds = consequences.c.kind.in_(("suspended", "would_suspend"))
    nodes = sa.func.count(sa.distinct(consequences.c.node_id))
    counted = sa.select(nodes).where(consequences.c.node_id.in_(_ids(players)), kinds)
    return int(connection.execute(counted).scalar_one())


def _paid(connection: sa.Connection, players: Sequence[Player]) -> int:
    return sum(balance_of(connection, posted_account(player.client.payout)) for player in players)


def _income(connection: sa.Connection, players: Sequence[Player]) -> float:
    """Return wei for each lease that was given to them."""
    return _paid(connection, players) / max(1, _given(connection, players))


def _given(connection: sa.Connection, players: Sequence[Player]) -> int:
    counted = sa.select(sa.func.count()).where(leases.c.node_id.in_(_ids(players)))
    return int(connection.execute(counted).scalar_one())


def _work_share(players: Sequence[Player]) -> float:
    answered = sum(player.strategy.answered for player in players)
    return sum(player.strategy.worked for player in players) / answered if answered else 0.0
