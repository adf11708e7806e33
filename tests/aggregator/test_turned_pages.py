"""Turned pages: who hands in an old copy of one is found, and who fetched it never is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from real_house import PAYOUT, Node, words_of
from state_database import sqlite_alone
from trust_world import NO_LOTTERY, TrustWorld

from aggregator.assignment.frontier import add_urls
from aggregator.importing import Document, Importer, Origin
from aggregator.verification.comparing.turning import Held, has_turned
from rewards.accountant import run_accountant
from storage.tables.contributions import duplicates, leases, ledger, verdicts
from storage.tables.trust import document_counts, turned_pages
from windrow_protocol.content import text_sha256
from windrow_protocol.messages import Lease, Outcome, Registration
from windrow_protocol.trust_rules import DAY_MS, PPM, TrustRules

PAGE, OLD, NEW = "http://town.example/hours", words_of(1), words_of(2)
# Nobody is drawn, so that nothing but a turned page can find a cheat; every lease that may be of one is.
RULES = TrustRules(
    probation_documents=0,
    audit_rate_min_ppm=0,
    audit_rate_max_ppm=0,
    hard_rate_ppm=0,
    escalated_rate_ppm=0,
    turned_ppm=PPM,
    vest_age_ms=0,
    vest_audits=0,  # and everybody is in good standing at once
    off=NO_LOTTERY,
)


def imported(world: TrustWorld, *texts: str, days_ago: int = 60) -> None:
    """Have the operator import texts of the page, each fetched a day after the one before."""
    documents = [
        Document(
            record_id=f"urn:{number}",
            url=PAGE,
            fetched_at_ms=world.house.now_ms() - (days_ago - number) * DAY_MS,
            http_status=200,
            content_type="text/html",
            optout_signals=[],
            raw_sha256=text_sha256(text),
            text=text,
            title="",
            extractor_version="test/1",
        )
        for number, text in enumerate(texts)
    ]
    importer = Importer(world.house)
    importer.accept(Origin("00" * 32, "archive.warc"), documents)
    importer.close()


async def world_of(home: Path, rules: TrustRules = RULES, page: str = NEW) -> TrustWorld:
    """A house that imported the old page, which an honest node has just found to say something else."""
    world = TrustWorld(home, rules=rules)
    await world.validators_ready()
    imported(world, OLD)
    world.pages[PAGE] = page
    await world.hand_in(await world.node(), PAGE, page)
    await world.look()
    return world


async def led(world: TrustWorld, node: Node) -> Lease | None:
    """Have a node ask for work; return its lease of the turned page, None where it got another one."""
    number = len(world.pages)
    url = f"http://other{number}.example/page"
    world.pages[url] = words_of(1_000 + number)
    with world.house.state.write() as connection:
        add_urls(connection, [(url, "http")], world.house.now_ms())
    world.clock.ahead_ms += 60_000
    (lease,) = await world.take(node, 1)
    world.clock.ahead_ms += max(0, lease.not_before_ms - world.house.now_ms())
    if lease.url == PAGE:
        return lease
    await node.submit(world.doors.submissions, [node.report(lease, Outcome.TIMEOUT)])
    return None


async def answer(world: TrustWorld, node: Node, text: str) -> str:
    """Have a node answer its lease of the turned page, and let it be judged; return the contribution's id."""
    lease = await led(world, node)
    assert lease is not None, "it is its turn"
    record = node.contribution(lease, text)
    (said,) = await node.submit(world.doors.submissions, [record])
    assert said["ok"], said
    await world.look()
    return record.contribution_id


def said_of(world: TrustWorld, contribution_id: str) -> tuple[str, str]:
    with world.house.state.read() as connection:
        one = sa.select(verdicts).where(verdicts.c.contribution_id == contribution_id)
        row = connection.execute(one).one()
    return row.verdict, row.reason


def fetched_for_audits(world: TrustWorld) -> int:
    return len(rows(world, sa.select(leases).where(leases.c.kind == "audit")))


def rows(world: TrustWorld, statement: sa.Select[Any]) -> list[Any]:
    with world.house.state.read() as connection:
        return list(connection.execute(statement))


async def test_an_old_copy_is_found_though_nobody_would_have_drawn_it(tmp_path: Path) -> None:
    world = await world_of(tmp_path)
    cheat = await world.node()
    caught = await answer(world, cheat, OLD)
    assert said_of(world, caught) == ("rejected", "differs_from_truth")
    assert world.followed(cheat) == [("escalated", caught), ("strike", caught)]
    assert rows(world, sa.select(duplicates).where(duplicates.c.contribution_id == caught)) == []


async def test_without_it_an_old_copy_is_taken(tmp_path: Path) -> None:
    """The attack: the page itself, handed in from an archive, which nobody drew."""
    world = TrustWorld(tmp_path, rules=msgspec.structs.replace(RULES, off=(*NO_LOTTERY, "turned")))
    await world.validators_ready()
    imported(world, OLD)
    world.pages[PAGE] = NEW
    copied = await world.hand_in(await world.node(), PAGE, OLD)
    await world.look()
    assert said_of(world, copied) == ("unaudited", "not_drawn")
    assert rows(world, sa.select(turned_pages)) == []
    assert await led(world, await world.node()) is None


async def test_a_fine_counts_as_if_it_had_been_audited_like_any_other(tmp_path: Path) -> None:
    world = await world_of(
        tmp_path, msgspec.structs.replace(RULES, turned_ppm=PPM // 2, audit_rate_min_ppm=40_000)
    )
    cheat, lease = await world.node(), None
    for _ in range(60):
        lease = lease or await led(world, cheat)
    assert lease is not None, "every second of sixty leases would have been"
    await cheat.submit(world.doors.submissions, [cheat.contribution(lease, OLD)])
    await world.look()
    (outcome,) = [msgspec.json.decode(row.outcome) for row in world.outcomes(cheat)]
    assert (outcome["kind"], outcome["rate_ppm"]) == ("mismatch", 40_000)


async def test_who_fetched_it_is_paid_the_fee_and_costs_no_fetch(tmp_path: Path) -> None:
    world = await world_of(tmp_path)
    honest = [await world.node() for _ in range(RULES.turned_leases_max)]
    passed = [await answer(world, node, NEW) for node in honest]
    assert [said_of(world, each) for each in passed] == [("unaudited", "not_drawn")] * len(honest)
    assert fetched_for_audits(world) == 0
    assert [world.followed(node) for node in honest] == [[]] * len(honest)
    assert await led(world, await world.node()) is None, "it was leased as often as it may be"
    world.close_epoch()
    while world.pipeline.step():
        pass
    run_accountant(world.house)
    earned = sa.select(ledger).where(ledger.c.cause.in_(passed), ledger.c.debit == "emission")
    assert [row.reason for row in rows(world, earned) if row.amount] == ["fetch_fee"] * len(honest)
    assert rows(world, sa.select(duplicates).where(duplicates.c.contribution_id.in_(passed))) == []


async def test_the_second_of_a_ring_is_not_given_what_the_first_failed_on(tmp_path: Path) -> None:
    """Two nodes that fail on one host void each other's mismatch: the page is given to one after the other."""
    world = await world_of(tmp_path)
    first, second = await world.node(), await world.node()
    lease = await led(world, first)
    assert lease is not None
    assert await led(world, second) is None, "nobody knows yet what the first will say"
    await first.submit(world.doors.submissions, [first.contribution(lease, OLD)])
    await world.look()
    assert await led(world, second) is None


async def test_never_to_the_same_hands(tmp_path: Path) -> None:
    world = await world_of(tmp_path)
    (source,) = rows(world, sa.select(leases).where(leases.c.kind == "work", leases.c.url == PAGE))
    network = source.prefix.partition("/")[0].rpartition(".")[0]
    neighbour = Node(world.house, address=f"{network}.77")
    await neighbour.ask(world.doors.register, "register", Registration(payout_address=PAYOUT))
    assert await led(world, neighbour) is None
    assert await led(world, await world.node()) is not None


async def test_a_page_that_turns_back_is_nobodys_fault(tmp_path: Path) -> None:
    world = await world_of(tmp_path)
    world.pages[PAGE] = OLD
    node = await world.node()
    assert said_of(world, await answer(world, node, OLD)) == ("accepted", "matches_truth")
    assert world.followed(node) == []
    assert await led(world, await world.node()) is None


async def test_a_page_that_changes_again_is_nobodys_fault(tmp_path: Path) -> None:
    world = await world_of(tmp_path)
    node, now = await world.node(), words_of(3)
    world.pages[PAGE] = now
    assert said_of(world, await answer(world, node, now)) == ("accepted", "matches_truth")
    assert world.followed(node) == []


async def test_an_invention_harms_nobody(tmp_path: Path) -> None:
    """A node of the ring says that a page turned which did not: who fetches it is right."""
    world = await world_of(tmp_path, page=words_of(666))
    world.pages[PAGE] = OLD
    honest = await world.node()
    assert said_of(world, await answer(world, honest, OLD)) == ("accepted", "matches_truth")
    assert world.followed(honest) == []
    assert await led(world, await world.node()) is None, "and nobody else is led there"


async def test_who_confirms_a_friend_s_invention_gets_a_fee_and_no_standing(tmp_path: Path) -> None:
    """The most that two colluders get out of it where nobody is drawn: neither novelty nor a passed audit."""
    world = await world_of(tmp_path, page=words_of(666))
    world.pages[PAGE] = OLD
    friend = await world.node()
    confirmed = await answer(world, friend, words_of(666))
    assert said_of(world, confirmed) == ("unaudited", "not_drawn")
    assert world.outcomes(friend) == []
    passed = sa.select(document_counts.c.passed).where(document_counts.c.node_id == friend.node_id)
    assert [row.passed for row in rows(world, passed)] == [0]
    honest = await world.node()
    assert said_of(world, await answer(world, honest, OLD)) == ("accepted", "matches_truth")
    assert await led(world, await world.node()) is None, "the first who fetches it ends that"
    world.close_epoch()
    while world.pipeline.step():
        pass
    run_accountant(world.house)
    earned = sa.select(ledger).where(ledger.c.cause == confirmed, ledger.c.amount != 0)
    assert {row.reason for row in rows(world, earned)} <= {"fetch_fee", "released"}


async def test_what_is_known_to_be_invented_leads_nobody(tmp_path: Path) -> None:
    rules = msgspec.structs.replace(RULES, audit_rate_min_ppm=PPM, audit_rate_max_ppm=PPM)
    world = TrustWorld(tmp_path, rules=rules)
    await world.validators_ready()
    imported(world, OLD)
    world.pages[PAGE] = OLD
    invented = await world.hand_in(await world.node(), PAGE, words_of(666))
    await world.look()
    assert said_of(world, invented) == ("rejected", "differs_from_truth")
    assert await led(world, await world.node()) is None


async def test_who_is_not_in_good_standing_opens_nothing(tmp_path: Path) -> None:
    world = await world_of(tmp_path, msgspec.structs.replace(RULES, vest_audits=1))
    assert rows(world, sa.select(turned_pages)) == []


async def test_a_page_is_good_for_nothing_once_its_truth_is_published(tmp_path: Path) -> None:
    world = await world_of(tmp_path)
    world.close_epoch()
    assert await led(world, await world.node()) is None


@pytest.mark.parametrize("page", [OLD, OLD + " " + words_of(4, 20)])
async def test_what_changed_a_little_has_not_turned(tmp_path: Path, page: str) -> None:
    world = await world_of(tmp_path, page=page)
    assert rows(world, sa.select(turned_pages)) == []


def test_only_what_stood_for_long_can_turn() -> None:
    now, days = 100 * DAY_MS, RULES.turned_stood_ms // DAY_MS
    old, young = Held((99 - days) * DAY_MS, OLD), Held((101 - days) * DAY_MS, OLD)
    assert has_turned(RULES, [old], NEW, now)
    assert has_turned(RULES, [old, young], NEW, now)
    assert not has_turned(RULES, [young], NEW, now), "it was imported too lately"
    assert not has_turned(RULES, [], NEW, now)
    assert not has_turned(RULES, [old], "", now)
    assert not has_turned(RULES, [Held(old.fetched_at_ms, "")], NEW, now), "it was erased"
    assert not has_turned(RULES, [old, Held(now - DAY_MS, words_of(5))], NEW, now), "it changes all the time"
    half = " ".join(OLD.split()[:60] + NEW.split()[60:])
    assert not has_turned(RULES, [old], half, now)


@sqlite_alone
async def test_ingest_looks_imports_up_by_their_index(tmp_path: Path) -> None:
    """Each answer asks for them: the log of a network must not be read for that."""
    world = TrustWorld(tmp_path, rules=RULES)
    imported(world, OLD)
    asked: list[str] = []
    node = await world.node()
    with world.house.state.write() as connection:
        driver: Any = connection.connection.driver_connection
    driver.set_trace_callback(asked.append)  # the pool has this one writer
    await world.hand_in(node, PAGE, OLD)
    driver.set_trace_callback(None)
    (lookup,) = [said for said in asked if "'import'" in said and "SELECT" in said]
    with world.house.state.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {lookup}").all()
    assert any("imports_of_url" in row[-1] for row in plan), plan
