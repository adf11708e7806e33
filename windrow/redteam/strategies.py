"""What cheats do with a lease: one class for each strategy of the adversary suite.

Rules: a strategy answers leases through a `Client` and may use what a real cheat could have: old copies of pages (its
`archive`), its other identities, and its own lies. It never sees the aggregator from inside. `guards` names the
defences without each of which it should profit.

Does not: count or judge (see `arena`).

Usage: `record = await STRATEGIES["garbage"](kit).answer(client, lease)`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

import msgspec

from windrow.redteam.client import Client
from windrow.redteam.invention import fluent_text, noise
from windrow_protocol.messages import Appeal, Lease, Outcome, Submission


@dataclass
class Kit:
    """What a cheat brings along: texts of earlier days by URL, older ones of the same pages, and chance."""

    archive: dict[str, str]
    chance: random.Random
    older: dict[str, str] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)


class Strategy:
    """Honest work: fetch the page and hand in what it says."""

    name: ClassVar[str] = "honest"
    guards: ClassVar[tuple[str, ...]] = ()
    identities: ClassVar[int] = 1
    rejoins: ClassVar[bool] = False  # as soon as an identity is worth nothing
    replays: ClassVar[bool] = False  # and so needs an archive

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.worked = 0
        self.answered = 0

    async def answer(self, client: Client, lease: Lease) -> Submission | None:
        """Return what is handed in for a lease, or None to let it expire."""
        self.answered += 1
        if self.is_fake(lease):
            return self.fake(client, lease)
        self.worked += 1
        return client.record(lease, await client.fetch(lease.url))

    def is_fake(self, lease: Lease) -> bool:
        """Say whether this lease is answered with a lie."""
        return False

    def fake(self, client: Client, lease: Lease) -> Submission | None:
        """Return the lie."""
        return client.contribution(lease, fluent_text(lease.url, self.kit.chance))

    async def hand_in(self, client: Client, records: Sequence[Submission]) -> None:
        """Give the coordinator what was answered."""
        await client.submit(records)

    @property
    def work_share(self) -> float:
        """The share of its leases for which it really did the work."""
        return self.worked / self.answered if self.answered else 0.0


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


class StaleReplay(Strategy):
    """Old copies instead of fetches, wherever there is one."""

    name, guards, replays = "stale_replay", ("canaries",), True

    def is_fake(self, lease: Lease) -> bool:
        """Wherever the archive has the page."""
        return lease.url in self.kit.archive

    def fake(self, client: Client, lease: Lease) -> Submission:
        """The old copy."""
        return client.contribution(lease, self.kit.archive[lease.url])


class StaticReplay(StaleReplay):
    """Old copies of pages that seem not to change."""

    name, guards = "static_replay", ("canaries",)

    def is_fake(self, lease: Lease) -> bool:
        """Where the archive's two copies, taken days apart, are the same."""
        return lease.url in self.kit.archive and self.kit.older[lease.url] == self.kit.archive[lease.url]


class Copies(Strategy):
    """Two fetches feed ten answers: one text of its own goes out for every page that might be a mirror of it."""

    name, guards = "copies", ("audits",)

    def is_fake(self, lease: Lease) -> bool:
        """From the second lease on."""
        return bool(self.kit.shared) and self.answered % 5 != 1

    def fake(self, client: Client, lease: Lease) -> Submission:
        """Somebody's text for this page's mirror, else the last one seen."""
        number = lease.url.rsplit("/", 1)[1]
        text = self.kit.shared.get(number) or list(self.kit.shared.values())[-1]
        return client.contribution(lease, text)

    async def answer(self, client: Client, lease: Lease) -> Submission | None:
        """Remember the texts that were fetched."""
        record = await super().answer(client, lease)
        text = getattr(record, "text", "")
        if text:
            self.kit.shared.setdefault(lease.url.rsplit("/", 1)[1], text)
        return record


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


class EasyLeasesOnly(Strategy):
    """Fetches what is quick and calls the rest blocked."""

    name, guards = "easy_leases_only", ("refusal_audits",)

    def is_fake(self, lease: Lease) -> bool:
        """Everything but the first half of the alphabet of addresses."""
        return sum(lease.url.encode()) % 2 == 0

    def fake(self, client: Client, lease: Lease) -> Submission:
        """A refusal that never happened."""
        return client.report(lease, Outcome.BLOCKED, 403)


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

    def learn(self, rejections: int) -> None:
        """Hear how many rejections were disclosed so far; new ones make it honest for forty leases."""
        if rejections > self.caught:
            self.caught, self.honest_until = rejections, self.answered + 40


class LeaseHoarder(Strategy):
    """Takes all the leases it can get and answers one in ten."""

    name, guards = "lease_hoarder", ("lease_limits",)

    async def answer(self, client: Client, lease: Lease) -> Submission | None:
        """Let most of them expire."""
        if self.kit.chance.random() < 0.9:
            return None
        return await super().answer(client, lease)


class OwnSites(Strategy):
    """Hosts of its own that invent text without end; it fetches those and calls everything else blocked."""

    name, guards = "own_sites", ("domain_caps",)

    def is_fake(self, lease: Lease) -> bool:
        """Whatever is not its own."""
        return "/own/" not in lease.url

    def fake(self, client: Client, lease: Lease) -> Submission:
        """A refusal that never happened."""
        return client.report(lease, Outcome.BLOCKED, 403)


class OwnMirrors(OwnSites):
    """Hosts of its own with one text at every address."""

    name, guards = "own_mirrors", ("novelty",)


class ReplayedSubmissions(Strategy):
    """Honest work, handed in again and again: the same batch, the same signed request, the text under other leases."""

    name = "replayed_submissions"

    async def hand_in(self, client: Client, records: Sequence[Submission]) -> None:
        """Submit three times, once with the very same signature."""
        await client.submit(records)
        await client.submit(records)
        await client.submit_twice_signed_once(records)


class ForgedReceipts(Strategy):
    """Says "done" for leases it does not hold, under ids of its own making, and appeals verdicts that never were."""

    name = "forged_receipts"

    def is_fake(self, lease: Lease) -> bool:
        """Always: the lease is answered with another's id."""
        return True

    def fake(self, client: Client, lease: Lease) -> Submission:
        """A contribution for a lease that somebody else may hold."""
        other = msgspec.structs.replace(lease, lease_id="l" + f"{self.kit.chance.getrandbits(124):031x}")
        return client.contribution(other, fluent_text(lease.url, self.kit.chance))

    async def hand_in(self, client: Client, records: Sequence[Submission]) -> None:
        """Submit, and appeal."""
        await client.submit(records)
        for record in records[:2]:
            appeal = Appeal(contribution_id="c" + record.lease_id[1:], reason="I have a receipt")
            await client.ask("/v1/appeals", "appeal", appeal)


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


STRATEGIES: Final[dict[str, type[Strategy]]] = {
    kind.name: kind
    for kind in (
        Strategy,
        Garbage,
        FluentText,
        StaleReplay,
        StaticReplay,
        Copies,
        Padding,
        RingWithFraming,
        Sleeper,
        SybilFlood,
        HardPagesOnly,
        EasyLeasesOnly,
        Fakes2,
        Fakes5,
        Fakes10,
        AdaptivePauser,
        LeaseHoarder,
        OwnSites,
        OwnMirrors,
        EmptyAnswers,
        Unparseable,
        ReplayedSubmissions,
        ForgedReceipts,
    )
}
