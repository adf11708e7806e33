"""How many people went where, month by month, so that nobody learns by it whether one person did: by OpenDP.

Rules: a person counts at most once for a host and month, and for `PRIVACY_HOSTS_MAX` hosts of a month at most; the
count of a host gets Laplace noise, and a host is named only above a threshold, so that the mere name says nothing of
one person either (epsilon, `PRIVACY_DELTA`). What an answer costs is spent for each person, durably, before the noise
is drawn: a crash between the two loses budget and no privacy. Who has too little left is left out. The same question
about the same people is answered by the same answer, for nothing; asking again averages nothing out.

Does not: choose who is asked about, or decide the budget (`limits`). Sums are by basic composition.

Usage: `counted = monthly_counts(house, {"2026-10": {person: {host, …}}}, epsilon_micro=250_000)`.

Source: Dwork, Roth, "The Algorithmic Foundations of Differential Privacy" (2014), 3.3, 7.1; Feldman, Zrnic, "Individual
Privacy Accounting via a Rényi Filter" (2021) for leaving out who has spent theirs; OpenDP `make_laplace_threshold`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import cache, partial
from typing import Any

import msgspec
import pyarrow as pa
import sqlalchemy as sa

from storage.house import House
from storage.tables.person_months import privacy_answers, privacy_spends
from windrow_protocol.limits import PRIVACY_DELTA, PRIVACY_EPSILON_MICRO_MAX, PRIVACY_HOSTS_MAX

MICRO = 1_000_000
_THRESHOLD_MAX = 2**24
Visited = Mapping[str, AbstractSet[str]]
Noise = Callable[[Mapping[str, int]], dict[str, int]]
SCHEMA = pa.schema([("month", pa.string()), ("host", pa.string()), ("people", pa.int64())])


def monthly_counts(house: House, months: Mapping[str, Visited], *, epsilon_micro: int) -> pa.Table:
    """Return noisy numbers of people by month and host, as an Arrow table of `SCHEMA`; `months` is who went where."""
    noise = partial(noisy, epsilon=epsilon_micro / MICRO)
    rows = [
        {"month": month, "host": host, "people": people}
        for month in sorted(months)
        for host, people in sorted(
            answer(house, month, months[month], epsilon_micro=epsilon_micro, noise=noise).items()
        )
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def answer(house: House, month: str, visited: Visited, *, epsilon_micro: int, noise: Noise) -> dict[str, int]:
    """Answer for one month: as before if it was asked before, else by noise that was paid for first.

    Raises ValueError for an answer that costs nothing.
    """
    if epsilon_micro <= 0:
        raise ValueError("an answer costs something")
    question = _question(house, month, visited, epsilon_micro)
    known = _known_answer(house, question)
    if known is not None:
        return known
    answer_id, people = spend(house, visited.keys(), epsilon_micro)
    exact = Counter(
        host for person in sorted(people) for host in _bounded(house, month, person, visited[person])
    )
    told = noise(exact) if people else {}
    with house.state.write() as connection:
        connection.execute(
            sa.insert(privacy_answers).values(
                question_mark=question,
                answer_id=answer_id,
                answer=msgspec.json.encode(told).decode(),
                answered_at_ms=house.now_ms(),
            )
        )
    return told


def spend(house: House, people: AbstractSet[str], epsilon_micro: int) -> tuple[str, set[str]]:
    """Write down what an answer costs, durably; return its id and for whom it was still affordable."""
    answer_id = house.new_id("a")
    marks = {_mark(house, person): person for person in people}
    with house.state.write() as connection:
        spent = sa.select(privacy_spends.c.person_mark, sa.func.sum(privacy_spends.c.epsilon_micro))
        rows = connection.execute(spent.group_by(privacy_spends.c.person_mark))
        before = {mark: int(amount) for mark, amount in rows if mark in marks}
        able = [
            mark for mark in sorted(marks) if before.get(mark, 0) + epsilon_micro <= PRIVACY_EPSILON_MICRO_MAX
        ]
        if able:
            common = {"answer_id": answer_id, "epsilon_micro": epsilon_micro, "spent_at_ms": house.now_ms()}
            connection.execute(sa.insert(privacy_spends), [{"person_mark": mark, **common} for mark in able])
    return answer_id, {marks[mark] for mark in able}


def noisy(counts: Mapping[str, int], *, epsilon: float) -> dict[str, int]:
    """Return counts with noise, only those above the threshold; one person changes PRIVACY_HOSTS_MAX of them by 1.

    Raises ValueError for an epsilon that no noise gives.
    """
    told: dict[str, int] = _mechanism(epsilon)(dict(counts))
    return {name: max(0, people) for name, people in told.items()}


@cache
def _mechanism(epsilon: float) -> Callable[[dict[str, int]], dict[str, int]]:
    """Return OpenDP's mechanism whose own privacy map says at most (epsilon, PRIVACY_DELTA)."""
    import opendp.prelude as dp  # only who publishes counts pays for it in memory

    dp.enable_features("contrib")
    space = (
        dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i32")),
        dp.l01inf_distance(dp.absolute_distance(T="i32")),
    )
    change = (PRIVACY_HOSTS_MAX, PRIVACY_HOSTS_MAX, 1)
    scale = PRIVACY_HOSTS_MAX / epsilon * (1 + 1e-9)  # a hair above, for what rounding takes
    made: Any = partial(dp.m.make_laplace_threshold, *space, scale)
    threshold = bisect_left(
        range(_THRESHOLD_MAX),
        True,
        lo=1,
        key=lambda tried: made(threshold=tried).map(change)[1] <= PRIVACY_DELTA,
    )
    mechanism: Any = made(threshold=threshold)
    if not mechanism.check(change, (epsilon, PRIVACY_DELTA)):
        raise ValueError(f"no noise gives {epsilon}")
    found: Callable[[dict[str, int]], dict[str, int]] = mechanism
    return found


def _bounded(house: House, month: str, person: str, hosts: AbstractSet[str]) -> list[str]:
    """Return at most PRIVACY_HOSTS_MAX of a person's hosts, drawn by a key that nobody who asks has."""
    drawn = sorted(hosts, key=lambda host: house.keyed("privacy_hosts", month, person, host))
    return drawn[:PRIVACY_HOSTS_MAX]


def _question(house: House, month: str, visited: Visited, epsilon_micro: int) -> str:
    of = (f"{person} {' '.join(sorted(hosts))}" for person, hosts in sorted(visited.items()))
    return house.keyed("privacy_question", month, str(epsilon_micro), str(PRIVACY_HOSTS_MAX), *of).hex()


def _known_answer(house: House, question: str) -> dict[str, int] | None:
    with house.state.read() as connection:
        wanted = sa.select(privacy_answers.c.answer).where(privacy_answers.c.question_mark == question)
        told = connection.execute(wanted).scalar()
    return None if told is None else msgspec.json.decode(told, type=dict[str, int])


def _mark(house: House, person: str) -> str:
    return house.keyed("privacy_person", person).hex()
