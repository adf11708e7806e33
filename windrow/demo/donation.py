"""The demo's person: gives one page through the bridge's native-messaging host, exactly as a browser would.

Rules: starts the real host as a browser does, sees the preview, agrees to those words, and gives what it saw.

Does not: stand in for the extension's pages (those are tested in a browser). Usage: `await donate_page(...)`.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from extension_bridge.settings import CHROMIUM_ORIGIN
from windrow_protocol.errors import WindrowError

PAGE_TITLE: Final = "Notes on drying hay"
PAGE_TEXT: Final = (
    "A mower lays the grass in swaths, and a rake turns two swaths into one windrow so that wind can pass under it. "
    "On our farm we turn it twice, at noon and again before the dew, and bale when a handful no longer feels cool. "
    "Write to me at marta.heuer@example.org or call +49 30 901820 if you want the old rake; it stands behind the barn."
)
_TERMS: Final = {
    "source": "browser_page",
    "scope": ["url", "title", "text", "captured_at_ms"],
    "purpose": "model_training",
    "retention_days": 365,
}


async def donate_page(node_home: Path, coordinator: str, tries: int = 5) -> dict[str, Any]:
    """Give the page and return the bridge's answer, delivered with a receipt. Raises WindrowError `demo_failed`."""
    page = {
        "url": "https://farm.example/notes/hay",
        "title": PAGE_TITLE,
        "text": PAGE_TEXT,
        "captured_at_ms": time.time_ns() // 1_000_000,
    }
    answer: dict[str, Any] = {}
    for attempt in range(tries):
        preview, answer = await _converse(node_home, coordinator, page)
        if answer.get("ok") and answer.get("state") == "delivered":
            return {"findings": preview["findings"], **answer}
        await asyncio.sleep(min(2.0, 0.5 * (attempt + 1)))  # the node may not have registered yet
    raise WindrowError("demo_failed", f"the bridge said {answer.get('sentence') or answer}")


async def _converse(
    node_home: Path, coordinator: str, page: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    host = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "extension_bridge.native_host", "--home", str(node_home)),
        *("--coordinator", coordinator, CHROMIUM_ORIGIN),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    preview = await _exchange(host, {"type": "preview", "page": page, "terms": _TERMS})
    if not preview.get("ok"):
        host.kill()
        await host.wait()
        return preview, preview
    seen = hashlib.sha256(preview["notice"].encode()).hexdigest()
    consent = {**_TERMS, "agreed": True, "notice_sha256": seen}
    answer = await _exchange(host, {"type": "donate", "page": page, "consent": consent})
    assert host.stdin is not None
    host.stdin.close()
    await host.wait()
    return preview, answer


async def _exchange(host: asyncio.subprocess.Process, message: dict[str, Any]) -> dict[str, Any]:
    assert host.stdin is not None
    assert host.stdout is not None
    body = msgspec.json.encode(message)
    host.stdin.write(struct.pack("=I", len(body)) + body)
    await host.stdin.drain()
    (length,) = struct.unpack("=I", await host.stdout.readexactly(4))
    return dict(msgspec.json.decode(await host.stdout.readexactly(length)))
