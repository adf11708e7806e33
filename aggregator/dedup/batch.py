"""The clusters of all texts of a lake at once, as the log's order gives them: for a cluster of machines, or for one.

Rules: the very clusters that `seen` gives one text after the other, because each step of it follows from texts alone:
a sketch from its text; a text's candidates from the keys of those before it; the most similar of them from their
texts. Only what follows from that, a walk through numbers, is done in one place. How files and groups are cut, and who
computes what, changes nothing. Texts that are not there, because they were erased, count no more: a copy of such a
text is unique here.

Does not: write, judge hosts (a text of a hard host is left out), or know of erasures' digests.

Usage::

    table = cluster_all(runner, groups)     # rows of SCHEMA, by their place in the log
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aggregator.dedup.minhash import COLUMNS, Keys, sketch_all
from aggregator.dedup.runs import Entries, MemoryRun
from aggregator.dedup.seen import ranked
from aggregator.dedup.verifying import SeenDocument, Verification
from storage.lake.groups import Group
from storage.runner import Runner
from windrow_protocol.limits import NEAR_DUPLICATE_JACCARD_MIN, NEAR_DUPLICATE_POSTINGS_MAX

SCHEMA: Final = pa.schema(
    [
        ("seq", pa.int64()),
        ("contribution_id", pa.string()),
        ("dup_kind", pa.string()),
        ("dup_cluster_id", pa.string()),
        ("dup_first_id", pa.string()),
        ("dup_similarity", pa.float64()),
        ("unique_bytes", pa.int64()),
    ]
)
SPAN_TEXTS: Final = 2_048  # whose candidates are compared in one call
HARD: Final = "hard"
_KEYS: Final = pa.binary(4 * COLUMNS)


def cluster_all(runner: Runner, groups: Sequence[Group], span_texts: int = SPAN_TEXTS) -> pa.Table:
    """Judge all texts of some groups of rows against one another. Raises OSError, WindrowError `cluster_failed`."""
    sketched = [
        table.append_column("group", pa.array(np.full(table.num_rows, place, np.int32)))
        for place, table in enumerate(runner.map(sketch_group, groups))
    ]
    if not sketched:
        return SCHEMA.empty_table()
    texts = pa.concat_tables(sketched).sort_by("seq").combine_chunks()
    first = _first_of_digest(texts["text_sha256"])
    index = _Index.of(texts, first, groups)
    spans = [
        (start, min(start + span_texts, index.seqs.size)) for start in range(0, index.seqs.size, span_texts)
    ]
    resembled = list(runner.map(partial(_compare_span, index), spans))
    numbers = np.concatenate([np.empty(0, np.int64), *(number for number, _ in resembled)])
    similarities = np.concatenate([np.empty(0, np.float64), *(similarity for _, similarity in resembled)])
    return _clustered(texts, first, numbers, similarities)


def sketch_group(group: Group) -> pa.Table:
    """Return of each text what all others need of it: digest, keys, and its bytes that are not said twice."""
    rows = group.read(["seq", "contribution_id", "dup_kind", "text"])
    rows = rows.filter(pc.fill_null(pc.not_equal(rows["dup_kind"], HARD), True))
    sketches = sketch_all(rows["text"].to_pylist())
    keys = b"".join(each.keys.tobytes() for each in sketches)
    made = {
        "text_sha256": pa.array([each.text_sha256 for each in sketches], pa.string()),
        "text_bytes": pa.array([each.text_bytes for each in sketches], pa.int64()),
        "unique_bytes": pa.array([each.unique_bytes() for each in sketches], pa.int64()),
        "keys": pa.FixedSizeBinaryArray.from_buffers(_KEYS, len(sketches), [None, pa.py_buffer(keys)]),
    }
    return pa.table({name: rows[name] for name in ("seq", "contribution_id")} | made)


@dataclass(frozen=True)
class _Index:
    """What a worker needs to know of all texts that are no exact copies; places count them."""

    entries: Entries
    keys: Keys
    seqs: NDArray[np.int64]
    sizes: NDArray[np.int64]  # bytes
    group_of: NDArray[np.int32]
    groups: Sequence[Group]

    @classmethod
    def of(cls, texts: pa.Table, first: NDArray[np.int64], groups: Sequence[Group]) -> _Index:
        """Index the first text of each digest."""
        own = texts.take(pa.array(np.flatnonzero(first == np.arange(first.size)))).combine_chunks()
        data = b"".join(own["keys"].to_pylist())
        keys = np.frombuffer(data, np.uint32).reshape(-1, COLUMNS)
        entries = MemoryRun.of(np.arange(own.num_rows, dtype=np.uint32), keys).entries
        seqs, sizes, places = (own[name].to_numpy() for name in ("seq", "text_bytes", "group"))
        return cls(entries, keys, seqs, sizes, places, groups)


def _compare_span(index: _Index, span: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return, for each text of a span, the place of the one it resembles most, and how similar that is; or -1 and 0."""
    start, end = span
    matches = MemoryRun(index.entries).find(index.keys[start:end], NEAR_DUPLICATE_POSTINGS_MAX)
    matches = matches[(matches[:, 2] < matches[:, 0] + start) & (matches[:, 1] > 0)]
    number = np.full(end - start, -1, np.int64)
    similarity = np.zeros(end - start, np.float64)
    pairs = ranked(matches)
    if pairs.shape[0]:
        asking, own = np.unique(pairs[:, 0], return_inverse=True)
        texts = _LakeTexts(index)
        held = texts.texts((asking + start).tolist())
        verification = Verification(
            sketch_all([held[place] for place in (asking + start).tolist()]),
            {},
            texts,
            texts.documents(np.unique(pairs[:, 1]).tolist()),
            NEAR_DUPLICATE_JACCARD_MIN,
        )
        verification.compare(np.stack([own, pairs[:, 1]], axis=1))
        number[asking], similarity[asking] = verification.number, verification.similarity
    return number, similarity


class _LakeTexts:
    """Texts of the lake by their places, read where they lie."""

    def __init__(self, index: _Index) -> None:
        self._index = index

    def documents(self, numbers: Sequence[int]) -> dict[int, SeenDocument]:
        """Return the sizes of some texts, which is all that a comparison asks for."""
        return {number: SeenDocument("", "", "", int(self._index.sizes[number])) for number in numbers}

    def texts(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return some texts, in the order asked for; a group is read once for all of them."""
        found: dict[int, str] = {}
        wanted = np.array(numbers, np.int64)
        of_group = self._index.group_of[wanted]
        for place in np.unique(of_group).tolist():
            here = wanted[of_group == place]
            rows = self._index.groups[place].read(["seq", "text"])
            rows = rows.filter(pc.is_in(rows["seq"], pa.array(self._index.seqs[here])))
            by_seq = dict(zip(rows["seq"].to_pylist(), rows["text"].to_pylist(), strict=True))
            found |= {number: by_seq[int(self._index.seqs[number])] for number in here.tolist()}
        return {number: found[number] for number in numbers}


def _first_of_digest(digests: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return, for each text in the log's order, the row of the first with the same digest."""
    codes = pc.dictionary_encode(digests).combine_chunks().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    rows: NDArray[np.int64] = first[codes]
    return rows


def _clustered(
    texts: pa.Table, first: NDArray[np.int64], numbers: NDArray[np.int64], similarities: NDArray[np.float64]
) -> pa.Table:
    """Walk through the log: a copy joins the cluster of what it copies or resembles most."""
    ids, unique_bytes = texts["contribution_id"].to_pylist(), texts["unique_bytes"].to_pylist()
    row_of = np.flatnonzero(first == np.arange(first.size)).tolist()  # of places
    resembled = {
        row_of[place]: (row_of[number], similarity)
        for place, (number, similarity) in enumerate(
            zip(numbers.tolist(), similarities.tolist(), strict=True)
        )
        if similarity
    }
    clusters: list[str] = []
    rows: list[tuple[str, str, float, int]] = []
    for row, copied in enumerate(first.tolist()):
        kind, of, similarity, new = "unique", row, 0.0, unique_bytes[row]
        if copied != row:
            kind, of, similarity, new = "exact", copied, 1.0, 0
        elif row in resembled:
            kind, new = "near", 0
            of, similarity = resembled[row]
        clusters.append(ids[row] if kind == "unique" else clusters[of])
        rows.append((kind, ids[of], similarity, new))
    kinds, firsts, alike, new_bytes = zip(*rows, strict=True)
    columns = [texts["seq"].to_pylist(), ids, kinds, clusters, firsts, alike, new_bytes]
    arrays = [pa.array(values, field.type) for field, values in zip(SCHEMA, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
