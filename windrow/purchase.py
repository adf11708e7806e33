"""`windrow buy`: quote, ask, pay, download, check; and the newest proofs beside it.

Rules: the price is shown before anything is paid; a buyer who has paid already pays nothing again. What was quoted lies
in the folder until all is there, so that who was cut off while the version was retired can still name what was paid.

Does not: hold the market's client (`marketplace.client`). Usage: `purchase("web_text", key_file, out, url, "")`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from chain.keys import load_key
from marketplace.answers import Quote, Receipt
from marketplace.client import MarketClient
from marketplace.terms import Terms, parse_terms
from windrow.coordinator_http import get_json
from windrow_protocol.amounts import OWN_ASSET, token_text
from windrow_protocol.errors import WindrowError

QUOTE_NAME: Final = "quote.json"


def purchase(
    dataset: str,
    key_file: Path,
    out: Path,
    coordinator: str,
    rpc_url: str,
    confirm: Callable[[str], bool] | None,
    terms_file: Path | None = None,
    asset: str = "",
) -> dict[str, Any]:
    """Buy a dataset (`name` or `name/version`) into a folder and return the receipt's facts.

    `asset` is the symbol of what is paid in; empty for the network's own token. Raises WindrowError as
    `MarketClient.buy` does, `bad_config` for a key file that is none, `bad_terms` or `not_found` for a file of terms,
    or `not_confirmed` when the person says no.
    """
    key = load_key(key_file)
    terms = None if terms_file is None else _read_terms(terms_file)
    name, _, version = dataset.partition("/")
    client = MarketClient(coordinator)
    folder = out / f"{name}-{version}"
    try:
        quote = client.quote(name, version or "latest")
    except WindrowError as refusal:
        if refusal.code != "version_retired" or not (folder / QUOTE_NAME).is_file():
            raise
        quote = _kept_quote(folder / QUOTE_NAME)
        confirm = None  # it is sold no more: what was not paid before is refused
    if not rpc_url:
        rpc_url = str(get_json(coordinator, "/v1/network")["chain"].get("rpc_url", ""))
    asset = asset or quote.asset
    price = quote.price_in(asset)
    question = f"{quote.title} {quote.version}: {quote.rows} rows for {_amount(quote, asset, price)}. Pay?"
    if confirm is not None and not confirm(question):
        raise WindrowError("not_confirmed", "nothing was paid")
    folder = out / f"{quote.dataset}-{quote.version}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / QUOTE_NAME).write_bytes(msgspec.json.encode(quote))
    receipt = client.buy(rpc_url, key, quote, folder, price_wei_max=price, terms=terms, asset=asset)
    (folder / QUOTE_NAME).unlink()
    folder = out / f"{receipt.dataset}-{receipt.version}"  # of the next version where this one was retired
    proofs = client.fetch_proofs(folder)
    return {
        "dataset": receipt.dataset,
        "version": receipt.version,
        "price_wei": receipt.price,
        "asset": receipt.asset,
        "decimals": receipt.decimals,
        "token": receipt.token,
        "paid": _paid(receipt),
        "tx": receipt.tx_hash,
        "sale_id": receipt.sale_id,
        "files": receipt.files,
        "bytes": receipt.bytes,
        "path": str(folder),
        "proofs": str(proofs or ""),
    }


def _kept_quote(path: Path) -> Quote:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Quote)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WindrowError("bad_config", f"{path}: {error}"[:300]) from error


def _amount(quote: Quote, asset: str, price: int) -> str:
    """Return a price in words; of another asset with the token's address, as symbols are anybody's."""
    if asset == quote.asset:
        return f"{price} wei of {asset} ({token_text(price, quote.decimals_of(asset))} {asset})"
    return f"{token_text(price, quote.decimals_of(asset))} {asset} ({quote.token_of(asset)})"


def _paid(receipt: Receipt) -> str:
    """Return what the sale cost in words: in the asset it was paid in, which an earlier purchase may have chosen."""
    price, said = int(receipt.price), f"{token_text(int(receipt.price), receipt.decimals)} {receipt.asset}"
    return (
        f"{price} wei of {OWN_ASSET} ({said})" if receipt.asset == OWN_ASSET else f"{said} ({receipt.token})"
    )


def _read_terms(path: Path) -> Terms:
    try:
        return parse_terms(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise WindrowError("not_found", f"{path}: {error}") from error
