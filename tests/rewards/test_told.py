"""Nothing of an audit epoch under way shows in money: not in rows, not in totals, not in what stops moving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from rewards_cases import (
    START_MS,
    MovableClock,
    add_accepted,
    add_contribution,
    add_node,
    add_novelty,
    add_verdict,
    contribution_id,
    epoch,
    judged,
    node_id,
    open_house,
    payout,
)

from rewards.accountant import run_accountant
from rewards.accounts import account_statement
from rewards.dividend_pay import dividend_id
from rewards.ledger import balances, entries
from rewards.ledger_checks import verify_ledger
from rewards.rates import CURRENT
from storage.house import House
from storage.tables.contributions import verdicts
from storage.tables.trust import consequences, dividends, standings
from windrow_protocol.trust_rules import TrustRules

VESTING = TrustRules(vest_age_ms=0, vest_audits=2, probation_documents=0)


def statement(house: House, node: int = 1) -> dict[str, Any]:
    with house.state.read() as connection:
        assert verify_ledger(connection) == []
        return account_statement(house, connection, payout(node), limit=500)


def shown(house: House) -> dict[str, Any]:
    """What a node that polls its account sees, but for what time alone changes."""
    said = statement(house)
    return {name: said[name] for name in ("totals", "waiting", "reasons", "entries")}


@pytest.fixture
def house(tmp_path: Path) -> House:
    opened = open_house(tmp_path, rules=VESTING)
    with opened.state.write() as connection:
        add_node(connection, 1)
        add_node(connection, 2, role="validator")
    return opened


FINDINGS = [
    ("accepted", "matches_truth"),
    ("rejected", "differs_from_truth"),
    ("no_evidence", "truths_disagree"),
    ("unaudited", "not_drawn"),
    ("", ""),
]


async def test_whoever_polls_learns_nothing_before_the_epoch_is_closed(tmp_path: Path) -> None:
    """The same work with every possible finding looks the same, and only the close tells them apart."""
    seen = []
    for number, (verdict, reason) in enumerate(FINDINGS):
        clock = MovableClock()
        young_ms = clock.now_ms() - START_MS + 10_000_000  # what was received is not old enough yet
        opened = open_house(
            tmp_path / str(number), clock, msgspec.structs.replace(VESTING, vest_age_ms=young_ms)
        )
        with opened.state.write() as connection:
            add_node(connection, 1)
            epoch(connection, 1, "closed", 1)
            epoch(connection, 2, "open", 5)
            for seq in range(1, 5):
                judged(connection, seq, "accepted", "matches_truth", in_epoch=1)
        run_accountant(opened)
        polled = [shown(opened)]
        with opened.state.write() as connection:
            if verdict:
                judged(connection, 5, verdict, reason, in_epoch=2)
                connection.execute(
                    sa.insert(standings).values(
                        node_id=node_id(1),
                        standing="{}",
                        frozen=verdict == "rejected",
                        suspended=False,
                        updated_at_ms=0,
                    )
                )
            else:
                add_contribution(connection, 5, 1)
            if verdict == "rejected":
                connection.execute(
                    sa.insert(consequences).values(
                        consequence_seq=1,
                        consequence_id="q" + "0" * 31,
                        node_id=node_id(1),
                        kind="fined",
                        contribution_id=contribution_id(5),
                        documents_ppm=10**6,
                        epoch_id=2,
                        created_at_ms=START_MS,
                    )
                )
        await clock.sleep(20_000)  # and now it is: pay that vested or stopped to would tell
        for state in ("open", "revealing", "sealed"):
            with opened.state.write() as connection:
                epoch(connection, 2, state, 5)
            run_accountant(opened)
            polled.append(shown(opened))
        assert polled[1] == polled[2] == polled[3]
        assert polled[1]["waiting"]["documents"] == 1
        assert {**polled[1], "waiting": None} == {**polled[0], "waiting": None}
        with opened.state.write() as connection:
            epoch(connection, 2, "closed", 5)
            epoch(connection, 3, "open", 6)
        run_accountant(opened)
        seen.append((polled, shown(opened)))
    assert all(polled == seen[0][0] for polled, _ in seen)
    afterwards = [str(after) for _, after in seen]
    assert len(set(afterwards)) == len(FINDINGS)
    assert [after["waiting"]["documents"] for _, after in seen] == [0, 0, 0, 0, 1]


def test_pay_vests_at_the_close_and_its_date_is_told(house: House) -> None:
    with house.state.write() as connection:
        epoch(connection, 1, "open", 1)
        for seq in range(1, 6):
            judged(connection, seq, "accepted", "matches_truth", in_epoch=1)
    assert run_accountant(house) == 0
    assert statement(house)["waiting"]["documents"] == 5
    with house.state.write() as connection:
        epoch(connection, 1, "closed", 1)
        epoch(connection, 2, "open", 6)
    assert run_accountant(house) == 5 * 2 + 3
    said = statement(house)
    worth = CURRENT.fetch_fee_wei + 1_000 * CURRENT.novelty_byte_wei
    assert (said["totals"]["posted_wei"], said["totals"]["pending_wei"]) == (str(3 * worth), str(2 * worth))
    assert sum(int(row["earned_wei"]) for row in said["entries"]) == int(said["totals"]["earned_wei"])
    (vesting,) = said["vesting"]
    assert (vesting["documents"], vesting["audits_missing"], vesting["audits_wanted"]) == (2, 2, 2)
    assert vesting["pending_wei"] == str(2 * worth)
    assert vesting["vests_at_ms"] >= vesting["next_vests_at_ms"] > START_MS
    assert run_accountant(house) == 0
    with house.state.read() as connection:
        released = [entry for entry in entries(connection) if entry.reason == "released"]
    assert {entry.created_at_ms for entry in released} == {START_MS + 90_001}


def test_validators_are_paid_by_dividends_once_and_refused_ones_are_told(house: House) -> None:
    with house.state.write() as connection:
        for node in (3, 4):
            add_node(connection, node, role="validator")
        epoch(connection, 1, "closed", 1)
        shares = {2: (6, 600_001, ""), 3: (4, 399_999, ""), 4: (5, 0, "wrong_draw")}
        for node, (audits, share_ppm, reason) in shares.items():
            connection.execute(
                sa.insert(dividends).values(
                    epoch_id=1,
                    validator_id=node_id(node),
                    operator=f"operator-{node}",
                    audits=audits,
                    share_ppm=share_ppm,
                    reason=reason,
                )
            )
    assert run_accountant(house) == 3
    assert run_accountant(house) == 0
    with house.state.read() as connection:
        folded = balances(connection)
        causes = {entry.cause for entry in entries(connection)}
    pot = 10 * CURRENT.audit_fee_wei
    assert folded[f"posted:{payout(2)}"] == pot * 600_001 // 10**6
    assert folded[f"posted:{payout(3)}"] == pot * 399_999 // 10**6
    assert causes == {dividend_id(1, node_id(node)) for node in shares}
    (refusal,) = statement(house, 4)["entries"]
    assert (refusal["kind"], refusal["reason"], refusal["amount_wei"]) == ("refused", "wrong_draw", "0")


def test_an_accepted_document_can_be_judged_after_its_epoch_closed(house: House) -> None:
    with house.state.write() as connection:
        epoch(connection, 1, "closed", 1)
        epoch(connection, 2, "open", 3)
        add_contribution(connection, 1, 1)
        add_verdict(connection, 1, 1, "accepted", "matches_truth")
        add_accepted(connection, 2, 1, unique_bytes=10)
        connection.execute(sa.update(verdicts).values(epoch_id=1))
    assert run_accountant(house) == 2
    with house.state.write() as connection:
        add_novelty(connection, 1, "unique", 10)
    assert run_accountant(house) == 2
