"""`windrow mcp`: the market's tools over the Model Context Protocol, on standard input and output.

Rules: a refusal reaches the model as its sentence with its remedy, never as a traceback; only `buy` is marked as a tool
that changes something. Blocking work runs in a thread. Standard output belongs to the protocol.

Does not: decide what may be spent (`windrow.agent.allowance` does).

Usage: `build_server(MarketTools(settings)).run("stdio")`.

Source: Model Context Protocol, tools; the official Python SDK.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from windrow.agent.market_tools import MarketTools
from windrow_protocol.amounts import OWN_ASSET
from windrow_protocol.errors import WindrowError

T = TypeVar("T")
_LOOKS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_BUYS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)
_ABOUT: Final = (
    "A market of datasets whose every row leads back to a signed receipt. Look with search, describe, sample and "
    "sample_sql, which are free; ask quote before buy. A version is sold for each asset that quote names. Amounts are "
    "decimal strings in the smallest unit of their asset: each has decimals of its own, and a limit of its own."
)


def build_server(tools: MarketTools) -> MCPServer[Any]:
    """Return a server with the seven tools."""
    server: MCPServer[Any] = MCPServer("windrow", instructions=_ABOUT, log_level="WARNING")

    @server.tool(annotations=_LOOKS)
    async def search(words: str = "") -> list[dict[str, Any]]:
        """Find datasets whose name, title, summary, licence, languages, hosts or columns hold all of these words."""
        return await _said(lambda: tools.search(words))

    @server.tool(annotations=_LOOKS)
    async def describe(dataset: str, version: str = "latest") -> dict[str, Any]:
        """Everything the catalogue says of a version: columns with their meaning, counts, languages, rights, price."""
        return await _said(lambda: tools.describe(dataset, version))

    @server.tool(annotations=_LOOKS)
    async def sample(dataset: str, version: str = "latest", rows: int = 3) -> list[dict[str, Any]]:
        """Real rows of the free sample, at most ten, with the columns of the whole."""
        return await _said(lambda: tools.sample(dataset, version, rows))

    @server.tool(annotations=_LOOKS)
    async def sample_sql(dataset: str, statement: str, version: str = "latest") -> dict[str, Any]:
        """One SELECT (DuckDB) over the free sample, which is the view `sample`."""
        return await _said(lambda: tools.sample_sql(dataset, statement, version))

    @server.tool(annotations=_LOOKS)
    async def quote(dataset: str, version: str = "latest") -> dict[str, Any]:
        """What a version costs in each asset, and what is left of each asset's limit. Nothing is paid."""
        return await _said(lambda: tools.quote(dataset, version))

    @server.tool(annotations=_BUYS)
    async def buy(
        dataset: str, price_max: str, version: str = "latest", terms: str = "", asset: str = OWN_ASSET
    ) -> dict[str, Any]:
        """Pay for a version, at most `price_max` and within the limit, and download it; again costs nothing.

        `price_max` is in the smallest unit of `asset`, as `price_units` of a quote. `terms` is TOML such as
        `rows_min = 1000`: when it does not hold, all of the price comes back.
        """
        return await _said(lambda: tools.buy(dataset, price_max, version, terms, asset))

    @server.tool(annotations=_LOOKS)
    async def verify(folder: str, header: str = "", block_hash: str = "") -> dict[str, Any]:
        """Check a purchase offline: signature, files, and each row to its receipt, verdict and payout.

        With `header`, a file that `windrow chain header` saved in the purchase's `proofs` (`root_proof.json`) or beside
        the purchases, also to the chain's root at that block; `block_hash` is that block's hash from a trusted source.
        """
        return await _said(lambda: tools.verify(folder, header, block_hash))

    return server


async def _said(work: Callable[[], T]) -> T:
    """Do the work in a thread. Raises ToolError with the sentence of a refusal."""
    try:
        return await asyncio.to_thread(work)
    except WindrowError as error:
        raise ToolError(str(error)) from error
