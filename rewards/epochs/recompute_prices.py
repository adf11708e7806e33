"""The second opinion on prices: whether a published ledger pays what the terms that it names say, and no more.

Rules: shares no code with `rewards/rates.py`, `storage/pay_terms.py` or `windrow_protocol/economics.py`. It is given
the published lines and the published terms alone; rates are halved one epoch after the other instead of by a shift, and
what a line is for is found from its id. What sales split has to be their price.

Does not: know how many bytes were new or what validators shared; `windrow audit replay` computes those again.

Usage: `for difference in price_differences(ledger_ndjson, economics_json): print(difference)`.

Source: docs/protocol.md, "Pay".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from windrow_protocol.errors import WindrowError

_SLOTS = ("fetch", "novelty", "dividend", "restored:fetch", "restored:novelty")  # that are paid
_EPOCHS_MAX = 1_000_000  # of a day, three thousand years: a published file shall not keep its reader busy


@dataclass(frozen=True)
class _Rates:
    fetch: int
    byte: int
    bytes_max: int


def price_differences(ledger_ndjson: str, economics_json: str) -> Iterator[str]:
    """Yield what is not as the terms say, in sentences. Raises WindrowError `bad_proof` for terms that are none."""
    rates = _rates(economics_json)
    sold: Counter[tuple[str, str]] = Counter()
    for line in ledger_ndjson.splitlines():
        row = json.loads(line)
        amount = int(row["amount"])
        if row["debit"] == "emission":
            yield from _emission_differences(row, amount, rates)
        elif row["credit"] == "sales":
            sold[row["asset"], row["cause"]] += amount
        elif row["debit"] == "sales":
            sold[row["asset"], row["cause"]] -= amount
    for (_, cause), left in sold.items():
        if left:
            yield f"sale {cause}: {left} of its price went nowhere"


def _emission_differences(row: dict[str, Any], amount: int, rates: dict[int, _Rates]) -> Iterator[str]:
    place, version = f"entry {row['entry_seq']}", row["rule_version"]
    if version not in rates:
        yield f"{place} names terms of version {version}, which were not published"
        return
    of, slot = rates[version], _slot(row) if amount else ""
    if slot is None:
        yield f"{place} mints {amount} for nothing that is paid"
    elif slot.endswith("fetch") or row["reason"] == "fetch_fee":
        if amount != of.fetch:
            yield f"{place} pays {amount} for a page, the terms of version {version} say {of.fetch}"
    elif slot.endswith("novelty") and (not of.byte or amount % of.byte or amount > of.bytes_max * of.byte):
        yield f"{place} pays {amount} for a text, the terms of version {version} say {of.byte} a byte"


def _slot(row: dict[str, Any]) -> str | None:
    """Return what a line is for: its id is the digest of that, of its cause and of its asset."""
    for slot in _SLOTS:
        named = f"windrow/entry\n{row['asset']}\n{row['cause']}\n{slot}"
        if sha256(named.encode()).hexdigest() == row["entry_id"]:
            return slot
    return None


def _rates(economics_json: str) -> dict[int, _Rates]:
    try:
        return {int(each["version"]): _rates_of(each) for each in json.loads(economics_json)["terms"]}
    except (KeyError, TypeError, ValueError) as error:
        raise WindrowError("bad_proof", f"economics.json: {error!r}"[:200]) from error


def _rates_of(told: dict[str, Any]) -> _Rates:
    said = told["parameters"]
    spelled = json.dumps(said, sort_keys=True, separators=(",", ":"))
    if sha256(spelled.encode()).hexdigest() != told["sha256"]:
        raise ValueError(f"the parameters of version {told['version']} are not those of their digest")
    fetch, byte, every = int(said["fetch_fee_wei"]), int(said["novelty_byte_wei"]), said["halving_epochs"]
    halvings = 0
    if told["first_epoch"] > _EPOCHS_MAX:
        raise ValueError(f"version {told['version']} begins with epoch {told['first_epoch']}")
    for epoch_id in range(2, told["first_epoch"] + 1):
        if every and epoch_id % every == 1 % every:
            fetch, byte, halvings = fetch // 2, byte // 2, halvings + 1
    if halvings != told["halvings"]:
        raise ValueError(f"version {told['version']} comes after {halvings} halvings, not {told['halvings']}")
    return _Rates(fetch, byte, said["novelty_bytes_max"])
