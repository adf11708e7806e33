"""A real node as validator against a real house: it commits, draws, fetches, reveals, and outlives every kill."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from audit_world import MOST, AuditWorld
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from node_world import Coordinator, client_of, node, run_node, site, until
from real_house import PAYOUT

from aggregator.audit_routes import AuditDoors
from aggregator.verification.audits.judging import decide_audits
from aggregator.verification.audits.settling import settle_draws
from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from aggregator.verification.epochs.replay import replay
from contributor_node.identity import load_or_make_key
from contributor_node.validator import SECRETS_FILE, Secrets, Validator
from storage.tables.trust import audit_secrets, audits, draws
from windrow_protocol.audit_draw import commitment_of
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import public_id

PAGES = 6


class Killed(BaseException):
    """The process is gone."""


def kept(home: Path) -> Secrets:
    return msgspec.json.decode((home / SECRETS_FILE).read_bytes(), type=Secrets)


async def test_its_secret_lies_in_its_home_before_anybody_hears_of_it(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1, rules=MOST)
    home = tmp_path / "validator-0"
    heard: list[bool] = []
    ask = world.clients[0].ask

    async def listening(path: str, purpose: str, message: Any, kind: Any) -> Any:
        if path.endswith("commitments"):
            secrets = [each.secret for each in kept(home).epochs.values()]
            heard.append(message.commitment in {commitment_of(bytes.fromhex(each)) for each in secrets})
        return await ask(path, purpose, message, kind)

    world.clients[0].ask = listening  # type: ignore[method-assign]
    await world.ready()
    assert heard == [True, True]
    assert stat.S_IMODE((home / SECRETS_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("before", [True, False], ids=["before it is heard", "before the answer"])
async def test_killed_at_any_word_it_goes_on_with_the_same_secret_and_is_paid(
    tmp_path: Path, before: bool
) -> None:
    """Each request of a whole epoch is once the last thing a process does; the next one begins from its home."""
    world = AuditWorld(tmp_path, operators=1, rules=MOST)
    ask, left, kills = world.clients[0].ask, [1], 0

    async def dying(path: str, purpose: str, message: Any, kind: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and before:
            raise Killed
        answer = await ask(path, purpose, message, kind)
        if left[0] == 0:
            raise Killed
        return answer

    world.clients[0].ask = dying  # type: ignore[method-assign]

    async def draw_all() -> None:
        nonlocal kills
        for place in range(1, 30):
            left[0] = place
            world.drawing[0] = world.drawing_of(0)
            try:
                while await world.drawing[0].round():
                    pass
                left[0] = 0
                return
            except Killed:
                kills += 1

    await world._registered(world.validator)
    await draw_all()
    node = await world.node()
    truth = await world.hand_in(node, 6)
    await draw_all()
    world.draw_all = draw_all  # type: ignore[method-assign]
    found = replay(await world.close(truth))
    assert found.ok, found.first_difference
    assert [(row.reason, row.share_ppm) for row in found.dividends] == [("single_operator", 1_000_000)]
    assert kills > 8


async def test_where_its_digest_is_not_the_houses_it_reads_the_epoch_again(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1, rules=MOST)
    truth = await world.hand_in(await world.ready(), 6)
    await world.drawing[0].round()
    world.drawing[0]._kept.epochs[1].log_sha256 = "7" * 64
    end_epoch(world.house)
    with pytest.raises(WindrowError, match="wrong_log"):
        await world.drawing[0].round()
    await world.audit(truth)
    assert close_epochs(world.house, world.segments, world.house.rules.draw_wait_ms) == 0
    assert replay(tmp_path / "audits" / "1").ok
    assert [row.reason for row in replay(tmp_path / "audits" / "1").dividends] == ["single_operator"]


async def test_a_lost_secret_costs_that_epoch_and_not_the_next(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1, rules=MOST)
    node = await world.ready()
    (tmp_path / "validator-0" / SECRETS_FILE).unlink()
    world.drawing[0] = world.drawing_of(0)
    await world.draw_all()
    assert [each.lost for each in world.drawing[0]._kept.epochs.values()] == [True, True]
    for _ in range(2):
        await world.hand_in(node, 1)
        end_epoch(world.house)
        world.clock.ahead_ms += world.house.rules.draw_wait_ms + 1
        assert close_epochs(world.house, world.segments, world.house.rules.draw_wait_ms) == 0
        await world.draw_all()
    truth = await world.hand_in(node, 6)
    assert [row.reason for row in replay(await world.close(truth)).dividends] == ["single_operator"]


async def test_secrets_of_closed_epochs_are_forgotten(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1, rules=MOST)
    await world.close(await world.hand_in(await world.ready(), 2))
    await world.draw_all()
    assert sorted(kept(tmp_path / "validator-0").epochs) == [2, 3]


def test_a_damaged_secrets_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / SECRETS_FILE).write_text("{")
    with pytest.raises(WindrowError, match="bad_config"):
        Validator(tmp_path, None, 1.0)  # type: ignore[arg-type]


@asynccontextmanager
async def house_with(
    tmp_path: Path, validator: Ed25519PrivateKey
) -> AsyncIterator[tuple[AuditWorld, Coordinator]]:
    """Run a house on a port whose one validator has this key."""
    world = AuditWorld(tmp_path / "house", operators=1, rules=MOST)
    world.doors._validators = {public_id(validator): "ada"}
    running = Coordinator(world.house, world.doors)
    running.routes = [*world.doors.routes(), *AuditDoors(world.house).routes()]
    await running.up()
    try:
        yield world, running
    finally:
        await running.down()


async def test_a_real_node_validates_and_outlives_kill_9(tmp_path: Path) -> None:
    home = tmp_path / "validator"
    home.mkdir()
    key = load_or_make_key(home)
    (tmp_path / "house").mkdir()
    async with house_with(tmp_path, key) as (world, running), site() as pages:
        running.seed([f"{pages.base}/{n}" for n in range(PAGES)])
        async with node(home, running.url, "--validator", sites=(pages,)) as validating:
            await until(lambda: len(committed(world)) == 2, "both commitments")
            before = committed(world)
            async with node(tmp_path / "contributor", running.url, sites=(pages,)) as working:
                await until(lambda: len(working.receipts()) == PAGES, "all receipts")
            await until(lambda: drawn(world) > 0, "a draw")
            await validating.kill()
            await validating.start()
            await until(lambda: decided(world) == PAGES, "every audit")
            await validating.kill()
            end_epoch(world.house)
            await validating.start()
            await until(lambda: not close_epochs(world.house, world.segments, 10**9), "the reveal")
            assert validating.status["role"] == "validator"
            after = committed(world)
            assert {each: after[each] for each in before} == before
        found = replay(world.house.home / "audits" / "1")
        assert found.ok, found.first_difference
        assert [(row.operator, row.share_ppm) for row in found.dividends] == [("ada", 1_000_000)]
        assert (found.entries, found.mismatching) == (PAGES, 0)
        assert found.audited == found.drawn > 0


def committed(world: AuditWorld) -> dict[int, str]:
    with world.house.state.read() as connection:
        rows = connection.execute(sa.select(audit_secrets)).all()
    return {row.epoch_id: row.commitment for row in rows}


def drawn(world: AuditWorld) -> int:
    with world.house.state.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(draws)).scalar_one()


def decided(world: AuditWorld) -> int:
    """Let the house's stages work once and return how many audits are decided."""
    settle_draws(world.house)
    decide_audits(world.house, world.segments)
    with world.house.state.read() as connection:
        done = sa.select(sa.func.count()).where(audits.c.state == "decided")
        return connection.execute(done).scalar_one()


async def test_a_node_that_is_no_validator_says_whose_id_to_list(tmp_path: Path) -> None:
    async with house_with_nobody(tmp_path) as running:
        done = await asyncio.to_thread(
            run_node,
            *("--home", str(tmp_path / "node"), "--coordinator", running.url),
            *("--payout", PAYOUT, "--validator", "--poll-s", "0.2"),
        )
        client = await client_of(running, tmp_path / "other", load_or_make_key(tmp_path / "node"))
        assert done.returncode == 1
        assert "[not_a_validator]" in done.stderr
        assert client.node_id in done.stderr


@asynccontextmanager
async def house_with_nobody(tmp_path: Path) -> AsyncIterator[Coordinator]:
    (tmp_path / "house").mkdir()
    async with house_with(tmp_path, Ed25519PrivateKey.generate()) as (_, running):
        yield running
