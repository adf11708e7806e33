"""The clipped weighted median: the published vector, and what a validator that lies, copies or sleeps gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.verification.epochs.consensus import capped_stakes, clipped_median

PART = st.floats(min_value=0.0, max_value=1.0, allow_nan=False)


def test_the_published_vector() -> None:
    found = clipped_median([0.45, 0.30, 0.25], [[0.6, 0.4, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert found.incentive == pytest.approx((0.5556, 0.4444, 0.0), abs=5e-5)
    assert found.dividends == pytest.approx((0.6, 0.4, 0.0))
    assert found.agreed == pytest.approx((0.5, 0.4, 0.0))


def test_praise_beyond_what_others_see_is_clipped() -> None:
    honest = [0.5, 0.5]
    praised = clipped_median([1, 1, 1], [honest, honest, [1.0, 0.0]])
    plain = clipped_median([1, 1, 1], [honest, honest, honest])
    assert praised.agreed == plain.agreed
    assert praised.incentive[0] == pytest.approx(0.6)  # two thirds, were its praise counted whole
    assert praised.dividends[2] < plain.dividends[2]


def test_one_that_says_nothing_earns_nothing() -> None:
    found = clipped_median([1, 1, 1], [[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]])
    assert found.dividends == pytest.approx((0.5, 0.5, 0.0))


@given(st.lists(st.tuples(PART, st.lists(PART, min_size=3, max_size=3)), min_size=1, max_size=6))
def test_shares_sum_to_one_or_to_nothing(rows: list[tuple[float, list[float]]]) -> None:
    found = clipped_median([stake for stake, _ in rows], [weights for _, weights in rows])
    for shares in (found.incentive, found.dividends):
        assert sum(shares) == pytest.approx(1.0) or sum(shares) == 0.0
        assert all(share >= 0 for share in shares)


@given(st.permutations(range(3)))
def test_the_order_of_operators_does_not_matter(order: list[int]) -> None:
    stakes, weights = [0.45, 0.30, 0.25], [[0.6, 0.4, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    plain = clipped_median(stakes, weights)
    turned = clipped_median([stakes[i] for i in order], [weights[i] for i in order])
    assert turned.dividends == pytest.approx([plain.dividends[i] for i in order])


@pytest.mark.parametrize(
    ("stakes", "weights"), [([1.0], []), ([1, 1], [[1.0], [1.0, 2.0]]), ([1.0], [[-1.0]]), ([-1.0], [[1.0]])]
)
def test_ragged_and_negative_tables_are_refused(stakes: list[float], weights: list[list[float]]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        clipped_median(stakes, weights)


@given(st.lists(st.floats(min_value=0.001, max_value=100), min_size=3, max_size=8))
def test_no_operator_holds_more_than_a_third_where_there_are_three(stakes: list[float]) -> None:
    capped = capped_stakes(stakes, 1 / 3)
    assert sum(capped) == pytest.approx(1.0)
    assert max(capped) <= 1 / 3 + 1e-9


def test_two_operators_share_equally_at_most() -> None:
    assert capped_stakes([9, 1], 1 / 3) == pytest.approx([0.5, 0.5])
