"""What the node does, in words: its state in one heading and one sentence, what became of its pages, lines of its log.

Rules: pure. Codes and addresses in the log were written by strangers and are made visible; a reason of the protocol
without German words stays in English.

Does not: make markup. Usage: `state_words(status, now_ms).heading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from contributor_node.dashboard.log_tail import LogEvent
from contributor_node.dashboard.markup import visible
from contributor_node.dashboard.tongue import Language, count_of, moment, number, say, say_known, size
from contributor_node.dashboard.wording import clock_text, hour_text
from windrow_protocol.errors import REASONS

UNSEEN_END_MS: Final = 120_000  # a request that nobody saw the end of by then will not get one
SAME_DAY_MS: Final = 20 * 3_600_000  # a pause that ends by then is told by its hour
PURPOSES: Final = {
    "page": "page",
    "robots": "robots.txt",
    "tdmrep": "rights file",
    "subresource": "part of a page",
    "coordinator": "coordinator",
}
OUTCOMES: Final = {
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


def state_words(status: Mapping[str, Any], now_ms: int, language: Language = "en") -> StateWords:
    """Say what the node is doing, by the first of these that is true."""
    return (
        _told_state(status, now_ms, language)
        or _network_state(status, language)
        or _work_state(status, language)
    )


def _told_state(status: Mapping[str, Any], now_ms: int, language: Language) -> StateWords | None:
    """What the owner said, or allows."""
    if status["control"] == "finishing":
        ends = say(language, "Open pages are ended and handed in. Then the node stops.")
        return StateWords("held", say(language, "Finishing"), ends)
    if status["control"] == "paused":
        return _paused(status["paused_until_ms"], now_ms, language)
    if status["may_work"] == "day_cap":
        goes_on = say(language, "Work goes on at midnight UTC.")
        return StateWords("held", say(language, "Today’s cap is reached"), goes_on)
    if status["may_work"] == "month_cap":
        goes_on = say(language, "Work goes on on the first of the month, UTC.")
        return StateWords("held", say(language, "This month’s cap is reached"), goes_on)
    if status["may_work"] != "yes":
        why = say(language, "By your own rules: {why}.").format(why=say_known(language, status["why"]))
        return StateWords("held", say(language, "Resting"), why)
    return None


def _paused(until_ms: int | None, now_ms: int, language: Language) -> StateWords:
    heading = say(language, "Paused")
    if until_ms:
        is_far = until_ms - now_ms > SAME_DAY_MS
        until = moment(language, until_ms) if is_far else hour_text(until_ms)
        heading = say(language, "Paused until {until}").format(until=until)
    still = say(language, "No new page is asked for. What is under way comes to its end and is handed in.")
    return StateWords("held", heading, still)


def _network_state(status: Mapping[str, Any], language: Language) -> StateWords | None:
    """What the coordinator said."""
    if not status["role"]:
        again = say(language, "It has not answered yet. The node tries again.")
        return StateWords("trouble", say(language, "Looking for the coordinator"), again)
    if status["state"] == "queued":
        place = count_of(language, int(status["queue_position"]), "node")
        three = say(
            language,
            "At most three nodes of one neighbourhood work at a time. {place} to go, this one included.",
        )
        return StateWords("resting", say(language, "Waiting for a place"), three.format(place=place))
    if status["state"] not in ("active", ""):
        heading = say(language, "Not working: {state}").format(state=visible(str(status["state"]))[:40])
        command = say(language, "The command “windrow node verdicts” says why, and what to do.")
        return StateWords("trouble", heading, command)
    return None


def _work_state(status: Mapping[str, Any], language: Language) -> StateWords:
    held = int(status["in_flight"])
    if held:
        leased = say(language, "{pages} leased to this node, each fetched in its turn.")
        pages = count_of(language, held, "page")
        return StateWords("working", say(language, "Working"), leased.format(pages=pages))
    asks = say(language, "No page is waiting for this node. It keeps asking for work.")
    return StateWords("resting", say(language, "Ready"), asks)


def outcomes_text(counts: Mapping[str, int], language: Language = "en") -> str:
    """Say what became of the node's pages, the most frequent outcome first."""
    known = sorted(((count, name) for name, count in counts.items() if name in OUTCOMES), reverse=True)
    if not known:
        return say(language, "No page has been answered yet.")
    told = (f"{number(language, count)} {say(language, OUTCOMES[name])}" for count, name in known)
    return ", ".join(told) + "."


def row_words(event: LogEvent, now_ms: int, language: Language = "en") -> RowWords:
    """Return the words of one line of the log. Its URL and codes were written by strangers."""
    known = PURPOSES.get(event.purpose)
    purpose = say(language, known) if known else visible(event.purpose) or say(language, "unknown")
    url = visible(event.url)
    if event.event == "refused":
        answer = say(language, "not sent: {why}").format(why=_why(event.error, language))
        return RowWords(clock_text(event.at_ms), purpose, url, answer, "0 B", "refused")
    answer, tone = _answer(event, now_ms, language)
    moved = size(language, event.bytes_up + event.bytes_down) if event.event == "done" else "…"
    return RowWords(clock_text(event.sent_at_ms), purpose, url, answer, moved, tone)


def _answer(event: LogEvent, now_ms: int, language: Language) -> tuple[str, str]:
    if event.event == "done":
        status = str(event.status) if event.status else say(language, "no answer")
        if event.error:
            return f"{status}: {_why(event.error, language)}", "broken"
        return status, _tone(event.status)
    if now_ms - event.sent_at_ms > UNSEEN_END_MS:
        return say(language, "end not seen"), "broken"
    return say(language, "under way"), "open"


def _tone(status: int) -> str:
    if not status:
        return "broken"
    return "done" if status < 400 else "denied"


def _why(code: str, language: Language) -> str:
    reason = REASONS.get(code)
    if reason is None:
        return visible(code).replace("_", " ")
    sentence = say_known(language, reason.sentence)
    return sentence[0].lower() + sentence[1:] if language == "en" else sentence
