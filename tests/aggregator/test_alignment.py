"""What a truth confirms of a contribution: as often as it has it and in its order, so that a copy makes no new text."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from aggregator.verification.comparing.alignment import share_in_order
from aggregator.verification.comparing.comparison import decide
from aggregator.verification.standings.host_events import host_event
from rewards.rates import CURRENT, Novelty, price_work
from windrow_protocol.content import shingles_in_order
from windrow_protocol.trust_rules import PPM

NUMBERS = st.lists(st.integers(0, 12), max_size=30)
SENTENCES = [" ".join(f"s{n}w{i}" for i in range(24)) + "." for n in range(60)]
PAGE = "\n".join(SENTENCES)


def longest_common(a: list[int], b: list[int]) -> int:
    """The textbook's table."""
    row = [0] * (len(b) + 1)
    for one in a:
        before = row
        row = [0]
        for at, other in enumerate(b):
            row.append(before[at] + 1 if one == other else max(before[at + 1], row[at]))
    return row[-1]


@given(NUMBERS, NUMBERS)
def test_no_more_is_in_order_than_the_longest_common_subsequence(a: list[int], b: list[int]) -> None:
    assert round(share_in_order(a, b) * len(a)) <= longest_common(a, b)


@given(st.lists(st.integers(), unique=True, max_size=30), st.data())
def test_it_is_the_longest_common_subsequence_where_nothing_is_repeated(
    a: list[int], data: st.DataObject
) -> None:
    b = data.draw(st.permutations(a))
    assert round(share_in_order(a, b) * len(a)) == longest_common(a, b)


@given(NUMBERS.filter(bool), NUMBERS, NUMBERS)
def test_what_is_left_out_is_not_missed_and_what_is_added_does_not_count(
    text: list[int], before: list[int], after: list[int]
) -> None:
    added = [n + 100 for n in before]
    assert share_in_order(text, [*added, *text, *after]) == 1.0
    assert share_in_order([*added, *text], text) == len(text) / len([*added, *text])


def paid_bytes(text: str, truth: str) -> int:
    """The bytes that an accepted text is paid for as new."""
    decision = decide(text, [truth])
    assert decision.kind == "match"
    confirmed = round(PPM * decision.confirmed)
    told = Novelty("unique", len(text.encode()), confirmed)
    return (
        price_work("accepted", "matches_truth", told, rates=CURRENT)[1].amount_wei // CURRENT.novelty_byte_wei
    )


def test_a_page_said_half_again_is_paid_once() -> None:
    assert paid_bytes("\n".join([PAGE, *SENTENCES[:30]]), PAGE) <= len(PAGE.encode()) * 1.01


def test_a_page_said_twice_or_more_is_not_the_page() -> None:
    for times in (2, 5):
        decision = decide("\n".join([PAGE] * times), [PAGE] * 3)
        assert (decision.kind, round(decision.score, 1)) == ("mismatch", round(1 / times, 1))
        assert round(decision.confirmed, 1) == round(1 / times, 1)


def test_a_page_that_repeats_itself_is_like_itself() -> None:
    assert decide("\n".join([PAGE] * 3), ["\n".join([PAGE] * 3)]).kind == "match"
    assert decide("\n".join([PAGE] * 3), ["\n".join([PAGE] * 2)]).kind == "match"
    assert decide(PAGE, ["\n".join([PAGE] * 3)]).kind == "match"  # what it leaves out is in it once


def test_sentences_in_another_order_are_hardly_confirmed() -> None:
    said = list(SENTENCES)
    random.Random(1).shuffle(said)
    assert decide("\n".join(said), [PAGE]).kind == "match"  # 80 % of its shingles are the page's
    assert paid_bytes("\n".join(said), PAGE) < 0.35 * len(PAGE.encode())


def test_a_page_with_an_advert_more_is_confirmed_but_for_the_advert() -> None:
    advert = " ".join(f"buy{i}" for i in range(30))
    shown = "\n".join([*SENTENCES[:20], advert, *SENTENCES[20:]])
    assert 0.96 < decide(shown, [PAGE]).confirmed < 1.0
    assert decide(PAGE, [shown]).confirmed > 0.99


def test_a_host_that_shuffles_for_everybody_is_known_to() -> None:
    said = list(SENTENCES)
    random.Random(2).shuffle(said)
    event = host_event(1, truths=[("north", PAGE), ("south", "\n".join(said))], refused=[], operators=2)
    assert event is not None
    assert event.kind == "agree"
    assert event.excess > 0.6  # so that a node's own excess is nothing beyond the host's


def test_shingles_in_order_are_those_of_the_set() -> None:
    assert len(shingles_in_order("a b c d e a b c d e")) == 6
    assert len(set(shingles_in_order("a b c d e a b c d e"))) == 5
    assert shingles_in_order("one two") == shingles_in_order("One, two!")
    assert shingles_in_order("") == ()
