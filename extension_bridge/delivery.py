"""Brings donations to the coordinator and checks what it signs for them.

Rules: one POST per donation, signed as every request of the node; no redirect is followed and no cookie kept; the
coordinator's key is pinned on first contact; only a receipt that verifies counts as delivered. An outage, a busy or not
yet registered node is *not yet*; any other refusal is final and is shown to the person.

Does not: decide what is sent, or retry by itself (each start of the host, and each message, tries again).

Usage::

    courier = Courier(outbox, key, "http://127.0.0.1:8700", clock_ms)
    courier.deliver_waiting(count_max=8)
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from ipaddress import ip_address
from typing import IO, Any, Final
from urllib.parse import quote, urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from extension_bridge.outbox import Kept, Outbox
from extension_bridge.withdrawal import RECEIPT_PURPOSE as WITHDRAWAL_RECEIPT_PURPOSE
from extension_bridge.withdrawal import REQUEST_PURPOSE
from windrow_protocol.errors import REASONS, WindrowError
from windrow_protocol.limits import (
    ACCOUNT_ENTRIES_MAX,
    BRIDGE_ANSWER_WAIT_S,
    REQUEST_BYTES_MAX,
)
from windrow_protocol.personal.messages import PersonalPay, PersonalWithdrawal
from windrow_protocol.signing import SIGNATURE_HEADER, public_id, sign_request, verify
from windrow_protocol.user_agent import PublishersUrl

PURPOSE: Final = "personal"
CONTACT: Final = "publishers_url"  # the page on which an operator says where it is reached
PAY_PURPOSE: Final = "personal_pay"
RECEIPT_PURPOSE: Final = "personal_receipt"
# Refusals that time may heal; every other 4xx is final.
NOT_YET: Final = frozenset(
    {"unknown_node", "clock_skew", "signature_expired", "replayed", "too_many_requests", "busy"}
)


def contact_in(answer: dict[str, Any]) -> dict[str, str]:
    """Return the page that a coordinator names, as a fact to keep; nothing where it names none or an odd one."""
    try:
        page = msgspec.convert(answer.get(CONTACT, ""), PublishersUrl)
    except msgspec.ValidationError:
        return {}
    return {CONTACT: page} if page else {}


def is_final(error: WindrowError) -> bool:
    """Say whether a refusal of a donation stays one, however often it is tried again."""
    return error.reason.http_status < 500 and error.code not in NOT_YET


@dataclass(frozen=True, slots=True)
class Parties:
    """Between whom a receipt holds: on which network, signed by which coordinator, for which node."""

    network: str
    coordinator_id: str
    node_id: str


def checked_receipt(
    token: object, kept: Kept, parties: Parties, *, now_ms: int, purpose: str = RECEIPT_PURPOSE
) -> str:
    """Return a receipt that the coordinator signed for exactly this donation.

    Raises WindrowError `not_running` for anything else: who signs nothing has taken nothing.
    """
    if not isinstance(token, str):
        raise WindrowError("not_running", "the answer carries no receipt")
    try:
        statement = verify(
            token,
            signer=parties.coordinator_id,
            network=parties.network,
            purpose=purpose,
            now_ms=now_ms,
            subject=parties.node_id,
        )
    except WindrowError as error:
        raise WindrowError("not_running", f"its receipt does not hold: {error.reason.sentence}") from error
    content = statement.content or {}
    named = content.get("contribution_id"), content.get("consent_receipt_id")
    if named != (kept.contribution_id, kept.consent_receipt_id):
        raise WindrowError("not_running", "its receipt is for something else")
    return token


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


class Courier:
    """Delivers one outbox to one coordinator under one node key. `clock_ms` gives the time."""

    def __init__(
        self, outbox: Outbox, key: Ed25519PrivateKey, coordinator_url: str, clock_ms: Callable[[], int]
    ) -> None:
        local = _is_local(coordinator_url)
        self._outbox = outbox
        self._key = key
        self._url = coordinator_url.rstrip("/")
        self._clock_ms = clock_ms
        # this machine is reached without any proxy
        proxies = [urllib.request.ProxyHandler({})] if local else []
        self._opener = urllib.request.build_opener(_NoRedirect, *proxies)

    def network(self) -> tuple[str, str]:
        """Return (network, coordinator_id), asked once and pinned.

        Raises WindrowError `not_running` when the coordinator cannot be asked, `wrong_schema` when it answers oddly.
        """
        known = self._outbox.fact("network"), self._outbox.fact("coordinator_id")
        if all(known):
            return known
        answer = self._ask("/v1/network", None, {})
        network, coordinator_id = answer.get("network"), answer.get("coordinator_id")
        if not isinstance(network, str) or not isinstance(coordinator_id, str) or len(coordinator_id) != 64:
            raise WindrowError("wrong_schema", "the coordinator does not say its network and key")
        self._outbox.remember({"network": network, "coordinator_id": coordinator_id, **contact_in(answer)})
        return self._outbox.fact("network"), self._outbox.fact("coordinator_id")

    def contact(self) -> str:
        """Return the page on which the network's operator says where it is reached; empty where it named none."""
        return self._outbox.fact(CONTACT)

    def account(self, payout: str) -> dict[str, Any]:
        """Return what the coordinator says that a payout address earned. Raises WindrowError when it does not."""
        return self._ask(
            f"/v1/accounts/{quote(payout, safe='')}/entries?limit={ACCOUNT_ENTRIES_MAX}", None, {}
        )

    def months(self) -> dict[str, Any]:
        """Return what the coordinator says of this node's months of history. Raises WindrowError when it does not."""
        return self.post("/v1/personal/pay", PAY_PURPOSE, msgspec.json.encode(PersonalPay()))

    def deliver_waiting(self, count_max: int) -> None:
        """Try to deliver the oldest waiting donations; stop at the first sign that the coordinator is away."""
        for contribution_id, body in self._outbox.waiting(count_max):
            try:
                self._deliver(contribution_id, body)
            except WindrowError as error:
                if is_final(error):
                    self._outbox.refusal(contribution_id, error)
                    continue
                self._outbox.note(contribution_id, error)
                return

    def take_back_waiting(self, count_max: int) -> None:
        """Hand in signed withdrawals; stop at the first that is not answered, and go on after one not taken."""
        for contribution_id, token in self._outbox.withdrawals(count_max):
            is_answered = False
            try:
                body = msgspec.json.encode(PersonalWithdrawal(withdrawal_jws=token))
                answer = self.post("/v1/personal/withdrawals", REQUEST_PURPOSE, body)
                is_answered = True
                receipt = self._checked(answer, contribution_id, WITHDRAWAL_RECEIPT_PURPOSE)
                self._outbox.removal(contribution_id, receipt)
            except WindrowError as error:
                self._outbox.note(contribution_id, error)
                if not (is_answered or is_final(error)):
                    return

    def post(
        self, path: str, purpose: str, body: bytes, answer_bytes_max: int = REQUEST_BYTES_MAX
    ) -> dict[str, Any]:
        """Send one request signed by the node and return the answer. Raises WindrowError as the coordinator does."""
        signature = sign_request(
            self._key,
            network=self.network()[0],
            purpose=purpose,
            body=body,
            nonce=secrets.token_hex(16),
            now_ms=self._clock_ms(),
        )
        return self._ask(path, body, {SIGNATURE_HEADER: signature}, answer_bytes_max)

    def _deliver(self, contribution_id: str, body: bytes) -> None:
        self.network()  # known before the donation is said to be on its way
        if not self._outbox.sending(contribution_id, self._clock_ms()):
            return
        answer = self.post("/v1/personal", PURPOSE, body)
        self._outbox.receipt(contribution_id, self._checked(answer, contribution_id, RECEIPT_PURPOSE))

    def _checked(self, answer: dict[str, Any], contribution_id: str, purpose: str) -> str:
        parties = Parties(*self.network(), public_id(self._key))
        kept, now_ms = self._outbox.get(contribution_id), self._clock_ms()
        return checked_receipt(answer.get("receipt"), kept, parties, now_ms=now_ms, purpose=purpose)

    def _ask(
        self,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        answer_bytes_max: int = REQUEST_BYTES_MAX,
    ) -> dict[str, Any]:
        request = urllib.request.Request(
            self._url + path, data=body, headers={"Accept": "application/json", **headers}
        )
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=BRIDGE_ANSWER_WAIT_S) as response:
                return _object(response.read(answer_bytes_max))
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read(REQUEST_BYTES_MAX)) from error
        except (OSError, HTTPException) as error:
            raise WindrowError("not_running", f"{self._url}: {error}") from error


def _is_local(url: str) -> bool:
    """Is the coordinator on this machine? Raises WindrowError `bad_config` for an address data must not go to."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name
        local = False
    if host and (parts.scheme == "https" or (parts.scheme == "http" and local)):
        return local
    raise WindrowError("bad_config", "`coordinator_url` must be https, or http on this machine")


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WindrowError("not_running", "the answer is not JSON") from error
    if not isinstance(answer, dict):
        raise WindrowError("not_running", "the answer is not a JSON object")
    return answer


def _refusal(status: int, body: bytes) -> WindrowError:
    """Return the coordinator's refusal as an error of ours; one without a known reason is an outage, not a verdict."""
    try:
        answer = _object(body)
    except WindrowError:
        answer = {}
    code, detail = answer.get("error"), answer.get("detail")
    if isinstance(code, str) and code in REASONS:
        return WindrowError(code, detail[:400] if isinstance(detail, str) else "")
    return WindrowError("not_running", f"it answered with status {status}")
