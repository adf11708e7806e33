"""Hosts as audits see them: which are hard to check, and how much their pages differ from fetch to fetch.

    hard   when two audits in an epoch found truths that disagree or could get none, and more than agreed; or disputed
    disputed  when two unrelated nodes mismatched there in one epoch (both mismatches are then void: the page, not they,
           differs) while truths agree
    closed a registrable domain, by the same count over its hosts, where no validator got in more often than a page was
           found to be true: those of its hosts are hard of which no validator ever read a page, or a page on each of
           a thousand names would be paid and never looked at
    easy   again after `AGREEMENTS_TO_EASE` audits in a row whose truths agreed, or, where it was two nodes that made it
           disputed, in which a node in good standing said what a truth says: then readers do not differ

Rules: a pure fold. A hard host earns the fetch fee only, so no single operator may make one, nor help one trouble that
is real to a second: whichever operator's lies are left out, two troubles must remain. Two nodes of a ring can make any
host disputed, free of charge, so that costs readers nothing: there truths can tell, and all is looked at (ADR 0084).

Does not: know tables, or fetch.

Usage: `host, voided = observe_host(HostStanding(), HostEvent("disagree", epoch_id=3))`.

Source: docs/protocol.md, "Hard hosts" and "Consequences".
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

AGREEMENTS_TO_EASE: Final = 5
TROUBLES_TO_HARDEN: Final = 2
_EXCESS_MEMORY: Final = 0.9  # weight of the past in the running mean of the excess


class HostEvent(msgspec.Struct, frozen=True):
    """`agree` and `disagree` are about two truths, `unavailable` about none to be had, the others about a node.

    `group` names the node's owner or prefix: nodes of one group are related. `excess` is the truths' over each other,
    where two were there. `suspects` are the operators any one of which could have caused a trouble by lying, alone;
    empty where no one could.
    """

    kind: Literal["agree", "disagree", "unavailable", "mismatch", "match"]
    epoch_id: int
    group: str = ""
    contribution_id: str = ""
    excess: float = 0.0
    suspects: tuple[str, ...] = ()


class HostStanding(msgspec.Struct, frozen=True):
    """What audits say about a host. Counts are of `epoch_id`; `mismatches` are (group, contribution id).

    `doubts` says of how many troubles each operator could be the cause, alone; `measures` counts what `excess` is of.
    `by_readers`: nodes alone made it hard. `read`: a validator has said the same of a page of it as its reader.
    """

    epoch_id: int = -1
    hard: bool = False
    troubles: int = 0
    agreements: int = 0
    agreements_in_a_row: int = 0
    mismatches: tuple[tuple[str, str], ...] = ()
    doubts: tuple[tuple[str, int], ...] = ()
    excess: float = 0.0
    measures: int = 0
    by_readers: bool = False
    read: bool = False

    @property
    def disputed(self) -> bool:
        """Whether it is hard because readers differ, and truths do not."""
        return self.hard and self.by_readers


def observe_host(host: HostStanding, event: HostEvent) -> tuple[HostStanding, tuple[str, ...]]:
    """Fold one event and return the host and the contributions whose mismatch is void because of it."""
    if event.epoch_id != host.epoch_id:
        host = replace(host, epoch_id=event.epoch_id, troubles=0, agreements=0, mismatches=(), doubts=())
    if event.kind == "mismatch":
        return _mismatched(host, event)
    if event.kind == "match":
        return (_eased(host) if host.by_readers else host), ()
    if event.kind == "agree":
        return _agreed(host, event), ()
    return _troubled(host, event), ()


def _troubled(host: HostStanding, event: HostEvent) -> HostStanding:
    doubts = Counter(dict(host.doubts)) + Counter(event.suspects)
    troubles = host.troubles + 1
    beyond_doubt = troubles - max(doubts.values(), default=0)
    by_truths = beyond_doubt >= TROUBLES_TO_HARDEN and troubles > host.agreements
    return replace(
        host,
        hard=host.hard or by_truths,
        by_readers=host.by_readers and not by_truths,
        troubles=troubles,
        agreements_in_a_row=0,
        doubts=tuple(sorted(doubts.items())),
    )


def _eased(host: HostStanding) -> HostStanding:
    in_a_row = host.agreements_in_a_row + 1
    hard = host.hard and in_a_row < AGREEMENTS_TO_EASE
    return replace(host, agreements_in_a_row=in_a_row, hard=hard, by_readers=host.by_readers and hard)


def _agreed(host: HostStanding, event: HostEvent) -> HostStanding:
    past = min(host.measures / (host.measures + 1), _EXCESS_MEMORY)  # the first measure counts whole
    return replace(
        _eased(host),
        agreements=host.agreements + 1,
        excess=past * host.excess + (1 - past) * event.excess,
        measures=host.measures + 1,
    )


def _mismatched(host: HostStanding, event: HostEvent) -> tuple[HostStanding, tuple[str, ...]]:
    mismatches = (*host.mismatches, (event.group, event.contribution_id))
    if len({group for group, _ in mismatches}) < 2:
        return replace(host, mismatches=mismatches), ()
    hardened = replace(
        host,
        hard=True,
        by_readers=host.by_readers or not host.hard,
        agreements_in_a_row=0,
        mismatches=mismatches,
    )
    return hardened, tuple(contribution_id for _, contribution_id in mismatches)
