"""One step's answers with all that was drawn of them, and which audits of them match at first sight.

Rules: a shortcut for the many: what matches by one truth, or by the two of a doubled audit, needs no table to decide.

Does not: decide the others (`audits.examine`), or fold anything.

Usage: `sure = sure_of(setting, batch, up, host_excess)`; `for entry in entries_of(batch, sure, rows): ...`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import starmap

import msgspec
import numpy as np

from bench.fraud_model.answers import Answers
from bench.fraud_model.audits import first_scores
from bench.fraud_model.documents import OPERATORS, Amounts, Floats, Indices, Mask
from bench.fraud_model.setting import Setting
from bench.fraud_model.webs import IN_ORDER
from windrow_protocol.limits import MATCH_SIMILARITY_MIN, TRUTH_AGREEMENT_MIN
from windrow_protocol.trust_rules import PPM


@dataclass(slots=True)
class Batch:
    """One step's answers with their rates, what each asks to be paid, and who drew it."""

    answers: Answers
    rates_ppm: Indices
    values: Floats
    fee: Floats
    novelty: Floats
    drawn: Mask  # (operators, answers)
    first: Indices


@dataclass(slots=True)
class Sure:
    """Of each answer: whether it matches at first sight, with no excess that counts, by how many; their noise."""

    plain: Mask
    small: Mask
    excess: Floats
    truths: Indices
    noise: Floats
    doubled: Mask


def sure_of(setting: Setting, batch: Batch, up: tuple[int, ...], host_excess: Amounts) -> Sure:
    """Find the audits that match at first sight: by one truth, or by the two of a doubled one.

    `host_excess` is, of each answer, what truths of its host have over each other.
    """
    answers, leases, rules = batch.answers, batch.answers.leases, setting.rules
    doubled = leases.double_coin * PPM < rules.doubled_ppm
    if setting.mended:  # what makes somebody known, two operators look at
        doubled |= batch.rates_ppm >= PPM
    one_drawer = (batch.drawn.sum(axis=0) == 1) & ~answers.canary & ~answers.refused
    scores = first_scores(answers, batch.first, setting.colluding)
    alike = scores >= MATCH_SIMILARITY_MIN
    row, second = np.arange(len(leases)), (batch.first + 1) % OPERATORS
    noises = leases.truth_extra[batch.first, row], leases.truth_extra[second, row]
    agree = 1 - np.maximum(*noises) >= TRUTH_AGREEMENT_MIN
    second_alike = (
        1 - np.maximum(np.maximum(noises[1], answers.missing), answers.extra) >= MATCH_SIMILARITY_MIN
    )
    pair = one_drawer & doubled & alike & second_alike & agree & ~answers.to_cover & (len(up) == OPERATORS)
    honest_canary = answers.canary & (answers.fetched | answers.refused)
    plain = (one_drawer & ~doubled & alike) | pair | honest_canary
    excess = np.where((scores == 1.0) | answers.canary, np.float32(0), answers.excess)
    slack = rules.padding_slack_ppm / PPM if rules.on("padding") else 1.0
    truths = np.where(pair, 2, np.where(honest_canary, 0, 1))
    noise = (noises[0] + noises[1]) * np.float32(0.5 * IN_ORDER)
    return Sure(plain, plain & (excess - host_excess < slack), excess, truths, noise, doubled)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One answer of a step that is looked at by itself; the names are those of `Answers`, `Batch` and `Sure`."""

    row: int
    node: int
    host: int
    canary: bool
    refused: bool
    attacker: bool
    wrong: bool
    fraud: float
    rate_ppm: int
    value: float
    fee: float
    novelty: float
    plain: bool
    small: bool
    excess: float
    truths: int
    noise: float
    doubled: bool
    turned: bool


def entries_of(batch: Batch, sure: Sure, rows: Indices) -> Iterator[Entry]:
    """Yield some rows one by one."""
    answers, leases = batch.answers, batch.answers.leases
    columns = (
        leases.node, leases.host, answers.canary, answers.refused, answers.attacker, answers.wrong, answers.fraud,
        batch.rates_ppm, batch.values, batch.fee, batch.novelty,
        sure.plain, sure.small, sure.excess, sure.truths, sure.noise, sure.doubled, leases.turned,
    )  # fmt: skip
    return starmap(Entry, zip(rows.tolist(), *(column[rows].tolist() for column in columns), strict=True))
