"""What validators are worth: the protocol's vector, and that no strategy earns more than honest work."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.verification.epochs.consensus import clipped_median
from aggregator.verification.epochs.dividends import Dividend, Found, Seat, operator_dividends, split
from windrow_protocol.audit_draw import is_drawn, share_of_one_ppm
from windrow_protocol.trust_rules import PPM, TrustRules

RULES = TrustRules()
OPERATORS = ("ada", "bob", "cy")
SEATS = [Seat(f"{name}-1", name) for name in OPERATORS]
NODES, DOCUMENTS, RATE_PPM = 12, 60, 200_000
FRIEND = "node-0"  # whose texts are all invented
FAKES = {FRIEND: 1.0, "node-1": 0.3, "node-2": 0.1}
# What the validator `cy` says of a truth: (its own eyes, the node, chance) → whether the text agrees, None: no truth.
Strategy = Callable[[bool, str, Random], bool | None]

HONEST: Strategy = lambda seen, _node, _chance: seen  # noqa: E731
STRATEGIES: dict[str, Strategy] = {
    "copies what it is given": lambda _seen, _node, _chance: True,
    "dissents alone, always": lambda _seen, _node, _chance: False,
    "dissents alone, half the time": lambda seen, _node, chance: seen and chance.random() < 0.5,
    "colludes with its friend": lambda seen, node, _chance: seen or node == FRIEND,
    "slanders everybody but its friend": lambda seen, node, _chance: node == FRIEND,
    "sleeps half the time": lambda seen, _node, chance: seen if chance.random() < 0.5 else None,
    "answers only where it is easy": lambda seen, node, _chance: seen if node not in FAKES else None,
}


# Income over that of honest work, in the mean: whoever skips a share f of the work gets 1 − f at most.
AT_MOST = {
    "copies what it is given": 0.97,
    "dissents alone, always": 0.05,
    "dissents alone, half the time": 0.5,
    "colludes with its friend": 0.97,
    "slanders everybody but its friend": 0.05,
    "sleeps half the time": 0.55,
    "answers only where it is easy": 0.9,
}
SEEDS = range(1, 7)


def epoch_with(strategy: Strategy, seed: int) -> tuple[Found, list[Dividend]]:
    """Draw an epoch with three secrets and let `cy` follow a strategy; the others are honest."""
    chance, eyes = Random(seed), Random(-seed)
    secrets = {seat.validator_id: chance.randbytes(32) for seat in SEATS}
    share_ppm = share_of_one_ppm(RATE_PPM, len(SEATS))
    found = Found()
    for number in range(NODES * DOCUMENTS):
        node = f"node-{number % NODES}"
        genuine = chance.random() >= FAKES.get(node, 0.0)
        noise = {seat.validator_id: chance.random() < 0.01 for seat in SEATS}  # a page that changed
        for seat in SEATS:
            if not is_drawn(secrets[seat.validator_id], f"l{number:031d}", "0" * 64, share_ppm):
                continue
            seen = genuine and not noise[seat.validator_id]
            said = strategy(seen, node, eyes) if seat.operator == "cy" else seen
            if said is not None:
                found.add(seat.validator_id, node, agrees=said, speaks=True)
    return found, split(RULES, SEATS, found)


def income(rows: list[Dividend], validator_id: str = "cy-1") -> float:
    """Return what a validator is paid, in audit fees."""
    pot = sum(row.audits for row in rows if row.share_ppm)
    return next(pot * row.share_ppm / PPM for row in rows if row.validator_id == validator_id)


@pytest.fixture(scope="module")
def honest_epochs() -> dict[int, list[Dividend]]:
    return {seed: epoch_with(HONEST, seed)[1] for seed in SEEDS}


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_strategy_earns_more_than_honest_work(name: str, honest_epochs: dict[int, list[Dividend]]) -> None:
    """Each epoch is compared with the same one, in which the validator with the same secret was honest."""
    ratios = []
    for seed, honest in honest_epochs.items():
        _, rows = epoch_with(STRATEGIES[name], seed)
        assert income(rows) <= income(honest)
        ratios.append(income(rows) / income(honest))
        for row in rows[:2]:
            assert 0.85 * row.audits <= income(rows, row.validator_id) <= row.audits, (
                "a fee a truth, but for chance"
            )
    assert sum(ratios) / len(ratios) <= AT_MOST[name]


def test_honest_validators_get_a_fee_for_each_truth(honest_epochs: dict[int, list[Dividend]]) -> None:
    parts = [income(rows, row.validator_id) / row.audits for rows in honest_epochs.values() for row in rows]
    assert min(parts) > 0.85
    assert sum(parts) / len(parts) > 0.97


def test_all_honest_are_worth_about_the_same() -> None:
    found, _ = epoch_with(HONEST, seed=7)
    worth = operator_dividends(RULES, SEATS, found)
    assert max(worth.values()) < 1.1 * min(worth.values())


def test_two_of_an_operator_have_one_voice() -> None:
    seats = [*SEATS, Seat("cy-2", "cy"), Seat("cy-3", "cy")]
    found = Found()
    for number in range(40):
        for seat in seats:
            agrees = seat.operator != "cy"
            found.add(seat.validator_id, f"node-{number % 4}", agrees=agrees, speaks=True)
    worth = operator_dividends(RULES, seats, found)
    assert worth["cy"] == 0.0
    assert worth["ada"] == worth["bob"] == 0.5


def test_whoever_is_refused_or_did_nothing_gets_nothing_and_is_told_why() -> None:
    seats = [Seat("a", "ada"), Seat("b", "bob", "unrevealed"), Seat("c", "cy"), Seat("d", "di", "wrong_draw")]
    found = Found()
    for seat in seats:
        if seat.operator != "cy":
            found.add(seat.validator_id, "node", agrees=True, speaks=True)
    rows = split(RULES, seats, found)
    assert [(row.share_ppm, row.reason) for row in rows] == [
        (PPM, "single_operator"),  # of the fee for its own truth
        (0, "unrevealed"),
        (0, "no_truth_used"),
        (0, "wrong_draw"),
    ]


def test_truths_that_decided_nothing_are_paid_as_work() -> None:
    found = Found()
    for count, seat in zip((3, 1, 0), SEATS, strict=True):
        for _ in range(count):
            found.add(seat.validator_id, "node", agrees=False, speaks=False)
    assert [row.share_ppm for row in split(RULES, SEATS, found)] == [750_000, 250_000, 0]


def test_the_protocols_vector() -> None:
    consensus = clipped_median([0.45, 0.30, 0.25], [[0.6, 0.4, 0], [0.5, 0.5, 0], [0, 0, 1]])
    assert consensus.incentive == pytest.approx((0.5556, 0.4444, 0), abs=1e-4)
    assert consensus.dividends == pytest.approx((0.6, 0.4, 0))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.booleans()), max_size=60),
    st.lists(st.integers(0, 2), min_size=6, max_size=6),
    st.sets(st.integers(0, 5)),
)
def test_shares_are_a_million_at_most_and_do_not_depend_on_any_order(
    truths: list[tuple[int, int, bool, bool]], operators: list[int], refused: set[int]
) -> None:
    seats = [
        Seat(f"v{number}", f"o{operator}", "unrevealed" if number in refused else "")
        for number, operator in enumerate(operators)
    ]
    found, backwards = Found(), Found()
    for into, order in ((found, truths), (backwards, truths[::-1])):
        for number, node, agrees, speaks in order:
            into.add(f"v{number}", f"n{node}", agrees=agrees, speaks=speaks)
    rows = split(RULES, seats, found)
    assert sum(row.share_ppm for row in rows) <= PPM
    assert all(row.share_ppm >= 0 for row in rows)
    assert rows == split(RULES, seats[::-1], backwards)
    for row, seat in zip(rows, seats, strict=True):
        assert not (row.share_ppm and (seat.refused or not row.audits))
