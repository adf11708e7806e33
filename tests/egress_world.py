"""A house whose leases are all of control pages, nodes that speak from chosen addresses, and what they lack."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from aggregator_world import World
from real_house import PAYOUT, Node

from aggregator.assignment.allowance import Answered
from aggregator.assignment.earned_standing import lacking
from aggregator.roster import known_member
from aggregator.verification.audits.egress_challenges import note_fetch
from windrow_protocol.messages import Lease, Outcome, Registration
from windrow_protocol.trust_rules import PPM, TrustRules

HOSTS = tuple(f"http://127.0.{number}.8:8080" for number in range(21, 27))
# All leases are of control pages, what they show counts at once, and nothing but standing limits the leases.
PLAIN = TrustRules(
    canary_ppm=PPM,
    canary_pages_a_day=40,
    egress_told_after_ms=0,
    young_leases_per_day=10,
    young_lease_share_ppm=0,
    probation_documents=0,
    off=("lease_limits",),
)
_machines = count(1)


def world_of(home: Path, rules: TrustRules = PLAIN) -> World:
    world = World(home, rules=rules, canary_hosts=HOSTS)
    world.seed(400)
    return world


def far_address() -> str:
    """Return an IPv4 address of a /24 that no node speaks from."""
    return f"93.184.{next(_machines)}.7"


async def node_at(world: World, address: str) -> Node:
    node = Node(world.house, address=address)
    await node.ask(world.doors.register, "register", Registration(payout_address=PAYOUT))
    return node


async def challenged(world: World, node: Node, *fetched_from: str, times: int = 3) -> list[Lease]:
    """Have a node answer so many control leases, each page fetched from all these addresses."""
    leases = await world.take(node, times)
    for lease in leases:
        for address in fetched_from:
            note_fetch(world.house, lease.url, address)
    reports = [node.report(lease, Outcome.NOT_FOUND) for lease in leases]
    await node.submit(world.doors.submissions, list(reports))
    world.clock.ahead_ms += 20_000  # so that hosts have slots again
    return leases


def lacks(world: World, node: Node, answered: Answered | None = None) -> tuple[str, ...]:
    with world.house.state.read() as connection:
        member = known_member(connection, node.node_id)
        return lacking(world.house, connection, member, answered or Answered())


async def honest_crowd(world: World, nodes: int) -> list[Node]:
    crowd = [await world.node() for _ in range(nodes)]
    for node in crowd:
        await challenged(world, node, node.address)
    return crowd


async def neighbours(world: World, address: str, nodes: int) -> list[Node]:
    """Register nodes that speak from addresses of one /24."""
    network = address.rpartition(".")[0]
    return [await node_at(world, f"{network}.{number + 20}") for number in range(nodes)]
