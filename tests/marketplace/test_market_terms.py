"""Orders under terms: the price waits until the market has judged, and comes back whole when the terms do not hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from market_world import OPERATOR, Market, ServerThread

from chain.keys import key_from_hex
from marketplace.acceptance import Finding, Judgement, JudgementRequest, examine, finish_orders, judge_order
from marketplace.catalogue import Catalogue, Offer
from marketplace.client import MarketClient
from marketplace.resuming import HttpClient
from marketplace.routes import routes
from marketplace.terms import Terms, canonical, parse_terms, terms_sha256
from storage.env import Request, Response, Route, json_response
from storage.real_env import real_env
from storage.tables.contributions import exports, judgements
from windrow.agent.allowance import Allowance
from windrow_protocol.errors import WindrowError

PRICE_UNMET = Terms(rows_min=10**9)


@pytest.fixture
def buyer(market: Market, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A buyer of this test alone, with ether and 50 WIND, who has bought nothing."""
    key = key_from_hex(hashlib.sha256(request.node.name.encode()).hexdigest())
    w3 = market.chain.w3
    payment = {
        "from": OPERATOR.address,
        "to": key.address,
        "value": 10**18,
        "gas": 21_000,
        "gasPrice": 10**10,
    }
    payment |= {"nonce": w3.eth.get_transaction_count(OPERATOR.address), "chainId": market.chain.chain_id}
    sent = w3.eth.send_raw_transaction(OPERATOR.sign_transaction(payment).raw_transaction)
    w3.eth.wait_for_transaction_receipt(sent)
    market.chain.token.mint(OPERATOR, key.address, 50 * 10**18)
    return key


def offer_of(market: Market) -> Offer:
    return Catalogue(market.house).offer("web_text")


def found(market: Market, terms: Terms) -> list[Finding]:
    return examine(offer_of(market), terms, market.house.now_ms())


@pytest.mark.parametrize(
    ("terms", "holds"),
    [
        (Terms(rows_min=1, tokens_min=1), True),
        (Terms(rows_max=1), False),
        (Terms(tokens_max=1), False),
        (Terms(duplicate_rate_max=0), True),
        (Terms(language_shares_min={"en": 1.0}), True),
        (Terms(language_shares_min={"de": 0.1}), False),
        (Terms(age_days_max=3), True),
        (Terms(age_days_max=0), False),
        (Terms(columns={"text": "string", "fetched_at": "timestamp_ms"}), True),
        (Terms(columns={"text": "int32"}), False),
        (Terms(columns={"no_such": "string"}), False),
        (Terms(no_optouts=True), True),
        (Terms(licences_only=["MIT"]), False),
        (Terms(licences_only=["unknown"]), True),
    ],
)
def test_each_assertion_of_the_vocabulary_can_hold_and_fail(
    market: Market, terms: Terms, holds: bool
) -> None:
    findings = found(market, terms)
    assert findings
    assert all(each.holds for each in findings) is holds


@pytest.mark.parametrize(
    ("column", "terms"),
    [
        ("robots_state", Terms(no_optouts=True)),
        ("optout_signals", Terms(no_optouts=True)),
        ("fetched_at", Terms(age_days_max=3)),
        ("language", Terms(language_shares_min={"en": 1.0})),
        ("content_sha256", Terms(duplicate_rate_max=0)),
        ("license_detected", Terms(licences_only=["MIT"])),
    ],
)
def test_what_an_export_does_not_say_of_a_row_holds_nothing(
    market: Market, tmp_path: Path, column: str, terms: Terms
) -> None:
    """SQL passes over what is NULL; a buyer who asserts something of every row means every row."""
    offer = offer_of(market)
    for file in offer.manifest.files:
        if file.path.startswith("data/"):
            table = offer.files.small_table(file.path)
            place = table.schema.get_field_index(column)
            values = table.column(column).to_pylist()[:-1]
            unsaid = pa.array([*values, None], table.schema.field(column).type)
            (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.set_column(place, column, unsaid), tmp_path / file.path)
    files = replace(offer.files, folder=tmp_path)
    findings = examine(replace(offer, files=files), terms, market.house.now_ms())
    assert [each.holds for each in findings] == [False]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rows_min = -1",
        "sql = 'SELECT 1'",
        "duplicate_rate_max = 2",
        "rows_min = [",
        "language_shares_min = {}",
    ],
)
def test_terms_outside_the_vocabulary_are_refused(text: str) -> None:
    with pytest.raises(WindrowError) as refusal:
        parse_terms(text)
    assert refusal.value.code == "bad_terms"


def test_terms_have_one_name_however_they_are_written() -> None:
    one = parse_terms("rows_min = 5\n[language_shares_min]\nen = 0.5\nde = 0.25\n")
    other = Terms(language_shares_min={"de": 0.25, "en": 0.5}, rows_min=5)
    assert canonical(one) == canonical(other) == b'{"language_shares_min":{"de":0.25,"en":0.5},"rows_min":5}'
    assert terms_sha256(one) == terms_sha256(other) != terms_sha256(Terms(rows_min=5))


def test_terms_that_hold_buy_and_the_money_goes_where_it_always_goes(
    market: Market, buyer: Any, tmp_path: Path
) -> None:
    client = market.client()
    quote = client.quote("web_text")
    terms = Terms(rows_min=1, language_shares_min={"en": 0.9}, no_optouts=True)
    owners = market.chain.token.balance_of(market.chain.distributor.reserve)
    receipt = client.buy(market.rpc_url, buyer, quote, tmp_path, price_wei_max=quote.price_wei, terms=terms)
    assert int(receipt.price) == quote.price_wei
    assert market.chain.token.balance_of(market.chain.market.address) == 0
    assert market.chain.token.balance_of(market.chain.distributor.reserve) == owners + int(receipt.royalties)
    assert (tmp_path / "manifest.json").is_file()


def test_terms_that_fail_give_all_of_the_price_back_and_no_token(
    market: Market, buyer: Any, tmp_path: Path
) -> None:
    client = market.client()
    quote = client.quote("web_text")
    terms = Terms(rows_min=1, language_shares_min={"de": 0.5})
    with pytest.raises(WindrowError) as refusal:
        client.buy(market.rpc_url, buyer, quote, tmp_path, price_wei_max=quote.price_wei, terms=terms)
    assert refusal.value.code == "terms_not_met"
    assert "language_shares_min.de: wanted 0.5, found 0" in refusal.value.detail
    assert "rows_min" not in refusal.value.detail
    assert market.chain.token.balance_of(buyer.address) == 50 * 10**18
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(WindrowError):  # and the refunded order pays for nothing
        HttpClient(market.url, 30).get("/market/download/x/manifest.json", 1000)


def test_three_failures_a_day_and_the_fourth_is_given_back_unjudged(market: Market, buyer: Any) -> None:
    judged = [_judged(market, buyer, Terms(rows_min=10**9 + number)) for number in range(4)]
    assert [each.reason for each in judged] == ["terms_not_met"] * 3 + ["too_many_tries"]
    assert judged[3].findings == []
    assert market.chain.token.balance_of(buyer.address) == 50 * 10**18
    # good terms are not judged either, until a day has gone by
    assert _judged(market, buyer, Terms(rows_min=1)).reason == "too_many_tries"
    with market.house.state.write() as connection:
        connection.execute(
            sa.update(judgements)
            .where(judgements.c.buyer == buyer.address)
            .values(judged_at_ms=market.house.now_ms() - 86_400_001)
        )
    assert _judged(market, buyer, Terms(rows_min=1)).accepted


def _judged(market: Market, buyer: Any, terms: Terms) -> Judgement:
    held = market.chain.orders.order(buyer, market.export.export_id, terms_sha256(terms))
    return judge_order(market.house, market.chain, OPERATOR, JudgementRequest(held.tx, terms))


def test_an_order_for_what_was_retired_meanwhile_is_given_back_at_once(market: Market, buyer: Any) -> None:
    """Its rows may be gone, so nothing of them can be judged, nor delivered."""
    terms = Terms(rows_min=1)
    held = market.chain.orders.order(buyer, market.export.export_id, terms_sha256(terms))
    of_it = exports.c.export_id == market.export.export_id
    try:
        with market.house.state.write() as connection:
            connection.execute(sa.update(exports).where(of_it).values(retired="wanted"))
        judged = judge_order(market.house, market.chain, OPERATOR, JudgementRequest(held.tx, terms))
    finally:
        with market.house.state.write() as connection:
            connection.execute(sa.update(exports).where(of_it).values(retired=""))
    assert (judged.accepted, judged.reason, judged.findings) == (False, "version_retired", [])
    assert market.chain.token.balance_of(buyer.address) == 50 * 10**18
    assert not market.chain.orders.is_open(held.order_id)


def test_an_order_is_judged_once_and_a_kill_before_the_chain_knew_is_mended(
    market: Market, buyer: Any
) -> None:
    held = market.chain.orders.order(buyer, market.export.export_id, terms_sha256(PRICE_UNMET))
    request = JudgementRequest(held.tx, PRICE_UNMET)
    first = judge_order(market.house, market.chain, OPERATOR, request)
    head = market.chain.head()
    assert judge_order(market.house, market.chain, OPERATOR, request) == first
    with market.house.state.write() as connection:  # the verdict was written, its transaction's hash was not
        connection.execute(sa.update(judgements).values(tx_hash=""))
    assert finish_orders(market.house, market.chain, OPERATOR) >= 1
    assert judge_order(market.house, market.chain, OPERATOR, request) == first
    assert market.chain.head() == head  # nothing was sent twice
    assert finish_orders(market.house, market.chain, OPERATOR) == 0


def test_terms_are_those_that_were_paid_under(market: Market, buyer: Any) -> None:
    held = market.chain.orders.order(buyer, market.export.export_id, terms_sha256(PRICE_UNMET))
    http = HttpClient(market.url, 30)
    for body, code in (
        ({"tx_hash": held.tx, "terms": {"rows_min": 1}}, "bad_terms"),
        ({"tx_hash": "0x" + "ab" * 32, "terms": {"rows_min": 1}}, "unknown_payment"),
        ({"tx_hash": held.tx, "terms": {"rows_min": 1, "sql": "SELECT 1"}}, "wrong_schema"),
    ):
        with pytest.raises(WindrowError) as refusal:
            http.post("/market/judgements", msgspec.json.encode(body), 10_000)
        assert refusal.value.code == code
    assert market.chain.orders.is_open(held.order_id)
    market.chain.orders.refund(OPERATOR, held.order_id)


# --- who asks when nothing is at stake any more, and what stands in the way of others -------------------------------


@pytest.mark.parametrize("terms", [Terms(rows_min=1), PRICE_UNMET])
def test_an_order_that_waits_no_more_tells_nothing_of_the_data(
    market: Market, buyer: Any, terms: Terms
) -> None:
    """Its price came back before anybody judged: asking then would be asking for nothing, as often as one likes."""
    held = market.chain.orders.order(buyer, market.export.export_id, terms_sha256(terms))
    refunded = market.chain.orders.refund(OPERATOR, held.order_id)
    judged = judge_order(market.house, market.chain, OPERATOR, JudgementRequest(held.tx, terms))
    assert (judged.accepted, judged.reason, judged.findings) == (False, "not_waiting", [])
    assert judged.tx_hash == refunded
    assert market.chain.token.balance_of(buyer.address) == 50 * 10**18


def test_an_order_that_its_buyer_settled_is_a_sale_whatever_is_judged(market: Market, buyer: Any) -> None:
    held = market.chain.orders.order(buyer, market.export.export_id, terms_sha256(PRICE_UNMET))
    sale = market.chain.orders.settle(buyer, held.order_id)
    judged = judge_order(market.house, market.chain, OPERATOR, JudgementRequest(held.tx, PRICE_UNMET))
    assert (judged.accepted, judged.tx_hash) == (True, sale.tx)
    with pytest.raises(WindrowError, match="chain_rejected"):
        market.chain.orders.refund(OPERATOR, held.order_id)  # after a sale nothing goes back


def test_a_verdict_that_the_chain_never_takes_stands_in_nobodys_way(market: Market, buyer: Any) -> None:
    """A chain that was reorganised or begun anew knows nothing of an order that was judged."""
    lost = 10**9
    row = {
        "order_key": f"{market.chain.chain_id}/{market.chain.market.address.lower()}/{lost}",
        "order_id": lost,
        "buyer": buyer.address,
        "export_sha256": "0" * 64,
        "accepted": False,
        "reason": "terms_not_met",
        "findings": "[]",
        "tx_hash": "",
        "judged_at_ms": 0,
    }
    with market.house.state.write() as connection:
        connection.execute(sa.insert(judgements).values(**row))
    try:
        assert _judged(market, buyer, PRICE_UNMET).reason == "terms_not_met"
        assert finish_orders(market.house, market.chain, OPERATOR) == 0
    finally:
        with market.house.state.write() as connection:
            connection.execute(sa.delete(judgements).where(judgements.c.order_id == lost))
    assert market.chain.token.balance_of(buyer.address) == 50 * 10**18


# --- a market that lies about what it did with the price ------------------------------------------------------------


@contextmanager
def lying_market(market: Market, servers: ServerThread, answer: Response) -> Iterator[MarketClient]:
    """The same market, whose judgements are this answer and nothing else."""

    async def getter() -> Any:
        return market.chain

    async def lie(_request: Request) -> Response:
        return answer

    honest = [r for r in routes(market.house, getter, OPERATOR) if r.pattern != "/market/judgements"]
    doors = [*honest, Route("POST", "/market/judgements", lie, "Lies", body_bytes_max=100_000)]
    server = servers.run(market.house.env.network.serve(doors, host="127.0.0.1", port=0))
    try:
        yield MarketClient(server.url)
    finally:
        servers.run(server.close())


@pytest.mark.parametrize(
    "lie",
    [
        json_response({"accepted": True, "reason": "terms_met", "findings": [], "tx_hash": "0x"}),
        json_response({"accepted": False, "reason": "terms_not_met", "findings": [], "tx_hash": "0x"}),
        json_response({"accepted": False, "reason": "too_many_tries", "findings": [], "tx_hash": "0x"}),
        json_response({"error": "chain_rejected"}, status=409),
    ],
)
def test_what_a_market_says_of_an_order_is_held_against_the_chain(
    market: Market, servers: ServerThread, buyer: Any, tmp_path: Path, lie: Response
) -> None:
    """Else the buyer would pay a second time without terms, or an agent would be given its limit back."""
    allowance = Allowance(tmp_path / "agent", {"WIND": market.export.price}, real_env().disk)
    with lying_market(market, servers, lie) as client:
        quote = client.quote("web_text")
        for _ in range(2):  # the second time nothing more is paid: the order waits
            with pytest.raises(WindrowError) as refusal:
                client.buy(
                    market.rpc_url,
                    buyer,
                    quote,
                    tmp_path,
                    price_wei_max=quote.price_wei,
                    terms=PRICE_UNMET,
                    allow=lambda price_wei: allowance.purchase(quote.export_id, price_wei),
                )
            assert refusal.value.code == "not_judged"
    assert allowance.left() == 0
    assert market.chain.token.balance_of(buyer.address) == 50 * 10**18 - quote.price_wei
    held = market.chain.orders.waiting(buyer.address, quote.export_id, terms_sha256(PRICE_UNMET))
    assert held is not None
    market.chain.orders.refund(OPERATOR, held.order_id)
