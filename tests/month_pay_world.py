"""Budgets and sales for months of history, and what the books say of them."""

from __future__ import annotations

import sqlalchemy as sa
from history_world import HistoryHouse, month, payout_of
from real_house import Node

from extension_bridge.consent import DAY_MS
from rewards.ledger import balances
from rewards.ledger_checks import verify_ledger
from rewards.personal.month_breadth import breadth_ppm
from rewards.personal.pay import fund
from rewards.rates import PERSONAL, WIND
from rewards.royalties import run_royalties
from storage.tables.contributions import sales
from storage.tables.person_months import (
    export_months,
    month_jobs,
    month_results,
)
from windrow_protocol.trust_rules import PPM

BUDGET = 10_000 * WIND
CAP = BUDGET * PERSONAL.owner_share_ppm // PPM
WEEK_DAYS = PERSONAL.round_ms // DAY_MS


def budget(world: HistoryHouse, amount: int = BUDGET, tx: str = "0x01") -> None:
    with world.house.state.write() as connection:
        fund(connection, amount, tx, world.house.now_ms())


def results(world: HistoryHouse) -> list[tuple[str, str, str]]:
    with world.house.state.read() as connection:
        rows = connection.execute(
            sa.select(month_results.c.verdict, month_results.c.reason, month_results.c.check_name)
            .join(month_jobs, month_jobs.c.job_id == month_results.c.job_id)
            .order_by(month_jobs.c.asked_at_ms, month_jobs.c.place)
        )
        return [tuple(row) for row in rows]


def held(world: HistoryHouse) -> dict[str, int]:
    return {name: amount for name, amount in folded(world).items() if name.startswith("held:") and amount}


def folded(world: HistoryHouse) -> dict[str, int]:
    with world.house.state.read() as connection:
        assert verify_ledger(connection) == []
        return balances(connection)


def posted(world: HistoryHouse, number: int) -> int:
    return folded(world).get(f"posted:{payout_of(number)}", 0)


def part_of(full_wei: int, number: int) -> int:
    """Return what a person's month earns where a full one earns so much."""
    return full_wei * breadth_ppm(month(number)) // PPM


def paid_month(world: HistoryHouse, number: int = 1) -> tuple[Node, list[str]]:
    """A person gives a month, and it is held as paid from a budget."""
    node = world.join(number)
    ids = world.give(node, month(number))
    budget(world)
    world.days_pass(2)
    world.days_pass(WEEK_DAYS)
    assert held(world) == {f"held:{payout_of(number)}": part_of(min(CAP, PERSONAL.month_wei_max), number)}
    return node, ids


def sell(world: HistoryHouse, jobs: list[str], royalties: int = 700 * WIND, number: int = 1) -> None:
    """Record a sale of an export of these months' rows."""
    with world.house.state.write() as connection:
        if number == 1:
            for job_id in jobs:
                values = {"dataset": "opt_in_browsing", "version": "0.1.0", "job_id": job_id, "rows": 3}
                connection.execute(sa.insert(export_months).values(**values))
        connection.execute(
            sa.insert(sales).values(
                sale_id=f"s{number:031x}",
                dataset="opt_in_browsing",
                version="0.1.0",
                export_id="e1",
                buyer=payout_of(500),
                asset="WIND",
                price=royalties + 300 * WIND,
                royalties=royalties,
                fees=300 * WIND,
                tx_hash="0x02",
                block=number,
                sold_at_ms=world.house.now_ms(),
            )
        )
    run_royalties(world.house)


def jobs_of(world: HistoryHouse) -> list[str]:
    with world.house.state.read() as connection:
        return sorted(connection.execute(sa.select(month_jobs.c.job_id)).scalars())


def count(world: HistoryHouse, table: sa.Table) -> int:
    with world.house.state.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
