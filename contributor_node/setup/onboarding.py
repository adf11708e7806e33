"""Setting a node up: what is asked, what is written, and what it may earn, said before it begins.

Rules: choices are checked before anything is written; consent is to named classes of purpose, and a class that was not
agreed to is not worked for. Expected earnings come from the network's own last epochs, or are *not known yet*.

Does not: ask questions (the command does), start the node, or hold a wallet's key.

Usage: `path = write_choices(home, Choices(payout=…, consent=("pages",)))`, `expectation(desk, choices)`.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from contributor_node.coordinator.earnings_table import tokens
from contributor_node.coordinator.facts import FactsDesk, RecentPay
from contributor_node.identity import write_whole
from contributor_node.owner.settings_file import change_settings
from windrow_protocol.errors import WindrowError

CONSENT_FILE: Final = "consent.json"
PURPOSES: Final = {
    "pages": "fetch public web pages that the network leases to this node, for training sets that are sold",
    "rendered": "also show such pages in a browser on this machine where only JavaScript can show them",
}


class ConsentRecord(msgspec.Struct, frozen=True):
    """What the owner agreed to and when, in the words that were shown."""

    given_at_ms: int
    purposes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Choices:
    """What an owner decides; `settings` are further settings by name, None to leave one as it is."""

    payout: str
    consent: tuple[str, ...]
    coordinator: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


def write_choices(home: Path, choices: Choices) -> Path:
    """Write `node.toml` and the record of consent, and return the settings' path.

    Raises WindrowError `no_consent`, `bad_config` or `home_unwritable`; nothing is written then.
    """
    unknown = set(choices.consent) - set(PURPOSES)
    if unknown:
        raise WindrowError(
            "bad_usage", f"{', '.join(sorted(unknown))}: the purposes are {', '.join(PURPOSES)}"
        )
    require_consent(choices.consent)
    renders = ["http", "browser"] if "rendered" in choices.consent else ["http"]
    wanted = {"payout": choices.payout, "coordinator": choices.coordinator or None, "renders": renders}
    given = {name: value for name, value in (wanted | choices.settings).items() if value is not None}
    path = change_settings(home, given)
    agreed = {name: PURPOSES[name] for name in PURPOSES if name in choices.consent}
    record = ConsentRecord(time.time_ns() // 1_000_000, agreed)
    write_whole(home / CONSENT_FILE, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
    return path


def require_consent(agreed: Collection[str]) -> None:
    """Refuse to go on without the purpose that a node cannot do without. Raises WindrowError `no_consent`."""
    if "pages" not in agreed:
        raise WindrowError("no_consent", PURPOSES["pages"])


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the network's last epochs say; `wei_per_gb` is None where it is not known yet."""

    wei_per_gb: int | None
    sentence: str


def expectation(desk: FactsDesk, month_gb_max: int) -> Expectation:
    """Ask what a gigabyte earned lately. Never raises: what cannot be asked is not known."""
    try:
        pay = desk.recent_pay()
    except WindrowError as error:
        return Expectation(
            None, f"Expected earnings: not known yet (the coordinator was not reached: {error.code})."
        )
    wei = pay.wei_per_gb() if pay is not None else None
    if pay is None or wei is None:
        return Expectation(
            None, "Expected earnings: not known yet, because this network has paid for no work so far."
        )
    return Expectation(wei, _sentence(pay, wei, month_gb_max))


def _sentence(pay: RecentPay, wei: int, month_gb_max: int) -> str:
    page = _short(int(pay.earned_wei) // pay.documents)
    page_kb = pay.bytes_wire_mean / 1000
    return (
        f"Expected earnings: in the last {pay.epochs} epochs a page earned {page} tokens and weighed {page_kb:.0f} kB,"
        f" so a gigabyte earned about {_short(wei)}, and your {month_gb_max} GB a month at most"
        f" {_short(wei * month_gb_max)}. This is no promise, and the first pages of a new node are its bond."
    )


def _short(amount_wei: int) -> str:
    """Return an amount of tokens with at most four digits behind the point."""
    whole, _, rest = tokens(amount_wei).partition(".")
    return f"{whole}.{rest[:4]}" if rest[:4].strip("0") else whole
