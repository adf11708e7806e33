"""Standing orders: bought once, never above price or limit, whatever the market says and however often cron calls."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_world import OPERATOR, Market, ServerThread

from chain.keys import load_or_make_key
from marketplace.client import MarketClient
from marketplace.routes import routes
from marketplace.terms import Terms
from storage.env import Request, Response, Route, Server, json_response
from storage.real_env import real_env
from windrow.agent.market_tools import AgentSettings
from windrow.standing.evaluating import evaluate
from windrow.standing.order_file import Bought, OrderFile, Refused
from windrow.standing.orders import Held, StandingOrder, decide, parse_order
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import Manifest

ROOT = Path(__file__).resolve().parents[2]
ETHER = 10**18


def funded_key(market: Market, path: Path) -> Any:
    """A key file with the price of three exports and a little ether."""
    key, w3 = load_or_make_key(path), market.chain.w3
    sent = OPERATOR.sign_transaction(
        {
            "to": key.address,
            "value": ETHER,
            "gas": 21_000,
            "gasPrice": 10**10,
            "nonce": w3.eth.get_transaction_count(OPERATOR.address),
            "chainId": market.chain.chain_id,
        }
    )
    w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(sent.raw_transaction))
    market.chain.token.mint(OPERATOR, key.address, 3 * market.export.price)
    return key


class Buyer:
    """Somebody with a folder, a key and orders in it."""

    def __init__(self, market: Market, folder: Path, **order: Any) -> None:
        self.market, self.folder = market, folder
        self.key = funded_key(market, folder.parent / f"{folder.name}.key")
        self.settings = AgentSettings(
            market.url, folder, 3 * market.export.price, folder.parent / f"{folder.name}.key", market.rpc_url
        )
        self.place(**order)

    def place(self, **order: Any) -> None:
        wanted = {"dataset": "web_text", "price_wei_max": str(self.market.export.price)} | order
        with OrderFile(self.folder, real_env().disk).alone() as file:
            file.place(msgspec.convert(wanted, StandingOrder), 1)

    def run(self, **changes: Any) -> list[str]:
        settings = AgentSettings(**{**{n: getattr(self.settings, n) for n in FIELDS}, **changes})
        return [outcome.reason or outcome.result for outcome in evaluate(settings)]

    def paid_wei(self) -> int:
        return 3 * self.market.export.price - self.market.chain.token.balance_of(self.key.address)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in (self.folder / "standing.ndjson").read_text().splitlines()]
        return [line for line in found if line["type"] == kind]


FIELDS = ("coordinator", "folder", "limit_wei", "key_file", "rpc_url")


def code_of(work: Callable[[], Any]) -> str:
    with pytest.raises(WindrowError) as refusal:
        work()
    return refusal.value.code


# --- bought once, and only what was wanted --------------------------------------------------------------------------


def test_it_buys_what_it_waited_for_once_and_a_kill_in_between_pays_nothing_again(
    market: Market, tmp_path: Path
) -> None:
    buyer = Buyer(market, tmp_path / "out", rows_new_min=market.export.rows, terms={"no_optouts": True})
    assert buyer.run() == ["bought"]
    assert buyer.paid_wei() == market.export.price
    assert buyer.run() == ["nothing_newer"]
    (bought,) = buyer.lines("bought")
    assert (bought["paid_wei"], bought["rows"]) == (str(market.export.price), market.export.rows)
    # killed after the payment and before the line, which then is cut off
    path = buyer.folder / "standing.ndjson"
    path.write_bytes(path.read_bytes()[:-20])
    assert buyer.run() == ["bought"]
    assert buyer.lines("bought")[0] | {"at_ms": 0} == bought | {"at_ms": 0}
    assert buyer.paid_wei() == market.export.price
    assert len(market.chain.market.purchases(0, buyer=buyer.key.address)) == 1


def test_nothing_is_paid_for_too_little_too_much_money_or_broken_terms(
    market: Market, tmp_path: Path
) -> None:
    price, rows = market.export.price, market.export.rows
    buyer = Buyer(market, tmp_path / "out", rows_new_min=rows + 1)
    buyer.place(languages_new_min={"en": rows + 1})
    buyer.place(languages_new_min={"de": 1})
    buyer.place(have="0.1.0")
    buyer.place(price_wei_max=str(price - 1))
    buyer.place(dataset="no_such_dataset")
    buyer.place(terms={"rows_min": rows + 1})
    too_little = ["too_little_new"] * 3
    assert buyer.run() == [*too_little, "nothing_newer", "too_dear", "unknown_dataset", "terms_not_met"]
    assert buyer.paid_wei() == 0
    head = market.chain.head()
    assert buyer.run()[-1] == "terms_failed"  # of that version it is not tried again
    assert market.chain.head() == head
    assert len(buyer.lines("refused")) == 1


def test_the_switch_and_a_cancelled_order_end_buying(market: Market, tmp_path: Path) -> None:
    buyer = Buyer(market, tmp_path / "out")
    (buyer.folder / "STOP").touch()
    assert code_of(buyer.run) == "agent_stopped"
    (buyer.folder / "STOP").unlink()
    with OrderFile(buyer.folder, real_env().disk).alone() as file:
        file.cancel(1, 2)
        assert code_of(lambda: file.cancel(1, 3)) == "not_found"
    assert buyer.run() == []
    assert buyer.paid_wei() == 0


# --- two at once ----------------------------------------------------------------------------------------------------


def test_a_second_run_at_once_ends_without_buying(market: Market, tmp_path: Path) -> None:
    buyer = Buyer(market, tmp_path / "out")
    with OrderFile(buyer.folder, real_env().disk).alone():
        assert code_of(buyer.run) == "order_file_busy"
    assert buyer.paid_wei() == 0
    assert buyer.run() == ["bought"]


def test_runs_and_keys_at_once_share_one_limit(market: Market, tmp_path: Path) -> None:
    """Two runs with two keys, over one folder of purchases that both may write, meet at the same moment."""
    price, together = market.export.price, threading.Barrier(2)
    buyer = Buyer(market, tmp_path / "out")
    other = funded_key(market, tmp_path / "other.key")

    def run(key_file: Path) -> list[str]:
        together.wait(60)
        try:
            return buyer.run(key_file=key_file, limit_wei=2 * price - 1)
        except WindrowError as error:
            return [error.code]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, [tmp_path / "out.key", tmp_path / "other.key"])
    assert ["bought"] in (first, second)
    left = 3 * price - market.chain.token.balance_of(other.address)
    assert buyer.paid_wei() + left == price
    # the loser's turn comes with the order as it was placed: the limit is still the limit of both
    path, said = buyer.folder / "standing.ndjson", []
    for key_file in (tmp_path / "out.key", tmp_path / "other.key"):
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
        said.append(buyer.run(key_file=key_file, limit_wei=2 * price - 1))
    assert ["spend_limit"] in said
    assert buyer.paid_wei() + 3 * price - market.chain.token.balance_of(other.address) == price


# --- a market that lies ---------------------------------------------------------------------------------------------


@contextmanager
def lying(market: Market, servers: ServerThread, lie: Callable[[str, Any], Any]) -> Iterator[str]:
    """Serve the real market, but every answer in JSON of a version or its files is what `lie(path, answer)` makes."""

    async def chain_getter() -> Any:
        return market.chain

    def told(route: Route) -> Route:
        async def handle(request: Request) -> Response:
            answer = await route.handle(request)
            if answer.ranged is not None and request.path.endswith("/manifest.json"):
                return Response(body=lie(request.path, answer.ranged.read(0, answer.ranged.size)))
            if request.path.startswith("/market/datasets/web_text/") and answer.body:
                return json_response(lie(request.path, msgspec.json.decode(answer.body)))
            return answer

        return replace(route, handle=handle)

    doors = [told(each) for each in routes(market.house, chain_getter, OPERATOR)]
    server: Server = servers.run(market.house.env.network.serve(doors, host="127.0.0.1", port=0))
    yield server.url
    servers.run(server.close())


def _quoted(**changes: Any) -> Callable[[str, Any], Any]:
    return lambda _path, answer: answer | changes if isinstance(answer, dict) else answer


def _other_rows(_path: str, answer: Any) -> Any:
    return answer.replace(b'"rows": ', b'"rows": 9') if isinstance(answer, bytes) else answer


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (_quoted(price="1"), "price_changed"),  # quoted cheap, listed dear: raised between quote and purchase
        (_quoted(manifest_sha256="0" * 64), "export_corrupt"),
        (_quoted(dataset="../../elsewhere"), "wrong_schema"),
        (_quoted(version="../0.1.0"), "not_found"),
        (_quoted(version="9.9.9"), "not_found"),
        (_quoted(listed=True, export_id="0x" + "1" * 64), "export_corrupt"),
        (_other_rows, "export_corrupt"),  # more rows than were signed, to look like much that is new
    ],
)
def test_a_market_that_lies_sells_nothing(
    market: Market, servers: ServerThread, tmp_path: Path, lie: Callable[[str, Any], Any], reason: str
) -> None:
    buyer = Buyer(market, tmp_path / "out")
    head = market.chain.head()
    with lying(market, servers, lie) as url:
        assert buyer.run(coordinator=url) == [reason]
    assert (buyer.paid_wei(), market.chain.head()) == (0, head)


# --- the decision, the file, the command ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def newest(market: Market) -> Manifest:
    client: MarketClient = market.client()
    return msgspec.structs.replace(client.manifest(client.quote("web_text")), version="3.0.0")


@given(
    rows=st.integers(0, 50),
    german=st.integers(0, 50),
    had=st.none() | st.tuples(st.integers(1, 4), st.integers(0, 50), st.integers(0, 50)),
    least=st.tuples(st.integers(0, 50), st.integers(0, 50)),
    price=st.integers(0, 3),
)
def test_it_buys_exactly_when_all_that_was_asked_holds(
    newest: Manifest,
    rows: int,
    german: int,
    had: tuple[int, int, int] | None,
    least: tuple[int, int],
    price: int,
) -> None:
    manifest = msgspec.structs.replace(newest, rows=rows, languages={"de": german})
    held = Held(f"{had[0]}.0.0", had[1], {"de": had[2]}) if had else None
    order = StandingOrder("web_text", "2", least[0], {"de": least[1]})
    _, had_rows, had_german = had or (0, 0, 0)
    wanted = (
        (had is None or had[0] < 3)
        and rows - had_rows >= least[0]
        and german - had_german >= least[1]
        and price <= 2
    )
    assert (decide(order, manifest, price, held, set()).result == "buy") == wanted
    assert decide(order, manifest, price, held, {manifest.export_id}).result != "buy"


@pytest.mark.parametrize(
    "text",
    [
        "",
        'dataset = "web_text"',
        'dataset = "web_text"\nprice_wei_max = "-1"',
        'dataset = "web_text"\nprice_wei_max = "1e18"',
        "dataset = 'web_text'\nprice_wei_max = '1'\nrun = 'rm'",
        "dataset = '../x'\nprice_wei_max = '1'",
        "dataset = 'web_text'\nprice_wei_max = '1'\nhave = 'latest'",
        "dataset = 'web_text'\nprice_wei_max = '1'\nrows_new_min = -5",
        "dataset = 'web_text'\nprice_wei_max = '1'\n[terms]\nsql = 'x'",
        "a = [" * 3_000,
        "#" * 20_000,
    ],
)
def test_an_order_outside_the_vocabulary_is_none(text: str) -> None:
    assert code_of(lambda: parse_order(text)) in ("bad_terms", "unknown_dataset", "not_found")


def test_the_example_says_what_it_says() -> None:
    order = parse_order((ROOT / "examples" / "standing_order.toml").read_text())
    assert (order.languages_new_min, order.terms) == (
        {"de": 100_000},
        Terms(no_optouts=True, duplicate_rate_max=0.01),
    )


def test_the_file_only_grows_and_a_line_cut_off_is_none(tmp_path: Path) -> None:
    file = OrderFile(tmp_path, real_env().disk)
    order = StandingOrder("web_text", "5")
    assert [file.place(order, 1), file.place(order, 2)] == [1, 2]
    file.append(Bought(1, "0.1.0", "0x", 7, {"de": 3}, "5", "0x", 3))
    file.append(Refused(2, "0xabc", "no", 4))
    before = (tmp_path / "standing.ndjson").read_bytes()
    file.cancel(2, 5)
    after = (tmp_path / "standing.ndjson").read_bytes()
    assert after.startswith(before)
    for cut in range(len(before), len(after)):
        (tmp_path / "standing.ndjson").write_bytes(after[:cut])
        assert sorted(file.orders().standing) == [1, 2]
    assert file.orders().held == {1: Held("0.1.0", 7, {"de": 3})}
    assert file.place(order, 6) == 3  # over the cut line, and no number is used twice
    assert (tmp_path / "standing.ndjson").read_bytes().startswith(before)
    (tmp_path / "standing.ndjson").write_bytes(b"{}\n")
    assert code_of(file.orders) == "bad_config"


def test_by_the_command_line_as_cron_does(market: Market, tmp_path: Path) -> None:
    key, out = funded_key(market, tmp_path / "key"), tmp_path / "out"
    order = tmp_path / "order.toml"
    order.write_text(f'dataset = "web_text"\nprice_wei_max = "{market.export.price}"\n')

    def standing(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "windrow.cli", "standing", *words, "--out", str(out)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, timeout=300, env={"PYTHONPATH": str(ROOT)}
        )

    assert "order 1 stands: web_text" in standing("place", str(order)).stdout
    paying = ("run", "--key-file", str(tmp_path / "key"), "--coordinator", market.url, "--rpc-url")
    above = standing(*paying, market.rpc_url, "--limit-wei", "1")
    assert (above.returncode != 0, "spend_limit" in above.stdout) == (True, True)
    done = standing(*paying, market.rpc_url, "--limit-wei", str(market.export.price), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["result"] == "bought"
    assert OrderFile(out, real_env().disk).orders().held[1].version == "0.1.0"
    assert market.chain.token.balance_of(key.address) == 2 * market.export.price
