"""The export's README: the recipe's card.md filled in, below the YAML front matter that Hugging Face reads.

Rules: every figure comes from the run. Values in the front matter are written as JSON, which is valid YAML.

Does not: write files. Usage: `text = render_card(recipe, facts)`.

Source: Hugging Face, "Dataset Cards" and "Data files configuration".
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import jinja2

from aggregator.publish.filters import Dropped
from aggregator.publish.measuring import RowCounts
from aggregator.publish.recipe import Recipe
from windrow_protocol.errors import WindrowError

HOSTS_SHOWN: Final = 10
_HF_TYPES: Final = {
    "string": {"dtype": "string"},
    "int32": {"dtype": "int32"},
    "int64": {"dtype": "int64"},
    "float64": {"dtype": "float64"},
    "bool": {"dtype": "bool"},
    "timestamp_ms": {"dtype": "timestamp[ms, tz=UTC]"},
    "list<string>": {"list": "string"},
}
_SIZES: Final = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)


@dataclass
class ExportFacts:
    """What was counted while the rows were written."""

    rows: int = 0
    tokens: int = 0
    text_bytes: int = 0
    row_bytes: int = 0
    data_bytes: int = 0
    redactions: int = 0
    redacted_rows: int = 0
    left_out: int = 0
    dropped: Dropped = field(default_factory=Dropped)
    languages: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    counts: RowCounts = field(default_factory=RowCounts)

    def ranked_languages(self) -> list[tuple[str, int]]:
        """Languages by number of rows, ties by name."""
        return _ranked(self.languages)

    def top_hosts(self) -> list[tuple[str, int]]:
        """The hosts with most rows, ties by name."""
        return _ranked(self.hosts, HOSTS_SHOWN)

    def ranked_licences(self) -> list[tuple[str, int]]:
        """Licences that pages state, by number of rows; an empty name where a page states none."""
        return _ranked(self.licences)


def _ranked(counter: Counter[str], most: int | None = None) -> list[tuple[str, int]]:
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:most]


def size_category(rows: int) -> str:
    """Return Hugging Face's name for a number of rows."""
    return next((name for bound, name in _SIZES if rows < bound), "n>1B")


def _front_matter(recipe: Recipe, facts: ExportFacts) -> dict[str, Any]:
    settings = recipe.settings
    features = [{"name": name, **_HF_TYPES[each.type]} for name, each in settings.columns.items()]
    return {
        "pretty_name": settings.title,
        "license": settings.licence.id,
        "license_name": settings.licence.name,
        "license_link": settings.licence.link,
        "language": [code for code, _ in facts.ranked_languages() if len(code) in (2, 3)],
        "task_categories": ["text-generation"],
        "tags": settings.tags,
        "size_categories": [size_category(facts.rows)],
        "configs": [
            {
                "config_name": "default",
                "default": True,
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
        "dataset_info": {
            "config_name": "default",
            "features": features,
            "splits": [{"name": "train", "num_bytes": facts.row_bytes, "num_examples": facts.rows}],
            "download_size": facts.data_bytes,
            "dataset_size": facts.row_bytes,
        },
    }


def render_card(recipe: Recipe, facts: ExportFacts, version: str) -> str:
    """Return the whole README. Raises WindrowError `bad_recipe` when card.md cannot be filled in."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    try:
        body = environment.from_string(recipe.card).render(
            dataset=recipe.dataset,
            version=version,
            title=recipe.settings.title,
            summary=recipe.settings.summary,
            columns=recipe.manifest_columns,
            thresholds=recipe.settings.thresholds,
            people=recipe.settings.people,
            rows=facts.rows,
            tokens=facts.tokens,
            redactions=facts.redactions,
            redacted_rows=facts.redacted_rows,
            left_out=facts.left_out,
            filters=recipe.settings.filters,
            dropped=facts.dropped.rows,
            languages=facts.ranked_languages(),
            hosts=facts.top_hosts(),
            licences=facts.ranked_licences(),
        )
    except jinja2.TemplateError as error:
        raise WindrowError("bad_recipe", f"card.md: {error}") from error
    lines = [
        f"{key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in _front_matter(recipe, facts).items()
    ]
    return "---\n" + "\n".join(lines) + "\n---\n\n" + body
