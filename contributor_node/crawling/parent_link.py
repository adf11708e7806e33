"""The crawl child's line to the node: asks and their answers, results, signs of life.

Rules: what is written is one whole line at a time, to a descriptor that no library can print to. When the node is gone
(stdin ends) the child leaves at once: without its parent nothing may be fetched.

Does not: know Scrapy, or decide what is asked.

Usage::

    link = ParentLink(out_fd, now_s)
    allowed = await link.ask_redirect(lease_id, "redirect", url)
    link.send(result)
"""

from __future__ import annotations

import asyncio
import itertools
import os

from contributor_node.crawling.wire import AskRedirect, AskSlower, Granted, ToParent, encode


class ParentLink:
    """See the module's docstring."""

    def __init__(self, out_fd: int) -> None:
        self._out_fd = out_fd
        self._ids = itertools.count(1)
        self._asks: dict[int, asyncio.Future[bool]] = {}

    def send(self, message: ToParent) -> None:
        """Write one line. Raises OSError when the node no longer reads."""
        left = memoryview(encode(message))
        while left:
            left = left[os.write(self._out_fd, left) :]

    async def ask_redirect(self, lease_id: str, purpose: str, url: str) -> bool:
        """Ask to follow a redirect and return whether the proxy will let it through."""
        ask_id, answer = self._new_ask()
        self.send(AskRedirect(ask_id=ask_id, lease_id=lease_id, purpose=purpose, url=url))
        return await answer

    async def ask_slower(self, url: str, crawl_delay_s: float) -> None:
        """Have a host's crawl-delay kept from now on."""
        ask_id, answer = self._new_ask()
        self.send(AskSlower(ask_id=ask_id, url=url, crawl_delay_s=crawl_delay_s))
        await answer

    def hear(self, granted: Granted) -> None:
        """Pass an answer on to whoever asked."""
        waiting = self._asks.pop(granted.ask_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(granted.allowed)

    def _new_ask(self) -> tuple[int, asyncio.Future[bool]]:
        ask_id = next(self._ids)
        self._asks[ask_id] = asyncio.get_running_loop().create_future()
        return ask_id, self._asks[ask_id]
