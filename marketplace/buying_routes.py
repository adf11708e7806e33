"""The doors that take money: x402 at an export's own address, and the judgement of orders under terms.

Rules: one payment is brought in at a time, because all are sent with the settler's one key; without that key both doors
say that they are closed, and the plain on-chain purchase still works. What an answer gives is what POST /market/orders
gives: a download token and a receipt signed by the coordinator.

Does not: hold logic of its own.

Usage: `buying_routes(house, chain_getter, settler_key)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from marketplace.acceptance import JudgementRequest, judge_order
from marketplace.catalogue import Catalogue
from marketplace.delivery import Delivery, Ticket
from marketplace.x402 import (
    REQUIRED_HEADER,
    RESPONSE_HEADER,
    SIGNATURE_HEADER,
    X402Till,
    decode_payment,
    encode_header,
    payment_required,
    payment_response,
)
from storage.env import Request, Response, Route, json_response
from storage.house import House
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TERMS_BYTES_MAX
from windrow_protocol.messages import decode_json

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient

# What a client may mend by paying otherwise; everything else is no question of payment.
_PAY_AGAIN = ("payment_refused", "chain_rejected")


def ticket_answer(ticket: Ticket) -> dict[str, Any]:
    """Return what a buyer is told: where to download, until when, and the signed receipt."""
    return {
        "token": ticket.token,
        "expires_at_ms": ticket.expires_at_ms,
        "sale_id": ticket.sale_id,
        "dataset": ticket.offer.manifest.dataset,
        "version": ticket.offer.manifest.version,
        "manifest_sha256": ticket.offer.manifest_sha256,
        "receipt": ticket.receipt,
        "download": f"/market/download/{ticket.token}/",
    }


class BuyingDoors:
    """The handlers over one house."""

    def __init__(
        self,
        house: House,
        chain_getter: Callable[[], Awaitable[ChainClient]],
        settler_key: LocalAccount | None,
    ) -> None:
        self._house = house
        self._catalogue = Catalogue(house)
        self._delivery = Delivery(house)
        self._till = X402Till(house)
        self._chain_getter = chain_getter
        self._settler_key = settler_key
        self._one_at_a_time = asyncio.Lock()

    async def buy(self, request: Request) -> Response:
        """GET /market/datasets/{dataset}/{version}/buy: 402 with the price, or with a payment the download token."""
        key = self._key()
        dataset, version = request.params["dataset"], request.params["version"]
        offer = await asyncio.to_thread(self._catalogue.offer, dataset, version)
        chain = await self._chain_getter()
        header, error = request.header(SIGNATURE_HEADER), ""
        if header:
            try:
                payment = decode_payment(header)
                async with self._one_at_a_time:
                    sale = await asyncio.to_thread(self._till.pay, offer, payment, chain, key)
                answer = json_response(ticket_answer(await asyncio.to_thread(self._delivery.ticket, sale)))
                said = encode_header(payment_response(sale, chain.chain_id))
                return Response(
                    body=answer.body, headers={RESPONSE_HEADER: said, "Cache-Control": "no-store"}
                )
            except WindrowError as refusal:
                if refusal.code not in _PAY_AGAIN:
                    raise
                error = f"{refusal.reason.sentence} ({refusal.detail})"[:400]
        url = f"http://{request.header('Host')}{request.path}"
        required = payment_required(offer, chain, url, error)
        answer = json_response(required, status=402)
        return Response(402, answer.body, headers={REQUIRED_HEADER: encode_header(required)})

    async def judge(self, request: Request) -> Response:
        """POST /market/judgements."""
        wanted = decode_json(request.body, JudgementRequest)
        key = self._key()
        chain = await self._chain_getter()
        async with self._one_at_a_time:
            return json_response(await asyncio.to_thread(judge_order, self._house, chain, key, wanted))

    def _key(self) -> LocalAccount:
        if self._settler_key is None:
            raise WindrowError("not_found", "this market takes no payments here; buy on chain")
        return self._settler_key


def buying_routes(
    house: House,
    chain_getter: Callable[[], Awaitable[ChainClient]],
    settler_key: LocalAccount | None,
) -> list[Route]:
    """Return the doors that take money. `settler_key` is the market contract's settler, None where there is none."""
    doors = BuyingDoors(house, chain_getter, settler_key)
    return [
        Route(
            "GET",
            "/market/datasets/{dataset}/{version}/buy",
            doors.buy,
            "Pay by x402: 402 with the price, and with a signed payment the download token",
        ),
        Route(
            "POST",
            "/market/judgements",
            doors.judge,
            "Have an order under terms judged: it becomes a sale, or all of its price goes back",
            body_bytes_max=2 * TERMS_BYTES_MAX,
            message=JudgementRequest,
        ),
    ]
