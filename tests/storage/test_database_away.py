"""With the database away every door says 503 and when to come again, nothing is lost, and a node hands in later."""

from __future__ import annotations

import contextlib
import itertools
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import structlog
from node_world import Coordinator, client_of
from postgres_server import PostgresServer, needs_postgres
from real_house import open_house, open_segments

from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.routes import Doors
from contributor_node.coordinator import client as coordinator_client
from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.coordinator.outbox import Outbox, Settled
from contributor_node.work_cycle import LATER_CODES
from extension_bridge.delivery import is_final
from storage.dialling import Dialling
from storage.env import Request, Response, Route
from storage.object_store import open_store
from storage.outages import FilesAwayError, refusal_of
from storage.real_env import real_env
from storage.rest import Rest
from storage.state import State
from windrow_protocol.content import text_sha256
from windrow_protocol.errors import REASONS, WindrowError
from windrow_protocol.messages import Contribution, contribution_id_for

ENGINES = ["sqlite", pytest.param("postgresql", marks=needs_postgres)]


@dataclass
class Away:
    """A house with its doors whose database can be taken away: its server killed, or its file locked by another."""

    house: Coordinator
    take_away: Callable[[], None]
    give_back: Callable[[], None]


Database = tuple[str, Callable[[State], None], Callable[[], None]]


@contextmanager
def _killed_server(folder: Path) -> Iterator[Database]:
    server = PostgresServer()
    try:
        yield server.create("house"), lambda _state: server.kill(), server.start_again
    finally:
        server.stop()


@contextmanager
def _locked_file(folder: Path) -> Iterator[Database]:
    path = folder / "house" / "state.db"
    with ExitStack() as held:

        def lock(state: State) -> None:
            # the pool's one connection: nobody here has to wait ten seconds
            with state.write() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout=1")
            other = held.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            other.execute("BEGIN IMMEDIATE")

        yield "", lock, held.close


@asynccontextmanager
async def house_of(engine: str, folder: Path) -> AsyncIterator[Away]:
    (folder / "house").mkdir()
    database = _killed_server if engine == "postgresql" else _locked_file
    with database(folder) as (address, take_away, give_back):
        house = open_house(folder / "house", address=address or f"sqlite:///{folder}/house/state.db")
        doors = Doors(
            house, Ingest(house, open_segments(house)), Personal(house, open_segments(house, "personal"))
        )
        running = Coordinator(house, doors)
        await running.up()
        try:
            yield Away(running, lambda: take_away(house.state), give_back)
        finally:
            await running.down()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(coordinator_client, "COORDINATOR_TRIES_MAX", 1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    yield
    structlog.reset_defaults()


async def _worked(client: CoordinatorClient, outbox: Outbox) -> Contribution:
    """Lease a page and put its result in the outbox, as before it is sent."""
    (lease,) = outbox.take((await client.leases(1, ["http"])).leases)
    text = "A row of hay was raked and left to dry."
    record = Contribution(
        contribution_id=contribution_id_for(lease.lease_id, client.node_id),
        lease_id=lease.lease_id,
        url=lease.url,
        final_url=lease.url,
        http_status=200,
        content_type="text/html",
        fetched_at_ms=lease.issued_at_ms,
        robots_state="allowed",
        optout_signals=[],
        raw_sha256=text_sha256("raw"),
        text=text,
        text_sha256=text_sha256(text),
        title="Hay",
        extractor_version="test/1",
    )
    outbox.put(record)
    return record


@pytest.mark.parametrize("engine", ENGINES)
async def test_doors_say_when_to_come_again_and_a_node_keeps_its_outbox_until_the_database_is_back(
    engine: str, tmp_path: Path
) -> None:
    async with house_of(engine, tmp_path) as away:
        away.house.seed(["http://hay.example/"])
        client = await client_of(away.house, tmp_path / "node")
        with closing(Outbox(tmp_path / "node" / "outbox.db")) as outbox:
            record = await _worked(client, outbox)
            away.take_away()
            with pytest.raises(WindrowError) as caught:
                await client.submit([record])
            assert caught.value.code == "database_away"
            assert caught.value.code in LATER_CODES, "no refusal of the record"
            assert outbox.unsent_count() == 1
            if engine == "postgresql":  # who only reads is not kept waiting by SQLite's lock
                await _require_doors_to_say_when(away)
            away.give_back()
            (answered,) = await client.submit([record])
            receipt = client.open_receipt(answered.receipt, record.lease_id, record.text_sha256)
            outbox.settle([Settled(record.lease_id, receipt.outcome.value, answered.receipt)])
            assert outbox.unsent_count() == 0
        assert away.house.submitted() == [("http://hay.example/", "fetched")], "once"


async def _require_doors_to_say_when(away: Away) -> None:
    """Every open door either needs no database or says that it is away, when to come again, and no address of it."""
    async with httpx.AsyncClient(base_url=away.house.url) as raw:
        answers = [await raw.get(path) for path in _looked_at(away)]
    assert not [each.url for each in answers if each.status_code == 500]
    gone = [each for each in answers if each.status_code == 503]
    assert gone, "some door asks the database"
    for each in gone:
        assert int(each.headers["Retry-After"]) > 0
        said = each.json()
        assert (said["error"], said["remedy"]) == ("database_away", REASONS["database_away"].remedy)
        assert said["detail"]
        assert "windrow@" not in each.text
        assert "SELECT" not in each.text


def _looked_at(away: Away) -> list[str]:
    return [
        route.pattern.replace("{path:.*}", "x").replace("{", "").replace("}", "")
        for route in away.house.doors.routes()
        if route.method == "GET"
    ]


@pytest.mark.parametrize("code", ["database_away", "files_away", "home_locked"])
def test_neither_an_outage_nor_another_house_in_the_database_ends_a_record_or_a_donation(code: str) -> None:
    assert code in LATER_CODES
    assert not is_final(WindrowError(code))
    assert REASONS[code].http_status == 503, "the server's trouble, with Retry-After"


def test_a_wrong_statement_is_our_fault_and_no_outage(tmp_path: Path) -> None:
    opened = State.open(f"sqlite:///{tmp_path}/state.db")
    with closing(opened), pytest.raises(sa.exc.DBAPIError) as caught, opened.read() as connection:
        connection.exec_driver_sql("SELECT nothing FROM nowhere")
    assert refusal_of(caught.value) is None
    assert refusal_of(KeyError("x")) is None


async def test_files_that_are_away_are_an_outage_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there: what fails is told from what is wrong, and a door says when to come again."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        store = open_store("s3://bucket/prefix")

        async def door(_request: Request) -> Response:
            store.put("segments/a", b"hay")
            return Response()

        server = await real_env().network.serve(
            [Route("POST", "/door", door, "puts something away")], host="127.0.0.1", port=0
        )
        try:
            async with httpx.AsyncClient(base_url=server.url) as raw:
                answer = await raw.post("/door", timeout=60)
        finally:
            await server.close()
    assert (answer.status_code, answer.json()["error"]) == (503, "files_away")
    assert int(answer.headers["Retry-After"]) > 0
    assert "bucket" not in answer.text
    assert refusal_of(OSError("AWS Error NO_SUCH_KEY during GetObject")) is None


# --- a host that is off -----------------------------------------------------------------------------------------


@contextmanager
def _mute_host() -> Iterator[tuple[str, socket.socket]]:
    """A host that takes connections and never says a word, as one behind a dead link."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        yield f"postgresql+psycopg://house@127.0.0.1:{mute.getsockname()[1]}/house?connect_timeout=2", mute


def _attempts(mute: socket.socket) -> int:
    mute.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            mute.accept()[0].close()
            count += 1
    return count


def test_a_host_that_is_off_is_given_up_and_not_asked_again_for_everybody_who_waits() -> None:
    ahead_s = [0.0]
    with _mute_host() as (url, mute):
        engine = Dialling(Rest(lambda: time.monotonic() + ahead_s[0])).attach(sa.create_engine(url))
        for _ in range(3):
            with pytest.raises(sa.exc.OperationalError) as caught:
                engine.connect()
            refusal = refusal_of(caught.value)
            assert refusal is not None
            assert refusal.code == "database_away"
        assert _attempts(mute) == 1
        ahead_s[0] = 3600.0
        with pytest.raises(sa.exc.OperationalError):
            engine.connect()
        assert _attempts(mute) == 1


def test_a_store_that_kept_everybody_waiting_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow_s = itertools.count(0.0, 3.0)  # so long passes between two looks at the clock
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    with socket.socket() as host:
        host.bind(("127.0.0.1", 0))  # it refuses
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{host.getsockname()[1]}")
        store = open_store("s3://bucket/house")
        store.rest = Rest(lambda: next(slow_s))
        with pytest.raises(FilesAwayError, match="AWS Error"):
            store.put("lake/a", b"1")
        host.listen()
        with pytest.raises(FilesAwayError, match="next is made"):
            store.put("lake/a", b"1")
        assert _attempts(host) == 0
