"""A publisher's takedown: nobody is sent there any more, what is stored goes, and nothing of it is sold."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from aggregator_world import World
from hypothesis import given
from hypothesis import strategies as st

from aggregator.assignment.frontier import add_urls
from aggregator.assignment.pacing import leave_alone, paused_among
from aggregator.assignment.withheld import WithheldHosts
from aggregator.host_figures import host_figures
from aggregator.publish.sellable import sellable
from aggregator.takedowns import PURPOSE, Takedowns, host_named, token_of
from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from storage.tables.contributions import contributions, frontier
from storage.tables.hosts import host_orders
from storage.tables.lake import erasures
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HOST_WITHHELD_UNTIL_MS
from windrow_protocol.messages import LeaseRequest
from windrow_protocol.signing import verify
from windrow_protocol.trust_rules import DAY_MS

TEXT = "A page of some length that says something of its own, number {0}. " * 12


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path, operators=3)
    made.seed(6)  # two pages of each of h0, h1 and h2
    await made.validators_ready()
    return made


def takedowns(world: World) -> Takedowns:
    return Takedowns(world.house, world.pipeline.eraser)


def order(world: World, host: str = "h0.example", subdomains: bool = False) -> dict[str, object]:
    desk = takedowns(world)
    return desk.order(host, proof="a letter", reason="asked", subdomains=subdomains)


def texts(world: World) -> dict[str, str]:
    return {f"http://h{i % 3}.example/p{i}": TEXT.replace("{0}", str(i)) for i in range(6)}


async def handed_in(world: World) -> None:
    """Have a node answer every page, and everything be judged."""
    node = await world.node()
    leases = await world.take(node, 10)
    await node.submit(
        world.doors.submissions, [node.contribution(each, texts(world)[each.url]) for each in leases]
    )


def known(world: World, *urls: str) -> None:
    with world.house.state.write() as connection:
        add_urls(connection, [(url, "http") for url in urls], world.house.now_ms())


def states(world: World) -> dict[str, set[str]]:
    """Return the states of each host's pages."""
    with world.house.state.read() as connection:
        rows = connection.execute(sa.select(frontier.c.host_key, frontier.c.state)).all()
    hosts = {key.split("://")[1].split(":")[0] for key, _ in rows}
    return {host: {state for key, state in rows if f"://{host}:" in key} for host in hosts}


def closed(world: World) -> None:
    end_epoch(world.house)
    while close_epochs(world.house, world.segments, patience_ms=0):
        pass


def stored(world: World) -> set[str]:
    """Return the addresses of what is stored and not erased."""
    gone = sa.exists().where(erasures.c.contribution_id == contributions.c.contribution_id)
    with world.house.state.read() as connection:
        return set(connection.execute(sa.select(contributions.c.url).where(~gone)).scalars())


def on_sale(world: World) -> set[str]:
    with world.house.state.read() as connection:
        ids = sellable(connection, world.house.rules)["contribution_id"].to_pylist()
        of_ids = sa.select(contributions.c.url).where(contributions.c.contribution_id.in_(ids))
        return set(connection.execute(of_ids).scalars())


async def test_nobody_is_sent_to_it_any_more(world: World) -> None:
    assert order(world)["pages"] == 2
    leases = await world.take(await world.node(), 10)
    assert {each.url.split("/")[2] for each in leases} == {"h1.example", "h2.example"}


async def test_who_holds_a_lease_of_it_is_told_to_leave_it_alone(world: World) -> None:
    node = await world.node()
    held = await world.take(node, 10)
    assert any("h0.example" in each.url for each in held)
    order(world)
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    assert answer["paused"]["h0.example"] > max(each.expires_at_ms for each in held)


async def test_what_is_added_later_is_withheld_as_well_until_it_is_released(world: World) -> None:
    order(world)
    with world.house.state.write() as connection:
        add_urls(connection, [("http://h0.example/new", "http")], world.house.now_ms())
    assert len(await world.take(await world.node(), 10)) == 4
    assert takedowns(world).release("h0.example", "they changed their mind")["pages"] == 3
    assert any("h0.example" in each.url for each in await world.take(await world.node(), 10))


async def test_what_is_stored_goes_and_others_stay(world: World) -> None:
    await handed_in(world)
    await world.settle(texts(world))
    closed(world)
    assert len(on_sale(world)) == 6
    order(world)
    assert {url.split("/")[2] for url in on_sale(world)} == {"h1.example", "h2.example"}, (
        "before the bytes go"
    )
    assert takedowns(world).sweep() == 2
    assert takedowns(world).sweep() == 0
    assert {url.split("/")[2] for url in stored(world)} == {"h1.example", "h2.example"}
    for path in world.house.home.rglob("*"):
        assert not path.is_file() or b"number 0" not in path.read_bytes(), path


async def test_audits_of_it_end_without_evidence_and_then_it_goes(world: World) -> None:
    await handed_in(world)
    world._draw()
    world.pipeline.step()  # truths are wanted now
    order(world)
    world.pipeline.housekeeping()
    await world.settle({url: text for url, text in texts(world).items() if "h0.example" not in url})
    closed(world)
    takedowns(world).sweep()
    assert {url.split("/")[2] for url in stored(world)} == {"h1.example", "h2.example"}


async def test_what_cannot_go_yet_is_waiting_in_the_receipt_and_is_not_sold(world: World) -> None:
    await handed_in(world)
    order(world)
    assert takedowns(world).sweep() == 0, "its audit epoch is open"
    house = world.house
    said = verify(
        takedowns(world).receipt("h0.example"),
        purpose=PURPOSE,
        network=house.network,
        now_ms=house.now_ms(),
        signer=house.coordinator_id,
    )
    assert (said.subject, said.content["documents_erased"], said.content["documents_waiting"]) == (
        "h0.example",
        0,
        2,
    )


async def test_orders_are_a_log_and_an_order_is_given_once(world: World) -> None:
    order(world)
    with pytest.raises(WindrowError) as again:
        order(world)
    order(world, subdomains=True)  # that says more than the first
    takedowns(world).release("h0.example", "asked")
    with pytest.raises(WindrowError) as none:
        takedowns(world).release("h0.example", "asked")
    assert (again.value.code, none.value.code) == ("host_withheld", "not_withheld")
    with world.house.state.read() as connection:
        events = (
            connection.execute(sa.select(host_orders.c.event).order_by(host_orders.c.order_id))
            .scalars()
            .all()
        )
    assert events == ["takedown", "takedown", "release"]


@pytest.mark.parametrize(("proof", "reason"), [("", "asked"), ("a letter", " ")])
def test_an_order_needs_a_proof_and_a_reason(tmp_path: Path, proof: str, reason: str) -> None:
    with pytest.raises(WindrowError) as refused:
        takedowns(World(tmp_path)).order("h0.example", proof=proof, reason=reason)
    assert refused.value.code == "missing_reason"


@pytest.mark.parametrize(
    "text", ["https://a.example", "a.example/b", "u@a.example", "a b", "", "..", "a.example:0x50"]
)
def test_what_is_no_host_alone_is_refused(text: str) -> None:
    with pytest.raises(WindrowError) as refused:
        host_named(text)
    assert refused.value.code == "bad_url"


def test_a_token_is_the_host_s_alone(tmp_path: Path) -> None:
    house = World(tmp_path).house
    assert token_of(house, "a.example") != token_of(house, "b.example")
    assert host_named("A.Example.") == host_named("a.example:443") == "a.example"


LABELS = st.lists(st.sampled_from(["a", "b", "example", "org"]), min_size=1, max_size=4)


@given(LABELS, LABELS, st.booleans(), st.sampled_from(["", ":8080"]))
def test_an_order_covers_its_host_and_below_and_nothing_else(
    asked: list[str], other: list[str], subdomains: bool, port: str
) -> None:
    class Order:
        def __init__(self) -> None:
            self.subdomains = subdomains

    covered = WithheldHosts({".".join(asked): Order()}).covers(f"http://{'.'.join(other)}{port}/p")
    below = len(other) > len(asked) and other[-len(asked) :] == asked
    assert covered == (other == asked or (subdomains and below))


async def test_pages_of_several_hosts_below_one_go_together(world: World) -> None:
    known(world, "http://a.h0.example/", "https://a.b.h0.example:8443/", "http://ah0.example/")
    assert order(world, "h0.example", subdomains=True)["pages"] == 4
    assert {each.url.split("/")[2] for each in await world.take(await world.node(), 10)} == {
        "h1.example",
        "h2.example",
        "ah0.example",
    }


@pytest.mark.parametrize("host", ["example", "co.uk", "github.io", "org:8080"])
def test_hosts_of_many_owners_are_not_taken_down_together(tmp_path: Path, host: str) -> None:
    with pytest.raises(WindrowError) as refused:
        order(World(tmp_path), host, subdomains=True)
    assert refused.value.code == "public_suffix"


async def test_a_lease_that_lapses_opens_no_page_of_it(world: World) -> None:
    node = await world.node()
    assert any("h0.example" in each.url for each in await world.take(node, 10))
    assert order(world)["pages"] == 2, "the leased ones too"
    world.clock.ahead_ms += DAY_MS
    world.pipeline.housekeeping()
    assert states(world)["h0.example"] == {"withheld"}
    assert states(world)["h1.example"] == {"open"}


async def test_a_release_leaves_other_hosts_as_they_are(world: World) -> None:
    known(world, "http://a.h0.example/")
    order(world, "h0.example")
    order(world, "h0.example", subdomains=True)
    order(world, "a.h0.example")
    until_ms = world.house.now_ms() + 3_000_000
    with world.house.state.write() as connection:
        leave_alone(connection, {"h1.example"}, until_ms)  # as after a Retry-After
    assert takedowns(world).release("h0.example", "asked")["pages"] == 2
    with world.house.state.read() as connection:
        paused = paused_among(connection, {"h0.example", "a.h0.example", "h1.example"}, world.house.now_ms())
    assert paused == {"h1.example": until_ms, "a.h0.example": HOST_WITHHELD_UNTIL_MS}
    assert states(world)["a.h0.example"] == {"withheld"}, "an order of its own holds it"


async def test_more_orders_than_an_expression_has_terms(world: World) -> None:
    await handed_in(world)
    await world.settle(texts(world))
    closed(world)
    with world.house.state.write() as connection:
        rows = [
            {
                "host": f"x{n}.example",
                "event": "takedown",
                "subdomains": True,
                "at_ms": 1,
                "proof": "",
                "reason": "",
            }
            for n in range(1_200)
        ]
        connection.execute(sa.insert(host_orders), rows)
    order(world)
    world.pipeline.housekeeping()
    assert {url.split("/")[2] for url in on_sale(world)} == {"h1.example", "h2.example"}
    assert takedowns(world).sweep() == 2


def test_figures_of_a_host_go_through_no_table(tmp_path: Path) -> None:
    house, asked = World(tmp_path).house, list[str]()

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    with house.state.read() as connection:
        sa.event.listen(connection.engine, "before_cursor_execute", note)
        host_figures(connection, "h0.example", house.now_ms())
        sa.event.remove(connection.engine, "before_cursor_execute", note)
        of_pages = [each for each in asked if "frontier" in each]
        plans = [
            str(row.detail)
            for each in of_pages
            for row in connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {each}", tuple(0 for _ in range(each.count("?")))
            )
        ]
    assert of_pages
    assert not any("SCAN frontier" in each or "SCAN leases" in each for each in plans), plans
