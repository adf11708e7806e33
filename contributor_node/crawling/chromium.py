"""Finding a Chromium and the switches it is started with.

Rules: the first of these that can be run: the configured path, WINDROW_CHROMIUM, `chromium`, `chromium-browser`
or `google-chrome` on PATH, Playwright's own download. The switches leave the browser no road of its own: its
proxy is the egress proxy and it has no credentials for it, it resolves no name, speaks no QUIC, and WebRTC only
through the proxy.

Does not: start anything, or import Playwright.

Usage::

    path = find_chromium(configured="", environ=os.environ)
    switches(is_root=True)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from windrow_protocol.errors import WindrowError

ON_PATH = ("chromium", "chromium-browser", "google-chrome")
_DOWNLOADED = ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*")


def find_chromium(configured: str, environ: Mapping[str, str]) -> str:
    """Return the path of a Chromium; a path that is set but wrong is never replaced.

    Raises WindrowError `no_browser`.
    """
    wanted = configured or environ.get("WINDROW_CHROMIUM", "")
    if wanted:
        found = shutil.which(wanted, path=environ.get("PATH"))
        if found is None:
            raise WindrowError("no_browser", f"{wanted} cannot be run")
        return found
    for name in ON_PATH:
        if found := shutil.which(name, path=environ.get("PATH")):
            return found
    for downloaded in _playwright_downloads(environ):
        return str(downloaded)
    raise WindrowError("no_browser", f"none of {', '.join(ON_PATH)} is on PATH")


def _playwright_downloads(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("HOME", "/nonexistent"))
    folders = [
        Path(environ.get("PLAYWRIGHT_BROWSERS_PATH") or home / ".cache/ms-playwright"),
        home / "Library/Caches/ms-playwright",
    ]
    found = [file for folder in folders for pattern in _DOWNLOADED for file in folder.glob(pattern)]
    return sorted((file for file in found if os.access(file, os.X_OK)), reverse=True)


def switches(is_root: bool) -> list[str]:
    """Return the command-line switches. The sandbox is given up only for root, who cannot have it."""
    always = [
        "--proxy-bypass-list=<-loopback>",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--disable-quic",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--force-webrtc-ip-handling-policy",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-domain-reliability",
        "--disable-sync",
        "--disable-default-apps",
        "--no-default-browser-check",
        "--no-first-run",
        "--no-pings",
        "--disable-gpu",
        "--mute-audio",
    ]
    return [*always, *(["--no-sandbox"] if is_root else [])]
