"""The wheel holds all that an installed Windrow needs, and nothing that would get in somebody's way."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    *("windrow", "windrow_protocol", "storage", "chain", "contributor_node"),
    *("aggregator", "rewards", "marketplace", "extension_bridge"),
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """A wheel built from this checkout by the build backend itself."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("the build backend hatchling is not installed")
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    [path] = folder.glob("windrow-*-py3-none-any.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def tracked(*folders: str) -> set[str]:
    """Return the files of some folders that are in the repository and in the checkout."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--", *folders], cwd=ROOT, check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return {name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()}


def test_every_file_of_every_room_is_in_it(wheel: zipfile.ZipFile) -> None:
    assert tracked(*ROOMS) - set(wheel.namelist()) == set()


def test_recipes_and_examples_are_shipped_as_they_are(wheel: zipfile.ZipFile) -> None:
    files = tracked("datasets", "examples")
    assert {"datasets/web_text/recipe.toml", "examples/cheat_node.py", "examples/bare_node.py"} <= files
    for name in files:
        assert wheel.read(f"windrow/shipped/{name}") == (ROOT / name).read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "chain/contracts/WindToken.sol",
        "chain/contracts/RewardDistributor.sol",
        "chain/contracts/DatasetMarket.sol",
        "chain/artifacts/WindToken.json",
        "chain/artifacts/RewardDistributor.json",
        "chain/artifacts/DatasetMarket.json",
        "marketplace/pages/market.html",
        "marketplace/pages/dataset.html",
        "marketplace/pages/market.css",
        "extension_bridge/webextension/manifest.json",
        "extension_bridge/webextension/popup.html",
        "extension_bridge/webextension/icons/128.png",
        "windrow/demo_site/articles/guide-intro.txt",
        "windrow/shipped/datasets/web_text/build.sql",
        *(f"{room}/py.typed" for room in ROOMS),
    ],
)
def test_what_is_no_python_is_in_it_too(wheel: zipfile.ZipFile, name: str) -> None:
    assert wheel.read(name) == (ROOT / name.removeprefix("windrow/shipped/")).read_bytes()


def test_nothing_else_is_in_it(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(ROOMS)
    assert [name for name in wheel.namelist() if "__pycache__" in name or "node_modules" in name] == []


def test_it_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(info).decode())
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra", [])) == {
        "node",
        "browser",
        "server",
        "agents",
        "cluster",
        "tables",
        "pkcs11",
        "postgresql",
        "dev",
        "fuzz",
    }
    assert wheel.read(info.replace("METADATA", "licenses/LICENSE")) == (ROOT / "LICENSE").read_bytes()
    entry = wheel.read(info.replace("METADATA", "entry_points.txt")).decode()
    assert "windrow = windrow.cli:main" in entry
