"""daft, native runner: its own normalisation and MinHash, and a group for each band; the first of a group stays."""

from __future__ import annotations

import os

os.environ.setdefault("DAFT_RUNNER", "native")

import daft
import pyarrow as pa
from daft import DataType, col
from daft.functions import minhash, normalize
from measured import measured

BANDS, ROWS = 16, 8
LIST = DataType.list(DataType.uint32())


def remove(texts: list[str]) -> list[int]:
    """Return the numbers of texts of which an earlier one shares a band."""
    frame = daft.from_pydict({"id": list(range(len(texts))), "text": texts})
    normal = normalize(col("text"), remove_punct=True, lowercase=True, nfd_unicode=True, white_space=True)
    hashes = minhash(normal, num_hashes=BANDS * ROWS, ngram_size=5)
    banded = frame.select("id", hashes.cast(LIST).chunk(ROWS).alias("bands")).explode("bands").collect()
    table = banded.to_arrow().append_column("band", pa.array(list(range(BANDS)) * len(texts)))
    groups = (
        daft.from_arrow(table)
        .groupby("band", "bands")
        .agg(col("id").min().alias("first"), col("id").list_agg())
    )
    later = groups.explode("id").where(col("id") != col("first")).select("id").distinct()
    return later.to_pydict()["id"]


measured(remove, "daft", daft.__version__, f"native runner, {BANDS} bands of {ROWS} rows, words of 5")
