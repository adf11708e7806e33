"""The crawl child: the process in which Scrapy, the HTML parser and the browser live, and may die.

Rules: started by `crawl.CrawlEngine` as `python -m contributor_node.crawling.child`; reads its orders from stdin
and answers on stdout (`crawl_wire`). Memory is bounded before anything is parsed. It leaves when told to, and
at once when stdin ends, because then the node, and with it the line log and the only road out, is gone.

Does not: hold keys, talk to the coordinator, or open any connection but to the egress proxy.

Usage::

    engine = CrawlEngine(settings, line_log, now_ms)   # starts and feeds this process
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import resource
import sys
from pathlib import Path

from scrapy.crawler import AsyncCrawlerRunner
from scrapy.utils.reactorless import install_reactor_import_hook

from contributor_node.crawling.page import FetchPart, Page, Rendered, Renders
from contributor_node.crawling.parent_link import ParentLink
from contributor_node.crawling.road import Road
from contributor_node.crawling.robots import RobotsCache
from contributor_node.crawling.spider import LeaseSpider, scrapy_settings
from contributor_node.crawling.visit import Crew
from contributor_node.crawling.wire import Alive, Close, Granted, Hello, Work, decode_to_child
from windrow_protocol.limits import CHILD_LINE_BYTES_MAX

ALIVE_EVERY_S = 2


def main() -> int:
    """Run until told to close. Returns the exit status."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    out_fd = os.dup(1)
    os.dup2(2, 1)  # whatever prints must not end up between our lines
    orders = os.fdopen(0, "rb", buffering=0)  # a buffer would swallow what follows the first line
    hello = decode_to_child(orders.readline())
    if not isinstance(hello, Hello):
        print("the first line must be a hello", file=sys.stderr)
        return 2
    resource.setrlimit(resource.RLIMIT_AS, (hello.memory_bytes_max, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    install_reactor_import_hook()
    asyncio.run(_run(hello, orders, ParentLink(out_fd)))
    return 0


class _LateRenderer:
    """Imports Playwright with the first page that needs it: most children never do."""

    def __init__(self, hello: Hello) -> None:
        self._hello = hello
        self._renderer: Renders | None = None

    async def render(self, page: Page, fetch_part: FetchPart) -> Rendered:
        if self._renderer is None:
            from contributor_node.crawling.render import Renderer

            self._renderer = Renderer(self._hello)
        return await self._renderer.render(page, fetch_part)

    async def close(self) -> None:
        if self._renderer is not None:
            await self._renderer.close()


async def _run(hello: Hello, orders: io.FileIO, link: ParentLink) -> None:
    queue: asyncio.Queue[Work | None] = asyncio.Queue()
    cache = RobotsCache(Path(hello.home) / "robots.sqlite3")
    renderer = _LateRenderer(hello)
    crawler = AsyncCrawlerRunner(scrapy_settings()).create_crawler(LeaseSpider)
    side = [asyncio.create_task(_listen(orders, link, queue)), asyncio.create_task(_stay_alive(link))]
    try:
        await crawler.crawl_async(crew=Crew(queue, Road(hello), link, cache, renderer))
    finally:
        for task in side:
            task.cancel()
        await renderer.close()
        cache.close()


async def _listen(orders: io.FileIO, link: ParentLink, queue: asyncio.Queue[Work | None]) -> None:
    reader = asyncio.StreamReader(limit=CHILD_LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), orders)
    while line := await reader.readline():
        message = decode_to_child(line)
        if isinstance(message, Granted):
            link.hear(message)
        elif isinstance(message, Work):
            queue.put_nowait(message)
        elif isinstance(message, Close):
            queue.put_nowait(None)
    os._exit(0)


async def _stay_alive(link: ParentLink) -> None:
    while True:
        link.send(Alive())
        await asyncio.sleep(ALIVE_EVERY_S)


if __name__ == "__main__":
    sys.exit(main())
