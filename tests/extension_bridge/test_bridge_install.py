"""The browsers find the host: manifests are right, the launcher runs, the extension's id follows from its key."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from bridge_world import frame, new_home
from real_data import ROOT

from extension_bridge.install import HOST_NAME, install, install_plan, uninstall
from extension_bridge.settings import CHROMIUM_EXTENSION_ID, CHROMIUM_ORIGIN, FIREFOX_EXTENSION_ID
from windrow_protocol.errors import WindrowError

EXTENSION = ROOT / "extension_bridge" / "webextension"
BROWSERS = {"chromium", "chrome", "brave", "edge", "firefox"}


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_every_browser_gets_its_manifest(platform: str) -> None:
    kind = PureWindowsPath if platform == "win32" else PurePosixPath
    launcher, *manifests = install_plan(
        platform, kind("/home/ana"), kind("/home/ana/a node"), "/usr/bin/python3"
    )
    assert {planned.browser for planned in manifests} == BROWSERS
    assert len({planned.path for planned in manifests}) == len(BROWSERS)
    for planned in manifests:
        manifest = json.loads(planned.content)
        assert (manifest["name"], manifest["type"]) == (HOST_NAME, "stdio")
        assert manifest["path"] == str(launcher.path)
        allowed = {"allowed_extensions": [FIREFOX_EXTENSION_ID], "allowed_origins": [CHROMIUM_ORIGIN]}
        (field,) = set(manifest) & set(allowed)
        assert manifest[field] == allowed[field]
        assert (field == "allowed_extensions") == (planned.browser == "firefox")
        assert bool(planned.registry_key) == (platform == "win32")


def test_an_unknown_platform_is_refused() -> None:
    with pytest.raises(WindrowError):
        install_plan("amiga", PurePosixPath("/"), PurePosixPath("/"), "python")


def test_what_is_installed_runs_and_is_removed_again(tmp_path: Path) -> None:
    home = new_home(tmp_path / "it's a node")
    before = sorted(tmp_path.rglob("*"))
    plan = install_plan("linux", tmp_path / "ana", home, sys.executable)
    written = install(plan)
    assert [path for path in written if not path.is_file()] == []
    launcher = next(path for path in written if path.name == "bridge_host")
    answer = subprocess.run(
        [launcher, CHROMIUM_ORIGIN],
        input=frame({"type": "hello"}),
        env={**os.environ, "PYTHONPATH": str(ROOT), "WINDROW_COORDINATOR_URL": "http://127.0.0.1:9"},
        capture_output=True,
        check=True,
        cwd=tmp_path,
    )
    assert json.loads(answer.stdout[4:])["ok"] is True, "the launcher carried the home to the host"
    (home / "bridge.db").unlink()
    assert sorted(uninstall(plan)) == sorted(written)
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.is_file()] == []
    assert uninstall(plan) == []


def test_the_extensions_id_follows_from_its_key() -> None:
    manifest = json.loads((EXTENSION / "manifest.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(base64.b64decode(manifest["key"])).hexdigest()[:32]
    assert "".join(chr(97 + int(c, 16)) for c in digest) == CHROMIUM_EXTENSION_ID
    assert manifest["browser_specific_settings"]["gecko"]["id"] == FIREFOX_EXTENSION_ID


def test_the_extension_asks_for_little_and_runs_nothing_remote() -> None:
    manifest = json.loads((EXTENSION / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["manifest_version"] == 3
    assert sorted(manifest["permissions"]) == ["activeTab", "nativeMessaging", "storage"]
    assert sorted(manifest["optional_permissions"]) == ["history", "scripting"], (
        "asked for when they are used"
    )
    assert not {"host_permissions", "content_scripts", "background", "web_accessible_resources"} & set(
        manifest
    )
    policy = manifest["content_security_policy"]["extension_pages"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "connect-src ws://127.0.0.1:8431;" in policy, (
        "the bridge's own port of this machine, and nothing else"
    )
    for path in EXTENSION.rglob("*"):
        if path.suffix in (".js", ".html", ".css"):
            source = path.read_text(encoding="utf-8")
            for forbidden in ("http:", "https:", "innerHTML", "eval(", "fetch(", "XMLHttpRequest", "style="):
                assert forbidden not in source, path.name


def test_every_string_exists_in_every_language() -> None:
    languages = {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))
        for path in EXTENSION.glob("_locales/*/messages.json")
    }
    assert set(languages) == {"en", "de"}
    names = set(languages["en"])
    for language, messages in languages.items():
        assert set(messages) == names, language
        assert all(entry["message"] for entry in messages.values())
    sources = "".join(p.read_text(encoding="utf-8") for p in EXTENSION.glob("*.*") if p.suffix != ".css")
    unused = {n for n in names if n not in sources and not n.startswith(("kind", "month", "source", "state"))}
    assert unused == set()
