"""A neighbour's text in place of the page's own: what an audit finds, publishes, and lets anybody compute again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from aggregator_world import World
from audit_world import MOST, AuditWorld
from drawn_audits import verdict_of, work
from real_house import Node, words_of

from aggregator.assignment.frontier import add_urls
from aggregator.erasure import _in_the_way
from aggregator.verification.audits.neighbours import nearest_in_size
from aggregator.verification.audits.verdict_log import rested_upon
from aggregator.verification.epochs.audit_files import read_rows
from aggregator.verification.epochs.audit_rows import HEADER, AuditRow, Header, PublishedNeighbour
from aggregator.verification.epochs.epoch_fold import EpochFold, Range
from aggregator.verification.epochs.replay import replay
from storage.tables.contributions import contributions
from windrow_protocol.limits import NEIGHBOURS_READ_MAX
from windrow_protocol.messages import Lease
from windrow_protocol.trust_rules import TrustRules
from windrow_protocol.urls import host_key

SHARED = words_of(1, 400)  # what every licence of the host says


def licence(lease: Lease) -> str:
    """What a page holds: forty words of its own before what all say."""
    return f"{words_of(100 + int(lease.url.split('/')[-2][1:]), 40)} {SHARED}"


def add_licences(world: World, count: int, first: int = 0) -> None:
    with world.house.state.write() as connection:
        urls = [(f"http://h.example/p{i}/licence", "http") for i in range(first, first + count)]
        add_urls(connection, urls, world.house.now_ms())


async def held(world: World, count: int) -> list[Lease]:
    """Have somebody honest fetch some licences, and let them be judged."""
    add_licences(world, count)
    done = await work(world, await world.node(), count, licence)
    await world.settle({lease.url: licence(lease) for lease in done})
    return done


async def forged(world: World, count: int, text: str) -> Node:
    """Have a cheat answer other licences by one text that it has, and let audits decide."""
    add_licences(world, count, first=50)
    cheat = await world.node()
    done = await work(world, cheat, count, lambda lease: text)
    await world.settle({lease.url: licence(lease) for lease in done})
    return cheat


@pytest.mark.parametrize(
    ("off", "expected"),
    [(("neighbours",), ("accepted", "matches_truth")), ((), ("rejected", "another_page"))],
)
async def test_a_neighbours_text_that_the_house_holds_is_rejected(
    tmp_path: Path, off: tuple[str, ...], expected: tuple[str, str]
) -> None:
    world = World(tmp_path, rules=TrustRules(off=off), operators=3)
    await world.validators_ready()
    (first, *_) = await held(world, 3)
    assert verdict_of(world, await forged(world, 2, licence(first))) == [expected] * 2
    with world.house.state.read() as connection:
        texts = connection.execute(sa.select(contributions).where(contributions.c.url == first.url)).all()
        neighbour = next(row.contribution_id for row in texts if row.audit_of is None)
        assert rested_upon(connection, [neighbour]) == (set() if off else {(neighbour, 1)}), (
            "none may erase it yet"
        )
        in_the_way = _in_the_way(connection, [neighbour])
    assert in_the_way == {
        neighbour: "its audit epoch is open" if off else "an audit epoch that rests on it is open"
    }


async def test_a_neighbours_text_that_it_does_not_hold_earns_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    await held(world, 2)
    cheat = await forged(world, 2, f"{words_of(999, 40)} {SHARED}")
    assert verdict_of(world, cheat) == [("no_evidence", "lacks_own_part")] * 2


async def test_nothing_is_looked_at_that_came_after_the_contribution(tmp_path: Path) -> None:
    """Nor of another host: what was right to hand in stays so, whatever others add."""
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    add_licences(world, 1)
    cheat = await world.node()
    (lease,) = await work(world, cheat, 1, lambda lease: f"{words_of(101, 40)} {SHARED}")
    add_licences(world, 1, first=1)
    after = await work(world, await world.node(), 1, licence)
    await world.settle({each.url: licence(each) for each in (lease, *after)})
    assert verdict_of(world, cheat) == [("accepted", "matches_truth")]


async def test_honest_fetches_of_pages_alike_are_accepted(tmp_path: Path) -> None:
    """Each differs from its truths by an advert, so that the neighbours are looked at."""
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    await held(world, 3)
    add_licences(world, 4, first=50)
    node = await world.node()
    done = await work(world, node, 4, lambda lease: f"{licence(lease)} {words_of(7, 60)}")
    await world.settle({lease.url: f"{licence(lease)} {words_of(8, 60)}" for lease in done})
    assert verdict_of(world, node) == [("accepted", "matches_truth")] * 4


def test_texts_nearest_in_size_to_either_are_read() -> None:
    """Whoever pads a neighbour's text moves it away from its own size, but not from the truth's."""
    sizes = {place: 1_000 + 100 * place for place in range(100)}
    read = nearest_in_size(sizes, "x" * 9_000, "y" * 2_000)
    assert {80, 79, 81, 10, 9, 11} <= set(read)
    assert len(read) == 2 * NEIGHBOURS_READ_MAX
    assert nearest_in_size({}, "x", "y") == []


class LicenceWorld(AuditWorld):
    """An audited house of three hosts, the pages of each of which differ in forty words."""

    @staticmethod
    def page(lease: Lease) -> str:
        number = int(lease.url.rpartition("p")[2])
        return f"{words_of(100 + number, 40)} {words_of(1 + number % 3, 400)}"  # page n is on host n % 3


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Header, list[AuditRow]]:
    """An epoch in which a neighbour's text was handed in, as anybody gets it."""
    world = LicenceWorld(tmp_path_factory.mktemp("licences"), rules=MOST)

    async def publish() -> Path:
        node = await world.ready()
        truth = await world.hand_in(node, 12)
        await world.audit(truth)
        known = {host_key(url): text for url, text in truth.items()}
        world.seed(30)
        leases = await world.take(node, 8)
        truth |= {lease.url: world.page(lease) for lease in leases}
        await node.submit(
            world.doors.submissions,
            [node.contribution(lease, known[host_key(lease.url)]) for lease in leases],
        )
        await world.audit(truth)
        return await world.close(truth)

    folder = asyncio.run(publish())
    assert replay(folder).ok, replay(folder).first_difference
    return msgspec.json.decode((folder / HEADER).read_bytes(), type=Header), list(read_rows(folder))


def differences(header: Header, rows: list[AuditRow]) -> tuple[str, ...]:
    """What is found in lines that a coordinator would have signed."""
    log = Range(header.epoch_id, header.first_seq, header.last_seq, header.first_head)
    fold = EpochFold(log, header.validators, MOST)
    for row in rows:
        fold.add(row)
    return fold.result().differences


Found = tuple[Header, list[AuditRow]]


def with_neighbour(rows: list[AuditRow], neighbour: PublishedNeighbour | None) -> list[AuditRow]:
    """Exchange the neighbour of the first verdict that rests on one."""
    at = next(
        i for i, row in enumerate(rows) if row.verdict is not None and row.verdict.neighbour is not None
    )
    verdict = msgspec.structs.replace(rows[at].verdict, neighbour=neighbour)
    return [*rows[:at], msgspec.structs.replace(rows[at], verdict=verdict), *rows[at + 1 :]]


def neighbour_in(rows: list[AuditRow]) -> PublishedNeighbour:
    return next(row.verdict.neighbour for row in rows if row.verdict is not None and row.verdict.neighbour)


def test_the_neighbour_is_published_and_the_verdict_follows_from_it(published: Found) -> None:
    header, rows = published
    reasons = {row.verdict.reason for row in rows if row.verdict is not None and row.verdict.neighbour}
    assert "another_page" in reasons
    assert differences(header, rows) == ()


def test_a_verdict_does_not_follow_without_its_neighbour(published: Found) -> None:
    header, rows = published
    assert "is match at" in differences(header, with_neighbour(rows, None))[0]


@pytest.mark.parametrize("change", ["text", "place", "page", "host"])
def test_a_neighbour_that_the_log_has_not_is_found(published: Found, change: str) -> None:
    header, rows = published
    held = neighbour_in(rows)
    record = msgspec.json.decode(held.record)
    accused = next(row for row in rows if row.verdict is not None and row.verdict.neighbour is not None)
    assert accused.verdict is not None
    changed = {
        "text": (held.seq, record | {"title": "Another"}),
        "place": (accused.seq, record),
        "page": (held.seq, record | {"url": msgspec.json.decode(accused.verdict.record)["url"]}),
        "host": (held.seq, record | {"url": "http://elsewhere.example/p1"}),
    }
    seq, told = changed[change]
    forged = PublishedNeighbour(seq, msgspec.json.encode(told).decode())
    assert any("looks at a neighbour" in each for each in differences(header, with_neighbour(rows, forged)))
