"""Agents and standing orders with two assets: each has a limit of its own, and no market's word converts one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from chain_nodes import rpc
from market_world import ServerThread
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from running_house import windrow
from two_assets_world import USDC, Shop

from marketplace.client import MarketClient
from storage.env import Request, Response, Route, json_response
from storage.real_env import real_env
from windrow.agent.allowance import Allowance, parse_limits
from windrow.agent.market_tools import AgentSettings, MarketTools
from windrow.standing.evaluating import evaluate
from windrow.standing.order_file import OrderFile
from windrow.standing.orders import StandingOrder, parse_order
from windrow_protocol.errors import WindrowError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def url(two_assets_url: str) -> str:
    return two_assets_url


@pytest.fixture(scope="module")
def shop(two_assets: Shop) -> Shop:
    return two_assets


def refusal(work: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(WindrowError) as refused:
        work()
    return refused.value.code, refused.value.detail


@dataclass
class Agent:
    """An account with two prices in each asset, and a folder of purchases."""

    shop: Shop
    folder: Path
    url: str

    def __post_init__(self) -> None:
        self.key_file = self.folder.parent / f"{self.folder.name}.key"
        self.address = self.shop.funded(self.key_file, prices=2).address

    def settings(self, wind: int = 0, usdc: int = 0, url: str = "") -> AgentSettings:
        limits = {"USDC": usdc} if usdc else {}
        return AgentSettings(
            url or self.url, self.folder, wind, self.key_file, self.shop.anvil.url, "", limits
        )

    def tools(self, wind: int = 0, usdc: int = 0, url: str = "") -> MarketTools:
        return MarketTools(self.settings(wind, usdc, url))

    def paid(self) -> tuple[int, int]:
        """What is gone of (WIND, USDC), in prices of one export."""
        wind, stable = (
            self.shop.wind.token.balance_of(self.address),
            self.shop.stable.balance_of(self.address),
        )
        gone = 2 * self.shop.export.price - wind, 2 * self.shop.price - stable
        return gone[0] // self.shop.export.price, gone[1] // self.shop.price


@pytest.fixture
def agent(shop: Shop, url: str, tmp_path: Path) -> Agent:
    return Agent(shop, tmp_path / "out", url)


async def test_an_agent_pays_the_stablecoin_within_its_own_limit_over_mcp(agent: Agent) -> None:
    """The official SDK's client: a limit in USDC buys nothing in WIND, and the other way round."""
    price = agent.shop.price
    command = ["-m", "windrow.cli", "mcp", "--coordinator", agent.url, "--out", str(agent.folder)]
    command += ["--limit-units", f"USDC={price}", "--key-file", str(agent.key_file)]
    command += ["--rpc-url", agent.shop.anvil.url]
    server = StdioServerParameters(
        command=sys.executable, args=command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    async with Client(stdio_client(server)) as client:

        async def use(tool: str, **given: Any) -> Any:
            answer = await client.call_tool(tool, given)
            text = " ".join(part.text for part in answer.content if part.type == "text")
            return text if answer.is_error else answer.structured_content

        (found,) = (await use("search"))["result"]
        assert found["prices"] == {"USDC": str(price)}
        own, stable = (await use("quote", dataset="web_text"))["offers"]
        assert (own["asset"], own["decimals"], own["within_limit"]) == ("WIND", 18, False)
        assert stable == {
            "asset": "USDC",
            "token": USDC.address,
            "decimals": 6,
            "price_units": str(price),
            "price": f"{price / 10**6:g} USDC",
            "left_units": str(price),
            "within_limit": True,
        }
        wind = str(agent.shop.export.price)
        assert "0 wei are left" in await use("buy", dataset="web_text", price_max=wind)
        dear = await use("buy", dataset="web_text", price_max=str(price - 1), asset="USDC")
        assert f"{price} units of USDC ({price / 10**6:g} USDC)" in dear
        assert "not sold for EURC: its seller states no price" in await use(
            "buy", dataset="web_text", price_max="9", asset="EURC"
        )
        assert agent.paid() == (0, 0)
        bought = await use("buy", dataset="web_text", price_max=str(price), asset="USDC")
        assert (bought["paid"], bought["left_units"]) == (f"{price / 10**6:g} USDC", "0")
        again = await use("buy", dataset="web_text", price_max=str(price), asset="USDC")
        assert (again["tx"], agent.paid()) == (bought["tx"], (0, 1))
        (agent.folder / "STOP").touch()
        assert "agent_stopped" in await use("buy", dataset="web_text", price_max=str(price), asset="USDC")
    receipt = json.loads((agent.folder / bought["folder"] / "purchase.json").read_bytes())
    assert (receipt["asset"], receipt["decimals"], receipt["token"]) == ("USDC", 6, USDC.address)


def test_what_waited_under_terms_comes_back_to_the_limit_it_came_from(agent: Agent) -> None:
    tools, price = agent.tools(agent.shop.export.price, agent.shop.price), str(agent.shop.price)
    left = lambda: [each["left_units"] for each in tools.quote("web_text")["offers"]]  # noqa: E731
    before = left()
    buy = lambda: tools.buy("web_text", price, terms="rows_min = 1_000_000", asset="USDC")  # noqa: E731
    assert refusal(buy)[0] == "terms_not_met"
    assert (left(), agent.paid()) == (before, (0, 0))
    tools.buy("web_text", price, terms="rows_min = 1", asset="USDC")
    assert (left(), agent.paid()) == ([before[0], "0"], (0, 1))
    in_wind = tools.buy("web_text", str(agent.shop.export.price))  # whoever has it pays in no other asset
    assert (in_wind["asset"], agent.paid()) == ("USDC", (0, 1))


def test_a_kill_after_paying_leaves_it_counted_and_the_next_run_pays_nothing(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = agent.shop.price

    def killed(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MarketClient, "_order", killed)
        with pytest.raises(KeyboardInterrupt):
            agent.tools(usdc=price).buy("web_text", str(price), asset="USDC")
    assert (agent.paid(), agent.tools(usdc=price).quote("web_text")["offers"][1]["left_units"]) == (
        (0, 1),
        "0",
    )
    assert agent.tools(usdc=price).buy("web_text", str(price), asset="USDC")["files"] > 0
    assert agent.paid() == (0, 1)


# --- standing orders -------------------------------------------------------------------------------------------------


def place(agent: Agent, **order: Any) -> None:
    wanted = {"dataset": "web_text", "asset": "USDC", "price_units_max": str(agent.shop.price)} | order
    with OrderFile(agent.folder, real_env().disk).alone() as file:
        file.place(msgspec.convert(wanted, StandingOrder), 1)


def run(settings: AgentSettings) -> list[str]:
    return [outcome.reason or outcome.result for outcome in evaluate(settings)]


def test_a_standing_order_buys_for_the_stablecoin_once_also_after_kills_and_a_reorganisation(
    agent: Agent,
) -> None:
    price = agent.shop.price
    place(agent)
    assert run(agent.settings(wind=10**30)) == ["spend_limit"], "a limit in WIND is none in USDC"
    (agent.folder / "STOP").touch()
    assert refusal(lambda: run(agent.settings(usdc=price)))[0] == "agent_stopped"
    (agent.folder / "STOP").unlink()
    assert (run(agent.settings(usdc=price)), agent.paid()) == (["bought"], (0, 1))
    assert run(agent.settings(usdc=price)) == ["nothing_newer"]
    path = agent.folder / "standing.ndjson"
    whole = path.read_bytes()
    bought = json.loads(whole.splitlines()[-1])
    assert (bought["asset"], bought["paid_wei"]) == ("USDC", str(price))
    path.write_bytes(whole[:-20])  # killed after the payment and before its line
    assert (run(agent.settings(usdc=price)), agent.paid()) == (["bought"], (0, 1))
    # a reorganisation takes purchase and payment: bought again where the limit has room, never more than paid once
    rpc(agent.shop.anvil.url, "anvil_reorg", 2, [])
    path.write_bytes(whole[:-20])
    assert agent.paid() == (0, 0)
    assert run(agent.settings(usdc=price)) == ["spend_limit"], "what may have been paid stays counted"
    assert (run(agent.settings(usdc=2 * price)), agent.paid()) == (["bought"], (0, 1))


def test_an_order_that_cannot_be_filled_pays_nothing_in_any_asset(agent: Agent) -> None:
    place(agent, price_units_max=str(agent.shop.price - 1))
    place(agent, asset="EURC")
    place(agent, asset="WIND", price_wei_max="1", price_units_max=None)
    assert run(agent.settings(wind=10**30, usdc=10**30)) == ["too_dear", "not_offered", "too_dear"]
    assert agent.paid() == (0, 0)


@pytest.mark.parametrize(
    "text",
    [
        'dataset = "web_text"\nasset = "USDC"\nprice_wei_max = "5"',
        'dataset = "web_text"\nprice_units_max = "5"',
        'dataset = "web_text"\nasset = "USDC"\nprice_units_max = "5"\nprice_wei_max = "5"',
        'dataset = "web_text"\nasset = "US/DC"\nprice_units_max = "5"',
    ],
)
def test_an_order_names_the_most_in_its_own_asset(text: str) -> None:
    assert refusal(lambda: parse_order(text))[0] == "bad_terms"


def test_by_the_command_line_as_cron_does(agent: Agent, tmp_path: Path) -> None:
    order, price = tmp_path / "order.toml", agent.shop.price
    order.write_text(f'dataset = "web_text"\nasset = "USDC"\nprice_units_max = "{price}"\n')

    def standing(*arguments: str) -> str:
        said = windrow("standing", *arguments, "--out", agent.folder)
        assert said.code == 0, said.err
        return said.out

    assert f"at most {price} units of USDC a version" in standing("place", str(order))
    reach = ("--key-file", str(agent.key_file), "--coordinator", agent.url, "--rpc-url", agent.shop.anvil.url)
    assert f"0.1.0 for {price} units of USDC" in standing("run", *reach, "--limit-units", f"USDC={price}")
    assert agent.paid() == (0, 1)


# --- a market that lies ----------------------------------------------------------------------------------------------


@contextmanager
def lying(shop: Shop, servers: ServerThread, lie: Callable[[Any], Any]) -> Iterator[str]:
    """Serve the real market, but each quote is what `lie` makes of it."""

    def told(route: Route) -> Route:
        async def handle(request: Request) -> Response:
            answer = await route.handle(request)
            if request.path != "/market/datasets/web_text/latest":
                return answer
            said = msgspec.json.decode(answer.body)
            lie(said)
            return json_response(said)

        return replace(route, handle=handle)

    doors = [told(route) for route in shop.doors()]
    server = servers.run(shop.house.env.network.serve(doors, host="127.0.0.1", port=0))
    yield server.url
    servers.run(server.close())


def _stable_as_own(said: Any) -> None:
    """Ask for the dear token under the name of the network's own, with the same number."""
    facts = said["chain"]["assets"].pop("USDC")
    said["chain"] |= {"token": facts["token"], "market": facts["market"], "distributor": facts["distributor"]}


def _own_as_stable(said: Any) -> None:
    said["chain"]["assets"]["USDC"] |= {"token": said["chain"]["token"], "market": said["chain"]["market"]}


def _many_decimals(said: Any) -> None:
    said["chain"]["assets"]["USDC"]["decimals"] = 18


def _endless_decimals(said: Any) -> None:
    said["chain"]["assets"]["USDC"]["decimals"] = 10**9


def _foreign_export(said: Any) -> None:
    said["export_id"] = "USDC/" + said["export_id"]


@pytest.mark.parametrize(
    ("lie", "asset", "code"),
    [
        (_stable_as_own, "WIND", "wrong_asset"),
        (_own_as_stable, "USDC", "wrong_asset"),
        (_many_decimals, "USDC", "spend_limit"),
        (_endless_decimals, "USDC", "wrong_schema"),
        (_foreign_export, "WIND", "chain_rejected"),
    ],
)
def test_a_market_that_lies_about_assets_is_paid_nothing_beyond_the_limit(
    agent: Agent, servers: ServerThread, lie: Callable[[Any], None], asset: str, code: str
) -> None:
    with lying(agent.shop, servers, lie) as url:
        tools = agent.tools(wind=10**30, usdc=agent.shop.price - 1, url=url)
        assert refusal(lambda: tools.buy("web_text", str(10**30), asset=asset))[0] == code
    assert agent.paid() == (0, 0)


# --- the limits by themselves ----------------------------------------------------------------------------------------


def test_each_asset_has_its_own_limit_and_an_export_s_name_moves_nothing_between_them(tmp_path: Path) -> None:
    kept = Allowance(tmp_path, {"WIND": 10, "USDC": 5}, real_env().disk)
    with kept.purchase("USDC/0xabc", 8):
        pass
    with kept.purchase("0xabc", 5, "USDC"):
        pass
    assert (kept.left(), kept.left("USDC"), kept.left("EURC")) == (2, 0, 0)
    for asset, price in (("WIND", 3), ("USDC", 1), ("EURC", 1)):
        with pytest.raises(WindrowError) as refused, kept.purchase("0xdef", price, asset):
            pytest.fail("above the limit")
        assert refused.value.code == "spend_limit"


def test_what_an_earlier_version_wrote_was_wind(tmp_path: Path) -> None:
    (tmp_path / "spent.json").write_text('{"0xabc": "6"}')
    kept = Allowance(tmp_path, {"WIND": 10, "USDC": 5}, real_env().disk)
    assert (kept.left(), kept.left("USDC")) == (4, 5)


@pytest.mark.parametrize(
    "given", ["USDC", "USDC=", "USDC=2.5", "=5", "WIND=5", "US/DC=5", "USDC=-1", "USDC=\u0661"]
)
def test_a_limit_that_is_none_is_refused(given: str) -> None:
    assert parse_limits("7", ["EURC=0"]) == {"WIND": 7, "EURC": 0}
    code, detail = refusal(lambda: parse_limits("7", [given]))
    assert (code, given in detail) == ("bad_config", True)
    assert refusal(lambda: parse_limits("7", ["USDC=1", "USDC=2"]))[0] == "bad_config"
