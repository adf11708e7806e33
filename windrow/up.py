"""`windrow up`: the process that writes, one devnet beside it, and the doors to both.

Rules: it is ready when it says so in one line on stdout; SIGTERM ends it in order; a kill loses nothing it
acknowledged. The stages run in threads, one at a time, so that the doors keep answering.

Does not: define doors (`public_doors`), stages or operations; it wires them. Usage: `asyncio.run(run_house(settings))`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import structlog

from aggregator.dedup import warm_up
from aggregator.roster import enrol_validators
from aggregator.verification.audits.canaries import canary_routes
from contributor_node.parent_watch import stop_with_parent
from storage.env import Server
from storage.outages import refusal_of
from windrow.chain_link import ChainLink, open_chain
from windrow.collecting import collect_all, set_aside_what_stays
from windrow.gates.gate_metrics import figures_of_gates
from windrow.home import OpenHome, open_home
from windrow.local_sockets import socket_path
from windrow.metrics import HouseMetrics
from windrow.open_files import open_as_many_as_allowed
from windrow.operations import Operations
from windrow.operator_socket import operator_routes
from windrow.ports import require_free
from windrow.public_doors import PublicDoors
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.operators import parse_validators
from windrow_protocol.urls import DEFAULT_PORTS, split_http_url

log = structlog.get_logger(__name__)
IDLE_WAIT_S = 0.5
SALES_WAIT_S = 3.0
COMPACTION_WAIT_S = 5.0
RETENTION_WAIT_S = 3_600.0
HISTORY_WAIT_S = 600.0
COLLECTION_WAIT_S = 3_600.0
FAILURE_WAIT_S = 2.0


async def run_house(
    settings: HouseSettings, *, die_with_parent: bool = False, ready: Callable[[], None] | None = None
) -> None:
    """Run the house until SIGTERM, SIGINT or, when asked, its parent's end. Raises WindrowError if it cannot start.

    With `ready` it is the writer behind gates, which calls that once it serves them, and has no address of its own.
    """
    open_as_many_as_allowed()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if die_with_parent:
        stop_with_parent(stop)
    with open_home(settings) as home:
        with home.house.state.write() as connection:
            enrol_validators(connection, parse_validators(settings.validators))
        async with open_chain(settings, home.house.state) as chain:
            if ready is None:
                await require_free(settings.host, settings.port)
            await chain.start()
            await _serve(settings, home, chain, stop, ready)


async def _serve(
    settings: HouseSettings,
    home: OpenHome,
    chain: ChainLink,
    stop: asyncio.Event,
    ready: Callable[[], None] | None,
) -> None:
    operations = Operations(settings, home, chain)
    network = home.house.env.network
    gates = partial(figures_of_gates, Path(settings.home)) if ready is not None else bytes
    metrics = HouseMetrics(operations.health, home.house.env.clock, gates)
    async with AsyncExitStack() as open_doors:
        doors = PublicDoors(settings, home, chain, operations)
        served = doors.to_gates(metrics) if ready is not None else doors.on_address(metrics)
        url = await open_doors.enter_async_context(served)
        beside = [await _serve_canaries(home, origin) for origin in settings.canary_hosts]
        if settings.metrics_port:
            beside.append(
                await network.serve(metrics.routes(), host=settings.metrics_host, port=settings.metrics_port)
            )
        local = await network.serve_local(operator_routes(operations), socket_path(Path(settings.home)))
        tasks = [
            asyncio.create_task(_repeat(metrics, "pipeline", operations.work, IDLE_WAIT_S)),
            asyncio.create_task(_repeat(metrics, "sales", operations.on_chain.sales, SALES_WAIT_S)),
            asyncio.create_task(_repeat(metrics, "compaction", operations.lake.merge, COMPACTION_WAIT_S)),
            asyncio.create_task(_repeat(metrics, "retention", operations.retention, RETENTION_WAIT_S)),
            asyncio.create_task(_repeat(metrics, "history", operations.history, HISTORY_WAIT_S)),
            asyncio.create_task(_collect_now_and_then()),
        ]
        Thread(
            target=warm_up, daemon=True
        ).start()  # before the first judgement needs it; nobody waits for its end
        set_aside_what_stays()  # collecting it again and again is an eighth of ingest's time
        print(f"windrow ready {url} network {settings.network} chain {chain.rpc_url}", flush=True)
        if ready is not None:
            ready()
        try:
            await stop.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await open_doors.aclose()
            for server in beside:
                await server.close()
            await local.close()
            socket_path(Path(settings.home)).unlink(missing_ok=True)


async def _serve_canaries(home: OpenHome, origin: str) -> Server:
    place = split_http_url(origin)
    port = int(place.port or DEFAULT_PORTS[place.scheme])
    return await home.house.env.network.serve(canary_routes(home.house, origin), host=place.host, port=port)


async def _collect_now_and_then() -> None:
    while True:
        await asyncio.sleep(COLLECTION_WAIT_S)
        collect_all()


async def _repeat(
    metrics: HouseMetrics, name: str, work: Callable[[], Coroutine[Any, Any, Any]], wait_s: float
) -> None:
    """Do a piece of work for ever; a failure is logged and tried again, because nothing is lost between rounds."""
    while True:
        done: Any = 0
        try:
            done = await work()
        except Exception as error:
            metrics.stage_failed(name)
            known = error if isinstance(error, WindrowError) else refusal_of(error)
            if known is not None:
                log.warning("stage_refused", stage=name, error=str(known))
            else:
                log.exception("stage_failed", stage=name)
            await asyncio.sleep(FAILURE_WAIT_S)
        else:
            metrics.stage_finished(name)
        await asyncio.sleep(0 if isinstance(done, int) and done else wait_s)
