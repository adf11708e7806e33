"""The official x402 client, unmodified, pays and downloads; and payments that do not pay buy nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from chain_lab import HOSTILE
from market_world import BUYER, OPERATOR, STRANGER, Market
from x402 import x402Client
from x402.http.clients.httpx import x402HttpxClient
from x402.mechanisms.evm.exact import ExactEvmScheme

from chain.abi import functions
from chain.keys import key_from_hex
from chain.typed_data import Authorization, TokenDomain, transfer_authorization
from marketplace.delivery import SALE_PURPOSE
from marketplace.payment import record_purchases
from windrow_protocol.signing import verify

PAYER = key_from_hex(f"{104:064x}")
NETWORK = "eip155:31337"
TRANSFER = "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)"


def door(market: Market) -> str:
    return f"{market.url}/market/datasets/web_text/latest/buy"


@pytest.fixture
def payer(market: Market) -> Any:
    """An account with WIND and no ether at all."""
    if market.chain.token.balance_of(PAYER.address) < market.export.price:
        market.chain.token.mint(OPERATOR, PAYER.address, 40 * 10**18)
    assert market.chain.coin_of(PAYER.address) == 0
    return PAYER


def official_client(market: Market, key: Any) -> x402HttpxClient:
    client = x402Client()
    client.register("eip155:*", ExactEvmScheme(signer=key))
    allowed = {
        "network": NETWORK,
        "asset": market.chain.token.address,
        "max_amount_per_payment": str(market.export.price),
    }
    client.set_spend_controls({"allowed_assets": [allowed]})
    return x402HttpxClient(client, timeout=120)


async def test_the_official_client_buys_without_gas_and_downloads_every_byte(
    market: Market, payer: Any
) -> None:
    before = market.chain.token.balance_of(payer.address)
    owners = market.chain.token.balance_of(market.chain.distributor.reserve)
    async with official_client(market, payer) as http:
        answer = await http.get(door(market))
        assert answer.status_code == 200, answer.text
        ticket = answer.json()
        assert market.chain.token.balance_of(payer.address) == before - market.export.price
        paid_owners = market.chain.token.balance_of(market.chain.distributor.reserve) - owners
        settled = json.loads(base64.b64decode(answer.headers["PAYMENT-RESPONSE"]))
        manifest = (await http.get(market.url + ticket["download"] + "manifest.json")).content
        assert hashlib.sha256(manifest).hexdigest() == market.export.manifest_sha256
        for file in json.loads(manifest)["files"]:
            url = market.url + ticket["download"] + file["path"]
            whole = (await http.get(url)).content
            assert hashlib.sha256(whole).hexdigest() == file["sha256"]
            half = await http.get(url, headers={"Range": f"bytes={len(whole) // 2}-"})
            assert (half.status_code, half.content) == (206, whole[len(whole) // 2 :])
        # a failed download is tried again free: the same client signs anew, and nothing is brought in
        again = await http.get(door(market))
    assert again.json()["sale_id"] == ticket["sale_id"]
    assert market.chain.token.balance_of(payer.address) == before - market.export.price
    assert (settled["success"], settled["network"]) == (True, NETWORK)
    (purchase,) = market.chain.market.purchases_in(settled["transaction"])
    assert purchase.buyer == payer.address
    assert purchase.royalties_wei == paid_owners
    content = receipt_of(market, ticket)
    assert content["tx_hash"] == settled["transaction"]
    assert (content["buyer"], content["price"]) == (payer.address, str(market.export.price))
    assert content["manifest_sha256"] == market.export.manifest_sha256


def receipt_of(market: Market, ticket: dict[str, Any]) -> dict[str, Any]:
    statement = verify(
        ticket["receipt"],
        signer=market.house.coordinator_id,
        network=market.house.network,
        purpose=SALE_PURPOSE,
        subject=ticket["sale_id"],
        now_ms=market.house.now_ms(),
    )
    assert statement.content is not None
    return dict(statement.content)


async def test_a_client_whose_limit_is_lower_signs_nothing(market: Market, payer: Any) -> None:
    head = market.chain.head()
    client = x402Client()
    client.register("eip155:*", ExactEvmScheme(signer=payer))
    async with x402HttpxClient(client, timeout=60) as http:
        with pytest.raises(Exception, match=r"(?i)spend|asset|filtered|requirement"):
            await http.get(door(market))
    assert market.chain.head() == head


# --- payments that do not pay ---------------------------------------------------------------------------------------


def required(market: Market) -> dict[str, Any]:
    answer = httpx.get(door(market), timeout=60)
    assert answer.status_code == 402
    said: dict[str, Any] = json.loads(base64.b64decode(answer.headers["PAYMENT-REQUIRED"]))
    assert said == answer.json()
    return said


def paying(market: Market, key: Any, signer: Any = None, **changes: Any) -> httpx.Response:
    """Pay with a transfer signed by hand, changed after or before it is signed."""
    accepted = required(market)["accepts"][0]
    now_s = int(time.time())
    fields = {
        "from": key.address,
        "to": accepted["payTo"],
        "value": accepted["amount"],
        "validAfter": "0",
        "validBefore": str(now_s + 100),
        "nonce": "0x" + hashlib.sha256(str(time.monotonic_ns()).encode()).hexdigest(),
    } | {name: value for name, value in changes.items() if name[0] != "_"}
    transfer = Authorization(
        fields["from"],
        fields["to"],
        int(fields["value"]),
        int(fields["validAfter"]),
        int(fields["validBefore"]),
        bytes.fromhex(fields["nonce"][2:]),
    )
    domain = TokenDomain(changes.get("_chain_id", 31_337), market.chain.token.address)
    message = transfer_authorization(domain, transfer)
    signature = "0x" + bytes((signer or key).sign_typed_data(full_message=message).signature).hex()
    payload = {"authorization": fields, "signature": changes.get("_signature", signature)}
    payment = {"x402Version": changes.get("_version", 2), "payload": payload, "accepted": accepted}
    header = base64.b64encode(json.dumps(payment).encode()).decode()
    return httpx.get(door(market), headers={"PAYMENT-SIGNATURE": header}, timeout=60)


@pytest.mark.parametrize(
    "changes",
    [
        {"value": "1"},
        {"to": "0x" + "11" * 20},
        {"validBefore": "1700000000"},
        {"validBefore": str(2**60)},
        {"validAfter": str(2**40)},
        {"signer": STRANGER},
        {"_chain_id": 1},
        {"_signature": "0x" + "11" * 65},
        {"_signature": "0x1234"},
        {"_version": 1},
    ],
)
def test_a_payment_that_is_not_the_one_asked_for_costs_and_gives_nothing(
    market: Market, payer: Any, changes: dict[str, Any]
) -> None:
    head, had = market.chain.head(), market.chain.token.balance_of(payer.address)
    answer = paying(market, payer, **changes)
    assert (answer.status_code, "token" in answer.json()) == (402, False)
    assert answer.json()["error"]
    assert (market.chain.head(), market.chain.token.balance_of(payer.address)) == (head, had)


def test_who_has_not_the_money_is_told_so_before_any_gas_is_spent(market: Market) -> None:
    head, poor = market.chain.head(), key_from_hex(f"{105:064x}")
    answer = paying(market, poor)
    assert answer.status_code == 402
    assert "ERC20InsufficientBalance" in answer.json()["error"]
    assert market.chain.head() == head


@pytest.mark.parametrize("header", ["", "AAAA", "%%%", base64.b64encode(b"[" * 3000).decode(), "A" * 7_999])
def test_a_header_that_is_no_payment_is_answered_with_the_price(market: Market, header: str) -> None:
    answer = httpx.get(door(market), headers={"PAYMENT-SIGNATURE": header}, timeout=60)
    assert answer.status_code == 402
    assert answer.json()["accepts"][0]["amount"] == str(market.export.price)


def test_a_payment_that_somebody_else_brought_in_first_still_buys_once(market: Market) -> None:
    """The header was seen on its way and sent to the token itself: the money is the market's, the sale the signer's."""
    key = key_from_hex(f"{106:064x}")
    market.chain.token.mint(OPERATOR, key.address, 2 * market.export.price)
    until_s = int(time.time()) + 200
    nonce = hashlib.sha256(b"front-run").digest()
    transfer = Authorization(key.address, market.chain.market.address, market.export.price, 0, until_s, nonce)
    market.chain.token.transfer_with_authorization(
        STRANGER, transfer, market.chain.token.sign_transfer(key, transfer)
    )
    first = paying(market, key, nonce="0x" + nonce.hex(), validBefore=str(until_s))
    second = paying(market, key)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["sale_id"] == second.json()["sale_id"]
    assert market.chain.token.balance_of(key.address) == market.export.price
    record_purchases(market.house, market.chain)
    assert len(market.chain.market.purchases(0, buyer=key.address)) == 1


def test_a_nonce_cancelled_or_used_for_something_else_buys_nothing(market: Market) -> None:
    key = key_from_hex(f"{107:064x}")
    market.chain.token.mint(OPERATOR, key.address, market.export.price)
    nonce = hashlib.sha256(b"elsewhere").digest()
    elsewhere = Authorization(key.address, BUYER.address, 1, 0, int(time.time()) + 200, nonce)
    market.chain.token.transfer_with_authorization(
        STRANGER, elsewhere, market.chain.token.sign_transfer(key, elsewhere)
    )
    answer = paying(market, key, nonce="0x" + nonce.hex())
    assert answer.status_code == 402
    assert market.chain.market.purchases(0, buyer=key.address) == []


def test_a_payment_that_lies_on_the_chain_opens_nothing_for_who_reads_it_there(
    market: Market, payer: Any
) -> None:
    """The settlement's calldata is public while the signature is still valid: it must not be a key to the files."""
    nonce = "0x" + hashlib.sha256(b"read from the chain").hexdigest()
    fields = {"nonce": nonce, "validBefore": str(int(time.time()) + 200)}
    assert paying(market, payer, **fields).status_code == 200
    answer = paying(market, payer, **fields)
    assert (answer.status_code, "token" in answer.json()) == (402, False)
    assert "used" in answer.json()["error"]
    assert paying(market, payer).status_code == 200  # who holds the key signs another one, and pays nothing


def test_two_requests_at_once_with_one_payment_make_one_sale_and_one_token(market: Market) -> None:
    key = key_from_hex(f"{109:064x}")
    market.chain.token.mint(OPERATOR, key.address, 3 * market.export.price)
    fields = {
        "nonce": "0x" + hashlib.sha256(b"twice").hexdigest(),
        "validBefore": str(int(time.time()) + 200),
    }
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: paying(market, key, **fields), range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 402]
    assert len(market.chain.market.purchases(0, buyer=key.address)) == 1
    assert market.chain.token.balance_of(key.address) == 2 * market.export.price


def test_a_sale_that_is_still_on_its_way_into_a_block_is_not_made_twice(market: Market) -> None:
    """The first answer was lost before the block came: a second payment of the same buyer waits for it."""
    key = key_from_hex(f"{110:064x}")
    market.chain.token.mint(OPERATOR, key.address, 2 * market.export.price)
    waited: list[str] = []
    sender = market.chain.sender
    original = sender.wait_idle

    def wait_idle(address: str) -> None:
        if not waited:  # the transaction sent before the crash is mined while the till waits
            waited.append(address)
            until_s = int(time.time()) + 200
            nonce = hashlib.sha256(b"on its way").digest()
            before = Authorization(
                key.address, market.chain.market.address, market.export.price, 0, until_s, nonce
            )
            signature = market.chain.token.sign_transfer(key, before)
            market.chain.market.buy_with_transfer(OPERATOR, market.export.export_id, before, signature)
        original(address)

    sender.wait_idle = wait_idle  # type: ignore[method-assign]
    try:
        answer = paying(market, key)
    finally:
        sender.wait_idle = original  # type: ignore[method-assign]
    assert answer.status_code == 200
    assert len(market.chain.market.purchases(0, buyer=key.address)) == 1
    assert market.chain.token.balance_of(key.address) == market.export.price


def test_two_authorizations_in_one_transaction_are_not_one_another(market: Market) -> None:
    """One paid the payer's friend, the other the market: the first must not pass for the second."""
    key, w3, token = key_from_hex(f"{111:064x}"), market.chain.w3, market.chain.token
    price, until_s = market.export.price, int(time.time()) + 200
    token.mint(OPERATOR, key.address, 3 * price)
    elsewhere, here = (hashlib.sha256(name).digest() for name in (b"to a friend", b"to the market"))
    calls = [
        functions("WindToken")[TRANSFER].encode((key.address, to, price, 0, until_s, nonce, signature))
        for to, nonce in ((BUYER.address, elsewhere), (market.chain.market.address, here))
        for signature in [token.sign_transfer(key, Authorization(key.address, to, price, 0, until_s, nonce))]
    ]
    artifact = json.loads((HOSTILE / "Batch.json").read_text())
    batch = w3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    created = _mined(market, batch.constructor())
    _mined(
        market,
        w3.eth.contract(created["contractAddress"], abi=artifact["abi"]).functions.run(token.address, calls),
    )
    first = paying(market, key, nonce="0x" + elsewhere.hex(), validBefore=str(until_s))
    assert (first.status_code, market.chain.market.purchases(0, buyer=key.address)) == (402, [])
    second = paying(market, key, nonce="0x" + here.hex(), validBefore=str(until_s))
    assert second.status_code == 200
    assert token.balance_of(key.address) == price


def _mined(market: Market, call: Any) -> Any:
    w3 = market.chain.w3
    nonce = w3.eth.get_transaction_count(OPERATOR.address)
    filled = call.build_transaction(
        {"from": OPERATOR.address, "nonce": nonce, "gas": 1_000_000, "gasPrice": 10**10}
    )
    sent = w3.eth.send_raw_transaction(OPERATOR.sign_transaction(filled).raw_transaction)
    return w3.eth.wait_for_transaction_receipt(sent)
