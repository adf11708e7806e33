"""A standing order: which dataset, from how much that is new, under which terms, up to which price; and what to do now.

Rules: a fixed vocabulary, like that of terms; nothing of an order is ever run. What is new is the rows of the newest
version less those of the version held, so rows that went are never counted as new. A version is bought once for each
order. One whose terms did not hold is left for good, since no version ever changes. Pure: no clock, no I/O.

Does not: ask the market, pay, or know the limit over all orders (`windrow.agent.allowance`).

Usage::

    order = parse_order(text)
    decision = decide(order, manifest, price, held=None, refused=set())
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from marketplace.answers import Wei
from marketplace.terms import Count, Name, Terms
from windrow_protocol.amounts import OWN_ASSET, units_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import Manifest, check_dataset_name, version_key
from windrow_protocol.limits import TERMS_BYTES_MAX, TERMS_ENTRIES_MAX

BUY: Final = "buy"
Symbol = Annotated[str, Meta(pattern="^[A-Za-z0-9.]{1,16}$(?!\\n)")]


class StandingOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is wanted. `have` is a version that the buyer holds already.

    The most that one version may cost is `price_wei_max`, or for an order that pays in another `asset` its
    `price_units_max`, in that asset's smallest unit. An order pays in one asset: nothing is converted.

    `rows_new_min`: rows that are new, of any language. `languages_new_min`: the same by language. `terms`: what must
    hold in escrow, or the price comes back.
    """

    dataset: str
    price_wei_max: Wei | None = None
    rows_new_min: Count = 1
    languages_new_min: Annotated[dict[Name, Count], Meta(max_length=TERMS_ENTRIES_MAX)] = {}
    have: str = ""
    terms: Terms = Terms()
    asset: Symbol = OWN_ASSET
    price_units_max: Wei | None = None

    @property
    def price_max(self) -> int:
        """The most that one version may cost, in the smallest unit of `asset`."""
        return int((self.price_wei_max if self.asset == OWN_ASSET else self.price_units_max) or 0)

    @property
    def most(self) -> str:
        """The same in words."""
        return units_text(self.price_max, self.asset)


@dataclass(frozen=True, slots=True)
class Held:
    """The version that an order has, as far as it is compared with a newer one."""

    version: str
    rows: int
    languages: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Decision:
    """`result` is `buy`, or why not: `nothing_newer`, `terms_failed`, `too_little_new`, `not_offered`, `too_dear`."""

    result: str
    detail: str


def parse_order(text: str) -> StandingOrder:
    """Read an order from TOML. Raises WindrowError `bad_terms`, `unknown_dataset` or `not_found` (no such version)."""
    if len(text) > TERMS_BYTES_MAX:
        raise WindrowError("bad_terms", f"more than {TERMS_BYTES_MAX} characters")
    try:
        order = msgspec.convert(tomllib.loads(text), StandingOrder)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise WindrowError("bad_terms", str(error)[:200]) from error
    wanted, other = ("price_wei_max", "price_units_max")[:: 1 if order.asset == OWN_ASSET else -1]
    if getattr(order, wanted) is None or getattr(order, other) is not None:
        raise WindrowError("bad_terms", f"an order in {order.asset} has `{wanted}`, and no `{other}`")
    check_dataset_name(order.dataset)
    if order.have:
        version_key(order.have)
    return order


def decide(
    order: StandingOrder, newest: Manifest, price: int | None, held: Held | None, refused: Set[str]
) -> Decision:
    """Say what to do about the newest version.

    `price` is in the smallest unit of the order's asset, None where the version is not sold for that. `refused` are
    export ids whose terms did not hold for this order.
    """
    if held is not None and version_key(newest.version) <= version_key(held.version):
        return Decision("nothing_newer", f"{held.version} is held, {newest.version} is the newest")
    if newest.export_id in refused:
        return Decision("terms_failed", f"the terms did not hold for {newest.version}")
    grown = newest.rows - (held.rows if held else 0)
    missing = [f"{grown} new rows of {order.rows_new_min}"] if grown < order.rows_new_min else []
    for language, least in sorted(order.languages_new_min.items()):
        found = newest.languages.get(language, 0) - (held.languages.get(language, 0) if held else 0)
        missing += [f"{found} new rows in {language} of {least}"] if found < least else []
    if missing:
        return Decision("too_little_new", "; ".join(missing))
    if price is None:
        return Decision("not_offered", f"{newest.version} is not sold for {order.asset}")
    costs = units_text(price, order.asset)
    if price > order.price_max:
        return Decision("too_dear", f"{newest.version} costs {costs} of at most {order.most}")
    return Decision(BUY, f"{newest.version}: {grown} new rows for {costs}")
