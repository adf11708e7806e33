"""What changed of a dataset since one of its versions, as a dataset of its own: only those rows are built and sold.

Rules: a row has changed when the earlier version lacks its id, or sold another text under it; annotations that were
judged again change nothing. Pseudonyms and removals are those of the whole dataset, so that a buyer of both can put
them together. Everything else is as for every export: a price by its tokens, shares of its rows, proofs, a signature.

Does not: know who bought the earlier version, or change it.

Usage: `publish(house, recipes_dir, "web_text", since="0.1.0")` makes `web_text_since_0_1_0`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec

from aggregator.publish.recipe import Recipe
from aggregator.publish.rows import RowBatch
from storage.published import PublishedFiles
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import PROVENANCE_NAME, changes_name


def changes_recipe(recipe: Recipe, since: str) -> Recipe:
    """Return the recipe under which the changes since a version are published."""
    settings = msgspec.structs.replace(
        recipe.settings,
        title=f"{recipe.settings.title}, changes since {since}",
        summary=f"{recipe.settings.summary}; only rows that version {since} of {recipe.dataset} lacks",
    )
    return replace(
        recipe, dataset=changes_name(recipe.dataset, since), settings=settings, whole=recipe.dataset
    )


def texts_of(files: PublishedFiles) -> dict[str, str]:
    """Return the SHA-256 of each text that a version sold, by row id. Raises WindrowError `not_found`."""
    try:
        table = files.table(PROVENANCE_NAME, ["id", "text_sha256"])
    except FileNotFoundError as error:
        folder = files.folder
        raise WindrowError("not_found", f"{folder.parent.name} has no version {folder.name}") from error
    return dict(zip(table["id"].to_pylist(), table["text_sha256"].to_pylist(), strict=True))


def only_changed(batches: Iterable[RowBatch], held: Mapping[str, str]) -> Iterator[RowBatch]:
    """Yield the batches without the rows whose text `held` has already."""
    for batch in batches:
        kept = [
            (row, proof)
            for row, proof in zip(batch.rows, batch.provenance, strict=True)
            if held.get(row["id"]) != proof["text_sha256"]
        ]
        yield replace(batch, rows=[row for row, _ in kept], provenance=[proof for _, proof in kept])
