"""Two assets: the official client pays the stablecoin it knows, and the owners of the rows are paid in that."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from chain_nodes import COIN, rpc
from market_world import OPERATOR, STRANGER, TREASURY, ServerThread
from published_world import PAYOUTS, RECIPES
from state_database import database_of
from two_assets_world import BASE, USDC, Shop, open_shop
from x402 import x402Client
from x402.http.clients.httpx import x402HttpxClient
from x402.mechanisms.evm.exact import ExactEvmScheme

from chain.assets import read_asset
from chain.keys import key_from_hex, load_or_make_key
from chain.relayer import Relayer
from chain.typed_data import Authorization
from contributor_node.coordinator.earnings_proof import check_proof
from marketplace.delivery import Delivery
from marketplace.orders import Order, OrderDomain, sign_order
from marketplace.other_assets import close_beside
from marketplace.payment import record_purchases
from marketplace.sent_offers import note_offer
from marketplace.taken_payments import TakenPayments
from rewards.epochs.closing import Signers, close_epoch
from rewards.epochs.rows import epoch_of_id
from rewards.ledger import balance_of, balances, cumulative
from rewards.royalties import run_royalties
from rewards.settlement import allotment_of, reconcile_claims, relay_due_of_each
from storage.house import House
from storage.tables.contributions import exports
from windrow.ledger_report import recompute_epoch, verify_books
from windrow.operations import offline_operations
from windrow.purchase import purchase
from windrow.settings import HouseSettings
from windrow.tracing import trace
from windrow_protocol.economics import Economics
from windrow_protocol.errors import WindrowError


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("assets")) as opened:
        yield opened


def refusal(work: Any) -> tuple[str, str]:
    with pytest.raises(WindrowError) as refused:
        work()
    return refused.value.code, refused.value.detail


def claimed(house: House, asset: str, account: str) -> int:
    with house.state.read() as connection:
        return balance_of(connection, f"claimed:{account}", asset)


async def test_the_official_client_pays_what_it_knows_and_owners_are_paid_in_that(
    shop: Shop, servers: ServerThread
) -> None:
    """No spend control is set and no token named: of the two requirements the client takes the one it knows."""
    house, key = shop.house, key_from_hex(f"{130:064x}")
    assert (shop.usdc.asset, shop.listed) == (
        read_asset(shop.wind.w3, BASE, USDC.address),
        [shop.export.export_id],
    )
    shop.stable.mint(key.address, 2 * shop.price)
    server = servers.run(house.env.network.serve(shop.doors(), host="127.0.0.1", port=0))
    client = x402Client()
    client.register("eip155:*", ExactEvmScheme(signer=key))
    url = f"{server.url}/market/datasets/web_text/latest"
    async with x402HttpxClient(client, timeout=120) as http:
        answer = await http.get(url + "/buy")
        assert answer.status_code == 200, answer.text
        ticket = answer.json()
        body = (await http.get(server.url + ticket["download"] + "manifest.json")).content
        assert hashlib.sha256(body).hexdigest() == shop.export.manifest_sha256
        assert json.loads(body)["prices"] == {"USDC": str(shop.price)}
        assert (await http.get(url)).json()["prices"] == {"USDC": str(shop.price)}
        again = (await http.get(url + "/buy")).json()  # signed anew, and nothing is paid
        assert again["sale_id"] == ticket["sale_id"]
        assert shop.stable.balance_of(key.address) == shop.price
        (sale,) = shop.usdc.market.purchases(0, buyer=key.address)
        assert shop.wind.market.purchases(0, buyer=key.address) == []
        assert shop.stable.balance_of(shop.usdc.distributor.reserve) == sale.royalties_wei
        assert shop.stable.balance_of(TREASURY) == sale.fees_wei == shop.price - sale.royalties_wei
        assert sale.burned_wei == 0  # nobody here can destroy somebody else's token

        # the owners: an epoch of that asset, and claims of it for accounts without coin
        assert run_royalties(house) > 0
        signers = Signers(owner=OPERATOR, minter=OPERATOR)
        first, second = [await close_epoch(house, one, signers) for one in shop.wind.of_each_asset()]
        assert (first.asset, second.asset, second.epoch_id) == ("WIND", "USDC", first.epoch_id + 1)
        with house.state.read() as connection:
            leaves = cumulative(balances(connection, "USDC"))
            unowned = balance_of(connection, "treasury", "USDC") - sale.fees_wei
        assert sum(leaves.values()) + unowned == sale.royalties_wei
        for account in PAYOUTS:
            assert shop.wind.coin_of(account) == 0
            paid = (
                await http.post(f"{server.url}/v1/claims", json={"account": account, "asset": "USDC"})
            ).json()
            assert int(paid["paid_wei"]) == leaves[account] == shop.stable.balance_of(account) > 0
            assert claimed(house, "USDC", account) == leaves[account]
            assert (claimed(house, "WIND", account), shop.wind.token.balance_of(account)) == (0, 0)
        entries = (await http.get(f"{server.url}/v1/accounts/{PAYOUTS[0]}/entries?asset=USDC")).json()
        assert (entries["assets"], entries["totals"]["claimed_wei"]) == (
            ["USDC", "WIND"],
            str(leaves[PAYOUTS[0]]),
        )
        proof = (await http.get(f"{server.url}/v1/epochs/latest/proof/{PAYOUTS[0]}?asset=USDC")).json()
        assert (proof["asset"], proof["amount_wei"]) == ("USDC", str(leaves[PAYOUTS[0]]))
    servers.run(server.close())
    for one in shop.wind.of_each_asset():
        reconcile_claims(house, one)
    report = verify_books(house, shop.wind)
    assert report["ok"], report["checks"]
    assert report["assets"]["USDC"]["paid"] == str(sum(leaves[account] for account in PAYOUTS))
    for epoch in (first, second):  # by the second implementation, from the published log alone
        again = recompute_epoch(house.home / "epochs" / str(epoch.epoch_id))
        assert (again["ok"], again["root"]) == (True, epoch.root)


def test_who_bought_for_one_asset_has_it_and_is_not_charged_in_the_other(shop: Shop) -> None:
    key = key_from_hex(f"{131:064x}")
    shop.wind.token.mint(OPERATOR, key.address, shop.export.price)
    shop.stable.mint(key.address, shop.price)
    first = shop.pay(key, "in wind", None, shop.wind.market.address, shop.export.price)
    second = shop.pay(key, "in usdc", USDC.address, shop.usdc.market.address, shop.price)
    assert (first.asset, second.sale_id) == ("WIND", first.sale_id)
    assert shop.stable.balance_of(key.address) == shop.price


def test_a_price_in_one_asset_is_not_paid_in_another(shop: Shop) -> None:
    key = key_from_hex(f"{132:064x}")
    shop.wind.token.mint(OPERATOR, key.address, shop.export.price)
    shop.stable.mint(key.address, 10 * shop.price)
    wind, usdc = shop.wind.market.address, shop.usdc.market.address
    for name, token, market, value in (
        ("a few wei for the price in units", None, wind, shop.price),
        ("to the other market", USDC.address, wind, shop.price),
        ("said to be the other token", None, usdc, shop.price),
        ("a token nobody takes", STRANGER.address, usdc, shop.price),
        ("one unit less", USDC.address, usdc, shop.price - 1),
    ):
        assert (
            refusal(lambda n=name, t=token, m=market, v=value: shop.pay(key, n, t, m, v))[0]
            == "payment_refused"
        )
    assert shop.stable.balance_of(key.address) == 10 * shop.price
    assert shop.wind.token.balance_of(key.address) == shop.export.price


def test_a_kill_between_taking_and_sending_is_made_good_in_the_asset_that_was_signed(shop: Shop) -> None:
    key = key_from_hex(f"{133:064x}")
    shop.stable.mint(key.address, shop.price)
    nonce, until_s = hashlib.sha256(b"killed in usdc").digest(), shop.house.now_ms() // 1000 + 200
    transfer = Authorization(key.address, shop.usdc.market.address, shop.price, 0, until_s, nonce)
    signature = "0x" + shop.usdc.token.sign_transfer(key, transfer).hex()
    taken = TakenPayments(shop.house)
    assert taken.take(shop.usdc, shop.export.export_id, transfer, signature)
    assert (taken.look(shop.wind, OPERATOR), taken.look(shop.usdc, OPERATOR)) == (0, 1)
    (sale,) = record_purchases(shop.house, shop.usdc)
    assert (sale.buyer, sale.asset, sale.price) == (key.address, "USDC", shop.price)


def test_a_plain_purchase_on_the_market_of_an_asset_gives_the_files(shop: Shop) -> None:
    key = key_from_hex(f"{134:064x}")
    rpc(shop.anvil.url, "anvil_setBalance", key.address, hex(COIN))
    shop.stable.mint(key.address, shop.price)
    bought = shop.usdc.market.buy(key, shop.export.export_id)
    order = Order(
        shop.house.network,
        shop.export.export_id,
        bought.tx,
        key.address,
        "0x" + "07" * 32,
        shop.house.now_ms() // 1000 + 60,
    )
    domain = OrderDomain(BASE, shop.wind.market.address)
    ticket = Delivery(shop.house).order(sign_order(key, domain, order), shop.wind)
    assert ticket.offer.manifest_sha256 == shop.export.manifest_sha256


def test_the_command_buys_for_the_stablecoin_also_under_terms_and_finds_what_was_bought(
    shop: Shop, servers: ServerThread, tmp_path: Path
) -> None:
    server = servers.run(shop.house.env.network.serve(shop.doors(), host="127.0.0.1", port=0))
    (tmp_path / "terms.toml").write_text("rows_min = 1\n")
    (tmp_path / "hard.toml").write_text("rows_min = 1000000\n")
    key = load_or_make_key(tmp_path / "key")
    rpc(shop.anvil.url, "anvil_setBalance", key.address, hex(COIN))
    shop.stable.mint(key.address, 3 * shop.price)

    def buy(asset: str, terms: str = "", confirm: Any = None) -> Any:
        of_it = tmp_path / terms if terms else None
        out = tmp_path / "out"
        return purchase("web_text", tmp_path / "key", out, server.url, shop.anvil.url, confirm, of_it, asset)

    asked: list[str] = []
    assert refusal(lambda: buy("USDC", confirm=asked.append))[0] == "not_confirmed"
    assert f"for {shop.price / 10**6:g} USDC ({USDC.address})" in asked[0]
    assert refusal(lambda: buy("EURC"))[0] == "not_found"
    assert refusal(lambda: buy("USDC", "hard.toml"))[0] == "terms_not_met"
    assert shop.stable.balance_of(key.address) == 3 * shop.price
    bought = buy("USDC", "terms.toml")
    assert (bought["asset"], bought["price_wei"], bought["decimals"]) == ("USDC", str(shop.price), 6)
    assert bought["paid"] == f"{shop.price / 10**6:g} USDC ({USDC.address})"
    assert shop.stable.balance_of(key.address) == 2 * shop.price
    again = buy("")  # whoever has it for one asset pays in none
    assert (again["tx"], again["asset"], again["paid"]) == (bought["tx"], "USDC", bought["paid"])
    page = httpx.get(f"{server.url}/market/web_text", timeout=60).text
    assert f"{shop.price / 10**6:g} USDC" in page
    servers.run(server.close())


def test_claims_of_the_stablecoin_are_sent_unasked_once_also_when_a_reorganisation_took_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relayer pays the gas of either asset's distributor; the accounts have no coin and ask for nothing."""
    house, key, relayer = shop.house, key_from_hex(f"{135:064x}"), Relayer(shop.wind, STRANGER)
    shop.stable.mint(key.address, shop.price)
    shop.pay(key, "for the owners", USDC.address, shop.usdc.market.address, shop.price)
    record_purchases(house, shop.usdc)
    assert run_royalties(house) > 0
    asyncio.run(close_epoch(house, shop.usdc, Signers(owner=OPERATOR, minter=OPERATOR)))
    due = {account: allotment_of(house, account, "USDC").cumulative_wei for account in PAYOUTS}
    before = {account: shop.stable.balance_of(account) for account in PAYOUTS}
    for silent in (Economics(), Economics(relay_due_wei_min=1), Economics(relay_due_units_min=10**30)):
        relay_due_of_each(house, shop.wind, relayer, silent)  # a least amount in wei sends WIND alone
        assert {account: shop.stable.balance_of(account) for account in PAYOUTS} == before
    for one in shop.wind.of_each_asset():
        monkeypatch.setattr(one, "depth_blocks", 2)  # what is newer may be taken back
    at_once = Economics(relay_due_units_min=1)
    assert {claim.account for claim in relay_due_of_each(house, shop.wind, relayer, at_once)} == set(PAYOUTS)
    rpc(shop.anvil.url, "anvil_reorg", len(PAYOUTS), [])
    assert {account: shop.stable.balance_of(account) for account in PAYOUTS} == before
    for _ in range(2):
        relay_due_of_each(house, shop.wind, relayer, at_once)
        assert {account: shop.stable.balance_of(account) for account in PAYOUTS} == due
    rpc(shop.anvil.url, "anvil_mine", "0x3")
    reconcile_claims(house, shop.usdc)
    assert [claimed(house, "USDC", account) for account in PAYOUTS] == list(due.values())
    assert all(shop.wind.coin_of(account) == 0 for account in PAYOUTS)
    assert verify_books(house, shop.wind)["ok"]


def test_a_row_s_life_names_each_amount_in_its_own_asset(shop: Shop) -> None:
    """Of ten thousand units of USDC nobody says that they were 0.00000000000001 of anything."""
    home = shop.house.home
    row = next(iter(pq.read_table(shop.export.path / "data").column("id").to_pylist()))  # type: ignore[operator]
    steps = trace(HouseSettings(home=str(home), database_url=database_of(home)), row)
    sold = [step.what for step in steps if step.name == "sold"]
    assert any(
        f" for {shop.price / 10**6:g} USDC, {shop.price * 8 // 10 / 10**6:g} USDC to" in each for each in sold
    )
    assert any(f" for {shop.export.price // 10**18} WIND, " in each for each in sold)
    (covered,) = [step.what for step in steps if step.name == "epoch"]
    with shop.house.state.read() as connection:
        assert epoch_of_id(connection, int(covered.partition(",")[0])).asset == "WIND", "work is paid in that"


def test_what_an_epoch_of_one_asset_owes_is_not_owed_in_another(shop: Shop) -> None:
    due = allotment_of(shop.house, PAYOUTS[0], "USDC")
    answer = {
        "epoch_id": due.epoch.epoch_id,
        "account": due.account,
        "amount_wei": str(due.cumulative_wei),
        "proof": due.proof,
        "epoch_jws": due.epoch.header_jws,
    }
    known: Any = {
        "coordinator_id": shop.house.coordinator_id,
        "network": shop.house.network,
        "now_ms": shop.house.now_ms(),
    }
    assert check_proof(answer, PAYOUTS[0], **known, asset="USDC").amount_wei == due.cumulative_wei
    assert refusal(lambda: check_proof(answer, PAYOUTS[0], **known))[0] == "bad_proof"


def test_what_is_retired_is_closed_in_every_asset(shop: Shop) -> None:
    of_it = exports.c.export_id == shop.export.export_id
    with shop.house.state.write() as connection:
        connection.execute(sa.update(exports).where(of_it).values(retired="wanted"))
    assert close_beside(shop.house, shop.wind, OPERATOR) == [shop.export.export_id]
    assert close_beside(shop.house, shop.wind, OPERATOR) == []
    listing = shop.usdc.market.listing(shop.export.export_id)
    assert listing is not None
    assert not listing.is_open
    # and so is what was sent when the house was killed, before it was noted as listed
    shop.usdc.market.set_open(OPERATOR, shop.export.export_id, True)
    with shop.house.state.write() as connection:
        note_offer(connection, shop.usdc.market_key(), shop.export.export_id)
    assert close_beside(shop.house, shop.wind, OPERATOR) == [shop.export.export_id]
    assert close_beside(shop.house, shop.wind, OPERATOR) == []
    with shop.house.state.write() as connection:
        connection.execute(sa.update(exports).where(of_it).values(retired=""))


async def test_a_house_takes_the_token_that_its_settings_name(shop: Shop, tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = HouseSettings(
        home=str(home),
        network="another house",
        rpc_url=shop.anvil.url,
        chain_id=BASE,
        stablecoin=USDC.address,
        settle_depth_blocks=0,
        recipes=str(RECIPES),
    )
    operator = load_or_make_key(home / "keys" / "operator")
    rpc(shop.anvil.url, "anvil_setBalance", operator.address, hex(COIN))
    async with offline_operations(settings) as operations:
        facts = await operations.on_chain.chain()
        assert facts["assets"]["USDC"]["token"] == USDC.address
        assert facts["assets"]["USDC"]["distributor"] != facts["distributor"]
        assert await operations.on_chain.sales() == {"recorded": 0}
        report = await operations.on_chain.ledger_verify()
        assert report["ok"], report["checks"]
        with pytest.raises(WindrowError) as nothing:
            await operations.epoch_close()
        assert nothing.value.code == "nothing_to_settle"
    wrong = msgspec.structs.replace(settings, stablecoin=facts["token"])
    async with offline_operations(wrong) as operations:
        with pytest.raises(WindrowError) as refused:
            await operations.on_chain.chain()
    assert refused.value.code == "wrong_asset"


@pytest.mark.parametrize("what", ["account", "wind", "version"])
def test_a_token_that_is_not_what_it_is_said_to_be_is_refused(shop: Shop, what: str) -> None:
    address = {"account": STRANGER.address, "wind": shop.wind.token.address, "version": USDC.address}[what]
    chain_id = 1 if what == "version" else BASE  # its separator then names another chain
    assert refusal(lambda: read_asset(shop.wind.w3, chain_id, address))[0] == "wrong_asset"


def test_an_asset_that_nobody_takes_is_refused_by_name(shop: Shop) -> None:
    assert shop.offer.price_in("EURC") is None
    assert refusal(lambda: allotment_of(shop.house, PAYOUTS[0], "EURC")) == (
        "not_found",
        "no epoch of EURC is accepted yet",
    )
    assert refusal(lambda: shop.wind.of("EURC"))[0] == "not_found"
