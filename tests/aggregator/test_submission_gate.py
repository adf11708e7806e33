"""A gate answers as the house's own door does, and tells the writer nothing that it could not have heard itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from aggregator_world import World
from real_house import NETWORK, Node, words_of

from aggregator.submission_gate import HANDED_IN, KNOWN, SubmissionGate
from storage.env import Request
from storage.http_server import answer_to_failure
from storage.tables.contributions import nodes, submissions
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Outcome, encode_batch
from windrow_protocol.signing import SIGNATURE_HEADER


class GatedWorld(World):
    """A house behind one gate, both in this process."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.told: list[int] = []
        self.gate = SubmissionGate(NETWORK, self.clock, self._tell)

    async def _tell(self, kind: int, body: bytes) -> tuple[int, bytes]:
        self.told.append(kind)
        door = {HANDED_IN: self.doors.handed_in, KNOWN: self.doors.known}[kind]
        try:
            answer = await door(Request("POST", "/v1/submissions", body))
        except Exception as error:
            answer = answer_to_failure("submissions", error)
        return answer.status, answer.body

    async def outcome(self, request: Request, *, gated: bool) -> Any:
        """Return the status and what is said, without times and receipts."""
        door = self.gate.submissions if gated else self.doors.submissions
        try:
            answer = await door(request)
        except Exception as error:
            answer = answer_to_failure("submissions", error)
        said = msgspec.json.decode(answer.body)
        said.pop("server_time_ms", None)
        for result in said.get("results", ()):
            if result.get("receipt"):
                result["receipt"] = "…"
        return answer.status, said


@pytest.fixture
def world(tmp_path: Path) -> GatedWorld:
    return GatedWorld(tmp_path)


BENT: list[dict[str, Any]] = [
    {},
    {"text_sha256": "0" * 64},
    {"text": "  two  blanks "},
    {"text": ""},
    {"contribution_id": "c" + "0" * 31},
    {"url": "http://elsewhere.example/"},
    {"lease_id": "l" + "0" * 31},
    {"fetched_at_ms": 2**52},
    {"url": "http://elsewhere.example/", "text": ""},
]


async def test_a_gate_gives_each_record_the_answer_of_the_door(world: GatedWorld) -> None:
    said = []
    for gated in (False, True):
        world.seed(60)
        node = await world.node()
        *leases, timed_out, fetched = await world.take(node, len(BENT) + 2)
        records = [
            msgspec.structs.replace(node.contribution(lease, words_of(n)), **changes)
            for n, (lease, changes) in enumerate(zip(leases, BENT, strict=True))
        ]
        reports = [node.report(timed_out, Outcome.TIMEOUT), node.report(fetched, Outcome.FETCHED)]
        request = node.request("submit", encode_batch([*records, *reports]))
        status, answer = await world.outcome(request, gated=gated)
        said.append([status, *([r["ok"], r.get("error"), sorted(r)] for r in answer["results"])])
        again = encode_batch([records[0], reports[0]])
        status, answer = await world.outcome(node.request("submit", again), gated=gated)
        said[-1].append([status, [r["ok"] for r in answer["results"]]])
    plain, gated_said = said
    assert gated_said == plain
    assert [each[1] for each in plain[1:-1]] == [
        *(None, "wrong_digest", "wrong_digest", "empty_text", "wrong_contribution_id"),
        *("url_mismatch", "unknown_lease", "wrong_time", "url_mismatch", None, "unknown_outcome"),
    ]


async def _signed(world: GatedWorld, case: str) -> Request:
    world.seed(3)
    node = Node(world.house) if case == "stranger" else await world.node()
    if case == "gone":
        with world.house.state.write() as connection:
            connection.execute(sa.update(nodes).where(nodes.c.node_id == node.node_id).values(state="left"))
    body = b"not zstd at all" if case in ("stranger", "gone", "unreadable") else encode_batch([])
    request = node.request("submit", body, nonce="n" * 65 if case == "long" else "")
    if case == "changed":
        return Request("POST", "/", request.body + b"x", headers=request.headers)
    if case == "unsigned":
        return Request("POST", "/", request.body)
    if case == "bent":
        token = request.headers[SIGNATURE_HEADER]
        return Request("POST", "/", request.body, headers={SIGNATURE_HEADER: token[:-4] + "AAAA"})
    return request


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("stranger", "unknown_node"),
        ("gone", "node_left"),
        ("unreadable", "bad_compression"),
        ("changed", "wrong_digest"),
        ("unsigned", "unsigned"),
        ("bent", "bad_signature"),
        ("long", "wrong_schema"),
    ],
)
async def test_a_gate_refuses_what_the_door_refuses(world: GatedWorld, case: str, code: str) -> None:
    request = await _signed(world, case)
    plain, gated = await world.outcome(request, gated=False), await world.outcome(request, gated=True)
    assert gated == plain
    assert gated[1]["error"] == code
    assert HANDED_IN not in world.told, "the writer had no work with it"


async def test_a_batch_counts_once_whichever_way_it_comes(world: GatedWorld) -> None:
    world.seed(3)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    body = encode_batch([node.contribution(lease, words_of(1))])
    request = node.request("submit", body)
    first = await world.gate.submissions(request)
    assert (await world.outcome(request, gated=True))[1]["error"] == "replayed"
    with pytest.raises(WindrowError, match="replayed"):
        await world.doors.submissions(request)
    ways = (world.gate.submissions, world.doors.submissions)
    answers = [first, *[await way(node.request("submit", body)) for way in ways]]
    assert len({msgspec.json.decode(answer.body)["results"][0]["receipt"] for answer in answers}) == 1
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(submissions)).scalar() == 1
    assert world.told == [KNOWN, HANDED_IN, HANDED_IN, KNOWN, HANDED_IN], "asked again after a refusal"
