"""The views are a contract: names, types, exact amounts, the manual, and how answers are shown."""

from __future__ import annotations

import csv
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sql_world import MOMENT_MS, WEI, SqlWorld, row_for

from aggregator.sql.console import show
from aggregator.sql.derived_views import DERIVED
from aggregator.sql.job import Answer
from aggregator.sql.loading import arrow_types
from aggregator.sql.manual import view_chapter
from aggregator.sql.printable import one_sentence
from aggregator.sql.sandbox import run_query
from aggregator.sql.views import DOCUMENT_COLUMNS, VIEWS
from storage.lake import LAKE_SCHEMA
from storage.state import State
from storage.tables import contributions as tables
from windrow.questions import Question, ask
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError

# V text, B whole, D double, T time, W wei, Y yes or no. Lines may be added to; nothing may be renamed or removed.
CONTRACT = {
    "contributions": "contribution_id:V seq:B node_id:V lease_id:V url:V final_url:V http_status:B content_type:V "
    "fetched_at:T received_at:T robots_state:V text_sha256:V text_bytes:B title:V language:V token_count:B "
    "license_detected:V training_allowed:Y url_host:V given_verdict:V given_reason:V novelty:V novelty_bytes:B",
    "verdicts": "contribution_id:V node_id:V verdict:V reason:V similarity:D decided_at:T "
    "confirmed_ppm:B epoch_id:B",
    "duplicates": "contribution_id:V kind:V cluster_id:V first_contribution_id:V similarity:D unique_bytes:B",
    "boilerplate": "contribution_id:V lines:V paragraphs:V line_bytes:B",
    "nodes": "node_id:V role:V payout_address:V region:V registered_at:T state:V operator:V",
    "leases": "lease_id:V url:V node_id:V kind:V render:V state:V outcome:V http_status:B bytes_wire:B "
    "issued_at:T closed_at:T",
    "ledger": "entry_seq:B entry_id:V debit:V credit:V asset:V amount:W cause:V reason:V rule_version:B created_at:T",
    "epochs": "epoch_id:B state:V entry_seq:B root:V total:W closed_at:T",
    "payouts": "epoch_id:B account:V asset:V cumulative:W paid:W tx_hash:V paid_at:T",
    "consents": "consent_receipt_id:V contribution_id:V source:V purpose:V items:B given_at:T",
    "exports": "dataset:V version:V export_id:V manifest_sha256:V rows:B tokens:B bytes:B price:W created_at:T",
    "sales": "sale_id:V dataset:V version:V buyer:V price:W royalties:W fees:W burned:W tx_hash:V sold_at:T "
    "asset:V",
    "audits": "contribution_id:V seq:B lease_id:V node_id:V outcome:V epoch_id:B rate_ppm:B share_ppm:B value_ppm:B "
    "state:V opened_at:T",
    "truths": "contribution_id:V ordinal:B operator:V state:V lease_id:V opened_at:T",
    "consequences": "consequence_seq:B consequence_id:V node_id:V kind:V contribution_id:V documents_ppm:B share_ppm:B "
    "undoes:V epoch_id:B created_at:T",
    "appeals": "contribution_id:V node_id:V state:V reason:V received_at:T decided_at:T",
    "dividends": "epoch_id:B validator_id:V operator:V audits:B share_ppm:B reason:V",
    "standings": "node_id:V frozen:Y suspended:Y updated_at:T",
    "hosts": "host_key:V hard:Y updated_at:T",
    "audit_epochs": "epoch_id:B state:V first_seq:B last_seq:B opened_at:T ended_at:T audits_sha256:V",
    "snapshots": "snapshot_id:B kind:V files:B rows:B bytes:B made_at:T",
    "erasures": "contribution_id:V seq:B reason:V state:V asked_at:T done_at:T",
    "imports": "contribution_id:V seq:B record_id:V file_sha256:V file_name:V imported_at:T",
    "network_daily": "day:T nodes_active:B nodes_verified:B leases_over:B fetches:B bytes_wire:B "
    "documents_accepted:B tokens_accepted:B fetches_per_document:D minted:W minted_per_document:D "
    "minted_per_million_tokens:D sales:B sold:W royalties:W burned:W",
}
KINDS = {"V": "VARCHAR", "B": "BIGINT", "D": "DOUBLE", "T": "TIMESTAMP", "W": "DECIMAL(38,0)", "Y": "BOOLEAN"}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SqlWorld:
    return SqlWorld(tmp_path_factory.mktemp("house"))


def ask_world(world: SqlWorld, statement: str) -> Answer:
    return run_query(world.url, world.files, statement)


def test_names_and_types_are_the_contract(world: SqlWorld) -> None:
    promised = [tuple(column.split(":")) for view in CONTRACT.values() for column in view.split()]
    views = {**VIEWS, **DERIVED}
    assert list(views) == list(CONTRACT)
    assert [(column.name, column.kind) for view in views.values() for column in view.columns] == [
        (name, KINDS[kind]) for name, kind in promised
    ]
    every = ", ".join([*CONTRACT, "documents"])
    answer = ask_world(world, f"SELECT * FROM {every} LIMIT 1")
    assert answer.kinds == [KINDS[kind] for _, kind in promised] + [each.kind for each in DOCUMENT_COLUMNS]


def test_documents_are_the_lake() -> None:
    types = arrow_types()
    assert [(each.name, types[each.kind]) for each in DOCUMENT_COLUMNS] == [
        (field.name, field.type) for field in LAKE_SCHEMA
    ]


def test_the_manual_lists_every_view_and_column() -> None:
    assert view_chapter() in (ROOT / "docs" / "sql.md").read_text()


def test_the_examples_of_the_manual_run(world: SqlWorld) -> None:
    examples = re.findall(r"```sql\n(.+?)```", (ROOT / "docs" / "sql.md").read_text(), re.DOTALL)
    assert len(examples) == 6
    with ThreadPoolExecutor(3) as several:
        assert all(several.map(lambda example: ask_world(world, example).columns, examples))


def test_amounts_times_and_freshness_are_exact(world: SqlWorld) -> None:
    answer = ask_world(
        world,
        "SELECT sum(amount), min(created_at), typeof(sum(amount)), (SELECT count(*) FROM documents), "
        "(SELECT string_agg(text, ' ' ORDER BY seq) FROM documents WHERE seq > 1) FROM ledger",
    )
    assert answer.rows == [[str(3 * WEI), "2026-01-01 00:00:00.124000", "DECIMAL(38,0)", 3, "text-2 text-3"]]
    assert answer.log_seq == 3
    assert MOMENT_MS % 1000 == 123


NEXT_DAY_MS = MOMENT_MS + 86_400_000
TWO_DAYS: dict[str, list[dict[str, Any]]] = {
    "leases": [
        {"closed_at_ms": closed, "kind": kind, "state": state, "outcome": outcome, "bytes_wire": size}
        for closed, kind, state, outcome, size in (
            (MOMENT_MS, "work", "answered", "fetched", 70),
            (MOMENT_MS, "audit", "answered", "fetched", 30),
            (MOMENT_MS, "work", "expired", "expired", 0),
            (None, "work", "leased", None, 0),
        )
    ],
    "contributions": [{"kind": "work"}, {"kind": "work"}, {"kind": "truth"}],
    "verdicts": [
        {"decided_at_ms": MOMENT_MS, "verdict": "accepted"},
        {"decided_at_ms": MOMENT_MS, "verdict": "unaudited"},
        {"decided_at_ms": MOMENT_MS, "verdict": "accepted"},  # a truth in somebody's place
        {"decided_at_ms": NEXT_DAY_MS, "verdict": "rejected"},
    ],
    "annotations": [{"token_count": 600}, {"token_count": 400}, {"token_count": 9}],
    "ledger": [
        {"created_at_ms": MOMENT_MS, "debit": "emission", "credit": "pending:a", "amount": 3 * WEI},
        {"created_at_ms": MOMENT_MS, "debit": "pending:a", "credit": "emission", "amount": WEI},
        {"created_at_ms": MOMENT_MS, "debit": "pending:a", "credit": "posted:a", "amount": WEI},
    ],
    "sales": [
        {"sold_at_ms": NEXT_DAY_MS, "price": 5, "royalties": 3, "burned": 1, "asset": "WIND"},
        {"sold_at_ms": NEXT_DAY_MS, "price": 70, "royalties": 49, "burned": 0, "asset": "USDC"},
    ],
}


def test_each_day_of_the_network_is_counted_once(tmp_path: Path) -> None:
    world = SqlWorld(tmp_path, rows=0)
    state = State.open(world.url)
    with state.write() as connection:
        for name, several in TWO_DAYS.items():
            table = tables.metadata.tables[name]
            for number, given in enumerate(several, 1):
                connection.execute(sa.insert(table).values(row_for(table, number, **given)))
    state.close()
    answer = ask_world(world, "SELECT * FROM network_daily")
    second, first = (dict(zip(answer.columns, row, strict=True)) for row in answer.rows)
    assert first == {
        "day": "2026-01-01 00:00:00",
        "nodes_active": 1,
        "nodes_verified": 1,
        "leases_over": 2,
        "fetches": 2,
        "bytes_wire": 100,
        "documents_accepted": 2,
        "tokens_accepted": 1_000,
        "fetches_per_document": 1.0,
        "minted": str(2 * WEI),
        "minted_per_document": pytest.approx(WEI),
        "minted_per_million_tokens": pytest.approx(2_000 * WEI),
        "sales": 0,
        "sold": "0",
        "royalties": "0",
        "burned": "0",
    }
    sums = [second[name] for name in ("day", "sales", "sold", "royalties", "burned")]
    assert sums == ["2026-01-02 00:00:00", 2, "5", "3", "1"]
    assert (second["documents_accepted"], second["fetches_per_document"]) == (0, None)
    joined = "SELECT d.day, n.role FROM network_daily d LEFT JOIN nodes n ON true WHERE d.sales > 0"
    assert ask_world(world, joined).rows == [["2026-01-02 00:00:00", None]]


def test_what_a_type_cannot_hold_is_null_for_times_and_fails_for_amounts(tmp_path: Path) -> None:
    world = SqlWorld(tmp_path, rows=1)
    state = State.open(world.url)
    with state.write() as connection:
        far = row_for(tables.contributions, 7, kind="work", fetched_at_ms=2**62)
        connection.execute(sa.insert(tables.contributions).values(far))
        connection.execute(sa.insert(tables.sales).values(row_for(tables.sales, 7, price=10**38)))
    state.close()
    answer = ask_world(world, "SELECT fetched_at, received_at IS NULL FROM contributions WHERE seq = 7")
    assert answer.rows == [[None, False]]
    with pytest.raises(WindrowError, match="39 digits, 38 can be counted"):
        ask_world(world, "SELECT count(*) FROM sales")


def test_rows_are_cut_and_names_kept_apart(world: SqlWorld) -> None:
    answer = run_query(
        world.url,
        [],
        "SELECT range AS a, 2 AS a, 'nan'::DOUBLE, 2::HUGEINT ** 60, '\\xff'::BLOB, [1, NULL] FROM range(9)",
        rows_max=2,
    )
    assert answer.truncated
    assert answer.columns[:2] == ["a", "a_2"]
    assert answer.rows[1][:3] == [1, 2, "nan"]
    assert answer.rows[1][4:] == ["ff", [1, None]]


FAULTS = (
    ("SELEC", "sql_failed", 'syntax error at or near "SELEC"'),
    ("SELECT nope FROM nodes", "sql_failed", "nope"),
    ("SELECT * FROM node", "sql_refused", "there is no view `node`; there are contributions, verdicts"),
    ("SELECT * FROM glob('/*')", "sql_refused", "the table function `glob` is not available here"),
    ("SELECT 1; SELECT 2", "sql_refused", "it is not exactly one SELECT"),
    ("SELECT " + "1+" * 12_000 + "1", "sql_refused", "24008 characters, 20000 allowed"),
    ("SELECT repeat('a', 4000000000)", "sql_limits", "it needs more than 512 MB of memory"),
)


def test_errors_are_one_sentence(world: SqlWorld) -> None:
    with ThreadPoolExecutor(4) as several:
        errors = list(several.map(lambda fault: refusal_of(world, fault[0]), FAULTS))
    for (_, code, sentence), error in zip(FAULTS, errors, strict=True):
        assert error.code == code
        assert sentence in error.detail
        assert "\n" not in error.detail
        assert "LINE 1" not in error.detail
        assert "olutions" not in error.detail


def refusal_of(world: SqlWorld, statement: str) -> WindrowError:
    """Return why a statement gets no answer."""
    with pytest.raises(WindrowError) as caught:
        ask_world(world, statement)
    return caught.value


def test_an_error_cannot_write_to_the_terminal() -> None:
    assert one_sentence("Conversion Error: no '\x1b[2J'.\nLINE 1: x") == "no '·[2J'"


STRANGE = Answer(
    ["n", "text", "flag", "list"],
    ["BIGINT", "VARCHAR", "BOOLEAN", "INTEGER[]"],
    [
        [1, '=1+"2"\r\nx\x1b[2J', True, [1, 2]],
        [None, "語" * 2, False, None],
        [str(10**30), "y" * 99, None, []],
    ],
    log_seq=3,
    truncated=False,
)


def test_a_table_is_one_line_a_row_without_control_characters() -> None:
    lines = show(STRANGE, "table").splitlines()
    assert len(lines) == 5
    assert lines[2].split() == ["1", '=1+"2"', "x·[2J", "true", "[1,", "2]"]
    assert lines[3].index("false") + 2 == lines[2].index("true")  # a wide character takes two columns
    assert "y" * 59 + "…" in lines[4]
    assert lines[2].startswith(" " * 30 + "1")


def test_csv_and_json_keep_every_character() -> None:
    rows = list(csv.reader(io.StringIO(show(STRANGE, "csv"), newline="")))
    assert rows[0] == STRANGE.columns
    assert rows[1] == ["1", '=1+"2"\r\nx\x1b[2J', "true", "[1, 2]"]
    assert rows[2] == ["", "語語", "false", ""]
    assert json.loads(show(STRANGE, "json"))[2] == {
        "n": str(10**30),
        "text": "y" * 99,
        "flag": None,
        "list": [],
    }


def test_a_question_says_how_fresh_its_answer_is(world: SqlWorld) -> None:
    home = str(world.home)
    shown, note = ask(
        HouseSettings(home=home, database_url=world.url),
        Question("SELECT count(*) AS n FROM contributions"),
        "json",
    )
    assert json.loads(shown) == [{"n": 3}]
    assert re.fullmatch(r"1 row as of \d{4}-\d\d-\d\dT[\d:]+\+00:00, log entry 3, in \d+\.\d\d s", note)
    with pytest.raises(WindrowError, match="No house has run"):
        ask(HouseSettings(home=home + "/none"), Question("SELECT 1"), "json")
