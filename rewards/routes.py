"""The doors of the rewards room: epochs and their files, proofs, claims, and explained money. All are unsigned.

Rules: everything here is public by design (the tree names every account), so nothing needs a key; anyone may ask for
anyone's claim, because it can pay only the account named. One claim is relayed at a time, a bounded number waits, and
an account whose claim failed waits before the next try. File names are listed, never joined from what was asked.

Does not: close epochs (the operator's socket does), price, or sign.

Usage: `await env.network.serve(routes(house, lambda: chain, lambda: relayer), host=…, port=…)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rewards.accounts import account_statement
from rewards.epochs.files import CONTENT_TYPES, NAMES, epoch_folder
from rewards.epochs.rows import Epoch, all_epochs, epoch_of_id
from rewards.ledger import ASSET
from rewards.recent_pay import recent_pay
from rewards.settlement import PaidClaim, allotment_of, relay_claim
from storage.env import Request, Response, Route, json_response
from storage.house import House
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLAIM_RETRY_MS_MIN, CLAIMS_WAITING_MAX
from windrow_protocol.merkle import checksum_address
from windrow_protocol.messages import Message, Short, decode_json

if TYPE_CHECKING:
    from chain.client import ChainClient
    from chain.relayer import Relayer

_NOT_PUBLISHED = "frozen"


class ClaimRequest(Message, frozen=True):
    """POST /v1/claims: whose claim is to be sent, and of which asset."""

    account: Short
    asset: Short = ASSET


class RewardDoors:
    """The handlers and what they share: who is waiting for a claim, and whose claim failed when."""

    def __init__(
        self, house: House, chain_getter: Callable[[], ChainClient], relayer_getter: Callable[[], Relayer]
    ) -> None:
        self._house = house
        self._chain = chain_getter
        self._relayer = relayer_getter
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0
        self._failed_at_ms: dict[str, int] = {}

    async def list_epochs(self, request: Request) -> Response:
        """GET /v1/epochs."""
        with self._house.state.read() as connection:
            found = all_epochs(connection)
        return json_response({"epochs": [_shown(epoch) for epoch in found if epoch.state != _NOT_PUBLISHED]})

    async def epoch_file(self, request: Request) -> Response:
        """GET /v1/epochs/{epoch_id}/{name}."""
        name, number = request.params["name"], request.params["epoch_id"]
        if name not in NAMES or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise WindrowError("not_found", f"an epoch has the files {', '.join(NAMES)}")
        with self._house.state.read() as connection:
            epoch = epoch_of_id(connection, int(number))
        if epoch.state == _NOT_PUBLISHED:
            raise WindrowError("not_found", f"epoch {epoch.epoch_id} is not published yet")
        path = epoch_folder(self._house.home, epoch.epoch_id) / name
        headers = {"Content-Type": CONTENT_TYPES[name], "X-Content-Type-Options": "nosniff"}
        return Response(file=path, content_type=CONTENT_TYPES[name], headers=headers)

    async def pay(self, request: Request) -> Response:
        """GET /v1/pay."""
        with self._house.state.read() as connection:
            return json_response(recent_pay(connection))

    async def proof(self, request: Request) -> Response:
        """GET /v1/epochs/latest/proof/{account}."""
        asset = request.query.get("asset", ASSET)
        due = await asyncio.to_thread(allotment_of, self._house, request.params["account"], asset)
        return json_response(
            {
                "epoch_id": due.epoch.epoch_id,
                "asset": due.epoch.asset,
                "account": due.account,
                "amount_wei": str(due.cumulative_wei),
                "proof": due.proof,
                "root": due.epoch.root,
                "epoch_jws": due.epoch.header_jws,
            }
        )

    async def claim(self, request: Request) -> Response:
        """POST /v1/claims."""
        wanted = decode_json(request.body, ClaimRequest)
        account = checksum_address(wanted.account)
        self._require_patience(account)
        if self._waiting >= CLAIMS_WAITING_MAX:
            raise WindrowError("busy", f"{self._waiting} claims wait")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                paid = await self._relay(account, wanted.asset)
        finally:
            self._waiting -= 1
        return json_response(
            {
                "epoch_id": paid.epoch_id,
                "account": paid.account,
                "cumulative_wei": str(paid.cumulative_wei),
                "paid_wei": str(paid.paid_wei),
                "tx_hash": paid.tx_hash,
            }
        )

    async def entries(self, request: Request) -> Response:
        """GET /v1/accounts/{payout}/entries?limit=&before_seq=&asset=."""
        limit = _whole_number(request.query.get("limit", "100"), "limit")
        before = request.query.get("before_seq")
        before_seq = None if before is None else _whole_number(before, "before_seq")
        payout, asset = request.params["payout"], request.query.get("asset", ASSET)
        return json_response(await asyncio.to_thread(self._statement, payout, before_seq, limit, asset))

    def _statement(self, payout: str, before_seq: int | None, limit: int, asset: str) -> dict[str, Any]:
        with self._house.state.read() as connection:
            return account_statement(
                self._house, connection, payout, before_seq=before_seq, limit=limit, asset=asset
            )

    async def _relay(self, account: str, asset: str) -> PaidClaim:
        # an account without a leaf leaves no trace
        await asyncio.to_thread(allotment_of, self._house, account, asset)
        try:
            chain, relayer = self._chain(), self._relayer().of(asset)
            paid = await asyncio.to_thread(relay_claim, self._house, chain, relayer, account, asset)
        except Exception:
            self._failed_at_ms[account] = self._house.now_ms()
            raise
        self._failed_at_ms.pop(account, None)
        return paid

    def _require_patience(self, account: str) -> None:
        failed_at_ms = self._failed_at_ms.get(account)
        if failed_at_ms is not None and self._house.now_ms() - failed_at_ms < CLAIM_RETRY_MS_MIN:
            raise WindrowError("too_many_requests", f"the last claim for {account} failed a moment ago")


def routes(
    house: House, chain_getter: Callable[[], ChainClient], relayer_getter: Callable[[], Relayer]
) -> list[Route]:
    """Return the doors; the getters are called for each claim, so that the chain may be connected later."""
    doors = RewardDoors(house, chain_getter, relayer_getter)
    return [
        Route("GET", "/v1/epochs", doors.list_epochs, "The published epochs, the newest first"),
        Route("GET", "/v1/pay", doors.pay, "What work earned in the last epochs, and what a page weighed"),
        Route(
            "GET",
            "/v1/epochs/latest/proof/{account}",
            doors.proof,
            "An account's cumulative amount and its proof in the newest accepted epoch",
        ),
        Route(
            "GET",
            "/v1/epochs/{epoch_id}/{name}",
            doors.epoch_file,
            "One of an epoch's files: tree.json, ledger.ndjson, economics.json, epoch.json, epoch.jws",
        ),
        Route(
            "POST",
            "/v1/claims",
            doors.claim,
            "Have an account paid what it may claim; anyone may ask, only the account is paid",
            body_bytes_max=1_024,
            message=ClaimRequest,
        ),
        Route(
            "GET",
            "/v1/accounts/{payout}/entries",
            doors.entries,
            "A payout address's every credit and refusal with its reason, their totals, and what is to come",
        ),
    ]


def _shown(epoch: Epoch) -> dict[str, Any]:
    kept = ("epoch_id", "state", "asset", "entry_seq", "ledger_head", "root", "tree_sha256", "valid_at_s")
    return {
        **{name: getattr(epoch, name) for name in kept},
        "total_wei": str(epoch.total),
        "closed_at_ms": epoch.closed_at_ms,
        "files": list(NAMES),
    }


def _whole_number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise WindrowError("wrong_schema", f"{name} is a whole number")
    return int(text)
