"""Writes an answer by columns, inside the contained process: an Arrow IPC stream, or a Parquet file.

Rules: first a line of JSON, the answer's head or the refusal; then the bytes. Types are DuckDB's own, so that wei stay
exact. A stream is written while the statement runs; a file only when it is whole. What goes wrong after the head ends
the process with a code, and the bytes without their end.

Does not: run before the process is contained. Usage: `code = write_columns(job, sys.stdout.buffer)`.

Source: Apache Arrow columnar format (IPC streaming), Apache Parquet.
"""

from __future__ import annotations

import io
import sys
from typing import Any, BinaryIO, Final

import msgspec

from aggregator.sql.contained_engine import ask, distinct, prepared, told_why
from aggregator.sql.engine import Ready
from aggregator.sql.job import Head, Job, Refusal
from windrow_protocol.errors import WindrowError

_ROWS_AT_ONCE: Final = 10_000


def write_columns(job: Job, out: BinaryIO, ready: Ready | None = None) -> int:
    """Answer one job by columns and return the process's code: 0 when all of it was written."""
    told = False
    try:
        engine, log_seq = prepared(job, ready)
        with told_why(job):
            reader, schema = _reader(ask(engine, job), {**job.facts, "windrow.log_seq": str(log_seq)})
        head = Head(schema.names, log_seq)
        if job.form == "parquet":
            with told_why(job):
                body = _parquet(reader, schema, job.answer_bytes_max)
            _say(out, head)
            out.write(body)
            return 0
        with told_why(job):
            first = next(reader, None)  # most of what goes wrong does so before a row is there
        _say(out, head)
        told = True
        with told_why(job):
            _stream(reader, first, schema, out)
    except (WindrowError, MemoryError, RecursionError) as error:
        refused = (
            error if isinstance(error, WindrowError) else WindrowError("sql_limits", type(error).__name__)
        )
        if told:
            print(refused, file=sys.stderr)
        else:
            _say(out, Refusal(refused.code, refused.detail))
        return int(told)
    return 0


def _reader(result: Any, facts: dict[str, str]) -> tuple[Any, Any]:
    """Return the batches of a result and their schema, with names of their own and what is said of the answer."""
    reader = result.to_arrow_reader(_ROWS_AT_ONCE)
    fields = [
        field.with_name(name)
        for field, name in zip(reader.schema, distinct(reader.schema.names), strict=True)
    ]
    import pyarrow as pa

    return reader, pa.schema(fields, metadata=facts)


def _stream(reader: Any, first: Any, schema: Any, out: BinaryIO) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(out, schema) as writer:
        while first is not None:
            writer.write_batch(pa.RecordBatch.from_arrays(first.columns, schema=schema))
            first = next(reader, None)


def _parquet(reader: Any, schema: Any, bytes_max: int) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    body = io.BytesIO()
    with pq.ParquetWriter(body, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            if body.tell() > bytes_max:
                raise WindrowError("sql_limits", f"the answer has more than {bytes_max // 10**6} MB")
    return body.getvalue()


def _say(out: BinaryIO, said: Head | Refusal) -> None:
    out.write(msgspec.json.encode(said) + b"\n")
    out.flush()
