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

from aggregator.submission_gate import SUBMISSIONS, SubmissionGate
from contributor_node.parent_watch import stop_with_parent
from storage.env import Route
from storage.forwarded import proxies_of
from storage.frames import FrameClient
from storage.http_server import HttpNetwork
from storage.real_env import SystemClock
from storage.relay import Relay
from windrow.collecting import set_aside_what_stays
from windrow.local_sockets import batches_path, relayed_path
from windrow.open_files import open_as_many_as_allowed
from windrow.settings import HouseSettings
from windrow_protocol.limits import BATCH_WIRE_BYTES_MAX, GATE_HOLD_S_MAX


async def run_gate(settings: HouseSettings, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Run until SIGTERM or the end of whoever started it."""
    open_as_many_as_allowed()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a terminal's, for the keeper, which ends its gates in order
    stop_with_parent(stop)
    home = Path(settings.home)
    client = FrameClient(batches_path(home), hold_s=GATE_HOLD_S_MAX)
    relay = Relay(relayed_path(home), proxies_of(settings.trusted_proxies), hold_s=GATE_HOLD_S_MAX)
    gate = SubmissionGate(settings.network, SystemClock(), client.ask)
    doors = [
        Route("POST", SUBMISSIONS, gate.submissions, "Submit a batch", "submit", BATCH_WIRE_BYTES_MAX),
    ]
    server = await HttpNetwork().serve_socket(doors, listening, relay.pass_on, ending_s=GATE_HOLD_S_MAX)
    set_aside_what_stays()
    ready()
    try:
        await stop.wait()
    finally:
        await server.close()
        await client.close()
        await relay.close()
