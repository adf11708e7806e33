"""A buyer pays once, gets every byte, and nobody gets in with somebody else's payment."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import sqlalchemy as sa
from files_place import brought
from market_world import (
    BURN_BPS,
    BUYER,
    OPERATOR,
    ROYALTY_BPS,
    STRANGER,
    TREASURY,
    Bought,
    Market,
    ServerThread,
)

from marketplace.client import MarketClient, Quote
from marketplace.delivery import Delivery
from marketplace.orders import Order, OrderDomain, sign_order
from marketplace.payment import list_on_chain, record_purchases
from marketplace.resuming import HttpClient
from storage.tables.contributions import sales
from windrow_protocol.errors import WindrowError


def rows_of_sales(market: Market) -> list[Any]:
    with market.house.state.read() as connection:
        return list(connection.execute(sa.select(sales).order_by(sales.c.block)))


def order_for(market: Market, tx_hash: str, buyer: str, **changes: Any) -> Order:
    order = Order(
        network=market.house.network,
        export_id=market.export.export_id,
        tx_hash=tx_hash,
        buyer=buyer,
        nonce="0x" + secrets.token_hex(32),
        expires_at_s=int(time.time()) + 60,
    )
    return msgspec.structs.replace(order, **changes)


def domain_of(market: Market) -> OrderDomain:
    return OrderDomain(market.chain.chain_id, market.chain.market.address)


def post_order(market: Market, order: Order) -> dict[str, Any]:
    body = HttpClient(market.url, 30).post("/market/orders", msgspec.json.encode(order), 100_000)
    answer: dict[str, Any] = msgspec.json.decode(body)
    return answer


def files_of(folder: Path) -> dict[str, bytes]:
    skipped = ("purchase.json", "proofs")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in skipped
    }


def test_what_arrives_is_what_was_published(market: Market, bought: Bought) -> None:
    assert market.export.path is not None
    assert files_of(bought.folder) == files_of(brought(market.export.path))
    receipt = bought.receipt
    parts = (int(receipt.royalties), int(receipt.fees), int(receipt.burned))
    assert sum(parts) == int(receipt.price) == market.export.price
    assert parts[2] == market.export.price * BURN_BPS // 10_000
    assert int(receipt.royalties) == market.export.price * ROYALTY_BPS // 10_000
    assert msgspec.json.decode((bought.folder / "purchase.json").read_bytes())["tx_hash"] == receipt.tx_hash
    assert market.chain.token.balance_of(TREASURY) >= int(receipt.fees)


def test_the_sale_is_written_once_however_often_the_chain_is_read(market: Market, bought: Bought) -> None:
    record_purchases(market.house, market.chain)
    (row,) = [row for row in rows_of_sales(market) if row.buyer == BUYER.address]
    assert (row.sale_id, row.tx_hash) == (bought.receipt.sale_id, bought.receipt.tx_hash)
    assert (row.dataset, row.version, row.price) == ("web_text", "0.1.0", market.export.price)
    assert row.royalties + row.fees + row.burned == row.price
    with market.house.state.write() as connection:
        connection.execute(sa.text("UPDATE cursors SET position = 0 WHERE name LIKE 'market/%'"))
    assert record_purchases(market.house, market.chain) == []
    assert [each.sale_id for each in rows_of_sales(market)].count(row.sale_id) == 1


def test_listing_again_changes_nothing_and_mends_a_lost_mark(market: Market) -> None:
    assert list_on_chain(market.house, market.chain, OPERATOR, ROYALTY_BPS, BURN_BPS) == []
    with market.house.state.write() as connection:
        connection.execute(sa.text("UPDATE exports SET listed = false"))
    head = market.chain.head()
    assert list_on_chain(market.house, market.chain, OPERATOR, ROYALTY_BPS, BURN_BPS) == [
        market.export.export_id
    ]
    assert market.chain.head() == head  # nothing was sent: the chain had it
    assert market.client().quote("web_text").listed


def test_buying_again_pays_nothing_and_mends_the_folder(
    market: Market, bought: Bought, tmp_path: Path
) -> None:
    client = market.client()
    quote = client.quote("web_text", "0.1.0")
    balance = market.chain.token.balance_of(BUYER.address)
    (tmp_path / "data").mkdir()
    shard = next(iter((bought.folder / "data").iterdir()))
    (tmp_path / "data" / shard.name).write_bytes(b"\x00" + shard.read_bytes()[1:])
    receipt = client.buy(market.rpc_url, BUYER, quote, tmp_path, price_wei_max=quote.price_wei)
    assert (receipt.tx_hash, receipt.sale_id) == (bought.receipt.tx_hash, bought.receipt.sale_id)
    assert market.chain.token.balance_of(BUYER.address) == balance
    assert files_of(tmp_path) == files_of(bought.folder)


def test_nothing_is_paid_above_the_limit_or_for_another_manifest(market: Market, tmp_path: Path) -> None:
    client = market.client()
    quote = client.quote("web_text")
    balance = market.chain.token.balance_of(STRANGER.address)
    cases: list[tuple[Quote, int, str]] = [
        (quote, quote.price_wei - 1, "price_changed"),
        (msgspec.structs.replace(quote, manifest_sha256="0" * 64), quote.price_wei, "export_corrupt"),
        (msgspec.structs.replace(quote, export_id="0x" + "1" * 64), quote.price_wei, "chain_rejected"),
        (msgspec.structs.replace(quote, chain=None), quote.price_wei, "chain_unreachable"),
    ]
    for wrong, price_wei_max, code in cases:
        with pytest.raises(WindrowError) as refusal:
            client.buy(market.rpc_url, STRANGER, wrong, tmp_path, price_wei_max=price_wei_max)
        assert refusal.value.code == code
    assert market.chain.token.balance_of(STRANGER.address) == balance
    assert list(tmp_path.iterdir()) == []


def test_somebody_elses_payment_gives_nothing(market: Market, bought: Bought) -> None:
    tx = bought.receipt.tx_hash
    own = sign_order(STRANGER, domain_of(market), order_for(market, tx, STRANGER.address))
    claimed = sign_order(STRANGER, domain_of(market), order_for(market, tx, BUYER.address))
    for order in (own, claimed):
        with pytest.raises(WindrowError) as refusal:
            post_order(market, order)
        assert refusal.value.code == "not_the_payer"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network": "another"}, "wrong_network"),
        ({"expires_at_s": 1_700_000_000}, "signature_expired"),
        ({"expires_at_s": 2**40}, "wrong_schema"),
        ({"tx_hash": "0x" + "ab" * 32}, "unknown_payment"),
        ({"export_id": "0x" + "cd" * 32}, "unknown_payment"),
    ],
)
def test_a_wrong_order_is_refused(market: Market, bought: Bought, changes: dict[str, Any], code: str) -> None:
    order = msgspec.structs.replace(order_for(market, bought.receipt.tx_hash, BUYER.address), **changes)
    with pytest.raises(WindrowError) as refusal:
        post_order(market, sign_order(BUYER, domain_of(market), order))
    assert refusal.value.code == code


@pytest.mark.parametrize("signature", ["", "0x", "zz", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "11" * 64])
def test_a_malformed_signature_is_refused(market: Market, bought: Bought, signature: str) -> None:
    order = order_for(market, bought.receipt.tx_hash, BUYER.address, signature=signature)
    with pytest.raises(WindrowError) as refusal:
        post_order(market, order)
    assert refusal.value.code in ("unsigned", "bad_signature", "not_the_payer")


def test_an_order_for_another_market_or_altered_after_signing_is_refused(
    market: Market, bought: Bought
) -> None:
    order = order_for(market, bought.receipt.tx_hash, BUYER.address)
    elsewhere = OrderDomain(1, market.chain.market.address)
    altered = msgspec.structs.replace(
        sign_order(BUYER, domain_of(market), order), expires_at_s=order.expires_at_s + 1
    )
    for wrong in (sign_order(BUYER, elsewhere, order), altered):
        with pytest.raises(WindrowError) as refusal:
            post_order(market, wrong)
        assert refusal.value.code in ("not_the_payer", "bad_signature")


def test_an_order_is_used_once_and_a_new_one_is_free(market: Market, bought: Bought) -> None:
    order = sign_order(BUYER, domain_of(market), order_for(market, bought.receipt.tx_hash, BUYER.address))
    assert post_order(market, order)["sale_id"] == bought.receipt.sale_id
    with pytest.raises(WindrowError) as refusal:
        post_order(market, order)
    assert refusal.value.code == "replayed"
    fresh = order_for(market, bought.receipt.tx_hash, BUYER.address)
    assert post_order(market, sign_order(BUYER, domain_of(market), fresh))["token"]


@pytest.mark.parametrize(
    "path",
    [
        "../../../state.db",
        "..%2f..%2f..%2fstate.db",
        "data/../../0.1.0/manifest.json",
        "/etc/hostname",
        "data/",
        ".",
    ],
)
def test_a_token_gives_listed_files_only(market: Market, bought: Bought, path: str) -> None:
    fresh = order_for(market, bought.receipt.tx_hash, BUYER.address)
    token = post_order(market, sign_order(BUYER, domain_of(market), fresh))["token"]
    with pytest.raises(WindrowError) as refusal:
        Delivery(market.house).file(token, path)
    assert refusal.value.code == "not_found"
    with pytest.raises(WindrowError):
        HttpClient(market.url, 30).get(f"/market/download/{token}/{path}", 10**6)


def test_only_a_fresh_download_token_opens_anything(market: Market) -> None:
    house = market.house
    content = {"export_id": market.export.export_id}
    other_purpose = house.sign("receipt", BUYER.address, content)
    expired = house.sign("download", BUYER.address, content, life_ms=1)
    time.sleep(0.01)
    for token, code in (
        (other_purpose, "wrong_purpose"),
        (expired, "signature_expired"),
        ("x", "bad_signature"),
    ):
        with pytest.raises(WindrowError) as refusal:
            Delivery(house).file(token, "manifest.json")
        assert refusal.value.code == code


@dataclass
class CuttingRelay:
    """A TCP relay that ends the first connection whose answer is long, after `cut_bytes`."""

    target_url: str
    cut_bytes: int
    cut: bool = False
    long_answers: list[int] = field(default_factory=list)

    async def open(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.target_url)
        upstream_reader, upstream_writer = await asyncio.open_connection(parts.hostname, parts.port)
        sending = asyncio.create_task(self._copy_request(reader, upstream_writer))
        passed = 0
        while data := await upstream_reader.read(8_192):
            room = self.cut_bytes - passed
            writer.write(data if self.cut else data[: max(0, room)])
            passed += len(data)
            await writer.drain()
            if not self.cut and passed >= self.cut_bytes:
                self.cut = True
                break
        if passed > 8_192:
            self.long_answers.append(passed)
        sending.cancel()
        writer.close()
        upstream_writer.close()

    async def _copy_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(8_192):
            writer.write(data)
            await writer.drain()


def test_a_download_cut_at_half_goes_on_where_it_ended(
    market: Market, bought: Bought, servers: ServerThread, tmp_path: Path
) -> None:
    shard = next(iter((bought.folder / "data").iterdir()))
    size = shard.stat().st_size
    relay = CuttingRelay(market.url, cut_bytes=size // 2)
    server = servers.run(relay.open())
    client = MarketClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    quote = client.quote("web_text")
    with pytest.raises(WindrowError) as refusal:
        client.buy(market.rpc_url, BUYER, quote, tmp_path, price_wei_max=quote.price_wei)
    assert refusal.value.code == "not_running"
    part = tmp_path / "data" / (shard.name + ".part")
    kept = part.stat().st_size
    assert size // 4 < kept <= size // 2
    seen: list[int] = []
    client.buy(
        market.rpc_url,
        BUYER,
        quote,
        tmp_path,
        price_wei_max=quote.price_wei,
        progress=lambda path, done, _: seen.append(done) if path == f"data/{shard.name}" else None,
    )
    assert min(seen) > kept  # the first half was not sent again
    assert files_of(tmp_path) == files_of(bought.folder)
    server.close()


def test_another_coordinator_behind_the_address_is_noticed(market: Market) -> None:
    with pytest.raises(WindrowError) as refusal:
        MarketClient(market.url, coordinator_id="0" * 64).quote("web_text")
    assert refusal.value.code == "bad_signature"
