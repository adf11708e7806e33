"""`windrow ledger`: the books in sentences, held against their rules and the chain, or rebuilt from a download.

Rules: every sum is made from the entries again; amounts are in the asset's smallest unit. What could not be compared is
said as *not checked*, never as good.

Does not: repair. Usage: `report = verify_books(house, chain)`; `recompute_epoch(Path("epochs/3"))`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from marketplace.payment import differences_from_chain
from marketplace.taken_payments import payments_said
from rewards.epochs.files import TERMS, sha256_hex
from rewards.epochs.recompute import recompute
from rewards.epochs.recompute_prices import price_differences
from rewards.ledger import ASSET, SOURCES, entries
from rewards.ledger_checks import CHECKS
from rewards.settlement import compare_with_chain
from rewards.supply import supply_differences
from storage.house import House
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from chain.client import ChainClient

# How people call the kinds of accounts that hold money.
_HELD_AS: Final = {
    "posted": "owed",
    "claimed": "paid",
    "pending": "pending",
    "bond": "bonds",
    "treasury": "treasury",
    "burned": "burned",
    "fines": "fines",
    "personal": "for_history",
    "held": "for_history",
}
_SENTENCES: Final = {
    "heads_follow": "entries are numbered without a gap, and each head seals all before it",
    "nothing_overdrawn": "no account was ever below zero",
    "debits_equal_credits": "debits equal credits in every asset",
    "clearing_is_empty": "what passes through sales and royalties leaves them",
    "moves_are_steps": "money moved only where the rules let it",
    "stakes_follow": "what nodes have at stake is what their accounts hold",
    "held_follows": "what waits for months of history is what their accounts hold",
    "claims_are_payouts": "what is called paid is what the payouts add up to",
    "epochs_follow": "each epoch's root, total and head follow from the entries, and nobody's amount fell",
    "sales": "every recorded sale is settled on the chain, and every settled sale is recorded",
    "supply": "the supply is what was minted less what was burned, and every burn that the ledger has is among those",
    "chain": "the chain has the same root, total and payments",
}


def verify_books(house: House, chain: ChainClient | None) -> dict[str, Any]:
    """Return `{ok, entries, assets, checks}`; each check has a name, a state and a sentence.

    Without a chain that comparison is not checked. Raises WindrowError `chain_unreachable`.
    """
    with house.state.read() as connection:
        count, assets = _sums(connection)
        found = {check.__name__.removeprefix("check_"): list(check(connection)) for check in CHECKS}
        payments = payments_said(connection)
    checks = [_check(name, problems) for name, problems in found.items()]
    if chain is None:
        for name in ("sales", "supply", "chain"):
            checks.append({"name": name, "state": "not_checked", "detail": "no chain was asked"})
    else:
        each = chain.of_each_asset()
        checks.append(_check("sales", [said for one in each for said in differences_from_chain(house, one)]))
        checks.append(_check("supply", supply_differences(house, chain)))
        checks.append(_check("chain", [said for one in each for said in _differences(house, one)]))
    # said, not judged: no money moved
    checks.append({"name": "payments", "state": "passed", "detail": payments})
    balanced = all(sums["given"] == sums["held"] for sums in assets.values())
    shown = {asset: {name: str(amount) for name, amount in sums.items()} for asset, sums in assets.items()}
    ok = balanced and all(check["state"] != "failed" for check in checks)
    return {"ok": ok, "entries": count, "assets": shown, "checks": checks}


def _differences(house: House, chain: ChainClient) -> list[str]:
    of_it = "" if chain.asset.symbol == ASSET else f"{chain.asset.symbol}: "
    return [of_it + problem.detail for problem in compare_with_chain(house, chain)]


def _check(name: str, problems: list[str]) -> dict[str, str]:
    if not problems:
        return {"name": name, "state": "passed", "detail": _SENTENCES[name]}
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return {"name": name, "state": "failed", "detail": "; ".join(problems[:3]) + more}


def _sums(connection: sa.Connection) -> tuple[int, dict[str, dict[str, int]]]:
    """Return how many entries there are, and by asset what sources gave and where it is held now."""
    assets: defaultdict[str, dict[str, int]] = defaultdict(
        lambda: dict.fromkeys(("given", "held", *_HELD_AS.values(), "other"), 0)
    )
    count = 0
    for entry in entries(connection):
        count += 1
        for account, amount in ((entry.credit, entry.amount), (entry.debit, -entry.amount)):
            sums = assets[entry.asset]
            if account in SOURCES:
                sums["given"] -= amount
                continue
            sums["held"] += amount
            sums[_HELD_AS.get(account.partition(":")[0], "other")] += amount
    return count, dict(sorted(assets.items()))


def _prices(folder: Path, header: dict[str, Any], lines: str) -> dict[str, Any]:
    """Hold what a log pays against the terms that were published with it."""
    if "economics_sha256" not in header:
        return {"state": "not_checked", "differences": []}
    try:
        terms = (folder / TERMS).read_bytes()
    except OSError as error:
        raise WindrowError("not_found", f"{folder / TERMS}: {error.strerror}") from error
    if sha256_hex(terms) != header["economics_sha256"]:
        raise WindrowError("bad_proof", f"{folder.name}/{TERMS} was changed")
    differences = list(islice(price_differences(lines, terms.decode()), 3))
    return {"state": "failed" if differences else "passed", "differences": differences}


def recompute_epoch(folder: Path) -> dict[str, Any]:
    """Rebuild an epoch from its published log alone: `{ok, epoch_id, entries, accounts, total_wei, root,
    prices, detail}`. Prices are held against the parameters of then, which lie beside the log; an epoch from before
    there were any says `not_checked`.

    Raises WindrowError `not_found` when a file is missing, `unbalanced` when the log is no intact ledger, or
    `bad_proof` when the header is none.
    """
    try:
        header = json.loads((folder / "epoch.json").read_bytes())
        lines = (folder / "ledger.ndjson").read_text(encoding="utf-8")
        wanted = {name: header[name] for name in ("epoch_id", "asset", "root", "total_wei", "ledger_head")}
    except OSError as error:
        raise WindrowError("not_found", f"{folder}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise WindrowError("bad_proof", f"{folder.name}/epoch.json: {error!r}"[:200]) from error
    found, prices = recompute(lines, str(wanted["asset"])), _prices(folder, header, lines)
    rebuilt = {"root": found.root, "total_wei": str(found.total), "ledger_head": found.head}
    different = [
        f"{name} is {value}, the header says {wanted[name]}"
        for name, value in rebuilt.items()
        if value != str(wanted[name])
    ]
    different += prices["differences"]
    return {
        "ok": not different,
        "epoch_id": wanted["epoch_id"],
        "entries": found.entries,
        "accounts": len(found.allotted),
        "total_wei": str(found.total),
        "root": found.root,
        "prices": prices["state"],
        "detail": "; ".join(different),
    }
