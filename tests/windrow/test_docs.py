"""What README and docs name really exists: commands, options, doors, reason codes, variables and files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from aggregator.openapi import describe
from chain.keys import load_or_make_key
from contributor_node.owner.settings import NodeSettings
from windrow.chain_link import ChainLink
from windrow.cli import app
from windrow.home import open_home
from windrow.operations import Operations
from windrow.public_doors import PublicDoors
from windrow.settings import HouseSettings
from windrow_protocol.errors import REASONS
from windrow_protocol.messages import Outcome

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*GUIDES, *sorted((ROOT / "docs" / "adr").glob("*.md"))]
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for room in ("windrow", "windrow_protocol", "storage", "chain", "contributor_node", "aggregator", "rewards",
                 "marketplace", "extension_bridge", "examples", "tests", "datasets", "bench")
    for pattern in ("*.py", "*.sol", "*.toml", "*.sql", "*.js")
    for path in sorted((ROOT / room).rglob(pattern))
)  # fmt: skip
PROGRAMS = {path.stem for room in ("bench", "tests") for path in (ROOT / room).rglob("*.py")}
CODE = re.compile(r"```\w*\n(.*?)```|`([^`]+)`", re.DOTALL)
DOOR = re.compile(r"\b(GET|POST|HEAD) (/[\w/{}.*:-]*)")


def code_of(page: Path) -> list[str]:
    """Return the lines of a page that are set as code."""
    found = CODE.findall(page.read_text(encoding="utf-8"))
    return [line for block, span in found for line in (block or span.replace("\n", " ")).splitlines()]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """(method, path) of every door of the house, with `{}` for each parameter."""
    folder = tmp_path_factory.mktemp("doors")
    settings = HouseSettings(home=str(folder / "home"))
    with open_home(settings) as home:
        key = load_or_make_key(folder / "key")
        chain = ChainLink(settings, home.house.state, key, key)
        routes = PublicDoors(settings, home, chain, Operations(settings, home, chain)).routes()
    paths = describe([route for route in routes if route.method != "*"])["paths"]
    return {(method.upper(), anonymous(path)) for path, methods in paths.items() for method in methods}


def anonymous(path: str) -> str:
    return re.sub(r"{[^}]*}", "{}", path)


# --- what is named exists ----------------------------------------------------------------------------------


def unknown_commands(lines: list[str]) -> list[str]:
    """Return the `windrow …` commands and their options that do not exist."""
    root: Any = typer.main.get_command(app)
    unknown = []
    for line in lines:
        for said in re.findall(r"(?:^|[\s/])windrow ((?:[a-z-]+ ?)+(?:[^#]*))", line):
            command, words = root, said.split()
            while words and hasattr(command, "commands"):
                step = command.commands.get(words.pop(0))
                if step is None:
                    unknown.append(f"windrow {said}")
                    break
                command = step
            else:
                known = {
                    option for param in command.params for option in (*param.opts, *param.secondary_opts)
                }
                known |= {"--" + field.replace("_", "-") for field in NodeSettings.__struct_fields__}
                options = set(re.findall(r"(?<=\s)--[a-z-]+", said)) - known - {"--help"}
                unknown += [f"windrow {said}: {option}" for option in options]
    return unknown


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_named_exists(page: Path) -> None:
    assert unknown_commands(code_of(page)) == []


def test_the_commands_check_can_fail() -> None:
    assert unknown_commands(["windrow harvest", "windrow epoch open", "windrow verify x --fast"]) == [
        "windrow harvest",
        "windrow epoch open",
        "windrow verify x --fast: --fast",
    ]


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_every_make_target_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for line in code_of(page) for target in re.findall(r"^make (\w+)", line)}
    assert named <= targets


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_every_door_named_exists(page: Path, doors: set[tuple[str, str]]) -> None:
    named = {(method, anonymous(path)) for method, path in DOOR.findall("\n".join(code_of(page)))}
    assert named - doors == set()


@pytest.mark.parametrize("page", [page for page in GUIDES if page.name != "sql.md"], ids=name)
def test_every_name_in_code_stands_in_the_source(page: Path) -> None:
    """Reason codes, fields, tables, functions: a word with an underscore is a name somewhere in the source.

    docs/sql.md names columns of its own questions and functions of the dialect; its views have tests of their own.
    """
    named = {word for line in code_of(page) for word in re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", line)}
    assert {word for word in named - PROGRAMS if not re.search(rf"\b{word}\b", SOURCES)} == set()


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_every_variable_named_is_a_setting(page: Path) -> None:
    fields = {
        *(f"WINDROW_{field.name.upper()}" for field in msgspec.structs.fields(HouseSettings)),
        *(f"WINDROW_NODE_{field.name.upper()}" for field in msgspec.structs.fields(NodeSettings)),
    }
    named = set(re.findall(r"\bWINDROW_[A-Z_]+\b", page.read_text(encoding="utf-8")))
    assert {variable for variable in named - fields if variable not in SOURCES} == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_linked_or_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = {link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link}
    assert {link for link in linked if not (page.parent / link).exists()} == set()
    rooms = "windrow|windrow_protocol|storage|chain|contributor_node|aggregator|rewards|marketplace|extension_bridge"
    named = {
        path
        for line in code_of(page)
        for path in re.findall(rf"(?<![\w/.])(?:{rooms}|docs|examples|tests|tools)/[\w/.-]+\.\w+", line)
    }
    assert {path for path in named if not (ROOT / path).exists()} == set()


# --- what exists is named -----------------------------------------------------------------------------------


def test_every_door_is_documented(doors: set[tuple[str, str]]) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in GUIDES)
    assert doors - {(method, anonymous(path)) for method, path in DOOR.findall(text)} == set()


def test_every_outcome_is_documented() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert {outcome.value for outcome in Outcome if f"`{outcome.value}`" not in protocol} == set()


def test_every_remedy_names_commands_that_exist() -> None:
    assert (
        unknown_commands(
            [code for reason in REASONS.values() for code in re.findall(r"`([^`]+)`", reason.remedy)]
        )
        == []
    )
