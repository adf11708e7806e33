"""What follows from verdicts, through the doors: fakes, bad luck, related nodes, hard hosts, suspension, kills."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa
from real_house import Node, words_of
from trust_world import ALL_AUDITED, INVENTED, NO_LOTTERY, TrustWorld

from aggregator.verification.consequences.folding import CURSOR, fold_verdicts
from aggregator.verification.standings.audit_rate import audit_rate_ppm
from aggregator.verification.standings.exposure import Exposures, documents_of
from aggregator.verification.standings.hosts import AGREEMENTS_TO_EASE
from aggregator.verification.standings.standing_rows import doubtful_hosts, host_standing_of, standing_of
from rewards.accountant import run_accountant
from storage.state import get_cursor
from storage.tables.contributions import ledger, verdicts
from storage.tables.trust import consequences, region_rates
from windrow_protocol.trust_rules import TrustRules


async def fake(world: TrustWorld, node, number: int) -> str:
    """Hand in an invention for a page of a host of its own."""
    url = f"http://faked{number}.example/page"
    world.pages[url] = words_of(5_000 + number)
    return await world.hand_in(node, url, words_of(9_000 + number))


async def trusted(world: TrustWorld, number: int) -> Node:
    """Return a node that has passed as many audits as its word takes to count."""
    node = await world.node()
    await world.work(node, number, 1)
    await world.look()
    return node


async def test_a_fake_is_replaced_and_costs_first_a_strike_then_fines(tmp_path) -> None:
    world = TrustWorld(tmp_path)
    node = await world.node()
    first, second = await fake(world, node, 1), await fake(world, node, 2)
    await world.look()
    assert world.followed(node) == [
        ("replaced", first),
        ("escalated", first),
        ("strike", first),
        ("replaced", second),
        ("fined", second),
    ]
    (fine,) = [row for row in world.consequences(node) if row.kind == "fined"]
    value = msgspec.json.decode(world.outcomes(node)[1].outcome)["value"]
    assert fine.documents_ppm == pytest.approx(2_000_000 * value, abs=2)  # all are audited: q is 1
    with world.house.state.read() as connection:
        assert standing_of(connection, node.node_id).frozen
        exposures = Exposures(connection, ALL_AUDITED, [node.node_id], [])
        assert exposures.of(node.node_id, "http://x:80", world.house.now_ms()).escalated


async def test_an_honest_node_has_no_consequences(tmp_path) -> None:
    world = TrustWorld(tmp_path)
    node = await world.node()
    await world.work(node, 1, 4)
    await world.look()
    assert world.followed(node) == []
    with world.house.state.read() as connection:
        standing = standing_of(connection, node.node_id)
        assert (standing.audits, standing.mismatches, standing.frozen) == (4, 0, False)
        assert documents_of(connection, node.node_id) == 4


async def test_probation_ends_by_what_passed_and_begins_again_when_a_fine_takes_all(tmp_path) -> None:
    """Handing in garbage is no way out of it."""
    world = TrustWorld(tmp_path)
    node = await world.node()
    await fake(world, node, 1)
    await world.work(node, 1, 1)
    await world.look()
    assert probation_documents(world, node) == 1
    await fake(world, node, 2)
    await world.look()
    kinds = [kind for kind, _ in world.followed(node)]
    assert kinds[-2:] == ["fined", "begun_again"]
    assert probation_documents(world, node) == 0


@pytest.mark.parametrize("paid_first", [0, 2])
async def test_a_fine_that_leaves_something_of_an_unpriced_day_begins_nothing_again(
    tmp_path, paid_first: int
) -> None:
    """Nothing of a newcomer's first epoch is in the ledger yet: an honest one would owe its bond twice for bad luck."""
    world = TrustWorld(tmp_path)
    node = await world.node()
    await world.work(node, 50, paid_first)
    if paid_first:
        await world.look_and_pay()
        world.close_epoch()
        run_accountant(world.house)
    await fake(world, node, 1)
    await world.work(node, 1, 5)
    await fake(world, node, 2)
    await world.look()
    kinds = [kind for kind, _ in world.followed(node)]
    assert kinds.count("fined") == 1
    assert "begun_again" not in kinds
    assert probation_documents(world, node) == paid_first + 5


def probation_documents(world: TrustWorld, node: Node) -> int:
    with world.house.state.read() as connection:
        exposures = Exposures(connection, ALL_AUDITED, [node.node_id], [])
        return exposures.of(node.node_id, "http://x:80", world.house.now_ms()).documents


async def test_ten_bad_pages_of_one_site_are_one_piece_of_bad_luck(tmp_path) -> None:
    world = TrustWorld(tmp_path)
    node = await world.node()
    for number in range(4):
        url = f"http://www{number}.same.example/page"
        world.pages[url] = words_of(5_000 + number)
        await world.hand_in(node, url, words_of(9_000 + number))
    await world.look()
    kinds = [kind for kind, _ in world.followed(node)]
    assert kinds.count("replaced") == 4
    assert kinds.count("strike") == 1
    assert "fined" not in kinds


async def test_two_unrelated_nodes_that_differ_on_one_host_are_both_cleared(tmp_path) -> None:
    """The page, not they, differs: for instance by address."""
    world = TrustWorld(tmp_path)
    first, second = await trusted(world, 1), await trusted(world, 2)
    urls = [f"http://personal.example/{n}" for n in range(2)]
    for number, url in enumerate(urls):
        world.pages[url] = words_of(5_000 + number)
    told_first = await world.hand_in(first, urls[0], words_of(9_001))
    await world.look()
    assert ("strike", told_first) in world.followed(first)
    told_second = await world.hand_in(second, urls[1], words_of(9_002))
    await world.look()
    with world.house.state.read() as connection:
        assert doubtful_hosts(connection, ["http://personal.example:80"]) == (
            set(),
            {"http://personal.example:80"},
        )
        for node in (first, second):
            standing = standing_of(connection, node.node_id)
            assert (standing.mismatches, standing.strikes, standing.frozen) == (0, 0, False)
        (fleet,) = connection.execute(sa.select(region_rates))
        assert fleet.mismatches == 0
    assert world.followed(second) == [("voided", told_second)]
    undone = {row.undoes for row in world.consequences(first) if row.kind == "voided"}
    assert undone == {
        row.consequence_id for row in world.consequences(first) if row.kind in ("strike", "escalated")
    }


async def test_where_readers_differ_all_is_looked_at_and_an_honest_reader_is_paid_in_full(tmp_path) -> None:
    """A ring can bring two mismatches about on any host, free of charge: both are void. It must not cost the others."""
    rules = TrustRules(probation_documents=0, vest_age_ms=0, vest_audits=1, off=NO_LOTTERY)
    world = TrustWorld(
        tmp_path, msgspec.structs.replace(rules, audit_rate_min_ppm=10**6, audit_rate_max_ppm=10**6)
    )
    nodes = [await trusted(world, number) for number in (1, 2, 3)]
    for number, node in enumerate(nodes[:2]):
        world.pages[f"http://slandered.example/{number}"] = words_of(5_000 + number)
        await world.hand_in(node, f"http://slandered.example/{number}", words_of(9_000 + number))
    await world.look()
    with world.house.state.read() as connection:
        exposures = Exposures(connection, rules, [nodes[2].node_id], ["http://slandered.example:80"])
        exposure = exposures.of(nodes[2].node_id, "http://slandered.example:80", world.house.now_ms())
        assert audit_rate_ppm(rules, exposure) == 10**6
    good = await world.hand_in(nodes[2], "http://slandered.example/true", words_of(6_000))
    world.pages["http://slandered.example/false"] = words_of(6_001)
    bad = await world.hand_in(nodes[2], "http://slandered.example/false", words_of(9_003))
    await world.look_and_pay()
    world.close_epoch()
    run_accountant(world.house)
    with world.house.state.read() as connection:
        paid = {
            (row.cause, row.reason): row.amount
            for row in connection.execute(sa.select(ledger))
            if row.cause in (good, bad)
        }
    assert paid[good, "novelty"] > 0
    assert {amount for (cause, _), amount in paid.items() if cause == bad} == {0}


async def test_a_host_that_two_nodes_made_hard_is_easy_again_when_others_read_what_validators_do(
    tmp_path,
) -> None:
    rules = msgspec.structs.replace(
        ALL_AUDITED, doubled_ppm=0, probation_documents=0, audit_rate_min_ppm=10**6, audit_rate_max_ppm=10**6
    )
    world = TrustWorld(tmp_path, rules)
    nodes = [await trusted(world, number) for number in (1, 2, 3)]
    for number, node in enumerate(nodes[:2]):
        url = f"http://slandered.example/{number}"
        world.pages[url] = words_of(5_000 + number)
        await world.hand_in(node, url, words_of(9_000 + number))
    await world.look()
    hard = []
    for number in range(AGREEMENTS_TO_EASE + 1):
        with world.house.state.read() as connection:
            hard.append(any(doubtful_hosts(connection, ["http://slandered.example:80"])))
        await world.hand_in(nodes[2], f"http://slandered.example/true/{number}", words_of(6_000 + number))
        await world.look()
    assert hard == [True] * AGREEMENTS_TO_EASE + [False]


async def test_a_flood_of_new_identities_cannot_excuse_itself(tmp_path) -> None:
    world = TrustWorld(tmp_path)
    for number in range(2):
        node = await world.node()
        url = f"http://flooded.example/{number}"
        world.pages[url] = words_of(5_000 + number)
        await world.hand_in(node, url, words_of(9_000 + number))
        await world.look()
        assert [kind for kind, _ in world.followed(node)] == ["replaced", "escalated", "strike"]
    with world.house.state.read() as connection:
        assert not any(doubtful_hosts(connection, ["http://flooded.example:80"]))
        assert connection.execute(sa.select(region_rates)).first() is None


async def test_one_owner_cannot_void_a_mismatch_with_a_second_node(tmp_path) -> None:
    world = TrustWorld(tmp_path)
    first, second = await trusted(world, 1), await trusted(world, 2)
    with world.house.state.write() as connection:
        connection.exec_driver_sql("UPDATE nodes SET owner = '0xsame' WHERE role = 'contributor'")
    for number, node in enumerate((first, second)):
        url = f"http://one.example/{number}"
        world.pages[url] = words_of(5_000 + number)
        await world.hand_in(node, url, words_of(9_000 + number))
    await world.look()
    assert [kind for kind, _ in world.followed(first)] == ["replaced", "escalated", "strike"]
    assert [kind for kind, _ in world.followed(second)] == ["replaced", "escalated", "strike"]


async def test_a_lying_validator_makes_no_mismatch_and_no_hard_host(tmp_path) -> None:
    world = TrustWorld(tmp_path)
    node = await world.node()
    liar = world.validators[0]
    urls = [f"http://slandered.example/{n}" for n in range(6)]
    world.lies[liar.node_id] = {url: words_of(7_000 + n) for n, url in enumerate(urls)}
    for number, url in enumerate(urls):
        await world.hand_in(node, url, words_of(number))
    await world.look()
    assert world.followed(node) == []
    with world.house.state.read() as connection:
        assert not host_standing_of(connection, "http://slandered.example:80").hard


@pytest.mark.parametrize("enforced", [False, True])
async def test_mismatches_that_cannot_be_chance_suspend_or_would(tmp_path, enforced: bool) -> None:
    rules = msgspec.structs.replace(ALL_AUDITED, suspension_enforced=enforced)
    world = TrustWorld(tmp_path, rules)
    node = await world.node()
    for number in range(6):
        await fake(world, node, number)
    await world.look()
    kinds = [kind for kind, _ in world.followed(node)]
    assert kinds.count("suspended") == (1 if enforced else 0)
    assert kinds.count("would_suspend") == (0 if enforced else 1)
    with world.house.state.read() as connection:
        assert standing_of(connection, node.node_id).suspended is enforced


async def test_folding_again_after_a_kill_writes_nothing_twice(tmp_path) -> None:
    """The cursor is in the transaction of the rows: folding from any kept state gives the same log."""
    world = TrustWorld(tmp_path)
    node = await world.node()
    for number in range(3):
        await fake(world, node, number)
    await world.look()
    before = [tuple(row) for row in world.consequences(node)]
    assert fold_verdicts(world.house, world.segments) == 0
    assert [tuple(row) for row in world.consequences(node)] == before
    with world.house.state.read() as connection:
        last = connection.execute(sa.select(sa.func.max(verdicts.c.decided_seq))).scalar()
        assert get_cursor(connection, CURSOR) == last


async def test_a_crash_within_a_fold_leaves_nothing_of_it(tmp_path, monkeypatch) -> None:
    world = TrustWorld(tmp_path)
    node = await world.node()
    await fake(world, node, 1)
    with monkeypatch.context() as patch:
        patch.setattr("aggregator.verification.consequences.folding.set_cursor", _fail)
        with pytest.raises(RuntimeError):
            await world.look()
        assert world.followed(node) == []
        assert world.outcomes(node) == []
    await world.look()
    assert [kind for kind, _ in world.followed(node)] == ["replaced", "escalated", "strike"]


def _fail(*_: object) -> None:
    raise RuntimeError("killed here")


async def test_padding_beyond_what_its_host_adds_shrinks_what_is_pending(tmp_path) -> None:
    world = TrustWorld(tmp_path)
    node = await world.node()
    for number in range(4):
        page = words_of(number)
        url = f"http://padded{number}.example/page"
        world.pages[url] = page
        await world.hand_in(node, url, page + " " + words_of(9_000 + number, 70))
    await world.look()
    rows = [row for row in world.consequences(node) if row.kind == "padding"]
    assert len(rows) == 1  # each counts 0.15 beyond a slack of 0.03: the fourth one reaches the alarm of 0.4
    assert 600_000 < rows[0].share_ppm < 900_000  # twice the mean excess of 0.37


@pytest.mark.parametrize("defence", ["fines", "escalation", "replacement", "suspension", "padding"])
async def test_a_defence_that_is_off_leaves_no_row(tmp_path, defence: str) -> None:
    rules = msgspec.structs.replace(ALL_AUDITED, off=(*NO_LOTTERY, defence))
    world = TrustWorld(tmp_path, rules)
    node = await world.node()
    for number in range(3):
        await fake(world, node, number)
    await world.look()
    gone = {"fines": "fined", "escalation": "escalated", "replacement": "replaced", "padding": "padding"}
    kinds = {kind for kind, _ in world.followed(node)}
    assert gone.get(defence, "would_suspend") not in kinds


async def test_control_pages_that_were_not_fetched_cost_what_the_chance_of_them_is_worth(tmp_path) -> None:
    """Two cheats that fail on one host of control pages do not excuse each other: there the house knows the text."""
    rules = msgspec.structs.replace(ALL_AUDITED, canary_ppm=1_000_000)
    world = TrustWorld(tmp_path, rules, canary_hosts=("http://one.example", "http://two.example"))
    world.seed(60)  # a control page is given in the place of a page
    ids = []
    for node in (await world.node(), await world.node()):
        for _ in range(20):
            for lease in await world.take(node, 2):
                record = node.contribution(lease, INVENTED)
                await node.submit(world.doors.submissions, [record])
                ids.append(record.contribution_id)
            world.clock.ahead_ms += 10_000
            await world.look()
            if len({row.host_key for row in world.outcomes(node)}) == 2:
                break
        kinds = [kind for kind, _ in world.followed(node)]
        assert kinds == ["escalated", "fined", "fined"], "whoever fetched it knows it: the first is not free"
        fines = {row.documents_ppm for row in world.consequences(node) if row.kind == "fined"}
        assert fines == {rules.fine_multiple * 1_000_000 * 1_000_000 // rules.canary_caught_ppm}
    world.close_epoch()
    await world.appeal(node, ids[-1])
    await world.look()
    assert world.appeal_states(node) == {ids[-1]: "denied"}


async def test_undrawn_work_and_invented_ids_leave_standings_alone(tmp_path) -> None:
    rules = TrustRules(probation_documents=0, audit_rate_min_ppm=0, audit_rate_max_ppm=0, off=NO_LOTTERY)
    world = TrustWorld(tmp_path, rules)
    node = await world.node()
    await world.hand_in(node, "http://quiet.example/1", INVENTED)
    await world.look()
    with world.house.state.read() as connection:
        assert standing_of(connection, node.node_id).audits == 0
        assert connection.execute(sa.select(consequences)).first() is None
        assert get_cursor(connection, CURSOR) == 1
