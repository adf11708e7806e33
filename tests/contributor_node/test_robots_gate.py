"""One robots.txt per host: shared, kept, asked for again when it should be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contributor_node.crawling.outcomes import outcome_of_refusal, outcome_of_status
from contributor_node.crawling.robots import RobotsAnswer, RobotsCache, RobotsGate, origin_of
from contributor_node.crawling.wire import Work
from windrow_protocol.errors import REASONS
from windrow_protocol.limits import ROBOTS_CACHE_S, ROBOTS_HOSTS_MAX, ROBOTS_RETRY_S
from windrow_protocol.messages import Outcome
from windrow_protocol.robots_rules import RobotsState

DENY = RobotsAnswer(200, b"User-agent: *\nDisallow: /private/\n")
URL = "http://a.example/private/1"


def work(lease_id: str = "l1") -> Work:
    return Work(
        lease_id=lease_id,
        url=URL,
        render="http",
        want_raw=False,
        body_bytes_max=1,
        decoded_bytes_max=1,
        time_s_max=1,
        redirects_max=1,
        expires_at_ms=1,
    )


class Host:
    """Answers fetches of robots.txt from a list, the last one again and again, and counts them."""

    def __init__(self, *answers: RobotsAnswer) -> None:
        self.answers, self.asked = list(answers), []  # type: ignore[var-annotated]

    async def fetch(self, url: str, lease: Work) -> RobotsAnswer:
        self.asked.append((url, lease.lease_id))
        await asyncio.sleep(0)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def cache(tmp_path: Path) -> RobotsCache:
    return RobotsCache(tmp_path / "robots.sqlite3")


async def test_many_waiters_share_one_fetch(cache: RobotsCache) -> None:
    host = Host(DENY)
    gate = RobotsGate(cache, host.fetch, Clock())
    found = await asyncio.gather(*(gate.rules_for(URL, work(f"l{n}")) for n in range(50)))
    assert host.asked == [("http://a.example/robots.txt", "l0")]
    assert not any(one.rules.allows("WindrowBot", URL) for one in found)


async def test_origins_are_kept_apart(cache: RobotsCache) -> None:
    host = Host(DENY)
    gate = RobotsGate(cache, host.fetch, Clock())
    for url in ("http://a.example/", "https://a.example/", "http://a.example:8080/", "http://A.example/x"):
        await gate.rules_for(url, work())
    assert [url for url, _ in host.asked] == [
        "http://a.example/robots.txt",
        "https://a.example/robots.txt",
        "http://a.example:8080/robots.txt",
    ]
    assert origin_of("HTTP://A.Example:80/x") == "http://a.example:80"


async def test_rules_are_kept_a_day_over_restarts_and_no_longer(tmp_path: Path) -> None:
    host, clock = Host(DENY), Clock()
    for passed_s, fetches in ((0, 1), (ROBOTS_CACHE_S - 1, 1), (2, 2)):
        clock.now_ms += passed_s * 1000
        cache = RobotsCache(tmp_path / "robots.sqlite3")
        found = await RobotsGate(cache, host.fetch, clock).rules_for(URL, work())
        cache.close()
        assert (len(host.asked), found.rules.allows("WindrowBot", URL)) == (fetches, False)


async def test_a_long_lived_gate_asks_again_after_a_day(cache: RobotsCache) -> None:
    host, clock = Host(DENY, RobotsAnswer(404, b"")), Clock()
    gate = RobotsGate(cache, host.fetch, clock)
    assert not (await gate.rules_for(URL, work())).rules.allows("WindrowBot", URL)
    clock.now_ms += ROBOTS_CACHE_S * 1000
    assert (await gate.rules_for(URL, work())).rules.allows("WindrowBot", URL)


@pytest.mark.parametrize("answer", [RobotsAnswer(503, b""), RobotsAnswer(None, b"", "fetch_timeout")])
async def test_unreachable_rules_deny_and_are_asked_for_again_soon(
    answer: RobotsAnswer, cache: RobotsCache
) -> None:
    host, clock = Host(answer, RobotsAnswer(404, b"")), Clock()
    gate = RobotsGate(cache, host.fetch, clock)
    for passed_s in (0, ROBOTS_RETRY_S - 1):
        clock.now_ms += passed_s * 1000
        found = await gate.rules_for(URL, work())
        assert (found.rules.state, found.refusal) == (RobotsState.UNREACHABLE, answer.refusal)
        assert not found.rules.allows("WindrowBot", URL)
    clock.now_ms += 2_000
    assert (await gate.rules_for(URL, work())).rules.allows("WindrowBot", URL)
    assert len(host.asked) == 2


async def test_when_the_first_lease_fails_by_itself_the_next_one_fetches(cache: RobotsCache) -> None:
    host = Host(RobotsAnswer(None, b"", "lease_expired"), DENY)
    gate = RobotsGate(cache, host.fetch, Clock())
    first, *others = await asyncio.gather(*(gate.rules_for(URL, work(f"l{n}")) for n in range(5)))
    assert first.refusal == "lease_expired"
    assert {other.refusal for other in others} == {""}
    assert [lease_id for _, lease_id in host.asked] == ["l0", "l1"]


async def test_a_fetch_that_breaks_is_tried_again_and_hides_from_nobody(cache: RobotsCache) -> None:
    calls = []

    async def fetch(url: str, lease: Work) -> RobotsAnswer:
        calls.append(url)
        if len(calls) == 1:
            raise RuntimeError("broken")
        return DENY

    gate = RobotsGate(cache, fetch, Clock())
    found = await asyncio.gather(*(gate.rules_for(URL, work()) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(one, RuntimeError) for one in found)
    assert not (await gate.rules_for(URL, work())).rules.allows("WindrowBot", URL)


def test_a_damaged_cache_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "robots.sqlite3"
    path.write_bytes(b"this is no database" * 100)
    cache = RobotsCache(path)
    cache.put("http://a.example", DENY, 1_000)
    assert cache.get("http://a.example", 1_001) == (DENY, 1_000 + ROBOTS_CACHE_S * 1000)
    assert cache.get("http://a.example", 999) is None  # a clock that was set back proves nothing


def test_the_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contributor_node.crawling.robots.ROBOTS_HOSTS_MAX", 3)
    cache = RobotsCache(tmp_path / "robots.sqlite3")
    for number in range(6):
        cache.put(f"http://{number}.example", DENY, 1_000 + number)
    assert [cache.get(f"http://{number}.example", 1_010) is not None for number in range(6)] == [
        False
    ] * 3 + [True] * 3
    assert ROBOTS_HOSTS_MAX > 3


def test_refusals_become_outcomes_and_our_own_faults_none() -> None:
    ours = {"not_leased", "line_log_unwritable", "method_refused", "no_browser", "egress_gone", "child_fault"}
    assert {code: outcome_of_refusal(code) for code in ours} == dict.fromkeys(ours)
    assert outcome_of_refusal("unsafe_address") is Outcome.UNSAFE_ADDRESS
    assert outcome_of_refusal("budget_exhausted") is Outcome.BUDGET_EXHAUSTED
    known = [code for code in REASONS if outcome_of_refusal(code) is not None]
    assert "lease_expired" in known


STATUSES = {
    "fetched": [200, 206],
    "unchanged": [304],
    "not_found": [404, 410],
    "blocked": [401, 403, 418, 429, 451],
    "timeout": [408, 504],
    "too_large": [413],
    "server_error": [302, 500, 503],
}


@pytest.mark.parametrize(("outcome", "statuses"), STATUSES.items())
def test_statuses_become_outcomes(outcome: str, statuses: list[int]) -> None:
    assert {outcome_of_status(status) for status in statuses} == {outcome}
