"""Pages that are empty without a browser: marked, judged by what their bytes say, and leased once more to a browser."""

from __future__ import annotations

from pathlib import Path

import msgspec
from real_house import words_of
from shells_world import frame, pages, ready, settled, shown, take, verdicts_of

from windrow_protocol.limits import BROWSER_MARKS_PER_DAY_MIN
from windrow_protocol.messages import Outcome, Submission
from windrow_protocol.trust_rules import TrustRules

ROOMY = TrustRules(young_leases_per_day=10_000, probation_documents=1_000, off=("lease_limits",))


# --- attacks ---------------------------------------------------------------------------------------------------


async def test_invented_text_is_rejected_with_the_mark_and_without(tmp_path: Path) -> None:
    """Were the mark an outcome, whoever fills an empty page would never be compared with anything."""
    world = await ready(tmp_path)
    world.seed(7)
    for marked in (False, True):
        inventor = await world.node()
        (lease,) = await take(world, inventor, 1, ["http"])
        filled = inventor.contribution(lease, words_of(77_000 + marked), needs_browser=marked)
        await inventor.submit(world.doors.submissions, [filled])
        await settled(world)
        assert verdicts_of(world, inventor) == [("rejected", "differs_from_truth")]


async def test_invented_text_for_the_same_page_in_a_browser_is_rejected_too(tmp_path: Path) -> None:
    world = await ready(tmp_path)
    reader, inventor = await world.node(), await world.node()
    world.seed(2)
    (lease,) = await take(world, reader, 1, ["http"])
    await reader.submit(
        world.doors.submissions, [reader.contribution(lease, frame(lease), needs_browser=True)]
    )
    (again,) = [each for each in await take(world, inventor, 5) if each.url == lease.url]
    assert again.render == "browser"
    await inventor.submit(world.doors.submissions, [inventor.contribution(again, words_of(78_000))])
    await settled(world)
    assert verdicts_of(world, reader) == [("accepted", "matches_truth")]
    assert verdicts_of(world, inventor) == [("rejected", "differs_from_truth")]


async def test_who_does_not_render_is_not_paid_for_rendering(tmp_path: Path) -> None:
    """The frame, which is there without a browser, is no answer to a lease that asks for one; nor is the mark."""
    world = await ready(tmp_path)
    reader, lazy = await world.node(), await world.node()
    world.seed(2)
    (lease,) = await take(world, reader, 1, ["http"])
    marked = reader.contribution(lease, frame(lease), needs_browser=True)
    await reader.submit(world.doors.submissions, [marked])
    (again,) = [each for each in await take(world, lazy, 5) if each.url == lease.url]
    await lazy.submit(world.doors.submissions, [lazy.contribution(again, frame(again), needs_browser=True)])
    await settled(world)
    assert verdicts_of(world, lazy) == [("rejected", "differs_from_truth")]


async def test_marks_by_the_hundred_move_ten_pages(tmp_path: Path) -> None:
    world = await ready(tmp_path, rules=ROOMY)
    liar = await world.node()
    world.seed(60)
    for _ in range(3):
        taken = await take(world, liar, 15, ["http"])
        marked: list[Submission] = [
            liar.contribution(each, frame(each), needs_browser=True) for each in taken
        ]
        await liar.submit(world.doors.submissions, marked)
        world.clock.ahead_ms += 60_000
    moved = [render for _, render in pages(world).values()].count("browser")
    assert moved <= BROWSER_MARKS_PER_DAY_MIN


async def test_where_one_operator_could_not_check_a_browser_there_is_none(tmp_path: Path) -> None:
    world = await ready(tmp_path, browsers=2)
    reader = await world.node()
    world.seed(2)
    (lease,) = await take(world, reader, 1, ["http"])
    await reader.submit(
        world.doors.submissions, [reader.contribution(lease, frame(lease), needs_browser=True)]
    )
    assert pages(world)[lease.url] == ("done", "http")


# --- what it is for --------------------------------------------------------------------------------------------


async def test_a_marked_page_is_leased_once_more_to_other_hands_with_a_browser(tmp_path: Path) -> None:
    world = await ready(tmp_path)
    reader, plain, browser = await world.node(), await world.node(), await world.node()
    world.seed(2)
    first, empty = await take(world, reader, 2, ["http"])
    nothing = msgspec.structs.replace(reader.report(empty, Outcome.NOT_FOUND), needs_browser=True)
    await reader.submit(
        world.doors.submissions,
        [reader.contribution(first, frame(first), needs_browser=True), nothing],
    )
    assert {pages(world)[each.url] for each in (first, empty)} == {("open", "browser")}
    assert await take(world, reader, 5) == [], "not to the same hands"
    assert await take(world, plain, 5, ["http"]) == []
    rendered = await take(world, browser, 5)
    assert {(each.url, each.render) for each in rendered} == {
        (each.url, "browser") for each in (first, empty)
    }
    texts = [browser.contribution(each, shown(each), needs_browser=True) for each in rendered]
    await browser.submit(world.doors.submissions, list(texts))
    assert {pages(world)[each.url] for each in rendered} == {("done", "browser")}, "and not a third time"
    await settled(world)
    assert verdicts_of(world, browser) == [("accepted", "matches_truth")] * 2
    assert ("accepted", "matches_truth") in verdicts_of(world, reader)
