"""Money at depth on anvil: what a reorganisation may take back is not settled, and what it took is made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from chain_nodes import CHAIN_ID, COIN, Anvil, rpc
from market_world import BUYER, OPERATOR, ROYALTY_BPS, STRANGER, TIMELOCK_S, TREASURY, ServerThread
from published_world import PAYOUTS, RECIPES, PublishedWorld, open_world
from x402 import x402Client
from x402.http.clients.httpx import x402HttpxClient
from x402.mechanisms.evm.exact import ExactEvmScheme

from aggregator.publish import Export, publish
from chain.client import ChainClient
from chain.deploy import DeployTerms
from chain.keys import key_from_hex, load_or_make_key
from chain.relayer import Relayer
from marketplace.acceptance import JudgementRequest, finish_orders, judge_order
from marketplace.payment import (
    close_retired,
    differences_from_chain,
    list_on_chain,
    record_purchases,
    standing_sale,
)
from marketplace.routes import routes
from marketplace.taken_payments import TakenPayments
from marketplace.terms import Terms, terms_sha256
from rewards.epochs.closing import Signers, close_epoch
from rewards.epochs.rows import latest_accepted
from rewards.ledger import balance_of, claimed_account
from rewards.routes import routes as reward_routes
from rewards.royalties import run_royalties
from rewards.settlement import reconcile_claims, relay_claim
from storage.house import House
from storage.real_env import real_env
from storage.tables.contributions import exports, judgements
from windrow.agent.market_tools import AgentSettings
from windrow.ledger_report import verify_books
from windrow.standing.evaluating import evaluate
from windrow.standing.order_file import OrderFile
from windrow.standing.orders import StandingOrder
from windrow_protocol.errors import WindrowError

DEPTH = 4
NETWORK_IDS = (CHAIN_ID, 8_453, 84_532)


class MiningClock:
    """Real time; whoever waits has blocks mined, and once has a reorganisation happen first."""

    def __init__(self, real: Any, url: str) -> None:
        self._real, self._url = real, url
        self.reorganise_by = 0
        self.waits = 0

    def now_ms(self) -> int:
        return int(self._real.now_ms())

    async def sleep(self, wait_s: float) -> None:
        self.waits += 1
        blocks, self.reorganise_by = self.reorganise_by, 0
        if blocks:
            rpc(self._url, "anvil_reorg", blocks, [])
        rpc(self._url, "evm_increaseTime", int(wait_s) + 1)
        rpc(self._url, "anvil_mine", "0x1")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PublishedWorld]:
    made = open_world(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def export(world: PublishedWorld) -> Export:
    return publish(world.house, RECIPES, "web_text")


@pytest.fixture
def anvil(request: pytest.FixtureRequest) -> Iterator[Anvil]:
    with Anvil(getattr(request, "param", CHAIN_ID)) as running:
        for key in (OPERATOR, BUYER, STRANGER):
            rpc(running.url, "anvil_setBalance", key.address, hex(COIN))
        yield running


def connected(anvil: Anvil) -> ChainClient:
    chain = ChainClient.connect(anvil.url, anvil.chain_id, depth_blocks=DEPTH)
    network = f"reorganised {anvil.chain_id}"
    chain.deploy(OPERATOR, DeployTerms(network=network, treasury=TREASURY, timelock_s=TIMELOCK_S))
    chain.token.mint(OPERATOR, BUYER.address, 100 * COIN)
    return chain


def mine(anvil: Anvil, blocks: int = DEPTH) -> None:
    rpc(anvil.url, "anvil_mine", hex(blocks))


def reorganise(anvil: Anvil, blocks: int) -> None:
    """Put empty blocks in the place of the newest."""
    rpc(anvil.url, "anvil_reorg", blocks, [])


def is_listed(house: House) -> bool:
    with house.state.read() as connection:
        return bool(connection.execute(sa.select(exports.c.listed)).scalar_one())


@pytest.mark.parametrize("anvil", NETWORK_IDS, indirect=True)
async def test_nothing_is_settled_that_a_reorganisation_can_take_back(
    world: PublishedWorld, export: Export, anvil: Anvil
) -> None:
    chain = connected(anvil)
    clock = MiningClock(world.house.env.clock, anvil.url)
    house = replace(world.house, env=replace(world.house.env, clock=clock))
    mine(anvil)

    # an offer that is taken back is made again, and is called listed when it is settled
    list_on_chain(house, chain, OPERATOR, ROYALTY_BPS)
    reorganise(anvil, 1)
    assert chain.market.listing(export.export_id) is None
    list_on_chain(house, chain, OPERATOR, ROYALTY_BPS)
    assert not is_listed(house)
    mine(anvil)
    list_on_chain(house, chain, OPERATOR, ROYALTY_BPS)
    assert is_listed(house)

    # a purchase opens the files at once, and pays its owners only when it is settled
    chain.token.approve(BUYER, chain.market.address, export.price)
    mine(anvil)
    lost = chain.market.buy(BUYER, export.export_id)
    assert record_purchases(house, chain) == []
    assert standing_sale(house, chain, lost).export_id == export.export_id
    mine(anvil, DEPTH - 1)
    assert record_purchases(house, chain) == []
    reorganise(anvil, DEPTH)
    assert standing_sale(house, chain, chain.market.purchase_of(BUYER.address, export.export_id)) is None
    mine(anvil)
    assert record_purchases(house, chain) == []
    bought = chain.market.buy(BUYER, export.export_id)
    mine(anvil)
    (sale,) = record_purchases(house, chain)
    assert (sale.tx_hash, sale.block) == (bought.tx, bought.block)
    assert record_purchases(house, chain) == []
    assert run_royalties(house) > 0
    assert differences_from_chain(house, chain) == []

    # an epoch whose acceptance, proposal and mint are all taken back is settled again, and equal
    clock.reorganise_by, clock.waits = DEPTH, 0
    signers = Signers(owner=OPERATOR, minter=OPERATOR)
    epoch = await close_epoch(house, chain, signers)
    assert clock.waits >= DEPTH
    assert chain.distributor.root(chain.settled_head()) == epoch.root
    with house.state.read() as connection:
        assert latest_accepted(connection) == epoch
    assert verify_books(house, chain)["ok"], verify_books(house, chain)["checks"]

    # a claim of an account without coin is sent again, and recorded once
    account = next(payout for payout in PAYOUTS if chain.distributor.claimed(payout) == 0)
    assert chain.coin_of(account) == 0
    relayer = Relayer(chain, STRANGER)
    first = relay_claim(house, chain, relayer, account)
    assert chain.token.balance_of(account) == first.paid_wei > 0
    reorganise(anvil, DEPTH - 1)
    assert reconcile_claims(house, chain) == 0 == chain.token.balance_of(account)
    again = relay_claim(house, chain, relayer, account)
    assert again.paid_wei == first.paid_wei
    mine(anvil)
    assert (reconcile_claims(house, chain), reconcile_claims(house, chain)) == (1, 0)
    with house.state.read() as connection:
        assert balance_of(connection, claimed_account(account)) == chain.token.balance_of(account)
    assert relay_claim(house, chain, relayer, account).paid_wei == 0
    assert verify_books(house, chain)["ok"]


def test_a_reorganisation_deeper_than_reckoned_with_is_said(
    world: PublishedWorld, export: Export, anvil: Anvil
) -> None:
    chain = connected(anvil)
    list_on_chain(world.house, chain, OPERATOR, ROYALTY_BPS)
    chain.token.approve(BUYER, chain.market.address, export.price)
    mine(anvil)
    chain.market.buy(BUYER, export.export_id)
    mine(anvil)
    (sale,) = record_purchases(world.house, chain)
    reorganise(anvil, DEPTH + 1)
    assert differences_from_chain(world.house, chain) == [f"sale {sale.sale_id} is not on chain"]
    assert not verify_books(world.house, chain)["ok"]


def test_what_is_retired_before_its_offer_is_settled_is_closed_all_the_same(
    world: PublishedWorld, export: Export, anvil: Anvil
) -> None:
    """Nothing says yet that it is listed, and whoever pays on chain would get no file for the money."""
    house, chain = world.house, connected(anvil)
    list_on_chain(house, chain, OPERATOR, ROYALTY_BPS)
    assert not is_listed(house)
    with house.state.write() as connection:
        connection.execute(sa.update(exports).values(retired="wanted"))
    assert close_retired(house, chain, OPERATOR) == [export.export_id]
    with pytest.raises(WindrowError, match="ListingClosed"):
        chain.market.buy(BUYER, export.export_id)
    reorganise(anvil, 2)  # the end goes, and with it the offer; the offer's transaction comes back
    assert close_retired(house, chain, OPERATOR) == [export.export_id]
    chain.market.list_export(OPERATOR, export.export_id, export.manifest_sha256, export.price, ROYALTY_BPS)
    assert close_retired(house, chain, OPERATOR) == [export.export_id]
    mine(anvil)
    close_retired(house, chain, OPERATOR)
    listing = chain.market.listing(export.export_id, chain.settled_head())
    assert listing is not None
    assert not listing.is_open
    assert close_retired(house, chain, OPERATOR) == []


def test_an_order_is_judged_when_it_is_settled_and_its_end_is_sent_again(
    world: PublishedWorld, export: Export, anvil: Anvil
) -> None:
    """Until then its number may come to be another buyer's order, under terms that nobody judged."""
    house, chain, terms = world.house, connected(anvil), Terms(rows_min=1)
    list_on_chain(house, chain, OPERATOR, ROYALTY_BPS)
    held = chain.orders.order(BUYER, export.export_id, terms_sha256(terms))
    wanted = JudgementRequest(held.tx, terms)
    with pytest.raises(WindrowError) as early:
        judge_order(house, chain, OPERATOR, wanted)
    assert early.value.code == "chain_pending"
    assert chain.orders.is_open(held.order_id)
    mine(anvil)
    judged = judge_order(house, chain, OPERATOR, wanted)
    assert (judged.accepted, chain.orders.is_open(held.order_id)) == (True, False)
    reorganise(anvil, 1)
    assert chain.orders.is_open(held.order_id)
    assert (finish_orders(house, chain, OPERATOR), finish_orders(house, chain, OPERATOR)) == (1, 0)
    assert not chain.orders.is_open(held.order_id)
    mine(anvil)
    (sale,) = record_purchases(house, chain)
    with house.state.read() as connection:
        assert connection.execute(sa.select(judgements.c.tx_hash)).scalar_one() == sale.tx_hash


def test_a_standing_order_whose_sale_went_is_not_paid_for_twice(
    world: PublishedWorld, export: Export, anvil: Anvil, servers: ServerThread, tmp_path: Path
) -> None:
    """Neither by the next run, nor by one after a kill that left the payment unwritten; and the limit counts both."""
    house, chain, folder = world.house, connected(anvil), tmp_path / "out"
    list_on_chain(house, chain, OPERATOR, ROYALTY_BPS)
    key = load_or_make_key(tmp_path / "key")
    rpc(anvil.url, "anvil_setBalance", key.address, hex(COIN))
    chain.token.mint(OPERATOR, key.address, 3 * export.price)

    async def chain_getter() -> ChainClient:
        return chain

    claims = reward_routes(house, lambda: chain, lambda: Relayer(chain, OPERATOR))
    doors = [*routes(house, chain_getter, OPERATOR), *claims]
    server = servers.run(house.env.network.serve(doors, host="127.0.0.1", port=0))
    settings = AgentSettings(server.url, folder, export.price, tmp_path / "key", anvil.url)
    with OrderFile(folder, real_env().disk).alone() as file:
        file.place(StandingOrder(dataset="web_text", price_wei_max=str(export.price)), 1)
    assert [outcome.result for outcome in evaluate(settings)] == ["bought"]
    reorganise(anvil, 1)
    assert chain.token.balance_of(key.address) == 3 * export.price
    assert [outcome.result for outcome in evaluate(settings)] == ["nothing_newer"]
    assert chain.token.balance_of(key.address) == 3 * export.price
    lines = folder / "standing.ndjson"
    lines.write_bytes(lines.read_bytes()[:-20])  # killed before the line was whole
    # what was paid stays counted, though it came back: a limit errs on the side of its owner
    assert [outcome.reason for outcome in evaluate(settings)] == ["spend_limit"]
    assert chain.token.balance_of(key.address) == 3 * export.price
    for result in ("bought", "nothing_newer"):
        assert [outcome.result for outcome in evaluate(replace(settings, limit_wei=2 * export.price))] == [
            result
        ]
        assert chain.token.balance_of(key.address) == 2 * export.price
    servers.run(server.close())
    assert len(chain.market.purchases(0, buyer=key.address)) == 1


async def test_the_official_client_buys_and_downloads_on_anvil(
    world: PublishedWorld, export: Export, anvil: Anvil, servers: ServerThread
) -> None:
    """The unmodified x402 client: the payment is in a block, the files come, and its owners wait for the depth."""
    house, chain, payer = world.house, connected(anvil), key_from_hex(f"{120:064x}")
    list_on_chain(house, chain, OPERATOR, ROYALTY_BPS)
    chain.token.mint(OPERATOR, payer.address, 2 * export.price)
    assert chain.coin_of(payer.address) == 0

    async def chain_getter() -> ChainClient:
        return chain

    doors = routes(house, chain_getter, OPERATOR)
    server = servers.run(house.env.network.serve(doors, host="127.0.0.1", port=0))
    client = x402Client()
    client.register("eip155:*", ExactEvmScheme(signer=payer))
    allowed: Any = {"network": f"eip155:{anvil.chain_id}", "asset": chain.token.address}
    client.set_spend_controls({"allowed_assets": [allowed | {"max_amount_per_payment": str(export.price)}]})
    async with x402HttpxClient(client, timeout=120) as http:
        answer = await http.get(f"{server.url}/market/datasets/web_text/latest/buy")
        assert answer.status_code == 200, answer.text
        ticket = answer.json()
        body = (await http.get(server.url + ticket["download"] + "manifest.json")).content
        assert hashlib.sha256(body).hexdigest() == export.manifest_sha256
        for file in json.loads(body)["files"]:
            got = (await http.get(server.url + ticket["download"] + file["path"])).content
            assert hashlib.sha256(got).hexdigest() == file["sha256"]
        again = (await http.get(f"{server.url}/market/datasets/web_text/latest/buy")).json()
    servers.run(server.close())
    assert (again["sale_id"], chain.token.balance_of(payer.address)) == (ticket["sale_id"], export.price)
    assert record_purchases(house, chain) == []
    reorganise(anvil, 1)  # the files are given, and the money is back with the payer
    assert chain.token.balance_of(payer.address) == 2 * export.price
    taken = TakenPayments(house)
    assert (taken.look(chain, OPERATOR), taken.look(chain, OPERATOR)) == (1, 0)
    mine(anvil)
    (sale,) = record_purchases(house, chain)
    assert (sale.buyer, chain.token.balance_of(payer.address)) == (payer.address, export.price)
    assert (taken.look(chain, OPERATOR), taken.look(chain, OPERATOR)) == (1, 0)
    said = {check["name"]: check["detail"] for check in verify_books(house, chain)["checks"]}
    assert said["payments"] == "0 signed payments are not settled yet"
