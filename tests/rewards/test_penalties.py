"""Penalties and their undoing: nothing is lost or made in whatever order, and a wrong one leaves no trace."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from rewards_cases import (
    START_MS,
    MovableClock,
    add_accepted,
    add_contribution,
    add_node,
    add_verdict,
    contribution_id,
    node_id,
    open_house,
    payout,
)

from rewards.accountant import run_accountant
from rewards.ledger import balances, entries
from rewards.ledger_checks import verify_ledger
from rewards.penalties import APPEAL_FEES
from rewards.rates import CURRENT
from storage.house import House
from storage.state import get_meta
from storage.tables.contributions import contributions, nodes
from storage.tables.pay import pending_pay
from storage.tables.trust import consequences, node_stakes, standings
from windrow_protocol.trust_rules import DAY_MS, PPM, TrustRules

RULES = TrustRules(vest_age_ms=0, vest_audits=3, probation_documents=2)
WORTH = CURRENT.fetch_fee_wei + 1_000 * CURRENT.novelty_byte_wei


def consequence(
    connection: sa.Connection, kind: str, node: int = 1, about: int = 0, *, undoes: str = "", **amounts: int
) -> str:
    """Append a consequence as the aggregator does and return its id."""
    last = connection.execute(sa.select(sa.func.max(consequences.c.consequence_seq))).scalar() or 0
    identity = f"q{last + 1:031x}"
    row = {"documents_ppm": 0, "share_ppm": 0, "epoch_id": 0} | amounts
    connection.execute(
        sa.insert(consequences).values(
            consequence_seq=last + 1,
            consequence_id=identity,
            node_id=node_id(node),
            kind=kind,
            contribution_id=contribution_id(about) if about else "",
            undoes=undoes,
            created_at_ms=START_MS + 50_000 + last,
            **row,
        )
    )
    return identity


def stand(connection: sa.Connection, node: int, *, frozen: bool = False, suspended: bool = False) -> None:
    connection.execute(sa.delete(standings).where(standings.c.node_id == node_id(node)))
    connection.execute(
        sa.insert(standings).values(
            node_id=node_id(node), standing="{}", frozen=frozen, suspended=suspended, updated_at_ms=0
        )
    )


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house with ten priced documents of node 1: two are its bond, the others are pending while it is frozen."""
    opened = open_house(tmp_path, rules=RULES)
    with opened.state.write() as connection:
        add_node(connection, 1)
        stand(connection, 1, frozen=True)
        for seq in range(1, 11):
            add_accepted(connection, seq, 1, unique_bytes=1_000)
    run_accountant(opened)
    return opened


def held(house: House) -> dict[str, int]:
    with house.state.read() as connection:
        assert verify_ledger(connection) == []
        folded = balances(connection)
    kinds = ("pending", "bond", "posted", "fines")
    return {kind: sum(v for k, v in folded.items() if k.split(":")[0] == kind) for kind in kinds}


def book(house: House, kind: str, **facts: Any) -> str:
    with house.state.write() as connection:
        identity = consequence(connection, kind, **facts)
    run_accountant(house)
    return identity


def test_probation_is_bond_and_the_rest_is_pending_until_it_vests(house: House) -> None:
    assert held(house) == {"pending": 8 * WORTH, "bond": 2 * WORTH, "posted": 0, "fines": 0}
    with house.state.write() as connection:
        stand(connection, 1)
        assert get_meta(connection, "rewards/mean_document_wei") == str(WORTH)
        stake = connection.execute(sa.select(node_stakes)).one()
        assert (stake.pending, stake.bond) == (8 * WORTH, 2 * WORTH)
    run_accountant(house)
    # places 3 to 7 have three passed audits after them; 8, 9 and 10 have not
    assert held(house) == {"pending": 3 * WORTH, "bond": 2 * WORTH, "posted": 5 * WORTH, "fines": 0}
    assert run_accountant(house) == 0


def test_control_pages_that_passed_vest_nothing(tmp_path: Path) -> None:
    """Whoever knows nine in ten of them would be paid before what it replays is found out."""
    house = open_house(tmp_path, rules=RULES)
    with house.state.write() as connection:
        add_node(connection, 1)
        stand(connection, 1)
        for seq in range(1, 11):
            add_accepted(connection, seq, 1, unique_bytes=1_000)
        after_the_first_four = (contributions.c.seq > 4, contributions.c.seq < 9)
        connection.execute(sa.update(contributions).where(*after_the_first_four).values(kind="canary"))
    run_accountant(house)
    assert held(house)["posted"] == WORTH, "of the third; 4, 9 and 10 are all the audits after it"


def test_the_address_at_the_time_of_release_is_paid(house: House) -> None:
    with house.state.write() as connection:
        stand(connection, 1)
        connection.execute(sa.update(nodes).values(payout_address=payout(77)))
    run_accountant(house)
    with house.state.read() as connection:
        assert balances(connection)[f"posted:{payout(77)}"] == 5 * WORTH


def test_a_fine_takes_pending_first_newest_first_then_the_bond_and_no_more(house: House) -> None:
    book(house, "fined", about=5, documents_ppm=2_500_000)
    fine = 2_500_000 * WORTH // PPM
    assert held(house) == {"pending": 8 * WORTH - fine, "bond": 2 * WORTH, "posted": 0, "fines": fine}
    with house.state.read() as connection:
        left = connection.execute(sa.select(pending_pay).order_by(pending_pay.c.seq)).all()
    assert [row.fee + row.novelty for row in left] == [WORTH] * 5 + [WORTH // 2, 0, 0]
    book(house, "fined", about=6, documents_ppm=7_000_000)
    assert held(house) == {"pending": 0, "bond": WORTH // 2, "posted": 0, "fines": 9 * WORTH + WORTH // 2}
    book(house, "fined", about=7, documents_ppm=7_000_000)
    assert held(house) == {"pending": 0, "bond": 0, "posted": 0, "fines": 10 * WORTH}
    with house.state.write() as connection:
        stand(connection, 1)
    run_accountant(house)
    assert held(house)["posted"] == 0  # what was taken cannot vest


def test_padding_shrinks_pending_novelty_and_nothing_else(house: House) -> None:
    book(house, "padding", about=9, share_ppm=250_000)
    cut = 8 * (1_000 * CURRENT.novelty_byte_wei // 4)
    assert held(house) == {"pending": 8 * WORTH - cut, "bond": 2 * WORTH, "posted": 0, "fines": cut}


def test_a_lost_appeal_costs_three_fees(house: House) -> None:
    book(house, "appeal_denied", about=9)
    assert held(house)["fines"] == APPEAL_FEES * CURRENT.fetch_fee_wei == 3 * CURRENT.fetch_fee_wei


def test_suspension_forfeits_everything_and_what_comes_later_stays_pending(house: House) -> None:
    with house.state.write() as connection:
        stand(connection, 1, suspended=True)
    book(house, "suspended", about=9)
    assert held(house) == {"pending": 0, "bond": 0, "posted": 0, "fines": 10 * WORTH}
    with house.state.write() as connection:
        for seq in range(11, 30):
            add_accepted(connection, seq, 1, unique_bytes=1_000)
    run_accountant(house)
    assert held(house) == {"pending": 19 * WORTH, "bond": 0, "posted": 0, "fines": 10 * WORTH}


def test_shadow_suspension_strikes_and_watching_cost_nothing(house: House) -> None:
    before = held(house)
    for kind in ("would_suspend", "strike", "escalated", "cleared"):
        book(house, kind, about=9)
    assert held(house) == before


def test_who_leaves_gets_all_that_is_pending_and_later_the_bond(house: House) -> None:
    book(house, "left_settled")
    assert held(house) == {"pending": 0, "bond": 2 * WORTH, "posted": 8 * WORTH, "fines": 0}
    identity = book(house, "bond_returned")
    assert held(house) == {"pending": 0, "bond": 0, "posted": 10 * WORTH, "fines": 0}
    with house.state.read() as connection:
        (row,) = [entry for entry in entries(connection) if entry.cause == identity]
    assert (row.reason, row.amount) == ("bond_returned", 2 * WORTH)


def test_who_begins_again_puts_up_a_bond_again_and_may_lose_it(house: House) -> None:
    """The audits begin again and with them the bond: what passed them vested at once before."""
    book(house, "fined", about=5, documents_ppm=20 * PPM)
    book(house, "begun_again", about=5)
    with house.state.write() as connection:
        stand(connection, 1)
        for seq in range(11, 20):
            add_accepted(connection, seq, 1, unique_bytes=1_000)
    run_accountant(house)
    found = held(house)
    assert (found["bond"], found["fines"]) == (2 * WORTH, 10 * WORTH)
    assert found["pending"] + found["posted"] == 7 * WORTH
    book(house, "left_settled")
    identity = book(house, "bond_kept")
    assert held(house) == {"pending": 0, "bond": 0, "posted": 7 * WORTH, "fines": 12 * WORTH}
    with house.state.read() as connection:
        (row,) = [entry for entry in entries(connection) if entry.cause == identity]
    assert (row.reason, row.amount) == ("bond_kept", 2 * WORTH)


@pytest.mark.parametrize("undoing", ["voided", "restored"])
def test_what_was_wrongly_taken_comes_back_once(house: House, undoing: str) -> None:
    before = held(house)
    taken = [
        book(house, "fined", about=5, documents_ppm=3_100_000),
        book(house, "padding", about=6, share_ppm=333_333),
        book(house, "appeal_denied", about=7),
        book(house, "suspended", about=8),
    ]
    assert held(house)["fines"] == 10 * WORTH
    for identity in (*taken, *taken):  # twice: the second time there is nothing left to give back
        book(house, undoing, about=5, undoes=identity)
    assert held(house) == before
    with house.state.write() as connection:
        stand(connection, 1)
        for seq in range(11, 20):
            add_accepted(connection, seq, 1, unique_bytes=1_000)
    run_accountant(house)
    assert held(house)["posted"] == 14 * WORTH  # places 3 to 16, as if nothing had been
    assert held(house)["fines"] == 0


def test_a_restored_document_is_paid_as_if_it_had_been_accepted(house: House) -> None:
    with house.state.write() as connection:
        add_contribution(connection, 20, 1)
        add_verdict(connection, 20, 1, "rejected", "differs_from_truth")
        replaced = consequence(connection, "replaced", about=20)
    run_accountant(house)
    before = held(house)
    with house.state.write() as connection:
        consequence(connection, "restored", about=20, undoes=replaced)
        consequence(connection, "restored", about=20)
    run_accountant(house)
    # nothing judged it: what a mean document earned
    assert held(house)["pending"] - before["pending"] == WORTH
    with house.state.read() as connection:
        rows = [entry for entry in entries(connection) if entry.cause == contribution_id(20)]
    assert [row.reason for row in rows] == ["differs_from_truth", "restored_pay", "restored_pay"]


def test_a_voided_mismatch_costs_nothing_and_earns_nothing(house: House) -> None:
    with house.state.write() as connection:
        add_contribution(connection, 20, 1)
        add_verdict(connection, 20, 1, "rejected", "differs_from_truth")
    run_accountant(house)
    before = held(house)
    book(house, "voided", about=20)
    assert held(house) == before


def test_a_paid_document_that_is_found_out_before_it_vests_is_taken(house: House) -> None:
    before = held(house)
    identity = book(house, "replaced", about=7)
    assert held(house) == {**before, "pending": 7 * WORTH, "fines": WORTH}
    book(house, "restored", about=7, undoes=identity)
    assert held(house) == before  # given back, not paid twice


KINDS = (
    "fined",
    "padding",
    "replaced",
    "suspended",
    "appeal_denied",
    "voided",
    "restored",
    "accept",
    "thaw",
    "run",
)
steps = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2**32)), max_size=25)


@given(steps)
@settings(max_examples=12, deadline=None)
def test_money_is_conserved_under_any_order_of_penalties_and_their_undoing(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[str, int]]
) -> None:
    house = open_house(tmp_path_factory.mktemp("any"), rules=RULES)
    taken: list[str] = []
    documents = 0
    with house.state.write() as connection:
        for node in (1, 2):
            add_node(connection, node)
    for kind, seed in (*((("accept", n)) for n in range(6)), *wanted):
        chance = random.Random(seed)
        node = chance.randint(1, 2)
        with house.state.write() as connection:
            if kind == "accept":
                documents += 1
                add_accepted(connection, documents, node, unique_bytes=chance.randint(0, 60_000))
            elif kind == "thaw":
                stand(connection, node, frozen=chance.random() < 0.5)
            elif kind in ("voided", "restored"):
                undoes = chance.choice(taken) if taken else ""
                about = chance.randint(1, documents)
                consequence(connection, kind, node, about, undoes=undoes)
            elif kind != "run":
                facts = {
                    "documents_ppm": chance.randint(0, 9_000_000),
                    "share_ppm": chance.randint(0, PPM),
                }
                taken.append(consequence(connection, kind, node, chance.randint(1, documents), **facts))
        if kind == "run":
            run_accountant(house, batch=chance.randint(1, 4))
    run_accountant(house)
    with house.state.read() as connection:
        assert verify_ledger(connection) == []
        released = [entry.cause for entry in entries(connection) if entry.reason == "released"]
        assert len(released) == len(set(released))
        folded = balances(connection)
        assert sum(folded.values()) == 0
    for identity in taken:
        with house.state.write() as connection:
            consequence(connection, "voided", undoes=identity)
    with house.state.write() as connection:
        for node in (1, 2):
            stand(connection, node)
            consequence(connection, "left_settled", node)
            consequence(connection, "bond_returned", node)
    run_accountant(house)
    found = held(house)
    assert found["fines"] == found["pending"] == found["bond"] == 0  # all that was earned is its owners'
    with house.state.read() as connection:
        assert found["posted"] == -balances(connection).get("emission", 0)


def test_age_counts_too(tmp_path: Path) -> None:
    clock = MovableClock()
    house = open_house(tmp_path, clock, TrustRules(vest_audits=0, probation_documents=0))
    with house.state.write() as connection:
        add_node(connection, 1)
        identity = add_accepted(connection, 1, 1, unique_bytes=1_000)
        fresh = {"received_at_ms": clock.now_ms()}
        connection.execute(
            sa.update(contributions).where(contributions.c.contribution_id == identity).values(**fresh)
        )
    run_accountant(house)
    assert held(house)["posted"] == 0
    clock._ahead_ms += DAY_MS - 60_000
    run_accountant(house)
    assert held(house)["posted"] == 0
    clock._ahead_ms += 60_001
    run_accountant(house)
    assert held(house)["posted"] == WORTH
