"""Appeals through the doors: spam and cheats first, then honest nodes, whose balance becomes as if nothing had been."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from real_house import Node, words_of
from trust_world import ALL_AUDITED, INVENTED, TrustWorld

from aggregator.verification.consequences.consequence_log import in_force
from aggregator.verification.standings.standing_rows import standing_of
from rewards.accountant import run_accountant
from rewards.ledger import balances
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SECOND_LOOK_MS

URL = "http://page.example/1"
PAGE = words_of(1)


async def rejected(world: TrustWorld, node: Node, text: str, *, page: str = PAGE) -> str:
    """Hand in a text that differs from what validators get, have it rejected and the epoch closed."""
    world.pages[URL] = page
    contribution_id = await world.hand_in(node, URL, text)
    await world.look()
    assert ("replaced", contribution_id) in world.followed(node)
    world.close_epoch()
    return contribution_id


async def refused(asking: Any) -> str:
    with pytest.raises(WindrowError) as error:
        await asking
    return error.value.code


class TestWhoMayAppeal:
    async def test_only_what_was_disclosed_is_mine_and_was_rejected(self, tmp_path) -> None:
        world = TrustWorld(tmp_path)
        node, other = await world.node(), await world.node()
        (fine,) = await world.work(node, 50, 1)
        world.pages[URL] = PAGE
        mine = await world.hand_in(node, URL, INVENTED)
        await world.look()
        assert await refused(world.appeal(node, mine)) == "not_appealable"  # its epoch is open
        world.close_epoch()
        assert await refused(world.appeal(other, mine)) == "not_appealable"
        assert await refused(world.appeal(node, fine)) == "not_appealable"
        assert await refused(world.appeal(node, "c" + "0" * 31)) == "not_appealable"
        assert await refused(world.appeal(Node(world.house), mine)) == "unknown_node"
        assert (await world.appeal(node, mine))["state"] == "waiting"

    async def test_once_for_each_verdict_and_so_many_at_a_time(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr("aggregator.verification.consequences.appeals.APPEALS_OPEN_MAX", 2)
        world = TrustWorld(tmp_path)
        node = await world.node()
        ids = []
        for number in range(3):
            url = f"http://spam{number}.example/"
            world.pages[url] = words_of(number)
            ids.append(await world.hand_in(node, url, words_of(800 + number)))
        await world.look()
        world.close_epoch()
        for contribution_id in ids[:-1]:
            await world.appeal(node, contribution_id)
        assert await refused(world.appeal(node, ids[-1])) == "too_many_appeals"
        assert (await world.appeal(node, ids[0]))["state"] == "waiting"  # the same again is the same
        await world.look()
        assert (await world.appeal(node, ids[0]))["state"] == "denied"  # and never looked at again
        assert (await world.appeal(node, ids[-1]))["state"] == "waiting"
        denied = [row for row in world.consequences(node) if row.kind == "appeal_denied"]
        assert sorted(row.contribution_id for row in denied) == sorted(ids[:-1])


class TestCheats:
    async def test_an_invention_is_denied_after_three_fresh_truths(self, tmp_path) -> None:
        world = TrustWorld(tmp_path)
        node = await world.node()
        contribution_id = await rejected(world, node, INVENTED)
        await world.appeal(node, contribution_id)
        await world.look()
        assert world.appeal_states(node) == {contribution_id: "denied"}
        assert world.followed(node)[-1] == ("appeal_denied", contribution_id)
        assert standing(world, node).frozen

    async def test_a_friend_among_the_validators_does_not_help(self, tmp_path) -> None:
        world = TrustWorld(tmp_path)
        node = await world.node()
        contribution_id = await rejected(world, node, INVENTED)
        world.lies[world.validators[0].node_id] = {URL: INVENTED}
        await world.appeal(node, contribution_id)
        await world.look()
        assert world.appeal_states(node) == {contribution_id: "denied"}

    async def test_an_invention_for_a_page_that_changes_a_little_is_denied(self, tmp_path) -> None:
        world = TrustWorld(tmp_path)
        node = await world.node()
        contribution_id = await rejected(world, node, INVENTED)
        world.pages[URL] = " ".join(PAGE.split()[:60]) + " " + words_of(77, 60)
        await world.appeal(node, contribution_id)
        await world.look()
        assert world.appeal_states(node) == {contribution_id: "denied"}

    async def test_a_lost_appeal_costs_three_fees(self, tmp_path) -> None:
        world = TrustWorld(tmp_path)
        node = await world.node()
        await world.work(node, 60, 3)
        world.pages[URL] = PAGE
        contribution_id = await world.hand_in(node, URL, INVENTED)
        await world.look_and_pay()
        world.close_epoch()
        run_accountant(world.house)
        before = account(world, "fines")
        await world.appeal(node, contribution_id)
        await world.look_and_pay()
        await world.work(node, 70, 1)
        await world.look_and_pay()
        world.close_epoch()
        run_accountant(world.house)
        assert account(world, "fines") - before == 3 * 10**18 // 20


class TestHonestNodes:
    async def test_a_text_that_was_right_is_restored(self, tmp_path) -> None:
        world = TrustWorld(tmp_path)
        node = await world.node()
        contribution_id = await rejected(world, node, PAGE, page=INVENTED)  # the validators' side was wrong
        world.pages[URL] = PAGE
        await world.appeal(node, contribution_id)
        await world.look()
        assert world.appeal_states(node) == {contribution_id: "granted"}
        kinds = [kind for kind, _ in world.followed(node)]
        assert kinds[:3] == ["replaced", "escalated", "strike"]
        assert sorted(kinds[3:]) == ["restored", "voided", "voided"]
        found = standing(world, node)
        assert (found.mismatches, found.strikes, found.frozen, found.suspicion) == (0, 0, False, 0.0)

    async def test_a_page_that_keeps_changing_is_held_against_nobody_and_is_a_trouble_of_its_host(
        self, tmp_path
    ) -> None:
        world = TrustWorld(tmp_path)
        node = await world.node()
        frame = words_of(1, 40)
        contribution_id = await rejected(
            world, node, f"{frame} {words_of(11, 80)}", page=f"{frame} {words_of(12, 80)}"
        )
        world.pages[URL] = f"{frame} {words_of(13, 80)}"
        await world.appeal(node, contribution_id)
        await world.look()
        assert world.appeal_states(node) == {contribution_id: "granted"}
        assert "restored" not in [kind for kind, _ in world.followed(node)]
        assert not standing(world, node).frozen

    async def test_validators_that_cannot_look_deny_nobody(self, tmp_path) -> None:
        world = TrustWorld(tmp_path)
        node = await world.node()
        contribution_id = await rejected(world, node, INVENTED)
        del world.pages[URL]
        await world.appeal(node, contribution_id)
        await world.look()
        assert world.appeal_states(node) == {contribution_id: "granted"}

    async def test_validators_that_never_come_deny_nobody(self, tmp_path) -> None:
        world = TrustWorld(tmp_path)
        node = await world.node()
        contribution_id = await rejected(world, node, INVENTED)
        await world.appeal(node, contribution_id)
        while world.pipeline.verify():
            pass
        assert world.appeal_states(node) == {contribution_id: "fetching"}
        world.clock.ahead_ms += SECOND_LOOK_MS
        while world.pipeline.verify():
            pass
        assert world.appeal_states(node) == {contribution_id: "granted"}


async def test_a_wrongful_penalty_leaves_the_balance_as_if_it_had_never_been(tmp_path) -> None:
    """The same work in two worlds: in one the validators' side is wrong twice, and the appeals are granted."""
    wronged = await worked(tmp_path / "wronged", wrong=True)
    spared = await worked(tmp_path / "spared", wrong=False)
    assert wronged == spared
    assert wronged["fines"] == 0


async def worked(home: Any, *, wrong: bool) -> dict[str, int]:
    """Four good pages, two that validators may get wrong, an appeal of each; return the balances by kind of account."""
    home.mkdir()
    world = TrustWorld(home, msgspec.structs.replace(ALL_AUDITED, fine_multiple=4))  # so that it takes all
    node = await world.node()
    await world.work(node, 20, 4)
    for number in (1, 2):
        world.pages[f"http://doubted{number}.example/"] = words_of(600 + number if wrong else 500 + number)
    ids = [
        await world.hand_in(node, f"http://doubted{number}.example/", words_of(500 + number))
        for number in (1, 2)
    ]
    await world.look_and_pay()
    world.close_epoch()
    run_accountant(world.house)
    assert (account(world, "fines") > 0) is wrong
    if wrong:
        for number, contribution_id in zip((1, 2), ids, strict=True):
            world.pages[f"http://doubted{number}.example/"] = words_of(500 + number)
            await world.appeal(node, contribution_id)
        await world.look()
        assert set(world.appeal_states(node).values()) == {"granted"}
        assert "begun_again" in [kind for kind, _ in world.followed(node)]
        with world.house.state.read() as connection:
            assert not {"fined", "begun_again"} & {row.kind for row in in_force(connection, node.node_id)}
    await world.work(node, 30, 1)
    await world.look_and_pay()
    world.close_epoch()
    run_accountant(world.house)
    found = {kind: account(world, kind) for kind in ("pending", "bond", "posted", "fines")}
    return {**found, "frozen": standing(world, node).frozen}


def account(world: TrustWorld, kind: str) -> int:
    with world.house.state.read() as connection:
        return sum(amount for name, amount in balances(connection).items() if name.split(":")[0] == kind)


def standing(world: TrustWorld, node: Node) -> Any:
    with world.house.state.read() as connection:
        return standing_of(connection, node.node_id)
