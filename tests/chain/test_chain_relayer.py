"""The relayer on a real node: what it pays the gas of, and that nobody is paid twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chain_nodes import BUYER, CHAIN_ID, OWNER, POOR, RELAYER, Devnet, key
from chain_steps import (
    refused,
    settle,
    tree_of,
)

from chain.client import ChainClient
from chain.relayer import Relayer
from windrow_protocol.errors import WindrowError


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
