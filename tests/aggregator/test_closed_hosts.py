"""Hosts of one page each that shut validators out: what nobody could check earns its fee, and no more than that."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from real_house import Node, words_of
from trust_world import ALL_AUDITED, TrustWorld

from aggregator.verification.standings.standing_rows import doubtful_hosts
from storage.tables.contributions import verdicts
from windrow_protocol.messages import Lease, Outcome, Submission

# A quarter is drawn, so that some dozens of pages show what hundreds would at four in a hundred.
RULES = replace(
    ALL_AUDITED,
    doubled_ppm=0,
    probation_documents=0,
    audit_rate_min_ppm=250_000,
    audit_rate_max_ppm=250_000,
    hard_rate_ppm=250_000,
)


class WorldWithClosedHosts(TrustWorld):
    """Validators are refused wherever `closed` is part of the host's name, by those operators that `refused` names."""

    refused: frozenset[str] = frozenset({"operator-0", "operator-1", "operator-2"})
    how: Outcome = Outcome.BLOCKED

    def _answer(self, validator: object, lease: Lease) -> Submission | None:
        if "closed" in lease.url and validator.operator in self.refused:  # type: ignore[attr-defined]
            return validator.report(lease, self.how)  # type: ignore[attr-defined]
        return super()._answer(validator, lease)  # type: ignore[arg-type]


async def invented(world: TrustWorld, node: Node, count: int, host: str) -> None:
    """Have a node hand in a text that nobody wrote for each of some hosts, a few at a time."""
    for number in range(count):
        await world.hand_in(node, f"http://{host.format(number)}/page", words_of(50_000 + number))
        if number % 6 == 5:
            await world.look()
    await world.look()


def tally(world: TrustWorld, node: Node) -> dict[str, int]:
    """Count a node's verdicts: those that earn by the byte, those that earn the fee alone, those that earn nothing."""
    counts = {"novelty": 0, "fee": 0, "nothing": 0, "rejected": 0}
    for row in world.rows(verdicts, node, verdicts.c.seq):
        if row.verdict in ("accepted", "unaudited"):
            counts["fee" if row.reason == "hard_host" else "novelty"] += 1
        else:
            counts["rejected" if row.verdict == "rejected" else "nothing"] += 1
    return counts


def are_hard(world: TrustWorld, *hosts: str) -> list[bool]:
    keys = [f"http://{host}:80" for host in hosts]
    with world.house.state.read() as connection:
        found, _ = doubtful_hosts(connection, keys)
    return [key in found for key in keys]


async def test_one_page_hosts_of_one_domain_that_shut_validators_out_earn_the_fee_alone(
    tmp_path: Path,
) -> None:
    world = WorldWithClosedHosts(tmp_path, RULES)
    await world.validators_ready()
    node = await world.node()
    await invented(world, node, 60, "closed{}.ring.example")
    found = tally(world, node)
    assert sum(found.values()) == 60
    assert found["nothing"] >= 2
    assert found["novelty"] <= 30, (
        "two refusals of all operators, and the domain is hard where nobody ever got in"
    )
    assert are_hard(world, "closed999.ring.example") == [True]


async def test_hosts_that_say_nothing_to_validators_are_closed_too(tmp_path: Path) -> None:
    """The same without a refusal: connections of validators' addresses are left to time out."""
    world = WorldWithClosedHosts(tmp_path, replace(RULES, audit_rate_min_ppm=10**6, audit_rate_max_ppm=10**6))
    world.how = Outcome.TIMEOUT
    await world.validators_ready()
    honest, ring = await world.node(), await world.node()
    await world.work(honest, 1, 6)
    await world.look()  # every operator got a page of somebody else's
    await invented(world, ring, 4, "closed{}.ring.example")
    assert are_hard(world, "closed999.ring.example", "site1.example", "site99.example") == [
        True,
        False,
        False,
    ]


async def test_our_own_outage_closes_nobodys_domain(tmp_path: Path) -> None:
    world = WorldWithClosedHosts(tmp_path, replace(RULES, audit_rate_min_ppm=10**6, audit_rate_max_ppm=10**6))
    world.how = Outcome.TIMEOUT
    await world.validators_ready()
    node = await world.node()
    await invented(world, node, 8, "closed{}.unlucky.example")
    assert are_hard(world, "closed99.unlucky.example") == [False]


async def test_hosts_of_that_domain_which_validators_could_read_are_as_they_were(tmp_path: Path) -> None:
    """Somebody's pages beside a stranger's, on a host that rents names out."""
    world = WorldWithClosedHosts(tmp_path, replace(RULES, audit_rate_min_ppm=10**6, audit_rate_max_ppm=10**6))
    await world.validators_ready()
    honest, ring = await world.node(), await world.node()
    await world.hand_in(honest, "http://ada.rented.example/page", words_of(1))
    await world.look()
    await invented(world, ring, 6, "closed{}.rented.example")
    assert are_hard(world, "closed7.rented.example", "ada.rented.example", "ada.other.example") == [
        True,
        False,
        False,
    ]
    for number in range(2, 8):  # others that can be read: it was the ring, not the domain
        await world.hand_in(honest, f"http://bob{number}.rented.example/page", words_of(number))
        await world.look()
    assert are_hard(world, "carol.rented.example") == [False]


@pytest.mark.parametrize("who", ["operator-0", "operator-1"])
async def test_no_operator_alone_can_call_a_domain_closed(tmp_path: Path, who: str) -> None:
    rules = replace(RULES, audit_rate_min_ppm=10**6, audit_rate_max_ppm=10**6)
    world = WorldWithClosedHosts(tmp_path, rules)
    world.refused = frozenset({who})
    await world.validators_ready()
    node = await world.node()
    await invented(world, node, 8, "closed{}.slandered.example")
    assert are_hard(world, "closed99.slandered.example") == [False]
