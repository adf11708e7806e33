"""Cheats that invent text: for everything, for a share, for a while, or between what is true.

Rules: those of `strategy`. Does not: count or judge (see `arena`).

Usage: `STRATEGIES["garbage"](kit)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from windrow.redteam.client import Client
from windrow.redteam.invention import fluent_text, noise
from windrow.redteam.strategy import Kit, Strategy
from windrow_protocol.messages import Appeal, Lease, Submission


class Garbage(Strategy):
    """Random words for every lease."""

    name = "garbage"
    guards: ClassVar[tuple[str, ...]] = ("audits",)

    def is_fake(self, lease: Lease) -> bool:
        """Always."""
        return True

    def fake(self, client: Client, lease: Lease) -> Submission:
        """Random words."""
        return client.contribution(lease, noise(self.kit.chance, 300))


class FluentText(Garbage):
    """Fluent invented text about the words of the address, as a language model would write."""

    name, guards = "llm_text", ("audits",)

    def fake(self, client: Client, lease: Lease) -> Submission:
        """Plausible filler."""
        return client.contribution(lease, fluent_text(lease.url, self.kit.chance))


class Padding(Strategy):
    """The real page with invented paragraphs in it, more each time, to be paid for more bytes."""

    name, guards = "padding", ("padding",)

    async def answer(self, client: Client, lease: Lease) -> Submission | None:
        """Fetch, then add 10 to 67 % of the words of the result."""
        record = await super().answer(client, lease)
        text = getattr(record, "text", "")
        if record is None or not text:
            return record
        share = self.kit.chance.choice((0.10, 0.25, 0.35, 0.50, 0.67))
        words = text.split()
        added = fluent_text(lease.url, self.kit.chance, round(len(words) * share / (1 - share)))
        half = len(words) // 2
        return client.contribution(lease, " ".join([*words[:half], added, *words[half:]]))


class RingWithFraming(Strategy):
    """Three identities: lies on the same hosts, to make honest nodes' truths look strange and hosts hard."""

    name, guards, identities = "ring_with_framing", ("audits",), 3

    def is_fake(self, lease: Lease) -> bool:
        """Whatever lies on the first hosts of the web."""
        return lease.url.split(":")[1].rsplit(".", 1)[1] in {"1", "2", "3", "8", "9", "10", "15"}


class Sleeper(Strategy):
    """Honest until it has a name, then a cash-out of lies."""

    name, guards = "sleeper", ("vesting",)

    def is_fake(self, lease: Lease) -> bool:
        """After two thirds of its life."""
        return self.answered > 140


class SybilFlood(Garbage):
    """Many identities from few addresses, each replaced as soon as it earns nothing."""

    name, guards = "sybil_flood", ("probation", "sybil_limits")
    identities, rejoins = 8, True


class HardPagesOnly(Strategy):
    """Lies only where truth is hard to have: hosts that change, limit or fail; the rest is honestly fetched."""

    name, guards = "hard_pages_only", ("hard_hosts",)

    def is_fake(self, lease: Lease) -> bool:
        """On the hosts that were seen to fail or limit."""
        host = int(lease.url.split("//")[1].split(":")[0].rsplit(".", 1)[1]) - 1
        return host % 7 in (4, 5)


class Fakes(Strategy):
    """A small share of lies among honest work."""

    share: ClassVar[float] = 0.0
    guards = ("fines",)

    def is_fake(self, lease: Lease) -> bool:
        """By chance."""
        return self.kit.chance.random() < self.share


class Fakes2(Fakes):
    """Two in a hundred."""

    name, share = "fakes_2", 0.02


class Fakes5(Fakes):
    """Five in a hundred."""

    name, share = "fakes_5", 0.05


class Fakes10(Fakes):
    """Ten in a hundred."""

    name, share = "fakes_10", 0.10


class AdaptivePauser(Strategy):
    """Lies until something is disclosed against it, is honest for a while, and begins again."""

    name, guards = "adaptive_pauser", ("escalation",)

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self.caught = 0
        self.honest_until = 60

    def is_fake(self, lease: Lease) -> bool:
        """One in ten while it believes itself unwatched."""
        return self.answered > self.honest_until and self.kit.chance.random() < 0.10

    async def learn(self, client: Client, disclosed: Sequence[dict[str, Any]]) -> None:
        """Be honest for forty leases after new rejections."""
        rejections = sum(row["verdict"] == "rejected" for row in disclosed)
        if rejections > self.caught:
            self.caught, self.honest_until = rejections, self.answered + 40


class VestingTimer(Strategy):
    """Lies on one day in four, when what it did before has vested."""

    name, guards = "vesting_timer", ("fines",)

    def is_fake(self, lease: Lease) -> bool:
        """Every other answer of that day."""
        return self.answered // 50 % 4 == 3 and self.kit.chance.random() < 0.5


class AppealsSpam(Fakes):
    """One lie in ten, and an appeal against every verdict that finds one."""

    name, share = "appeals_spam", 0.10

    async def learn(self, client: Client, disclosed: Sequence[dict[str, Any]]) -> None:
        """Appeal whatever was rejected."""
        for row in disclosed:
            if row["verdict"] == "rejected":
                appeal = Appeal(
                    contribution_id=row["contribution_id"], reason="The page said so when I read it"
                )
                await client.ask("/v1/appeals", "appeal", appeal)


class Paraphrase(Strategy):
    """Fetches the page and rewords it, so that a copy would seem to be new text."""

    name, guards = "paraphrase", ("audits",)

    async def answer(self, client: Client, lease: Lease) -> Submission | None:
        """Put another word in the place of every third."""
        record = await super().answer(client, lease)
        words = getattr(record, "text", "").split()
        if not words:
            return record
        words[::3] = noise(self.kit.chance, len(words[::3])).split()[: len(words[::3])]
        return client.contribution(lease, " ".join(words))


class Unparseable(Garbage):
    """Broken lines between records, so that fakes vanish from the count."""

    name, guards = "unparseable", ("audits",)

    async def hand_in(self, client: Client, records: Sequence[Submission]) -> None:
        """Submit every record beside a broken copy of itself."""
        good = [msgspec.json.encode(record) for record in records]
        broken = [line[: len(line) // 2] for line in good]
        await client.submit_lines([line for pair in zip(broken, good, strict=True) for line in pair])


class EmptyAnswers(Strategy):
    """Empty texts, single words and white space, counted as success."""

    name, guards = "empty_answers", ("audits",)

    def is_fake(self, lease: Lease) -> bool:
        """Always."""
        return True

    def fake(self, client: Client, lease: Lease) -> Submission:
        """Next to nothing."""
        return client.contribution(lease, self.kit.chance.choice(["", " ", ".", "ok", "Loading"]))
