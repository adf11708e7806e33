"""Which statements may run at all: exactly one SELECT over views, and no function that reads elsewhere.

Rules: DuckDB's own parser decides what is one statement and what kind it is; its serialised syntax tree is then walked
and every function and table function checked. This is the first wall; the engine's locked settings and the process's
limits are the second and third. Names that a statement gives to its own queries are plain words, so that none can pass
for a file.

Does not: run anything. Usage: `names = check_statement(engine, text)`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import duckdb

from aggregator.sql.printable import one_sentence
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SQL_CHARS_MAX

DOCUMENTS: Final = "documents"
TABLE_FUNCTIONS: Final = frozenset({"range", "generate_series", "unnest"})
# Functions that read elsewhere, wait, log, or take inner states and plans that a statement could forge.
_FORBIDDEN: Final = re.compile(
    r"^(read_|parquet_|glob|sniff_|query|query_table|duckdb_|pragma_|sqlite_|postgres_|iceberg_|delta_|st_read|"
    r"getenv|getvariable|current_setting|which_secret|json_execute|json_serialize|json_deserialize|from_substrait|"
    r"checkpoint|force_checkpoint|enable_|disable_|set_|write_|copy_|load_|install_|nextval|currval|"
    r"arrow_scan|pandas_scan|python_|seq_scan|repeat_row|test_|add_parquet|file_|from_hex_file|"
    r"sleep_ms$|pg_sleep|truncate_duckdb|__internal_|finalize$|combine$|stats$|in_search_path$|inet_)"
)
_PLAIN_NAME: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")


def check_statement(engine: Any, statement: str) -> frozenset[str]:
    """Return the names of the views a statement reads. Raises WindrowError `sql_refused` or `sql_failed`."""
    if len(statement) > SQL_CHARS_MAX:
        raise WindrowError("sql_refused", f"{len(statement)} characters, {SQL_CHARS_MAX} allowed")
    try:
        parsed = engine.extract_statements(statement)
    except duckdb.Error as error:
        raise WindrowError("sql_failed", one_sentence(str(error))) from error
    if len(parsed) != 1 or parsed[0].type != duckdb.StatementType.SELECT:
        raise WindrowError("sql_refused", "it is not exactly one SELECT")
    tree = _tree(engine, parsed[0].query)
    common, tables = set(), set()
    for node in _nodes(tree):
        _check_node(node)
        common.update(_common_names(node))
        if node.get("type") == "BASE_TABLE":
            if node.get("schema_name") or node.get("catalog_name"):
                raise WindrowError("sql_refused", "views have no schema or catalog here")
            tables.add(str(node["table_name"]).lower())
    if any(not _PLAIN_NAME.match(name) for name in common):
        raise WindrowError("sql_refused", "the name of a WITH query is letters, digits and _ only")
    return frozenset(tables - common)


def _tree(engine: Any, statement: str) -> Any:
    (text,) = engine.execute("SELECT json_serialize_sql(?::VARCHAR)", [statement]).fetchone()
    try:
        tree = json.loads(text, strict=False)  # numbers beyond a double are written as Infinity
    except ValueError as error:
        raise WindrowError("sql_refused", "it holds a value that cannot be read back") from error
    if tree.get("error"):
        # What the serialiser does not know (PRAGMA that expands to a SELECT, SUMMARIZE, PIVOT …) is not let in.
        raise WindrowError("sql_refused", "only a plain SELECT is understood here")
    return tree


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a syntax tree, without recursion: depth is the stranger's choice."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _common_names(node: dict[str, Any]) -> list[str]:
    """Return the names that a WITH clause of this node gives to its own queries."""
    entries = node.get("cte_map")
    if not isinstance(entries, dict):
        return []
    return [str(entry["key"]).lower() for entry in entries.get("map", [])]


def _check_node(node: dict[str, Any]) -> None:
    if node.get("type") == "SHOW_REF":  # SHOW, DESCRIBE and SUMMARIZE, which the parser turns into a SELECT
        raise WindrowError("sql_refused", "it is not exactly one SELECT")
    name = str(node.get("function_name", "")).lower()
    if node.get("type") == "TABLE_FUNCTION":
        name = str((node.get("function") or {}).get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            raise WindrowError("sql_refused", f"the table function `{name}` is not available here")
    if name and (_FORBIDDEN.match(name) or node.get("schema") not in (None, "", "main")):
        raise WindrowError("sql_refused", f"the function `{name}` is not available here")
