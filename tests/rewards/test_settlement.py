"""Claims are paid to the account named, recorded once whatever is killed, and the ledger agrees with the chain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rewards_cases import Settled, add_accepted, add_node, open_house, payout

from chain.keys import key_from_hex
from chain.relayer import Relayer
from rewards.accountant import run_accountant
from rewards.epochs.closing import close_epoch
from rewards.epochs.rows import Epoch
from rewards.ledger import balance_of, balances
from rewards.ledger_checks import verify_ledger
from rewards.settlement import allotment_of, compare_with_chain, reconcile_claims, relay_claim, relay_due
from storage.state import get_cursor
from storage.tables.contributions import epochs, payouts
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import verify_proof

NODES = 3


async def settle(settled: Settled, first_seq: int, count: int = 6) -> Epoch:
    with settled.house.state.write() as connection:
        if first_seq == 1:
            for number in range(NODES):
                add_node(connection, number)
        for seq in range(first_seq, first_seq + count):
            add_accepted(connection, seq, seq % NODES, unique_bytes=seq * 100)
    run_accountant(settled.house)
    return await close_epoch(settled.house, settled.chain, settled.signers)


def recorded(settled: Settled, account: str) -> list[tuple[int, int, int]]:
    with settled.house.state.read() as connection:
        rows = connection.execute(
            sa.select(payouts).where(payouts.c.account == account).order_by(payouts.c.cumulative)
        )
        found = [(row.epoch_id, row.cumulative, row.paid) for row in rows]
        assert sum(paid for _, _, paid in found) == balance_of(connection, f"claimed:{account}")
        assert verify_ledger(connection) == []
    return found


def claim(settled: Settled, account: str, relayer: Any = None) -> Any:
    return relay_claim(settled.house, settled.chain, relayer or settled.relayer, account)


async def test_everyone_is_paid_exactly_their_leaf_and_then_the_difference(settled: Settled) -> None:
    for round_number in (1, 2):
        epoch = await settle(settled, 1 + (round_number - 1) * 6)
        for number in range(NODES):
            account = payout(number)
            due = allotment_of(settled.house, account)
            assert verify_proof(account, due.cumulative_wei, due.proof, epoch.root)
            had = settled.chain.token.balance_of(account)
            paid = claim(settled, account.lower())
            assert paid.epoch_id == round_number
            assert paid.paid_wei == due.cumulative_wei - had > 0
            assert settled.chain.token.balance_of(account) == due.cumulative_wei == paid.cumulative_wei
            assert len(recorded(settled, account)) == round_number
        held = [settled.chain.token.balance_of(payout(number)) for number in range(NODES)]
        assert sum(held) == epoch.total
        assert settled.chain.token.balance_of(settled.chain.distributor.address) == 0
        assert compare_with_chain(settled.house, settled.chain) == []
    with settled.house.state.read() as connection:
        folded = balances(connection)
    assert all(amount == 0 for account, amount in folded.items() if account.startswith("posted:"))


async def test_what_is_due_above_a_threshold_is_sent_unasked_to_accounts_without_coin(
    settled: Settled,
) -> None:
    await settle(settled, 1)
    due = {payout(n): allotment_of(settled.house, payout(n)).cumulative_wei for n in range(NODES)}
    assert {settled.chain.coin_of(account) for account in due} == {0}
    least_wei = sorted(due.values())[1]
    above = {account: amount for account, amount in due.items() if amount >= least_wei}
    assert 0 < len(above) < NODES
    sent = relay_due(settled.house, settled.chain, settled.relayer, least_wei)
    assert {claim.account: claim.paid_wei for claim in sent} == above
    for account, amount in due.items():
        assert settled.chain.token.balance_of(account) == (amount if account in above else 0)
    assert relay_due(settled.house, settled.chain, settled.relayer, least_wei) == []
    # it has no coin: refused, logged, tried again later
    poor = Relayer(settled.chain, key_from_hex(f"{999:064x}"))
    assert relay_due(settled.house, settled.chain, poor, 1) == []
    assert len(relay_due(settled.house, settled.chain, settled.relayer, 1)) == NODES - len(above)
    assert compare_with_chain(settled.house, settled.chain) == []


async def test_a_second_claim_pays_nothing_and_sends_nothing(settled: Settled) -> None:
    await settle(settled, 1)
    claim(settled, payout(1))
    head = settled.chain.head()
    again = claim(settled, payout(1))
    assert (again.paid_wei, again.tx_hash) == (0, "")
    assert settled.chain.head() == head
    assert len(recorded(settled, payout(1))) == 1
    without_chain: Any = None
    assert relay_claim(settled.house, without_chain, without_chain, payout(1)) == again


@dataclass
class DyingRelayer:
    """The real relayer, killed just after the chain took the claim."""

    real: Relayer

    def claim(self, *arguments: Any) -> Any:
        self.real.claim(*arguments)
        raise KeyboardInterrupt


async def test_killed_between_sending_and_recording_it_is_recorded_once(settled: Settled) -> None:
    epoch = await settle(settled, 1)
    account = payout(1)
    with pytest.raises(KeyboardInterrupt):
        claim(settled, account, DyingRelayer(settled.relayer))
    assert recorded(settled, account) == []
    problems = compare_with_chain(settled.house, settled.chain)
    assert [problem.check for problem in problems] == ["claims_on_chain"]
    assert account in problems[0].detail
    settled.house = open_house(settled.house.home, settled.clock)
    assert reconcile_claims(settled.house, settled.chain) == 1
    assert reconcile_claims(settled.house, settled.chain) == 0
    leaf = allotment_of(settled.house, account).cumulative_wei
    assert recorded(settled, account) == [(epoch.epoch_id, leaf, leaf)]
    assert claim(settled, account).paid_wei == 0
    with settled.house.state.read() as connection:
        tx = connection.execute(sa.select(payouts.c.tx_hash)).scalar_one()
        assert get_cursor(connection, "rewards/claims_block") == settled.chain.head()
    assert settled.chain.distributor.claims(0, settled.chain.head())[-1].tx == tx
    assert compare_with_chain(settled.house, settled.chain) == []


async def test_a_claim_again_after_a_kill_records_what_the_chain_paid(settled: Settled) -> None:
    await settle(settled, 1)
    with pytest.raises(KeyboardInterrupt):
        claim(settled, payout(1), DyingRelayer(settled.relayer))
    again = claim(settled, payout(1))
    assert again.paid_wei == 0
    assert len(recorded(settled, payout(1))) == 1


async def test_claims_sent_by_strangers_are_recorded_one_by_one(settled: Settled) -> None:
    account = payout(2)
    for round_number in (1, 2):
        await settle(settled, 1 + (round_number - 1) * 6)
        due = allotment_of(settled.house, account)
        settled.chain.distributor.claim(settled.signers.owner, account, due.cumulative_wei, due.proof)
    assert reconcile_claims(settled.house, settled.chain) == 2
    rows = recorded(settled, account)
    assert [epoch_id for epoch_id, _, _ in rows] == [1, 2]
    assert sum(paid for _, _, paid in rows) == rows[-1][1]


async def test_a_payment_made_while_the_epoch_was_still_open_here_is_recorded(settled: Settled) -> None:
    """The chain has accepted, the row does not know it yet, and somebody claims already."""
    epoch = await settle(settled, 1)
    due = allotment_of(settled.house, payout(1))
    settled.chain.distributor.claim(settled.signers.owner, payout(1), due.cumulative_wei, due.proof)
    with settled.house.state.write() as connection:
        connection.execute(sa.update(epochs).values(state="proposed"))
    assert compare_with_chain(settled.house, settled.chain) != []
    assert reconcile_claims(settled.house, settled.chain) == 1
    assert (await close_epoch(settled.house, settled.chain, settled.signers)).root == epoch.root
    assert recorded(settled, payout(1)) == [(1, due.cumulative_wei, due.cumulative_wei)]


async def test_a_payment_that_no_epoch_allots_is_an_alarm(settled: Settled, tmp_path: Path) -> None:
    await settle(settled, 1)
    claim(settled, payout(1))
    settled.house = open_house(tmp_path / "another home", settled.clock)
    with pytest.raises(WindrowError, match="unbalanced"):
        reconcile_claims(settled.house, settled.chain)
    checks = {problem.check for problem in compare_with_chain(settled.house, settled.chain)}
    assert checks == {"root_on_chain", "claims_on_chain"}


async def test_without_epoch_or_leaf_nothing_is_claimed(settled: Settled) -> None:
    for account, code in ((payout(1), "not_found"), ("0x12", "bad_payout_address")):
        with pytest.raises(WindrowError, match=code):
            claim(settled, account)
    await settle(settled, 1)
    with pytest.raises(WindrowError, match="not_found"):
        claim(settled, payout(77))


async def test_a_pause_is_said_and_nothing_is_recorded(settled: Settled) -> None:
    await settle(settled, 1)
    settled.chain.distributor.pause(settled.signers.owner)
    with pytest.raises(WindrowError, match="claims_paused"):
        claim(settled, payout(1))
    assert recorded(settled, payout(1)) == []
    settled.chain.distributor.resume(settled.signers.owner)
    assert claim(settled, payout(1)).paid_wei > 0
