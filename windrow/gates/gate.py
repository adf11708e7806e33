"""One gate: accepts on the house's address, prepares what is submitted, and passes everything else on to the writer.

Rules: it opens no database and no key. While the writer is away it holds requests back for a bounded time. SIGTERM
ends it in order: it accepts no more, and what it has begun is answered.

Does not: decide anything that the writer would not. Usage: `asyncio.run(run_gate(settings, listening, ready))`.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aggregator.submission_gate import SUBMISSIONS, SubmissionGate
from contributor_node.parent_watch import stop_with_parent
from storage.env import Route
from storage.forwarded import proxies_of
from storage.frames import FrameClient
from storage.http_server import HttpNetwork, HttpServer
from storage.real_env import SystemClock
from storage.relay import Relay
from windrow.collecting import set_aside_what_stays
from windrow.gates.gate_metrics import GateMetrics
from windrow.local_sockets import batches_path, relayed_path
from windrow.open_files import open_as_many_as_allowed
from windrow.settings import HouseSettings
from windrow_protocol.limits import BATCH_WIRE_BYTES_MAX, GATE_HOLD_S_MAX

_COUNT_S: Final = 1.0


async def run_gate(
    settings: HouseSettings, name: str, listening: socket.socket, ready: Callable[[], None]
) -> None:
    """Run as the gate of that name until SIGTERM or the end of whoever started it."""
    open_as_many_as_allowed()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # a terminal's, for the keeper, which ends its gates in order
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop_with_parent(stop)
    home = Path(settings.home)
    client = FrameClient(batches_path(home), hold_s=GATE_HOLD_S_MAX)
    relay = Relay(relayed_path(home), proxies_of(settings.trusted_proxies), hold_s=GATE_HOLD_S_MAX)
    gate = SubmissionGate(settings.network, SystemClock(), client.ask)
    metrics = GateMetrics(name)
    submitted = metrics.submitted(gate.submissions)
    doors = [Route("POST", SUBMISSIONS, submitted, "Submit a batch", "submit", BATCH_WIRE_BYTES_MAX)]
    passed_on = metrics.relayed(relay.pass_on)
    server = await HttpNetwork().serve_socket(doors, listening, passed_on, ending_s=GATE_HOLD_S_MAX)
    set_aside_what_stays()
    ready()
    counting = asyncio.create_task(_count_connections(server, metrics))
    try:
        await stop.wait()
    finally:
        counting.cancel()
        await server.close()
        await client.close()
        await relay.close()


async def _count_connections(server: HttpServer, metrics: GateMetrics) -> None:
    while True:
        metrics.connected(server.connections)
        await asyncio.sleep(_COUNT_S)
