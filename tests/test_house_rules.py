"""The house keeps its rules: names, sizes, rooms and what is shipped."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = [
    "windrow",
    "windrow_protocol",
    "storage",
    "chain",
    "contributor_node",
    "aggregator",
    "rewards",
    "marketplace",
    "extension_bridge",
]
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
FORBIDDEN_NAMES = re.compile(r"(^|_)(utils?|common|helpers?|core|manager|base|v2)$")


def test_there_are_modules_to_check() -> None:
    assert len(MODULES) > 40


def test_datasets_holds_recipes_only() -> None:
    assert list((ROOT / "datasets").rglob("*.py")) == []  # the name is HuggingFace's


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_named_and_sized_as_agreed(path: Path) -> None:
    assert not FORBIDDEN_NAMES.search(path.stem), "the name says nothing"
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 400, "the house asks for about 300 lines"
    tree = ast.parse(source)
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 70, f"{node.name} is {length} lines: two ideas"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_things_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert bare == []


def test_server_rooms_reach_the_clock_only_through_the_port() -> None:
    """`time`, `random` and `secrets` would escape a seeded simulation."""
    adapters = {"real_env.py", "http_server.py", "child.py", "rest.py", "ray_runner.py"}
    offenders = []
    for room in ("storage", "aggregator", "rewards", "marketplace"):
        for path in (ROOT / room).rglob("*.py"):
            imported = {
                alias.name.split(".")[0]
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Import)
                for alias in node.names
            }
            if imported & {"time", "random", "secrets"} and path.name not in adapters:
                offenders.append(str(path.relative_to(ROOT)))
    assert offenders == []


def test_no_registry_host_and_no_large_file_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    hosts = re.compile(rb"py[p]i\.org|python[h]osted|np[m]js\.(org|com)|registry\.ya[r]npkg")
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if path.is_file():
            data = path.read_bytes()
            assert len(data) < 1_000_000, f"{name} is data: it belongs outside"
            assert not hosts.search(data), f"{name} names a package registry's host"
