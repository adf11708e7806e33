"""`windrow mcp`, spoken to by a client of the official SDK: it looks, buys, and is stopped above its limit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from market_world import OPERATOR, Market
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from chain.keys import load_or_make_key
from marketplace.answers import Wei
from storage.real_env import real_env
from windrow.agent.allowance import Allowance
from windrow.agent.market_tools import AgentSettings, MarketTools
from windrow.agent.sample_sql import ask_sample
from windrow_protocol.errors import WindrowError

ROOT = Path(__file__).resolve().parents[2]
ETHER = 10**18


def funded_key(market: Market, path: Path) -> Any:
    """A key file with 30 WIND and a little ether."""
    key = load_or_make_key(path)
    w3 = market.chain.w3
    nonce = w3.eth.get_transaction_count(OPERATOR.address)
    gas = {"to": key.address, "value": ETHER, "gas": 21_000, "gasPrice": 10**10, "nonce": nonce}
    sent = OPERATOR.sign_transaction(gas | {"chainId": market.chain.chain_id})
    w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(sent.raw_transaction))
    market.chain.token.mint(OPERATOR, key.address, 30 * ETHER)
    return key


@asynccontextmanager
async def agent(market: Market, out: Path, limit_wei: int, key: Path | None = None) -> AsyncIterator[Client]:
    arguments = ["-m", "windrow.cli", "mcp", "--coordinator", market.url, "--out", str(out)]
    arguments += ["--limit-wei", str(limit_wei), "--rpc-url", market.rpc_url]
    arguments += ["--key-file", str(key)] if key else []
    server = StdioServerParameters(
        command=sys.executable, args=arguments, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    async with Client(stdio_client(server)) as client:
        yield client


async def use(client: Client, tool: str, **given: Any) -> Any:
    """Call a tool; a refusal is its text."""
    answer = await client.call_tool(tool, given)
    if answer.is_error:
        return " ".join(part.text for part in answer.content if part.type == "text")
    said = answer.structured_content or {}
    return said.get("result", said)


async def test_an_agent_looks_for_free_and_is_stopped_above_its_limit(market: Market, tmp_path: Path) -> None:
    key, out, price = funded_key(market, tmp_path / "key"), tmp_path / "out", market.export.price
    async with agent(market, out, price - 1, tmp_path / "key") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search", "describe", "sample", "sample_sql", "quote", "buy", "verify"}
        assert set(tools["verify"].input_schema["properties"]) == {"folder", "header", "block_hash"}
        assert [name for name, tool in tools.items() if not tool.annotations.read_only_hint] == ["buy"]
        assert [each["dataset"] for each in await use(client, "search", words="web en")] == ["web_text"]
        assert await use(client, "search", words="no such words") == []
        described = await use(client, "describe", dataset="web_text")
        (row,) = await use(client, "sample", dataset="web_text", rows=1)
        assert list(row) == [column["name"] for column in described["columns"]]
        counted = "SELECT count(*) AS n, min(fetched_at) IS NOT NULL AS timed, len(max(text)) > 9 AS long FROM sample"
        answer = await use(client, "sample_sql", dataset="web_text", statement=counted)
        assert (answer["columns"], answer["rows"]) == (["n", "timed", "long"], [[10, True, True]])
        quote = await use(client, "quote", dataset="web_text")
        (offer,) = quote["offers"]
        assert (offer["asset"], offer["price_units"], offer["within_limit"]) == ("WIND", str(price), False)
        for most in (str(price), str(10**30)):
            refusal = await use(client, "buy", dataset="web_text", price_max=most)
            assert "spend_limit" in refusal
            assert f"{price - 1} wei are left" in refusal
        assert "price_changed" in await use(client, "buy", dataset="web_text", price_max="1")
        for place in ("../..", "/etc", "..", ""):
            assert "not_found" in await use(client, "verify", folder=place)
        assert "unknown_dataset" in await use(client, "describe", dataset="no_such_one")
    assert market.chain.token.balance_of(key.address) == 30 * ETHER


def test_the_example_buys_within_its_limit_and_verifies(market: Market, tmp_path: Path) -> None:
    """The example is a client of the official SDK from its first call to its last."""
    key, price = funded_key(market, tmp_path / "key"), market.export.price
    command = [sys.executable, str(ROOT / "examples" / "agent_buys.py"), "--coordinator", market.url]
    command += [
        "--key-file",
        str(tmp_path / "key"),
        "--out",
        str(tmp_path / "out"),
        "--limit-wei",
        str(price),
    ]
    command += ["--rpc-url", market.rpc_url]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=200, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refused" not in done.stdout
    assert market.chain.token.balance_of(key.address) == 30 * ETHER - price


def code_of(work: Callable[[], Any]) -> str:
    with pytest.raises(WindrowError) as refusal:
        work()
    return refusal.value.code


def test_an_agent_buys_once_and_its_owner_can_stop_it(market: Market, tmp_path: Path) -> None:
    key, out, price = funded_key(market, tmp_path / "key"), tmp_path / "out", market.export.price
    tools = MarketTools(AgentSettings(market.url, out, price, tmp_path / "key", market.rpc_url))
    assert code_of(lambda: tools.buy("web_text", str(price), terms="rows_min = 1_000_000")) == "terms_not_met"
    assert tools.quote("web_text")["offers"][0]["left_units"] == str(price)  # it came back
    bought = tools.buy("web_text", str(price))
    again = tools.buy("web_text", str(price))
    assert (bought["left_units"], again["left_units"], again["tx"]) == ("0", "0", bought["tx"])
    assert tools.verify(bought["folder"])["ok"]
    (out / "STOP").touch()
    assert code_of(lambda: tools.buy("web_text", str(price))) == "agent_stopped"
    assert code_of(lambda: tools.buy("web_text", "1e18")) == "agent_stopped"
    assert market.chain.token.balance_of(key.address) == 30 * ETHER - price


def test_an_agent_without_a_key_can_only_look(market: Market, tmp_path: Path) -> None:
    tools = MarketTools(AgentSettings(market.url, tmp_path, 10**30))
    assert tools.quote("web_text")["offers"][0]["within_limit"]
    assert code_of(lambda: tools.buy("web_text", str(10**30))) == "spend_limit"


# --- the allowance and the sample, by themselves --------------------------------------------------------------------


def allowance(folder: Path, limit_wei: int) -> Allowance:
    return Allowance(folder, {"WIND": limit_wei}, real_env().disk)


def test_the_limit_holds_over_every_run(tmp_path: Path) -> None:
    with allowance(tmp_path, 10).purchase("one", 6):
        pass
    assert allowance(tmp_path, 10).left() == 4
    with pytest.raises(WindrowError) as refusal, allowance(tmp_path, 10).purchase("two", 5):
        pytest.fail("above the limit")
    assert refusal.value.code == "spend_limit"
    assert json.loads((tmp_path / "spent.json").read_bytes()) == {"WIND/one": "6"}


@pytest.mark.parametrize("price_wei", [6, 10**18, -1, -(10**18)])
def test_an_export_of_the_same_name_is_paid_from_what_is_left(tmp_path: Path, price_wei: int) -> None:
    """A market that lies may sell the same name again from another contract, or for less than nothing."""
    with allowance(tmp_path, 10).purchase("one", 6):
        pass
    with pytest.raises(WindrowError) as refusal, allowance(tmp_path, 10).purchase("one", price_wei):
        pytest.fail("above the limit")
    assert refusal.value.code == "spend_limit"
    assert allowance(tmp_path, 10).left() == 4


def test_purchases_at_once_share_one_limit(tmp_path: Path) -> None:
    """As many servers over one folder as there are threads: each opens the list and its lock anew."""
    paid: list[str] = []

    def buy(name: str) -> str:
        try:
            with allowance(tmp_path, 20).purchase(name, 6):
                paid.append(name)
            return "bought"
        except WindrowError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(buy, [f"export {number}" for number in range(8)]))
    assert (said.count("bought"), said.count("spend_limit"), len(paid)) == (3, 5, 3)
    assert allowance(tmp_path, 20).left() == 2


def test_the_switch_ends_also_who_waited_for_the_lock(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with allowance(tmp_path, 20).purchase("one", 6):
            waits = pool.submit(lambda: code_of(allowance(tmp_path, 20).purchase("two", 6).__enter__))
            (tmp_path / "STOP").touch()
        assert waits.result(60) == "agent_stopped"
    assert allowance(tmp_path, 20).left() == 14


@pytest.mark.parametrize("price", ["-1", "1_000", " 1", "1e9", "", "9" * 5_000, "\u0661"])
def test_a_price_that_is_no_amount_is_no_quote(price: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(price, Wei)


@pytest.mark.parametrize(
    ("code", "left"),
    [("chain_rejected", 10), ("terms_not_met", 10), ("not_running", 4), ("not_judged", 4), ("not_found", 4)],
)
def test_what_may_have_been_paid_stays_counted(tmp_path: Path, code: str, left: int) -> None:
    with pytest.raises(WindrowError), allowance(tmp_path, 10).purchase("one", 6):
        raise WindrowError(code)
    assert allowance(tmp_path, 10).left() == left


def test_what_is_written_before_paying_survives_a_kill(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), allowance(tmp_path, 10).purchase("one", 6):
        raise KeyboardInterrupt
    assert allowance(tmp_path, 10).left() == 4


def test_a_list_that_cannot_be_read_lets_nothing_be_bought(tmp_path: Path) -> None:
    (tmp_path / "spent.json").write_text("{")
    with pytest.raises(WindrowError) as refusal, allowance(tmp_path, 10).purchase("one", 1):
        pytest.fail("the list is broken")
    assert refusal.value.code == "bad_config"


COLUMNS = [{"name": "id", "type": "string"}, {"name": "fetched_at", "type": "timestamp_ms"}]
ROWS = [{"id": "a", "fetched_at": "2026-11-23T04:05:06+00:00"}, {"id": "b", "fetched_at": None}]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "sql_refused"),
        ("COPY sample TO '/tmp/x'", "sql_refused"),
        ("SELECT 1; SELECT 2", "sql_refused"),
        ("SELECT * FROM documents", "sql_refused"),
        ("SELECT no_such FROM sample", "sql_failed"),
    ],
)
def test_sql_on_the_sample_is_contained(statement: str, code: str) -> None:
    with pytest.raises(WindrowError) as refusal:
        ask_sample(COLUMNS, ROWS, statement)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "escape",
    [
        """range" FROM range(1); COPY (SELECT 1) TO '{out}'; --""",
        """range", (SELECT content FROM read_text('{secret}')) AS leak FROM range(1) --""",
        """a"b""",
    ],
)
def test_a_column_that_a_market_names_like_a_statement_is_a_name(tmp_path: Path, escape: str) -> None:
    """The catalogue is a stranger's too, and the view is made before the process is contained."""
    (tmp_path / "secret").write_text("the secret")
    name = escape.format(out=tmp_path / "out", secret=tmp_path / "secret")
    answer = ask_sample([{"name": name, "type": "string"}], [{name: "a"}], "SELECT * FROM sample")
    assert (answer.columns, answer.rows) == ([name], [["a"]])
    assert not (tmp_path / "out").exists()


def test_the_sample_has_the_types_of_the_whole() -> None:
    answer = ask_sample(
        COLUMNS, ROWS, "SELECT id, typeof(fetched_at), year(fetched_at) FROM sample ORDER BY id"
    )
    assert answer.rows == [["a", "TIMESTAMP", 2026], ["b", "TIMESTAMP", None]]
