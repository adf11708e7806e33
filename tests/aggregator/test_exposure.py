"""What bears on a node's audit rate: counted without a scan, exact over days, and never fooled by a clock set back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from real_house import open_house

from aggregator.verification.standings.audit_rate import Exposure
from aggregator.verification.standings.exposure import MEAN_DOCUMENT, Exposures, documents_of
from storage.state import State, set_meta, sqlite_url
from storage.tables.contributions import nodes
from storage.tables.trust import node_stakes
from windrow_protocol.trust_rules import DAY_MS, TrustRules

RULES = TrustRules()
NODE, HOST = "ab" * 32, "http://a.example:80"
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2


@contextmanager
def writing(state: State) -> Iterator[sa.Connection]:
    """A transaction in a network that knows the node."""
    with state.write() as connection:
        known = {"role": "contributor", "payout_address": "", "agent": "", "region": "", "prefix": ""}
        connection.execute(sa.insert(nodes).values(node_id=NODE, registered_at_ms=0, **known))
        yield connection


def exposure(connection: sa.Connection, now_ms: int) -> Exposure:
    return Exposures(connection, RULES, [NODE], [HOST]).of(NODE, HOST, now_ms)


def per_day(connection: sa.Connection, now_ms: int) -> float:
    return exposure(connection, now_ms).documents_per_day


def count(connection: sa.Connection, now_ms: int) -> None:
    exposures = Exposures(connection, RULES, [NODE], [])
    exposures.count(NODE, now_ms)
    exposures.write()


def test_a_new_node_has_nothing_at_stake(tmp_path: Path) -> None:
    with writing(open_house(tmp_path).state) as connection:
        found = exposure(connection, NOON_MS)
    assert (found.documents, found.at_stake, found.documents_per_day) == (0, 0.0, 0.0)
    assert not found.escalated
    assert not found.hard_host


def test_the_last_day_is_a_window_that_slides(tmp_path: Path) -> None:
    with writing(open_house(tmp_path).state) as connection:
        for hour in range(24):  # one document an hour, from midnight to midnight
            count(connection, NOON_MS + DAY_MS // 2 + hour * DAY_MS // 24)
        next_midnight = NOON_MS + DAY_MS // 2 + DAY_MS
        assert per_day(connection, next_midnight - 1) == 24
        assert per_day(connection, next_midnight) == 24
        assert per_day(connection, next_midnight + DAY_MS // 2) == 12
        assert per_day(connection, next_midnight + DAY_MS) == 0
        assert documents_of(connection, NODE) == 24


def test_stakes_are_told_in_mean_documents(tmp_path: Path) -> None:
    with writing(open_house(tmp_path).state) as connection:
        connection.execute(sa.insert(node_stakes).values(node_id=NODE, pending=6 * 10**24, bond=10**24))
        assert exposure(connection, NOON_MS).at_stake == 0.0  # nothing was earned by anybody yet
        set_meta(connection, MEAN_DOCUMENT, str(10**23))
        assert exposure(connection, NOON_MS).at_stake == 70.0


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.integers(-2 * DAY_MS, 2 * DAY_MS), max_size=30))
def test_no_document_is_lost_or_counted_twice_whatever_the_clock_does(steps: list[int]) -> None:
    state, now_ms = State.open(sqlite_url(Path(":memory:"))), NOON_MS
    with writing(state) as connection:
        for number, step in enumerate(steps, start=1):
            now_ms += step
            count(connection, now_ms)
            assert documents_of(connection, NODE) == number
            assert 1 <= per_day(connection, now_ms) <= number
    state.close()


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.integers(-2 * DAY_MS, 2 * DAY_MS), max_size=30), cut=st.integers(0, 30))
def test_those_of_one_transaction_count_as_if_each_were_alone(steps: list[int], cut: int) -> None:
    found = []
    for alone in (True, False):
        state, now_ms = State.open(sqlite_url(Path(":memory:"))), NOON_MS
        with writing(state) as connection:
            together = Exposures(connection, RULES, [NODE], [])
            for number, step in enumerate(steps):
                now_ms += step
                if alone or number < cut:
                    count(connection, now_ms)
                    together = Exposures(connection, RULES, [NODE], [])
                else:
                    together.count(NODE, now_ms)
            together.write()
            found.append((documents_of(connection, NODE), per_day(connection, now_ms)))
        state.close()
    assert found[0] == found[1]
