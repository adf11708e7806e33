"""What an agent can do at a market: look for free, and buy within its allowance.

Rules: everything but `buy` only looks. A purchase shows its price to the allowance first, pays exactly that, and lands
in a folder below the agent's own; no path of an agent's leads outside it. Answers are plain values.

Amounts are in the smallest unit of the asset that stands beside them. Does not: speak MCP (`windrow.agent.mcp_server`).

Usage: `tools = MarketTools(AgentSettings(coordinator, folder, limit_wei, key_file)); tools.search("german")`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chain.keys import load_key
from marketplace.answers import Quote
from marketplace.client import MarketClient
from marketplace.provenance import PROOFS_FOLDER
from marketplace.terms import Terms, parse_terms
from storage.real_env import real_env
from windrow.agent.allowance import Allowance
from windrow.agent.sample_sql import ask_sample
from windrow.coordinator_http import get_json
from windrow.verification import RootSource, verify_folder
from windrow_protocol.amounts import OWN_ASSET, priced_text, token_text
from windrow_protocol.errors import WindrowError

_BRIEF: Final = (
    "dataset",
    "version",
    "title",
    "summary",
    "price",
    "asset",
    "prices",
    "rows",
    "tokens",
    "languages",
    "licence",
)


@dataclass(frozen=True)
class AgentSettings:
    """Where the market is, where purchases land, and what may be spent; without a key nothing can be bought.

    `limit_wei` is of WIND, `limit_units` of each other asset by its symbol, in its smallest unit.
    """

    coordinator: str
    folder: Path
    limit_wei: int = 0
    key_file: Path | None = None
    rpc_url: str = ""
    coordinator_id: str = ""
    limit_units: Mapping[str, int] = field(default_factory=dict)


def settings_of(
    coordinator: str,
    folder: Path,
    limits: Mapping[str, int],
    key_file: Path | None,
    rpc_url: str,
    coordinator_id: str,
) -> AgentSettings:
    """Return the settings of a command that was given the limit of each asset (`parse_limits`)."""
    others = {symbol: units for symbol, units in limits.items() if symbol != OWN_ASSET}
    own = limits.get(OWN_ASSET, 0)
    return AgentSettings(coordinator, folder, own, key_file, rpc_url, coordinator_id, others)


class MarketTools:
    """The tools over one market."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._client = MarketClient(settings.coordinator, coordinator_id=settings.coordinator_id or None)
        limits = {**settings.limit_units, OWN_ASSET: settings.limit_wei}
        self._allowance = Allowance(settings.folder, limits, real_env().disk)

    def search(self, words: str = "") -> list[dict[str, Any]]:
        """Return the newest versions of which all of these words are said in the catalogue."""
        return [{name: each[name] for name in _BRIEF} for each in self._client.datasets(words)]

    def describe(self, dataset: str, version: str = "latest") -> dict[str, Any]:
        """Return what the catalogue says of a version: schema, counts, rights, files and price."""
        return self._client.describe(dataset, version)

    def sample(self, dataset: str, version: str = "latest", rows: int = 3) -> list[dict[str, Any]]:
        """Return rows of the free sample."""
        return self._client.sample(dataset, version)[: max(0, rows)]

    def sample_sql(self, dataset: str, statement: str, version: str = "latest") -> dict[str, Any]:
        """Return the answer to one SELECT over the view `sample`."""
        described = self._client.describe(dataset, version)
        answer = ask_sample(described["columns"], self._client.sample(dataset, version), statement)
        return {"columns": answer.columns, "rows": answer.rows, "truncated": answer.truncated}

    def quote(self, dataset: str, version: str = "latest") -> dict[str, Any]:
        """Return the price in each asset that the version is sold for, and what is left of its limit; pays nothing."""
        quote = self._client.quote(dataset, version)
        return {
            "dataset": quote.dataset,
            "version": quote.version,
            "rows": quote.rows,
            "tokens": quote.tokens,
            "offers": [self._offered(quote, asset) for asset in quote.assets],
        }

    def _offered(self, quote: Quote, asset: str) -> dict[str, Any]:
        price, left, decimals = quote.price_in(asset), self._allowance.left(asset), quote.decimals_of(asset)
        return {
            "asset": asset,
            "token": quote.token_of(asset),
            "decimals": decimals,
            "price_units": str(price),
            "price": f"{token_text(price, decimals)} {asset}",
            "left_units": str(left),
            "within_limit": price <= left,
        }

    def buy(
        self, dataset: str, price_max: str, version: str = "latest", terms: str = "", asset: str = OWN_ASSET
    ) -> dict[str, Any]:
        """Buy a version for at most `price_max` of an asset, within the limit of that asset, and download it.

        Raises WindrowError `spend_limit`, `agent_stopped`, `price_changed`, `not_found` (not sold for it), or as
        `MarketClient.buy` does.
        """
        self._require_key()
        self.require_open()
        wanted = parse_terms(terms) if terms else None
        return self.purchase(self._client.quote(dataset, version), _units(price_max), wanted, asset)

    def require_open(self) -> None:
        """Raise WindrowError `agent_stopped` when the owner has ended all buying."""
        self._allowance.require_open()

    def purchase(
        self, quote: Quote, price_max: int, terms: Terms | None, asset: str = OWN_ASSET
    ) -> dict[str, Any]:
        """Buy what was quoted, within the limit, and download it. Raises WindrowError as `buy` does."""
        settings = self._settings
        key_file = self._require_key()
        self.require_open()
        price = quote.price_in(asset)
        if price > price_max:
            costs = priced_text(price, asset, quote.decimals_of(asset))
            raise WindrowError("price_changed", f"{costs}, at most {price_max} allowed")
        out = self._place(f"{quote.dataset}-{quote.version}")
        out.mkdir(parents=True, exist_ok=True)
        receipt = self._client.buy(
            settings.rpc_url or self._rpc_url(),
            load_key(key_file),
            quote,
            out,
            price_wei_max=price,
            terms=terms,
            allow=lambda units: self._allowance.purchase(quote.export_id, units, asset),
            asset=asset,
        )
        self._client.fetch_proofs(out)
        return {
            "dataset": receipt.dataset,
            "version": receipt.version,
            "asset": receipt.asset,
            "paid_units": receipt.price,
            "paid": f"{token_text(int(receipt.price), receipt.decimals)} {receipt.asset}",
            "tx": receipt.tx_hash,
            "folder": out.name,
            "files": receipt.files,
            "left_units": str(self._allowance.left(receipt.asset)),
        }

    def _require_key(self) -> Path:
        if self._settings.key_file is None:
            raise WindrowError("spend_limit", "this agent has no key")
        return self._settings.key_file

    def verify(self, folder: str, header: str = "", block_hash: str = "") -> dict[str, Any]:
        """Check a purchase offline, each row to its payout, in plain sentences; with a saved header to the chain.

        `header` names a file in the purchase's `proofs/` or in the agent's own folder, `block_hash` is its hash as
        known from elsewhere. Raises WindrowError `not_found`, `bad_usage`.
        """
        export = self._place(folder)
        source = RootSource(saved=self._saved(export, header), block_hash=block_hash)
        return verify_folder(export, None, source, self._settings.coordinator_id)

    def _saved(self, export: Path, name: str) -> Path | None:
        if not name:
            return None
        beside = self._place(name)
        within = export / PROOFS_FOLDER / name
        return within if within.is_file() else beside

    def _place(self, name: str) -> Path:
        """Return what lies directly below the agent's own folder. Raises WindrowError `not_found`."""
        if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
            raise WindrowError("not_found", f"no purchase {name!r}"[:120])
        return self._settings.folder / name

    def _rpc_url(self) -> str:
        return str(get_json(self._settings.coordinator, "/v1/network")["chain"].get("rpc_url", ""))


def _units(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 78:
        raise WindrowError("bad_usage", f"{text!r} is no whole number of an asset's smallest unit"[:120])
    return int(text)
