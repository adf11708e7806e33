"""What the outbox was told survives a kill, is answered once, and says so when the disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from crawl_sites import lease
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)
from node_world import clean_environment
from real_data import ROOT

from contributor_node.coordinator.outbox import Outbox, Refused, Settled
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import OUTBOX_BYTES_MAX
from windrow_protocol.messages import Contribution, Lease, Outcome, Report


def report(of: Lease, detail: str = "") -> Report:
    return Report(of.lease_id, of.url, Outcome.NOT_FOUND, 1, detail=detail)


def contribution(of: Lease, size: int) -> Contribution:
    return Contribution(
        contribution_id="c" + "0" * 31,
        lease_id=of.lease_id,
        url=of.url,
        final_url=of.url,
        http_status=200,
        content_type="text/html",
        fetched_at_ms=1,
        robots_state="allowed",
        optout_signals=[],
        raw_sha256="0" * 64,
        text="x" * size,
        text_sha256="0" * 64,
    )


def leases(count: int, **fields: Any) -> list[Lease]:
    return [lease(f"http://a.example/{n}", **fields) for n in range(count)]


def test_a_lease_goes_from_taken_to_settled(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    one, two, three = leases(3)
    assert outbox.take([one, two, three]) == [one, two, three]
    assert outbox.take([one]) == [], "a lease that is known is not begun again"
    outbox.put(report(one))
    outbox.put(report(two))
    assert outbox.open_leases(0) == [three]
    assert outbox.unsent(10, 10**6) == [report(one), report(two)]
    outbox.settle([Settled(one.lease_id, "not_found", "r1"), Refused(two.lease_id, "lease_expired")])
    assert outbox.counts() == {"leases_open": 1, "unsent": 0, "refused": 1, "not_found": 1}
    assert outbox.take([one, two]) == [], "what was answered is never worked on again"
    assert not outbox.put(report(one)), "nor answered again"
    outbox.close()
    assert Outbox(tmp_path / "outbox.db").counts()["not_found"] == 1


def test_the_first_result_of_a_lease_counts(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    (one,) = leases(1)
    assert outbox.put(report(one, "first"))
    assert not outbox.put(report(one, "second"))
    assert outbox.unsent(10, 10**6) == [report(one, "first")]


def test_a_batch_is_bounded_by_count_and_bytes_and_never_empty(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    all_leases = leases(5)
    for each in all_leases:
        outbox.put(contribution(each, 1_000))
    assert [record.lease_id for record in outbox.unsent(2, 10**6)] == [
        each.lease_id for each in all_leases[:2]
    ]
    assert len(outbox.unsent(9, 3_500)) == 2
    assert len(outbox.unsent(9, 1)) == 1, "one that is too large alone is still tried"


def test_leases_whose_time_is_over_are_forgotten_but_their_results_are_not(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    gone, answered, alive = leases(3, expires_at_ms=1_000)[:2] + leases(1, expires_at_ms=9_000)
    outbox.take([gone, answered, alive])
    outbox.put(report(answered))
    assert outbox.open_leases(5_000) == [alive]
    assert outbox.unsent(9, 10**6) == [report(answered)]
    assert outbox.counts()["leases_open"] == 1


def test_it_says_when_too_much_waits(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    big = leases(OUTBOX_BYTES_MAX // 20_000_000 + 1)
    for each in big[:-1]:
        outbox.put(contribution(each, 20_000_000 - 1_000))
    assert not outbox.is_full()
    outbox.put(contribution(big[-1], 20_000_000))
    assert outbox.is_full()
    outbox.settle([Settled(big[0].lease_id, "fetched", "r")])
    assert not outbox.is_full()


_WRITER = """
import os, resource, signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from crawl_sites import lease
from contributor_node.coordinator.outbox import Outbox
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Outcome, Report

outbox = Outbox(Path(sys.argv[1]))
if sys.argv[2] == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
for n in range(10_000):
    each = lease(f"http://a.example/{n}")
    try:
        outbox.take([each])
        outbox.put(Report(each.lease_id, each.url, Outcome.NOT_FOUND, 1, detail="x" * 200))
    except WindrowError as error:
        print(n, error, flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        outbox.take([each])
        print("again", len(outbox.open_leases(0)), outbox.unsent_count(), flush=True)
        break
    print(n, flush=True)
"""


def _writer(path: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER, str(path), mode]
    return subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, text=True)


def test_kill_9_in_mid_write_loses_nothing_that_was_said(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    writer = _writer(path, "endless")
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) == 200:
            break
    writer.kill()
    said = 200 + len(writer.stdout.read().splitlines())
    writer.wait()
    outbox = Outbox(path)
    assert said <= outbox.unsent_count() - 1 <= said + 1
    assert len(outbox.open_leases(0)) <= 1


def test_a_full_disk_is_one_clear_refusal_and_no_dead_end(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    writer = _writer(path, "full")
    said, _ = writer.communicate()
    *_, refused, again = said.splitlines()
    assert "[home_unwritable]" in refused
    written = int(refused.split()[0])
    assert written > 10
    assert again == f"again 1 {written}", "when there is room again, work goes on"


def test_a_home_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "outbox.db", tmp_path):
        with pytest.raises(WindrowError, match="home_unwritable"):
            Outbox(path)


class OutboxLife(RuleBasedStateMachine):
    """Whatever the order of events and reopenings, a lease is open, waiting, or ended once: never two of them."""

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(os.environ["OUTBOX_LIFE"]) / f"{id(self)}.db"
        self.path.unlink(missing_ok=True)
        self.outbox = Outbox(self.path)
        self.open: set[str] = set()
        self.waiting: dict[str, str] = {}
        self.ended: set[str] = set()

    @rule(target=known)
    def take(self) -> Lease:
        (each,) = leases(1)
        assert self.outbox.take([each]) == [each]
        self.open.add(each.lease_id)
        return each

    @rule(each=known)
    def take_again(self, each: Lease) -> None:
        assert self.outbox.take([each]) == []

    @rule(each=known, detail=st.text(max_size=5))
    def put(self, each: Lease, detail: str) -> None:
        is_first = each.lease_id in self.open
        assert self.outbox.put(report(each, detail)) == is_first
        if is_first:
            self.open.remove(each.lease_id)
            self.waiting[each.lease_id] = detail

    @rule(each=known, refused=st.booleans())
    def end(self, each: Lease, refused: bool) -> None:
        if each.lease_id not in self.waiting:
            return
        end = Refused(each.lease_id, "x") if refused else Settled(each.lease_id, "fetched", "r")
        self.outbox.settle([end, end])
        del self.waiting[each.lease_id]
        self.ended.add(each.lease_id)

    @rule(each=consumes(known))
    def reopen(self, each: Lease) -> None:
        self.outbox.close()
        self.outbox = Outbox(self.path)

    @invariant()
    def agrees(self) -> None:
        assert {each.lease_id for each in self.outbox.open_leases(0)} == self.open
        sent = self.outbox.unsent(1_000, 10**9)
        assert {
            record.lease_id: record.detail for record in sent if isinstance(record, Report)
        } == self.waiting
        counts = self.outbox.counts()
        assert counts["refused"] + counts.get("fetched", 0) == len(self.ended)

    def teardown(self) -> None:
        self.outbox.close()


def test_any_order_of_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_LIFE", str(tmp_path))
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OutboxLife,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
