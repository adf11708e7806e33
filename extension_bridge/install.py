"""Tells the browsers of this machine where the bridge's host is.

Rules: a manifest can name a program but give it no arguments, so a launcher of two lines carries the home; the plan is
pure and can be shown before anything is written; removing takes away exactly what installing wrote.

Does not: install the extension (the browser does), or need more rights than the user has. On Windows the browsers find
the manifest through the registry: the plan names the keys, and `install` writes them.

Usage::

    plan = install_plan("linux", Path.home(), node_home, sys.executable)
    install(plan)

Source: Chromium and Mozilla, "Native messaging" (locations and fields of host manifests).
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from extension_bridge.settings import CHROMIUM_ORIGIN, FIREFOX_EXTENSION_ID, HOME_VARIABLE
from windrow_protocol.errors import WindrowError

HOST_NAME: Final = "org.windrow.bridge"
PROGRAM: Final = "contributor_node.bridge_host"  # the host of this room with the machine's node behind it
_DESCRIPTION: Final = "Windrow bridge: review and donate what you picked"

# platform → browser → folder of host manifests, under the user's home
_FOLDERS: Final[dict[str, dict[str, str]]] = {
    "linux": {
        "chromium": ".config/chromium/NativeMessagingHosts",
        "chrome": ".config/google-chrome/NativeMessagingHosts",
        "brave": ".config/BraveSoftware/Brave-Browser/NativeMessagingHosts",
        "edge": ".config/microsoft-edge/NativeMessagingHosts",
        "firefox": ".mozilla/native-messaging-hosts",
    },
    "darwin": {
        "chromium": "Library/Application Support/Chromium/NativeMessagingHosts",
        "chrome": "Library/Application Support/Google/Chrome/NativeMessagingHosts",
        "brave": "Library/Application Support/BraveSoftware/Brave-Browser/NativeMessagingHosts",
        "edge": "Library/Application Support/Microsoft Edge/NativeMessagingHosts",
        "firefox": "Library/Application Support/Mozilla/NativeMessagingHosts",
    },
    "win32": dict.fromkeys(
        ("chromium", "chrome", "brave", "edge", "firefox"), "AppData/Local/Windrow/bridge"
    ),
}
_REGISTRY: Final[dict[str, str]] = {
    "chromium": r"Software\Chromium\NativeMessagingHosts",
    "chrome": r"Software\Google\Chrome\NativeMessagingHosts",
    "brave": r"Software\BraveSoftware\Brave-Browser\NativeMessagingHosts",
    "edge": r"Software\Microsoft\Edge\NativeMessagingHosts",
    "firefox": r"Software\Mozilla\NativeMessagingHosts",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One file to write: where, what, with which mode; `registry_key` names it on Windows."""

    browser: str
    path: PurePath
    content: str
    mode: int
    registry_key: str = ""


def install_plan(platform: str, user_home: PurePath, node_home: PurePath, python: str) -> list[Planned]:
    """Return every file that makes the browsers find the host; the launcher comes first.

    `platform` is `sys.platform` (linux, darwin, win32). Raises WindrowError `bad_config` for another one.
    """
    folders = _FOLDERS.get(platform)
    if folders is None:
        raise WindrowError("bad_config", f"no browser of ours is known on {platform}")
    launcher = _launcher(platform, node_home, python)
    plan = [launcher]
    for browser, folder in folders.items():
        manifest = json.dumps(host_manifest(browser, str(launcher.path)), indent=2) + "\n"
        key = f"{_REGISTRY[browser]}\\{HOST_NAME}" if platform == "win32" else ""
        name = f"{HOST_NAME}.{browser}.json" if platform == "win32" else f"{HOST_NAME}.json"
        plan.append(Planned(browser, user_home / folder / name, manifest, 0o644, key))
    return plan


def host_manifest(browser: str, launcher: str) -> dict[str, object]:
    """Return the host manifest for one browser."""
    manifest: dict[str, object] = {
        "name": HOST_NAME,
        "description": _DESCRIPTION,
        "path": launcher,
        "type": "stdio",
    }
    if browser == "firefox":
        return {**manifest, "allowed_extensions": [FIREFOX_EXTENSION_ID]}
    return {**manifest, "allowed_origins": [CHROMIUM_ORIGIN]}


def _launcher(platform: str, node_home: PurePath, python: str) -> Planned:
    if platform == "win32":
        lines = f'@echo off\r\nset "{HOME_VARIABLE}={node_home}"\r\n"{python}" -m {PROGRAM} %*\r\n'
        return Planned("launcher", node_home / "bridge_host.bat", lines, 0o700)
    home, program = shlex.quote(str(node_home)), shlex.quote(python)
    lines = f'#!/bin/sh\n{HOME_VARIABLE}={home} exec {program} -m {PROGRAM} "$@"\n'
    return Planned("launcher", node_home / "bridge_host", lines, 0o700)


def install(plan: list[Planned]) -> list[Path]:
    """Write a plan and return the paths. Raises WindrowError `home_unwritable`."""
    written = []
    for planned in plan:
        path = Path(planned.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(planned.content, encoding="utf-8", newline="")
            path.chmod(planned.mode)
            _register(planned)
        except OSError as error:
            raise WindrowError("home_unwritable", f"{path}: {error}") from error
        written.append(path)
    return written


def uninstall(plan: list[Planned]) -> list[Path]:
    """Remove what `install` wrote and return the paths that were there."""
    removed = []
    for planned in plan:
        path = Path(planned.path)
        if path.exists():
            path.unlink()
            removed.append(path)
        _unregister(planned)
    return removed


def _register(planned: Planned) -> None:
    if planned.registry_key and sys.platform == "win32":
        import winreg

        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, planned.registry_key) as key:
            winreg.SetValueEx(key, "", 0, winreg.REG_SZ, os.fspath(planned.path))


def _unregister(planned: Planned) -> None:
    if planned.registry_key and sys.platform == "win32":
        import contextlib
        import winreg

        with contextlib.suppress(FileNotFoundError):
            winreg.DeleteKey(winreg.HKEY_CURRENT_USER, planned.registry_key)
