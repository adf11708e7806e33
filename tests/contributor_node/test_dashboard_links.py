"""Links to the dashboard: each lets one browser in, once, for a while; used ones stay used."""

from __future__ import annotations

import pytest

from contributor_node.dashboard.admission import Gate, make_link_token
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DASHBOARD_LINK_LIFE_MS, DASHBOARD_LINKS_MAX, DASHBOARD_SESSIONS_MAX


def test_links_grow_old_and_sessions_are_few() -> None:
    gate = Gate("s" * 64, 1_000_000)
    late = make_link_token("s" * 64, 1_000_001)
    with pytest.raises(WindrowError, match="too old"):
        gate.enter(late, 1_000_002 + DASHBOARD_LINK_LIFE_MS)
    for made_at_ms, now_ms in ((999_999, 1_000_500), (1_000_501, 1_000_500)):
        with pytest.raises(WindrowError):
            gate.enter(make_link_token("s" * 64, made_at_ms), now_ms)
    sessions = [gate.enter(make_link_token("s" * 64, 1_000_000 + n), 1_001_000) for n in range(17)]
    assert len(sessions) == DASHBOARD_SESSIONS_MAX + 1
    with pytest.raises(WindrowError, match="no session"):
        gate.form_token({"cookie": f"windrow_node={sessions[0]}"})
    assert len({gate.form_token({"cookie": f"windrow_node={each}"}) for each in sessions[1:]}) == 16


def test_a_used_link_stays_used_however_many_come_after_it() -> None:
    gate = Gate("s" * 64, 0)
    first = make_link_token("s" * 64, 1)
    gate.enter(first, 10)
    for n in range(DASHBOARD_LINKS_MAX + 1):
        gate.enter(make_link_token("s" * 64, 2 + n // 100), 100)
    with pytest.raises(WindrowError):
        gate.enter(first, 100)
