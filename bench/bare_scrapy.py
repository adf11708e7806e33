"""Scrapy by itself with the node's extraction, as `node_footprint` measures the node against: one JSON line.

Rules: Scrapy's own settings and handler, but no robots.txt, cookies, retries or delay: the least that a crawl costs.
Every page goes through the very function the node uses.

Does not: guard, log, pace or ask anybody.

Usage: `python bench/bare_scrapy.py URLS.json`
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:1] = [str(Path(__file__).resolve().parent.parent)]

from scrapy import Request, Spider  # noqa: E402
from scrapy.crawler import CrawlerProcess  # noqa: E402

from contributor_node.extraction.main_text import extract  # noqa: E402


class BareSpider(Spider):
    """Fetches what it is given and keeps the sum of the texts."""

    name = "bare"
    pages = text_chars = 0

    async def start(self) -> Any:
        """Yield every request."""
        for url in json.loads(Path(sys.argv[1]).read_text()):
            yield Request(url, dont_filter=True)

    def parse(self, response: Any) -> None:
        """Extract one page."""
        BareSpider.text_chars += len(extract(response.body, response.headers["Content-Type"].decode()).text)
        BareSpider.pages += 1


if __name__ == "__main__":
    process = CrawlerProcess(
        {
            "LOG_ENABLED": False,
            "ROBOTSTXT_OBEY": False,
            "COOKIES_ENABLED": False,
            "RETRY_ENABLED": False,
            "TELNETCONSOLE_ENABLED": False,
            "CONCURRENT_REQUESTS": 64,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 4,
            "DOWNLOAD_DELAY": 0,
        }
    )
    process.crawl(BareSpider)
    begun_s = time.monotonic()
    process.start()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "pages": BareSpider.pages,
        "text_chars": BareSpider.text_chars,
        "cpu_s": round(time.process_time(), 2),
        "wall_s": round(time.monotonic() - begun_s, 2),
        "rss_mb_max": usage.ru_maxrss // 1000,
    }
    print(json.dumps(figures))
