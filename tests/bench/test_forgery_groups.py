"""What the calibration calls a forgery: what is less than 0.95 alike to what the site served, and nothing else."""

from __future__ import annotations

import random

import pytest

from bench.changing_web.base_pages import BasePage, pool_of
from bench.changing_web.double_fetches import Case
from bench.changing_web.forgeries import PADDED, PARTS, Forger
from bench.comparison import Forgeries


def page(name: str, changed: int) -> BasePage:
    """Forty sentences of twelve words, of which the first `changed` are this page's own."""
    said = [
        " ".join(f"{name if n < changed else 'usual'}{n}w{i}" for i in range(12)).capitalize() + "."
        for n in range(40)
    ]
    body = "".join(f"<p>{sentence}</p>" for sentence in said)
    markup = f"<html><head><title>The {name} register of boxes</title></head><body><main>{body}</main></body></html>"
    return BasePage("made", "host.example", name, markup)


def forged(asked: BasePage, neighbour: BasePage) -> Forgeries:
    found = Forgeries([asked, neighbour], pool_of([asked, neighbour]), random.Random(1))
    found.add_fakes(Case(asked, (), "", asked.text, (asked.text,) * 3))
    return found


@pytest.mark.parametrize(
    ("changed", "group", "kind"),
    [(0, "as_served", "match"), (8, "fake_of_pages_alike", "mismatch"), (40, "fake", "mismatch")],
)
def test_the_neighbours_page_is_wrong_unless_it_is_what_was_served(
    changed: int, group: str, kind: str
) -> None:
    groups = forged(page("north", changed), page("south", changed)).tallies
    assert groups[group, "other_page_of_host"].kinds == {kind: 1}
    assert [name for name, forgery in groups if forgery == "other_page_of_host"] == [group]


def test_a_neighbours_page_that_is_not_looked_at_is_taken() -> None:
    found = forged(page("north", 8), page("south", 8)).elsewhere
    assert found["none_looked_at"].kinds["match"] == found["not_held"].kinds["match"] > 0


def test_every_fake_is_in_one_group() -> None:
    found = forged(page("north", 8), page("south", 8))
    counts = [found.sum_of(group).cases for group in ("fake", "fake_of_pages_alike", "as_served")]
    assert sum(counts) == found.sum_of("fake", "fake_of_pages_alike", "as_served").cases == 8


def test_parts_of_a_page_are_held_against_whoever_hands_them_in() -> None:
    """They are had without fetching it, so that they are not excused: see docs/adr/0027."""
    asked = page("north", 40)
    found = Forgeries([asked], pool_of([asked]), random.Random(1))
    found.add_parts(Case(asked, (), "", asked.text, (asked.text,) * 3))
    whole = found.sum_of("part")
    assert (whole.cases, whole.kinds["mismatch"]) == (len(PARTS), len(PARTS))
    assert found.tallies["part", "snippet_of_a_search"].mismatched_parts == 1


def test_a_repeated_page_shows_as_the_excess_it_is() -> None:
    asked = page("north", 40)
    forger = Forger(asked, asked, pool_of([asked]), random.Random(1))
    found = Forgeries([asked], pool_of([asked]), random.Random(1))
    found._add(
        "padded", "five", Case(asked, (), "", asked.text, (asked.text,) * 3), PADDED["said_5_times"](forger)
    )
    assert found.tallies["padded", "five"].own_excess == [pytest.approx(0.8, abs=0.01)]
