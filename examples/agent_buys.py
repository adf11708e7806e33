"""An agent at the market: it looks, asks SQL of the free sample, is stopped above its limit, and buys within it.

    python examples/agent_buys.py --key-file KEY --out purchases --limit-wei 5000000000000000000
    python examples/agent_buys.py --key-file KEY --out purchases --asset USDC --limit-units USDC=2500000   # 2.5 USDC

Give the key no more than the limit. `touch purchases/STOP` ends all buying at once. Needs `windrow[server,agents]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client


async def shop(options: argparse.Namespace) -> int:
    """Do what an agent would do, and print each step. Returns the exit code."""
    arguments = ["-m", "windrow.cli", "mcp", "--coordinator", options.coordinator, "--out", options.out]
    arguments += ["--key-file", options.key_file, "--limit-wei", options.limit_wei]
    arguments += [f"--limit-units={each}" for each in options.limit_units]
    arguments += ["--rpc-url", options.rpc_url] if options.rpc_url else []
    server = StdioServerParameters(command=sys.executable, args=arguments)
    async with Client(stdio_client(server)) as client:

        async def use(tool: str, **given: Any) -> Any:
            answer = await client.call_tool(tool, given)
            text = " ".join(part.text for part in answer.content if part.type == "text")
            if answer.is_error:
                print(f"{tool}: refused: {text}")
                return None
            said = answer.structured_content or {}
            said = said.get("result", said)
            print(f"{tool}: {json.dumps(said)[:300]}")
            return said

        found = await use("search", words=options.words)
        if not found:
            return 1
        dataset = found[0]["dataset"]
        question = "SELECT language, count(*) AS rows, avg(token_count) AS tokens FROM sample GROUP BY ALL"
        await use("sample_sql", dataset=dataset, statement=question)
        quote = await use("quote", dataset=dataset)
        offers = [each for each in quote["offers"] if each["asset"] == options.asset]
        if not offers:
            print(f"quote: it is not sold for {options.asset}")
            return 1
        most = {"price_max": offers[0]["price_units"], "asset": options.asset}
        bought = await use("buy", dataset=dataset, terms="no_optouts = true", **most)
        if bought is None:
            return 1
        verified = await use("verify", folder=bought["folder"])
        return 0 if verified and verified["ok"] else 1


def main() -> int:
    """Read the options and go shopping."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--limit-wei", default="0")
    parser.add_argument("--limit-units", action="append", default=[])
    parser.add_argument("--asset", default="WIND")
    parser.add_argument("--coordinator", default="http://127.0.0.1:8420")
    parser.add_argument("--rpc-url", default="")
    parser.add_argument("--words", default="")
    return asyncio.run(shop(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
