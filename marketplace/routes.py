"""The market's doors: catalogue pages, their JSON twins, free samples, orders and downloads.

Rules: a page and its twin show the same values. Looking is free and unsigned; an order is signed by the paying account;
a download needs the token an order gave. Work that reads Parquet or asks the chain runs in a thread.

Does not: hold logic of its own, or take money (the chain does).

Usage: `env.network.serve(routes(house, chain_getter), host=…, port=…)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import structlog

from marketplace.buying_routes import buying_routes, ticket_answer
from marketplace.catalogue import Catalogue, Offer, sample_rows
from marketplace.delivery import Delivery
from marketplace.orders import Order
from marketplace.rendering import buying_script, render_dataset, render_market
from storage.env import Request, Response, Route, json_response, page_response
from storage.house import House
from windrow_protocol.errors import WindrowError
from windrow_protocol.export_measures import MEASURES_NAME
from windrow_protocol.exports import MANIFEST_JWS_NAME, MANIFEST_NAME, REMOVED_NAME, SAMPLE_NAME
from windrow_protocol.limits import PAGE_CHAIN_WAIT_S
from windrow_protocol.messages import decode_json

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient

ChainGetter = Callable[[], Awaitable["ChainClient"]]
log = structlog.get_logger(__name__)
_FREE_FILES: Final = {
    MANIFEST_NAME: "application/json",
    MANIFEST_JWS_NAME: "application/jose",
    "croissant.json": "application/ld+json",
    "README.md": "text/markdown; charset=utf-8",
    REMOVED_NAME: "application/json",
    MEASURES_NAME: "application/json",
}
_PARQUET: Final = "application/vnd.apache.parquet"


class MarketDoors:
    """The handlers over one house."""

    def __init__(self, house: House, chain_getter: ChainGetter) -> None:
        self._catalogue = Catalogue(house)
        self._delivery = Delivery(house)
        self._chain_getter = chain_getter
        self._asking: asyncio.Task[dict[str, Any] | None] | None = None

    async def market_page(self, request: Request) -> Response:
        """GET /market?q=words."""
        words = request.query.get("q", "").strip()
        offers = await asyncio.to_thread(self._catalogue.datasets, words)
        chain = await self._deployment_at_once()
        return page_response(await asyncio.to_thread(render_market, offers, words, chain))

    async def dataset_page(self, request: Request) -> Response:
        """GET /market/{dataset} and /market/{dataset}/{version}."""
        chain = await self._deployment_at_once()
        return page_response(await asyncio.to_thread(self._render, request, chain), asks_us=True)

    async def script(self, request: Request) -> Response:
        """GET /market/page/buy.js."""
        headers = {"X-Content-Type-Options": "nosniff"}
        return Response(200, buying_script().encode(), "text/javascript; charset=utf-8", headers)

    async def datasets(self, request: Request) -> Response:
        """GET /market/datasets?q=words."""
        offers = await asyncio.to_thread(self._catalogue.datasets, request.query.get("q", ""))
        return json_response({"datasets": await asyncio.to_thread(lambda: [o.as_dict() for o in offers])})

    async def dataset(self, request: Request) -> Response:
        """GET /market/datasets/{dataset}."""
        offers = await asyncio.to_thread(self._catalogue.versions, request.params["dataset"])
        told = await asyncio.to_thread(lambda: [offer.as_dict() for offer in offers])
        return json_response({"dataset": request.params["dataset"], "versions": told})

    async def version(self, request: Request) -> Response:
        """GET /market/datasets/{dataset}/{version}: the quote, with the contracts that take the payment."""
        offer = await asyncio.to_thread(self._offer, request)
        told = await asyncio.to_thread(offer.as_dict)
        return json_response({**told, "chain": await self._deployment()})

    async def sample(self, request: Request) -> Response:
        """GET /market/datasets/{dataset}/{version}/sample?format=json|parquet."""
        offer = await asyncio.to_thread(self._offer, request)
        kind = request.query.get("format", "json")
        if kind == "parquet":
            return await asyncio.to_thread(_file, offer, SAMPLE_NAME, _PARQUET)
        if kind != "json":
            raise WindrowError("wrong_schema", "`format` is json or parquet")
        rows = await asyncio.to_thread(sample_rows, offer.files)
        return json_response({"dataset": offer.manifest.dataset, "rows": rows})

    async def free_file(self, request: Request) -> Response:
        """GET /market/datasets/{dataset}/{version}/{name}: manifest, signature, Croissant, card, removals, measures."""
        offer = await asyncio.to_thread(self._offer, request)
        name = request.params["name"]
        if name not in _FREE_FILES:
            raise WindrowError("not_found", f"free are {', '.join(_FREE_FILES)} and sample")
        if name not in (MANIFEST_NAME, MANIFEST_JWS_NAME):
            offer.manifest.file(name)  # a version about people has no measures
        return await asyncio.to_thread(_file, offer, name, _FREE_FILES[name])

    async def order(self, request: Request) -> Response:
        """POST /market/orders."""
        order = decode_json(request.body, Order)
        chain = await self._chain_getter()
        ticket = await asyncio.to_thread(self._delivery.order, order, chain)
        return json_response(ticket_answer(ticket))

    async def download(self, request: Request) -> Response:
        """GET and HEAD /market/download/{token}/{path}, with byte ranges."""
        file = await asyncio.to_thread(self._delivery.file, request.params["token"], request.params["path"])
        headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
        return Response(ranged=file, content_type=_type_of(request.params["path"]), headers=headers)

    def _offer(self, request: Request) -> Offer:
        return self._catalogue.offer(request.params["dataset"], request.params.get("version", ""))

    def _render(self, request: Request, chain: dict[str, Any] | None) -> str:
        offer = self._offer(request)
        return render_dataset(
            offer,
            versions=self._catalogue.versions(offer.manifest.dataset),
            sample=sample_rows(offer.files),
            card=self._catalogue.card(offer),
            times_sold=self._catalogue.times_sold(offer),
            chain=chain and {**chain, "export": _name_on_chain(offer)},
        )

    async def _deployment_at_once(self) -> dict[str, Any] | None:
        """Return where payments go if that is known soon; a page waits no longer, and one question is asked for all."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._deployment())
        done, _ = await asyncio.wait({self._asking}, timeout=PAGE_CHAIN_WAIT_S)
        return self._asking.result() if done else None

    async def _deployment(self) -> dict[str, Any] | None:
        """Return where payments go, or None while the chain does not answer: looking must not need it."""
        try:
            own, *others = (await self._chain_getter()).of_each_asset()
            assets = {
                one.asset.symbol: asdict(one.deployment) | {"decimals": one.asset.decimals} for one in others
            }
            return asdict(own.deployment) | {"assets": assets}
        except WindrowError as error:
            log.warning("quote_without_chain", reason=error.code)
            return None


def _name_on_chain(offer: Offer) -> str:
    from chain.market import export_sha256

    return export_sha256(offer.manifest.export_id)


def _file(offer: Offer, name: str, content_type: str) -> Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(ranged=offer.file(name), content_type=content_type, headers=headers)


def _type_of(path: str) -> str:
    return _PARQUET if path.endswith(".parquet") else _FREE_FILES.get(path, "application/octet-stream")


def routes(house: House, chain_getter: ChainGetter, settler_key: LocalAccount | None = None) -> list[Route]:
    """Return the market's doors. `chain_getter` is awaited for each quote and order, so the chain may come later.

    `settler_key` is the key that the market contract lets judge orders and bring in signed payments; without it those
    two doors are closed.
    """
    doors = MarketDoors(house, chain_getter)
    one = "/market/datasets/{dataset}/{version}"
    return [
        Route("GET", "/market", doors.market_page, "The catalogue as a page; `?q=` searches"),
        Route(
            "GET", "/market/datasets", doors.datasets, "The newest version of every dataset; `?q=` searches"
        ),
        Route("GET", "/market/datasets/{dataset}", doors.dataset, "All versions of a dataset"),
        Route("GET", one, doors.version, "One version (or `latest`): the quote, schema, counts and files"),
        Route("GET", one + "/sample", doors.sample, "Ten real rows, free: `?format=json` or `parquet`"),
        *buying_routes(house, chain_getter, settler_key),
        Route(
            "GET",
            one + "/{name}",
            doors.free_file,
            "Manifest, its signature, Croissant, card, removals or measures, free",
        ),
        Route(
            "POST",
            "/market/orders",
            doors.order,
            "A payment, and an EIP-712 order signed by the account that paid, for a download token",
            body_bytes_max=4_096,
            message=Order,
        ),
        Route(
            "GET",
            "/market/download/{token}/{path:.+}",
            doors.download,
            "A file of a paid export; byte ranges resume",
        ),
        Route(
            "HEAD",
            "/market/download/{token}/{path:.+}",
            doors.download,
            "Size of a file of a paid export",
        ),
        Route("GET", "/market/page/buy.js", doors.script, "The script by which a wallet in the browser buys"),
        Route("GET", "/market/{dataset}", doors.dataset_page, "A dataset as a page"),
        Route("GET", "/market/{dataset}/{version}", doors.dataset_page, "One version as a page"),
    ]
