"""A buyer's client: price first, pay once, download with resume, check every byte.

Rules: nothing is paid above the limit the buyer names, and only for the manifest the quote named, as the chain itself
lists it. A purchase this buyer already made is used again instead of paying twice; where its version was retired since,
the next one is given for it, into a folder beside. A file is whole only when its digest is the manifest's; a cut
download goes on where it ended. Nothing else is written outside the folder named.

Does not: keep keys, trust the seller's word where the chain or a signature can tell, or retry for ever.

Usage::

    client = MarketClient("http://127.0.0.1:8420")
    quote = client.quote("web_text")
    receipt = client.buy("http://127.0.0.1:8545", key, quote, Path("web_text"), price_wei_max=quote.price_wei)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

from marketplace.answers import Judged, Quote, Receipt
from marketplace.orders import Order, OrderDomain, sign_order
from marketplace.resuming import HttpClient
from marketplace.terms import Terms, terms_sha256
from storage.env import Env
from storage.real_env import real_env
from windrow_protocol.amounts import OWN_ASSET, priced_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import (
    MANIFEST_JWS_NAME,
    MANIFEST_NAME,
    MANIFEST_PURPOSE,
    SALE_PURPOSE,
    Manifest,
    decode_manifest,
    version_key,
)
from windrow_protocol.limits import ORDER_LIFE_S_MAX
from windrow_protocol.signing import verify

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient
    from chain.market import Purchase
    from chain.market_orders import HeldOrder

__all__ = ["MarketClient", "Quote", "Receipt"]

PURCHASE_NAME: Final = "purchase.json"
PROOFS_FOLDER: Final = "proofs"
EPOCH_TERMS: Final = "economics.json"
EPOCH_FILES: Final = ("tree.json", "ledger.ndjson", "epoch.json", "epoch.jws")
_SMALL_BYTES_MAX: Final = 16_000_000
_EPOCH_BYTES_MAX: Final = 4_000_000_000
_PAID_IN: Final = OWN_ASSET  # what fetching pages earns: rows are followed to the epochs of this asset
Progress = Callable[[str, int, int], None]
Allow = Callable[[int], AbstractContextManager[None]]


def _allowed(_price_wei: int) -> AbstractContextManager[None]:
    return nullcontext()


class MarketClient:
    """One market as a buyer sees it. Synchronous."""

    def __init__(
        self,
        market_url: str,
        *,
        coordinator_id: str | None = None,
        timeout_s: float = 30.0,
        env: Env | None = None,
    ) -> None:
        self._env = env or real_env()
        self._http = HttpClient(market_url, timeout_s)
        self._coordinator_id = coordinator_id

    def datasets(self, words: str = "") -> list[dict[str, Any]]:
        """Return the newest version of every dataset that all of these words are said of, as the catalogue has it."""
        return list(self._json("/market/datasets?" + urlencode({"q": words}))["datasets"])

    def describe(self, dataset: str, version: str = "latest") -> dict[str, Any]:
        """Return everything the catalogue says of a version: schema, counts, rights, files."""
        return dict(self._json(f"/market/datasets/{dataset}/{version}"))

    def quote(self, dataset: str, version: str = "latest") -> Quote:
        """Return what a version costs and what it is.

        Raises WindrowError `unknown_dataset`, `not_found`, or `wrong_schema` when the market speaks of something else.
        """
        quote = self._quote(self._http.get(f"/market/datasets/{dataset}/{version}", _SMALL_BYTES_MAX))
        version_key(quote.version)  # both name a folder of the buyer's
        if quote.dataset != dataset or version not in ("latest", quote.version):
            raise WindrowError("wrong_schema", f"the market quotes {quote.dataset}/{quote.version}"[:200])
        return quote

    def manifest(self, quote: Quote) -> Manifest:
        """Return what the coordinator signed of a quoted version; free. Raises WindrowError as `buy` does."""
        return self._signed_manifest(quote, f"/market/datasets/{quote.dataset}/{quote.version}/")[0]

    def sample(self, dataset: str, version: str = "latest") -> list[dict[str, Any]]:
        """Return the free sample's rows."""
        return list(self._json(f"/market/datasets/{dataset}/{version}/sample")["rows"])

    def buy(
        self,
        rpc_url: str,
        key: LocalAccount,
        quote: Quote,
        out_dir: Path,
        *,
        price_wei_max: int,
        terms: Terms | None = None,
        allow: Allow = _allowed,
        progress: Progress | None = None,
        asset: str = _PAID_IN,
    ) -> Receipt:
        """Pay if this buyer has not paid yet, download what is missing and check all of it.

        Where the version paid for was retired since, its successor is downloaded, into `<dataset>-<version>` beside
        `out_dir`; the receipt names that version.
        `price_wei_max` is in the smallest unit of `asset`; who has it for another asset pays nothing. Under `terms` the
        price waits on chain until the market has judged them, and comes back when they do not hold.
        `allow(price_wei)` surrounds the paying, and only that: what leaves it tells whether anything was paid.

        `progress(path, bytes_done, bytes_all)` is called while files arrive. Calling again after any failure goes on
        and pays nothing twice. Raises WindrowError `price_changed`, `chain_unreachable`, `wrong_chain`, `wrong_asset`,
        `not_found` (not sold for it), `chain_rejected`, `unknown_payment`, `not_judged`, `terms_not_met`,
        `too_many_tries`, `export_corrupt` or `not_running`.
        """
        chain = _connected(rpc_url, quote, asset)
        chain.sender.wait_idle(key.address)
        chain, purchase = _bought_before(chain, key.address, quote)
        if purchase is None:
            price_wei = _check_listing(chain, quote, price_wei_max)
            if terms is not None:
                purchase = self._bought_under(terms, chain, key, quote, lambda: allow(price_wei))
            else:
                with allow(price_wei):
                    purchase = chain.market.buy(key, quote.export_id)
        if purchase.manifest_sha256 != quote.manifest_sha256:
            raise WindrowError("export_corrupt", "the chain sold another manifest than was quoted")
        ticket = self._order(key, quote, purchase.tx)
        given = self._given(quote, ticket, purchase.tx)
        folder = out_dir if given is quote else out_dir.with_name(f"{given.dataset}-{given.version}")
        manifest = self._download(given, str(ticket["download"]), folder, progress)
        receipt = _receipt_of(given, chain, purchase, ticket, manifest)
        body = msgspec.json.format(msgspec.json.encode(asdict(receipt)), indent=1)
        (folder / PURCHASE_NAME).write_bytes(body + b"\n")
        return receipt

    def fetch_proofs(self, out_dir: Path) -> Path | None:
        """Download the newest epoch of the network's own token into `proofs/<id>/`; None when there is none yet.

        The files are checked by `verify_export`, not here. Raises WindrowError `not_running`.
        """
        epochs = self._json("/v1/epochs")["epochs"]
        of_pay = [one for one in epochs if (one["state"], one["asset"]) == ("accepted", _PAID_IN)]
        numbers = [int(epoch["epoch_id"]) for epoch in of_pay]
        if not numbers:
            return None
        folder = out_dir / PROOFS_FOLDER / str(max(numbers))
        folder.mkdir(parents=True, exist_ok=True)
        for name in EPOCH_FILES:
            url = f"/v1/epochs/{folder.name}/{name}"
            self._http.save(url, folder / name, bytes_max=_EPOCH_BYTES_MAX)
        # not of an epoch by an earlier version
        if b"economics_sha256" in (folder / "epoch.json").read_bytes():
            url = f"/v1/epochs/{folder.name}/{EPOCH_TERMS}"
            self._http.save(url, folder / EPOCH_TERMS, bytes_max=_SMALL_BYTES_MAX)
        return folder

    def _bought_under(
        self,
        terms: Terms,
        chain: ChainClient,
        key: LocalAccount,
        quote: Quote,
        allowed: Callable[[], AbstractContextManager[None]],
    ) -> Purchase:
        """Order under terms, have them judged, and return the sale; an order that waits already is judged."""
        digest = terms_sha256(terms)
        held = chain.orders.waiting(key.address, quote.export_id, digest)
        if held is not None:
            self._judge(chain, held, terms)
        else:
            with allowed():
                self._judge(chain, chain.orders.order(key, quote.export_id, digest), terms)
        purchase = chain.market.purchase_of(key.address, quote.export_id)
        if purchase is None:  # paying now would be paying without terms
            raise WindrowError("not_judged", "the market says that the terms hold, the chain has no sale")
        return purchase

    def _judge(self, chain: ChainClient, held: HeldOrder, terms: Terms) -> None:
        """Have an order judged. The market's word is held against the chain: it has the money."""
        body = msgspec.json.encode({"tx_hash": held.tx, "terms": terms})
        try:
            judged = _decoded(self._http.post("/market/judgements", body, _SMALL_BYTES_MAX), Judged)
        except WindrowError as error:
            raise WindrowError("not_judged", f"{error.code}: {error.detail}"[:300]) from error
        if judged.accepted:
            return
        if not chain.orders.was_refunded(held.order_id):
            raise WindrowError(
                "not_judged", "the market says that it gave the price back, the chain does not"
            )
        failed = [
            f"{f.assertion}: wanted {f.wanted}, found {f.found}" for f in judged.findings if not f.holds
        ]
        code = judged.reason if judged.reason == "too_many_tries" else "terms_not_met"
        raise WindrowError(code, "; ".join(failed) or judged.reason, refund_tx=judged.tx_hash)

    def _json(self, path: str) -> Any:
        return _decoded(self._http.get(path, _SMALL_BYTES_MAX), Any)

    def _quote(self, body: bytes) -> Quote:
        quote: Quote = _decoded(body, Quote)
        if self._coordinator_id not in (None, quote.coordinator_id):
            raise WindrowError("bad_signature", f"the market belongs to coordinator {quote.coordinator_id}")
        return quote

    def _order(self, key: LocalAccount, quote: Quote, tx_hash: str) -> dict[str, Any]:
        assert quote.chain is not None
        order = Order(
            network=quote.network,
            export_id=quote.export_id,
            tx_hash=tx_hash,
            buyer=key.address,
            nonce="0x" + self._env.randomness.token(32).hex(),
            expires_at_s=self._env.clock.now_ms() // 1000 + ORDER_LIFE_S_MAX // 2,
        )
        signed = sign_order(key, OrderDomain(quote.chain.chain_id, quote.chain.market), order)
        body = self._http.post("/market/orders", msgspec.json.encode(signed), _SMALL_BYTES_MAX)
        ticket: dict[str, Any] = _decoded(body, dict[str, Any])
        return ticket

    def _given(self, quote: Quote, ticket: dict[str, Any], tx_hash: str) -> Quote:
        """Return what a sale is answered with: what was quoted, or its successor where that was retired since."""
        version = str(ticket["version"])
        if version == quote.version:
            return quote
        said = verify(
            str(ticket["receipt"]),
            signer=self._coordinator_id or quote.coordinator_id,
            network=quote.network,
            purpose=SALE_PURPOSE,
            subject=str(ticket["sale_id"]),
            now_ms=self._env.clock.now_ms(),
        )
        content = said.content or {}
        if version_key(version) < version_key(quote.version) or content.get("tx_hash") != tx_hash:
            raise WindrowError("export_corrupt", f"version {version} is no successor of {quote.version}")
        return msgspec.structs.replace(
            quote,
            version=version,
            export_id=str(content.get("export_id")),
            manifest_sha256=str(content.get("manifest_sha256")),
        )

    def _download(self, quote: Quote, base: str, out_dir: Path, progress: Progress | None) -> Manifest:
        manifest, body, token = self._signed_manifest(quote, base)
        for file in manifest.files:
            path = out_dir / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            self._http.save(
                base + file.path,
                path,
                bytes_max=file.bytes,
                sha256=file.sha256,
                progress=progress and _named(progress, file.path, file.bytes),
            )
        (out_dir / MANIFEST_NAME).write_bytes(body)
        (out_dir / MANIFEST_JWS_NAME).write_bytes(token)
        return manifest

    def _signed_manifest(self, quote: Quote, base: str) -> tuple[Manifest, bytes, bytes]:
        """Return a manifest that is the quoted one and signed, as a value, in its bytes, and its signature."""
        body = self._http.get(base + MANIFEST_NAME, _SMALL_BYTES_MAX)
        if hashlib.sha256(body).hexdigest() != quote.manifest_sha256:
            raise WindrowError("export_corrupt", f"{MANIFEST_NAME} is not the one that was quoted")
        manifest = decode_manifest(body)
        token = self._http.get(base + MANIFEST_JWS_NAME, _SMALL_BYTES_MAX)
        verify(
            token.decode("ascii", "replace").strip(),
            signer=self._coordinator_id or manifest.coordinator_id,
            network=quote.network,
            purpose=MANIFEST_PURPOSE,
            subject=manifest.subject,
            now_ms=self._env.clock.now_ms(),
        )
        if manifest.export_id != quote.export_id or manifest.subject != f"{quote.dataset}/{quote.version}":
            raise WindrowError("export_corrupt", f"{MANIFEST_NAME} is of {manifest.subject}")
        return manifest, body, token


def _connected(rpc_url: str, quote: Quote, asset: str) -> ChainClient:
    """Return a client over the contracts that take an asset, beside it those of all others that the quote names."""
    from chain.assets import require_own
    from chain.client import ChainClient
    from chain.deploy import Deployment

    if quote.chain is None:
        raise WindrowError("chain_unreachable", "the market does not know its contracts at the moment")
    quote.price_in(asset)
    own = quote.chain
    deployment = Deployment(own.token, own.distributor, own.market, own.chain_id, own.block)
    chain = ChainClient.connect(rpc_url, own.chain_id, deployment)
    require_own(chain.w3, own.token)
    for symbol, facts in own.assets.items():
        if symbol in quote.prices:
            contracts = Deployment(facts.token, facts.distributor, facts.market, facts.chain_id, facts.block)
            chain.bind_beside(symbol, contracts)
    return chain.of(asset)


def _receipt_of(
    quote: Quote, chain: ChainClient, purchase: Purchase, ticket: dict[str, Any], manifest: Manifest
) -> Receipt:
    return Receipt(
        dataset=quote.dataset,
        version=quote.version,
        network=quote.network,
        coordinator_id=manifest.coordinator_id,
        export_id=quote.export_id,
        manifest_sha256=quote.manifest_sha256,
        buyer=purchase.buyer,
        asset=chain.asset.symbol,
        token=chain.deployment.token,
        decimals=chain.asset.decimals,
        price=str(purchase.price_wei),
        royalties=str(purchase.royalties_wei),
        fees=str(purchase.fees_wei),
        burned=str(purchase.burned_wei),
        chain_id=chain.chain_id,
        market=chain.deployment.market,
        tx_hash=purchase.tx,
        sale_id=str(ticket["sale_id"]),
        receipt_jws=str(ticket["receipt"]),
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files),
    )


def _bought_before(chain: ChainClient, buyer: str, quote: Quote) -> tuple[ChainClient, Purchase | None]:
    """Return the purchase that a buyer has, for whatever asset, and the client that knows it."""
    for one in (chain, *chain.of_each_asset()):
        purchase = one.market.purchase_of(buyer, quote.export_id)
        if purchase is not None:
            return one, purchase
    return chain, None


def _check_listing(chain: ChainClient, quote: Quote, price_wei_max: int) -> int:
    """Compare the quote with what the chain will really take, and return that."""
    listing = chain.market.listing(quote.export_id)
    if listing is None or not listing.is_open:
        raise WindrowError("chain_rejected", f"{quote.dataset} {quote.version} is not for sale on chain")
    if listing.manifest_sha256 != quote.manifest_sha256:
        raise WindrowError("export_corrupt", "the chain lists another manifest than was quoted")
    if listing.price_wei > price_wei_max:
        costs = priced_text(listing.price_wei, chain.asset.symbol, chain.asset.decimals)
        raise WindrowError("price_changed", f"{costs}, at most {price_wei_max} allowed")
    return listing.price_wei


def _named(progress: Progress, path: str, size: int) -> Callable[[int], None]:
    return lambda done: progress(path, done, size)


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise WindrowError("wrong_schema", f"the market's answer: {error}"[:200]) from error
