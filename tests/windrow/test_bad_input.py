"""Every kind of bad input, at a running house's doors and on the command line: one sentence, one remedy, one code.

The tables are the list of what a stranger, a hurried operator or a broken machine can do wrong.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import zstandard
from bad_input_world import HEX, MISTYPED, NOBODY, OTHER_PAYOUT, PAGE, PAYOUT, WISH, no_traceback
from running_house import Answered, HandNode, RunningHouse, windrow

from windrow_protocol.errors import REASONS
from windrow_protocol.limits import BATCH_DECODED_BYTES_MAX, BATCH_RECORDS_MAX, BATCH_WIRE_BYTES_MAX
from windrow_protocol.messages import contribution_id_for
from windrow_protocol.signing import SIGNATURE_HEADER

# --- the house's doors ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """The house, a registered node that holds one lease, and another registered node."""

    house: RunningHouse
    node: HandNode
    other: HandNode
    lease: dict[str, Any]

    def contribution(self, **changes: Any) -> dict[str, Any]:
        text = changes.get("text", "A page")
        return {
            "kind": "contribution",
            "contribution_id": contribution_id_for(self.lease["lease_id"], self.node.node_id),
            "lease_id": self.lease["lease_id"],
            "url": self.lease["url"],
            "final_url": self.lease["url"],
            "http_status": 200,
            "content_type": "text/html",
            "fetched_at_ms": self.lease["issued_at_ms"],
            "robots_state": "allowed",
            "optout_signals": [],
            "raw_sha256": HEX,
            "text": text,
            "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
            **changes,
        }

    def report(self, **changes: Any) -> dict[str, Any]:
        facts = {"lease_id": self.lease["lease_id"], "url": self.lease["url"], "outcome": "timeout"}
        return {"kind": "report", **facts, "fetched_at_ms": self.lease["issued_at_ms"], **changes}

    def submit(self, *records: dict[str, Any], node: HandNode | None = None) -> Answered:
        lines = b"\n".join(json.dumps(record).encode() for record in records)
        return (node or self.node).post("/v1/submissions", "submit", zstandard.compress(lines))


@pytest.fixture(scope="module")
def bench(house: RunningHouse) -> Bench:
    assert windrow("frontier", "add", PAGE, env=house.env).code == 0
    node, other = HandNode(house), HandNode(house)
    for each in (node, other):
        assert each.register(PAYOUT).status == 200
    token = node.post("/v1/leases", "lease_request", WISH).json["leases"][0]
    statement = json.loads(_unbase64(token.split(".")[1]))
    return Bench(house, node, other, statement["content"])


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signed_for_another_body(at: Bench) -> Answered:
    token = at.node.signature("lease_request", b'{"count": 2}')
    return at.house.ask("POST", "/v1/leases", WISH, {SIGNATURE_HEADER: token})


def _replayed(at: Bench) -> Answered:
    headers = {SIGNATURE_HEADER: at.node.signature("lease_request", WISH)}
    assert at.house.ask("POST", "/v1/leases", WISH, headers).status == 200
    return at.house.ask("POST", "/v1/leases", WISH, headers)


def _signed_by_another_key(at: Bench) -> Answered:
    mine = at.node.signature("lease_request", WISH).split(".")[0]
    theirs = at.other.signature("lease_request", WISH).split(".", 1)[1]
    return at.house.ask("POST", "/v1/leases", WISH, {SIGNATURE_HEADER: f"{mine}.{theirs}"})


def _announced(size_bytes: int, path: str) -> Callable[[Bench], Answered]:
    """Announce a body that is never sent: it must be refused before it is read."""
    return lambda at: at.house.ask("POST", path, headers={"Content-Length": str(size_bytes)})


def _chunked(at: Bench) -> Answered:
    """Send more than is allowed without announcing how much."""
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (70_000, b"x" * 70_000)
    with socket.create_connection(("127.0.0.1", at.house.port), timeout=60) as sender:
        sender.sendall(b"POST /v1/leases HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        with sender.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            size = 0
            while (line := answer.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                size = int(value) if name.lower() == b"content-length" else size
            return Answered(status, {}, answer.read(size))


def _coded(body: bytes, coding: str) -> Callable[[Bench], Answered]:
    return lambda at: at.house.ask("POST", "/v1/claims", body, {"Content-Encoding": coding})


def _batch(body: bytes) -> Callable[[Bench], Answered]:
    return lambda at: at.node.post("/v1/submissions", "submit", body)


def _wish(body: bytes, **changes: Any) -> Callable[[Bench], Answered]:
    return lambda at: at.node.post("/v1/leases", changes.pop("purpose", "lease_request"), body, **changes)


def _get(path: str) -> Callable[[Bench], Answered]:
    return lambda at: at.house.ask("GET", path)


def _post(path: str, body: bytes) -> Callable[[Bench], Answered]:
    return lambda at: at.house.ask("POST", path, body)


LINE = b'{"kind":"report"}\n'
DOORS: list[tuple[str, Callable[[Bench], Answered], str]] = [
    ("unsigned", _post("/v1/leases", WISH), "unsigned"),
    ("unsigned submission", _post("/v1/submissions", b""), "unsigned"),
    (
        "noise as signature",
        lambda at: at.house.ask("POST", "/v1/leases", WISH, {SIGNATURE_HEADER: "noise"}),
        "bad_signature",
    ),
    ("signed by another key", _signed_by_another_key, "bad_signature"),
    ("signed for another body", _signed_for_another_body, "wrong_digest"),
    ("signed for another purpose", _wish(WISH, purpose="submit"), "wrong_purpose"),
    ("signed for another network", _wish(WISH, network="elsewhere"), "wrong_network"),
    ("expired", _wish(WISH, age_ms=600_000), "signature_expired"),
    ("dated in the future", _wish(WISH, age_ms=-600_000), "clock_skew"),
    ("replayed", _replayed, "replayed"),
    ("oversized request", _announced(65_537, "/v1/leases"), "too_large"),
    ("oversized request, size not announced", _chunked, "too_large"),
    ("oversized batch", _announced(BATCH_WIRE_BYTES_MAX + 1, "/v1/submissions"), "too_large"),
    ("a body that is no gzip", _coded(b"{}", "gzip"), "coded_body"),
    ("a body within a gzip", _coded(gzip.compress(b"{}"), "gzip"), "coded_body"),
    ("too many records", _batch(zstandard.compress(LINE * (BATCH_RECORDS_MAX + 1))), "too_large"),
    ("zip bomb", _batch(zstandard.compress(bytes(BATCH_DECODED_BYTES_MAX + 1))), "decompression_bomb"),
    ("not zstd", _batch(b"plain text"), "bad_compression"),
    ("not JSON", _wish(b"count=1"), "not_json"),
    ("not UTF-8", lambda at: at.node.post("/v1/nodes", "register", b'{"payout_address": "\xff"}'), "not_json"),
    ("deeply nested JSON", _wish(b"[" * 60_000), "wrong_schema"),
    ("wrong schema", _wish(b'{"count": "many"}'), "wrong_schema"),
    ("unknown field", _wish(b'{"count": 1, "url": "http://example.org/"}'), "wrong_schema"),
    ("out of bounds", _wish(b'{"count": 100000}'), "wrong_schema"),
    ("a node nobody knows", lambda at: HandNode(at.house).post("/v1/leases", "lease_request", WISH), "unknown_node"),
    ("payout address without checksum", lambda at: HandNode(at.house).register(MISTYPED), "bad_payout_address"),
    ("another payout address", lambda at: at.node.register(OTHER_PAYOUT), "payout_fixed"),
    ("personal data of wrong shape", lambda at: at.node.post("/v1/personal", "personal", b"{}"), "wrong_schema"),
    ("unknown dataset", _get("/market/datasets/nosuch"), "unknown_dataset"),
    ("unknown dataset's page", _get("/market/nosuch"), "unknown_dataset"),
    ("an order of wrong shape", _post("/market/orders", b"{}"), "wrong_schema"),
    ("an order that is no JSON", _post("/market/orders", b"order"), "not_json"),
    ("an invented download token", _get("/market/download/token/manifest.json"), "bad_signature"),
    ("unknown epoch", _get("/v1/epochs/7/tree.json"), "not_found"),
    ("a path out of the house", _get("/v1/epochs/..%2f..%2fkeys/coordinator"), "not_found"),
    ("proof for nobody", _get(f"/v1/epochs/latest/proof/{PAYOUT}"), "not_found"),
    ("proof for no address", _get("/v1/epochs/latest/proof/0x12"), "bad_payout_address"),
    ("entries with a wrong limit", _get(f"/v1/accounts/{PAYOUT}/entries?limit=-1"), "wrong_schema"),
    ("claim for nobody", _post("/v1/claims", json.dumps({"account": PAYOUT}).encode()), "not_found"),
    ("claim that is no JSON", _post("/v1/claims", b"pay me"), "not_json"),
    ("a door that is none", _get("/v2/leases"), "not_found"),
    ("a method that is none", _get("/v1/leases"), "not_found"),
]  # fmt: skip


@pytest.mark.parametrize(("send", "code"), [row[1:] for row in DOORS], ids=[row[0] for row in DOORS])
def test_a_door_refuses_with_its_reason(bench: Bench, send: Callable[[Bench], Answered], code: str) -> None:
    answer = send(bench)
    assert answer.json["error"] == code, answer.json
    assert answer.status == REASONS[code].http_status
    assert 400 <= answer.status < 500
    assert answer.json["sentence"] == REASONS[code].sentence
    assert answer.json["remedy"]
    no_traceback(answer.body.decode(), bench.house.log.read_text())


@pytest.mark.parametrize(
    "sent",
    [
        b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nsecret word\r\n\r\n",
        b"POST /v1/claims HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnumber\r\n",
        b"POST /v1/claims HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",  # and then it hangs up
    ],
)
def test_what_is_no_http_fills_no_log(bench: Bench, sent: bytes) -> None:
    before = bench.house.log.stat().st_size
    with socket.create_connection(("127.0.0.1", bench.house.port), timeout=60) as sender:
        sender.sendall(sent)
        sender.shutdown(socket.SHUT_WR)
        while sender.recv(65_536):
            pass
    assert bench.house.ask("GET", "/v1/network").status == 200
    said = bench.house.log.read_bytes()[before:]
    assert said.count(b"\n") <= 1, said
    for word in (b"Traceback", b"File ", b"request_failed", b"127.0.0.1", b"secret"):
        assert word not in said


RECORDS: list[tuple[str, Callable[[Bench], Answered], str]] = [
    ("another node's lease", lambda at: at.submit(at.contribution(), node=at.other), "not_your_lease"),
    ("unknown lease", lambda at: at.submit(at.report(lease_id="l" + "0" * 31)), "unknown_lease"),
    ("another URL", lambda at: at.submit(at.contribution(url=f"{NOBODY}/other.html")), "url_mismatch"),
    ("another id", lambda at: at.submit(at.contribution(contribution_id="c" + "0" * 31)), "wrong_contribution_id"),
    ("no text", lambda at: at.submit(at.contribution(text="")), "empty_text"),
    ("another digest", lambda at: at.submit(at.contribution(text_sha256=HEX)), "wrong_digest"),
    ("text not in normal form", lambda at: at.submit(at.contribution(text="a  \r\n b")), "wrong_digest"),
    ("fetched without text", lambda at: at.submit(at.report(outcome="fetched")), "unknown_outcome"),
    ("an outcome that is none", lambda at: at.submit(at.report(outcome="bored")), "wrong_schema"),
    ("a kind that is none", lambda at: at.submit(at.report(kind="rumour")), "wrong_schema"),
    ("a line that is no JSON", _batch(zstandard.compress(b"a line")), "not_json"),
]  # fmt: skip


@pytest.mark.parametrize(("send", "code"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_a_record_is_refused_with_its_reason(
    bench: Bench, send: Callable[[Bench], Answered], code: str
) -> None:
    answer = send(bench)
    assert answer.status == 200  # the batch was read; each of its records has its own answer
    [result] = answer.json["results"]
    assert (result["ok"], result["error"]) == (False, code)
    assert result["remedy"]
    no_traceback(answer.body.decode(), bench.house.log.read_text())
