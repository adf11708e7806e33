"""How the dashboard says things: amounts, sizes, times, and the state of the node in one heading and one sentence.

Rules: pure; times come out in this machine's own zone, days as UTC days because the caps count those. Nothing that is
not known is shown as a number.

Does not: make markup. Usage: `state_words(status, now_ms).heading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from contributor_node.dashboard.log_tail import LogEvent
from contributor_node.dashboard.markup import visible
from windrow_protocol.amounts import OWN_ASSET, OWN_DECIMALS
from windrow_protocol.errors import REASONS

NO_DATA = "no data"
UNSEEN_END_MS = 120_000  # a request that nobody saw the end of by then will not get one
_EPOCH = date(1970, 1, 1)
_PURPOSES = {
    "page": "page",
    "robots": "robots.txt",
    "tdmrep": "rights file",
    "subresource": "part of a page",
    "coordinator": "coordinator",
}

_OUTCOMES = {
    "fetched": "fetched",
    "unchanged": "unchanged",
    "robots_denied": "closed by robots.txt",
    "optout_denied": "kept out of training by the site",
    "blocked": "blocked or behind a log-in",
    "not_found": "not found",
    "server_error": "with an error of the site",
    "timeout": "too slow",
    "too_large": "too large",
    "unsafe_address": "at an address that is never reached",
    "budget_exhausted": "given up at a cap",
    "expired": "out of time",
}


class StateWords(NamedTuple):
    """The node's state for a person; `tone` is working, resting, held or trouble."""

    tone: str
    heading: str
    sentence: str


class RowWords(NamedTuple):
    """A line of the log for a person."""

    time: str
    purpose: str
    url: str
    answer: str
    size: str
    tone: str


def bytes_text(count: int) -> str:
    """Return a size in SI units: `999 B`, `1.5 kB`, `2.5 MB`."""
    if count < 1_000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1_000
        if value < 999.95 or unit == "TB":
            break
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"


def wind_text(wei: int) -> str:
    """Return an exact amount of WIND, without trailing zeros: `1,234.5`."""
    return Unit().bare(wei)


class Unit(NamedTuple):
    """What amounts are counted in: an asset and its decimals, None where the coordinator does not say how many."""

    symbol: str = OWN_ASSET
    decimals: int | None = OWN_DECIMALS

    def bare(self, units: int) -> str:
        """Return an exact amount without the asset's name and without trailing zeros: `1,234.5`."""
        whole, rest = divmod(abs(units), 10 ** (self.decimals or 0))
        decimals = f"{rest:0{self.decimals or 1}d}".rstrip("0")
        return f"{'−' if units < 0 else ''}{whole:,}{'.' + decimals if decimals else ''}"

    def exact(self, units: int) -> str:
        """Return an exact amount with the asset's name."""
        return f"{self.bare(units)} {self.name}"

    def about(self, units: int) -> str:
        """Return an amount with at most four decimals, cut off and never rounded up: `≈ 1.2345` where it is cut."""
        unit = 10 ** max(0, (self.decimals or 0) - 4)
        kept = abs(units) // unit * unit
        text = self.bare(kept if units >= 0 else -kept)
        if kept == abs(units):
            return text
        return f"≈ {text}" if kept else "less than 0.0001"

    @property
    def name(self) -> str:
        """What stands behind an amount; where decimals are not known, that these are not whole tokens."""
        return self.symbol if self.decimals is not None else f"of the smallest unit of {self.symbol}"


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()


def clock_text(at_ms: int) -> str:
    """Return a time of this machine's day: `21:04:09`."""
    return f"{_local(at_ms):%H:%M:%S}"


def moment_text(at_ms: int) -> str:
    """Return a date and time of this machine: `22 Nov 2026, 21:04`."""
    local = _local(at_ms)
    return f"{local.day} {local:%b %Y, %H:%M}"


def month_text(at_ms: int) -> str:
    """Return a month in UTC: `November 2026`."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%B %Y}"


def day_text(day: int) -> str:
    """Return a day counted from 1970-01-01: `22 Nov`."""
    then = _EPOCH + timedelta(days=day)
    return f"{then.day} {then:%b}"


def zone_text(at_ms: int) -> str:
    """Return the name of this machine's time zone."""
    return _local(at_ms).tzname() or "local time"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 page`, `2 pages`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def state_words(status: Mapping[str, Any], now_ms: int) -> StateWords:
    """Say what the node is doing, by the first of these that is true."""
    return _told_state(status, now_ms) or _network_state(status) or _work_state(status)


def _told_state(status: Mapping[str, Any], now_ms: int) -> StateWords | None:
    """What the owner said, or allows."""
    if status["control"] == "finishing":
        return StateWords("held", "Finishing", "Open pages are ended and handed in. Then the node stops.")
    if status["control"] == "paused":
        until_ms = status["paused_until_ms"]
        until = f" until {_local(until_ms):%H:%M}" if until_ms else ""
        if until_ms and until_ms - now_ms > 20 * 3_600_000:
            until = f" until {moment_text(until_ms)}"
        still = "No new page is asked for. What is under way comes to its end and is handed in."
        return StateWords("held", f"Paused{until}", still)
    if status["may_work"] == "day_cap":
        return StateWords("held", "Today’s cap is reached", "Work goes on at midnight UTC.")
    if status["may_work"] == "month_cap":
        return StateWords(
            "held", "This month’s cap is reached", "Work goes on on the first of the month, UTC."
        )
    if status["may_work"] != "yes":
        return StateWords("held", "Resting", f"By your own rules: {status['why']}.")
    return None


def _network_state(status: Mapping[str, Any]) -> StateWords | None:
    """What the coordinator said."""
    if not status["role"]:
        return StateWords(
            "trouble", "Looking for the coordinator", "It has not answered yet. The node tries again."
        )
    if status["state"] == "queued":
        place = counted(int(status["queue_position"]), "node")
        return StateWords(
            "resting",
            "Waiting for a place",
            f"At most three nodes of one neighbourhood work at a time. {place} to go, this one included.",
        )
    if status["state"] not in ("active", ""):
        return StateWords(
            "trouble",
            f"Not working: {visible(str(status['state']))[:40]}",
            "The command “windrow node verdicts” says why, and what to do.",
        )
    return None


def _work_state(status: Mapping[str, Any]) -> StateWords:
    held = int(status["in_flight"])
    if held:
        return StateWords(
            "working", "Working", f"{counted(held, 'page')} leased to this node, each fetched in its turn."
        )
    return StateWords("resting", "Ready", "No page is waiting for this node. It keeps asking for work.")


def outcomes_text(counts: Mapping[str, int]) -> str:
    """Say what became of the node's pages, the most frequent outcome first."""
    known = sorted(((count, name) for name, count in counts.items() if name in _OUTCOMES), reverse=True)
    if not known:
        return "No page has been answered yet."
    return ", ".join(f"{count:,} {_OUTCOMES[name]}" for count, name in known) + "."


def row_words(event: LogEvent, now_ms: int) -> RowWords:
    """Return the words of one line of the log. Its URL and codes were written by strangers."""
    purpose = _PURPOSES.get(event.purpose, visible(event.purpose) or "unknown")
    url = visible(event.url)
    if event.event == "refused":
        return RowWords(
            clock_text(event.at_ms), purpose, url, f"not sent: {_why(event.error)}", "0 B", "refused"
        )
    answer, tone = _answer(event, now_ms)
    size = bytes_text(event.bytes_up + event.bytes_down) if event.event == "done" else "…"
    return RowWords(clock_text(event.sent_at_ms), purpose, url, answer, size, tone)


def _answer(event: LogEvent, now_ms: int) -> tuple[str, str]:
    if event.event == "done":
        if event.error:
            return f"{event.status or 'no answer'}: {_why(event.error)}", "broken"
        return str(event.status or "no answer"), _tone(event.status)
    if now_ms - event.sent_at_ms > UNSEEN_END_MS:
        return "end not seen", "broken"
    return "under way", "open"


def _tone(status: int) -> str:
    if not status:
        return "broken"
    return "done" if status < 400 else "denied"


def _why(code: str) -> str:
    reason = REASONS.get(code)
    return reason.sentence[0].lower() + reason.sentence[1:] if reason else visible(code).replace("_", " ")
