"""The leases of one step of the whole network, as arrays: pages, their worth, and every coin that falls for them.

Rules: the coins of a step follow from the seed and the step alone and are drawn for the network's full pace, so two
runs that differ in one number only (one more fake) meet the same pages and the same luck.

Does not: decide anything.

Usage: `leases = leases_of(seed, step, pace_per_step, hosts)`, then `leases.only(mask)`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.fraud_model.archives import Floats, Mask, is_held, stands_still
from bench.fraud_model.webs import HOSTS, Hosts, Web
from rewards.rates import CURRENT, WIND

Amounts = NDArray[np.float64]
Indices = NDArray[np.int64]

TEXT_BYTES_MEDIAN: Final = 4_000
TEXT_BYTES_SIGMA: Final = 1.0
FIRST_SEEN: Final = (
    0.85  # of pages: the text is the first of its cluster, the others are mirrors of some page
)
FEE: Final = CURRENT.fetch_fee_wei / WIND
BYTE_PAY: Final = CURRENT.novelty_byte_wei / WIND
BYTES_MAX: Final = CURRENT.novelty_bytes_max
OPERATORS: Final = 3


@dataclass(slots=True)
class Leases:
    """One row a lease. The `*_coin` are uniform; `extra` is what this fetch has alone, `truth_extra` the same of
    truths.

    `size`: bytes of text on the page; `novel`: those of them that are first seen; `moved`: the page has become
    another one when truths are fetched; `page_coin` and `kind_coin` say what archives have of it (`archives`); `held`:
    the house has imported that; `mirror`: its text is on another page too.
    """

    node: Indices
    host: Indices
    size: Floats
    novel: Floats
    extra: Floats
    truth_extra: Floats  # (operators, leases)
    moved: Mask
    page_coin: Floats
    fake_coin: Floats
    kind_coin: Floats
    depth_coin: Floats
    draw_coins: Floats  # (operators, leases)
    double_coin: Floats
    canary_coin: Floats
    seen_coin: Floats
    order_coin: Floats
    mirror: Mask
    held: Mask
    turned: Mask  # it is of a page that has just turned, and its truth is known
    aware: Mask  # and the ring has been given that page before

    def only(self, rows: Mask | Indices) -> Leases:
        """Return some of the leases."""
        places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Leases(*(getattr(self, field.name).take(places, axis=-1) for field in fields(self)))

    def __len__(self) -> int:
        """Count the leases."""
        return len(self.node)


def leases_of(
    seed: int, step: int, per_node: Indices, hosts: Hosts, web: Web, archive_held: float = 0.0
) -> Leases:
    """Draw one step's leases for nodes that take `per_node` each; see `Setting.archive_held`."""
    rng = np.random.Generator(np.random.SFC64([seed, 1 + step]))
    count = int(per_node.sum())
    coins = rng.random((14 + OPERATORS, count), dtype=np.float32)
    host = np.searchsorted(hosts.weight_sums, rng.random(count))
    host = np.minimum(host, HOSTS - 1)
    normal = rng.standard_normal(count, dtype=np.float32)
    size = np.minimum(TEXT_BYTES_MEDIAN * np.exp(TEXT_BYTES_SIGMA * normal), BYTES_MAX).astype(np.float32)
    page = coins[0]
    mirror, held = coins[1] >= FIRST_SEEN, is_held(page, archive_held)
    seen = mirror | (held & stands_still(page, coins[8], web))
    noise = hosts.noise[host]
    extras = np.minimum(-np.log1p(-coins[2:6]) * noise, 1.0)
    return Leases(
        node=np.repeat(np.arange(len(per_node)), per_node),
        host=host,
        size=size,
        novel=np.where(seen, np.float32(0), size),
        extra=extras[0],
        truth_extra=extras[1:],
        moved=coins[6] < hosts.moves[host],
        page_coin=page,
        fake_coin=coins[7],
        kind_coin=coins[8],
        depth_coin=coins[9],
        draw_coins=coins[10:13],
        double_coin=coins[13],
        canary_coin=coins[14],
        seen_coin=coins[15],
        order_coin=coins[16],
        mirror=mirror,
        held=held,
        turned=np.zeros(count, np.bool_),
        aware=np.zeros(count, np.bool_),
    )
