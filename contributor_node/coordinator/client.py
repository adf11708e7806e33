"""The node's side of the coordinator's doors: signs each request, checks each answer's shape and signature.

Rules: a node does nothing that its pinned coordinator did not sign; a lease that is forged, another node's or
expired is dropped and said, and none may ask for more than the protocol's bounds. Lost connections and 5xx/429 are
tried again with a new nonce; refusals never are. Every request stands in the line log first and counts as traffic.

Does not: fetch pages, keep results, or follow redirects.

Usage: `offer = await client.leases(20, ["http"])`.

Source: docs/protocol.md.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contributor_node.coordinator.connection import Answer, Coordinate, exchange
from contributor_node.egress.line_log import LineLog
from contributor_node.identity import Pin
from contributor_node.stopping import in_own_thread
from windrow_protocol import limits
from windrow_protocol.errors import REASONS, WindrowError
from windrow_protocol.limits import COORDINATOR_TRIES_MAX
from windrow_protocol.messages import (
    Hex64,
    Lease,
    LeaseRequest,
    Receipt,
    Registration,
    Submission,
    encode_batch,
)
from windrow_protocol.signing import SIGNATURE_HEADER, public_id, sign_request, verify
from windrow_protocol.user_agent import PublishersUrl

log = logging.getLogger(__name__)
T = TypeVar("T")
Reasons = Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=8)]
_RETRY = frozenset({429, 500, 502, 503, 504})
WAIT_S_MAX = 30.0


class NetworkFacts(msgspec.Struct, frozen=True):
    """What a coordinator says of itself in GET /v1/network; unsigned."""

    network: str
    coordinator_id: Hex64
    node_version: str = ""  # the newest release, where the coordinator says
    publishers_url: PublishersUrl = ""  # the page that all nodes of the network name to sites


class Registered(msgspec.Struct, frozen=True):
    """What a registration was answered with; `position` is the place in the queue while the state is `queued`."""

    role: str
    payout_address: str = ""
    state: str = "active"
    position: int = 0


class RecordAnswer(msgspec.Struct, frozen=True):
    """What one record of a batch was answered with: a receipt, not yet checked, or the code of a reason."""

    ok: bool
    receipt: str = ""
    error: str = ""
    detail: str = ""


class LeasesAnswer(msgspec.Struct, frozen=True):
    """Leases as they came, unchecked, the node's state and place in the queue, and until when hosts are paused.

    `standing` is why it has none, empty when it has, None when nobody looked. `paused` is by the
    coordinator's clock, hosts named as `egress_grants.pace_key` does. `offer` is what the next request names, so that
    it is known that this answer arrived. `again_s` is how long to wait before asking again, at least.
    """

    leases: list[str]
    server_time_ms: int = 0
    state: str = "active"
    position: int = 0
    paused: dict[str, int] = {}
    standing: Reasons | None = None
    offer: Annotated[str, msgspec.Meta(max_length=limits.OFFER_CHARS_MAX)] = ""
    again_s: Annotated[int, msgspec.Meta(ge=0, le=limits.ASK_AGAIN_S_MAX)] = 0


class Offer(NamedTuple):
    """Verified leases, perhaps none, and what was said beside them; pauses in ms, the next request in s from now."""

    leases: list[Lease]
    state: str
    position: int
    pauses_ms: dict[str, int]
    lacks: list[str] | None
    again_s: int = 0


class _Results(msgspec.Struct, frozen=True):
    results: list[RecordAnswer]


class _Ask(NamedTuple):
    method: Literal["GET", "POST"]
    path: str
    purpose: str = ""
    body: bytes = b""


class CoordinatorClient:
    """One node's conversation with one coordinator."""

    def __init__(
        self,
        coordinator: str,
        key: Ed25519PrivateKey,
        line_log: LineLog,
        now_ms: Callable[[], int],
        *,
        source_address: str = "",
        count: Callable[[int], None] = lambda bytes_n: None,
    ) -> None:
        """Make a client. `count` hears of the bytes of each exchange. Raises WindrowError `bad_config`."""
        url = urlsplit(coordinator)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise WindrowError("bad_config", f"`coordinator` is {coordinator!r}, not an http address")
        self._place = Coordinate(url.scheme, url.hostname, url.port, url.path.rstrip("/"), source_address)
        self._key = key
        self._line_log = line_log
        self._now_ms = now_ms
        self._count = count
        self.node_id = public_id(key)
        self.pin: Pin | None = None
        self._heard = ""

    async def network(self) -> NetworkFacts:
        """Return what the coordinator says of itself, to be pinned."""
        return await self._ask(_Ask("GET", "/v1/network"), NetworkFacts)

    async def register(self, payout_address: str, agent: str, region: str) -> Registered:
        """Register under a payout address and return the node's role."""
        wish = Registration(payout_address=payout_address, agent=agent, region=region)
        return await self._ask(_Ask("POST", "/v1/nodes", "register", msgspec.json.encode(wish)), Registered)

    async def leases(self, count: int, renders: Sequence[Literal["http", "browser"]]) -> Offer:
        """Return verified leases, perhaps none."""
        wish = LeaseRequest(count=count, render=list(renders), heard=self._heard)
        ask = _Ask("POST", "/v1/leases", "lease_request", msgspec.json.encode(wish))
        answer = await self._ask(ask, LeasesAnswer)
        self._heard = answer.offer or self._heard
        opened = (self._open_lease(token) for token in answer.leases[:count])
        known = {lease.lease_id: lease for lease in opened if lease is not None}
        pauses_ms = {host: until_ms - answer.server_time_ms for host, until_ms in answer.paused.items()}
        return Offer(
            list(known.values()), answer.state, answer.position, pauses_ms, answer.standing, answer.again_s
        )

    async def submit(self, records: Sequence[Submission]) -> list[RecordAnswer]:
        """Submit a batch and return the answer to each record, receipts not yet checked."""
        ask = _Ask("POST", "/v1/submissions", "submit", encode_batch(records))
        answer = await self._ask(ask, _Results)
        if len(answer.results) != len(records):
            raise WindrowError(
                "bad_coordinator_answer", f"{len(answer.results)} answers to {len(records)} records"
            )
        return answer.results

    async def ask(self, path: str, purpose: str, message: msgspec.Struct, kind: type[T]) -> T:
        """Send one signed message to a door and return its answer. Raises WindrowError as `_ask` does."""
        return await self._ask(_Ask("POST", path, purpose, msgspec.json.encode(message)), kind)

    async def fetch(self, path: str, kind: type[T]) -> T:
        """Return what an open door answers, unsigned. Raises WindrowError as `_ask` does."""
        return await self._ask(_Ask("GET", path), kind)

    def open_receipt(self, token: str, lease_id: str, content_sha256: str) -> Receipt:
        """Return a receipt that the coordinator signed for this node, this lease and this text.

        Raises WindrowError `bad_signature` or what `verify` raises.
        """
        receipt = self.open_statement(token, "receipt", Receipt)
        if (receipt.lease_id, receipt.content_sha256) != (lease_id, content_sha256):
            raise WindrowError("bad_signature", f"the receipt for {lease_id} is for something else")
        return receipt

    def _open_lease(self, token: str) -> Lease | None:
        """Return a lease within our own bounds, or None when it is not a valid lease for this node."""
        try:
            lease = self.open_statement(token, "lease", Lease)
            if lease.node_id != self.node_id:
                raise WindrowError("not_your_lease", lease.lease_id)
            if lease.expires_at_ms <= self._now_ms():
                raise WindrowError("lease_expired", lease.lease_id)
            self._line_log.leased(lease.lease_id, token)
        except WindrowError as error:
            if error.code == "line_log_unwritable":
                raise
            log.error("lease refused", extra={"reason": error.code, "detail": error.detail})
            return None
        wait_ms = max(0, lease.not_before_ms - lease.issued_at_ms)
        return msgspec.structs.replace(
            lease,
            not_before_ms=self._now_ms() + wait_ms if wait_ms else 0,  # by this machine's clock
            body_bytes_max=min(lease.body_bytes_max, limits.FETCH_BODY_BYTES_MAX),
            decoded_bytes_max=min(lease.decoded_bytes_max, limits.FETCH_DECODED_BYTES_MAX),
            time_s_max=min(lease.time_s_max, limits.FETCH_TIME_S_MAX),
            redirects_max=min(lease.redirects_max, limits.FETCH_REDIRECTS_MAX),
        )

    def open_statement(self, token: str, purpose: str, kind: type[T]) -> T:
        """Return what the pinned coordinator signed about this node. Raises WindrowError as `verify` does."""
        pin = self._pinned()
        signer, network = pin.coordinator_id, pin.network
        statement = verify(
            token,
            signer=signer,
            network=network,
            purpose=purpose,
            subject=self.node_id,
            now_ms=self._now_ms(),
        )
        try:
            return msgspec.convert(statement.content, kind)
        except msgspec.ValidationError as error:
            raise WindrowError("wrong_schema", f"a {purpose}: {error}") from error

    def _pinned(self) -> Pin:
        if self.pin is None:
            raise WindrowError("lease_forged", "no coordinator is pinned yet")
        return self.pin

    async def _ask(self, ask: _Ask, kind: type[T]) -> T:
        """Send until answered and return the answer. Raises WindrowError: the refusal, or `not_running`."""
        wait_s = 0.5
        for tries_left in range(COORDINATOR_TRIES_MAX - 1, -1, -1):
            try:
                answer = await self._exchange(ask)
            except (OSError, http.client.HTTPException) as error:
                if not tries_left:
                    raise WindrowError("not_running", f"{self._place}: {error}") from error
                retry_after_s = 0.0
            else:
                if answer.status == 200:
                    return _decode(answer.body, kind, ask.path)
                if not tries_left or answer.status not in _RETRY:
                    raise _refusal(answer)
                retry_after_s = answer.retry_after_s
            await asyncio.sleep(min(max(wait_s, retry_after_s), WAIT_S_MAX))
            wait_s *= 2
        raise AssertionError("unreachable")

    async def _exchange(self, ask: _Ask) -> Answer:
        """Send one request, newly signed, between its two rows of the line log."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if ask.purpose:
            headers[SIGNATURE_HEADER] = self._sign(ask)
        request_id = self._line_log.sent(
            url=f"{self._place}{ask.path}", purpose="coordinator", client="node", method=ask.method
        )
        answer, error = Answer(), "connection failed"
        try:
            place, method, path, body = self._place, ask.method, ask.path, ask.body
            answer = await in_own_thread(lambda: exchange(place, method, path, body, headers))
            error = ""
        finally:
            self._count(answer.bytes_up + answer.bytes_down)
            self._line_log.done(request_id, error=error, **answer.row())
        return answer

    def _sign(self, ask: _Ask) -> str:
        return sign_request(
            self._key,
            network=self._pinned().network,
            purpose=ask.purpose,
            body=ask.body,
            nonce=secrets.token_hex(16),
            now_ms=self._now_ms(),
        )


def _decode(body: bytes, kind: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WindrowError("bad_coordinator_answer", f"{path}: {error}") from error


def _refusal(answer: Answer) -> WindrowError:
    try:
        said: Any = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        said = None
    code = said.get("error") if isinstance(said, dict) else None
    if isinstance(code, str) and code in REASONS:
        return WindrowError(code, str(said.get("detail", ""))[:500])
    return WindrowError("not_running", f"the coordinator answered {answer.status}")
