"""The compose file as far as it can be judged without running it: by its specification, our settings and our image.

`compose-spec.json` is the schema of the Compose Specification (Apache-2.0, compose-spec/compose-spec, June 2026).
"""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from windrow.settings import HouseSettings

SERVER = Path(__file__).resolve().parents[2] / "deploy" / "server"
SCHEMA = Path(__file__).with_name("compose-spec.json")
NAMES = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def filled(text: str) -> str:
    """Fill variables as compose does, those without a default with a word."""
    return NAMES.sub(lambda found: found[3] if found[2] == "-" else "chosen", text)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load(filled((SERVER / "compose.yaml").read_text()))
    return told


@pytest.fixture(scope="module")
def image() -> str:
    return (SERVER / "Containerfile").read_text().split("\nFROM ")[-1]


def test_it_is_as_its_specification_says(compose: dict[str, Any]) -> None:
    judge = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    assert [error.message for error in judge.iter_errors(compose)] == []
    assert list(judge.iter_errors({**compose, "services": {"x": {"imgae": "y"}}})), "it refuses something"


def test_the_house_knows_every_setting_and_trusts_the_proxy(compose: dict[str, Any]) -> None:
    told = compose["services"]["coordinator"]["environment"]
    fields = {f"WINDROW_{field.name.upper()}" for field in msgspec.structs.fields(HouseSettings)}
    assert set(told) <= fields
    (inside,) = compose["networks"]["inside"]["ipam"]["config"]
    assert ipaddress.ip_network(told["WINDROW_TRUSTED_PROXIES"]) == ipaddress.ip_network(inside["subnet"])
    assert all(each["networks"] == ["inside"] for each in compose["services"].values())


def test_what_is_mounted_waited_for_and_built_from_is_there(compose: dict[str, Any], image: str) -> None:
    services = compose["services"]
    places = [place.split(":") for each in services.values() for place in each["volumes"]]
    for source, *_ in places:
        assert source in compose["volumes"] or (SERVER / source).is_file(), source
    assert set(compose["volumes"]) <= {source for source, *_ in places}
    for place in services["coordinator"]["volumes"]:
        assert f" {place.split(':')[1]}" in image, "a volume over a folder that the image lacks is root's"
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in services[name]
    built = services["coordinator"]["build"]
    assert (SERVER / built["context"] / built["dockerfile"]).is_file()


def test_its_commands_find_the_program_and_keep_what_they_write(compose: dict[str, Any], image: str) -> None:
    head = (SERVER / "compose.yaml").read_text().split("services:")[0]
    (target,) = re.findall(r"windrow backup (\S+)`", head)
    mounts = {place.split(":")[1] for place in compose["services"]["coordinator"]["volumes"]}
    assert str(Path(target).parent) in mounts, "else it would go with the container"
    (folder,) = re.findall(r'ENTRYPOINT \["(\S+)/windrow"\]', image)
    assert f"PATH={folder}:$PATH" in image
    assert set(re.findall(r"(\w+)=\S+", head)) >= {
        name for name, how, _ in NAMES.findall((SERVER / "compose.yaml").read_text()) if how == "?"
    }
