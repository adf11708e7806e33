"""The chain client on real nodes: the whole road, its refusals, and that nothing happens twice."""

from __future__ import annotations

import http.server
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chain_nodes import BUYER, CHAIN_ID, COIN, OWNER, POOR, RELAYER, Anvil, Devnet, free_port, key

from chain.client import ChainClient
from chain.deploy import DeployTerms
from chain.market import Purchase, export_sha256
from chain.relayer import Relayer
from chain.sender import Outgoing, Sender
from chain.typed_data import Authorization
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree

TREASURY = "0x7777777777777777777777777777777777777777"
INPUTS = "0x" + "ab" * 32
MANIFEST = "cd" * 32
SALT = b"\x05" * 32
PRICE_WEI = 1_000_000_000_000_000_003
TIMELOCK_S = 2
SHORT_S = 1
FAR_S = 2**40


def terms(network: str, timelock_s: int = SHORT_S) -> DeployTerms:
    return DeployTerms(network=network, treasury=TREASURY, timelock_s=timelock_s)


@pytest.fixture(scope="module")
def client(devnet: Devnet) -> ChainClient:
    made = ChainClient.connect(devnet.url, CHAIN_ID)
    made.deploy(OWNER, terms("client tests"))
    return made


@pytest.fixture
def fresh(devnet: Devnet, request: pytest.FixtureRequest) -> ChainClient:
    """Contracts of a test's own on the shared devnet."""
    made = ChainClient.connect(devnet.url, CHAIN_ID)
    made.deploy(OWNER, terms(request.node.name))
    return made


def tree_of(*amounts: int) -> MerkleTree:
    return MerkleTree.from_amounts({key(500 + n).address: amount for n, amount in enumerate(amounts)})


def settle(client: ChainClient, tree: MerkleTree) -> None:
    """What an epoch's settlement does."""
    missing = client.distributor.shortfall(tree.total)
    if missing:
        client.token.mint(OWNER, client.distributor.address, missing)
    client.distributor.propose_root(OWNER, tree.root, tree.total, INPUTS)
    client.distributor.wait_valid(tree.root)
    client.distributor.accept_root(OWNER, tree.root)


def sends_nothing(client: ChainClient, action: Callable[[], Any]) -> Any:
    """Run something and assert that no transaction came of it."""
    before = client.head()
    result = action()
    assert client.head() == before
    return result


def refused(action: Callable[[], Any]) -> WindrowError:
    with pytest.raises(WindrowError) as caught:
        action()
    return caught.value


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
    client.market.list_export(OWNER, "web_text/1", MANIFEST, PRICE_WEI, 8_000)
    bought = client.market.buy(BUYER, "web_text/1")
    assert bought.royalties_wei == client.token.balance_of(client.distributor.address)
    assert bought.royalties_wei + bought.fees_wei == PRICE_WEI
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
    assert client.token.balance_of(client.distributor.address) == 0
    assert client.distributor.total_claimed() == tree.total
    (accepted,) = client.distributor.accepted_roots(client.deployment.block, client.head())
    assert (accepted.root, accepted.total_wei, accepted.inputs_hash) == (tree.root, tree.total, INPUTS)
    claims = client.distributor.claims(client.deployment.block, client.head())
    assert {claim.account: claim.amount_wei for claim in claims} == {a: n for a, n, _ in tree.leaves}
    assert max(gas[1:]) < 95_000 < gas[0] < 115_000  # Uniswap's first claim: about 95,000


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
    fresh.token.mint(OWNER, distributor.address, distributor.shortfall(tree.total))
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


def test_purchase_is_found_instead_of_repeated(client: ChainClient) -> None:
    client.token.mint(OWNER, BUYER.address, 3 * PRICE_WEI)
    client.market.list_export(OWNER, "found/1", MANIFEST, PRICE_WEI, 8_000)
    offer = sends_nothing(
        client, lambda: client.market.list_export(OWNER, "found/1", MANIFEST, PRICE_WEI, 8_000)
    )
    assert offer is None
    other_terms = refused(lambda: client.market.list_export(OWNER, "found/1", MANIFEST, 1, 8_000))
    assert other_terms.facts["reverted"] == "AlreadyListed"
    first = client.market.buy(BUYER, "found/1")
    assert first == Purchase(
        sale_id=first.sale_id,
        buyer=BUYER.address,
        export_sha256=export_sha256("found/1"),
        manifest_sha256=MANIFEST,
        price_wei=PRICE_WEI,
        royalties_wei=PRICE_WEI * 8 // 10,
        fees_wei=PRICE_WEI - PRICE_WEI * 8 // 10,
        tx=first.tx,
        block=first.block,
    )
    assert sends_nothing(client, lambda: client.market.buy(BUYER, "found/1")) == first
    second = client.market.buy(BUYER, "found/1", again=True)
    assert second.sale_id == first.sale_id + 1
    assert client.market.purchases(client.deployment.block, export_id="found/1") == [first, second]
    assert client.market.purchases(second.block) == [second]
    assert client.market.purchases(0, buyer=OWNER.address) == []
    assert client.market.purchases(0, export_id="found/1.other") == []


def test_purchase_is_read_from_its_transaction(client: ChainClient, devnet: Devnet) -> None:
    client.token.mint(OWNER, BUYER.address, PRICE_WEI)
    client.market.list_export(OWNER, "read/1", MANIFEST, PRICE_WEI, 8_000)
    bought = client.market.buy(BUYER, "read/1")
    assert client.market.purchase_by_tx(bought.tx, "read/1") == bought
    elsewhere = replace(client.deployment, market=client.deployment.token)
    other_market = ChainClient.connect(devnet.url, CHAIN_ID, elsewhere).market
    assert other_market.purchases_in(bought.tx) == []  # a sale that another contract reports is none of ours
    unrelated = client.token.approve(BUYER, TREASURY, 5)
    assert unrelated is not None
    for tx, export in (
        (bought.tx, "read/1.other"),
        (unrelated.tx, "read/1"),
        ("0x" + "00" * 32, "read/1"),
        ("rubbish", "read/1"),
        ("0x" + "zz" * 32, "read/1"),
    ):
        assert refused(lambda tx=tx, export=export: client.market.purchase_by_tx(tx, export)).code == (  # type: ignore[misc]
            "unknown_payment"
        )


def test_signed_payment_buys_once_and_is_found_after(client: ChainClient) -> None:
    client.token.mint(OWNER, POOR.address, PRICE_WEI)  # the buyer has WIND and no coin for gas
    client.market.list_export(OWNER, "signed/1", MANIFEST, PRICE_WEI, 8_000)
    payment = client.market.payment(POOR.address, "signed/1", SALT, 0, FAR_S)
    signature = client.market.sign_payment(POOR, payment)
    bought = client.market.buy_with_authorization(RELAYER, "signed/1", SALT, payment, signature)
    assert (bought.buyer, bought.price_wei) == (POOR.address, PRICE_WEI)
    again = sends_nothing(
        client,
        lambda: client.market.buy_with_authorization(RELAYER, "signed/1", SALT, payment, signature),
    )
    assert again == bought
    assert refused(lambda: client.market.payment(POOR.address, "none/1", SALT, 0, FAR_S)).code == "not_found"


def test_expired_payment_is_refused(client: ChainClient) -> None:
    client.token.mint(OWNER, POOR.address, PRICE_WEI)
    client.market.list_export(OWNER, "expired/1", MANIFEST, PRICE_WEI, 8_000)
    payment = client.market.payment(POOR.address, "expired/1", SALT, 0, client.time_s() - 1)
    signature = client.market.sign_payment(POOR, payment)
    late = refused(
        lambda: client.market.buy_with_authorization(RELAYER, "expired/1", SALT, payment, signature)
    )
    assert late.facts["reverted"] == "ERC3009InvalidAuthorizationTime"


def test_token_by_signature(client: ChainClient) -> None:
    payer = key(800)
    client.token.mint(OWNER, payer.address, 10)
    deadline_s = client.time_s() + 60
    client.token.permit(RELAYER, payer, TREASURY, 4, deadline_s)
    assert client.token.allowance(payer.address, TREASURY) == 4
    payment = Authorization(payer.address, TREASURY, 3, 0, deadline_s, b"\x01" * 32)
    signature = client.token.sign_transfer(payer, payment)
    assert client.token.transfer_with_authorization(RELAYER, payment, signature) is not None
    assert client.token.balance_of(payer.address) == 7
    again = sends_nothing(
        client, lambda: client.token.transfer_with_authorization(RELAYER, payment, signature)
    )
    assert again is None


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


def test_relayer_refuses_what_it_should_not_pay_for(fresh: ChainClient) -> None:
    tree = tree_of(5, 7)
    account = key(501).address
    relayer = Relayer(fresh, RELAYER)
    assert refused(lambda: relayer.claim(account, 7, tree.proof(account))).code == "bad_proof"  # no root yet
    settle(fresh, tree)
    head = fresh.head()
    for amount, proof, code in (
        (8, tree.proof(account), "bad_proof"),
        (7, [], "bad_proof"),
        (7, ["0x12"], "bad_proof"),
        (7, ["0x" + "00" * 32] * 65, "bad_proof"),
    ):
        assert refused(lambda a=amount, p=proof: relayer.claim(account, a, p)).code == code  # type: ignore[misc]
    assert refused(lambda: relayer.claim("0x12", 7, [])).code == "bad_payout_address"
    thrifty = Relayer(fresh, RELAYER, fee_wei_max=1)
    assert "wei of gas" in str(refused(lambda: thrifty.claim(account, 7, tree.proof(account))))
    penniless = Relayer(fresh, POOR)
    assert "insufficient funds" in str(refused(lambda: penniless.claim(account, 7, tree.proof(account))))
    assert fresh.head() == head
    fresh.distributor.pause(OWNER)
    assert fresh.distributor.paused_until_s() is not None
    assert refused(lambda: relayer.claim(account, 7, tree.proof(account))).code == "claims_paused"
    fresh.distributor.resume(OWNER)
    assert fresh.distributor.paused_until_s() is None
    assert relayer.claim(account, 7, tree.proof(account)).status == "paid"


def test_two_relayers_pay_once(fresh: ChainClient, devnet: Devnet) -> None:
    tree = tree_of(5, 7)
    settle(fresh, tree)
    account = key(501).address
    other = ChainClient.connect(devnet.url, CHAIN_ID, fresh.deployment)
    relayers = [Relayer(fresh, RELAYER), Relayer(other, BUYER)]

    def claim(relayer: Relayer) -> str:
        try:
            return relayer.claim(account, 7, tree.proof(account)).status
        except WindrowError as error:  # overtaken between trying and mining
            return str(error.facts.get("reverted"))

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(claim, relayers))
    assert outcomes.count("paid") == 1
    assert set(outcomes) <= {"paid", "already_claimed", "NothingToClaim"}
    assert fresh.token.balance_of(account) == 7


def test_coin_can_be_sent_for_gas(client: ChainClient) -> None:
    fresh_address = key(9_999).address
    client.send_coin(OWNER, fresh_address, 5)
    assert client.coin_of(fresh_address) == 5


def test_wrong_chain_is_refused(devnet: Devnet, client: ChainClient) -> None:
    wrong = refused(lambda: ChainClient.connect(devnet.url, 1))
    assert (wrong.code, f"serves chain {CHAIN_ID}, configured is 1" in str(wrong)) == ("wrong_chain", True)
    elsewhere = replace(client.deployment, chain_id=1)
    assert refused(lambda: ChainClient.connect(devnet.url, CHAIN_ID, elsewhere)).code == "wrong_chain"
    nowhere = replace(client.deployment, market=TREASURY)
    missing = refused(lambda: ChainClient.connect(devnet.url, CHAIN_ID, nowhere))
    assert (missing.code, f"no DatasetMarket at {TREASURY}" in str(missing)) == ("wrong_chain", True)


def test_unreachable_chain_is_said_without_the_urls_secret() -> None:
    port = free_port()
    error = refused(
        lambda: ChainClient.connect(f"http://user:hunter2@127.0.0.1:{port}/v2/secret", CHAIN_ID, patience_s=0)
    )
    assert error.code == "chain_unreachable"
    assert f"127.0.0.1:{port}" in str(error)
    assert "secret" not in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("url", ["", "localhost:8545", "ftp://127.0.0.1/", "file:///etc/passwd"])
def test_address_that_is_none_is_refused(url: str) -> None:
    assert refused(lambda: ChainClient.connect(url, CHAIN_ID)).code == "bad_config"


def test_web_page_is_no_chain() -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert refused(lambda: ChainClient.connect(url, CHAIN_ID)).code == "chain_unreachable"
        server.shutdown()


def test_contracts_must_be_known_before_they_are_used(devnet: Devnet) -> None:
    bare = ChainClient.connect(devnet.url, CHAIN_ID)
    assert refused(lambda: bare.token).code == "bad_config"


def test_client_waits_out_a_killed_devnet(tmp_path: Path) -> None:
    """Killed after a transaction was sent and before its receipt was asked for: nothing is lost or paid twice."""

    with Devnet(tmp_path) as devnet:
        client = ChainClient.connect(devnet.url, CHAIN_ID, patience_s=60)
        client.deploy(OWNER, terms("killed"))
        client.token.mint(OWNER, BUYER.address, 100)
        supply = client.token.total_supply()
        with ThreadPoolExecutor(1) as pool:
            devnet.end(signal.SIGKILL)
            waiting = pool.submit(client.token.transfer, BUYER, TREASURY, 30)
            devnet.start()
            assert waiting.result(60).gas_used > 0
        assert client.token.balance_of(TREASURY) == 30
        assert client.token.total_supply() == supply
        assert client.deploy(OWNER, terms("killed")) == client.deployment


def test_transaction_that_nobody_mines_is_pending_not_lost(client: ChainClient) -> None:
    """A node that takes a transaction and drops it: the wait ends, says so, and had sent it again."""

    clock = iter(range(10_000))
    sender = Sender(
        client.w3, monotonic_s=lambda: float(next(clock)), sleep_s=lambda _: None, receipt_wait_s=20
    )
    raw = b"\x02" + bytes(100)
    error = refused(lambda: sender._wait(raw, "0x" + "12" * 32, Outgoing(TREASURY), OWNER.address))
    assert (error.code, error.detail) == ("chain_pending", "0x" + "12" * 32)
