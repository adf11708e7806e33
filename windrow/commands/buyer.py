"""Commands of a buyer and of whoever is paid: `buy`, `verify`, `chain header`, `claim`.

Rules: the price is shown before anything is paid; a check that was not made is said as such.

Does not: hold logic. Usage: `windrow verify ./web_text-0.1.0`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from windrow.commands.house import AsJson
from windrow_protocol.amounts import units_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import changes_name

Coordinator = Annotated[
    str, typer.Option(help="address of the network's house", envvar="WINDROW_COORDINATOR")
]
DEFAULT_COORDINATOR = "http://127.0.0.1:8420"


def buy(
    dataset: Annotated[str, typer.Argument(help="name, or name/version")],
    key_file: Annotated[Path, typer.Option(help="file with the buyer's EVM key")],
    out: Annotated[Path, typer.Option(help="folder to download into")],
    coordinator: Coordinator = DEFAULT_COORDINATOR,
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC of the chain (default: what the network names)")
    ] = "",
    since: Annotated[str, typer.Option(help="a version you have: buy only what changed since")] = "",
    terms: Annotated[
        Path | None,
        typer.Option(help="TOML file with what must hold, or the price comes back (docs/market.md)"),
    ] = None,
    asset: Annotated[str, typer.Option(help="what to pay in, such as USDC (default: WIND)")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="pay without asking")] = False,
    as_json: AsJson = False,
) -> None:
    """Pay for an export on chain, download it and check every file."""
    from windrow.purchase import purchase

    confirm = None if yes else typer.confirm
    if since:
        dataset = changes_name(dataset, since)
    receipt = purchase(dataset, key_file, out, coordinator, rpc_url, confirm, terms, asset)
    if as_json:
        print(json.dumps(receipt))
        return
    print(f"{receipt['dataset']} {receipt['version']}: paid {receipt['paid']} in {receipt['tx']}")
    print(f"{receipt['files']} files checked, in {receipt['path']}")


def verify(
    export: Annotated[Path, typer.Argument(help="folder of an export")],
    epochs: Annotated[Path | None, typer.Option(help="folder of published epochs")] = None,
    rpc: Annotated[str, typer.Option(help="also compare the root with the chain at this JSON-RPC")] = "",
    header: Annotated[
        Path | None,
        typer.Option(help="also follow the root into this saved header (`windrow chain header`), offline"),
    ] = None,
    block_hash: Annotated[
        str, typer.Option(help="the hash that the saved header must have, as you know it from elsewhere")
    ] = "",
    coordinator_id: Annotated[str, typer.Option(help="the coordinator's key, if you know it")] = "",
    row: Annotated[
        str, typer.Option(help="tell the way of the row with this id, from its fetch to the chain")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Check an export without asking the seller: signature, shards, and each row to its payout."""
    from windrow.verification import RootSource, verify_folder, verify_row

    source = RootSource(rpc, header, block_hash)
    one = verify_row(export, row, epochs, source) if row else None
    result = one or verify_folder(export, epochs, source, coordinator_id)
    if as_json:
        print(json.dumps(result))
    else:
        for check in result["checks"]:
            print(f"{check['state']:<12} {check['name']}: {check['detail']}")
        print("verified" if result["ok"] else "NOT verified")
    if not result["ok"]:
        failed = [check["name"] for check in result["checks"] if check["state"] == "failed"]
        raise WindrowError("not_verified", f"{export}: {', '.join(failed)}")


def chain_header(
    export: Annotated[Path, typer.Argument(help="folder of an export")],
    rpc: Annotated[str, typer.Option(help="JSON-RPC of a node that answers eth_getProof")],
    epochs: Annotated[Path | None, typer.Option(help="folder of published epochs")] = None,
    block: Annotated[
        int | None,
        typer.Option(help="of this block (default: the newest, or where the root was accepted)", min=0),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="file to write (default: proofs/root_proof.json in the export)")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save a block's header with the proof of the newest epoch's root, for `windrow verify --header` offline."""
    from windrow.verification import save_header

    found = save_header(export, epochs, rpc, block, out)
    if as_json:
        print(json.dumps(found))
        return
    print(f"epoch {found['epoch_id']}: root {found['root']} is proved by block {found['block']}")
    print(f"{found['block_hash']} is its hash, on chain {found['chain_id']}; saved in {found['path']}")


def claim(
    account: Annotated[str, typer.Option(help="payout address (default: the node's)")] = "",
    node_home: Annotated[Path | None, typer.Option(help="folder of a node")] = None,
    coordinator: Coordinator = DEFAULT_COORDINATOR,
    coordinator_id: Annotated[
        str, typer.Option(help="the coordinator's key (default: the one the node pinned)")
    ] = "",
    asset: Annotated[str, typer.Option(help="of what; sales may pay in others than WIND")] = "WIND",
    as_json: AsJson = False,
) -> None:
    """Check the proof of what you are owed on this machine, then have a relayer claim it for you."""
    from windrow.claiming import claim_rewards

    result = claim_rewards(account, node_home, coordinator, coordinator_id, asset)
    if as_json:
        print(json.dumps(result))
        return
    owed, paid = (units_text(int(result[name]), asset) for name in ("amount_wei", "paid_wei"))
    print(f"{result['account']}: the proof of {owed} leads to the root of epoch {result['epoch_id']}")
    print(f"paid now: {paid} ({result['status']})")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(buy)
    app.command()(verify)
    app.command()(claim)
    chain = typer.Typer(help="What a chain says of an export.", no_args_is_help=True)
    chain.command("header")(chain_header)
    app.add_typer(chain, name="chain")
