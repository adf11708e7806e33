"""An egress proxy for a test, and the plainest site behind it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from aiohttp import web
from crawl_sites import html

from contributor_node.egress.proxy import EgressProxy

Opening = Callable[..., AbstractAsyncContextManager[EgressProxy]]


async def hello(request: web.Request) -> web.StreamResponse:
    return html("hello")
