"""An operator's questions over ten million contributions, through the documented views, beside bare DuckDB.

Usage: `python bench/sql.py [--rows 10000000] [--seed 1]` prints one JSON line for each question.

Rows are made up: contributions of thirty days with their verdicts, novelty and pay, in columnar blocks as
`BlockSealer` leaves them and in its layout; the rows that are in no block yet, 1,000 and some, are in a real state.
(The state lacks the rows of the blocks: questions do not read them.) Each question is asked as the console asks it,
through a contained process that is ready. The peer is DuckDB in one warm process with all rights and no limit, over
the same rows in one file a view: as its own writer leaves them in the order of time, zstd, and as ours does; the
quicker of the two counts for each question.

    cold_ms         the first asking
    warm_ms         the least of five, by the clock; bare_ms: the peer's
    ratio_to_bare   warm_ms / bare_ms
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from real_house import open_house  # noqa: E402
from sql_world import row_for  # noqa: E402

from aggregator.judgement import CURSOR  # noqa: E402
from aggregator.sql.block_layout import block_layout, block_schema  # noqa: E402
from aggregator.sql.child import plain  # noqa: E402
from aggregator.sql.children import Spare  # noqa: E402
from aggregator.sql.loading import arrow_table  # noqa: E402
from aggregator.sql.sandbox import run_query  # noqa: E402
from aggregator.sql.view_blocks import BLOCK_KEYS, FOLDER, covered  # noqa: E402
from aggregator.sql.views import GROWING, VIEWS  # noqa: E402
from storage.state import set_cursor  # noqa: E402
from storage.tables import contributions as tables  # noqa: E402
from storage.tables.lake import view_blocks  # noqa: E402
from windrow_protocol.limits import VIEW_BLOCK_GROUP_ROWS  # noqa: E402

START_MS: Final = 1_793_500_000_000
DAYS, NODES, HOSTS, NOT_SEALED = 30, 2_000, 50_000, 1_000
DAY_MS: Final = 86_400_000
REASONS: Final = ("matches", "not_drawn", "mismatch", "wrong_page", "unreachable")
VERDICTS: Final = ("accepted", "unaudited", "rejected", "rejected", "no_evidence")
ASKED_TIMES: Final = 5
PAUSE_S: Final = 1.0


def hexadecimal(rng: np.random.Generator, count: int, digits: int) -> pa.Array:
    """Return random ids."""
    data = rng.bytes(count * digits // 2).hex().encode()
    offsets = np.arange(count + 1, dtype=np.int32) * digits
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data))


def chosen(values: list[Any], places: Any) -> pa.Array:
    """Return values by their places in a list."""
    return pa.array(values).take(pa.array(places))


class Rows:
    """Made-up rows of the growing views, the same for the same seed and range of keys."""

    def __init__(self, rows: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.rows, self._seed = rows, seed
        self.nodes = [f"{number:064x}" for number in rng.permutation(NODES)]
        self.wallets = [f"0x{number:040x}" for number in range(NODES)]
        self._hosts = [f"www.site-{number}.example" for number in range(HOSTS)]
        self._weights = 1 / np.arange(1, HOSTS + 1)
        self._weights /= self._weights.sum()

    def of(self, first: int, last: int) -> dict[str, pa.Table]:
        """Return the rows of every view whose keys lie in a range of at most 4,096, aligned."""
        rng, count = np.random.default_rng((self._seed, first)), last - first + 1
        keys = np.arange(first, last + 1)
        at_ms = START_MS + keys * DAYS * DAY_MS // self.rows
        node, host = rng.integers(0, NODES, count), rng.choice(HOSTS, count, p=self._weights)
        judged = rng.choice(5, count, p=(0.08, 0.8, 0.05, 0.03, 0.04))
        kind = rng.choice(3, count, p=(0.7, 0.2, 0.1))
        size = rng.integers(200, 40_000, count)
        taken = judged <= 1
        ids, hosts = hexadecimal(rng, count, 32), chosen(self._hosts, host)
        paths = pa.array([f"/a/{number}" for number in keys])
        urls = pa.compute.binary_join_element_wise("https://", hosts, paths, "")
        verdict, reason = chosen(list(VERDICTS), judged), chosen(list(REASONS), judged)
        novelty = pa.array(np.where(taken, np.array(["unique", "near", "exact"])[kind], None), pa.string())
        fresh = pa.array(np.where(kind == 0, size, 0), mask=~taken)
        text = {name: pa.array([name] * count) for name in ("text/html", "allowed", "en", "")}
        time_us = pa.array(at_ms * 1000).cast(pa.timestamp("us"))
        whole = {number: pa.array(np.full(count, number)) for number in (0, 1, 200, 1_000_000)}
        said = {
            "contributions": {
                "contribution_id": ids,
                "seq": pa.array(keys),
                "node_id": chosen(self.nodes, node),
                "lease_id": hexadecimal(rng, count, 32),
                "url": urls,
                "final_url": urls,
                "http_status": whole[200],
                "content_type": text["text/html"],
                "fetched_at": time_us,
                "received_at": time_us,
                "robots_state": text["allowed"],
                "text_sha256": hexadecimal(rng, count, 64),
                "text_bytes": pa.array(size),
                "title": pa.array([f"Page {number} of a site" for number in keys]),
                "language": text["en"],
                "token_count": pa.array(size // 4),
                "license_detected": text[""],
                "training_allowed": pa.array(np.full(count, True)),
                "url_host": hosts,
                "given_verdict": verdict,
                "given_reason": reason,
                "novelty": novelty,
                "novelty_bytes": fresh,
            },
            "verdicts": {
                "contribution_id": ids,
                "node_id": chosen(self.nodes, node),
                "verdict": verdict,
                "reason": reason,
                "similarity": pa.array(rng.random(count)),
                "decided_at": time_us,
                "confirmed_ppm": whole[1_000_000],
                "epoch_id": pa.array((at_ms - START_MS) // DAY_MS + 1),
            },
            "ledger": {
                "entry_seq": pa.array(keys),
                "entry_id": hexadecimal(rng, count, 64),
                "debit": pa.array(["emission"] * count),
                "asset": pa.array(["WIND"] * count),
                "credit": chosen([f"posted:{wallet}" for wallet in self.wallets], node),
                "amount": pa.array(size * 10**12).cast(pa.decimal128(38, 0)),
                "cause": ids,
                "reason": pa.array(["novelty"] * count),
                "rule_version": whole[1],
                "created_at": time_us,
            },
        }
        made = {name: pa.table(columns) for name, columns in said.items()}
        return {name: table.select(block_schema(GROWING[name]).names) for name, table in made.items()}


def fill(house: Any, rows: Rows) -> None:
    """Write the blocks of all rows that fill one, and put the others and the nodes into the state."""
    sealed = (rows.rows - NOT_SEALED) // BLOCK_KEYS[0] * BLOCK_KEYS[0]
    (house.home / FOLDER).mkdir()
    first = 0
    while first < sealed:
        size = next(each for each in reversed(BLOCK_KEYS) if first % each == 0 and first + each <= sealed)
        write_blocks(house, rows, first, first + size - 1)
        first += size
    with house.state.write() as connection:
        nodes = zip(rows.nodes, rows.wallets, strict=True)
        put(connection, "nodes", [{"node_id": node, "payout_address": wallet} for node, wallet in nodes])
        while first < rows.rows:
            last = min(first + BLOCK_KEYS[0], rows.rows) - 1
            put_rows(connection, rows.of(first, last), first)
            first = last + 1
        set_cursor(connection, CURSOR, rows.rows - 1)


def write_blocks(house: Any, rows: Rows, first: int, last: int) -> None:
    """Write and list the blocks of one range, as `BlockSealer` does."""
    writers = {}
    for name in ("contributions", "verdicts", "ledger"):
        path = house.home / FOLDER / f"{name}-{first:012d}-{last:012d}-0.parquet"
        view = GROWING[name]
        writers[name] = path, pq.ParquetWriter(str(path), block_schema(view), **block_layout(view))
    step = BLOCK_KEYS[0]
    made = (rows.of(each, each + step - 1) for each in range(first, last + 1, step))
    for some in iter(lambda: list(islice(made, VIEW_BLOCK_GROUP_ROWS // step)), []):
        for name, (_, writer) in writers.items():
            table = pa.concat_tables([each[name] for each in some])
            writer.write_table(table.cast(block_schema(GROWING[name])), row_group_size=table.num_rows)
    with house.state.write() as connection:
        for name, (path, writer) in writers.items():
            writer.close()
            values = {"path": path.name, "view": name, "first_key": first, "last_key": last}
            counted = {"rows": last - first + 1, "bytes": path.stat().st_size, "made_at_ms": START_MS}
            connection.execute(sa.insert(view_blocks).values(**values, **counted))


def put(connection: Any, name: str, given: list[dict[str, Any]]) -> None:
    """Insert rows into a table of the state; what is not given is of no account."""
    table = tables.metadata.tables[name]
    connection.execute(
        sa.insert(table), [row_for(table, number, **each) for number, each in enumerate(given)]
    )


def put_rows(connection: Any, made: dict[str, pa.Table], first: int) -> None:
    """Insert rows of the views into the tables that they come from."""
    texts, verdicts, ledger = (made[name].to_pylist() for name in ("contributions", "verdicts", "ledger"))
    for row in ledger:
        row["amount"] = int(row["amount"])
    for row in (*texts, *verdicts, *ledger):
        for name in [name for name in row if name.endswith("_at")]:
            row[f"{name}_ms"] = round(row.pop(name).replace(tzinfo=UTC).timestamp() * 1000)
    known = {name: set(tables.metadata.tables[name].columns.keys()) for name in tables.metadata.tables}
    keyed = [row | {"decided_seq": first + place, "seq": first + place} for place, row in enumerate(verdicts)]
    judged = [
        row | {"kind": row["novelty"], "unique_bytes": row["novelty_bytes"]}
        for row in texts
        if row["novelty"]
    ]
    for name, found in (
        *(("contributions", [row | {"kind": "work"} for row in texts]), ("annotations", texts)),
        *(("verdicts", keyed), ("duplicates", judged), ("ledger", ledger)),
    ):
        rows = [{key: value for key, value in row.items() if key in known[name]} for row in found]
        table = tables.metadata.tables[name]
        filled = [row_for(table, number, **row) for number, row in enumerate(rows, first)]
        connection.execute(sa.insert(table), filled)
    put(connection, "submissions", [{"seq": first + len(texts) - 1, "lease_id": f"lease-{first}"}])


def questions(rows: Rows) -> dict[str, str]:
    """Return what operators ask."""
    since = f"make_timestamp({(START_MS + (DAYS - 1) * DAY_MS) * 1000})"
    one = rows.of((rows.rows // 2) & -BLOCK_KEYS[0], (rows.rows // 2 | BLOCK_KEYS[0] - 1))["contributions"]
    return {
        "node_and_day": """
            SELECT node_id, date_trunc('day', received_at) AS day, count(*) AS texts,
                   count(*) FILTER (given_verdict = 'accepted') AS accepted
            FROM contributions GROUP BY ALL ORDER BY ALL LIMIT 500""",
        "top_hosts": """
            SELECT url_host, count(*) AS texts, sum(novelty_bytes) AS bytes
            FROM contributions GROUP BY url_host ORDER BY texts DESC, url_host LIMIT 20""",
        "duplicate_rate_by_host": """
            SELECT url_host, avg(CASE WHEN novelty = 'unique' THEN 0 ELSE 1 END) AS rate, count(*) AS texts
            FROM contributions WHERE novelty IS NOT NULL
            GROUP BY url_host HAVING count(*) >= 1000 ORDER BY rate DESC, url_host LIMIT 20""",
        "owed_per_wallet": """
            WITH owed AS (SELECT credit AS account, sum(amount) AS wei FROM ledger
                          WHERE credit LIKE 'posted:%' GROUP BY credit),
                 given AS (SELECT payout_address, count(*) AS texts FROM contributions JOIN nodes USING (node_id)
                           GROUP BY payout_address)
            SELECT payout_address, texts, wei FROM given JOIN owed ON account = 'posted:' || payout_address
            ORDER BY wei DESC, payout_address LIMIT 100""",
        "rejected_last_24h": f"""
            SELECT reason, count(*) AS texts FROM verdicts
            WHERE verdict = 'rejected' AND decided_at >= {since} GROUP BY reason ORDER BY reason""",
        "one_id": f"SELECT * FROM contributions WHERE contribution_id = '{one['contribution_id'][7]}'",
    }


def peers(house: Any, folder: Path) -> dict[str, Any]:
    """Return warm engines over one file a view by DuckDB's own writer, and over the blocks, each with all rows."""
    found = {}
    whole = house_tables(house)
    for kind in ("own", "blocks"):
        engine = duckdb.connect(config={"threads": 2})
        for name in ("contributions", "verdicts", "ledger"):
            files = sorted(str(path) for path in (house.home / FOLDER).glob(f"{name}-*.parquet"))
            rest = folder / f"rest-{name}.parquet"
            pq.write_table(whole[name], rest)
            source = f"read_parquet({[*files, str(rest)]!r})"
            if kind == "own":
                order = {"contributions": "received_at", "verdicts": "decided_at", "ledger": "entry_seq"}[
                    name
                ]
                path = folder / f"own-{name}.parquet"
                engine.execute(
                    f"COPY (FROM {source} ORDER BY {order}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
                )
                source = f"read_parquet('{path}')"
            engine.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")
        engine.register("nodes", whole["nodes"])
        found[kind] = engine
    return found


def house_tables(house: Any) -> dict[str, pa.Table]:
    """Return what is in no block, as the views show it."""
    with house.state.read() as connection:
        found = covered(connection, house.home / FOLDER, GROWING)
    ended = {name: each.ranges[-1][1] for name, each in found.items() if each.ranges}
    made = {}
    for name in ("contributions", "verdicts", "ledger", "nodes"):
        view = VIEWS[name]
        select = view.select if name not in ended else view.select.where(found[name].rest(view.grows.key))
        with house.state.read() as connection:
            table = arrow_table(view.stored, connection.execute(select).all())
        engine = duckdb.connect()
        engine.register("stored", table)
        made[name] = engine.execute(f"SELECT {view.shown} FROM stored").to_arrow_table()
    return made


def clocked(ask: Callable[[], Any]) -> tuple[float, Any]:
    """Return milliseconds by the clock, and the answer."""
    begun = time.perf_counter()
    answer = ask()
    return (time.perf_counter() - begun) * 1000, answer


def after_a_pause(ask: Callable[[], Any]) -> float:
    """Return milliseconds by the clock of an asking some time after the last, so that a process is ready for it."""
    time.sleep(PAUSE_S)
    return clocked(ask)[0]


def compare(folder: Path, rows: Rows) -> Iterator[dict[str, Any]]:
    """Ask everything of both, and see that the answers are the same."""
    (folder / "home").mkdir()
    house = open_house(folder / "home")
    fill(house, rows)
    engines, spare = peers(house, folder), Spare()
    url = f"sqlite:///{house.home / 'state.db'}"

    def through_views(statement: str) -> Any:
        with house.state.read() as connection:
            blocks = covered(connection, house.home / FOLDER, GROWING)
        return run_query(url, [], statement, blocks=blocks, spare=spare)

    for name, statement in questions(rows).items():
        cold_ms, answer = clocked(partial(through_views, statement))
        warm_ms = min(after_a_pause(partial(through_views, statement)) for _ in range(ASKED_TIMES))
        bare = {kind: asked(engine, statement) for kind, engine in engines.items()}
        bare_ms = min(found[0] for found in bare.values())
        right = bare["own"][1]
        yield {
            "question": name,
            "rows": rows.rows,
            "cold_ms": round(cold_ms, 1),
            "warm_ms": round(warm_ms, 1),
            "bare_ms": round(bare_ms, 1),
            "bare_own_file_ms": round(bare["own"][0], 1),
            "ratio_to_bare": round(warm_ms / bare_ms, 2),
            "same": [[str(plain(value)) for value in row] for row in right]
            == [[str(value) for value in row] for row in answer.rows],
        }


def asked(engine: Any, statement: str) -> tuple[float, Any]:
    """Return the least milliseconds of several askings, and the answer."""
    found = [clocked(lambda: engine.execute(statement).fetchall()) for _ in range(ASKED_TIMES)]
    return min(each[0] for each in found), found[0][1]


def main() -> None:
    """Print a line for each question."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in compare(Path(folder), Rows(options.rows, options.seed)):
            print(json.dumps({"bench": "sql", **line}), flush=True)


if __name__ == "__main__":
    main()
