"""What the node is doing now, in words: one mapping that the page is filled with and that the live updates repeat.

Rules: the page and its updates come from the same function, so they never disagree. Strangers' texts are made visible
here and escaped where they become markup; the script that shows updates only ever sets text.

Does not: ask the coordinator. Usage: `facts = live_facts(parts, tail, money)`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contributor_node.coordinator.carrier import Carrier
from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.crawling.engine import CrawlEngine
from contributor_node.dashboard.log_tail import LogTail
from contributor_node.dashboard.markup import visible
from contributor_node.dashboard.money_board import Looked
from contributor_node.dashboard.state_words import outcomes_text, row_words, state_words
from contributor_node.dashboard.tongue import Language, amount, count_of, moment, number, say, size, unit_name
from contributor_node.dashboard.wording import NO_DATA
from contributor_node.owner.budget import Budget
from contributor_node.owner.settings import NodeSettings
from contributor_node.work_cycle import WorkCycle
from windrow_protocol.settings import Resolved

HOST_SLOTS = 4
NOW_SLOTS, LOG_SLOTS = 8, 60
BAR_WIDTH = 1_000
STAGES = {"reading": "reading", "fetching": "fetching", "waiting": "waiting for its turn"}


@dataclass(frozen=True, slots=True)
class NodeParts:
    """The running node, as far as its dashboard looks at it."""

    read_settings: Callable[[], Resolved[NodeSettings]]
    client: CoordinatorClient
    cycle: WorkCycle
    engine: CrawlEngine
    budget: Budget
    key: Ed25519PrivateKey
    carrier: Carrier


def live_facts(
    parts: NodeParts,
    tail: LogTail,
    money: Sequence[Looked],
    now_ms: int,
    slots: int,
    language: Language = "en",
) -> dict[str, Any]:
    """Return `{text, width, hosts, rows, tone, control}`, everything in words; `money` is looked at by asset."""
    status = parts.cycle.status()
    state = state_words(status, now_ms, language)
    usage, caps = parts.budget.usage, parts.budget.rules.caps
    hosts, more = _hosts(parts.engine.under_way(), language)
    rows = [row_words(event, now_ms, language) for event in tail.rows()[:slots]]
    return {
        "text": {
            "heading": state.heading,
            "sentence": state.sentence,
            "day": size(language, usage.day_bytes),
            "day_cap": size(language, caps.day_bytes_max),
            "month": size(language, usage.month_bytes),
            "month_cap": size(language, caps.month_bytes_max),
            "pages": number(language, _receipts(status["outbox"])),
            "unsent": _unsent(int(status["outbox"]["unsent"]), language),
            "outcomes": outcomes_text(status["outbox"], language),
            "earned": _earned(money, language),
            "more_hosts": more,
            "trouble": _trouble(status, language),
        },
        "width": {
            "day": _share(usage.day_bytes, caps.day_bytes_max),
            "month": _share(usage.month_bytes, caps.month_bytes_max),
        },
        "hosts": hosts,
        "rows": [list(row) for row in rows],
        "tone": state.tone,
        "control": status["control"],
    }


def _receipts(outbox: dict[str, int]) -> int:
    return sum(count for name, count in outbox.items() if name not in ("leases_open", "unsent", "refused"))


def _unsent(count: int, language: Language) -> str:
    if not count:
        return say(language, "All of them handed in")
    waits = count_of(language, count, "more waits", "more wait")
    return say(language, "{waits} to be handed in").format(waits=waits)


def _earned(money: Sequence[Looked], language: Language) -> str:
    told = [
        f"{amount(language, each.unit.about(int(each.statement.totals.earned_wei)))} {unit_name(language, each.unit)}"
        for each in money
        if each.statement is not None
    ]
    return say(language, " and ").join(told) or say(language, NO_DATA)


def _share(used: int, cap: int) -> int:
    return min(BAR_WIDTH, BAR_WIDTH * used // cap) if cap else BAR_WIDTH


def _trouble(status: dict[str, Any], language: Language) -> str:
    if not status["last_error"]:
        return say(language, "No trouble since the node started.")
    return say(language, "Last trouble, {when}: {what}").format(
        when=moment(language, status["last_error_at_ms"]), what=visible(str(status["last_error"]))[:300]
    )


def _hosts(under_way: list[tuple[str, str]], language: Language) -> tuple[list[list[str]], str]:
    """Return (host, what happens there) for the busiest hosts, and how many more there are."""
    by_host: dict[str, Counter[str]] = {}
    for host, stage in under_way:
        by_host.setdefault(host, Counter())[stage] += 1
    busiest = sorted(by_host, key=lambda host: [-by_host[host][stage] for stage in STAGES] + [host])
    shown = [[visible(host), _stages(by_host[host], language)] for host in busiest[:HOST_SLOTS]]
    left = len(busiest) - len(shown)
    more = say(language, "and {sites}").format(sites=count_of(language, left, "more site"))
    return shown, more if left else ""


def _stages(counts: Counter[str], language: Language) -> str:
    told = ((counts[stage], say(language, words)) for stage, words in STAGES.items())
    return ", ".join(f"{count} {words}" for count, words in told if count)
