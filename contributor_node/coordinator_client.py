"""The node's side of the coordinator's doors: signs each request, checks each answer's signature.

Rules: a node does nothing that its pinned coordinator did not sign; a lease that is forged, another node's or
expired is dropped and said. Lost connections and 5xx/429 are tried again with a new nonce; refusals never are.

Does not: fetch pages, keep results, or follow redirects.

Usage: `leases = await client.leases(20, ["http"])`.

Source: docs/protocol.md.
"""

from __future__ import annotations

import asyncio
import http.client
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contributor_node.identity import Pin
from contributor_node.line_log import LineLog
from windrow_protocol.errors import REASONS, WindrowError
from windrow_protocol.limits import (
    COORDINATOR_ANSWER_BYTES_MAX,
    COORDINATOR_TIMEOUT_S,
    COORDINATOR_TRIES_MAX,
)
from windrow_protocol.messages import Lease, LeaseRequest, Registration, Submission, encode_batch
from windrow_protocol.signing import SIGNATURE_HEADER, Statement, public_id, sign_request, verify

log = structlog.get_logger(__name__)
_RETRY = frozenset({429, 500, 502, 503, 504})
WAIT_S_MAX = 30.0


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
    ) -> None:
        self._url = urlsplit(coordinator)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise WindrowError("bad_config", f"`coordinator` is {coordinator!r}, not an http address")
        self._key = key
        self._line_log = line_log
        self._now_ms = now_ms
        self._source = (source_address, 0) if source_address else None
        self.node_id = public_id(key)
        self.pin: Pin | None = None

    async def network(self) -> dict[str, Any]:
        """Return what the coordinator says of itself; unsigned, to be pinned."""
        return dict(await self._ask("GET", "/v1/network", "", b""))

    async def register(self, payout_address: str, agent: str, region: str) -> dict[str, Any]:
        """Register under a payout address and return the node's role."""
        wish = Registration(payout_address=payout_address, agent=agent, region=region)
        return dict(await self._ask("POST", "/v1/nodes", "register", msgspec.json.encode(wish)))

    async def leases(self, count: int, renders: Sequence[Literal["http", "browser"]]) -> list[Lease]:
        """Return verified leases, perhaps none."""
        wish = LeaseRequest(count=count, render=list(renders))
        answer = await self._ask("POST", "/v1/leases", "lease_request", msgspec.json.encode(wish))
        opened = (self._open_lease(token) for token in answer["leases"][:count])
        return [lease for lease in opened if lease is not None]

    async def submit(self, records: Sequence[Submission]) -> list[dict[str, Any]]:
        """Submit a batch and return the answer to each record, receipts not yet checked."""
        answer = await self._ask("POST", "/v1/submissions", "submit", encode_batch(records))
        return list(answer["results"])

    def check(self, token: str, purpose: str) -> Statement:
        """Return a statement the coordinator signed for this node. Raises WindrowError as `verify` does."""
        if self.pin is None:
            raise WindrowError("lease_forged", "no coordinator is pinned yet")
        return verify(
            token,
            signer=self.pin.coordinator_id,
            network=self.pin.network,
            purpose=purpose,
            subject=self.node_id,
            now_ms=self._now_ms(),
        )

    def _open_lease(self, token: str) -> Lease | None:
        try:
            return msgspec.convert(self.check(token, "lease").content, Lease)
        except (WindrowError, msgspec.ValidationError) as error:
            log.error("lease_refused", reason="lease_forged", detail=str(error))
            return None

    async def _ask(self, method: str, path: str, purpose: str, body: bytes) -> Any:
        wait_s = 0.5
        for attempt in range(1, COORDINATOR_TRIES_MAX + 1):
            last = attempt == COORDINATOR_TRIES_MAX
            try:
                status, retry_after_s, answer = await asyncio.to_thread(
                    self._send, method, path, purpose, body
                )
            except (OSError, http.client.HTTPException) as error:
                if last:
                    raise WindrowError("not_running", f"{self._url.geturl()}: {error}") from error
                retry_after_s = 0.0
            else:
                if status == 200:
                    return answer
                if last or status not in _RETRY:
                    raise _refusal(status, answer)
            await asyncio.sleep(min(max(wait_s, retry_after_s), WAIT_S_MAX))
            wait_s *= 2
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, purpose: str, body: bytes) -> tuple[int, float, Any]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if purpose:
            headers[SIGNATURE_HEADER] = self._sign(purpose, body)
        request_id = self._line_log.sent(
            url=f"{self._url.scheme}://{self._url.netloc}{path}",
            purpose="coordinator",
            client="node",
            method=method,
        )
        status, received, error = 0, b"", "connection failed"
        try:
            connection = self._connect()
            try:
                connection.request(method, self._url.path.rstrip("/") + path, body or None, headers)
                response = connection.getresponse()
                received = response.read(COORDINATOR_ANSWER_BYTES_MAX + 1)
                status, error = response.status, ""
            finally:
                connection.close()
        finally:
            self._line_log.done(
                request_id, status=status, bytes_up=len(body), bytes_down=len(received), error=error
            )
        if len(received) > COORDINATOR_ANSWER_BYTES_MAX:
            raise WindrowError("too_large", f"the coordinator's answer to {path}")
        return status, _seconds(response.getheader("Retry-After")), _decode(received)

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        assert self._url.hostname is not None
        return kind(
            self._url.hostname, self._url.port, timeout=COORDINATOR_TIMEOUT_S, source_address=self._source
        )

    def _sign(self, purpose: str, body: bytes) -> str:
        if self.pin is None:
            raise WindrowError("lease_forged", "no coordinator is pinned yet")
        return sign_request(
            self._key,
            network=self.pin.network,
            purpose=purpose,
            body=body,
            nonce=secrets.token_hex(16),
            now_ms=self._now_ms(),
        )


def _seconds(value: str | None) -> float:
    return float(value) if value and value.isdecimal() else 0.0


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def _refusal(status: int, answer: Any) -> WindrowError:
    code = answer.get("error") if isinstance(answer, dict) else None
    if code in REASONS:
        return WindrowError(code, str(answer.get("detail", ""))[:500])
    return WindrowError("not_running", f"the coordinator answered {status}")
