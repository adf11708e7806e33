"""The books in sentences: they agree with the chain after a sale, and say what does not when something is changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from market_world import BURN_BPS, Bought, Market

from rewards.ledger import balance_of
from rewards.supply import supply_differences
from storage.tables.contributions import ledger
from windrow.ledger_report import recompute_epoch, verify_books
from windrow.verification import RootSource, verify_row
from windrow_protocol.economics import sha256_of
from windrow_protocol.errors import WindrowError


def test_after_a_sale_the_books_agree_with_the_chain(market: Market, bought: Bought) -> None:
    report = verify_books(market.house, market.chain)
    assert report["ok"], report["checks"]
    assert {check["state"] for check in report["checks"]} == {"passed"}
    sums = {name: int(amount) for name, amount in report["assets"]["WIND"].items()}
    assert sums["given"] == sums["held"] == sum(sums[name] for name in sums if name not in ("given", "held"))
    assert sums["owed"] + sums["paid"] == market.chain.distributor.total_allocated()
    assert sums["owed"] > 0 == sums["other"]


def test_without_a_chain_that_is_not_checked_and_nothing_else_changes(market: Market, bought: Bought) -> None:
    report = verify_books(market.house, None)
    assert report["ok"]
    assert [check["name"] for check in report["checks"] if check["state"] == "not_checked"] == [
        "sales",
        "supply",
        "chain",
    ]


def test_the_supply_is_what_was_minted_less_what_sales_burned(market: Market, bought: Bought) -> None:
    token, burned = market.chain.token, int(bought.receipt.burned)
    with market.house.state.read() as connection:
        by_sales = balance_of(connection, "burned")
    assert by_sales >= burned == market.export.price * BURN_BPS // 10_000 > 0
    minted, gone = token.minted_and_burned(market.chain.deployment.block, market.chain.head())
    assert (gone, token.total_supply()) == (by_sales, minted - by_sales)
    assert supply_differences(market.house, market.chain) == []
    assert verify_books(market.house, market.chain)["assets"]["WIND"]["burned"] == str(by_sales)


def test_a_burn_that_the_chain_does_not_have_is_named(market: Market, bought: Bought) -> None:
    with market.house.state.write() as connection:
        burned = sa.select(ledger.c.entry_seq, ledger.c.amount).where(ledger.c.reason == "sale_burned")
        seq, before = connection.execute(burned.order_by(ledger.c.entry_seq).limit(1)).one()
        change = sa.update(ledger).where(ledger.c.entry_seq == seq)
        connection.execute(change.values(amount=before + 1))
    try:
        (said,) = supply_differences(market.house, market.chain)
    finally:
        with market.house.state.write() as connection:
            connection.execute(change.values(amount=before))
    assert "the chain burned" in said


def test_who_owns_every_row_still_loses_what_is_burned_and_the_fees(market: Market, bought: Bought) -> None:
    """Wash buying, at its best for the buyer: all royalties of the sale come back to the one who paid."""
    receipt = bought.receipt
    with market.house.state.read() as connection:
        of_sale = sa.select(ledger).where(ledger.c.cause == receipt.sale_id)
        entries = connection.execute(of_sale).all()
    assert not any(entry.debit == "emission" for entry in entries), "nothing is minted for a sale"
    back = sum(entry.amount for entry in entries if entry.credit.startswith("posted:"))
    assert int(receipt.price) - back >= int(receipt.burned) + int(receipt.fees) > 0


def test_a_changed_entry_is_named(market: Market, bought: Bought) -> None:
    with market.house.state.write() as connection:
        fees = sa.select(ledger.c.entry_seq, ledger.c.amount).where(ledger.c.reason == "sale_fees")
        seq, before = connection.execute(fees.order_by(ledger.c.entry_seq).limit(1)).one()
        change = sa.update(ledger).where(ledger.c.entry_seq == seq)
        connection.execute(change.values(amount=before + 1))
    try:
        report = verify_books(market.house, market.chain)
    finally:
        with market.house.state.write() as connection:
            connection.execute(change.values(amount=before))
    failed = {check["name"]: check["detail"] for check in report["checks"] if check["state"] == "failed"}
    assert not report["ok"]
    assert "clearing_is_empty" in failed
    assert "heads_follow" in failed


def test_an_epoch_is_rebuilt_from_its_published_log_alone(bought: Bought, tmp_path: Path) -> None:
    found = recompute_epoch(bought.folder / "proofs" / "1")
    header = json.loads((bought.folder / "proofs" / "1" / "epoch.json").read_bytes())
    assert (found["ok"], found["root"], found["total_wei"]) == (True, header["root"], header["total_wei"])
    assert found["prices"] == "passed"
    shutil.copytree(bought.folder / "proofs" / "1", tmp_path / "1")
    (tmp_path / "1" / "epoch.json").write_text(json.dumps({**header, "root": "0x" + "0" * 64}))
    assert "the header says" in recompute_epoch(tmp_path / "1")["detail"]
    terms = tmp_path / "1" / "economics.json"
    as_published = terms.read_bytes()
    terms.write_bytes(as_published.replace(b'"fetch_fee_wei": "5', b'"fetch_fee_wei": "6'))
    with pytest.raises(WindrowError, match=r"economics\.json was changed"):
        recompute_epoch(tmp_path / "1")
    dearer = json.loads(as_published)
    for each in dearer["terms"]:
        each["parameters"]["fetch_fee_wei"] = "1"
        each["sha256"] = sha256_of(each["parameters"])
    terms.write_text(json.dumps(dearer))
    bent = {**header, "economics_sha256": hashlib.sha256(terms.read_bytes()).hexdigest()}
    (tmp_path / "1" / "epoch.json").write_text(json.dumps(bent))
    found = recompute_epoch(tmp_path / "1")
    assert (found["ok"], found["prices"]) == (False, "failed")
    assert "the terms of version 3 say 1" in found["detail"]
    older = {name: value for name, value in header.items() if name != "economics_sha256"}
    (tmp_path / "1" / "epoch.json").write_text(json.dumps(older))
    assert recompute_epoch(tmp_path / "1")["prices"] == "not_checked"
    log = tmp_path / "1" / "ledger.ndjson"
    log.write_text(log.read_text().replace('"amount":"', '"amount":"1', 1))
    with pytest.raises(WindrowError) as refusal:
        recompute_epoch(tmp_path / "1")
    assert refusal.value.code == "unbalanced"
    with pytest.raises(WindrowError) as refusal:
        recompute_epoch(tmp_path)
    assert refusal.value.code == "not_found"


# --- the way of one row -----------------------------------------------------------------------------------------------

STEPS = ["manifest signature", "row", "receipt", "verdict", "ledger entry", "epoch root", "root on chain"]


def first_row(folder: Path) -> dict[str, Any]:
    proofs: list[dict[str, Any]] = pq.read_table(folder / "provenance.parquet").to_pylist()
    return proofs[0]


def said_of(folder: Path, row_id: str, rpc: str = "") -> dict[str, tuple[str, str]]:
    told = verify_row(folder, row_id, None, RootSource(rpc=rpc))
    return {check["name"]: (check["state"], check["detail"]) for check in told["checks"]}


def test_a_row_is_told_from_its_fetch_to_the_chain(market: Market, bought: Bought) -> None:
    row = first_row(bought.folder)
    said = said_of(bought.folder, row["id"], market.rpc_url)
    assert list(said) == STEPS
    assert {state for state, _ in said.values()} == {"passed"}
    assert (
        f"node {row['node_id'][:16]}… handed this text in for lease {row['lease_id']}" in said["receipt"][1]
    )
    assert "accepted" in said["verdict"][1]
    assert f"to pending:{row['node_id']}" in said["ledger entry"][1]
    assert f"to posted:{row['payout_address']}" in said["ledger entry"][1]
    assert row["payout_address"] in said["epoch root"][1]
    assert said_of(bought.folder, row["id"])["root on chain"] == (
        "not_checked",
        "no RPC and no saved header was given",
    )


def test_a_row_that_is_not_there_is_not_told(bought: Bought) -> None:
    with pytest.raises(WindrowError) as refusal:
        verify_row(bought.folder, "nobody", None, RootSource())
    assert refusal.value.code == "not_found"


def test_without_epochs_the_pay_of_a_row_is_not_checked(bought: Bought, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bought.folder, tmp_path / "a" / "b" / "c"))
    shutil.rmtree(folder / "proofs")
    said = said_of(folder, first_row(folder)["id"])
    assert [said[name][0] for name in STEPS[:4]] == ["passed"] * 4
    assert [said[name][0] for name in STEPS[4:]] == ["not_checked"] * 3


def test_a_row_with_another_text_or_owner_fails(bought: Bought, tmp_path: Path) -> None:
    row = first_row(bought.folder)
    for column, value in (("row_sha256", "0" * 64), ("verdict", row["receipt"]), ("lease_id", "l0")):
        folder = Path(shutil.copytree(bought.folder, tmp_path / column))
        table = pq.read_table(folder / "provenance.parquet")
        values = [value if i == 0 else held for i, held in enumerate(table[column].to_pylist())]
        place = table.schema.get_field_index(column)
        changed = table.set_column(
            place, table.schema.field(place), pa.array(values, table.schema.field(place).type)
        )
        pq.write_table(changed, folder / "provenance.parquet")
        assert said_of(folder, row["id"])["row"][0] == "failed"


def flipped(path: Path, place: int) -> None:
    body = bytearray(path.read_bytes())
    body[place] ^= 0x01
    path.write_bytes(body)


def outcome(work: Callable[[], bool]) -> bool | str:
    """Return what a check gives, or the code of its refusal."""
    try:
        return work()
    except WindrowError as refusal:
        return refusal.code


def set_first(folder: Path, column: str, value: Any) -> None:
    """Rewrite one value of the first row's provenance."""
    table = pq.read_table(folder / "provenance.parquet")
    values = [value if i == 0 else held for i, held in enumerate(table[column].to_pylist())]
    place = table.schema.get_field_index(column)
    field = table.schema.field(place)
    pq.write_table(
        table.set_column(place, field, pa.array(values, field.type)), folder / "provenance.parquet"
    )


def test_no_column_of_a_rows_provenance_can_be_changed(bought: Bought, tmp_path: Path) -> None:
    """Also its owner and its place, which no receipt and no verdict names."""
    row = first_row(bought.folder)
    other = next(
        r for r in pq.read_table(bought.folder / "provenance.parquet").to_pylist() if r["id"] != row["id"]
    )
    for column, value in row.items():
        folder = Path(shutil.copytree(bought.folder, tmp_path / column))
        changed = value + 1 if isinstance(value, int) else other[column]
        set_first(folder, column, changed if changed != value else value[:-1] + "0")
        if column == "id":
            with pytest.raises(WindrowError) as refusal:
                said_of(folder, row["id"])
            assert refusal.value.code == "export_corrupt"
        else:
            assert said_of(folder, row["id"])["row"][0] == "failed", column


FILES_OF_A_ROW = [
    "manifest.json",
    "manifest.jws",
    "provenance.parquet",
    "proofs/1/ledger.ndjson",
    "proofs/1/tree.json",
    "proofs/1/epoch.json",
]


def test_a_name_that_is_no_text_is_corrupt(bought: Bought, tmp_path: Path) -> None:
    """Arrow reads such a column and only Python cannot."""
    row_id = first_row(bought.folder)["id"]
    folder = Path(shutil.copytree(bought.folder, tmp_path / "export"))
    table = pq.read_table(folder / "provenance.parquet")
    place = table.schema.get_field_index("node_id")
    names = pc.cast(pa.array([b"\xa7"] * table.num_rows), options=pc.CastOptions.unsafe(pa.string()))
    pq.write_table(table.set_column(place, "node_id", names), folder / "provenance.parquet")
    assert outcome(lambda: said_of(folder, row_id)) == "export_corrupt"


@pytest.mark.parametrize("name", [*FILES_OF_A_ROW, "data"])
def test_a_flipped_byte_in_any_file_that_a_row_rests_on_is_found(
    bought: Bought, tmp_path: Path, name: str
) -> None:
    row_id = first_row(bought.folder)["id"]
    folder = Path(shutil.copytree(bought.folder, tmp_path / "export"))
    path = folder / name if name != "data" else next(iter(sorted((folder / "data").iterdir())))
    whole = path.read_bytes()
    for step in range(24):
        flipped(path, step * (len(whole) - 1) // 24)
        assert outcome(lambda: "failed" in {state for state, _ in said_of(folder, row_id).values()}) in (
            True,
            "export_corrupt",
        ), step
        path.write_bytes(whole)


def test_a_flipped_byte_anywhere_in_a_published_log_is_found(bought: Bought, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bought.folder / "proofs" / "1", tmp_path / "1"))
    whole = (folder / "ledger.ndjson").read_bytes()
    first = len(whole.splitlines(keepends=True)[0])
    for place in [*range(first), *range(first, len(whole), 1 + len(whole) // 200)]:
        flipped(folder / "ledger.ndjson", place)
        assert outcome(lambda: not recompute_epoch(folder)["ok"]) in (True, "unbalanced"), place
        (folder / "ledger.ndjson").write_bytes(whole)


def test_no_column_of_an_entry_can_be_changed(market: Market, bought: Bought) -> None:
    with market.house.state.read() as connection:
        entry = connection.execute(sa.select(ledger).order_by(ledger.c.entry_seq).limit(1)).one()._asdict()
    del entry["entry_seq"]
    for column, value in entry.items():
        other = value + 1 if isinstance(value, int) else str(value) + "0"
        rows = sa.update(ledger).where(ledger.c.entry_seq == 1)
        with market.house.state.write() as connection:
            connection.execute(rows.values(**{column: other}))
        try:
            report = verify_books(market.house, None)
        finally:
            with market.house.state.write() as connection:
                connection.execute(rows.values(**{column: value}))
        assert "heads_follow" in {each["name"] for each in report["checks"] if each["state"] == "failed"}, (
            column
        )
    assert verify_books(market.house, None)["ok"]
