"""What nodes answer to their leases: honest work, or what their strategy puts in its place.

Rules: an honest answer is what the node fetched, whatever the page did since. For each answer it is known how much of
it no other fetch would show (`extra`), how much of the page it lacks (`missing`), what it asks to be paid for, and
whether an honest reader would call it wrong (less than 0.95 alike to the bytes served).

Does not: know who is audited.

Usage: `answers = answers_of(leases, strategy, web, cheating=mask)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np

from aggregator.verification.comparing.comparison import decide
from bench.fraud_model.archives import ARCHIVED, is_archived, is_other, is_static, stands_still
from bench.fraud_model.documents import BYTES_MAX, Floats, Indices, Leases, Mask
from bench.fraud_model.strategies import Strategy
from bench.fraud_model.webs import HOSTS, IN_ORDER, Hosts, Web
from windrow_protocol.trust_rules import PPM, TrustRules

NOISY: Final = 0.1  # a host of more noise than this is what cheats call hard, and they know nine of ten
AGREED_HOSTS: Final = 0.1  # share of hosts on which the ring fakes everything
FRAMING_HOSTS: Final = 50
FRAMED: Final = 0.11  # one reader against three that agree, on a page with two faces shown by a coin of 0.2
NOT_ALIKE: Final = 0.98
WRONG_BEYOND: Final = 0.05
WORDS_OF_PAGE: Final = 600
CANARIES_RECOGNISED: Final = 0.9
CANARIES_STILL: Final = 0.85  # of the archived ones, those in whose copies nothing changes


@dataclass(slots=True)
class Answers:
    """One row an answered lease; `fraud` is the share of what it asks for that no honest work stands behind."""

    leases: Leases
    fetched: Mask
    refused: Mask
    canary: Mask
    extra: Floats  # of its shingles, those that no truth has: what decides whether it is alike
    excess: Floats  # the same as often and in the order a truth has them: what is not confirmed
    missing: Floats
    size: Floats
    novel: Floats
    wrong: Mask
    fraud: Floats
    attacker: Mask
    to_cover: Mask  # what the ring's operator would repeat as truth
    closed: Mask  # no validator gets in there


def answers_of(
    leases: Leases,
    strategy: Strategy,
    web: Web,
    hosts: Hosts,
    rules: TrustRules,
    attacker: Mask,
    active: Mask,
    canary_ppm: Indices,
) -> Answers:
    """Answer all leases; of each it is known whose it is, whether that one cheats now, and its rate of canaries."""
    canary = leases.canary_coin * PPM < canary_ppm
    recognised = canary & (leases.seen_coin < CANARIES_RECOGNISED) | leases.aware
    suits = _suits(leases, strategy, hosts) | (canary & _seems_to_suit(leases, strategy))
    faked = active & ~recognised & (leases.fake_coin < strategy.fakes) & suits
    own = leases.host >= HOSTS
    closed = own & strategy.closed
    refused = active & (leases.kind_coin < strategy.refused) & ~faked | closed & ~attacker
    extra, missing = leases.extra.copy(), np.zeros_like(leases.extra)
    framed = ~attacker & (leases.host >= HOSTS - FRAMING_HOSTS) & (leases.depth_coin < FRAMED)
    moved = (leases.moved | (framed if strategy.frames else False)) & ~faked
    extra[moved] = missing[moved] = NOT_ALIKE
    size, novel = leases.size.copy(), leases.novel.copy()
    right = _forge(leases, strategy, web, rules, faked, extra, missing, size, novel)
    fraud = faked.astype(np.float32)
    padded = active & ~canary & ~faked & (leases.fake_coin < strategy.padded)
    excess = np.minimum(extra * np.float32(IN_ORDER), np.float32(1))
    _inflate(strategy, padded, extra, excess, size, novel)
    fraud[padded] = strategy.inserted
    fraud[attacker & own] = 1.0
    wrong = (faked & ~right & (missing > WRONG_BEYOND)) | (padded & (strategy.inserted > WRONG_BEYOND))
    fetched, to_cover = ~faked & ~refused, faked | refused | padded
    return Answers(
        leases,
        fetched,
        refused,
        canary,
        extra,
        excess,
        missing,
        size,
        novel,
        wrong,
        fraud,
        attacker,
        to_cover,
        closed,
    )


def _seems_to_suit(leases: Leases, strategy: Strategy) -> Mask:
    """Which control pages look like those a strategy fakes: archived, and still."""
    if strategy.where in ("static", "unseen"):
        return np.asarray(leases.page_coin >= 1 - (1 - ARCHIVED) * CANARIES_STILL)
    return np.zeros(len(leases), np.bool_)


def _suits(leases: Leases, strategy: Strategy, hosts: Hosts) -> Mask:
    page = leases.page_coin
    match strategy.where:
        case "archived":
            return is_archived(page)
        case "static":
            return is_static(page)
        case "unseen":
            return is_static(page) & ~leases.held
        case "mirrored":
            return leases.mirror
        case "noisy":
            return np.asarray(hosts.noise[leases.host] >= NOISY)
        case "agreed":
            return np.asarray(leases.host % round(1 / AGREED_HOSTS) == 0)
        case "anywhere":
            pass
    return np.ones(len(leases), np.bool_)


def with_own_sites(drawn: Leases, strategy: Strategy) -> Leases:
    """Let a share of the frontier lead to pages that the attackers generate, for whoever is sent there."""
    own = drawn.seen_coin > 1 - (strategy.own_sites or strategy.frames)
    if strategy.own_sites:
        host = HOSTS + (drawn.order_coin * strategy.own_domains).astype(np.int64)
        size, novel = (np.where(own, np.float32(BYTES_MAX), each) for each in (drawn.size, drawn.novel))
        extra, held = np.where(own, np.float32(0), drawn.extra), drawn.held & ~own
    else:
        host = HOSTS - 1 - (drawn.order_coin * FRAMING_HOSTS).astype(np.int64)
        size, novel, extra, held = (
            each.copy() for each in (drawn.size, drawn.novel, drawn.extra, drawn.held)
        )
    host = np.where(own, host, drawn.host)
    return replace(drawn, host=host, size=size, novel=novel, extra=extra, held=held)


def _forge(
    leases: Leases,
    strategy: Strategy,
    web: Web,
    rules: TrustRules,
    faked: Mask,
    extra: Floats,
    missing: Floats,
    size: Floats,
    novel: Floats,
) -> Mask:
    """Write what stands in the fakes; returns which of them are right after all."""
    replays = strategy.where in ("archived", "static", "unseen")
    page, kind = leases.page_coin, leases.kind_coin
    if replays:
        right = faked & stands_still(page, kind, web)
        partial = faked & ~right & ~is_other(page, kind, web)
    else:
        right = faked & (kind < strategy.right)
        partial = faked & ~right & (kind < strategy.right + strategy.partial)
    depth = WRONG_BEYOND + 0.65 * leases.depth_coin
    extra[partial] = missing[partial] = depth[partial]
    nothing = faked & ~right & ~partial
    extra[nothing] = missing[nothing] = NOT_ALIKE
    if strategy.where == "anywhere":
        longer = np.minimum(leases.size * strategy.bytes_factor, BYTES_MAX)
        size[faked] = novel[faked] = longer[faked]  # invented text is always the first of its kind
    elif strategy.where == "mirrored":  # whoever it is copied from handed it in before
        novel[faked] = 0
    elif replays:  # an old text of a page is new to the house that has not imported it
        novel[faked] = np.where(leases.mirror | leases.held, np.float32(0), size)[faked]
    if not rules.on("novelty"):
        novel[faked] = size[faked]
    return right


def _inflate(
    strategy: Strategy, rows: Mask, extra: Floats, excess: Floats, size: Floats, novel: Floats
) -> None:
    score, confirmed = _repeated(strategy.times) if strategy.times > 1 else (1 - strategy.inflated,) * 2
    extra[rows] = 1 - (1 - extra[rows]) * np.float32(score)
    excess[rows] = 1 - (1 - excess[rows]) * np.float32(confirmed)
    size[rows] = np.minimum(size[rows] / (1 - strategy.inserted), BYTES_MAX)
    novel[rows] = np.where(novel[rows] > 0, size[rows], 0)


@cache
def _repeated(times: int) -> tuple[float, float]:
    """Return what the comparison makes of a page said so many times: how alike it is, how much of it is confirmed."""
    page = " ".join(f"word{number}" for number in range(WORDS_OF_PAGE))
    decision = decide(" ".join([page] * times), [page])
    return decision.score, decision.confirmed
