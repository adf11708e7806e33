"""A house of several processes behind one address: killed and replaced under load, nothing acknowledged is lost.

One real `windrow up` with two gates, without a chain, on a home whose nodes and leases were written before.
"""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from honest_records import honest_record
from prometheus_client.parser import text_string_to_metric_families
from running_house import NETWORK, free_port

from aggregator.log_entries import GENESIS_HEAD, next_head
from storage.state import State, insert_once, sqlite_url
from storage.tables.contributions import contributions, leases, nodes, submissions
from windrow.home import open_home
from windrow.settings import HouseSettings
from windrow_protocol.content import text_sha256
from windrow_protocol.messages import Contribution, encode_batch
from windrow_protocol.signing import SIGNATURE_HEADER, public_id, sign_request, verify

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32) for number in range(4)]
LEASES = 40  # for each node
WAIT_S = 120.0
PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def issue(home: Path) -> list[list[Contribution]]:
    """Write nodes and leases, which are not what is tested here; return what each node will answer."""
    now = time.time_ns() // 1_000_000
    with (
        open_home(HouseSettings(home=str(home), network=NETWORK)) as opened,
        opened.house.state.write() as connection,
    ):
        return [_of_node(connection, number, now) for number in range(len(KEYS))]


def _of_node(connection: sa.Connection, number: int, now: int) -> list[Contribution]:
    node_id = public_id(KEYS[number])
    told = {"role": "contributor", "payout_address": PAYOUT, "agent": "gates/1", "region": ""}
    insert_once(connection, nodes, node_id=node_id, prefix="127.0.0.0/24", registered_at_ms=now, **told)
    rows, records = [], []
    for place in range(LEASES):
        lease_id, url = f"l{number * LEASES + place:031x}", f"http://site{number}.example/{place}"
        given = {"kind": "work", "state": "leased", "render": "http", "nonce": "n", "issued_at_ms": now}
        rows.append(
            {"lease_id": lease_id, "url_id": text_sha256(url), "url": url, "node_id": node_id, **given}
        )
        records.append(_record(lease_id, node_id, url, now))
    connection.execute(sa.insert(leases), [row | {"expires_at_ms": now + 86_400_000} for row in rows])
    return records


def _record(lease_id: str, node_id: str, url: str, now: int) -> Contribution:
    text = " ".join(f"{lease_id[-4:]}x{place}" for place in range(60))
    return honest_record(node_id, lease_id, url, text, now)


@dataclass
class House:
    """The process that keeps the others."""

    home: Path
    port: int
    metrics_port: int
    process: subprocess.Popen[bytes]
    log: Path

    def children(self) -> dict[int, str]:
        """Return what each child is: `writer` or `gate`."""
        pid = self.process.pid
        found = {}
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            try:
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            except FileNotFoundError:  # it has gone meanwhile
                continue
            if b"windrow.gates" in words:
                found[int(child)] = words[words.index(b"windrow.gates") + 1].decode()
        return found

    def of_kind(self, kind: str) -> set[int]:
        return {pid for pid, known in self.children().items() if known == kind}

    def waiting_at(self, gate: int) -> int:
        """Return how many clients are connected to a gate."""
        try:
            found = psutil.Process(gate).net_connections("tcp")
        except psutil.Error:
            return 0
        return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self.port for each in found)

    def ask(
        self, method: str, path: str, body: bytes = b"", to: int = 0, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request over a connection of its own, to the house's port or another."""
        connection = http.client.HTTPConnection("127.0.0.1", to or self.port, timeout=90)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


@contextmanager
def running(home: Path, log: Path) -> Iterator[House]:
    """Run `windrow up` with two gates; stop it in order at the end."""
    port, metrics_port = free_port(), free_port()
    settings = {
        "WINDROW_HOME": str(home),
        "WINDROW_NETWORK": NETWORK,
        "WINDROW_PORT": str(port),
        "WINDROW_RPC_URL": "http://127.0.0.1:9",  # no chain: nothing here asks for one
        "WINDROW_GATES": "2",
        "WINDROW_METRICS_PORT": str(metrics_port),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WINDROW_")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "windrow.cli", "up", "--die-with-parent"],
            env={**kept, **settings, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            cwd=Path(__file__).resolve().parent.parent.parent,
        )
    house = House(home, port, metrics_port, process, log)
    try:
        until(lambda: "windrow ready" in log.read_text() and len(house.of_kind("gate")) == 2, house)
        yield house
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_S)
        assert process.stdin is not None
        process.stdin.close()


def until(true: Callable[[], bool], house: House) -> None:
    """Wait until something is so."""
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert house.process.poll() is None, house.log.read_text()
        assert time.monotonic() < deadline_s, house.log.read_text()
        time.sleep(0.05)


@dataclass
class Load:
    """A client for each node, each of which sends a record again until it is acknowledged, and some once more."""

    house: House
    records: list[list[Contribution]]
    receipts: dict[str, set[str]] = field(default_factory=dict)
    statuses: list[tuple[int, str]] = field(default_factory=list)
    broken: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def client(self, number: int) -> None:
        """Send this node's records, one after the other, until they are all in and the test has seen enough."""
        waiting = list(self.records[number])
        while (waiting or not self.over.is_set()) and self.house.process.poll() is None:
            record = waiting[-1] if waiting else self.records[number][0]
            if self._acknowledged(number, record) and waiting:
                waiting.pop()
            self.over.wait(0.02 if waiting else 0.1)  # what is in already is only sent again now and then

    def goes_on(self) -> None:
        """Wait until twenty more are acknowledged, new ones or again."""
        reached = self.acknowledged
        until(lambda: self.acknowledged > reached + 20, self.house)

    @property
    def acknowledged(self) -> int:
        return sum(status == 200 for status, _ in self.statuses)

    def _acknowledged(self, number: int, record: Contribution) -> bool:
        body = encode_batch([record])
        token = sign_request(
            KEYS[number],
            network=NETWORK,
            purpose="submit",
            body=body,
            nonce=secrets.token_hex(16),
            now_ms=time.time_ns() // 1_000_000,
        )
        try:
            status, _, said = self.house.ask("POST", "/v1/submissions", body, **{SIGNATURE_HEADER: token})
        except (OSError, http.client.HTTPException):
            self.broken += 1
            return False
        told: Any = msgspec.json.decode(said)
        self.statuses.append((status, told.get("detail", "")))
        if status != 200:
            return False
        (result,) = told["results"]
        assert result["ok"], result
        self.receipts.setdefault(record.lease_id, set()).add(result["receipt"])
        return True


def test_killed_and_replaced_under_load_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    home = tmp_path / "house"
    records = issue(home)
    with running(home, tmp_path / "house.log") as house:
        load = Load(house, records)
        clients = [threading.Thread(target=load.client, args=(number,)) for number in range(len(KEYS))]
        for each in clients:
            each.start()
        try:
            _kill_and_replace(house, load)
        finally:
            load.over.set()
            for each in clients:
                each.join()
        assert {status for status, _ in load.statuses} <= {200, 503}
        assert load.broken > 0, "a gate was killed while somebody waited for it"
        _others_are_passed_on(house)
        _what_gates_did_is_told(house, load)
    _look(home, load)


def _kill_and_replace(house: House, load: Load) -> None:
    load.goes_on()
    (writer,) = house.of_kind("writer")
    os.kill(writer, signal.SIGSTOP)  # so that everybody waits for an answer
    until(lambda: sum(map(house.waiting_at, house.of_kind("gate"))) == len(KEYS), house)
    gate = max(house.of_kind("gate"), key=house.waiting_at)
    os.kill(gate, signal.SIGKILL)
    os.kill(writer, signal.SIGCONT)
    until(lambda: gate not in house.children() and len(house.of_kind("gate")) == 2, house)
    load.goes_on()
    os.kill(writer, signal.SIGKILL)
    load.goes_on()
    before, said = set(house.children()), len(load.statuses)
    house.process.send_signal(signal.SIGUSR1)
    until(lambda: "house_replaced" in house.log.read_text(), house)
    assert not before & set(house.children()), "each of them is another process now"
    lost = [detail for _, detail in load.statuses[said:] if "lost" in detail]
    assert lost == [], "what an orderly end had not begun went to the next one"


def _look(home: Path, load: Load) -> None:
    """Count what is lost, doubled or broken in the home that is left."""
    state = State.open_readonly(sqlite_url(home / "state.db"))
    with state.read() as connection:
        rows = {row.lease_id: row for row in connection.execute(sa.select(submissions))}
        made = connection.execute(sa.select(sa.func.count(submissions.c.seq))).scalar_one()
        texts = connection.execute(sa.select(sa.func.count()).select_from(contributions)).scalar_one()
    state.close()
    assert made == texts == len(rows) == len(KEYS) * LEASES == len(load.receipts), "none lost, none twice"
    head = GENESIS_HEAD
    for seq, row in enumerate(sorted(rows.values(), key=lambda row: row.seq), start=1):
        head = next_head(head, row.record_sha256)
        assert (row.seq, row.head) == (seq, head)
    with open_home(HouseSettings(home=str(home), network=NETWORK)) as opened:
        signer = opened.house.coordinator_id
    for lease_id, tokens in load.receipts.items():
        (token,) = tokens  # the same again has the same receipt
        named = {"signer": signer, "subject": rows[lease_id].node_id, "now_ms": rows[lease_id].received_at_ms}
        content = verify(token, network=NETWORK, purpose="receipt", **named).content
        assert content is not None
        assert (content["seq"], content["head"]) == (rows[lease_id].seq, rows[lease_id].head)


def _others_are_passed_on(house: House) -> None:
    """Ask for what gates do not answer themselves."""
    status, headers, body = house.ask("GET", "/v1/network?x=1&x=%2F")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert msgspec.json.decode(body)["network"] == NETWORK
    assert house.ask("HEAD", "/v1/network")[0] == 404, "as without gates"
    proxied = house.ask("GET", "/console", **{"Host": "elsewhere.example", "X-Forwarded-For": "10.0.0.1"})
    assert msgspec.json.decode(proxied[2])["error"] == "foreign_console", "its Host is passed on as it is"
    status, _, body = house.ask("POST", "/v1/leases", b"x" * 100_000)
    assert (status, msgspec.json.decode(body)["error"]) == (413, "too_large")
    status, _, body = house.ask("GET", "/no/such%20door")
    assert (status, msgspec.json.decode(body)["error"]) == (404, "not_found")


def _what_gates_did_is_told(house: House, load: Load) -> None:
    """Ask for the figures of all gates, those that were killed and replaced too."""
    families = text_string_to_metric_families(house.ask("GET", "/metrics", to=house.metrics_port)[2].decode())
    samples = [each for family in families for each in family.samples if "_gate_" in each.name]

    def total(name: str, **labels: str) -> float:
        return sum(
            each.value for each in samples if each.name == name and labels.items() <= each.labels.items()
        )

    assert {each.labels["gate"] for each in samples} == {"1", "2"}, "nothing of a node or a host"
    assert total("windrow_gate_starts_total") == 2 + 1 + 2, "at first, after the kill, when all were replaced"
    answered = total("windrow_gate_answers_total", work="submission", status="200")
    assert load.acknowledged <= answered <= load.acknowledged + load.broken
    assert total("windrow_gate_answers_total", work="relay", status="404") == 2
    assert total("windrow_gate_seconds_count", work="submission") >= answered
    assert total("windrow_gate_connections") <= 2 * len(KEYS), (
        "who was connected to a killed gate is not any more"
    )
