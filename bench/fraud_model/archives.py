"""What archives have of the pages of the model, and what of that the house has imported.

    page_coin   below ARCHIVED: in no archive; up to STATIC: known to stand still (two captures are alike); above: not
    kind_coin   how the page of today differs from its last capture: not, partly, or it is another page

Rules: frontiers lease no accepted page again (`assignment.frontier.STEPS`), so an archive is all that anybody, the
house too, can know of a page beforehand. A text that the house imported is in its index of seen texts: whoever hands it
in, having fetched it or not, earns the fee (`rewards.rates`). Of all archived pages `Web.stale` have changed.

Does not: decide who replays what (`answers`).

Usage: `still = stands_still(page_coin, kind_coin, web)`; `held = is_held(page_coin, 0.5)`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.fraud_model.webs import Web

ARCHIVED: Final = 0.6
STATIC: Final = 0.8
CHANGED: Final = 0.03  # of the pages known to stand still, those that are other pages by now
_SPREAD: Final = 1_000  # whether an archive that the house holds has a page follows from the page alone

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def is_archived(page_coin: Floats) -> Mask:
    """Say which pages some archive has."""
    return np.asarray(page_coin >= ARCHIVED)


def is_static(page_coin: Floats) -> Mask:
    """Say which pages are known to stand still."""
    return np.asarray((page_coin >= ARCHIVED) & (page_coin < STATIC))


def is_held(page_coin: Floats, archive_held: float) -> Mask:
    """Say of which pages the house has imported the last capture too, where it has so many of them."""
    return np.asarray(is_archived(page_coin) & (page_coin * _SPREAD % 1 < archive_held))


def stands_still(page_coin: Floats, kind_coin: Floats, web: Web) -> Mask:
    """Say which archived pages still say what their last capture says."""
    return np.asarray(kind_coin < _still(page_coin, web))


def is_other(page_coin: Floats, kind_coin: Floats, web: Web) -> Mask:
    """Say which archived pages have become wholly other ones: those that changed and stood still, half of the rest."""
    changed = np.where(is_static(page_coin), 1.0, 0.5) * (1 - _still(page_coin, web))
    return np.asarray(kind_coin >= 1 - changed)


def _still(page_coin: Floats, web: Web) -> NDArray[np.float64]:
    static = (STATIC - ARCHIVED) / (1 - ARCHIVED)
    others = max(0.0, (1 - web.stale - static * (1 - CHANGED)) / (1 - static))
    return np.where(is_static(page_coin), 1 - CHANGED, others)
