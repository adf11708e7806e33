"""An export is checked to the chain without the seller; whatever is changed is found and named; nothing is assumed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from market_world import Bought, Market

from marketplace.provenance import Verification, verify_export
from marketplace.row_checks import RowChecks
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address
from windrow_protocol.signing import sign

FRIEND = "posted:" + checksum_address("0x" + "fe" * 20)
OFFLINE = ["epoch signature", "ledger", "ledger entries", "tree and root", "leaves", "root on chain"]


@pytest.fixture
def folder(bought: Bought, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bought.folder, tmp_path / "export"))


def shard_of(folder: Path) -> Path:
    return next(iter(sorted((folder / "data").iterdir())))


def states(result: Verification) -> dict[str, str]:
    return {check.name: check.state for check in result.checks}


def detail(result: Verification, name: str) -> str:
    return next(check.detail for check in result.checks if check.name == name)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(bytes(data))


def test_everything_is_checked_up_to_the_chain(market: Market, folder: Path) -> None:
    asked: list[Mapping[str, Any]] = []

    def root_on_chain(header: Mapping[str, Any]) -> str:
        asked.append(header)
        chain = market.chain
        accepted = chain.distributor.accepted_roots(chain.deployment.block, chain.head())
        assert header["root"] in [each.root for each in accepted]
        return "it was accepted"

    result = verify_export(
        folder,
        coordinator_id=market.house.coordinator_id,
        network=market.house.network,
        root_on_chain=root_on_chain,
    )
    assert result.complete, [check for check in result.checks if check.state != "passed"]
    assert (result.dataset, result.version, result.rows) == ("web_text", "0.1.0", market.export.rows)
    assert asked[0]["distributor"] == market.chain.distributor.address


def test_what_was_not_checked_is_said(folder: Path) -> None:
    shutil.rmtree(folder / "proofs")
    result = verify_export(folder)
    assert result.ok
    assert not result.complete
    not_checked = {name for name, state in states(result).items() if state == "not_checked"}
    assert not_checked == {"coordinator's key", *OFFLINE}
    assert "no published epochs" in detail(result, "epoch signature")


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_a_flipped_byte_in_the_data_names_shard_and_row(folder: Path, part: float) -> None:
    shard = shard_of(folder)
    column = pq.ParquetFile(shard).metadata.row_group(0).column(1)  # the text
    flip(shard, column.data_page_offset + int(column.total_compressed_size * part))
    said = detail(verify_export(folder), "files")
    assert f"data/{shard.name} was changed" in said
    assert re.search(r"row \d+ \(c[0-9a-f]{31}\)", said)


def test_a_row_range_that_cannot_be_decoded_is_named(folder: Path) -> None:
    shard = shard_of(folder)
    column = pq.ParquetFile(shard).metadata.row_group(0).column(1)
    data = bytearray(shard.read_bytes())
    start = column.data_page_offset + column.total_compressed_size // 2
    data[start : start + 400] = b"\xff" * 400
    shard.write_bytes(bytes(data))
    result = verify_export(folder)
    assert re.search(
        r"rows \d+ to 19 cannot be read in column `text`, from row \d+ \(c[0-9a-f]{31}\)",
        detail(result, "files"),
    )
    assert states(result)["rows"] == "failed"
    assert states(result)["receipts"] == "not_checked"


@pytest.mark.parametrize("place", [2, -2, 40])
def test_a_flipped_byte_anywhere_in_a_shard_names_the_shard(folder: Path, place: int) -> None:
    shard = shard_of(folder)
    flip(shard, place)
    result = verify_export(folder)
    assert not result.ok
    assert f"data/{shard.name} was changed" in detail(result, "files")


def test_a_rewritten_row_is_named_with_its_id(folder: Path) -> None:
    shard = shard_of(folder)
    table = pq.read_table(shard)
    texts = table["text"].to_pylist()
    texts[3] = texts[3].replace("module", "lawyer")
    changed = table.set_column(1, "text", pa.array(texts))
    pq.write_table(changed, shard, compression="zstd")
    shard.write_bytes(shard.read_bytes())
    result = verify_export(folder)
    named = table["id"][3].as_py()
    assert states(result)["rows"] == states(result)["files"] == "failed"
    assert named in detail(result, "rows")


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("provenance.parquet", "files"),
        ("shares.parquet", "files"),
        ("README.md", "files"),
        ("removed_ids.json", "files"),
        ("manifest.json", "manifest signature"),
        ("manifest.jws", "manifest signature"),
        ("proofs/1/ledger.ndjson", "epoch signature"),
        ("proofs/1/tree.json", "epoch signature"),
        ("proofs/1/epoch.json", "epoch signature"),
        ("proofs/1/epoch.jws", "epoch signature"),
    ],
)
def test_a_flipped_byte_in_any_file_is_found(folder: Path, name: str, check: str) -> None:
    path = folder / name
    flip(path, path.stat().st_size // 2)
    result = verify_export(folder)
    assert states(result)[check] == "failed"
    assert path.name.split(".")[0] in detail(result, check) or "signature" in detail(result, check).lower()


def test_a_missing_and_an_added_file_are_found(folder: Path) -> None:
    (folder / "shares.parquet").unlink()
    (folder / "data" / "train-00001-of-00002.parquet").write_bytes(b"PAR1")
    said = detail(verify_export(folder), "files")
    assert "shares.parquet is missing" in said
    assert "data/train-00001-of-00002.parquet is not part of this export" in said


@pytest.mark.parametrize("column", ["robots_state", "optout_signals"])
def test_a_row_that_does_not_say_whether_it_was_opted_out_is_a_fault(folder: Path, column: str) -> None:
    """Neither a column that is not there nor a value that is not there says that nobody objected."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    row = pq.read_table(shard_of(folder)).to_pylist()[0]
    proof = pq.read_table(folder / "provenance.parquet").to_pylist()[0]
    without = {name: value for name, value in row.items() if name != column}
    for told, faults in ((row, 0), (row | {column: None}, 1), (without, 1)):
        rows = RowChecks(manifest["coordinator_id"], manifest["network"], 2**53)
        rows.check(told, proof)
        assert rows.faults["opt_outs"].count == faults


def test_another_key_than_the_one_known_is_no_signature(folder: Path) -> None:
    result = verify_export(folder, coordinator_id="0" * 64)
    assert states(result)["manifest signature"] == "failed"
    assert states(result)["rows"] == "not_checked"
    assert not result.ok
    assert states(verify_export(folder, network="another"))["manifest signature"] == "failed"


def test_a_forged_epoch_signed_by_somebody_else_is_found(folder: Path) -> None:
    epoch = folder / "proofs" / "1"
    header = json.loads((epoch / "epoch.json").read_bytes())
    forger = Ed25519PrivateKey.generate()
    token = sign(
        forger,
        network=header["network"],
        purpose="epoch",
        subject="1",
        now_ms=1_700_000_000_000,
        content=header,
    )
    (epoch / "epoch.jws").write_text(token)
    result = verify_export(folder)
    assert states(result)["epoch signature"] == "failed"
    assert states(result)["ledger"] == "not_checked"


def test_a_root_the_chain_never_accepted_is_a_failure(folder: Path) -> None:
    def never(header: Mapping[str, Any]) -> str:
        raise WindrowError("bad_proof", f"root {header['root']} was never accepted")

    result = verify_export(folder, root_on_chain=never)
    assert states(result)["root on chain"] == "failed"
    assert detail(result, "root on chain").endswith("was never accepted")


def test_rows_newer_than_the_epoch_are_not_checked_and_unpaid_ones_fail(market: Market, folder: Path) -> None:
    """The coordinator itself signs an epoch whose ledger lacks the rows: closed before the export, and after it."""
    for closed_before, state in ((True, "not_checked"), (False, "failed")):
        _sign_empty_epoch(market, folder, closed_before=closed_before)
        result = verify_export(folder)
        assert states(result)["epoch signature"] == "passed"
        assert states(result)["ledger entries"] == state
        assert str(market.export.rows) in detail(result, "ledger entries") or "was not credited" in detail(
            result, "ledger entries"
        )


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ({"debit": "fines", "credit": FRIEND, "amount": str(10**24)}, "fines is below zero"),
        ({"debit": "royalties", "credit": FRIEND, "amount": "1"}, "royalties is below zero"),
        ({}, "was posted before"),
    ],
)
def test_a_ledger_that_gives_what_nobody_had_fails(
    market: Market, folder: Path, lie: dict[str, str], said: str
) -> None:
    """The coordinator itself signs it: heads follow and the head is the header's, as they do of any lines."""
    epoch = folder / "proofs" / "1"
    published = (epoch / "ledger.ndjson").read_bytes()
    last = json.loads(published.splitlines()[-1])
    new = last | lie | {"entry_seq": last["entry_seq"] + 1}
    if lie:
        new["entry_id"] = "ab" * 32
    names = ("entry_id", "debit", "credit", "asset", "amount", "cause", "reason", "rule_version")
    sealed = [last["head"], str(new["entry_seq"]), *(str(new[name]) for name in (*names, "created_at_ms"))]
    new["head"] = hashlib.sha256("\n".join(sealed).encode()).hexdigest()
    published += json.dumps(new, separators=(",", ":")).encode() + b"\n"
    header = json.loads((epoch / "epoch.json").read_bytes())
    header |= {"ledger_sha256": hashlib.sha256(published).hexdigest(), "ledger_head": new["head"]}
    header["entry_seq"] = new["entry_seq"]
    (epoch / "ledger.ndjson").write_bytes(published)
    (epoch / "epoch.json").write_text(json.dumps(header))
    (epoch / "epoch.jws").write_text(market.house.sign("epoch", "1", header))
    result = verify_export(folder)
    assert states(result)["epoch signature"] == "passed"
    assert states(result)["ledger"] == "failed"
    assert said in detail(result, "ledger")


def _sign_empty_epoch(market: Market, folder: Path, *, closed_before: bool) -> None:
    epoch = folder / "proofs" / "1"
    created = json.loads((folder / "manifest.json").read_bytes())["created_at_ms"]
    header = json.loads((epoch / "epoch.json").read_bytes())
    header |= {
        "ledger_sha256": hashlib.sha256(b"").hexdigest(),
        "entry_seq": 0,
        "ledger_head": "0" * 64,
        "closed_at_ms": created + (-1 if closed_before else 1),
    }
    (epoch / "ledger.ndjson").write_bytes(b"")
    (epoch / "epoch.json").write_text(json.dumps(header))
    (epoch / "epoch.jws").write_text(market.house.sign("epoch", "1", header))


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WindrowError) as refusal:
        verify_export(tmp_path)
    assert refusal.value.code == "not_found"
