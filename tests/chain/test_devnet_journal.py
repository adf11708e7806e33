"""The journal: what was acknowledged is there after any cut, and real damage is never mistaken for a cut."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.journal import Journal, Record, decode_all
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TX_BYTES_MAX

RECORDS = st.lists(
    st.builds(
        Record,
        timestamp_s=st.integers(0, 2**40),
        block_hash=st.binary(min_size=32, max_size=32),
        sender=st.binary(min_size=20, max_size=20),
        raw=st.binary(min_size=1, max_size=200),
    ),
    min_size=1,
    max_size=6,
)


@given(records=RECORDS, data=st.data())
def test_a_cut_at_any_byte_keeps_exactly_the_whole_records(
    records: list[Record], data: st.DataObject
) -> None:
    parts = [record.encode() for record in records]
    whole = b"".join(parts)
    cut = data.draw(st.integers(0, len(whole)))
    kept, sound = decode_all(whole[:cut])
    assert kept == records[: len(kept)]
    assert sound == sum(len(part) for part in parts[: len(kept)])
    assert cut < sound + (len(parts[len(kept)]) if len(kept) < len(parts) else 1)


@given(records=RECORDS, data=st.data())
def test_damage_before_the_last_record_is_refused(records: list[Record], data: st.DataObject) -> None:
    last = Record(1, bytes(32), bytes(20), b"the last one, sound")
    parts = [record.encode() for record in records]
    damaged = bytearray(b"".join(parts))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(WindrowError) as caught:
        decode_all(bytes(damaged) + last.encode())
    assert caught.value.code == "chain_journal_corrupt"


def test_torn_tail_is_cut_off_and_writing_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.bin"
    first, second, third = (Record(n, bytes([n]) * 32, bytes(20), b"raw%d" % n) for n in range(3))
    with Journal.open(path) as journal:
        journal.append(first)
        journal.append(second)
    path.write_bytes(path.read_bytes()[:-3])
    with Journal.open(path) as journal:
        assert journal.records == [first]
        assert journal.torn_bytes == len(second.encode()) - 3
        journal.append(third)
    with Journal.open(path) as journal:
        assert (journal.records, journal.torn_bytes) == ([first, third], 0)


def test_zeros_left_by_a_power_cut_are_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "journal.bin"
    record = Record(7, b"\x07" * 32, bytes(20), b"raw")
    path.write_bytes(record.encode() + bytes(500))
    with Journal.open(path) as journal:
        assert (journal.records, journal.torn_bytes) == ([record], 500)
    assert path.read_bytes() == record.encode()


def test_corrupt_journal_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.bin"
    records = [Record(n, bytes(32), bytes(20), b"raw") for n in range(3)]
    content = bytearray(b"".join(record.encode() for record in records))
    content[20] ^= 1
    path.write_bytes(content)
    with pytest.raises(WindrowError, match="damaged"):
        Journal.open(path)
    assert path.read_bytes() == bytes(content)


def test_record_of_the_largest_transaction_fits(tmp_path: Path) -> None:
    record = Record(1, bytes(32), bytes(20), os.urandom(TX_BYTES_MAX))
    with Journal.open(tmp_path / "journal.bin") as journal:
        journal.append(record)
    with Journal.open(tmp_path / "journal.bin") as journal:
        assert journal.records == [record]


def test_folder_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "journal.bin").mkdir()
    with pytest.raises(WindrowError) as caught:
        Journal.open(tmp_path / "journal.bin")
    assert caught.value.code == "home_unwritable"
