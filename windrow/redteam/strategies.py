"""Every strategy of the adversary suite by its name.

Usage: `record = await STRATEGIES["garbage"](kit).answer(client, lease)`.
"""

from __future__ import annotations

from typing import Final

from windrow.redteam.inventing import (
    AdaptivePauser,
    AppealsSpam,
    EmptyAnswers,
    Fakes2,
    Fakes5,
    Fakes10,
    FluentText,
    Garbage,
    HardPagesOnly,
    Padding,
    Paraphrase,
    RingWithFraming,
    Sleeper,
    SybilFlood,
    Unparseable,
    VestingTimer,
)
from windrow.redteam.replaying import Copies, ForgedReceipts, ReplayedSubmissions, StaleReplay, StaticReplay
from windrow.redteam.shirking import DeafHoarder, EasyLeasesOnly, LeaseHoarder, OwnMirrors, OwnSites
from windrow.redteam.strategy import Strategy

STRATEGIES: Final[dict[str, type[Strategy]]] = {
    kind.name: kind
    for kind in (
        Strategy,
        Garbage,
        FluentText,
        StaleReplay,
        StaticReplay,
        Copies,
        Padding,
        RingWithFraming,
        Sleeper,
        SybilFlood,
        HardPagesOnly,
        EasyLeasesOnly,
        Fakes2,
        Fakes5,
        Fakes10,
        AdaptivePauser,
        VestingTimer,
        AppealsSpam,
        Paraphrase,
        LeaseHoarder,
        DeafHoarder,
        OwnSites,
        OwnMirrors,
        EmptyAnswers,
        Unparseable,
        ReplayedSubmissions,
        ForgedReceipts,
    )
}
