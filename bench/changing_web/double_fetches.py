"""Honest contributions and their truths, fetched over real HTTP from a web that changes in between.

Rules: one case is what an audit sees: an earlier accepted text, the node's fetch, then up to three truths at later
minutes; the first two truths come from other regions, the third from the node's own. A fetch that fails is no
contribution and no truth; what stands in place of a page is set aside as an audit does it, and tried for again.

Does not: decide (`bench/comparison.py`).

Usage::

    async for case in honest_cases(web, pages, drawn, rng): ...
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from bench.changing_web.base_pages import BasePage
from bench.changing_web.noise import REGIONS
from bench.changing_web.server import ChangingWeb, address_in
from windrow_protocol.block_pages import is_block_page
from windrow_protocol.limits import TRUTH_ATTEMPTS_MAX, TRUTHS_PER_AUDIT_MAX


@dataclass(frozen=True)
class Case:
    """One page as an audit sees it. `text` is empty where the node had nothing to submit."""

    page: BasePage
    kinds: tuple[str, ...]
    earlier: str
    text: str
    truths: tuple[str, ...]


async def honest_cases(
    web: ChangingWeb,
    pages: Sequence[BasePage],
    drawn: Sequence[Sequence[str]],
    rng: random.Random,
) -> AsyncIterator[Case]:
    """Yield one case a page; `drawn` names the kinds of noise of each."""
    for number, (page, kinds) in enumerate(zip(pages, drawn, strict=True)):
        key = str(number)
        web.publish(key, page, kinds)
        home = rng.choice(REGIONS)
        earlier = (await web.fetch(key, address_in(rng.choice(REGIONS), rng))).text
        text = (await web.fetch(key, address_in(home, rng))).text
        yield Case(page, tuple(kinds), earlier, text, await truths_of(web, key, home, rng) if text else ())
        web.withdraw(key)


async def truths_of(web: ChangingWeb, key: str, home: str, rng: random.Random) -> tuple[str, ...]:
    """Fetch as many truths as an audit may need, in their order."""
    others = [region for region in REGIONS if region != home]
    rng.shuffle(others)
    truths = []
    for region in [*others, home][:TRUTHS_PER_AUDIT_MAX]:
        for _ in range(TRUTH_ATTEMPTS_MAX):
            found = await web.fetch(key, address_in(region, rng))
            if not is_block_page(found.text, 200, found.title):
                truths.append(found.text)
                break
    return tuple(truths)
