"""The demo's figures as one JSON object, counted from the house's tables and from the chain.

Rules: nothing here is a constant; amounts are decimal strings in wei.

Does not: print. Usage: `figures = collect(network, chain_facts, receipts, verified, seconds)`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from chain.client import ChainClient
from chain.deploy import Deployment
from storage.state import State
from storage.tables.contributions import epochs, exports, payouts, sales
from windrow.demo.network import CHEAT, DemoNetwork
from windrow.home import database_url
from windrow.summary import ledger_totals, summarise


def collect(
    network: DemoNetwork,
    chain_facts: dict[str, Any],
    receipts: list[dict[str, Any]],
    verified: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Return the figures of a finished demo."""
    names = ("token", "distributor", "market", "chain_id", "block")
    deployment = Deployment(**{name: chain_facts[name] for name in names})
    chain = ChainClient.connect(chain_facts["rpc_url"], deployment.chain_id, deployment)
    state = State.open_readonly(database_url(network.settings))
    with state.read() as connection:
        summary = summarise(connection)
        figures = {
            "pages": summary["pages"],
            "contributions": summary["contributions"],
            "dedup": summary["dedup"],
            "personal": summary["personal"],
            "egress": summary["egress"],
            "export": _export(connection, receipts[0], verified),
            "ledger": ledger_totals(connection),
            "epoch": _epoch(connection, chain),
            "claims": _claims(connection, chain),
            **_nodes(summary["nodes"], network, chain),
            "sale": _sale(connection),
            "home": str(network.home),
            "seconds": seconds,
        }
    state.close()
    return figures


def _export(connection: sa.Connection, receipt: dict[str, Any], verified: dict[str, Any]) -> dict[str, Any]:
    row = connection.execute(
        sa.select(exports).where(
            exports.c.dataset == receipt["dataset"], exports.c.version == receipt["version"]
        )
    ).one()
    return {
        "dataset": row.dataset,
        "version": row.version,
        "path": receipt["path"],
        "rows": row.rows,
        "verified": verified["ok"],
    }


def _epoch(connection: sa.Connection, chain: ChainClient) -> dict[str, Any]:
    row = connection.execute(sa.select(epochs).order_by(epochs.c.epoch_id.desc()).limit(1)).one()
    return {
        "id": row.epoch_id,
        "root": row.root,
        "onchain_root": chain.distributor.root() or "",
        "total_wei": str(row.total),
    }


def _claims(connection: sa.Connection, chain: ChainClient) -> list[dict[str, str]]:
    """Return each account's cumulative claim beside its balance on chain."""
    accounts = connection.execute(
        sa.select(payouts.c.account).distinct().order_by(payouts.c.account)
    ).scalars()
    rows = []
    for account in accounts:
        amounts = connection.execute(
            sa.select(payouts.c.cumulative).where(payouts.c.account == account)
        ).scalars()
        rows.append(
            {
                "payout": account,
                "amount_wei": str(max(amounts)),
                "balance_wei": str(chain.token.balance_of(account)),
            }
        )
    return rows


def _nodes(nodes: list[dict[str, Any]], network: DemoNetwork, chain: ChainClient) -> dict[str, Any]:
    cheat = network.payouts[CHEAT]
    tally = {"submitted": 0, "rejected": 0, "paid_wei": str(chain.token.balance_of(cheat))}
    honest_rejected = 0
    for node in nodes:
        if node["payout_address"] == cheat:
            judged = ("accepted", "unaudited", "rejected", "no_evidence")
            tally["submitted"] += sum(node[verdict] for verdict in judged)
            tally["rejected"] += node["rejected"]
        else:
            honest_rejected += node["rejected"]
    return {"cheat": tally, "honest_rejected": honest_rejected}


def _sale(connection: sa.Connection) -> dict[str, str]:
    row = connection.execute(sa.select(sales).order_by(sales.c.block.desc()).limit(1)).one()
    return {
        "price_wei": str(row.price),
        "tx": row.tx_hash,
        "royalties_wei": str(row.royalties),
        "fees_wei": str(row.fees),
        "burned_wei": str(row.burned),
    }
