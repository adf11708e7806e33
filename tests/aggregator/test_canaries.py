"""Control pages: a real fetch passes, whatever is not one fails, and nobody can tell their leases from work."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from asyncio import to_thread
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import sqlalchemy as sa
from aggregator_world import World
from hypothesis import given, settings
from hypothesis import strategies as st
from real_house import Node, words_of

from aggregator.verification.audits.canaries import (
    MINUTES_LOOKED_AT_MAX,
    AnsweredAt,
    canary_rate_ppm,
    canary_routes,
    judge_canary,
)
from aggregator.verification.comparing.canary_site import DAY_MINUTES, LEASED_DAYS, ControlSite
from aggregator.verification.comparing.canary_style import style_of
from aggregator.verification.comparing.canary_text import (
    CONTROL_TEXT_CHARS_MAX,
    canary_text,
    html_paragraphs,
)
from aggregator.verification.comparing.comparison import similarity
from aggregator.verification.standings.exposure import begin_again, count_passed
from aggregator.verification.standings.standing import Escalation, Standing
from aggregator.verification.standings.standing_rows import keep_standing
from contributor_node.extraction.main_text import extract
from storage.house import House
from storage.state import put_rows
from storage.tables.contributions import contributions, duplicates, frontier, leases, verdicts
from storage.tables.trust import document_counts
from windrow_protocol.block_pages import is_block_page
from windrow_protocol.content import normalise_text, shingles_in_order
from windrow_protocol.messages import Lease, Outcome
from windrow_protocol.trust_rules import PPM, TrustRules

ALL_CANARIES = TrustRules(canary_ppm=PPM)
keys, lots = st.binary(min_size=32, max_size=32), st.text(min_size=1, max_size=12)
minutes = st.integers(0, 2**31)


@settings(max_examples=60, deadline=None)
@given(keys, lots, minutes)
def test_what_a_node_extracts_is_the_text_of_the_minute(key: bytes, lot: str, minute: int) -> None:
    style = style_of(key)
    name = style.page_name(key, lot)
    text = canary_text(key, name.path, minute)
    found = extract(style.framed(name.title, html_paragraphs(text)).encode(), "text/html; charset=utf-8")
    assert similarity(normalise_text(found.text), text).two_sided >= 0.9
    assert len(text) * 3 < CONTROL_TEXT_CHARS_MAX
    assert not found.needs_browser
    assert not is_block_page(found.text, 200, found.title)


@settings(max_examples=60, deadline=None)
@given(keys, lots, minutes, st.integers(1, 10_000))
def test_no_other_minute_path_or_key_gives_it_away(key: bytes, lot: str, minute: int, apart: int) -> None:
    path = style_of(key).page_name(key, lot).path
    text = canary_text(key, path, minute)
    assert similarity(text, canary_text(key, path, minute + apart)).two_sided < 0.3
    assert similarity(text, canary_text(key[::-1] + b"x", path, minute)).two_sided < 0.3
    other = style_of(key).page_name(key, lot + "x").path
    assert similarity(text, canary_text(key, other, minute)).two_sided < 0.3


@settings(max_examples=12, deadline=None)
@given(keys, minutes, st.integers(0, 30 * DAY_MINUTES))
def test_a_page_stands_still_for_days_before_it_may_be_leased(key: bytes, minute: int, before: int) -> None:
    site = ControlSite(key, 8)
    for page in site.lately_woken(minute):
        assert page.text_minute(minute) == minute
        assert page.wakes <= minute < page.wakes + LEASED_DAYS * DAY_MINUTES
        assert minute + 2 * DAY_MINUTES < page.gone, "a lease, its receipt and its appeal see the page"
        then = max(page.born, minute - before)
        assert (page.text_minute(then) == minute - before) == (then >= page.wakes)
        assert page.text_minute(page.born) == page.text_minute(page.wakes - 1), "one text all the while"
        assert site.page_at(page.path, then) == page
        assert site.page_at(page.path, page.born - 1) is None is site.page_at(page.path, page.gone)


@settings(max_examples=12, deadline=None)
@given(keys, minutes, st.text(max_size=60))
def test_only_pages_that_the_site_has_exist(key: bytes, minute: int, guess: str) -> None:
    site = ControlSite(key, 4)
    paths = [page.path for page in site.pages_at(minute)]
    assert len(set(paths)) == len(paths) >= 4 * 13
    assert all(site.page_at(path, minute) for path in paths)
    assert {page.path for page in site.lately_woken(minute)} <= set(paths)
    for wrong in (guess, f"/{site.style.place}/{guess}", paths[0] + "0", paths[0].upper()):
        assert site.page_at(wrong, minute) is None
    assert not set(paths) & {page.path for page in ControlSite(key[::-1] + b"x", 4).pages_at(minute)}


@settings(max_examples=6, deadline=None)
@given(keys, minutes)
def test_nothing_told_by_the_list_says_which_page_wakes_next(key: bytes, minute: int) -> None:
    """Of pages of one age some wake within a day, others later: a copy of a month is not safe to replay either."""
    site = ControlSite(key, 64)
    ages = [
        (page.wakes - minute, page.wakes - page.born) for page in site.pages_at(minute) if page.wakes > minute
    ]
    soon = [born_before for wakes_in, born_before in ages if wakes_in <= DAY_MINUTES]
    assert min(soon) < 16 * DAY_MINUTES
    assert max(soon) > 34 * DAY_MINUTES


def test_two_sites_seldom_look_alike() -> None:
    styles = [style_of(bytes([number]) * 32) for number in range(40)]
    first_folders = {style.page_name(b"k" * 32, "1").path.split("/")[1] for style in styles}
    assert len(first_folders) >= 10
    looks = [(style.place, style.lists, style.shape, style.ending, style.frame) for style in styles]
    assert len(set(looks)) == len(looks)
    alike = sum(a.place == b.place and a.frame == b.frame for a in styles for b in styles if a is not b)
    assert alike < len(styles) * (len(styles) - 1) / 20


async def test_garbage_for_a_control_page_costs_the_house_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted work: shingles are made of so many characters at most, however long the text and however late."""
    world = World(tmp_path, rules=ALL_CANARIES, canary_hosts=("http://127.0.21.8:8080",))
    world.seed(1)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    shingled: list[int] = []

    def counting(text: str) -> tuple[int, ...]:
        shingled.append(len(text))
        return shingles_in_order(text)

    monkeypatch.setattr("aggregator.verification.audits.canaries.shingles_in_order", counting)
    start = lease.issued_at_ms
    a_day_later = AnsweredAt(start + 60_000, start + 86_400_000)
    for text in ("garbage " * 200_000, "x" * 2_000_000, words_of(1), "", "?!"):
        assert judge_canary(world.house, lease, text, a_day_later).verdict == "rejected"
    assert sum(shingled) < 3 * (MINUTES_LOOKED_AT_MAX + 1) * CONTROL_TEXT_CHARS_MAX
    shingled.clear()
    path = urlsplit(lease.url).path
    true = canary_text(world.house.keyed("canary/text"), path, start // 60_000 + 5)
    found = judge_canary(world.house, lease, true, AnsweredAt(start + 5 * 60_000, start + 86_400_000))
    assert (found.verdict, len(shingled)) == ("accepted", 2), "an honest answer is compared with one minute"


async def test_what_a_control_page_says_five_times_is_not_the_page(tmp_path: Path) -> None:
    world = World(tmp_path, rules=ALL_CANARIES, canary_hosts=("http://127.0.21.8:8080",))
    world.seed(1)
    (lease,) = await world.take(await world.node(), 1)
    at = AnsweredAt(lease.issued_at_ms, lease.issued_at_ms)
    minute = lease.issued_at_ms // 60_000
    true = canary_text(world.house.keyed("canary/text"), urlsplit(lease.url).path, minute)
    assert judge_canary(world.house, lease, true, at).verdict == "accepted"
    assert judge_canary(world.house, lease, "\n\n".join([true] * 2), at).verdict == "rejected"


def fetch(url: str) -> tuple[int, bytes]:
    assert urlsplit(url).hostname == "127.0.21.7"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


async def served(home: Path, rules: TrustRules = ALL_CANARIES) -> tuple[World, Any]:
    """Return a world whose control pages are really served on loopback, and the server."""
    probe = World(home / "probe")
    routes = canary_routes(probe.house, "http://127.0.21.7")
    server = await probe.house.env.network.serve(routes, host="127.0.21.7", port=0)
    await server.close()
    (home / "world").mkdir()
    world = World(home / "world", rules=rules, canary_hosts=(server.url,))
    port = urlsplit(server.url).port or 0
    return world, await world.house.env.network.serve(
        canary_routes(world.house, server.url), host="127.0.21.7", port=port
    )


async def fetched(node: Node, lease: Lease) -> Any:
    status, body = await to_thread(fetch, lease.url)
    assert status == 200
    found = extract(body, "text/html; charset=utf-8")
    return node.contribution(lease, found.text, title=found.title)


async def test_a_real_fetch_passes_and_an_invention_does_not(tmp_path: Path) -> None:
    (tmp_path / "probe").mkdir()
    world, server = await served(tmp_path)
    world.seed(9)
    honest, cheat = await world.node(), await world.node()
    mine, theirs = await world.take(honest, 2), await world.take(cheat, 3)
    passed = [await fetched(honest, lease) for lease in mine]
    assert (await to_thread(fetch, server.url + "/robots.txt"))[0] == 404
    await server.close()
    assert len({lease.url for lease in (*mine, *theirs)}) == 5, "nobody is given what another had"
    await honest.submit(world.doors.submissions, passed)
    stolen = cheat.contribution(theirs[1], passed[0].text)
    await cheat.submit(
        world.doors.submissions,
        [cheat.contribution(theirs[0], words_of(1)), stolen, cheat.report(theirs[2], Outcome.NOT_FOUND)],
    )
    with world.house.state.read() as connection:
        found = list(connection.execute(sa.select(verdicts).order_by(verdicts.c.seq)))
        assert [(row.node_id, row.verdict, row.reason) for row in found] == [
            *[(honest.node_id, "accepted", "canary_matched")] * 2,
            *[(cheat.node_id, "rejected", "canary_differs")] * 2,
        ]
        assert {row.kind for row in connection.execute(sa.select(contributions))} == {"canary"}
    await world.settle({})
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(duplicates)).all() == [], "no control page gets into the lake"
        assert set(connection.execute(sa.select(frontier.c.state)).scalars()) == {"open"}


async def test_a_fetch_of_another_day_fails(tmp_path: Path) -> None:
    (tmp_path / "probe").mkdir()
    world, server = await served(tmp_path)
    world.seed(1)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    text = (await fetched(node, lease)).text
    await server.close()
    now = world.house.now_ms()
    then = SimpleNamespace(url=lease.url, issued_at_ms=lease.issued_at_ms)
    late = AnsweredAt(now + 600_000, now + 600_000)
    assert judge_canary(world.house, then, text, late).verdict == "accepted"
    later = SimpleNamespace(url=lease.url, issued_at_ms=now + 120_000)
    assert judge_canary(world.house, later, text, late).verdict == "rejected"


async def test_an_old_copy_of_a_page_that_seemed_never_to_change_fails(tmp_path: Path) -> None:
    (tmp_path / "probe").mkdir()
    world, server = await served(tmp_path, TrustRules(canary_ppm=PPM, canary_pages_a_day=6))
    world.seed(9)
    world.clock.ahead_ms = -6 * 86_400_000
    archive = await crawled(server.url)
    world.clock.ahead_ms = -5 * 86_400_000
    again = await crawled(server.url)
    same = [path for path, text in archive.items() if again.get(path) == text]
    assert len(same) > 0.7 * len(archive), "most pages of the site look as if they never changed"
    world.clock.ahead_ms = 0
    node = await world.node()
    leases_held = [lease for lease in await world.take(node, 5) if urlsplit(lease.url).path in archive]
    await server.close()
    assert leases_held, "what is leased today was there six days ago"
    replayed = [node.contribution(lease, archive[urlsplit(lease.url).path]) for lease in leases_held]
    await node.submit(world.doors.submissions, replayed)
    with world.house.state.read() as connection:
        assert set(connection.execute(sa.select(verdicts.c.reason)).scalars()) == {"canary_differs"}


async def crawled(origin: str) -> dict[str, str]:
    """Return the texts of a site by path, found as a crawler finds them: from link to link."""
    found: dict[str, str] = {}
    for shelf in links_of((await to_thread(fetch, origin + "/"))[1]):
        for path in links_of((await to_thread(fetch, origin + shelf))[1]):
            found[path] = extract((await to_thread(fetch, origin + path))[1], "text/html; charset=utf-8").text
    return found


def links_of(page: bytes) -> list[str]:
    return re.findall(r'href="([^"]+)"', page.decode())


async def test_a_page_is_given_again_on_other_days_and_never_to_the_same_hands(tmp_path: Path) -> None:
    rules = TrustRules(canary_ppm=PPM, canary_pages_a_day=1, off=("sybil_limits", "lease_limits"))
    world = World(tmp_path, rules=rules, canary_hosts=("http://127.0.21.8:8080",))
    world.seed(60)
    given: dict[str, list[tuple[str, int]]] = {}
    nodes = [await world.node() for _ in range(4)]
    for day in range(4):
        for node in nodes:
            for lease in await world.take(node, 3):
                if urlsplit(lease.url).hostname == "127.0.21.8":
                    given.setdefault(lease.url, []).append((node.node_id, day))
        world.clock.ahead_ms += 86_400_000 + 60_000
    assert max(map(len, given.values())) > 1, "some pages come twice"
    for hands in given.values():
        assert len({node_id for node_id, _ in hands}) == len(hands) <= 4
        assert len({day for _, day in hands}) == len(hands)


async def test_a_watched_node_gets_more_control_pages(tmp_path: Path) -> None:
    rules = TrustRules(canary_ppm=1, canary_watched_ppm=PPM // 2, canary_young_ppm=1)
    world = World(tmp_path, rules=rules, canary_hosts=("http://127.0.21.8:8080",))
    with world.house.state.write() as connection:
        assert canary_rate_ppm(world.house, connection, "watched") == 1
        watched = Standing(escalation=Escalation(0, 0))
        keep_standing(connection, "watched", watched, world.house.now_ms())
        assert canary_rate_ppm(world.house, connection, "watched") == PPM // 2
        assert canary_rate_ppm(world.house, connection, "another") == 1
        calm = replace(world.house, rules=TrustRules(off=("escalation",), canary_young_ppm=0))
        assert canary_rate_ppm(calm, connection, "watched") == calm.rules.canary_ppm


async def test_who_has_passed_few_audits_gets_more_control_pages_and_after_its_stake_is_gone_again(
    tmp_path: Path,
) -> None:
    """A replay of pages that stand still is right whoever audits it: only control pages tell, and most are known."""
    world = World(tmp_path, rules=TrustRules(canary_young_audits=3), canary_hosts=("http://127.0.21.8:8080",))
    rules = world.house.rules
    assert rules.canary_young_ppm > rules.canary_ppm > 0
    with world.house.state.write() as connection:
        assert canary_rate_ppm(world.house, connection, "new") == rules.canary_young_ppm
        put_rows(connection, document_counts, [counted("new", passed=2)])
        assert canary_rate_ppm(world.house, connection, "new") == rules.canary_young_ppm
        count_passed(connection, "new")
        assert canary_rate_ppm(world.house, connection, "new") == rules.canary_ppm
        begin_again(connection, "new", fined=2_000.0)
        assert canary_rate_ppm(world.house, connection, "new") == rules.canary_young_ppm


def counted(node_id: str, passed: int) -> dict[str, object]:
    return {"node_id": node_id, "documents": passed, "passed": passed, "day": 0, "today": 0, "yesterday": 0}


async def test_when_every_page_was_given_the_next_lease_is_work(tmp_path: Path) -> None:
    rules = TrustRules(canary_ppm=PPM, canary_pages_a_day=1)
    world = World(tmp_path, rules=rules, canary_hosts=("http://127.0.21.8:8080", "http://127.0.21.9:8080"))
    world.seed(20)
    node = await world.node()
    taken = await world.take(node, 20)
    hosts = [urlsplit(lease.url).hostname for lease in taken]
    assert 0 < sum(host in {"127.0.21.8", "127.0.21.9"} for host in hosts) <= 10 < len(taken)


async def test_a_control_lease_looks_like_work_and_comes_as_often_as_said(tmp_path: Path) -> None:
    world = World(tmp_path, rules=TrustRules(canary_ppm=200_000), canary_hosts=("http://127.0.21.8:8080",))
    world.seed(200)
    kinds: list[str] = []
    for _ in range(8):
        node = await world.node()
        taken = await world.take(node, 20)
        world.clock.ahead_ms += 60_000
        with world.house.state.read() as connection:
            mine = sa.select(leases).where(leases.c.node_id == node.node_id)
            row_of = {row.lease_id: row for row in connection.execute(mine)}
        kinds += [row_of[lease.lease_id].kind for lease in taken]
        fields = {frozenset(name for name in msgspec.to_builtins(lease)) for lease in taken}
        shapes = {(lease.render, lease.body_bytes_max, lease.time_s_max, lease.purpose) for lease in taken}
        assert max(len(fields), len(shapes)) <= 1, "of young nodes the day's lottery leaves some without"
    assert set(kinds) == {"work", "canary"}
    assert 0.08 <= kinds.count("canary") / len(kinds) <= 0.36


@pytest.mark.parametrize("rules", [TrustRules(canary_ppm=PPM, off=("canaries",)), TrustRules(canary_ppm=0)])
async def test_without_canaries_there_are_none(tmp_path: Path, rules: TrustRules) -> None:
    world = World(tmp_path, rules=rules, canary_hosts=("http://127.0.21.8:8080",))
    world.seed(20)
    node = await world.node()
    assert all("example" in lease.url for lease in await world.take(node, 20))


def test_the_house_makes_the_same_secrets_after_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path)
    again = House(world.house.env, world.house.state, tmp_path, world.house.network, world.house.key)
    assert again.keyed("canary/text") == world.house.keyed("canary/text") != again.keyed("canary/path")
