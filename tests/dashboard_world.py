"""A visitor of a node's dashboard who speaks HTTP by hand, and an account with money in it."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import msgspec
import sqlalchemy as sa
from crawl_sites import wall_ms
from node_world import Coordinator
from real_house import open_house, open_segments
from rewards_cases import epoch

from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.routes import Doors
from contributor_node.dashboard.link_file import LINK_FILE, DashboardPlace, new_link
from rewards.accountant import run_accountant
from rewards.epochs.files import TREE, epoch_folder, sha256_hex, tree_bytes
from rewards.epochs.rows import Epoch, insert_epoch
from rewards.ledger import ASSET, last_entry, post, posted_account
from rewards.personal.statement import person_statement
from rewards.routes import routes as reward_routes
from rewards.royalties import sale_transfers
from storage.house import House
from storage.tables.contributions import contributions, duplicates, verdicts
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree
from windrow_protocol.trust_rules import TrustRules


class Visitor:
    """Speaks HTTP to one dashboard by hand, with or without a session."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.place = msgspec.json.decode((home / LINK_FILE).read_bytes(), type=DashboardPlace)
        self.host = f"127.0.0.1:{self.place.port}"
        self.cookie = ""

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.place.port, timeout=30)
        sent = {"Host": self.host, **({"Cookie": self.cookie} if self.cookie else {}), **(headers or {})}
        try:
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def page(self, name: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        return self.ask("GET", self.place.path + name, headers)

    def enter(self) -> None:
        status, headers, _ = self.ask(
            "GET", new_link(self.home, wall_ms()).removeprefix(f"http://{self.host}")
        )
        assert status == 303
        self.cookie = headers["Set-Cookie"].partition(";")[0]

    def form_token(self) -> str:
        found = re.search(r'name="form" value="([^"]+)"', self.page()[2])
        assert found is not None
        return found[1]

    def post(self, name: str, fields: str, **headers: str) -> tuple[int, dict[str, str], str]:
        given = {"Origin": f"http://{self.host}", "Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", self.place.path + name, given | headers, fields.encode())

    def raw(self, data: bytes) -> bytes:
        """Send bytes and return all that comes until the other side closes."""
        with socket.create_connection(("127.0.0.1", self.place.port), timeout=30) as line:
            line.sendall(data)
            got = b""
            while chunk := _received(line):
                got += chunk
            return got


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(65_536)
    except ConnectionResetError:
        return b""


@asynccontextmanager
async def paying_coordinator(folder: Path) -> AsyncIterator[Coordinator]:
    """Run a coordinator that also tells accounts and proofs; its chain does not answer, since none of that asks it."""

    def gone() -> NoReturn:
        raise WindrowError("chain_unreachable")

    folder.mkdir()
    house = open_house(folder, rules=TrustRules(probation_documents=0))
    doors = Doors(
        house,
        Ingest(house, open_segments(house)),
        Personal(house, open_segments(house, "personal")),
        pay_of=partial(person_statement, house),
    )
    running = Coordinator(house, doors, routes=[*doors.routes(), *reward_routes(house, gone, gone)])
    await running.up()
    try:
        yield running
    finally:
        await running.down()


def judge(house: House, rejected: int) -> int:
    """Judge every contribution so far, the last ones as rejected, and price them; return how many there are."""
    with house.state.write() as connection:
        rows = connection.execute(sa.select(contributions).order_by(contributions.c.seq)).all()
        epoch(connection, 1, "closed", 1)
        epoch(connection, 2, "open", len(rows) + 1)
        for place, row in enumerate(rows):
            bad = place >= len(rows) - rejected
            _judge(
                connection,
                row,
                *(("rejected", "differs_from_truth") if bad else ("accepted", "matches_truth")),
            )
    run_accountant(house)
    return len(rows)


def _judge(connection: sa.Connection, row: Any, verdict: str, reason: str) -> None:
    of_row = {"contribution_id": row.contribution_id, "seq": row.seq}
    judged = {"verdict": verdict, "reason": reason, "similarity": 0.9, "truth_sha256": "[]", "jws": ""}
    told = {"epoch_id": 1, "node_id": row.node_id, "decided_at_ms": row.received_at_ms, **judged}
    connection.execute(sa.insert(verdicts).values(**of_row, **told))
    if verdict == "accepted":
        novelty = {
            "kind": "unique",
            "cluster_id": row.contribution_id,
            "similarity": 0.0,
            "unique_bytes": 1_234,
        }
        first = {"first_contribution_id": row.contribution_id}
        connection.execute(sa.insert(duplicates).values(**of_row, **novelty, **first))


def sell(house: House, price: int, shares: Mapping[str, int], asset: str, *, number: int = 1) -> int:
    """Enter a sale in an asset and its royalties by the tokens of each owner; return what the first owner gets."""
    facts = {
        "sale_id": f"s{number:031x}",
        "asset": asset,
        "price": price,
        "burned": 0,
        "sold_at_ms": wall_ms(),
    }
    sale = SimpleNamespace(**facts, royalties=price * 7 // 10, fees=price - price * 7 // 10)
    transfers = list(sale_transfers(sale, shares))
    with house.state.write() as connection:
        post(connection, transfers)
    return next(each.amount for each in transfers if each.credit == posted_account(next(iter(shares))))


def settle(
    house: House, amounts: Mapping[str, int], signed_root: str = "", asset: str = ASSET, epoch_id: int = 1
) -> Epoch:
    """Write an accepted epoch that owes these amounts, as the close of an epoch leaves it; or sign another root."""
    tree = MerkleTree.from_amounts(amounts)
    with house.state.read() as connection:
        entry_seq, head = last_entry(connection)
    digest = sha256_hex(tree_bytes(tree))
    header = {"epoch_id": epoch_id, "asset": asset, "root": signed_root or tree.root}
    row = Epoch(
        epoch_id=epoch_id,
        state="accepted",
        asset=asset,
        entry_seq=entry_seq,
        ledger_head=head,
        root=tree.root,
        total=tree.total,
        tree_sha256=digest,
        valid_at_s=1,
        closed_at_ms=house.now_ms(),
        header_jws=house.sign("epoch", str(epoch_id), header),
    )
    house.env.disk.write_durably(epoch_folder(house.home, epoch_id) / TREE, tree_bytes(tree))
    insert_epoch(house, row)
    return row
