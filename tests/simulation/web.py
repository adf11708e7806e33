"""The simulated web: what each page holds, when, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from windrow_protocol.content import normalise_text
from windrow_protocol.messages import Outcome


@dataclass(frozen=True)
class SimulatedWeb:
    """Pages whose text follows from seed, URL and time alone."""

    seed: int
    pages: int
    words: int = 60

    def urls(self) -> list[str]:
        return [f"http://site{number % 5}.example/page{number}" for number in range(self.pages)]

    def fetch(self, url: str, now_ms: int) -> str | Outcome:
        """Return a page's main text, or why there is none: most keep still, some turn a block, one fails often."""
        number = int(url.rpartition("page")[2])
        if number % 7 == 6:
            return Outcome.NOT_FOUND
        if number % 5 == 4 and Random(f"{self.seed} {url} {now_ms // 60_000}").random() < 0.5:
            return Outcome.SERVER_ERROR
        words = [f"w{self.seed}x{number}x{place}" for place in range(self.words)]
        if number % 3 == 1:
            block = now_ms // 30_000
            words[10:14] = [f"news{block}x{place}" for place in range(4)]
        return normalise_text(" ".join(words))
