"""What a house tells Prometheus: requests by door, rounds of its stages, how far its logs are worked off.

Rules: few series, none for a node, a host or a person. What is counted in the tables is kept for a while
(`KeptAnswer`), so that scraping costs no more on large tables. It tells what nodes may not hear before an audit epoch
is over (what is under way, say), so it is served on an address of the operator's own, never on the public one.

Does not: hold figures of the past (Prometheus does), or judge them (`deploy/monitoring/alerts.yml` does).

Usage::

    metrics = HouseMetrics(operations.health, env.clock)
    routes = metrics.counted(routes)
    await network.serve(metrics.routes(), host="127.0.0.1", port=9464)

Source: Prometheus' text format 0.0.4 and its naming practices.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from storage.env import Clock, Handler, Request, Response, Route
from windrow.health import HouseHealth
from windrow.kept_answer import KeptAnswer
from windrow_protocol.errors import WindrowError

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # 0.25 is what p99 is held to


class HouseMetrics:
    """See the module's docstring."""

    def __init__(
        self,
        health: Callable[[], Awaitable[HouseHealth]],
        clock: Clock,
        more: Callable[[], bytes] = bytes,
    ) -> None:
        """Take what counts the house's tables, and what returns further figures in the same format."""
        self._clock, self._more = clock, more
        self._health = KeptAnswer(clock, health)
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self._requests = Counter(
            "windrow_requests", "Requests answered", ("method", "door", "status"), registry=registry
        )
        self._seconds = Histogram(
            "windrow_request_seconds", "Time to an answer", ("door",), buckets=SECONDS, registry=registry
        )
        self._failures = Counter(
            "windrow_stage_failures", "Rounds of a stage that failed", ("stage",), registry=registry
        )
        self._finished = Gauge(
            "windrow_stage_finished_timestamp_seconds",
            "End of its last good round",
            ("stage",),
            registry=registry,
        )
        self._under_way = Gauge("windrow_under_way", "What is not finished", ("what",), registry=registry)
        self._nodes = Gauge(
            "windrow_nodes_active", "Nodes heard of in ten minutes", ("role",), registry=registry
        )
        self._gauges = {
            "log_seq": Gauge("windrow_log_seq", "Number of the newest contribution", registry=registry),
            "judged_seq": Gauge("windrow_judged_seq", "Judged up to this number", registry=registry),
            "unjudged_s": Gauge(
                "windrow_oldest_unjudged_seconds", "Wait of the next to judge", registry=registry
            ),
            "epoch_s": Gauge(
                "windrow_audit_epoch_seconds", "Age of the oldest epoch not closed", registry=registry
            ),
            "sales": Gauge("windrow_sales", "Sales settled, of all times", registry=registry),
            "disk_free_bytes": Gauge("windrow_disk_free_bytes", "Room left for the home", registry=registry),
        }

    def counted(self, routes: Sequence[Route]) -> list[Route]:
        """Return doors that count their answers and the time these took."""
        return [replace(route, handle=self._counted(route)) for route in routes]

    def _counted(self, route: Route) -> Handler:
        seconds = self._seconds.labels(route.pattern)
        by_status = {200: self._requests.labels(route.method, route.pattern, "200")}

        def note(status: int, began: float) -> None:
            counter = by_status.get(status)
            if counter is None:
                counter = by_status[status] = self._requests.labels(route.method, route.pattern, str(status))
            counter.inc()
            seconds.observe(time.perf_counter() - began)

        async def handle(request: Request) -> Response:
            began = time.perf_counter()
            try:
                answer = await route.handle(request)
            except WindrowError as error:
                note(error.reason.http_status, began)
                raise
            except Exception:
                note(500, began)
                raise
            note(answer.status, began)
            return answer

        return handle

    def stage_finished(self, stage: str) -> None:
        """Note that a round of a stage went well."""
        self._finished.labels(stage).set(self._clock.now_ms() / 1000)

    def stage_failed(self, stage: str) -> None:
        """Note that a round of a stage failed; it is tried again."""
        self._failures.labels(stage).inc()

    def routes(self) -> list[Route]:
        """Return GET /metrics."""
        return [Route("GET", "/metrics", self._answer, "Figures for Prometheus")]

    async def _answer(self, _request: Request) -> Response:
        health = await self._health()
        for name, gauge in self._gauges.items():
            gauge.set(getattr(health, name))
        for what, number in health.under_way.items():
            self._under_way.labels(what).set(number)
        for role, number in health.nodes_active.items():
            self._nodes.labels(role).set(number)
        figures = generate_latest(self._registry) + self._more()
        return Response(body=figures, content_type=CONTENT_TYPE_LATEST)
