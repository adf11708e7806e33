"""A recipe's thresholds on annotations: which rows are dropped for which of them, as SQL that the publisher runs.

Rules: a filter names one column of the lake and the values that are good enough; whatever it does not say is good
enough, and so is a null (a signal that is not known of a language, or of an older row) unless the filter says
otherwise. A filter may hold for some languages only. All filters are asked of every row, so that what each of them
costs can be counted.

Does not: choose a threshold (recipes do), run SQL, or know what a signal means.

Usage::

    engine.execute(curated_view(recipe.settings.filters))
    engine.execute("SELECT seq, dropped_by FROM curated")  # names of filters
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa

from storage.lake import LAKE_SCHEMA
from windrow_protocol.errors import WindrowError

DROPPED_BY: Final = "dropped_by"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a row must be: `column` within `min` and `max`, ends included, or, for a list, with `none_of` some values.

    `languages` and `other_languages` say for which languages it is asked at all: only those, or all but those.
    """

    column: str
    about: str
    min: int | float | None = None
    max: int | float | None = None
    none_of: list[str] = []
    languages: list[str] = []
    other_languages: list[str] = []
    missing: Literal["keep", "drop"] = "keep"


def curated_view(filters: Mapping[str, Filter]) -> str:
    """Return the statement that makes the view `curated` over `lake`. Raises WindrowError `bad_recipe`."""
    cases = [f"CASE WHEN {_drops(name, each)} THEN '{name}' END" for name, each in filters.items()]
    names = f"list_filter([{', '.join(cases)}], lambda name: name IS NOT NULL)" if cases else "[]::VARCHAR[]"
    return f"CREATE OR REPLACE TEMP VIEW curated AS SELECT *, {names} AS {DROPPED_BY} FROM lake"


def _drops(name: str, each: Filter) -> str:
    """Return the condition under which a filter drops a row."""
    if not _NAME.fullmatch(name):
        raise WindrowError("bad_recipe", f"recipe.toml: the filter's name {name!r}")
    bad = " OR ".join(_bounds(name, each))
    condition = f"({each.column} IS NULL OR {bad})" if each.missing == "drop" else f"coalesce({bad}, false)"
    if each.languages:
        condition += f" AND language IN ({_codes(name, each.languages)})"
    if each.other_languages:
        condition += f" AND language NOT IN ({_codes(name, each.other_languages)})"
    return condition


def _bounds(name: str, each: Filter) -> list[str]:
    index = LAKE_SCHEMA.get_field_index(each.column)
    kind = LAKE_SCHEMA.field(index).type if index >= 0 else None
    bounds: list[str] = []
    if kind is not None and (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and not each.none_of:
        bounds += [f"{each.column} < {each.min!r}"] if each.min is not None else []
        bounds += [f"{each.column} > {each.max!r}"] if each.max is not None else []
    elif kind is not None and pa.types.is_list(kind) and each.min is None and each.max is None:
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in each.none_of)
        bounds += [f"list_has_any({each.column}, [{listed}])"] if listed else []
    if not bounds:
        raise WindrowError(
            "bad_recipe", f"recipe.toml: the filter {name} asks nothing that {each.column} can answer"
        )
    return bounds


def _codes(name: str, languages: list[str]) -> str:
    wrong = [code for code in languages if not _LANGUAGE.fullmatch(code)]
    if wrong:
        raise WindrowError("bad_recipe", f"recipe.toml: the filter {name} names the languages {wrong}")
    return ", ".join(f"'{code}'" for code in languages)


class Dropped:
    """How many rows were dropped, and for each filter how many it would drop: in all, and alone."""

    def __init__(self) -> None:
        self.rows = 0
        self._counts: dict[str, list[int]] = {}

    def count(self, names: list[str]) -> None:
        """Count one row that these filters drop."""
        self.rows += 1
        for name in names:
            counts = self._counts.setdefault(name, [0, 0])
            counts[0] += 1
            counts[1] += len(names) == 1

    def table(self) -> list[dict[str, Any]]:
        """Return `filter`, `rows` and `alone`, those that drop most first."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1][0], item[0]))
        return [{"filter": name, "rows": rows, "alone": alone} for name, (rows, alone) in ranked]
