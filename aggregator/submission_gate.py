"""The door for submissions in a gate: everything that needs no state is done here, beside the one writer.

Whether the writer knows a node at all is asked once, before anything of it is unpacked, and remembered until the writer
refuses something of it: what a stranger sends is not even unpacked, as without gates.

Rules: it refuses what the writer would, with the same reasons; whatever it lets through, the writer decides about
members, leases, replay and quota.

Does not: sign receipts, read the log, or know where the writer is.

Usage: `gate = SubmissionGate("windrow-dev", clock, tell)`, `Route("POST", …, gate.submissions, …)`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from aggregator.prepared_batches import HandedIn, Preparer, encode_handed_in
from aggregator.request_counts import RequestCounts
from aggregator.requests import authenticate
from storage.env import Clock, Request, Response
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import GATE_NODES_KNOWN_MAX, REQUESTS_PER_MINUTE_MAX

SUBMISSIONS: Final = "/v1/submissions"
HANDED_IN: Final = 1  # kinds of what a gate says to the writer: a prepared batch,
KNOWN: Final = 2  # and a node's id
Tell = Callable[[int, bytes], Awaitable[tuple[int, bytes]]]
_OK: Final = 200


class SubmissionGate:
    """See the module's docstring."""

    def __init__(self, network: str, clock: Clock, tell: Tell) -> None:
        """Take the network's name, and what tells the writer something and returns its status and answer."""
        self.network = network
        self._clock = clock
        self._tell = tell
        self._preparer = Preparer()
        self._counts = RequestCounts(REQUESTS_PER_MINUTE_MAX)
        self._known: OrderedDict[str, None] = OrderedDict()

    def now_ms(self) -> int:
        """The time now in milliseconds since the Unix epoch."""
        return self._clock.now_ms()

    async def submissions(self, request: Request) -> Response:
        """Answer each record of a batch with its receipt or its reason."""
        caller = authenticate(self, request, "submit")
        self._counts.count(caller.node_id, self.now_ms())
        if caller.node_id not in self._known:
            status, body = await self._tell(KNOWN, caller.node_id.encode())
            if status != _OK:
                return Response(status, body)
            self._remember(caller.node_id)
        (prepared,) = self._preparer.prepare([(caller.node_id, request.body)])
        if isinstance(prepared, WindrowError):
            raise prepared
        handed = encode_handed_in(HandedIn(caller.node_id, caller.statement, prepared))
        status, body = await self._tell(HANDED_IN, handed)
        if status != _OK:
            self._known.pop(caller.node_id, None)
        return Response(status, body)

    def _remember(self, node_id: str) -> None:
        self._known[node_id] = None
        while len(self._known) > GATE_NODES_KNOWN_MAX:
            self._known.popitem(last=False)
