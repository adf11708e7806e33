"""Figures for Prometheus: counted by door, served to the operator alone, and known to the alerts and the dashboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from running_house import HandNode, RunningHouse

MONITORING = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"
NAMES = re.compile(r"\b(?:windrow|process)_[a-z_]+")


def scraped(house: RunningHouse) -> list[Sample]:
    answer = house.ask("GET", "/metrics", to=house.metrics_url)
    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    return [
        each for family in text_string_to_metric_families(answer.body.decode()) for each in family.samples
    ]


def count(samples: list[Sample], door: str, status: int) -> float:
    wanted = {"door": door, "status": str(status)}
    return sum(
        each.value
        for each in samples
        if each.name == "windrow_requests_total" and wanted.items() <= each.labels.items()
    )


def test_answers_are_counted_by_door_and_status_and_refusals_too(house: RunningHouse) -> None:
    before = scraped(house)
    house.ask("GET", "/v1/network")
    assert HandNode(house).post("/v1/leases", "lease_request", b"{}").status == 400  # says no count
    assert house.ask("GET", "/market/datasets/none").status == 404
    after = scraped(house)
    for door, status in (("/v1/network", 200), ("/v1/leases", 400), ("/market/datasets/{dataset}", 404)):
        assert count(after, door, status) == count(before, door, status) + 1, door


def test_a_stranger_makes_no_series_and_reads_none(house: RunningHouse) -> None:
    for path in ("/metrics", "/a", "/b?c=d", "/%00"):
        assert house.ask("GET", path).status == 404
    doors = {each.labels["door"] for each in scraped(house) if "door" in each.labels}
    assert not doors & {"/metrics", "/a", "/b", "/%00"}
    assert "/{path:.*}" in doors


def test_the_state_of_the_house_is_told(house: RunningHouse) -> None:
    finished = ("windrow_stage_finished_timestamp_seconds", "pipeline")
    told: dict[tuple[str, ...], float] = {}
    until = time.monotonic() + 60
    while finished not in told:  # the first round of a house that has just begun is not over at once
        assert time.monotonic() < until, "no round ended"
        told = {(each.name, *each.labels.values()): each.value for each in scraped(house)}
    assert told[finished] > 1_700_000_000
    assert told["windrow_nodes_active", "validator"] == 0
    assert told["windrow_disk_free_bytes",] > 0
    assert told["windrow_oldest_unjudged_seconds",] >= 0


def expressions() -> Iterator[str]:
    """Yield every expression of the alerts and of the dashboard."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield (MONITORING / "alerts.yml").read_text().replace("alerts_test", "")


def test_alerts_and_dashboard_ask_for_what_there_is(house: RunningHouse) -> None:
    house.ask("GET", "/v1/network")
    samples = scraped(house)
    # A counter without a label yet has no series, and this house no gates (`test_gates.py` looks at theirs).
    there = {each.name for each in samples} | {"windrow_stage_failures_total", "windrow_gate_starts_total"}
    asked = {name for text in expressions() for name in NAMES.findall(text)}
    assert asked <= there, asked - there


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=lambda each: each[0],
)
def test_promtool_takes_the_rules_and_they_fire_when_they_should(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (it is a part of Prometheus)")
    said = subprocess.run([promtool, *arguments], cwd=MONITORING, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "SUCCESS" in said.stdout
