"""The files of one published version, read wherever a home keeps them.

Rules: a version never changes, so what was read once may be kept. What is missing is FileNotFoundError; a store that
does not answer is `FilesAwayError`, which is nothing wrong with the version.

Does not: check digests (who shows or sells does), or write.

Usage: `files = published_files(env.disk, home, "web_text", "0.1.0")`, `files.read("manifest.json")`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.env import Disk, RangedFile
from storage.outages import telling_outages

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as pads

EXPORTS = "exports"


@dataclass(frozen=True)
class PublishedFiles:
    """The files below one folder, by their path in it with slashes."""

    disk: Disk
    folder: Path

    def read(self, name: str) -> bytes:
        """Return a whole file. Raises OSError."""
        return self.disk.read(self.folder / name)

    def has(self, name: str) -> bool:
        """Say whether a file is there, or anything below a folder of that name. Raises OSError."""
        return any(each == name or each.startswith(f"{name}/") for each in self.disk.tree(self.folder))

    def small_table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a Parquet file that fits into memory twice. Raises OSError, or ArrowException for no Parquet."""
        import pyarrow.parquet as pq

        return pq.read_table(io.BytesIO(self.read(name)), columns=columns and list(columns))

    def table(self, name: str, columns: Sequence[str], filters: Any = None) -> pa.Table:
        """Return some columns of a Parquet file, reading no others. Raises as `small_table`."""
        import pyarrow.parquet as pq

        with telling_outages():
            system = self.disk.arrow(self.folder)
            return pq.read_table(name, columns=list(columns), filters=filters, filesystem=system)

    @contextmanager
    def scanned(self, names: Sequence[str], schema: pa.Schema | None = None) -> Iterator[pads.Dataset]:
        """Give some Parquet files as one dataset that is read as it is asked. Raises as `small_table`."""
        import pyarrow.dataset as pads

        with telling_outages():
            system = self.disk.arrow(self.folder)
            yield pads.dataset(list(names), schema=schema, format="parquet", filesystem=system)

    def ranged(self, name: str, size_bytes: int, sha256: str) -> RangedFile:
        """Return a file as it is sent, by the size and digest that were signed."""
        return RangedFile(size_bytes, sha256, partial(self.disk.read_range, self.folder / name))


def published_files(disk: Disk, home: Path, dataset: str, version: str) -> PublishedFiles:
    """Return the files of a version."""
    return PublishedFiles(disk, home / EXPORTS / dataset / version)
