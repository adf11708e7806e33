"""Questions to the coordinator's open doors that a contributor's commands ask: the clock, the pay, an account.

Rules: each is one request, in the line log first like any other, and its answer is bounded. What the coordinator does
not say is None, *not known*, never zero.

Does not: sign, retry, or believe amounts (the proof does: `earnings_proof`).

Usage::

    desk = FactsDesk(settings, line_log)
    network = desk.network()
    pay = desk.recent_pay()
"""

from __future__ import annotations

import http.client
import re
import time
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from contributor_node.coordinator.connection import Answer, Coordinate, exchange
from contributor_node.egress.line_log import LineLog
from contributor_node.owner.settings import NodeSettings
from windrow_protocol.amounts import OWN_ASSET
from windrow_protocol.errors import REASONS, WindrowError

T = TypeVar("T")
ENTRIES_A_PAGE = 100
PAGES_MAX = 10_000
ASSETS_MAX = 16
_SYMBOL = re.compile(r"[A-Za-z0-9.]{1,16}")


class NetworkSays(msgspec.Struct, frozen=True):
    """GET /v1/network, as far as it is of use here; `node_version` is the newest one that the network announces."""

    network: str
    coordinator_id: str
    server_time_ms: int = 0
    node_version: str = ""


class RecentPay(msgspec.Struct, frozen=True):
    """GET /v1/pay: what the last closed epochs paid for how much work."""

    epochs: int
    documents: int
    earned_wei: str
    bytes_wire_mean: int

    def wei_per_gb(self) -> int | None:
        """Return what a gigabyte on the wire earned, or None where nothing was paid yet."""
        if not self.documents or not self.bytes_wire_mean:
            return None
        return int(self.earned_wei) * 10**9 // (self.documents * self.bytes_wire_mean)


class AccountPage(msgspec.Struct, frozen=True):
    """One page of GET /v1/accounts/{payout}/entries, newest first."""

    totals: dict[str, str]
    entries: list[dict[str, Any]]
    next_before_seq: int | None = None
    asset: str = OWN_ASSET
    assets: list[str] = []
    decimals: dict[str, int] = {}

    @property
    def others(self) -> list[str]:
        """The further assets that the address has rows in; no more than a network can mean."""
        named = (each for each in self.assets if each != OWN_ASSET and _SYMBOL.fullmatch(each))
        return sorted(set(named))[:ASSETS_MAX]


@dataclass(frozen=True, slots=True)
class FactsDesk:
    """The questions, from one node's home."""

    settings: NodeSettings
    line_log: LineLog

    def network(self) -> NetworkSays:
        """Ask what the coordinator says of itself. Raises WindrowError `not_running`, `bad_coordinator_answer`."""
        return self._get("/v1/network", NetworkSays)

    def recent_pay(self) -> RecentPay | None:
        """Ask what the last epochs paid; None where the coordinator does not say."""
        try:
            return self._get("/v1/pay", RecentPay)
        except WindrowError as error:
            if error.code in ("not_found", "bad_coordinator_answer"):
                return None
            raise

    def account(self, payout: str, before_seq: int | None = None, asset: str = OWN_ASSET) -> AccountPage:
        """Ask for one page of a payout address's rows of an asset. Raises WindrowError `bad_coordinator_answer`."""
        more = "" if before_seq is None else f"&before_seq={before_seq}"
        more += "" if asset == OWN_ASSET else f"&asset={asset}"
        page = self._get(f"/v1/accounts/{payout}/entries?limit={ENTRIES_A_PAGE}{more}", AccountPage)
        if page.asset != asset:
            raise WindrowError("bad_coordinator_answer", f"asked for {asset}, told of {page.asset}"[:200])
        return page

    def _get(self, path: str, kind: type[T]) -> T:
        url = urlsplit(self.settings.coordinator)
        host, source = url.hostname or "", self.settings.source_address
        place = Coordinate(url.scheme, host, url.port, url.path.rstrip("/"), source)
        request_id = self.line_log.sent(url=f"{place}{path}", purpose="coordinator", client="command")
        answer, error = Answer(), "connection failed"
        try:
            answer = exchange(place, "GET", path, b"", {"Accept": "application/json"})
            error = ""
        except (OSError, http.client.HTTPException) as broken:
            raise WindrowError("not_running", f"{place}: {broken}") from broken
        finally:
            self.line_log.done(request_id, error=error, **answer.row())
        if answer.status != 200:
            raise _refusal(answer, path)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise WindrowError("bad_coordinator_answer", f"{path}: {wrong}") from wrong


def now_ms() -> int:
    """Return this machine's clock as Unix time in ms."""
    return time.time_ns() // 1_000_000


def _refusal(answer: Answer, path: str) -> WindrowError:
    try:
        code = str(msgspec.json.decode(answer.body, type=dict[str, Any]).get("error", ""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        code = ""
    return WindrowError(code if code in REASONS else "not_running", f"{path} was answered {answer.status}")
