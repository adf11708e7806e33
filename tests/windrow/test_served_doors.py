"""What a running house serves: the doors of its description, and pages that load nothing from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from running_house import RunningHouse

from chain.keys import load_or_make_key
from windrow.chain_link import ChainLink
from windrow.home import open_home
from windrow.operations import Operations
from windrow.public_doors import PublicDoors
from windrow.settings import HouseSettings


def served(tmp_path: Path) -> set[tuple[str, str]]:
    """Return (method, path) of every route of the house's own table."""
    settings = HouseSettings(home=str(tmp_path / "home"))
    with open_home(settings) as home:
        key = load_or_make_key(tmp_path / "key")
        chain = ChainLink(settings, home.house.state, key, key)
        routes = PublicDoors(settings, home, chain, Operations(settings, home, chain)).routes()
        return {(route.method, re.sub(r"{(\w+):[^}]*}", r"{\1}", route.pattern)) for route in routes}


def test_the_api_description_lists_exactly_what_is_served(house: RunningHouse, tmp_path: Path) -> None:
    paths = house.ask("GET", "/openapi.json").json["paths"]
    listed = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert listed == served(tmp_path) - {("GET", "/openapi.json"), ("*", "/{path}")}


def test_every_listed_door_is_open(house: RunningHouse) -> None:
    paths = house.ask("GET", "/openapi.json").json["paths"]
    for path, operations in paths.items():
        for method in operations:
            answer = house.ask(method.upper(), re.sub(r"{\w+}", "x", path))
            assert answer.status < 500
            if answer.headers["Content-Type"] == "application/json" and answer.status == 404:
                assert "door" not in answer.json["detail"], (method, path)


def test_the_api_description_is_whole(house: RunningHouse) -> None:
    description = house.ask("GET", "/openapi.json").json
    assert description["openapi"].startswith("3.1.")
    schemas = description["components"]["schemas"]
    references = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(description)))
    assert references <= set(schemas)
    assert json.dumps(description).count('"$ref"') == len(
        re.findall(r'"\$ref": "#/components/schemas/\w+"', json.dumps(description))
    )
    for path, operations in description["paths"].items():
        for operation in operations.values():
            named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert {"200", "4XX", "5XX"} <= set(operation["responses"])
            assert operation["summary"]


@pytest.mark.parametrize(("path", "says"), [("/", "<h1>Windrow</h1>"), ("/market", "<h1")])
def test_the_pages_are_html_that_loads_nothing_from_elsewhere(
    house: RunningHouse, path: str, says: str
) -> None:
    answer = house.ask("GET", path)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    page = answer.body.decode()
    assert says in page
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)


def test_the_status_page_names_no_node(house: RunningHouse) -> None:
    assert "nodes" not in house.ask("GET", "/status.json").json
