"""The dataset market on chain: offer an export version, pay for it, read what was sold.

Rules: an export is named on chain by SHA-256 of its id, its manifest by the manifest's SHA-256; here both are lower
hex without prefix, as everywhere in Windrow. Price = royalties + fees, in wei. A purchase is found again instead of
made twice.

Does not: deliver anything or decide a price; `marketplace/` does.

Usage::

    client.market.list_export(owner_key, "web_text/1", manifest_sha256, price_wei, royalty_bps=8000)
    purchase = client.market.buy(buyer_key, "web_text/1")
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_typing import HexStr
from web3 import Web3
from web3.exceptions import TransactionNotFound
from web3.types import BlockIdentifier

from chain.bound import BoundContract
from chain.sender import TxDone
from chain.token import TokenOps
from chain.typed_data import Authorization, receive_authorization
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


@dataclass(frozen=True, slots=True)
class Listing:
    """What is offered: never changes, except that it may be closed and opened."""

    manifest_sha256: str
    price_wei: int
    royalty_bps: int
    burn_bps: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Purchase:
    """One sale as the chain has it."""

    sale_id: int
    buyer: str
    export_sha256: str
    manifest_sha256: str
    price_wei: int
    royalties_wei: int
    fees_wei: int
    burned_wei: int
    tx: str
    block: int


def export_sha256(export_id: str) -> str:
    """The name an export has on chain."""
    return hashlib.sha256(export_id.encode()).hexdigest()


class MarketOps:
    """Operations of one DatasetMarket."""

    def __init__(self, contract: BoundContract, token: TokenOps, created_in_block: int) -> None:
        self._contract = contract
        self._token = token
        self._created_in_block = created_in_block
        self.address: str = contract.address

    def listing(self, export_id: str, block: BlockIdentifier = "pending") -> Listing | None:
        """What is offered under this id, None when nothing ever was."""
        manifest, price_wei, royalty_bps, burn_bps, is_open = self._contract.read(
            "listings", _key(export_id), block=block
        )
        if not any(manifest):
            return None
        return Listing(bytes(manifest).hex(), price_wei, royalty_bps, burn_bps, is_open)

    def list_export(
        self,
        owner_key: LocalAccount,
        export_id: str,
        manifest_sha256: str,
        price_wei: int,
        royalty_bps: int,
        burn_bps: int = 0,
    ) -> TxDone | None:
        """Offer an export version for good; None when this manifest is offered at this price already.

        An offer keeps the shares that it was made with, whatever a later call says. Raises WindrowError
        `chain_rejected`: AlreadyListed (another manifest or price), BadListing.
        """
        self._contract.sender.wait_idle(owner_key.address)
        found = self.listing(export_id)
        wanted = (manifest_sha256, price_wei)
        if found is not None and (found.manifest_sha256, found.price_wei) == wanted:
            return None
        terms = (bytes.fromhex(manifest_sha256), price_wei, royalty_bps, burn_bps)
        return self._contract.write(owner_key, "list", _key(export_id), *terms)

    def set_open(self, owner_key: LocalAccount, export_id: str, is_open: bool) -> TxDone | None:
        """Close an offer to new buyers or open it; None when it is so already: what nobody offered is closed."""
        self._contract.sender.wait_idle(owner_key.address)
        found = self.listing(export_id)
        if is_open == (found is not None and found.is_open):
            return None
        return self._contract.write(owner_key, "setOpen", _key(export_id), is_open)

    def split(self, export_id: str) -> tuple[int, int, int]:
        """(royalties, fees, burned) of a sale in wei. Raises WindrowError `chain_rejected` (NotListed)."""
        royalties_wei, fees_wei, burned_wei = self._contract.read("split", _key(export_id))
        return royalties_wei, fees_wei, burned_wei

    def buy(self, buyer_key: LocalAccount, export_id: str, *, again: bool = False) -> Purchase:
        """Pay with an allowance, which is given here if it is missing. A buyer who has it gets that purchase back.

        `again` buys once more on purpose. Raises WindrowError `chain_rejected`: NotListed, ListingClosed,
        ERC20InsufficientBalance.
        """
        self._contract.sender.wait_idle(buyer_key.address)
        if not again:
            had = self.purchase_of(buyer_key.address, export_id)
            if had is not None:
                return had
        offered = self.listing(export_id)
        if offered is not None and self._token.allowance(buyer_key.address, self.address) < offered.price_wei:
            self._token.approve(buyer_key, self.address, offered.price_wei)
        return self._bought(self._contract.write(buyer_key, "buy", _key(export_id)))

    def payment(
        self, buyer: str, export_id: str, salt: bytes, valid_after_s: int, valid_before_s: int
    ) -> Authorization:
        """The EIP-3009 payment that buys this export and nothing else. `salt` is 32 bytes, one for each order.

        Raises WindrowError `not_found` when the export is not listed.
        """
        offered = self.listing(export_id)
        if offered is None:
            raise WindrowError("not_found", f"export {export_id} is not listed")
        nonce = bytes(self._contract.read("paymentNonce", _key(export_id), salt))
        return Authorization(
            Web3.to_checksum_address(buyer),
            self.address,
            offered.price_wei,
            valid_after_s,
            valid_before_s,
            nonce,
        )

    def sign_payment(self, buyer_key: LocalAccount, payment: Authorization) -> bytes:
        """The buyer's signature under a payment."""
        message = receive_authorization(self._token.domain, payment)
        return bytes(buyer_key.sign_typed_data(full_message=message).signature)

    def buy_with_authorization(
        self, sender_key: LocalAccount, export_id: str, salt: bytes, payment: Authorization, signature: bytes
    ) -> Purchase:
        """Send a buyer's signed payment, paying its gas; the sale of a used payment is found instead.

        Raises WindrowError `chain_rejected`: ERC3009InvalidSignature, ERC3009InvalidAuthorizationTime,
        ERC3009UsedAuthorization (cancelled), ERC20InsufficientBalance.
        """
        self._contract.sender.wait_idle(sender_key.address)
        if self._token.authorization_used(payment.payer, payment.nonce):
            head = int(self._contract.w3.eth.block_number)
            tx = self._token.payment_tx(payment.payer, payment.nonce, self._created_in_block, head)
            bought = [] if tx is None else self.purchases_in(tx)
            if bought:
                return bought[0]
        done = self._contract.write(
            sender_key,
            "buyWithAuthorization",
            Web3.to_checksum_address(payment.payer),
            _key(export_id),
            salt,
            payment.valid_after_s,
            payment.valid_before_s,
            signature,
        )
        return self._bought(done)

    def buy_with_transfer(
        self, settler_key: LocalAccount, export_id: str, payment: Authorization, signature: bytes
    ) -> Purchase:
        """Bring in a signed transfer to this market (EIP-3009, as x402 makes it) as the sale of an export.

        The sale of a payment that was brought in before is found. Raises WindrowError `unknown_payment` when its nonce
        was used for something else, or `chain_rejected`: ERC3009InvalidSignature, ERC3009InvalidAuthorizationTime,
        ERC20InsufficientBalance, NotListed, ListingClosed, NotSettler.
        """
        self._contract.sender.wait_idle(settler_key.address)
        made = self.sale_paid_by(payment.payer, payment.nonce)
        if made is not None:
            return made
        payer, head = Web3.to_checksum_address(payment.payer), int(self._contract.w3.eth.block_number)
        if self._token.authorization_used(payer, payment.nonce) and not self._token.transferred(
            payment, self._created_in_block, head
        ):
            raise WindrowError("unknown_payment", "the authorization was used or cancelled elsewhere")
        done = self._contract.write(
            settler_key,
            "buyWithTransfer",
            payer,
            _key(export_id),
            payment.valid_after_s,
            payment.valid_before_s,
            payment.nonce,
            signature,
        )
        return self._bought(done)

    def sale_paid_by(self, payer: str, nonce: bytes) -> Purchase | None:
        """The sale that a signed transfer was brought in for; None when there is none."""
        account = Web3.to_checksum_address(payer)
        key = Web3.keccak(encode(["address", "bytes32"], [account, nonce]))
        number = int(self._contract.read("saleOf", key))
        if not number:
            return None
        head = int(self._contract.w3.eth.block_number)
        found = self._contract.events("Purchased", self._created_in_block, head, {"saleId": number})
        return next((_purchase(event) for event in found), None)

    def purchases(
        self,
        from_block: int,
        to_block: int | None = None,
        *,
        export_id: str | None = None,
        buyer: str | None = None,
    ) -> list[Purchase]:
        """The sales in a range of blocks (to the newest by default), in order of sale."""
        filters: dict[str, Any] = {}
        if export_id is not None:
            filters["exportId"] = _key(export_id)
        if buyer is not None:
            filters["buyer"] = Web3.to_checksum_address(buyer)
        last = int(self._contract.w3.eth.block_number) if to_block is None else to_block
        return [_purchase(one) for one in self._contract.events("Purchased", from_block, last, filters)]

    def purchase_of(self, buyer: str, export_id: str) -> Purchase | None:
        """The newest sale by which somebody has an export."""
        had = self.purchases(self._created_in_block, export_id=export_id, buyer=buyer)
        return had[-1] if had else None

    def purchases_in(self, tx: str) -> list[Purchase]:
        """The sales of one transaction; none when it failed, is unknown, or bought nothing here."""
        if not is_hash(tx):
            return []
        try:
            receipt = self._contract.w3.eth.get_transaction_receipt(HexStr(tx))
        except TransactionNotFound:
            return []
        if receipt["status"] != 1:
            return []
        return [_purchase(one) for one in self._contract.events_in("Purchased", receipt)]

    def purchase_by_tx(self, tx: str, export_id: str) -> Purchase:
        """The sale of this export in a transaction. Raises WindrowError `unknown_payment`."""
        wanted = export_sha256(export_id)
        for purchase in self.purchases_in(tx):
            if purchase.export_sha256 == wanted:
                return purchase
        raise WindrowError("unknown_payment", f"{tx[:80]} does not pay for {export_id}")

    def _bought(self, done: TxDone) -> Purchase:
        found = self._contract.events_in("Purchased", done.receipt)
        if len(found) != 1:
            raise WindrowError("unknown_payment", done.tx)
        return _purchase(found[0])


def _key(export_id: str) -> bytes:
    return bytes.fromhex(export_sha256(export_id))


def is_hash(text: str) -> bool:
    """Whether a text is the hash of a transaction, with or without 0x."""
    digits = text.removeprefix("0x")
    return len(digits) == 64 and all(one in "0123456789abcdefABCDEF" for one in digits)


def _purchase(event: Any) -> Purchase:
    arguments = event["args"]
    return Purchase(
        sale_id=arguments["saleId"],
        buyer=arguments["buyer"],
        export_sha256=bytes(arguments["exportId"]).hex(),
        manifest_sha256=bytes(arguments["manifestHash"]).hex(),
        price_wei=arguments["price"],
        royalties_wei=arguments["royalties"],
        fees_wei=arguments["fees"],
        burned_wei=arguments["burned"],
        tx="0x" + bytes(event["transactionHash"]).hex(),
        block=event["blockNumber"],
    )
