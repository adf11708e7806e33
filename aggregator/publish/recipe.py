"""A dataset's recipe: the folder `datasets/<name>/` read and checked, nothing run yet.

Rules: four files, `recipe.toml`, `build.sql`, `checks.sql`, `card.md`; a missing or unknown setting is refused with
its name. Money is written as whole wei. Columns are listed in the order in which they are sold, each with its type
and what it says. `checks.sql` is a list of statements, each below a line `-- check: name`; before them come those of
`must_hold.sql` beside this module, or of its like for what people gave, which no recipe can leave out.

Does not: run SQL, or know any dataset by name.

Usage: `recipe = load_recipe(recipes_dir, "web_text")`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import pyarrow as pa
from msgspec import Meta

from aggregator.publish.filters import Filter
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import ManifestColumn, check_dataset_name
from windrow_protocol.limits import PRIVACY_EPSILON_MICRO_MAX, PRIVACY_PEOPLE_MIN, SHARD_BYTES_MAX

COLUMN_TYPES: Final[dict[str, pa.DataType]] = {
    "string": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp_ms": pa.timestamp("ms", tz="UTC"),
    "list<string>": pa.list_(pa.string()),
}
# What the publisher itself fills in; `build.sql` gives all the others.
PUBLISHER_COLUMNS: Final = ("contributor_pseudonym", "pii_redactions")
_ALWAYS: Final = ("id", "text", "language", "token_count", "content_sha256", "pii_redactions")
_OF_PAGES: Final = (
    *("fetched_at", "robots_state", "optout_signals", "dup_cluster_id", "verdict", "contributor_pseudonym"),
    "consent_receipt_id",
)
# By what a dataset is of: the columns it has, and the checks beside this module that look at them.
REQUIRED_COLUMNS: Final = {
    "pages": (*_ALWAYS, *_OF_PAGES),
    "visits": (*_ALWAYS, "url", "month", "contributor_pseudonym"),
    "interests": (*_ALWAYS, "kind", "by", "month", "contributor_pseudonym"),
    "monthly_counts": (*_ALWAYS, "host", "month", "people"),
}
_MUST_HOLD: Final = {
    "pages": "must_hold.sql",
    "visits": "must_hold_visits.sql",
    "interests": "must_hold_interests.sql",
    "monthly_counts": "must_hold_counts.sql",
}
_CHECK = re.compile(r"^--\s*check:\s*(\S.*?)\s*$", re.MULTILINE)

Wei = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,37})(?!\\n)$")]


class OtherPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an export costs in another asset, in that asset's smallest unit, as decimal strings."""

    units_per_million_tokens: Wei
    minimum_units: Wei

    def units(self, tokens: int) -> int:
        """Return the price of that many tokens, rounded down, at least the minimum."""
        return max(int(self.minimum_units), tokens * int(self.units_per_million_tokens) // 1_000_000)


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an export costs: by its tokens, and at least the minimum; whole wei as decimal strings.

    `also` is what it costs in other assets, by their symbols, as the operator states it: nothing is converted. A house
    that takes one of them offers it for that, too; an asset without a price here is none that it is sold for.
    """

    asset: str
    wei_per_million_tokens: Wei
    minimum_wei: Wei
    also: dict[Annotated[str, Meta(pattern="^[A-Za-z0-9.]{1,16}(?!\\n)$")], OtherPrice] = {}

    def others(self, tokens: int) -> dict[str, str]:
        """Return the price of that many tokens in each other asset, as the manifest says it."""
        found = {symbol: price.units(tokens) for symbol, price in sorted(self.also.items())}
        return {symbol: str(units) for symbol, units in found.items() if units and symbol != self.asset}

    def wei(self, tokens: int) -> int:
        """Return the price of that many tokens in wei, rounded down, at least the minimum."""
        return max(int(self.minimum_wei), tokens * int(self.wei_per_million_tokens) // 1_000_000)


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of the data."""

    type: str
    about: str


class Licence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a buyer may do with the export: a Hugging Face licence id, a name and where to read it."""

    id: str
    name: str
    link: str


class PeopleTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a dataset is made of what people gave: visits, or differentially private counts of them by month, or
    what they searched for, watched and listened to.

    `people_min` is how many people a group has at least; `epsilon_micro` what an answer about a month costs each of
    them of their budget, in millionths.
    """

    of: Literal["visits", "monthly_counts", "interests"]
    people_min: Annotated[int, Meta(ge=PRIVACY_PEOPLE_MIN)]
    epsilon_micro: Annotated[int, Meta(ge=0, le=PRIVACY_EPSILON_MICRO_MAX)] = 0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `recipe.toml`."""

    title: str
    summary: str
    tags: list[str]
    licence: Licence
    price: Price
    columns: dict[str, Column]
    thresholds: dict[str, int | float | str | bool] = {}
    filters: dict[str, Filter] = {}
    people: PeopleTerms | None = None
    shard_bytes: Annotated[int, Meta(ge=100_000, le=SHARD_BYTES_MAX)] = 512_000_000


@dataclass(frozen=True)
class Check:
    """One statement that must return no rows."""

    name: str
    sql: str


@dataclass(frozen=True)
class Recipe:
    """A recipe that was read whole; `sha256` names its files together. `whole`: of what it is the changes."""

    dataset: str
    settings: Settings
    build_sql: str
    checks: tuple[Check, ...]
    card: str
    sha256: str
    whole: str = ""

    @property
    def family(self) -> str:
        """The dataset whose pseudonyms and removals these are."""
        return self.whole or self.dataset

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows that are sold."""
        return pa.schema(
            [(name, COLUMN_TYPES[column.type]) for name, column in self.settings.columns.items()]
        )

    @property
    def manifest_columns(self) -> list[ManifestColumn]:
        """The columns as the manifest lists them."""
        return [ManifestColumn(name, each.type, each.about) for name, each in self.settings.columns.items()]


def recipe_names(recipes_dir: Path) -> list[str]:
    """Return the names of all datasets that have a recipe."""
    return sorted(path.parent.name for path in recipes_dir.glob("*/recipe.toml"))


def load_recipe(recipes_dir: Path, dataset: str) -> Recipe:
    """Read one recipe. Raises WindrowError `unknown_dataset` or `bad_recipe`."""
    folder = recipes_dir / check_dataset_name(dataset)
    if not (folder / "recipe.toml").is_file():
        known = ", ".join(recipe_names(recipes_dir)) or "none"
        raise WindrowError("unknown_dataset", f"{dataset}; there are: {known}")
    parts = {name: _read(folder / name) for name in ("recipe.toml", "build.sql", "checks.sql", "card.md")}
    digest = hashlib.sha256()
    settings = _settings(parts["recipe.toml"])
    must_hold = _read(Path(__file__).with_name(_MUST_HOLD[_is_of(settings)]))
    for name, text in sorted({**parts, _MUST_HOLD[_is_of(settings)]: must_hold}.items()):
        digest.update(f"{name}\n{len(text)}\n{text}".encode())
    return Recipe(
        dataset=dataset,
        settings=settings,
        build_sql=parts["build.sql"],
        checks=_distinct(split_checks(must_hold), split_checks(parts["checks.sql"])),
        card=parts["card.md"],
        sha256=digest.hexdigest(),
    )


def split_checks(text: str) -> tuple[Check, ...]:
    """Return the named statements of `checks.sql`. Raises WindrowError `bad_recipe`."""
    marks = list(_CHECK.finditer(text))
    if not marks:
        raise WindrowError("bad_recipe", "checks.sql has no line `-- check: name`")
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    checks = tuple(
        Check(mark.group(1), text[mark.end() : end].strip().rstrip(";"))
        for mark, end in zip(marks, ends, strict=True)
    )
    empty = [check.name for check in checks if not check.sql]
    if empty:
        raise WindrowError("bad_recipe", f"checks.sql: empty check {empty}")
    return checks


def _distinct(shared: tuple[Check, ...], own: tuple[Check, ...]) -> tuple[Check, ...]:
    checks = shared + own
    names = [check.name for check in checks]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise WindrowError("bad_recipe", f"checks.sql: double check {double}")
    return checks


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WindrowError("bad_recipe", f"{path.parent.name}/{path.name}: {error}") from error


def _settings(text: str) -> Settings:
    try:
        values: dict[str, Any] = tomllib.loads(text)
        settings = msgspec.convert(values, Settings)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise WindrowError("bad_recipe", f"recipe.toml: {error}") from error
    if settings.people and (settings.people.of == "monthly_counts") != bool(settings.people.epsilon_micro):
        raise WindrowError("bad_recipe", "recipe.toml: counts cost an `epsilon_micro`, rows none")
    if settings.price.also and (settings.people or settings.price.asset in settings.price.also):
        said = "exports about people are sold for the network's own token alone"
        own = f"{settings.price.asset} has its price in [price] already"
        raise WindrowError("bad_recipe", f"recipe.toml: [price.also]: {said if settings.people else own}")
    unknown = {column.type for column in settings.columns.values()} - set(COLUMN_TYPES)
    missing = [name for name in REQUIRED_COLUMNS[_is_of(settings)] if name not in settings.columns]
    if unknown or missing:
        raise WindrowError("bad_recipe", f"recipe.toml: unknown types {sorted(unknown)}, missing {missing}")
    return settings


def _is_of(settings: Settings) -> str:
    return settings.people.of if settings.people else "pages"
