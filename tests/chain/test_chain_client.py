"""The chain client on real nodes: the whole road, its refusals, and that nothing happens twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from chain_nodes import BUYER, CHAIN_ID, COIN, OWNER, RELAYER, Anvil, Devnet, key
from chain_steps import (
    INPUTS,
    MANIFEST,
    PRICE_WEI,
    TIMELOCK_S,
    TREASURY,
    refused,
    sends_nothing,
    settle,
    terms,
    tree_of,
)

from chain.client import ChainClient
from chain.relayer import Relayer


@pytest.fixture(params=["devnet", "anvil"])
def any_node(request: pytest.FixtureRequest, devnet: Devnet) -> Iterator[str]:
    """The address of a node: Windrow's own, and one that shares no code with it."""
    if request.param == "devnet":
        yield devnet.url
        return
    with Anvil() as anvil:
        yield anvil.url


def test_the_whole_road_on_two_different_evms(any_node: str) -> None:
    client = ChainClient.connect(any_node, CHAIN_ID)
    client.deploy(OWNER, terms("whole road", TIMELOCK_S))
    tree = tree_of(5 * COIN, 7 * COIN, 1)
    client.token.mint(OWNER, BUYER.address, PRICE_WEI)
    client.market.list_export(OWNER, "web_text/1", MANIFEST, PRICE_WEI, 8_000, 500)
    bought = client.market.buy(BUYER, "web_text/1")
    assert bought.royalties_wei == client.token.balance_of(client.distributor.reserve)
    assert bought.royalties_wei + bought.fees_wei + bought.burned_wei == PRICE_WEI
    assert bought.burned_wei == PRICE_WEI // 20
    minted, burned = client.token.minted_and_burned(client.deployment.block, client.head())
    assert (burned, minted - burned) == (bought.burned_wei, client.token.total_supply())
    proposed_at_s = client.time_s()
    assert client.distributor.shortfall(tree.total) == tree.total - bought.royalties_wei
    settle(client, tree)
    assert client.time_s() >= proposed_at_s + TIMELOCK_S
    relayer = Relayer(client, RELAYER)
    gas = []
    for account, amount, _ in tree.leaves:
        outcome = relayer.claim(account, amount, tree.proof(account))
        assert (outcome.status, outcome.paid_wei) == ("paid", amount)
        assert client.token.balance_of(account) == client.distributor.claimed(account) == amount
        assert outcome.tx is not None
        gas.append(client.w3.eth.get_transaction_receipt(outcome.tx)["gasUsed"])  # type: ignore[arg-type]
    assert client.distributor.balance() == 0
    (accepted,) = client.distributor.accepted_roots(client.deployment.block, client.head())
    assert (accepted.root, accepted.total_wei, accepted.inputs_hash) == (tree.root, tree.total, INPUTS)
    claims = client.distributor.claims(client.deployment.block, client.head())
    assert {claim.account: claim.amount_wei for claim in claims} == {a: n for a, n, _ in tree.leaves}
    assert max(gas) < 89_000  # the first claim of all is no dearer than any other


def test_second_epoch_pays_only_the_difference(fresh: ChainClient) -> None:
    first, second = tree_of(5, 7), tree_of(5, 9)
    settle(fresh, first)
    relayer = Relayer(fresh, RELAYER)
    account = key(501).address
    assert relayer.claim(account, 7, first.proof(account)).paid_wei == 7
    settle(fresh, second)
    assert relayer.claim(account, 9, second.proof(account)).paid_wei == 2
    again = sends_nothing(fresh, lambda: relayer.claim(account, 9, second.proof(account)))
    assert (again.status, again.paid_wei, again.cumulative_wei, again.tx) == ("already_claimed", 0, 9, None)


def test_deploying_again_finds_everything(client: ChainClient, devnet: Devnet) -> None:
    other = ChainClient.connect(devnet.url, CHAIN_ID)
    found = sends_nothing(other, lambda: other.deploy(OWNER, terms("client tests")))
    assert found == client.deployment


def test_interrupted_deployment_goes_on_where_it_was(devnet: Devnet, monkeypatch: pytest.MonkeyPatch) -> None:
    client = ChainClient.connect(devnet.url, CHAIN_ID)
    send = client.sender.send
    sent: list[Any] = []

    def only_once(*arguments: Any) -> Any:
        if sent:
            raise KeyboardInterrupt
        sent.append(arguments)
        return send(*arguments)

    monkeypatch.setattr(client.sender, "send", only_once)
    with pytest.raises(KeyboardInterrupt):
        client.deploy(OWNER, terms("interrupted"))
    monkeypatch.setattr(client.sender, "send", send)
    before = client.head()
    client.deploy(OWNER, terms("interrupted"))
    assert client.head() == before + 2


def test_settlement_may_be_repeated_at_every_step(fresh: ChainClient) -> None:
    tree, distributor = tree_of(3, 4), fresh.distributor
    fresh.token.mint(OWNER, distributor.reserve, distributor.shortfall(tree.total))
    assert distributor.shortfall(tree.total) == 0
    assert distributor.propose_root(OWNER, tree.root, tree.total, INPUTS) is not None
    assert (
        sends_nothing(fresh, lambda: distributor.propose_root(OWNER, tree.root, tree.total, INPUTS)) is None
    )
    waiting = distributor.pending()
    assert waiting is not None
    assert (waiting.root, waiting.total_wei, waiting.inputs_hash) == (tree.root, tree.total, INPUTS)
    distributor.wait_valid(tree.root)
    assert distributor.accept_root(OWNER, tree.root) is not None
    assert sends_nothing(fresh, lambda: distributor.accept_root(OWNER, tree.root)) is None
    assert (
        sends_nothing(fresh, lambda: distributor.propose_root(OWNER, tree.root, tree.total, INPUTS)) is None
    )
    sends_nothing(fresh, lambda: distributor.wait_valid(tree.root))
    assert (distributor.root(), distributor.pending()) == (tree.root, None)


def test_root_is_not_accepted_before_its_time(devnet: Devnet) -> None:
    client = ChainClient.connect(devnet.url, CHAIN_ID)
    client.deploy(OWNER, terms("patient", timelock_s=3_600))
    tree = tree_of(3, 4)
    client.distributor.propose_root(OWNER, tree.root, tree.total, INPUTS)
    early = refused(lambda: client.distributor.accept_root(OWNER, tree.root))
    assert (early.code, early.facts["reverted"]) == ("chain_rejected", "TooEarly")
    impatient = refused(lambda: client.distributor.wait_valid(tree.root, wait_s_max=0))
    assert impatient.code == "chain_pending"


def test_contracts_refusals_carry_their_name(client: ChainClient) -> None:
    stranger = refused(lambda: client.distributor.propose_root(BUYER, "0x" + "11" * 32, 1, INPUTS))
    assert stranger.facts["reverted"] == "OwnableUnauthorizedAccount"
    assert f"OwnableUnauthorizedAccount({BUYER.address.lower()})" in str(stranger)
    assert refused(lambda: client.token.mint(BUYER, BUYER.address, 1)).facts["reverted"] == "NotMinter"
    unlisted = refused(lambda: client.market.buy(BUYER, "nothing/1"))
    assert unlisted.facts["reverted"] == "NotListed"
    assert refused(lambda: client.market.split("nothing/1")).facts["reverted"] == "NotListed"
    assert client.market.listing("nothing/1") is None
    assert refused(lambda: client.distributor.wait_valid("0x" + "99" * 32)).code == "not_found"
    assert refused(lambda: client.distributor.accept_root(OWNER, "0x12")).code == "bad_proof"


def test_amounts_of_any_size_come_back_exactly_and_the_minter_is_set_once(fresh: ChainClient) -> None:
    amount = 2**200 + 999_999_999_999_999_999
    fresh.token.mint(OWNER, BUYER.address, amount)
    fresh.token.transfer(BUYER, TREASURY, 1)
    fresh.token.burn(BUYER, 2)
    assert fresh.token.balance_of(BUYER.address) == amount - 3
    assert fresh.token.total_supply() == amount - 2
    assert fresh.token.set_minter(OWNER, RELAYER.address) is not None
    assert sends_nothing(fresh, lambda: fresh.token.set_minter(OWNER, RELAYER.address)) is None
    assert fresh.token.minter() == RELAYER.address


def test_one_key_in_many_threads_loses_nothing(client: ChainClient, devnet: Devnet) -> None:
    """Two clients, as two processes would have, and eight threads send with one key at once."""
    client.token.mint(OWNER, BUYER.address, 1_000)
    other = ChainClient.connect(devnet.url, CHAIN_ID, client.deployment)
    with ThreadPoolExecutor(8) as pool:
        sent = list(
            pool.map(
                lambda n: (client if n % 2 else other).token.transfer(BUYER, key(700 + n).address, n + 1),
                range(8),
            )
        )
    assert len({done.tx for done in sent}) == 8
    assert [client.token.balance_of(key(700 + n).address) for n in range(8)] == list(range(1, 9))


def test_coin_can_be_sent_for_gas(client: ChainClient) -> None:
    fresh_address = key(9_999).address
    client.send_coin(OWNER, fresh_address, 5)
    assert client.coin_of(fresh_address) == 5
