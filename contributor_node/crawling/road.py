"""The crawl child's side of the road out: how a Scrapy request is made, and what its failures mean.

Rules: every request goes to the egress proxy under a lease and a purpose, with the same honest headers and none
of Scrapy's own. Each request has a connection of its own, so that one request is one row in the line log even
inside TLS. A refusal is believed only where it can come from nobody but the proxy: on plain HTTP, or in the
answer to CONNECT.

Does not: decide anything about a page, retry, or follow redirects.

Usage::

    request = road.request(url, work, "page", ends=(answered, failed))
    code = refusal_of_response(response) or refusal_of_error(error)
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from scrapy import Request
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
    UnsupportedURLSchemeError,
)
from scrapy.http import Response
from w3lib.url import safe_url_string

from contributor_node.crawling.content_coding import ACCEPT_ENCODING
from contributor_node.crawling.wire import Hello, Work
from contributor_node.egress.grants import Purpose, RobotsVerdict
from windrow_protocol.limits import PACE_WAIT_S_MAX

ACCEPT = "text/html,application/xhtml+xml,text/plain;q=0.9,text/markdown;q=0.9,*/*;q=0.5"
REFUSED = "Windrow-Refused"
REDIRECTS = frozenset([301, 302, 303, 307, 308])
_LANES = {"subresource": "#parts", "tdmrep": "#rights"}  # what pages wait for must not wait behind pages
OURS = "egress_gone"
"""The code for a failure between child and proxy: no outcome, never the site's fault."""


class Road:
    """Makes requests that go through the egress proxy."""

    def __init__(self, hello: Hello) -> None:
        self._hello = hello

    def request(
        self,
        url: str,
        work: Work,
        purpose: Purpose,
        *,
        ends: tuple[Callable[..., Any] | None, Callable[..., Any] | None] = (None, None),
        **meta: Any,
    ) -> Request:
        """Return a request under a lease; `ends` are its callback and errback.

        Raises ValueError when Scrapy cannot make a request of the URL.
        """
        safe = safe_url_string(url)
        lane = urlsplit(safe).netloc.lower() + _LANES.get(purpose, "")
        return Request(
            safe,
            callback=ends[0],
            errback=ends[1],
            headers={
                "User-Agent": self._hello.user_agent,
                "Accept": ACCEPT,
                "Accept-Encoding": ACCEPT_ENCODING,
                "Connection": "close",
                "Proxy-Authorization": self._pass(work, purpose),
            },
            meta={
                "proxy": self._hello.proxy_url,
                "verbatim_url": True,
                "download_slot": lane,
                "download_timeout": work.time_s_max + PACE_WAIT_S_MAX + 10,
                "download_maxsize": work.body_bytes_max,
                "download_warnsize": 0,
                "windrow_purpose": purpose,
                "windrow_work": work,
                **meta,
            },
            dont_filter=True,
        )

    def heard_robots(self, request: Request, verdict: RobotsVerdict) -> None:
        """Have the request's row in the line log say what robots.txt said of it."""
        meta = request.meta
        request.headers["Proxy-Authorization"] = self._pass(
            meta["windrow_work"], f"{meta['windrow_purpose']}+{verdict}"
        )

    def _pass(self, work: Work, purpose: str) -> str:
        user = f"{work.lease_id}.{purpose}:{self._hello.secret}"
        return f"Basic {base64.b64encode(user.encode()).decode()}"


def header(response: Response, name: str) -> str:
    """Return a response's header, empty when absent."""
    value = response.headers.get(name)
    return value.decode("latin-1") if value else ""


def refusal_of_response(response: Response) -> str:
    """Return the code when this answer is the proxy's own refusal of a plain HTTP request, else an empty string."""
    return header(response, REFUSED) if response.url.startswith("http:") else ""


def refusal_of_error(error: BaseException) -> str:
    """Return the code of a reason for a request that had no answer. Raises the error itself when it is unknown."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        return cause.headers.get(REFUSED, OURS) if cause.headers else OURS
    if isinstance(cause, aiohttp.ClientSSLError):
        return "bad_answer"
    if isinstance(error, DownloadConnectionRefusedError | CannotResolveHostError):
        return OURS
    if isinstance(error, DownloadTimeoutError):
        return "fetch_timeout"
    if isinstance(error, DownloadCancelledError):
        return "too_large"
    if isinstance(error, DownloadFailedError | ResponseDataLossError):
        return "bad_answer"
    if isinstance(error, UnsupportedURLSchemeError):
        return "bad_url"
    raise error
