"""A real process on a real disk, killed with SIGKILL at random moments: nothing acknowledged lost, nothing taken twice.

A forked child opens the house as at any start and takes batches through a socket; its parent sends, kills it when the
seed says, starts the next and sends again whatever was not acknowledged. The child is forked from a process
that has everything loaded and no database open, so that a life costs milliseconds.

Usage: `python killed_process.py KILLS SEED` prints one JSON line (the folder of the checkout's `tests` on the path).
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from honest_records import honest_record

from aggregator.ingest import Ingest
from aggregator.log_entries import GENESIS_HEAD, next_head
from aggregator.requests import Caller
from storage.house import House
from storage.real_env import real_env
from storage.segments import Place, Segments
from storage.state import State, insert_once, sqlite_url
from storage.tables.contributions import leases, nodes, nonces, submissions
from windrow_protocol.content import text_sha256
from windrow_protocol.messages import Contribution, canonical_record, encode_batch
from windrow_protocol.signing import Statement, verify

NETWORK = "windrow-killed"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NODES = [hashlib.sha256(f"node {number}".encode()).hexdigest() for number in range(8)]
PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
WINDOW = 8  # batches on their way at a time
OPENING_S_MAX = 0.06  # a third of the kills come so soon after the fork
WORKING_S_MAX = 0.03  # the others so soon after the first answer
STUCK_S = 30.0  # a child that has said nothing for so long never will
_LENGTH = struct.Struct(">I")


@dataclass
class Tally:
    """What the parent knows."""

    waiting: dict[str, Contribution] = field(default_factory=dict)
    receipts: dict[str, tuple[Contribution, str]] = field(default_factory=dict)
    kills: int = 0
    killed_opening: int = 0
    nonce: int = 0
    changed: int = 0
    refused: list[str] = field(default_factory=list)


def open_house(home: Path) -> House:
    """Open the house as at any start."""
    return House(real_env(), State.open(sqlite_url(home / "state.db")), home, NETWORK, KEY)


def issue(home: Path, count: int, first: int) -> list[Contribution]:
    """Write nodes and leases, which are not what is tested here, and return what their nodes will answer."""
    house = open_house(home)
    now = house.now_ms()
    records = []
    with house.state.write() as connection:
        for node_id in NODES:
            insert_once(
                connection,
                nodes,
                node_id=node_id,
                role="contributor",
                payout_address=PAYOUT,
                agent="killed/1",
                region="",
                prefix="127.0.0.0/24",
                registered_at_ms=now,
            )
        for number in range(first, first + count):
            node_id, lease_id = NODES[number % len(NODES)], f"l{number:031x}"
            url = f"http://site.example/{number}"
            connection.execute(
                sa.insert(leases).values(
                    lease_id=lease_id,
                    url_id=text_sha256(url),
                    url=url,
                    node_id=node_id,
                    kind="work",
                    state="leased",
                    render="http",
                    nonce=f"n{number}",
                    issued_at_ms=now,
                    expires_at_ms=now + 86_400_000,
                )
            )
            records.append(_record(number, lease_id, node_id, url, now))
    house.state.close()
    return records


def _record(number: int, lease_id: str, node_id: str, url: str, now_ms: int) -> Contribution:
    text = " ".join(f"w{number}x{place}" for place in range(50 + number % 400))
    return honest_record(node_id, lease_id, url, text, now_ms)


def serve(home: Path, door: socket.socket) -> None:
    """One life of the child: open, then take whatever has arrived in one commit, for ever."""
    house = open_house(home)
    with house.state.read() as connection:
        segments = Segments(house.env.disk, home / "segments", "contributions", connection)
    ingest = Ingest(house, segments)
    while True:
        batches = [pickle.loads(_receive(door))]
        while select.select([door], [], [], 0)[0]:
            batches.append(pickle.loads(_receive(door)))
        now = house.now_ms()
        callers = [
            Caller(node, Statement(NETWORK, "submit", node, now, now + 60_000, nonce))
            for node, nonce, _ in batches
        ]
        answers = ingest.accept_together(
            [(caller, body) for caller, (_, _, body) in zip(callers, batches, strict=True)]
        )
        for answer in answers:
            _send(door, pickle.dumps(str(answer) if isinstance(answer, Exception) else answer))


def _send(door: socket.socket, data: bytes) -> None:
    door.sendall(_LENGTH.pack(len(data)) + data)


def _receive(door: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(door, _LENGTH.size))
    return _exactly(door, length)


def _exactly(door: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = door.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def one_life(home: Path, tally: Tally, randomness: Random) -> None:
    """Fork a child, send it what waits, kill it at a drawn moment, and keep what it had answered by then."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        try:
            serve(home, theirs)
        except (EOFError, OSError):
            os._exit(0)
        finally:
            os._exit(1)
    theirs.close()
    answered = _talk(ours, tally, randomness)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while _take_answers(ours, tally, answered):  # what it had said before it died
        pass
    ours.close()
    tally.kills += 1


def _talk(door: socket.socket, tally: Tally, randomness: Random) -> list[list[Contribution]]:
    """Keep a window of batches on their way until the drawn moment, and return what was not answered by then.

    A third of the moments is counted from the fork, so that opening is hit too; the others from the first answer.
    """
    on_their_way: list[list[Contribution]] = []
    queue = list(tally.waiting.values())
    randomness.shuffle(queue)
    while_opening = randomness.random() < 1 / 3
    wait_s = randomness.uniform(0, OPENING_S_MAX if while_opening else WORKING_S_MAX)
    moment_s = time.monotonic() + (wait_s if while_opening else STUCK_S)
    started = False
    while (left_s := moment_s - time.monotonic()) > 0:
        while len(on_their_way) < WINDOW and queue:
            batch = _next_batch(queue, tally, randomness)
            node = NODES[int(batch[0].lease_id[1:], 16) % len(NODES)]
            tally.nonce += 1
            _send(door, pickle.dumps((node, f"k{tally.nonce}", encode_batch(batch))))
            on_their_way.append(batch)
        if select.select([door], [], [], left_s)[0]:
            _take_answers(door, tally, on_their_way)
            if not started and not while_opening:
                moment_s = time.monotonic() + wait_s
            started = True
    tally.killed_opening += not started
    return on_their_way


def _next_batch(queue: list[Contribution], tally: Tally, randomness: Random) -> list[Contribution]:
    """Take a record and up to two more of the same node, one of them perhaps acknowledged already."""
    batch = [queue.pop()]
    number = int(batch[0].lease_id[1:], 16)
    again = f"l{number - len(NODES) * randomness.randint(1, 3):031x}" if number >= 32 else ""
    if again in tally.receipts:
        batch.append(tally.receipts[again][0])
    return batch


def _take_answers(door: socket.socket, tally: Tally, on_their_way: list[list[Contribution]]) -> bool:
    try:
        answers: list[dict[str, Any]] | str = pickle.loads(_receive(door))
    except (EOFError, OSError):
        return False
    batch = on_their_way.pop(0)
    if isinstance(answers, str):
        tally.refused.append(answers)
        return True
    for record, answer in zip(batch, answers, strict=True):
        if not answer["ok"]:
            tally.refused.append(answer["error"])
            continue
        known = tally.receipts.setdefault(record.lease_id, (record, answer["receipt"]))
        tally.changed += known[1] != answer["receipt"]
        tally.waiting.pop(record.lease_id, None)
    return True


def look(home: Path, tally: Tally) -> dict[str, int]:
    """Open the house once more and count what is lost, doubled or broken."""
    house = open_house(home)
    found = {"lost": 0, "double": 0, "broken": 0}
    with house.state.read() as connection:
        segments = Segments(house.env.disk, home / "segments", "contributions", connection)
        rows = {row.lease_id: row for row in connection.execute(sa.select(submissions))}
        made = connection.execute(sa.select(sa.func.count(submissions.c.seq))).scalar() or 0
        found["double"] = made - len(rows)
        head, seq = GENESIS_HEAD, 0
        for row in sorted(rows.values(), key=lambda row: row.seq):
            seq, head = seq + 1, next_head(head, row.record_sha256)
            whole = _bytes_of(segments, row)
            found["broken"] += (row.seq, row.head) != (seq, head)
            found["broken"] += hashlib.sha256(whole).hexdigest() != row.record_sha256
        spent = connection.execute(sa.select(sa.func.count()).select_from(nonces)).scalar() or 0
        found["broken"] += spent > tally.nonce
    for lease_id, (record, token) in tally.receipts.items():
        found["lost"] += lease_id not in rows or not _fits(house, rows[lease_id], record, token)
    house.state.close()
    segments.close()
    return found


def _bytes_of(segments: Segments, row: Any) -> bytes:
    try:
        return segments.read(Place(row.segment, row.offset, row.length))
    except Exception:  # whatever reading a broken record raises
        return b""


def _fits(house: House, row: Any, record: Contribution, token: str) -> bool:
    statement = verify(
        token,
        signer=house.coordinator_id,
        network=NETWORK,
        purpose="receipt",
        subject=row.node_id,
        now_ms=house.now_ms(),
    )
    content = statement.content or {}
    stored = hashlib.sha256(canonical_record(record)).hexdigest() == row.record_sha256
    return stored and (content["seq"], content["head"]) == (row.seq, row.head)


def harness(home: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill that many lives and return what was found, looking at everything after each hundred and at the end."""
    randomness, tally, issued = Random(seed), Tally(), 0
    totals = {"lost": 0, "double": 0, "broken": 0}
    begun = time.monotonic()
    while tally.kills < kills:
        if len(tally.waiting) < 50:
            for record in issue(home, 200, issued):
                tally.waiting[record.lease_id] = record
            issued += 200
        one_life(home, tally, randomness)
        if tally.kills % 100 == 0 or tally.kills == kills:
            for name, count in look(home, tally).items():
                totals[name] = max(totals[name], count)
    return {
        "bench": "kill -9",
        "seed": seed,
        "kills": tally.kills,
        "before_the_first_answer": tally.killed_opening,
        "acknowledged": len(tally.receipts),
        **totals,
        "receipts_changed": tally.changed,
        "refused": sorted(set(tally.refused)),
        "seconds": round(time.monotonic() - begun, 1),
    }


def main() -> None:
    """Run the harness in a folder that is removed afterwards."""
    kills, seed = int(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="windrow-killed-") as folder:
        print(json.dumps(harness(Path(folder), kills, seed)))


if __name__ == "__main__":
    main()
