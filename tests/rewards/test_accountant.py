"""Every judged contribution becomes rows once, with their reasons, whatever order judgements come in."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from rewards_cases import (
    START_MS,
    add_accepted,
    add_consent,
    add_contribution,
    add_node,
    add_novelty,
    add_verdict,
    node_id,
    open_house,
    payout,
)

import rewards.accountant as accountant
from rewards.accountant import CURSOR, run_accountant
from rewards.ledger import balances, entries
from rewards.ledger_checks import verify_ledger
from rewards.penalties import STEPS as PENALTY_STEPS
from rewards.rates import CURRENT, WIND, Novelty, audit_pot_wei, price_truth, price_work, sentence_of
from storage.house import House
from storage.state import get_cursor
from storage.tables.contributions import contributions
from windrow_protocol.errors import REASONS


def rows(house: House) -> list[tuple[str, str, str, int]]:
    with house.state.read() as connection:
        return [
            (e.debit.split(":")[0], e.credit.split(":")[0], e.reason, e.amount) for e in entries(connection)
        ]


def ledger_bytes(house: House) -> str:
    with house.state.read() as connection:
        return "".join(entry.ndjson() for entry in entries(connection))


@pytest.fixture
def house(tmp_path: Path) -> House:
    opened = open_house(tmp_path)
    with opened.state.write() as connection:
        add_node(connection, 1)
        add_node(connection, 2, role="validator")
    return opened


def test_an_accepted_document_is_paid_and_explained(house: House) -> None:
    with house.state.write() as connection:
        add_accepted(connection, 1, 1, unique_bytes=20_000)
    novelty = 20_000 * CURRENT.novelty_byte_wei
    assert run_accountant(house) == 3
    assert rows(house) == [
        ("emission", "pending", "fetch_fee", CURRENT.fetch_fee_wei),
        ("emission", "pending", "novelty", novelty),
        ("pending", "posted", "released", CURRENT.fetch_fee_wei + novelty),
    ]
    with house.state.read() as connection:
        folded = balances(connection)
        assert folded[f"posted:{payout(1)}"] == CURRENT.fetch_fee_wei + novelty == WIND // 4
        assert folded[f"pending:{node_id(1)}"] == 0
        assert [entry.created_at_ms for entry in entries(connection)] == [START_MS + 10_001] * 3
        assert {entry.rule_version for entry in entries(connection)} == {CURRENT.version}
    assert run_accountant(house) == 0


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ("rejected", "differs_from_truth"),
        ("no_evidence", "truths_disagree"),
        ("no_evidence", "truth_unavailable"),
        ("no_evidence", "inconclusive"),
    ],
)
def test_a_refusal_is_a_row_of_nothing(house: House, verdict: str, reason: str) -> None:
    with house.state.write() as connection:
        add_contribution(connection, 1, 1)
        add_verdict(connection, 1, 1, verdict, reason)
    assert run_accountant(house) == 1
    assert rows(house) == [("emission", "pending", reason, 0)]
    assert sentence_of(reason)


@pytest.mark.parametrize("kind", ["exact", "near"])
def test_a_copy_earns_its_fetch_and_no_novelty(house: House, kind: str) -> None:
    with house.state.write() as connection:
        add_contribution(connection, 1, 1)
        add_verdict(connection, 1, 1, "accepted", "matches_truth")
        add_novelty(connection, 1, kind, 0)
    run_accountant(house)
    assert rows(house)[:2] == [
        ("emission", "pending", "fetch_fee", CURRENT.fetch_fee_wei),
        ("emission", "pending", "not_first_seen", 0),
    ]


def test_nothing_is_priced_before_first_seen_is_decided(house: House) -> None:
    with house.state.write() as connection:
        add_contribution(connection, 1, 1)
        add_verdict(connection, 1, 1, "accepted", "matches_truth")
    assert run_accountant(house) == 0
    with house.state.write() as connection:
        add_novelty(connection, 1, "unique", 10)
    assert run_accountant(house) == 3


def test_one_undecided_contribution_holds_up_nobody(house: House) -> None:
    with house.state.write() as connection:
        add_contribution(connection, 1, 1)
        for seq in (2, 3, 4):
            add_accepted(connection, seq, 1, 100)
    assert run_accountant(house) == 9
    with house.state.write() as connection:
        assert get_cursor(connection, CURSOR) == 0
        add_verdict(connection, 1, 1, "rejected", "differs_from_truth")
    assert run_accountant(house) == 1
    with house.state.read() as connection:
        assert get_cursor(connection, CURSOR) == 4
        assert verify_ledger(connection) == []


def test_a_truth_has_its_line_and_is_paid_by_dividends_whatever_the_verdict(house: House) -> None:
    with house.state.write() as connection:
        add_contribution(connection, 1, 1)
        add_contribution(connection, 2, 2, audit_of=1)
        add_contribution(connection, 3, 2, audit_of=1)
    assert run_accountant(house) == 0
    with house.state.write() as connection:
        add_verdict(connection, 1, 1, "rejected", "differs_from_truth", truths=[2])
    run_accountant(house)
    assert rows(house) == [
        ("emission", "pending", "differs_from_truth", 0),
        ("emission", "pending", "by_dividends", 0),
        ("emission", "pending", "truth_unused", 0),
    ]


def test_a_donation_has_its_row_and_no_emission(house: House) -> None:
    with house.state.write() as connection:
        cause = add_consent(connection, 1, 1)
    assert run_accountant(house) == 1
    assert run_accountant(house) == 0
    with house.state.read() as connection:
        (entry,) = entries(connection)
    assert (entry.cause, entry.amount, entry.reason) == (cause, 0, "personal_by_sales")


def fill(house: House, seed: int, count: int) -> None:
    chance = random.Random(seed)
    with house.state.write() as connection:
        for seq in range(1, count + 1):
            kind = chance.choice(["new", "copy", "rejected", "undecided", "truth"])
            if kind == "truth":
                add_contribution(connection, seq, 2, audit_of=chance.randint(1, seq))
            else:
                add_contribution(connection, seq, 1)
            if kind in ("new", "copy"):
                add_verdict(connection, seq, 1, "accepted", "matches_truth", truths=[seq + 1])
                add_novelty(connection, seq, "unique" if kind == "new" else "near", chance.randint(0, 99_999))
            if kind == "rejected":
                add_verdict(connection, seq, 1, "rejected", "differs_from_truth")


def new_house(folder: Path) -> House:
    opened = open_house(folder)
    with opened.state.write() as connection:
        add_node(connection, 1)
        add_node(connection, 2, role="validator")
    return opened


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 7))
@settings(max_examples=8, deadline=None)
def test_a_replay_gives_the_same_bytes_in_batches_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, batch: int
) -> None:
    whole, parts = new_house(tmp_path_factory.mktemp("whole")), new_house(tmp_path_factory.mktemp("parts"))
    for one in (whole, parts):
        fill(one, seed, count)
    assert run_accountant(whole) == run_accountant(parts, batch=batch)
    assert ledger_bytes(whole) == ledger_bytes(parts)
    with whole.state.read() as connection:
        assert verify_ledger(connection) == []


def test_killed_between_batches_and_within_one_pays_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm, killed = new_house(tmp_path / "calm"), new_house(tmp_path / "killed")
    for one in (calm, killed):
        fill(one, 7, 50)
    run_accountant(calm)
    advance, calls = accountant._advance, 0

    def dying(connection: sa.Connection) -> None:
        nonlocal calls
        calls += 1
        if calls % 2:
            raise RuntimeError("killed after posting, before the commit")
        advance(connection)

    monkeypatch.setattr(accountant, "_advance", dying)
    with pytest.raises(RuntimeError):
        run_accountant(killed, batch=5)
    assert ledger_bytes(killed) == ""
    with pytest.raises(RuntimeError):
        run_accountant(killed, batch=5)
    assert ledger_bytes(killed) != ""
    monkeypatch.undo()
    run_accountant(killed, batch=5)
    assert ledger_bytes(killed) == ledger_bytes(calm)


def test_every_contribution_is_priced_at_most_once_however_judgements_arrive(house: House) -> None:
    """The amounts per contribution do not depend on when the accountant ran."""
    chance = random.Random(3)
    order = list(range(1, 31))
    with house.state.write() as connection:
        for seq in order:
            add_contribution(connection, seq, 1)
    chance.shuffle(order)
    for seq in order:
        with house.state.write() as connection:
            add_verdict(connection, seq, 1, "accepted", "matches_truth")
            add_novelty(connection, seq, "unique", seq)
        run_accountant(house, batch=3)
    with house.state.read() as connection:
        expected = sum(CURRENT.fetch_fee_wei + seq * CURRENT.novelty_byte_wei for seq in order)
        assert balances(connection)[f"posted:{payout(1)}"] == expected
        assert len({entry.cause for entry in entries(connection)}) == 30
        assert get_cursor(connection, CURSOR) == connection.execute(sa.func.max(contributions.c.seq)).scalar()


def test_prices_are_capped_and_pure() -> None:
    below, above = CURRENT.novelty_bytes_max - 1, CURRENT.novelty_bytes_max + 10**9
    prices = [
        price_work("accepted", "matches_truth", Novelty("unique", n), rates=CURRENT)[1].amount_wei
        for n in (0, below, CURRENT.novelty_bytes_max, above)
    ]
    assert prices == sorted(prices)
    assert prices[0] == 0
    assert prices[2] == prices[3] > prices[1]
    with pytest.raises(ValueError, match="verdict"):
        price_work("maybe", "matches_truth", rates=CURRENT)
    with pytest.raises(ValueError, match="unique_bytes=-1"):
        price_work("accepted", "matches_truth", Novelty("unique", -1), rates=CURRENT)
    assert audit_pot_wei(3, CURRENT) == 3 * CURRENT.audit_fee_wei


def test_only_what_a_truth_has_too_is_paid_by_the_byte() -> None:
    whole = price_work("unaudited", "not_drawn", Novelty("unique", 10_000), rates=CURRENT)
    padded = price_work(
        "accepted", "matches_truth", Novelty("unique", 10_000, confirmed_ppm=600_000), rates=CURRENT
    )
    assert padded[0] == whole[0]
    assert padded[1].amount_wei * 10 == whole[1].amount_wei * 6
    assert padded[1].reason == "confirmed_novelty"


def test_a_hard_host_a_control_page_and_a_full_domain_earn_the_fee() -> None:
    text = Novelty("unique", 10_000)
    for verdict in ("accepted", "unaudited"):
        fee, novelty = price_work(verdict, "hard_host", text, rates=CURRENT)
        assert (fee.amount_wei, novelty.amount_wei, novelty.reason) == (
            CURRENT.fetch_fee_wei,
            0,
            "hard_host",
        )
    assert [line.reason for line in price_work("accepted", "canary_matched", rates=CURRENT)] == ["fetch_fee"]
    assert price_work("rejected", "canary_differs", rates=CURRENT)[0].amount_wei == 0
    for room, paid in ((10_001, 10_000), (10_000, 10_000), (4_000, 4_000), (0, 0), (-5, 0)):
        line = price_work(
            "unaudited", "not_drawn", Novelty("unique", 10_000, room_bytes=room), rates=CURRENT
        )[1]
        assert line.amount_wei == paid * CURRENT.novelty_byte_wei
        assert line.reason == ("domain_cap" if paid < 10_000 else "novelty")


def test_every_reason_the_ledger_can_carry_has_a_sentence() -> None:
    for priced in [
        *price_truth(True),
        *price_truth(False),
        *price_work("accepted", "", Novelty("near"), rates=CURRENT),
        *price_work("accepted", "", Novelty("unique", 5, confirmed_ppm=1), rates=CURRENT),
        *price_work("accepted", "", Novelty("unique", 5, room_bytes=1), rates=CURRENT),
    ]:
        assert len(sentence_of(priced.reason)) > 10
    for kind in (*PENALTY_STEPS, "restored_pay", "came_back", "dividend", "released"):
        assert len(sentence_of(kind)) > 10
    assert sentence_of("differs_from_truth") == REASONS["differs_from_truth"].sentence
    with pytest.raises(KeyError):
        sentence_of("because")
