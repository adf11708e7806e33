"""What is acknowledged is kept, what is not acknowledged is not, and nobody is answered for another's work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
import zstandard
from aggregator_world import World
from real_house import NETWORK, PAYOUT, Node, open_segments, words_of

from aggregator.assignment.closing import expire_leases
from aggregator.ingest import read_text
from aggregator.log_entries import GENESIS_HEAD, next_head
from storage.tables.contributions import contributions, frontier, leases, nodes, submissions
from storage.tables.trust import audits
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import BATCH_DECODED_BYTES_MAX
from windrow_protocol.messages import (
    LeaseRequest,
    Outcome,
    Receipt,
    Registration,
    encode_batch,
    unpack_bounded,
)
from windrow_protocol.signing import verify


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_receipt_fixes_the_place_of_a_record_in_the_log(world: World) -> None:
    world.seed(3)
    node = await world.node()
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=3))
    records = [
        node.contribution(lease, words_of(i)) for i, lease in enumerate(node.open_leases(answer["leases"]))
    ]
    results = await node.submit(world.doors.submissions, records)
    head = GENESIS_HEAD
    with world.house.state.read() as connection:
        rows = list(connection.execute(sa.select(submissions).order_by(submissions.c.seq)))
        texts = [read_text(connection, world.segments, row.seq) for row in rows]
    assert texts == [record.text for record in records]
    for result, row in zip(results, rows, strict=True):
        head = next_head(head, row.record_sha256)
        statement = verify(
            result["receipt"],
            signer=world.house.coordinator_id,
            network=NETWORK,
            purpose="receipt",
            subject=node.node_id,
            now_ms=world.house.now_ms(),
        )
        receipt = Receipt(**{**statement.content, "outcome": Outcome(statement.content["outcome"])})
        assert (receipt.seq, receipt.head) == (row.seq, head)


async def test_the_same_submission_again_gets_the_same_receipt_and_another_none(world: World) -> None:
    world.seed(1)
    node = await world.node()
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    (lease,) = node.open_leases(answer["leases"])
    record = node.contribution(lease, words_of(1))
    first = await node.submit(world.doors.submissions, [record, record])
    again = await node.submit(world.doors.submissions, [record])
    assert first[0]["receipt"] == first[1]["receipt"] == again[0]["receipt"]
    other = await node.submit(world.doors.submissions, [node.contribution(lease, words_of(2))])
    assert other[0]["error"] == "lease_closed"
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(submissions)).scalar() == 1


async def test_a_stranger_cannot_answer_another_nodes_lease(world: World) -> None:
    world.seed(1)
    owner, thief = await world.node(), await world.node()
    answer = await owner.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    (lease,) = owner.open_leases(answer["leases"])
    results = await thief.submit(world.doors.submissions, [thief.contribution(lease, words_of(1))])
    assert results[0]["error"] == "not_your_lease"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"text_sha256": "0" * 64}, "wrong_digest"),
        ({"text": "  two  blanks "}, "wrong_digest"),
        ({"text": ""}, "empty_text"),
        ({"extractor_version": "windrow-3/resiliparse-0.16.0"}, "old_extractor"),
        ({"extractor_version": "windrow-"}, "old_extractor"),
        ({"contribution_id": "c" + "0" * 31}, "wrong_contribution_id"),
        ({"url": "http://elsewhere.example/"}, "url_mismatch"),
        ({"lease_id": "l" + "0" * 31}, "unknown_lease"),
        ({"fetched_at_ms": 1_000}, "wrong_time"),
        ({"fetched_at_ms": 2**52}, "wrong_time"),
    ],
)
async def test_a_bent_record_is_refused_with_its_reason(
    world: World, changes: dict[str, Any], reason: str
) -> None:
    world.seed(2)
    node = await world.node()
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=2))
    bent, good = node.open_leases(answer["leases"])
    records = [node.contribution(bent, words_of(1), **changes), node.contribution(good, words_of(2))]
    results = await node.submit(world.doors.submissions, records)
    assert results[0]["error"] == reason
    assert results[1]["ok"], "one bad record must not cost the others"


@pytest.mark.parametrize("text", ["", "   \n\t "])
async def test_fetched_without_text_is_no_outcome(world: World, text: str) -> None:
    world.seed(1)
    node = await world.node()
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    (lease,) = node.open_leases(answer["leases"])
    results = await node.submit(world.doors.submissions, [node.report(lease, Outcome.FETCHED)])
    assert results[0]["error"] == "unknown_outcome"
    assert (await node.submit(world.doors.submissions, [node.contribution(lease, text)]))[0][
        "error"
    ] == "empty_text"


async def test_a_replayed_request_is_refused_and_changes_nothing(world: World) -> None:
    world.seed(1)
    node = await world.node()
    body = b'{"count":1}'
    request = node.request("lease_request", body)
    await world.doors.leases(request)
    with pytest.raises(WindrowError, match="replayed"):
        await world.doors.leases(request)
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(leases)).scalar() == 1


async def test_old_future_foreign_and_unsigned_requests_are_refused(world: World) -> None:
    node = await world.node()
    now = world.house.now_ms()
    for shifted in (now - 400_000, now + 400_000):
        with pytest.raises(WindrowError, match=r"clock_skew|signature_expired"):
            await world.doors.leases(node.request("lease_request", b'{"count":1}', now_ms=shifted))
    with pytest.raises(WindrowError, match="wrong_purpose"):
        await world.doors.leases(node.request("register", b'{"count":1}'))
    request = node.request("lease_request", b'{"count":1}')
    with pytest.raises(WindrowError, match="unsigned"):
        await world.doors.leases(type(request)("POST", "/", request.body))
    with pytest.raises(WindrowError, match="wrong_digest"):
        await world.doors.leases(type(request)("POST", "/", b'{"count":50}', headers=request.headers))


async def test_a_bomb_is_refused_before_it_grows(world: World) -> None:
    node = await world.node()
    bomb = zstandard.compress(b"\0" * (BATCH_DECODED_BYTES_MAX + 10))
    assert len(bomb) < 20_000
    with pytest.raises(WindrowError, match="decompression_bomb"):
        await world.doors.submissions(node.request("submit", bomb))
    with pytest.raises(WindrowError, match="bad_compression"):
        await world.doors.submissions(node.request("submit", b"not zstd at all"))


def test_a_batch_is_held_to_the_size_it_says_and_to_the_bound_where_it_says_none() -> None:
    data = b"a" * 100_000
    honest, silent = (
        zstandard.compress(data),
        zstandard.ZstdCompressor(write_content_size=False).compress(data),
    )
    for frame in (honest, silent):
        assert unpack_bounded(frame, 100_000) == data
        with pytest.raises(WindrowError, match="decompression_bomb"):
            unpack_bounded(frame, 99_999)
    assert honest[5:9] == len(data).to_bytes(4, "little")
    for said in (0, 1, 50, 99_999, 100_001, 2**31):
        with pytest.raises(WindrowError, match=r"bad_compression|decompression_bomb"):
            unpack_bounded(honest[:5] + said.to_bytes(4, "little") + honest[9:])


async def test_a_strangers_batch_is_not_even_unpacked(world: World) -> None:
    stranger = await world.node()
    with world.house.state.write() as connection:
        connection.execute(sa.update(nodes).values(state="left"))
    bomb = zstandard.compress(b"\0" * (BATCH_DECODED_BYTES_MAX + 10))
    with pytest.raises(WindrowError, match="node_left"):
        await world.doors.submissions(stranger.request("submit", bomb))


async def test_an_unparseable_line_is_answered_and_not_dropped(world: World) -> None:
    world.seed(1)
    node = await world.node()
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    (lease,) = node.open_leases(answer["leases"])
    good = zstandard.decompress(encode_batch([node.report(lease, Outcome.NOT_FOUND)]))
    body = zstandard.compress(b'{"kind":"nonsense"}\n{broken\n' + good)
    response = await world.doors.submissions(node.request("submit", body))
    results = msgspec.json.decode(response.body)["results"]
    assert [result.get("error", "ok") for result in results] == ["wrong_schema", "not_json", "ok"]


async def test_an_expired_lease_goes_to_somebody_else(tmp_path: Path) -> None:
    world = World(tmp_path, lease_life_ms=1)
    world.seed(1)
    slow, quick = await world.node(), await world.node()
    first = await slow.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    assert len(first["leases"]) == 1
    with world.house.state.write() as connection:
        connection.execute(sa.update(leases).values(expires_at_ms=1))
        assert expire_leases(world.house, connection) == 1
    world.clock.ahead_ms += 60_000  # past the host's next slot
    assert (await slow.ask(world.doors.leases, "lease_request", LeaseRequest(count=1)))["leases"] == []
    assert len((await quick.ask(world.doors.leases, "lease_request", LeaseRequest(count=1)))["leases"]) == 1


async def test_an_answer_on_its_way_when_its_lease_ends_is_taken(world: World) -> None:
    world.seed(1)
    node = await world.node()
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    (lease,) = node.open_leases(answer["leases"])
    with world.house.state.write() as connection:
        connection.execute(sa.update(leases).values(expires_at_ms=world.house.now_ms() - 5_000))
        assert expire_leases(world.house, connection) == 0
    assert (await node.submit(world.doors.submissions, [node.contribution(lease, words_of(1))]))[0]["ok"]


async def test_refusals_by_the_site_close_a_url_and_failures_open_it(world: World) -> None:
    world.seed(2)
    node = await world.node()
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=2))
    denied, slow = node.open_leases(answer["leases"])
    records = [node.report(denied, Outcome.ROBOTS_DENIED), node.report(slow, Outcome.TIMEOUT)]
    await node.submit(world.doors.submissions, records)
    with world.house.state.read() as connection:
        states = dict(connection.execute(sa.select(frontier.c.url, frontier.c.state)).fetchall())  # type: ignore[arg-type]
    assert states == {denied.url: "done", slow.url: "open"}


async def test_an_audit_lease_looks_like_work(world: World) -> None:
    world.seed(1)
    node = await world.node()
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    (work,) = node.open_leases(answer["leases"])
    await node.submit(world.doors.submissions, [node.contribution(work, words_of(1))])
    validator = world.validator
    registered = await validator.ask(world.doors.register, "register", Registration(payout_address=PAYOUT))
    assert registered["role"] == "validator"
    answer = await validator.ask(world.doors.leases, "lease_request", LeaseRequest(count=5))
    (audit,) = validator.open_leases(answer["leases"])
    assert (audit.url, audit.purpose, audit.render) == (work.url, work.purpose, work.render)
    await validator.submit(world.doors.submissions, [validator.contribution(audit, words_of(1))])
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(audits.c.state)).scalar() == "ready"
        kinds = sa.select(contributions.c.kind).order_by(contributions.c.seq)
        assert list(connection.execute(kinds).scalars()) == ["work", "truth"]


async def test_what_no_commit_vouches_for_is_cut_off_on_opening(world: World) -> None:
    world.seed(1)
    node = await world.node()
    answer = await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    await node.submit(
        world.doors.submissions, [node.contribution(node.open_leases(answer["leases"])[0], words_of(1))]
    )
    (segment,) = (world.house.home / "segments").glob("contributions-*")
    size = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(os.urandom(100))  # what a crash between write and commit leaves
    reopened = open_segments(world.house)
    assert segment.stat().st_size == size
    with world.house.state.read() as connection:
        assert read_text(connection, reopened, 1) == words_of(1)


async def test_unknown_nodes_and_changed_payouts_are_refused(world: World) -> None:
    stranger = Node(world.house)
    with pytest.raises(WindrowError, match="unknown_node"):
        await stranger.ask(world.doors.leases, "lease_request", LeaseRequest(count=1))
    node = await world.node()
    other = Registration(payout_address="0x" + "11" * 20)
    with pytest.raises(WindrowError, match="payout_fixed"):
        await node.ask(world.doors.register, "register", other)
    with pytest.raises(WindrowError, match="bad_payout_address"):
        await Node(world.house).ask(world.doors.register, "register", Registration(payout_address="0x12"))
