"""What is a page's own counts by itself where the house holds a page of the host that says nearly the same."""

from __future__ import annotations

import pytest

from aggregator.verification.comparing.comparison import decide
from aggregator.verification.comparing.reconsidering import weigh_again
from windrow_protocol.errors import REASONS


def part(name: str, count: int) -> str:
    """So many words that stand nowhere else."""
    return " ".join(f"{name}{i}" for i in range(count))


SHARED = part("licence", 300)  # what all pages of the host say
PAGE = f"{part('page', 40)} {SHARED}"
NEIGHBOUR = f"{part('neighbour', 40)} {SHARED}"
THIRD = f"{part('third', 40)} {SHARED}"
TAKEN = ("match", "matches_truth")
ANOTHER = ("mismatch", "another_page")
OPEN = ("no_evidence", "lacks_own_part")


def judged(text: str, truths: list[str], neighbour: str | None) -> tuple[str, str]:
    decision = decide(text, truths, None, neighbour)
    assert not decision.reason_code or decision.reason_code in REASONS
    return decision.kind, decision.reason_code


def test_without_a_neighbour_its_text_is_taken_for_the_page() -> None:
    assert judged(NEIGHBOUR, [PAGE], None) == TAKEN


def test_the_text_of_a_neighbour_that_is_held_is_a_mismatch_after_three_truths() -> None:
    assert judged(NEIGHBOUR, [PAGE], NEIGHBOUR) == ("need_truth", "")
    assert judged(NEIGHBOUR, [PAGE] * 2, NEIGHBOUR) == ("need_truth", "")
    assert judged(NEIGHBOUR, [PAGE] * 3, NEIGHBOUR) == ANOTHER


def test_a_title_that_was_changed_does_not_help() -> None:
    retitled = NEIGHBOUR.replace(part("neighbour", 8), part("page", 8), 1)
    assert judged(retitled, [PAGE] * 3, NEIGHBOUR) == ANOTHER


def test_the_text_of_a_neighbour_that_nobody_holds_is_no_evidence_where_another_is_held() -> None:
    """It lacks what is the page's own, but nothing shows whose text it is: perhaps the page was another one then."""
    assert judged(THIRD, [PAGE] * 3, NEIGHBOUR) == OPEN


@pytest.mark.parametrize("neighbour", [NEIGHBOUR, PAGE, "", part("unlike", 400)])
def test_an_honest_fetch_is_taken_with_any_neighbour(neighbour: str) -> None:
    assert judged(PAGE, [PAGE], neighbour) == TAKEN
    changing = [f"{PAGE} {part(f'advert{i}', 40)}" for i in range(3)]
    assert judged(f"{PAGE} {part('mine', 40)}", changing[:2], neighbour)[0] == "match"


def test_what_only_one_truth_has_is_not_the_pages_own() -> None:
    """A page that is its neighbour but for what changes with every fetch has nothing of its own."""
    truths = [f"{SHARED} {part(f'counter{i}', 40)}" for i in range(3)]
    mine = f"{SHARED} {part('mine', 40)}"
    assert judged(mine, truths[:1], NEIGHBOUR)[0] == "need_truth"
    assert judged(mine, truths[:2], NEIGHBOUR)[0] == "match"


def test_a_text_that_is_as_served_is_not_asked_for_its_own_part() -> None:
    long = part("licence", 2_000)
    dated, then = f"on the first of May {long}", f"on the second of June {long}"
    assert judged(dated, [then], f"{part('other', 30)} {long}") == TAKEN


def test_a_neighbour_makes_no_match_of_what_was_none() -> None:
    for truths in ([PAGE], [PAGE] * 2, [PAGE] * 3):
        assert judged(part("junk", 300), truths, NEIGHBOUR) == judged(part("junk", 300), truths, None)


def test_the_decision_does_not_depend_on_the_order_of_the_truths() -> None:
    truths = [PAGE, f"{PAGE} {part('advert', 30)}", PAGE]
    assert decide(NEIGHBOUR, truths, None, NEIGHBOUR) == decide(NEIGHBOUR, truths[::-1], None, NEIGHBOUR)


def test_one_word_at_the_edge_of_a_text_is_enough_to_earn_nothing_and_too_little_for_a_fine() -> None:
    """A name at the beginning stands in one shingle only; a neighbour's own part must be a word within a text."""
    held, page, noise = f"Ada {SHARED}", f"Grace {SHARED}", [part(f"advert{i}", 40) for i in range(3)]
    assert judged(f"{held} {part('mine', 40)}", [f"{page} {each}" for each in noise], held) == OPEN


def test_what_the_page_itself_had_before_is_not_its_neighbours() -> None:
    """A release between fetch and audit, of a page of which the host shows the old version elsewhere too."""
    old, new = f"{part('old', 40)} {SHARED}", PAGE
    assert judged(old, [new] * 3, old) == ANOTHER
    told = decide(old, [new] * 3, old, old)
    assert (told.kind, told.reason_code) == ("no_evidence", "perhaps_stale")


def test_an_appeal_against_it_does_not_forget_the_neighbour() -> None:
    fresh = [(operator, PAGE) for operator in ("north", "south", "west")]
    stored = [PAGE] * 3
    assert weigh_again(NEIGHBOUR, stored=stored, fresh=fresh, operators=3) == "restored"
    assert weigh_again(NEIGHBOUR, stored=stored, fresh=fresh, operators=3, neighbour=NEIGHBOUR) == "stands"
    assert weigh_again(PAGE, stored=stored, fresh=fresh, operators=3, neighbour=NEIGHBOUR) == "restored"
