"""Pay for history on a real chain: a budget's own tokens pay it, nothing is minted, and its owner can claim it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from rewards_cases import Settled, payout

from rewards.epochs.closing import close_epoch
from rewards.ledger import balances
from rewards.ledger_checks import verify_ledger
from rewards.personal.pay import fund, run_personal_pay
from rewards.personal.statement import person_statement
from rewards.rates import PERSONAL, WIND
from rewards.settlement import compare_with_chain, reconcile_claims, relay_claim
from storage.tables.person_months import month_donations, month_jobs, month_results
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HISTORY_ITEMS_MIN
from windrow_protocol.trust_rules import PPM

BUDGET = 1_000 * WIND
SHARE = BUDGET * PERSONAL.owner_share_ppm // PPM


def genuine(settled: Settled, number: int) -> None:
    """Write a month that was judged genuine, as `person_months` leaves it."""
    job_id = f"m{number:031x}"
    with settled.house.state.write() as connection:
        connection.execute(
            sa.insert(month_jobs).values(
                job_id=job_id,
                nonce=f"{number:032x}",
                person=f"{number:064x}",
                payout_address=payout(number),
                month="2026-03",
                target_sha256="0" * 64,
                asked_at_ms=settled.clock.now_ms(),
                place=number,
            )
        )
        donation = {"job_id": job_id, "contribution_id": f"p{number:031x}", "items": HISTORY_ITEMS_MIN}
        connection.execute(sa.insert(month_donations).values(donation))
        connection.execute(
            sa.insert(month_results).values(
                job_id=job_id,
                verdict="genuine",
                reason="person_month",
                check_name="",
                items=HISTORY_ITEMS_MIN,
                decided_at_ms=settled.clock.now_ms(),
                jws="",
            )
        )


async def later(settled: Settled, ms: int) -> None:
    await settled.clock.sleep(ms / 1_000)
    run_personal_pay(settled.house)


async def test_what_a_budget_pays_was_in_the_distributor_and_is_not_minted(settled: Settled) -> None:
    token, distributor = settled.chain.token, settled.chain.distributor
    token.mint(settled.signers.minter, settled.signers.owner.address, 2 * BUDGET)
    supply = token.total_supply()
    sent = token.transfer(settled.signers.owner, distributor.reserve, BUDGET)
    with settled.house.state.write() as connection:
        fund(connection, BUDGET, sent.tx, settled.clock.now_ms())
    for number in (1, 2):
        genuine(settled, number)
    await later(settled, PERSONAL.round_ms)
    with pytest.raises(WindrowError) as nothing:
        await close_epoch(settled.house, settled.chain, settled.signers)
    assert nothing.value.code == "nothing_to_settle", "what is pending is in no epoch"
    await later(settled, PERSONAL.pending_ms)
    epoch = await close_epoch(settled.house, settled.chain, settled.signers)
    assert epoch.total == 2 * SHARE
    assert token.total_supply() == supply, "nothing was minted for it"
    assert distributor.shortfall(epoch.total) == 0
    relay_claim(settled.house, settled.chain, settled.relayer, payout(1))
    reconcile_claims(settled.house, settled.chain)
    assert token.balance_of(payout(1)) == SHARE
    with settled.house.state.read() as connection:
        assert verify_ledger(connection) == []
        folded = balances(connection)
    assert compare_with_chain(settled.house, settled.chain) == []
    assert folded[f"claimed:{payout(1)}"] == folded[f"posted:{payout(2)}"] == SHARE
    assert folded["personal"] == BUDGET - 2 * SHARE
    assert folded.get("emission", 0) == 0
    assert person_statement(settled.house, f"{1:064x}")["months"] == [], "a stranger's node is told nothing"
