"""Buying through the chain client: found, read, signed and paid once."""

from __future__ import annotations

from dataclasses import replace

from chain_nodes import BUYER, CHAIN_ID, OWNER, POOR, RELAYER, Devnet, key
from chain_steps import (
    FAR_S,
    MANIFEST,
    PRICE_WEI,
    SALT,
    TREASURY,
    refused,
    sends_nothing,
)

from chain.client import ChainClient
from chain.market import Purchase, export_sha256
from chain.typed_data import Authorization


def test_purchase_is_found_instead_of_repeated(client: ChainClient) -> None:
    client.token.mint(OWNER, BUYER.address, 3 * PRICE_WEI)
    client.market.list_export(OWNER, "found/1", MANIFEST, PRICE_WEI, 8_000)
    offer = sends_nothing(
        client, lambda: client.market.list_export(OWNER, "found/1", MANIFEST, PRICE_WEI, 8_000)
    )
    assert offer is None
    other_terms = refused(lambda: client.market.list_export(OWNER, "found/1", MANIFEST, 1, 8_000))
    assert other_terms.facts["reverted"] == "AlreadyListed"
    sends_nothing(client, lambda: client.market.list_export(OWNER, "found/1", MANIFEST, PRICE_WEI, 1, 9_000))
    offered = client.market.listing("found/1")
    assert offered is not None
    assert (offered.royalty_bps, offered.burn_bps) == (8_000, 0), "an offer keeps its shares"
    first = client.market.buy(BUYER, "found/1")
    assert first == Purchase(
        sale_id=first.sale_id,
        buyer=BUYER.address,
        export_sha256=export_sha256("found/1"),
        manifest_sha256=MANIFEST,
        price_wei=PRICE_WEI,
        royalties_wei=PRICE_WEI * 8 // 10,
        fees_wei=PRICE_WEI - PRICE_WEI * 8 // 10,
        burned_wei=0,
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
