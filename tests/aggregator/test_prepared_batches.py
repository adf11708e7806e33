"""A batch is prepared alike whatever stands beside it; normal forms seen together are those seen one by one."""

from __future__ import annotations

import hashlib
from random import Random

import msgspec
import zstandard
from honest_records import honest_record

from aggregator.normal_texts import are_normal
from aggregator.prepared_batches import Fault, PreparedRecord, Preparer
from storage.segments import unpack
from windrow_protocol.content import is_normal_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Contribution, Outcome, Report, Submission, canonical_record

NODE = "a" * 64


def lease_id(number: int) -> str:
    return f"l{number:031x}"


def line_of(number: int) -> bytes:
    """Every seventh is no JSON, every fifth a report, every third has blanks that no normal form has."""
    url, blanks = f"http://h{number}.example/", "  " if number % 3 == 0 else " "
    record: Submission = honest_record(
        NODE, lease_id(number), url, f"some{blanks}words {number} " * 40 + "end", 7
    )
    if number % 7 == 0:
        return b"{"
    if number % 5 == 0:
        record = Report(lease_id(number), url, Outcome.NOT_FOUND, 7)
    return msgspec.json.encode(record)


def body_of(numbers: range) -> bytes:
    return zstandard.compress(b"\n".join(map(line_of, numbers)))


def test_large_batches_small_ones_and_a_broken_one_together_are_what_each_is_alone() -> None:
    bodies = [body_of(range(1, 60)), b"no zstd", body_of(range(60, 63)), body_of(range(63, 63 + 17))]
    together = Preparer().prepare([(NODE, body) for body in bodies])
    assert isinstance(together[1], WindrowError)
    assert together[1].code == "bad_compression"
    records = [each for batch in together if not isinstance(batch, WindrowError) for each in batch]
    alone = Preparer()
    for number, each in zip(range(1, 80), records, strict=True):
        (batch,) = alone.prepare([(NODE, body_of(range(number, number + 1)))])
        assert not isinstance(batch, WindrowError)
        assert batch == [each]
        if number % 7 == 0:
            assert isinstance(each, Fault)
            assert each.code == "not_json"
            continue
        assert isinstance(each, PreparedRecord)
        exact = unpack(each.packed)
        assert exact == canonical_record(msgspec.json.decode(line_of(number), type=Contribution | Report))
        assert each.sha256 == hashlib.sha256(exact).hexdigest()
        assert (each.fault is not None) == (number % 3 == 0 and number % 5 != 0)


PIECES = [
    "a",
    "word",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\n\n\n",
    "\t",
    "\r",
    "é",
    "e\u0301",
    "й",
    "中文",
    "\u00a0",
    "\ufeff",
    "\x7f",
    "…",
]


def test_texts_seen_together_are_in_normal_form_exactly_where_each_is() -> None:
    random, outcomes = Random(3), [0, 0]
    for round_number in range(6_000):
        pieces = PIECES[:6] if round_number % 2 else PIECES
        texts = ["".join(random.choices(pieces, k=random.randint(1, 5))) for _ in range(random.randint(1, 3))]
        texts = [f"begins{text}and ends" if random.random() < 0.8 else text for text in texts]
        each = [is_normal_text(text) for text in texts]
        together = are_normal([text.encode() for text in texts])
        assert not together or all(each), texts
        if all(text.isascii() for text in texts):
            assert together == all(each), texts
        outcomes[together] += 1
    assert min(outcomes) > 500


def test_many_long_texts_are_seen_in_parts_and_every_one_of_them_counts() -> None:
    texts = [
        f"text {number} of many é\n\n".encode() + b"words and words " * 500 + b"end" for number in range(60)
    ]
    assert are_normal(texts)
    for place in (0, 11, 12, 13, 59):
        for bent in (b" " + texts[place], texts[place] + b"\n", texts[place] + b"  end", b""):
            assert not are_normal([*texts[:place], bent, *texts[place + 1 :]])
    assert are_normal([])
