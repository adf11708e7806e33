"""What the tests of the egress proxy share: one of it, with a line log of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from crawl_sites import Site, wall_ms
from egress_opening import Opening

from contributor_node.egress.line_log import LineLog
from contributor_node.egress.proxy import EgressProxy, EgressSettings


@pytest.fixture
def open_proxy(tmp_path: Path) -> Opening:
    @asynccontextmanager
    async def opening(*sites: Site, **options: Any) -> AsyncIterator[EgressProxy]:
        source = options.pop("source_address", "")
        allowed = frozenset(site.endpoint for site in sites)
        settings = EgressSettings(allow_private=allowed, pace_private_s=0.1, source_address=source)
        log = options.pop("log", None) or LineLog(tmp_path / "line_log.ndjson", wall_ms)
        proxy = EgressProxy(settings, log, wall_ms, **options)
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.close()

    return opening
