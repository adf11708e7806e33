"""x402 `exact` over EIP-3009: a request is answered with its price, and the same request with a signed payment buys.

Rules: what is asked is one transfer of the exact price, in any asset that the version has a price in, to that asset's
market contract; the settler's key brings it in as a sale
and pays the gas. A payment is checked here before any gas is spent. A buyer who has the export already is given it
again and nothing is brought in, so a retry under a payment signed anew is free. One payment gives one answer: what
settles it lies on the chain for everybody to read while its signature is still valid. A header is bounded before it
is decoded.

A payment is written down before it is sent (`marketplace.taken_payments`), and one that the chain lost is brought in
before another of the same buyer is.

Does not: take Permit2, or trust what a payment says of itself.

Usage::

    required = payment_required(offer, chain, url, "")      # for the header PAYMENT-REQUIRED
    sale = X402Till(house).pay(offer, decode_payment(header), chain, settler_key)

Source: x402 protocol version 2, scheme `exact` on EVM; EIP-3009; CAIP-2.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

from chain.typed_data import (
    Authorization,
    TokenDomain,
    transfer_authorization,
)
from marketplace.catalogue import Offer
from marketplace.orders import Address
from marketplace.payment import record_purchases, sale_of_buyer, standing_sale
from marketplace.taken_payments import BRINGING_IN, REFUSED, TakenPayments
from storage.house import House
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import PAYMENT_HEADER_CHARS_MAX, PAYMENT_LIFE_S_MAX

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient

VERSION: Final = 2
REQUIRED_HEADER: Final = "PAYMENT-REQUIRED"
SIGNATURE_HEADER: Final = "PAYMENT-SIGNATURE"
RESPONSE_HEADER: Final = "PAYMENT-RESPONSE"
# What a payment lives for at least when it is brought in: a block may be late.
_MARGIN_S: Final = 5

Amount = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,77})$(?!\\n)")]
Seconds = Annotated[str, Meta(pattern="^[0-9]{1,20}$(?!\\n)")]
Signature = Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{130}$(?!\\n)")]


class SignedTransfer(msgspec.Struct, frozen=True, rename="camel"):
    """An EIP-3009 authorization as x402 writes it: numbers are decimal strings."""

    payer: Address = msgspec.field(name="from")
    to: Address
    value: Amount
    valid_after: Seconds
    valid_before: Seconds
    nonce: Annotated[str, Meta(pattern="^0x[0-9a-fA-F]{64}$(?!\\n)")]


class ExactPayload(msgspec.Struct, frozen=True):
    """What a payment of the scheme `exact` carries."""

    authorization: SignedTransfer
    signature: Signature


class Accepted(msgspec.Struct, frozen=True):
    """Which of the offered requirements a payment fulfils."""

    scheme: Annotated[str, Meta(max_length=64)]
    network: Annotated[str, Meta(max_length=64)]
    asset: Address | None = None  # the network's own token where it is not said


class Payment(msgspec.Struct, frozen=True, rename={"x402_version": "x402Version"}):
    """A payment as the client sends it; fields that nobody here needs are passed over."""

    x402_version: int
    payload: ExactPayload
    accepted: Accepted


def network_of(chain_id: int) -> str:
    """Return a chain's CAIP-2 name."""
    return f"eip155:{chain_id}"


def payment_required(offer: Offer, chain: ChainClient, url: str, error: str) -> dict[str, Any]:
    """Return what has to be paid for an export, in one asset or another, as the answer 402 carries it."""
    manifest = offer.manifest
    priced = ((one, offer.price_in(one.asset.symbol)) for one in chain.of_each_asset())
    return {
        "x402Version": VERSION,
        "error": error or "this export is given to whoever pays for it",
        "resource": {
            "url": url,
            "description": f"{manifest.title} {manifest.version}: {manifest.rows} rows",
            "mimeType": "application/json",
        },
        "accepts": [_requirement(one, price) for one, price in priced if price is not None],
    }


def _requirement(chain: ChainClient, price: int) -> dict[str, Any]:
    deployment, asset = chain.deployment, chain.asset
    return {
        "scheme": "exact",
        "network": network_of(deployment.chain_id),
        "asset": deployment.token,
        "amount": str(price),
        "payTo": deployment.market,
        "maxTimeoutSeconds": PAYMENT_LIFE_S_MAX // 2,
        "extra": {"name": asset.name, "version": asset.version},
    }


def payment_response(sale: Any, chain_id: int) -> dict[str, Any]:
    """Return what came of a payment, for the header PAYMENT-RESPONSE. `sale` is a row of `sales`."""
    return {
        "success": True,
        "payer": sale.buyer,
        "transaction": sale.tx_hash,
        "network": network_of(chain_id),
        "amount": str(sale.price),
    }


def encode_header(value: dict[str, Any]) -> str:
    """Return a value as x402 puts it into a header: base64 of JSON."""
    return base64.b64encode(msgspec.json.encode(value)).decode("ascii")


def decode_payment(header: str) -> Payment:
    """Read the header PAYMENT-SIGNATURE. Raises WindrowError `payment_refused`."""
    if len(header) > PAYMENT_HEADER_CHARS_MAX:
        raise WindrowError("payment_refused", f"more than {PAYMENT_HEADER_CHARS_MAX} characters")
    try:
        payment = msgspec.json.decode(base64.b64decode(header, validate=True), type=Payment)
    except (binascii.Error, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise WindrowError("payment_refused", f"{SIGNATURE_HEADER}: {error}"[:200]) from error
    if payment.x402_version != VERSION:
        raise WindrowError(
            "payment_refused", f"x402 version {payment.x402_version}, {VERSION} is spoken here"
        )
    return payment


class X402Till:
    """Takes payments over x402 for one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._payments = TakenPayments(house)

    def pay(self, offer: Offer, payment: Payment, chain: ChainClient, settler_key: LocalAccount) -> Any:
        """Return the sale (a row of `sales`) that this payment makes, or that its signer has already. Blocking.

        Raises WindrowError `payment_refused`, `unknown_payment`, `chain_rejected` or `chain_unreachable`.
        """
        chain = _counter(payment, chain)
        transfer = self._checked(offer, payment, chain)
        export_id = offer.manifest.export_id
        with BRINGING_IN:
            chain.sender.wait_idle(settler_key.address)  # a sale on its way into a block would be made twice
            for one in chain.of_each_asset():
                self._finish(one, settler_key, export_id, transfer.payer)
            sale = self._sale(chain, export_id, transfer.payer)
            if sale is None:
                row = self._payments.take(chain, export_id, transfer, payment.payload.signature)
                self._bring_in(chain, settler_key, row)
                sale = self._sale(chain, export_id, transfer.payer)
            elif not self._payments.hear(transfer):
                raise _used()
        if sale is None:
            raise WindrowError("unknown_payment", f"the sale to {transfer.payer} is not in a block yet")
        return sale

    def _finish(self, chain: ChainClient, key: LocalAccount, export_id: str, payer: str) -> None:
        """Make the sale of what the same buyer paid before and the chain lost, so that it is not paid again."""
        for row in self._payments.of_buyer(chain, export_id, payer):
            try:
                self._payments.bring_in(chain, key, row)
            except WindrowError as error:
                if error.code not in REFUSED:
                    raise

    def _bring_in(self, chain: ChainClient, key: LocalAccount, row: Any | None) -> None:
        if row is None:
            raise _used()
        try:
            self._payments.bring_in(chain, key, row)
        except WindrowError as error:
            if error.code in REFUSED:
                self._payments.drop(row)
            raise

    def _sale(self, chain: ChainClient, export_id: str, payer: str) -> Any | None:
        """Return the sale by which somebody has an export, for whatever asset, settled or only in a block."""
        each_asset = chain.of_each_asset()
        for one in each_asset:
            record_purchases(self._house, one)
        recorded = sale_of_buyer(self._house, export_id, payer)
        standing = (
            standing_sale(self._house, one, one.market.purchase_of(payer, export_id)) for one in each_asset
        )
        return recorded or next((sale for sale in standing if sale), None)

    def _checked(self, offer: Offer, payment: Payment, chain: ChainClient) -> Authorization:
        """Return the transfer that was signed, if it is the one asked for and its signer's."""
        signed, deployment, now_s = (
            payment.payload.authorization,
            chain.deployment,
            self._house.now_ms() // 1000,
        )
        wanted = {
            "scheme": (payment.accepted.scheme, "exact"),
            "network": (payment.accepted.network, network_of(deployment.chain_id)),
            "to": (signed.to.lower(), deployment.market.lower()),
            "value": (signed.value, str(offer.price_in(chain.asset.symbol))),
        }
        wrong = [
            f"{name} is {found}, not {asked}" for name, (found, asked) in wanted.items() if found != asked
        ]
        after, before = int(signed.valid_after), int(signed.valid_before)
        if not after <= now_s <= before - _MARGIN_S or before > now_s + PAYMENT_LIFE_S_MAX:
            wrong.append(f"it is valid from {after} to {before}, now is {now_s}")
        if wrong:
            raise WindrowError("payment_refused", "; ".join(wrong))
        transfer = Authorization(
            signed.payer, signed.to, int(signed.value), after, before, bytes.fromhex(signed.nonce[2:])
        )
        if _signer(chain.token.domain, transfer, payment.payload.signature).lower() != signed.payer.lower():
            raise WindrowError("payment_refused", "the signature is not the payer's")
        return transfer


def _counter(payment: Payment, chain: ChainClient) -> ChainClient:
    """Return the client of the asset that is paid in. Raises WindrowError `payment_refused`."""
    token = payment.accepted.asset
    if token is None:
        return chain
    for one in chain.of_each_asset():
        if one.deployment.token.lower() == token.lower():
            return one
    raise WindrowError("payment_refused", f"{token} is not taken here")


def _used() -> WindrowError:
    return WindrowError("payment_refused", "it was used; sign another, which brings in nothing again")


def _signer(domain: TokenDomain, transfer: Authorization, signature: str) -> str:
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    try:
        message = encode_typed_data(full_message=transfer_authorization(domain, transfer))
        return str(Account.recover_message(message, signature=signature))
    except Exception as error:  # eth-account and eth-keys raise many kinds for a malformed signature
        raise WindrowError("payment_refused", f"{type(error).__name__}: {error}"[:120]) from error
