"""Pages of domains that nobody knows are leased as far as what is paid for them has room, and last otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from aggregator_world import World
from hypothesis import given
from hypothesis import strategies as st
from real_house import Node

from aggregator.assignment.frontier import add_urls
from aggregator.assignment.leases import issue_leases
from aggregator.assignment.lottery import given_on
from aggregator.assignment.unranked import (
    EPOCHS_REMEMBERED,
    LONGER_AT_FIRST,
    PAGES_TO_MEASURE,
    RoomUse,
    unranked_leases_left,
    unranked_share,
)
from storage.house import House
from storage.tables.contributions import leases, nodes
from storage.tables.pay import novelty_rooms
from windrow_protocol.messages import LeaseRequest
from windrow_protocol.ranked_domains import RankedDomains
from windrow_protocol.trust_rules import PPM, TrustRules

RULES = TrustRules()
CALM = RoomUse(known_paid_bytes=5e6, known_pages=1_000, unknown_asked_bytes=1e5, unknown_pages=20)
FLOOD = replace(CALM, unknown_asked_bytes=1e6)
ROOMY = {"young_leases_per_day": 10_000, "probation_documents": 1_000, "off": ("lease_limits",)}


@given(
    epochs=st.lists(
        st.builds(
            RoomUse,
            st.floats(0, 1e12),
            st.integers(0, 10**6),
            st.floats(0, 1e12),
            st.integers(0, 10**6),
        ),
        max_size=10,
    ),
    ppm=st.integers(0, PPM),
    known=st.integers(0, 10**7),
    unknown=st.integers(0, 10**6),
)
def test_a_share_is_never_negative_and_more_unknown_leases_leave_less_room(
    epochs: list[RoomUse], ppm: int, known: int, unknown: int
) -> None:
    rules = TrustRules(unranked_novelty_ppm=ppm)
    share = unranked_share(rules, epochs)
    assert share >= 0
    left = unranked_leases_left(rules, share, known, unknown)
    assert left >= unranked_leases_left(rules, share, known, unknown + 1) >= 0


def test_pages_of_the_mean_length_fill_their_share_and_longer_ones_are_leased_less() -> None:
    share = RULES.unranked_novelty_ppm / (PPM - RULES.unranked_novelty_ppm)
    assert unranked_share(RULES, []) == share / LONGER_AT_FIRST
    assert 0.8 * share < unranked_share(RULES, [CALM]) < share
    assert abs(unranked_share(RULES, [FLOOD]) - unranked_share(RULES, [CALM]) / 10) < 1e-12
    assert unranked_share(RULES, [FLOOD, *[CALM] * (EPOCHS_REMEMBERED - 1)]) == unranked_share(RULES, [FLOOD])
    assert unranked_share(RULES, [FLOOD, *[CALM] * EPOCHS_REMEMBERED]) == unranked_share(RULES, [CALM])
    tiny = replace(FLOOD, unknown_pages=PAGES_TO_MEASURE - 1)
    assert unranked_share(RULES, [tiny]) == unranked_share(RULES, []), "of a handful nothing is known"


def taken(house: House, node: Node, count: int) -> list[str]:
    """Give a node leases and return the hosts of their pages, in order."""
    with house.state.write() as connection:
        member = connection.execute(sa.select(nodes).where(nodes.c.node_id == node.node_id)).one()
        before = set(connection.execute(sa.select(leases.c.lease_id)).scalars())
        issue_leases(house, connection, member, LeaseRequest(count=count))
        rows = connection.execute(sa.select(leases.c.lease_id, leases.c.url)).all()
    return [row.url.split("/")[2] for row in rows if row.lease_id not in before]


async def world_of(home: Path, **rules: int) -> tuple[World, House, list[Node]]:
    """A house that knows 20 domains, with as many that it does not know, one page each."""
    world = World(home, rules=TrustRules(**ROOMY, **rules))  # type: ignore[arg-type]
    known = [f"known{number}.example" for number in range(20)]
    pages = [f"http://{domain}/" for domain in (*known, *(f"trap{number}.example" for number in range(20)))]
    with world.house.state.write() as connection:
        add_urls(connection, [(page, "http") for page in pages], world.house.now_ms())
    house = replace(world.house, ranked=RankedDomains.parse(known))
    return world, house, [await world.node() for _ in range(2)]


async def test_what_has_no_room_is_leased_only_when_nothing_else_is_left(tmp_path: Path) -> None:
    _, house, (node, other) = await world_of(tmp_path, unranked_leases_per_day=3)
    hosts = taken(house, node, 15) + taken(house, other, 50)
    is_trap = [host.startswith("trap") for host in hosts]
    assert len(hosts) == 40, "idle nodes get them all the same, for the fee"
    last_known = 39 - is_trap[::-1].index(False)
    assert sum(is_trap[:last_known]) <= 3
    with house.state.read() as connection:
        assert given_on(connection, house.now_ms()) == (40, 20)


async def test_without_the_cap_or_a_list_every_page_is_as_good(tmp_path: Path) -> None:
    world, house, (node, other) = await world_of(tmp_path, unranked_leases_per_day=0)
    free = replace(house, rules=TrustRules(unranked_leases_per_day=0, **{**ROOMY, "off": ("domain_caps",)}))  # type: ignore[arg-type]
    unlisted = world.house
    found = taken(free, node, 10) + taken(unlisted, other, 10)
    assert sum(host.startswith("trap") for host in found) > 3
    with house.state.read() as connection:
        assert given_on(connection, house.now_ms())[0] == 20


async def test_the_room_follows_from_what_was_priced(tmp_path: Path) -> None:
    _, house, (node, _) = await world_of(tmp_path, unranked_leases_per_day=0, unranked_novelty_ppm=500_000)
    with house.state.write() as connection:
        for scope, pages, asked in (("all", 60, 60_000), ("unranked", 30, 30_000)):
            values = {
                "epoch_id": 1,
                "scope": scope,
                "bytes_paid": asked,
                "bytes_asked": asked,
                "pages": pages,
            }
            connection.execute(sa.insert(novelty_rooms).values(values))
    assert all(host.startswith("known") for host in taken(house, node, 10)), "none was leased yet today"
    assert sum(host.startswith("trap") for host in taken(house, node, 12)) >= 4, "nine to ten of them"
