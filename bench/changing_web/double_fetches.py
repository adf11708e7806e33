"""Honest contributions and their truths, fetched over real HTTP from a web that changes in between.

Rules: one case is what an audit sees: an earlier accepted text, the node's fetch, then up to three truths at later
minutes; the first two truths come from other regions, the third from the node's own. Further ones, which a part of a
page asks for, come from where the first three came from, and from the same addresses where each operator has one
validator only. A fetch that fails is no contribution and no truth; what stands in place of a page is set aside as an
audit does it, and tried for again.

Does not: decide (`bench/comparison.py`).

Usage::

    async for case in honest_cases(web, pages, drawn, rng): ...
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bench.changing_web.base_pages import BasePage
from bench.changing_web.noise import REGIONS
from bench.changing_web.server import ChangingWeb, address_in
from windrow_protocol.block_pages import is_block_page
from windrow_protocol.limits import TRUTH_ATTEMPTS_MAX, TRUTHS_OF_A_PART_MAX, TRUTHS_PER_AUDIT_MAX

GoesOn = Callable[
    [str, Sequence[str]], bool
]  # of a text and three truths: whether further ones are asked for


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
    goes_on: GoesOn = lambda text, truths: False,
    validators: int = 1,
) -> AsyncIterator[Case]:
    """Yield one case a page; `drawn` names the kinds of noise of each, `validators` how many an operator has."""
    for number, (page, kinds) in enumerate(zip(pages, drawn, strict=True)):
        key = str(number)
        web.publish(key, page, kinds)
        home = rng.choice(REGIONS)
        earlier = (await web.fetch(key, address_in(rng.choice(REGIONS), rng))).text
        text = (await web.fetch(key, address_in(home, rng))).text
        asked = _Asked(web, key, rng, validators)
        truths = await asked.truths(home) if text else ()
        if len(truths) == TRUTHS_PER_AUDIT_MAX and goes_on(text, truths):
            truths += await asked.further()
        yield Case(page, tuple(kinds), earlier, text, truths)
        web.withdraw(key)


class _Asked:
    """The truths of one page, in their order; `further` ones have a generator of their own and move no draw."""

    def __init__(self, web: ChangingWeb, key: str, rng: random.Random, validators: int) -> None:
        self._web, self._key, self._rng, self._validators = web, key, rng, validators
        self._places: list[tuple[str, str]] = []  # region and address of each

    async def truths(self, home: str) -> tuple[str, ...]:
        """Fetch as many truths as most audits may need, the last from the node's region."""
        others = [region for region in REGIONS if region != home]
        self._rng.shuffle(others)
        found = [await self._truth(region) for region in [*others, home][:TRUTHS_PER_AUDIT_MAX]]
        return tuple(text for text in found if text is not None)

    async def further(self) -> tuple[str, ...]:
        """Fetch as many more as a part of a page may need."""
        rng = random.Random(f"further/{self._key}")
        found = []
        for number in range(TRUTHS_OF_A_PART_MAX - TRUTHS_PER_AUDIT_MAX):
            region, address = self._places[number % TRUTHS_PER_AUDIT_MAX]
            if self._validators > 1 + number // TRUTHS_PER_AUDIT_MAX:
                address = address_in(region, rng)
            found.append(await self._page(address))
        return tuple(text for text in found if text is not None)

    async def _truth(self, region: str) -> str | None:
        for _ in range(TRUTH_ATTEMPTS_MAX):
            address = address_in(region, self._rng)
            if (text := await self._page(address)) is not None:
                self._places.append((region, address))
                return text
        return None

    async def _page(self, address: str) -> str | None:
        found = await self._web.fetch(self._key, address)
        return None if is_block_page(found.text, 200, found.title) else found.text
