"""Commitments, the log, draws and reveals through the doors: nobody can choose what is audited, nor hide it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from audit_world import AuditWorld

from aggregator.verification.drawing.audit_epochs import end_epoch, open_epoch, verdict_epoch
from aggregator.verification.drawing.draws import LAG_WAITS, drawing_validators, drawn_upto
from storage.tables.contributions import submissions
from storage.tables.trust import audit_secrets, draws
from windrow_protocol.audit_draw import commitment_of
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import (
    AuditCommitment,
    AuditDraws,
    AuditLog,
    AuditLogRequest,
    AuditReveal,
)

LOG, DRAWS = "/v1/audit/log", "/v1/audit/draws"
COMMITMENTS, REVEALS = "/v1/audit/commitments", "/v1/audit/reveals"


async def refused(code: str, asking: Any) -> None:
    with pytest.raises(WindrowError) as caught:
        await asking
    assert caught.value.code == code


async def log_of(world: AuditWorld, number: int = 0) -> AuditLog:
    return await world.clients[number].ask(LOG, "audit_log", AuditLogRequest(after_seq=0), AuditLog)


async def commit(world: AuditWorld, secret: bytes, epoch_id: int = 1) -> dict[str, int]:
    wish = AuditCommitment(epoch_id, commitment_of(secret))
    return await world.clients[0].ask(COMMITMENTS, "audit_commitment", wish, dict[str, int])


async def draw(world: AuditWorld, *lease_ids: str, epoch_id: int = 1, upto_seq: int = 99) -> None:
    said = AuditDraws(epoch_id, upto_seq, list(lease_ids))
    await world.clients[0].ask(DRAWS, "audit_draws", said, msgspec.Raw)


async def draw_nothing(world: AuditWorld, number: int) -> None:
    """Have a validator say that it is still where it was."""
    await world.clients[number].ask(DRAWS, "audit_draws", AuditDraws(1, 0, []), msgspec.Raw)


async def test_what_is_in_the_log_cannot_be_drawn_with_a_secret_chosen_later(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1)
    await world._registered(world.validator)
    node = await world.node()
    await world.hand_in(node, 3)
    before = (await log_of(world)).entries
    assert (await commit(world, b"s" * 32))["from_seq"] == before[-1].seq
    await refused("wrong_draw", draw(world, before[-1].lease_id))
    await world.hand_in(node, 2)
    after = (await log_of(world)).entries[len(before) :]
    assert len(after) == 2
    await draw(world, after[0].lease_id, upto_seq=after[0].seq)
    await refused("wrong_draw", draw(world, after[1].lease_id, upto_seq=after[0].seq))
    await refused("wrong_draw", draw(world, "l" + "0" * 31))
    with world.house.state.write() as connection:
        connection.execute(sa.delete(audit_secrets))
    await refused("no_commitment", draw(world, after[0].lease_id))


async def test_a_commitment_is_fixed_and_only_for_this_epoch_or_the_next(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1)
    await world._registered(world.validator)
    first = await commit(world, b"a" * 32)
    await world.hand_in(await world.node(), 2)
    assert await commit(world, b"a" * 32) == first, "saying it again moves nothing"
    await refused("commitment_fixed", commit(world, b"b" * 32))
    await commit(world, b"b" * 32, epoch_id=2)
    await refused("unknown_epoch", commit(world, b"c" * 32, epoch_id=3))
    await refused("unknown_epoch", commit(world, b"c" * 32, epoch_id=0))


async def test_the_log_tells_neither_node_nor_url_and_where_it_ends(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1)
    node = await world.ready()
    await world.hand_in(node, 5)
    page = await log_of(world)
    assert len(page.entries) == 5
    said = msgspec.json.encode(page).decode()
    assert node.node_id not in said
    assert "example" not in said
    assert "http" not in said
    with world.house.state.read() as connection:
        last = connection.execute(
            sa.select(submissions.c.seq, submissions.c.head).order_by(submissions.c.seq.desc())
        ).first()
    assert last is not None
    assert (page.upto_seq, page.head) == (last.seq, last.head)
    wish = AuditLogRequest(after_seq=0, count=2)
    short = await world.clients[0].ask(LOG, "audit_log", wish, AuditLog)
    assert short.entries == page.entries[:2]
    assert short.upto_seq == page.entries[1].seq


async def test_only_validators_may_ask(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1)
    node = await world.ready()
    asked: dict[str, tuple[str, Any]] = {
        LOG: ("audit_log", AuditLogRequest(after_seq=0)),
        COMMITMENTS: ("audit_commitment", AuditCommitment(1, "0" * 64)),
        DRAWS: ("audit_draws", AuditDraws(1, 1, [])),
        REVEALS: ("audit_reveal", AuditReveal(1, "0" * 64, 1, "0" * 64, "0" * 64)),
    }
    doors = {route.pattern: route.handle for route in world.routes}
    for path, (purpose, message) in asked.items():
        await refused("not_a_validator", node.ask(doors[path], purpose, message))


async def test_a_draw_said_twice_is_one_and_what_is_said_after_the_reveal_is_refused(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1)
    node = await world.ready()
    truth = await world.hand_in(node, 4)
    entries = (await log_of(world)).entries
    for _ in range(2):
        await draw(world, *(entry.lease_id for entry in entries))
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(draws)).scalar() == 4
    end_epoch(world.house)
    await world.audit(truth)
    await refused("unknown_epoch", draw(world, entries[0].lease_id))


async def test_a_reveal_is_checked_against_the_commitment_and_the_log(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1)
    node = await world.ready()
    await world.hand_in(node, 3)
    drawing = world.drawing[0]
    await drawing.round()
    secret = drawing._kept.epochs[1]
    head = (await log_of(world)).head
    good = AuditReveal(1, secret.secret, 4, head, secret.log_sha256)
    client = world.clients[0]

    async def reveal(said: AuditReveal) -> None:
        await client.ask(REVEALS, "audit_reveal", said, msgspec.Raw)

    with world.house.state.read() as connection:
        last_seq = connection.execute(sa.select(sa.func.max(submissions.c.seq))).scalar_one()
    good = msgspec.structs.replace(good, last_seq=last_seq)
    await refused("unknown_epoch", reveal(good))
    end_epoch(world.house)
    await refused("wrong_secret", reveal(msgspec.structs.replace(good, secret="7" * 64)))
    await refused("wrong_log", reveal(msgspec.structs.replace(good, log_sha256="7" * 64)))
    await refused("wrong_log", reveal(msgspec.structs.replace(good, head="7" * 64)))
    await refused("wrong_log", reveal(msgspec.structs.replace(good, last_seq=last_seq - 1)))
    await refused("no_commitment", _reveal_as_another(world, good))
    for _ in range(2):
        await reveal(good)


async def _reveal_as_another(world: AuditWorld, said: AuditReveal) -> None:
    with world.house.state.write() as connection:
        kept = connection.execute(sa.select(audit_secrets)).all()
        connection.execute(sa.delete(audit_secrets))
    try:
        await world.clients[0].ask(REVEALS, "audit_reveal", said, msgspec.Raw)
    finally:
        with world.house.state.write() as connection:
            connection.execute(sa.insert(audit_secrets), [dict(row._mapping) for row in kept])


async def test_the_silent_are_not_waited_for_unless_all_are_silent(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=3)
    node = await world.ready()
    await world.hand_in(node, 4)
    end = (await log_of(world)).upto_seq
    await world.drawing[0].round()

    def waits(ahead_ms: int = 0) -> tuple[int, int]:
        now = world.house.now_ms() + ahead_ms
        with world.house.state.read() as connection:
            return (
                drawn_upto(connection, world.house.rules, 1, now),
                drawing_validators(connection, world.house.rules, 1, now),
            )

    assert waits() == (0, 3), "two have drawn nothing"
    await world.drawing[1].round()
    await world.drawing[2].round()
    assert waits() == (end, 3)
    await world.hand_in(node, 2)
    world.clock.ahead_ms += world.house.rules.draw_wait_ms + 1
    assert waits() == (end, 3), "all are silent: what none has drawn past waits"
    await world.drawing[1].round()
    later = (await log_of(world, 1)).upto_seq
    assert waits() == (later, 1), "one is awake, so its draws are all there will be"


async def test_who_reads_the_log_and_never_draws_holds_nobody_s_pay_up(tmp_path: Path) -> None:
    """An operator could otherwise keep all audits of each epoch open until it is sealed, a day or two later."""
    world = AuditWorld(tmp_path, operators=3)
    node = await world.ready()
    await world.hand_in(node, 4)
    places = []
    for _ in range(LAG_WAITS * 2 + 2):
        end = (await log_of(world, 2)).upto_seq
        await draw_nothing(world, 2)
        await world.drawing[0].round()
        await world.drawing[1].round()
        with world.house.state.read() as connection:
            places.append(drawn_upto(connection, world.house.rules, 1, world.house.now_ms()))
        world.clock.ahead_ms += world.house.rules.draw_wait_ms // 2
    assert (places[0], places[-1]) == (0, end)
    await world.drawing[2].round()
    await world.hand_in(node, 2)
    await world.drawing[0].round()
    await world.drawing[1].round()
    with world.house.state.read() as connection:
        now_ms = world.house.now_ms()
        assert drawn_upto(connection, world.house.rules, 1, now_ms) == end, (
            "it has drawn, and is waited for again"
        )


async def test_verdicts_belong_to_their_entrys_epoch_until_it_is_sealed(tmp_path: Path) -> None:
    world = AuditWorld(tmp_path, operators=1)
    node = await world.ready()
    truth = await world.hand_in(node, 4)
    end_epoch(world.house)
    with world.house.state.write() as connection:
        assert (open_epoch(connection), verdict_epoch(connection, 1)) == (2, 1)
    await world.hand_in(node, 1)
    await world.close(truth | {})
    with world.house.state.write() as connection:
        assert verdict_epoch(connection, 1) == open_epoch(connection) == 3
