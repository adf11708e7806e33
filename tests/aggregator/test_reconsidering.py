"""What fresh truths say about a text: attacks on appeals first, then honest nodes whose page changed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_house import words_of

from aggregator.verification.comparing.reconsidering import weigh_again

PAGE, INVENTED = words_of(1), words_of(2)
THREE = ("north", "south", "west")


def mixed(first: int, second: int, share: float, count: int = 200) -> str:
    """A text whose first part is one page's and whose rest is another's."""
    kept = int(count * share)
    return " ".join([f"w{first}x{i}" for i in range(kept)] + [f"w{second}x{i}" for i in range(count - kept)])


def fresh(*texts: str) -> list[tuple[str, str]]:
    return list(zip(THREE, texts, strict=False))


def test_an_invention_stays_a_mismatch_while_the_page_stays_the_page() -> None:
    assert weigh_again(INVENTED, stored=[PAGE] * 3, fresh=fresh(PAGE, PAGE, PAGE), operators=3) == "stands"


@pytest.mark.parametrize("friend", [INVENTED, words_of(3)], ids=["repeats the invention", "says anything"])
def test_one_colluding_validator_clears_nobody(friend: str) -> None:
    assert weigh_again(INVENTED, stored=[PAGE] * 3, fresh=fresh(friend, PAGE, PAGE), operators=3) == "stands"


def test_a_lone_friend_cannot_restore_while_the_others_are_silent() -> None:
    found = weigh_again(INVENTED, stored=[PAGE] * 3, fresh=fresh(INVENTED), operators=3)
    assert found == "voided"


def test_one_operator_with_many_validators_has_one_voice() -> None:
    several = [("north", INVENTED), ("north", INVENTED), ("north", INVENTED), ("south", PAGE), ("west", PAGE)]
    assert weigh_again(INVENTED, stored=[PAGE] * 3, fresh=several, operators=3) == "stands"


def test_an_invention_for_a_page_that_changes_a_little_is_not_excused() -> None:
    later = mixed(1, 4, 0.5)
    found = weigh_again(
        INVENTED, stored=[mixed(1, 1, 1.0)] * 3, fresh=fresh(later, later, later), operators=3
    )
    assert found == "stands"


def test_a_stale_copy_is_not_restored_by_what_stayed_the_same() -> None:
    earlier = mixed(1, 5, 0.8)
    page = mixed(1, 6, 0.8)
    found = weigh_again(
        earlier, stored=[page] * 3, fresh=fresh(page, page, page), operators=3, earlier=earlier
    )
    assert found == "stands"


def test_the_text_that_was_right_is_restored() -> None:
    found = weigh_again(PAGE, stored=[INVENTED] * 3, fresh=fresh(PAGE, PAGE, PAGE), operators=3)
    assert found == "restored"


def test_an_earlier_version_of_a_page_that_keeps_changing_is_voided() -> None:
    now = mixed(1, 9, 0.3)
    found = weigh_again(
        mixed(1, 7, 0.3), stored=[mixed(1, 8, 0.3)] * 3, fresh=fresh(now, now, now), operators=3
    )
    assert found == "voided"


@pytest.mark.parametrize("operators", [1, 2, 3])
def test_nobody_is_blamed_when_nobody_can_look(operators: int) -> None:
    assert weigh_again(INVENTED, stored=[PAGE] * 3, fresh=[], operators=operators) == "voided"


def test_with_a_single_operator_its_word_counts() -> None:
    alone = [("north", PAGE)]
    assert weigh_again(INVENTED, stored=[PAGE] * 3, fresh=alone, operators=1) == "stands"
    assert weigh_again(PAGE, stored=[INVENTED] * 3, fresh=alone, operators=1) == "restored"


class TestWithoutAnEarlierLook:
    """What a departing node has pending: the truths come long after the work."""

    def test_an_invention_is_a_mismatch(self) -> None:
        assert weigh_again(INVENTED, stored=[], fresh=fresh(PAGE, PAGE, PAGE), operators=3) == "stands"

    def test_a_page_that_changed_much_since_is_no_mismatch(self) -> None:
        now = mixed(1, 9, 0.3)
        assert weigh_again(mixed(1, 7, 0.3), stored=[], fresh=fresh(now, now, now), operators=3) == "voided"

    def test_one_voice_convicts_nobody(self) -> None:
        assert weigh_again(INVENTED, stored=[], fresh=fresh(PAGE), operators=3) == "voided"

    def test_truths_that_disagree_convict_nobody(self) -> None:
        texts = fresh(words_of(4), words_of(5), words_of(6))
        assert weigh_again(INVENTED, stored=[], fresh=texts, operators=3) == "voided"

    def test_the_page_itself_passes(self) -> None:
        assert weigh_again(PAGE, stored=[], fresh=fresh(PAGE, PAGE), operators=3) == "restored"


texts = st.integers(1, 4).map(words_of)


@example(
    claimed=words_of(3),
    stored=[],
    said=[("north", words_of(1)), ("south", words_of(1)), ("west", words_of(2))],
)
@given(
    claimed=texts, stored=st.lists(texts, max_size=3), said=st.lists(st.tuples(st.sampled_from(THREE), texts))
)
def test_one_operator_alone_never_decides_among_three(
    claimed: str, stored: list[str], said: list[tuple[str, str]]
) -> None:
    """Where two honest operators see alike, the third turns no conviction into pay, and no pay into a conviction."""
    honest = [each for each in said if each[0] != "west"]
    if {name for name, _ in honest} != {"north", "south"} or len({text for _, text in honest}) != 1:
        return
    without = weigh_again(claimed, stored=stored, fresh=honest, operators=3)
    with_liar = weigh_again(claimed, stored=stored, fresh=said, operators=3)
    assert {without, with_liar} != {"stands", "restored"}
    if without in ("stands", "restored"):
        assert with_liar == without


@given(claimed=texts, said=st.lists(st.tuples(st.sampled_from(THREE), texts), max_size=5), data=st.data())
def test_the_order_of_truths_makes_no_difference(
    claimed: str, said: list[tuple[str, str]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(said))
    assert weigh_again(claimed, stored=[PAGE], fresh=said, operators=3) == weigh_again(
        claimed, stored=[PAGE], fresh=shuffled, operators=3
    )
