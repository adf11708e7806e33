"""A client of the public protocol: what a node says to a coordinator, and how it fetches a page, without the node.

Rules: it knows docs/protocol.md and nothing else of the aggregator; requests come from its own address of loopback;
pages are read with the node's own extraction, so that an honest client here is an honest node's equal. Fetches are
counted: they are the cost of honest work.

Does not: decide what to answer (see `strategies`).

Usage::

    async with Client(coordinator, "127.1.1.1", now_ms) as client:
        await client.register()
        leases = await client.leases(20)
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

import aiohttp
import msgspec
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account

from contributor_node.extraction.main_text import extract
from windrow_protocol.content import normalise_text, text_sha256
from windrow_protocol.messages import (
    Contribution,
    DisclosureRequest,
    Lease,
    LeaseRequest,
    Outcome,
    Registration,
    Report,
    Submission,
    contribution_id_for,
    encode_batch,
)
from windrow_protocol.signing import SIGNATURE_HEADER, public_id, sign_request, verify

_LINK = re.compile(r'<a href="([^"]{1,400})"')
_OUTCOMES = {404: Outcome.NOT_FOUND, 403: Outcome.BLOCKED, 429: Outcome.BLOCKED}


@dataclass(frozen=True)
class Page:
    """What one fetch of a page gave."""

    status: int
    text: str = ""
    title: str = ""
    raw_sha256: str = hashlib.sha256(b"").hexdigest()
    retry_after_ms: int = 0

    @property
    def outcome(self) -> Outcome:
        """What an honest node reports."""
        if self.status == 200:
            return Outcome.FETCHED if self.text else Outcome.NOT_FOUND
        return _OUTCOMES.get(self.status, Outcome.SERVER_ERROR)


class Client:
    """One identity at one address."""

    def __init__(self, coordinator: str, address: str, now_ms: Callable[[], int], network: str) -> None:
        self._coordinator = coordinator
        self._now_ms = now_ms
        self.network = network
        self.key = Ed25519PrivateKey.generate()
        self._session: aiohttp.ClientSession | None = None
        self.address = address
        self.node_id = public_id(self.key)
        self.payout = str(Account.create().address)
        self.coordinator_id = ""
        self.fetches = 0
        self.hears = True  # says which offer of leases it got
        self._heard = ""
        self.refusals: Counter[str] = Counter()
        self._receipts: set[str] = set()

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(local_addr=(self.address, 0), limit=8)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open_session().close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use `async with`")
        return self._session

    async def ask(self, path: str, purpose: str, message: msgspec.Struct | bytes) -> tuple[int, Any]:
        """POST a signed message and return status and answer."""
        body = message if isinstance(message, bytes) else msgspec.json.encode(message)
        return await self.post(path, body, self._sign(purpose, body))

    def _sign(self, purpose: str, body: bytes) -> str:
        return sign_request(
            self.key,
            network=self.network,
            purpose=purpose,
            body=body,
            now_ms=self._now_ms(),
            nonce=secrets.token_hex(16),
        )

    def move_to(self, coordinator: str) -> None:
        """Speak to this coordinator from now on."""
        self._coordinator = coordinator

    async def post(self, path: str, body: bytes, token: str) -> tuple[int, Any]:
        """POST exactly these bytes with that signature."""
        url, headers = self._coordinator + path, {SIGNATURE_HEADER: token}
        async with self._open_session().post(url, data=body, headers=headers) as answer:
            return answer.status, json.loads(await answer.read())

    async def get(self, path: str) -> tuple[int, Any]:
        """GET a public door."""
        async with self._open_session().get(self._coordinator + path) as answer:
            return answer.status, json.loads(await answer.read())

    async def register(self) -> dict[str, Any]:
        """Register and return the answer, whatever it is."""
        _, facts = await self.get("/v1/network")
        self.coordinator_id = facts["coordinator_id"]
        _, answer = await self.ask("/v1/nodes", "register", Registration(payout_address=self.payout))
        return dict(answer)

    async def leases(self, count: int) -> list[Lease]:
        """Return leases whose signature was checked, perhaps none."""
        wish = LeaseRequest(count=count, heard=self._heard)
        status, answer = await self.ask("/v1/leases", "lease_request", wish)
        if status != 200:
            self.refusals[answer["error"]] += 1
            return []
        if self.hears:
            self._heard = answer["offer"] or self._heard
        return [msgspec.convert(self._read("lease", token), Lease) for token in answer["leases"]]

    async def verdicts(self) -> list[dict[str, Any]]:
        """Return every verdict that was disclosed so far."""
        found: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            _, answer = await self.ask("/v1/disclosures", "disclosures", DisclosureRequest(after=after))
            found += [self._read("verdict", token) for token in answer["verdicts"]]
            after = answer["next"] if answer["verdicts"] else None
        return found

    def _read(self, purpose: str, token: str) -> dict[str, Any]:
        """Return what the coordinator signed for this node."""
        statement = verify(
            token,
            network=self.network,
            purpose=purpose,
            signer=self.coordinator_id,
            subject=self.node_id,
            now_ms=self._now_ms(),
        )
        return dict(statement.content or {})

    async def submit(self, records: Sequence[Submission]) -> None:
        """Submit records."""
        await self._submit_body(encode_batch(records))

    async def submit_lines(self, lines: Sequence[bytes]) -> None:
        """Submit a batch of lines as they are."""
        await self._submit_body(zstandard.compress(b"\n".join(lines)))

    async def submit_twice_signed_once(self, records: Sequence[Submission]) -> None:
        """Send the very same signed request twice."""
        body = encode_batch(records)
        token = self._sign("submit", body)
        for _ in range(2):
            self._hear(*await self.post("/v1/submissions", body, token))

    async def _submit_body(self, body: bytes) -> None:
        self._hear(*await self.ask("/v1/submissions", "submit", body))

    def _hear(self, status: int, answer: Any) -> None:
        """Count leases that have a receipt now, and refusals by their reason."""
        results = answer["results"] if status == 200 else [{"ok": False, **answer}]
        for result in results:
            if result["ok"]:
                self._receipts.add(result["lease_id"])
            else:
                self.refusals[result["error"]] += 1

    @property
    def answered(self) -> int:
        """For how many leases a receipt was given."""
        return len(self._receipts)

    async def fetch(self, url: str) -> Page:
        """Fetch a page for real, from this client's address, and take its main text."""
        self.fetches += 1
        try:
            async with self._open_session().get(url) as answer:
                body, status = await answer.read(), answer.status
                content_type = answer.headers.get("Content-Type", "")
                retry_after = answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError):
            return Page(599)
        if status != 200:
            return Page(status, retry_after_ms=1000 * int(retry_after) if retry_after.isdecimal() else 0)
        found = extract(body, content_type)
        return Page(status, normalise_text(found.text), found.title, hashlib.sha256(body).hexdigest())

    async def links(self, url: str) -> list[str]:
        """Return where a page's links lead on its own site."""
        async with self._open_session().get(url) as answer:
            page = await answer.text()
        return [urljoin(url, path) for path in _LINK.findall(page) if path.startswith("/")]

    def record(self, lease: Lease, page: Page) -> Submission:
        """Return the honest record for a fetched page."""
        if page.outcome is not Outcome.FETCHED:
            return self.report(
                lease, page.outcome, page.status if page.status < 599 else 0, page.retry_after_ms
            )
        return self.contribution(lease, page.text, page.title, page.raw_sha256)

    def report(self, lease: Lease, outcome: Outcome, status: int = 0, retry_after_ms: int = 0) -> Report:
        """Return a report without text."""
        return Report(
            lease_id=lease.lease_id,
            url=lease.url,
            outcome=outcome,
            fetched_at_ms=self._now_ms(),
            http_status=status,
            retry_after_ms=retry_after_ms,
        )

    def contribution(self, lease: Lease, text: str, title: str = "", raw_sha256: str = "") -> Contribution:
        """Return a contribution of some text, true or not."""
        text = normalise_text(text)
        return Contribution(
            contribution_id=contribution_id_for(lease.lease_id, self.node_id),
            lease_id=lease.lease_id,
            url=lease.url,
            final_url=lease.url,
            http_status=200,
            content_type="text/html; charset=utf-8",
            fetched_at_ms=self._now_ms(),
            robots_state="allowed",
            optout_signals=[],
            raw_sha256=raw_sha256 or text_sha256(text + " "),
            text=text,
            text_sha256=text_sha256(text),
            title=title,
            extractor_version="redteam",
            bytes_wire=len(text),
        )
