"""The row groups of the lake's files, each named by what anybody needs to read it: what batch work is cut into.

Rules: a group can be sent to another process, which reads it where it lies: a folder of this machine, or S3.

Does not: list files (`manifest` does) or write. Usage: `[group.read() for group in groups_of(files, names)]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from storage.lake.schema import LAKE_SCHEMA


class Group(NamedTuple):
    """One row group of one file."""

    files: pafs.FileSystem
    name: str
    number: int

    def read(self, columns: Sequence[str] = tuple(LAKE_SCHEMA.names)) -> pa.Table:
        """Return its rows with some columns of `LAKE_SCHEMA`; those that the file does not have are null.

        Raises OSError.
        """
        with pq.ParquetFile(self.name, filesystem=self.files) as file:
            there = [name for name in columns if name in file.schema_arrow.names]
            table = file.read_row_group(self.number, columns=there, use_threads=False)
        return with_columns(table, columns)


def groups_of(files: pafs.FileSystem, names: Iterable[str]) -> list[Group]:
    """Return the groups of some files, in order. Raises OSError."""
    groups: list[Group] = []
    for name in names:
        with pq.ParquetFile(name, filesystem=files) as file:
            groups += [Group(files, name, number) for number in range(file.num_row_groups)]
    return groups


def with_columns(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return rows of a file, which may be older or newer than this schema, with exactly these of its columns."""
    fields = [LAKE_SCHEMA.field(name) for name in columns]
    values = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in fields
    ]
    return pa.Table.from_arrays(values, schema=pa.schema(fields))
