"""The economic parameters of a network: what work earns, what of a sale goes where, and how both change with time.

Rules: integers only, amounts in wei and shares in basis points or parts per million, so that everybody computes the
same. What an epoch pays follows from its number and these parameters: after every `halving_epochs` epochs each rate of
minted pay is half of what it was, rounded down. Published, amounts are decimal strings; the digest is of that form.

Does not: read files, or know which parameters held when (`storage/pay_terms.py`).

Usage::

    economics = Economics(halving_epochs=365)
    economics.halved(economics.fetch_fee_wei, epoch_id=366)  # half of it
    digest = sha256_of(economics.published())

Source: docs/economics.md; docs/protocol.md, "Pay".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from windrow_protocol.amounts import OWN_ASSET
from windrow_protocol.trust_rules import DAY_MS, PPM

WIND: Final = 10**18  # wei of one token
BPS: Final = 10_000
_AMOUNT: Final = "_wei"  # what names of amounts have in them
_AMOUNT_MAX: Final = 2**128 - 1  # as a price on chain
_YEARS_100_MS: Final = 36_525 * DAY_MS


class Economics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One network's parameters; the file `windrow/economics.toml` says what each is for."""

    fetch_fee_wei: int = WIND // 20
    novelty_byte_wei: int = WIND // 100_000
    novelty_bytes_max: int = 50_000
    audit_fee_wei: int = WIND // 20
    halving_epochs: int = 1_460
    royalty_bps: int = 7_000
    burn_bps: int = 1_500
    month_wei_max: int = 20 * WIND
    month_owner_share_ppm: int = 5_000
    month_pending_ms: int = 30 * DAY_MS
    month_round_ms: int = 7 * DAY_MS
    relay_due_wei_min: int = 0
    relay_due_units_min: int = 0

    def __post_init__(self) -> None:
        """Refuse what no network can mean. Raises ValueError, naming the parameter."""
        for name in self.__struct_fields__:
            most = _YEARS_100_MS if name.endswith("_ms") else _AMOUNT_MAX
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"`{name}` is not between 0 and {most}: {getattr(self, name)}")
        if not 0 < self.royalty_bps < BPS:
            raise ValueError(f"`royalty_bps` is not between 1 and {BPS - 1}: {self.royalty_bps}")
        if self.royalty_bps + self.burn_bps > BPS:
            raise ValueError(
                f"`royalty_bps` and `burn_bps` are together {self.royalty_bps + self.burn_bps} of {BPS}: "
                "more than the whole price"
            )
        if self.month_owner_share_ppm > PPM:
            raise ValueError(f"`month_owner_share_ppm` is more than the whole: {self.month_owner_share_ppm}")
        if not self.month_round_ms:
            raise ValueError("`month_round_ms` is 0: a round has to last")

    def halvings(self, epoch_id: int) -> int:
        """Return how many halvings an audit epoch (the first is 1) comes after."""
        return max(0, epoch_id - 1) // self.halving_epochs if self.halving_epochs else 0

    def halved(self, rate_wei: int, epoch_id: int) -> int:
        """Return a rate of minted pay as it is in an audit epoch, rounded down to the wei."""
        return rate_wei >> min(self.halvings(epoch_id), _AMOUNT_MAX.bit_length())

    def relay_due_min(self, asset: str) -> int:
        """Return from which due on claims of an asset are sent unasked, in its smallest unit; 0: never."""
        return self.relay_due_wei_min if asset == OWN_ASSET else self.relay_due_units_min

    def published(self) -> dict[str, Any]:
        """Return the parameters as everybody reads them, amounts as decimal strings."""
        shown = msgspec.to_builtins(self)
        return {name: str(value) if _AMOUNT in name else value for name, value in shown.items()}


# What was in force before there were parameters: nothing was halved or burned.
BEFORE: Final = Economics(halving_epochs=0, burn_bps=0)


def canonical(published: Mapping[str, Any]) -> str:
    """Return published parameters in the one spelling that the digest is of."""
    return json.dumps(published, sort_keys=True, separators=(",", ":"))


def sha256_of(published: Mapping[str, Any]) -> str:
    """Return the digest of published parameters, lower hex."""
    return hashlib.sha256(canonical(published).encode()).hexdigest()


def economics_of(published: Mapping[str, Any]) -> Economics:
    """Read published parameters, perhaps of another version: what is unknown here is nothing that is used here.

    Raises msgspec.ValidationError or ValueError for values that are no parameters.
    """
    names = Economics.__struct_fields__
    return msgspec.convert({n: v for n, v in published.items() if n in names}, Economics, strict=False)
