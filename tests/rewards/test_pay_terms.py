"""A change of economic parameters holds from the next epoch on and re-prices nothing; anybody can check it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from rewards_cases import add_contribution, add_node, add_novelty, add_verdict, contribution_id, open_house

from aggregator.verification.drawing.audit_epochs import begun_epoch, end_epoch
from rewards.accountant import run_accountant
from rewards.epochs.files import ledger_bytes, terms_bytes
from rewards.epochs.recompute_prices import price_differences
from rewards.ledger import Entry, entries, last_entry
from storage.house import House
from storage.pay_terms import FIRST, note_terms, terms_at, terms_of_epoch, terms_of_version
from storage.state import set_cursor
from storage.tables.contributions import verdicts
from storage.tables.trust import audit_epochs
from windrow_protocol.economics import BEFORE, WIND, Economics
from windrow_protocol.errors import WindrowError

BEGAN_WITH = Economics(fetch_fee_wei=1_000, novelty_byte_wei=10, halving_epochs=2)
CHANGED = Economics(fetch_fee_wei=5_000, novelty_byte_wei=30, halving_epochs=2)
BYTES = 7


def hand_in(house: House, seq: int, epoch_id: int) -> None:
    """Have a page handed in and accepted within the epoch that is open."""
    with house.state.write() as connection:
        if seq == 1:
            add_node(connection, 0)
        add_contribution(connection, seq, 0)
        add_verdict(connection, seq, 0, "accepted", "matches_truth")
        add_novelty(connection, seq, "unique", BYTES)
        of_it = verdicts.c.contribution_id == contribution_id(seq)
        connection.execute(sa.update(verdicts).where(of_it).values(epoch_id=epoch_id))
        set_cursor(connection, "submissions", seq)


def tell_all(house: House) -> None:
    with house.state.write() as connection:
        over = audit_epochs.c.state == "revealing"
        connection.execute(sa.update(audit_epochs).where(over).values(state="closed"))


def paid(house: House) -> dict[str, tuple[int, int]]:
    """Return by contribution what was minted for it and by which version."""
    found: dict[str, tuple[int, int]] = {}
    with house.state.read() as connection:
        for entry in entries(connection):
            if entry.debit == "emission":
                before = found.get(entry.cause, (0, 0))[0]
                found[entry.cause] = (before + entry.amount, entry.rule_version)
    return found


def three_epochs(house: House) -> House:
    """Live through three epochs; the operator changes the parameters in the middle of the first."""
    for seq in (1, 2, 3):
        if seq == 1:
            with house.state.write() as connection:
                connection.execute(
                    sa.insert(audit_epochs).values(
                        epoch_id=1, state="open", first_seq=1, opened_at_ms=0, terms_version=0
                    )
                )
        hand_in(house, seq, epoch_id=seq)
        if seq == 1:  # restarted with another file once the first epoch was begun
            with house.state.write() as connection:
                begun_epoch(house, connection)
            house = replace(house, economics=CHANGED)
        assert end_epoch(house) == seq
    tell_all(house)
    run_accountant(house)
    return house


def test_a_change_holds_from_the_next_epoch_on_and_rates_halve(tmp_path: Path) -> None:
    house = three_epochs(replace(open_house(tmp_path), economics=BEGAN_WITH))
    assert paid(house) == {
        contribution_id(1): (1_000 + BYTES * 10, FIRST),  # priced long after the change
        contribution_id(2): (5_000 + BYTES * 30, FIRST + 1),
        contribution_id(3): (2_500 + BYTES * 15, FIRST + 2),  # the third epoch comes after a halving
    }
    again = replace(house, economics=Economics(fetch_fee_wei=9))
    run_accountant(again)
    assert paid(again) == paid(house)
    with house.state.write() as connection:
        said = [terms_of_epoch(connection, again, each) for each in (1, 2, 3)]
        assert terms_at(connection, again, house.now_ms()).economics == CHANGED, "epoch 4 is under way"
        with pytest.raises(WindrowError, match="not_found"):
            terms_of_version(connection, FIRST + 99)
    assert [each.economics for each in said] == [BEGAN_WITH, CHANGED, CHANGED]
    assert [each.halvings for each in said] == [0, 0, 1]


def test_what_was_before_the_log_keeps_its_rates(tmp_path: Path) -> None:
    """An epoch of a home that an earlier version made: its column says version 1."""
    house = replace(open_house(tmp_path), economics=CHANGED)
    with house.state.write() as connection:
        connection.execute(
            sa.insert(audit_epochs).values(epoch_id=1, state="closed", first_seq=1, opened_at_ms=1)
        )
    hand_in(house, 1, epoch_id=1)
    run_accountant(house)
    assert paid(house) == {contribution_id(1): (WIND // 20 + BYTES * WIND // 100_000, 1)}
    with house.state.read() as connection:
        assert terms_of_version(connection, 1).economics == BEFORE


def test_a_text_is_worth_nothing_when_its_bytes_are(tmp_path: Path) -> None:
    house = replace(open_house(tmp_path), economics=Economics(novelty_byte_wei=0))
    hand_in(house, 1, epoch_id=0)
    run_accountant(house)
    assert paid(house) == {contribution_id(1): (WIND // 20, FIRST)}


@given(st.lists(st.tuples(st.sampled_from([BEGAN_WITH, CHANGED]), st.integers(1, 3)), max_size=12))
@settings(max_examples=8, deadline=None)
def test_versions_name_one_set_of_rates_each(
    tmp_path_factory: pytest.TempPathFactory, lived: list[tuple[Economics, int]]
) -> None:
    house, begun = open_house(tmp_path_factory.mktemp("home")), 0
    with house.state.write() as connection:
        for economics, epochs in lived:
            for epoch_id in range(begun + 1, begun + epochs + 1):
                terms = terms_of_version(connection, note_terms(connection, economics, epoch_id))
                assert terms.economics == economics
                assert terms.halved(2**90) == economics.halved(2**90, epoch_id)
            begun += epochs


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The published ledger and terms of three epochs."""
    house = three_epochs(replace(open_house(tmp_path_factory.mktemp("home")), economics=BEGAN_WITH))
    with house.state.read() as connection:
        upto, _ = last_entry(connection)
        return ledger_bytes(connection, upto).decode(), terms_bytes(connection, upto).decode()


def test_the_second_reckoning_finds_every_price_right(published: tuple[str, str]) -> None:
    assert list(price_differences(*published)) == []


def test_terms_of_later_epochs_change_nothing_that_is_published(tmp_path: Path) -> None:
    house = three_epochs(replace(open_house(tmp_path), economics=BEGAN_WITH))
    with house.state.write() as connection:
        upto, _ = last_entry(connection)
        before = terms_bytes(connection, upto)
        note_terms(connection, Economics(), 9)
        assert terms_bytes(connection, upto) == before


def _bent(ledger: str, place: int, **fields: Any) -> str:
    lines = ledger.splitlines()
    lines[place] = json.dumps({**json.loads(lines[place]), **fields})
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("bend", "blamed"),
    [
        ({"amount": "1001"}, "pays 1001 for a page, the terms of version 3 say 1000"),
        ({"rule_version": 4}, "the terms of version 4 say 5000"),
        ({"rule_version": 99}, "version 99, which were not published"),
        ({"amount": "0"}, "pays 0 for a page"),
        ({"entry_id": "0" * 64}, "mints 1000 for nothing that is paid"),
    ],
)
def test_a_page_paid_otherwise_is_named(
    published: tuple[str, str], bend: dict[str, Any], blamed: str
) -> None:
    ledger, terms = published
    assert blamed in "; ".join(price_differences(_bent(ledger, 0, **bend), terms))


@pytest.mark.parametrize("amount", [BYTES * 10 + 1, 50_001 * 10])
def test_a_text_paid_otherwise_is_named(published: tuple[str, str], amount: int) -> None:
    ledger, terms = published
    assert f"pays {amount} for a text" in "; ".join(
        price_differences(_bent(ledger, 1, amount=str(amount)), terms)
    )


def test_a_sale_whose_parts_are_not_its_price_is_named(published: tuple[str, str]) -> None:
    def line(debit: str, credit: str, amount: int) -> str:
        return Entry(1, "e" * 64, debit, credit, "WIND", amount, "s1", "sale_price", 1, 1, "").ndjson()

    whole = line("buyers", "sales", 10) + line("sales", "royalties", 7)
    assert "sale s1: 3 of its price went nowhere" in list(price_differences(whole, published[1]))


def test_terms_that_contradict_themselves_are_refused(published: tuple[str, str]) -> None:
    ledger, terms = published
    told = json.loads(terms)

    def with_newest(**changed: Any) -> str:
        return json.dumps({"terms": [*told["terms"][:-1], {**told["terms"][-1], **changed}]})

    dearer = {**told["terms"][-1]["parameters"], "fetch_fee_wei": "9000"}
    respelled = hashlib.sha256(json.dumps(dearer, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    for bent in (
        with_newest(parameters=dearer),
        with_newest(halvings=0),
        with_newest(first_epoch=2),
        with_newest(first_epoch=2**60),
        "[]",
    ):
        with pytest.raises(WindrowError, match="bad_proof"):
            list(price_differences(ledger, bent))
    other = list(price_differences(ledger, with_newest(parameters=dearer, sha256=respelled)))
    assert other, "well-formed terms of another network give other prices"
