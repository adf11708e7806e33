"""Random steps of the market's life: offers, purchases, orders that wait, transfers signed and brought in, gifts.

Rules: as in `steps`. Transfers are signed as x402 clients sign them, used once, twice, cancelled, or sent to the token
by somebody else first; the settler brings any of them in for any export, as a settler with a fault would.

Does not: call anything.

Usage: `step = MarketModel(house, balances, random.Random(1)).draw(now_s)`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from chain_lab import BUYER, CHAIN_ID, OWNER, RELAYER, STRANGER, TREASURY, House

from bench.solidity.signed_transfers import PAYER, Signed, SignedTransfers
from bench.solidity.steps import Balances, Step
from chain.typed_data import TokenDomain

DAY_S: Final = 86_400
BPS: Final = 10_000
EXPORTS: Final = tuple(bytes([number]) * 32 for number in range(1, 5))
BUYERS: Final = (BUYER, RELAYER)
PRICES: Final = (1, 3, 9_999, 10**6 + 1)
TRANSFER: Final = "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)"
CANCEL: Final = "cancelAuthorization(address,bytes32,bytes)"


@dataclass
class Listing:
    """An offer."""

    price: int
    royalties: int
    burned: int
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """An order that waits."""

    buyer: str
    export: bytes
    price: int
    refundable_at_s: int


class MarketModel:
    """What the market must do."""

    def __init__(self, house: House, balances: Balances, drawn: random.Random) -> None:
        self.balances = balances
        self.drawn = drawn
        self.place = house.market.address
        self.reserve = house.reserve
        # What can be no treasury: the market, the distributor, its reserve, nobody.
        self._never = (self.place, house.distributor.address, self.reserve, "0x" + "00" * 20)
        self.transfers = SignedTransfers(
            TokenDomain(CHAIN_ID, house.token.address), self.place, PRICES, drawn
        )
        self.settler, self.treasury = OWNER, TREASURY
        self.allowed: dict[str, int] = dict.fromkeys(BUYERS, 0)
        self.listings: dict[bytes, Listing] = {}
        self.orders: dict[int, Held] = {}
        self.order_count = self.sale_count = 0
        self._table: dict[Callable[[int], Step], int] = {
            self._list: 2,
            self._set_open: 2,
            self._set_role: 1,
            self._mint: 3,
            self._approve: 3,
            self._buy: 5,
            self._order: 8,
            self._settle: 5,
            self._refund: 4,
            self._gift: 1,
            self._bring_in: 5,
            self._send_first: 2,
            self._cancel: 1,
        }

    def draw(self, now_s: int) -> Step:
        """Return the next step."""
        (kind,) = self.drawn.choices(list(self._table), list(self._table.values()))
        return kind(now_s)

    def opening(self) -> list[Step]:
        """The steps that a sequence begins with: something is for sale, and buyers can pay."""
        offered = [
            self._offer(OWNER, export, self.drawn.choice(PRICES), 8_000, self.drawn.choice((0, 1_500, 2_000)))
            for export in EXPORTS[:3]
        ]
        return [
            *offered,
            *(self._give(to, 10**8) for to in (*BUYERS, PAYER.address)),
            *map(self._allow, BUYERS),
        ]

    def facts(self) -> dict[str, int]:
        """What the contract must answer when it is asked, by function."""
        held = sum(order.price for order in self.orders.values())
        return {"heldTotal": held, "saleCount": self.sale_count, "orderCount": self.order_count}

    def _list(self, _now_s: int) -> Step:
        price, bps = self.drawn.choice((0, *PRICES)), self.drawn.choice((0, 1, 8_000, 9_999, 10_000))
        burn_bps = self.drawn.choice((0, 1, 1_999, 2_000, 2_001, 10_000, 65_535))
        return self._offer(self._one_of(OWNER, STRANGER), self.drawn.choice(EXPORTS), price, bps, burn_bps)

    def _offer(self, sender: str, export: bytes, price: int, bps: int, burn_bps: int) -> Step:
        refused = "" if sender == OWNER else "OwnableUnauthorizedAccount"
        if not refused and export in self.listings:
            refused = "AlreadyListed"
        elif not refused and (price == 0 or not 0 < bps < BPS or bps + burn_bps > BPS):
            refused = "BadListing"
        made = Listing(price, price * bps // BPS, price * burn_bps // BPS)
        arguments = (export, b"\xaa" * 32, price, bps, burn_bps)
        return self._step(sender, "list", arguments, refused, lambda: self.listings.update({export: made}))

    def _set_open(self, _now_s: int) -> Step:
        sender, export, is_open = (
            self._one_of(OWNER, STRANGER),
            self.drawn.choice(EXPORTS),
            self.drawn.random() < 0.7,
        )
        refused = "" if sender == OWNER else "OwnableUnauthorizedAccount"
        if not refused and export not in self.listings:
            refused = "NotListed"
        return self._step(
            sender,
            "setOpen",
            (export, is_open),
            refused,
            lambda: setattr(self.listings[export], "is_open", is_open),
        )

    def _set_role(self, _now_s: int) -> Step:
        role, sender = self.drawn.choice(("settler", "treasury")), self._one_of(OWNER, STRANGER)
        to = self.drawn.choice((OWNER, OWNER, TREASURY, RELAYER, *self._never))
        refused = "" if sender == OWNER else "OwnableUnauthorizedAccount"
        if not refused and role == "treasury" and to in self._never:
            refused = "BadAddress"
        function = {"settler": "setSettler", "treasury": "setTreasury"}[role]
        return self._step(sender, function, (to,), refused, lambda: setattr(self, role, to))

    def _mint(self, _now_s: int) -> Step:
        return self._give(self.drawn.choice((*BUYERS, PAYER.address)), self.drawn.randrange(4 * 10**6))

    def _give(self, to: str, amount: int) -> Step:
        return Step("token", OWNER, "mint", (to, amount), "", lambda: self.balances.add(to, amount))

    def _approve(self, _now_s: int) -> Step:
        return self._allow(self.drawn.choice(BUYERS), self.drawn.choice((0, 10, 10**6, 10**9)))

    def _allow(self, buyer: str, amount: int = 10**9) -> Step:
        return Step(
            "token", buyer, "approve", (self.place, amount), "", lambda: self.allowed.update({buyer: amount})
        )

    def _buy(self, _now_s: int) -> Step:
        buyer, export = self.drawn.choice(BUYERS), self.drawn.choice(EXPORTS)
        listing = self.listings.get(export)
        refused = self._unlisted(listing)
        if listing is not None and not refused:
            for so_far in (listing.royalties, listing.price - listing.burned, listing.price):
                refused = refused or self._cannot_pay(buyer, so_far)

        def bought() -> None:
            assert listing is not None
            self.allowed[buyer] -= listing.price
            self.balances.move(buyer, self.place, listing.price)
            self._sold(listing)

        return self._step(buyer, "buy", (export,), refused, bought)

    def _order(self, now_s: int) -> Step:
        buyer, export = self.drawn.choice(BUYERS), self.drawn.choice(EXPORTS)
        listing = self.listings.get(export)
        refused = self._unlisted(listing)
        if listing is not None and not refused:
            refused = self._cannot_pay(buyer, listing.price)

        def ordered() -> None:
            assert listing is not None
            self.allowed[buyer] -= listing.price
            self.balances.move(buyer, self.place, listing.price)
            self.order_count += 1
            self.orders[self.order_count] = Held(buyer, export, listing.price, now_s + DAY_S)

        return self._step(buyer, "order", (export, b"\x77" * 32), refused, ordered)

    def _settle(self, now_s: int) -> Step:
        number, held, sender = self._drawn_order()
        refused = "" if held else "NoOrder"
        if held and sender not in (self.settler, held.buyer):
            refused = "NotSettler"
        elif held and now_s >= held.refundable_at_s:
            refused = "TooLate"
        elif held:
            refused = self._unlisted(self.listings[held.export])

        def settled() -> None:
            self._sold(self.listings[self.orders.pop(number).export])

        return self._step(sender, "settle", (number,), refused, settled)

    def _refund(self, now_s: int) -> Step:
        number, held, sender = self._drawn_order()
        refused = "" if held else "NoOrder"
        if held and sender != self.settler and now_s < held.refundable_at_s:
            refused = "TooEarly"

        def refunded() -> None:
            gone = self.orders.pop(number)
            self.balances.move(self.place, gone.buyer, gone.price)

        return self._step(sender, "refund", (number,), refused, refunded)

    def _drawn_order(self) -> tuple[int, Held | None, str]:
        known = list(self.orders) if self.drawn.random() < 0.9 else []
        number = self.drawn.choice(known or [self.order_count, self.order_count + 1])
        return number, self.orders.get(number), self._one_of(self.settler, *BUYERS, STRANGER)

    def _gift(self, _now_s: int) -> Step:
        """Money that nobody owes: it may pay for nobody's order."""
        giver = self.drawn.choice(BUYERS)
        amount = self.drawn.randrange(self.balances.get(giver) + 1)
        return Step(
            "token",
            giver,
            "transfer",
            (self.place, amount),
            "",
            lambda: self.balances.move(giver, self.place, amount),
        )

    def _bring_in(self, now_s: int) -> Step:
        sender, export, one = (
            self._one_of(self.settler, STRANGER),
            self.drawn.choice(EXPORTS),
            self.transfers.draw(now_s),
        )
        listing = self.listings.get(export)
        refused = "NotSettler" if sender != self.settler else self._unlisted(listing)
        price = listing.price if listing else 0
        if not refused and one.sold:
            refused = "PaymentUsed"
        elif not refused and not one.used:
            refused = self._not_transferred(one, price, now_s)
        elif not refused and self.balances.get(self.place) - self.facts()["heldTotal"] < price:
            refused = "WrongAmountReceived"

        def brought() -> None:
            assert listing is not None
            if not one.used:
                self.balances.move(PAYER.address, self.place, price)
            one.used = one.sold = True
            self._sold(listing)

        arguments = (PAYER.address, export, 0, one.until_s, one.nonce, one.signature)
        return self._step(sender, "buyWithTransfer", arguments, refused, brought)

    def _send_first(self, now_s: int) -> Step:
        one = self.transfers.draw(now_s)
        refused = self._not_transferred(one, one.value, now_s)

        def sent() -> None:
            one.used = True
            self.balances.move(PAYER.address, self.place, one.value)

        arguments = (PAYER.address, self.place, one.value, 0, one.until_s, one.nonce, one.signature)
        return Step("token", STRANGER, TRANSFER, arguments, refused, sent)

    def _cancel(self, now_s: int) -> Step:
        one = self.transfers.draw(now_s)
        refused = "ERC3009UsedAuthorization" if one.used else ""
        arguments = (PAYER.address, one.nonce, one.cancellation)
        return Step("token", STRANGER, CANCEL, arguments, refused, lambda: setattr(one, "used", True))

    def _not_transferred(self, one: Signed, value: int, now_s: int) -> str:
        if value != one.value:
            return "ERC3009InvalidSignature"
        if now_s >= one.until_s:
            return "ERC3009InvalidAuthorizationTime"
        if one.used:
            return "ERC3009UsedAuthorization"
        return "" if self.balances.get(PAYER.address) >= value else "ERC20InsufficientBalance"

    def _cannot_pay(self, buyer: str, amount: int) -> str:
        if self.allowed[buyer] < amount:
            return "ERC20InsufficientAllowance"
        return "" if self.balances.get(buyer) >= amount else "ERC20InsufficientBalance"

    def _unlisted(self, listing: Listing | None) -> str:
        return "NotListed" if listing is None else "" if listing.is_open else "ListingClosed"

    def _sold(self, listing: Listing) -> None:
        self.sale_count += 1
        self.balances.move(self.place, self.reserve, listing.royalties)
        self.balances.move(self.place, self.treasury, listing.price - listing.royalties - listing.burned)
        self.balances.add(self.place, -listing.burned)  # nobody's any more: the supply is less

    def _one_of(self, usual: str, *others: str) -> str:
        return usual if self.drawn.random() < 0.8 else self.drawn.choice(others)

    def _step(
        self, sender: str, function: str, arguments: tuple[Any, ...], refused: str, effect: Callable[[], None]
    ) -> Step:
        return Step("market", sender, function, arguments, refused, effect)
