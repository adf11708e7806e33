"""The line log: countable, written before the request, honest about what nobody saw end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contributor_node.egress import line_log
from contributor_node.egress.line_log import LineLog, read_refusals, read_rows
from windrow_protocol.errors import WindrowError


def ticking() -> Callable[[], int]:
    ticks = itertools.count(1_000)
    return lambda: next(ticks)


def test_a_row_is_on_disk_before_sent_returns(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "line_log.ndjson", ticking())
    log.sent(url="http://a.example/x", purpose="page", client="crawl", lease_id="l1")
    assert b'"http://a.example/x"' in (tmp_path / "line_log.ndjson").read_bytes()


def test_sent_and_done_make_one_row(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "line_log.ndjson", ticking())
    first = log.sent(
        url="http://a.example/1", purpose="page", client="crawl", lease_id="l1", address="1.2.3.4:80"
    )
    log.sent(url="http://a.example/2", purpose="redirect", client="crawl")
    log.done(first, status=200, bytes_up=10, bytes_down=20)
    done, still_open = read_rows(log.path)
    assert (done.url, done.status, done.bytes_up, done.bytes_down) == ("http://a.example/1", 200, 10, 20)
    assert (done.sent_at_ms, done.done_at_ms, done.address) == (1001, 1003, "1.2.3.4:80")
    assert (still_open.url, still_open.status, still_open.done_at_ms) == ("http://a.example/2", 0, None)


def test_a_full_disk_means_no_request(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "full.ndjson").symlink_to("/dev/full")
    log = LineLog(tmp_path / "full.ndjson", ticking())
    with pytest.raises(WindrowError, match="cannot be written") as caught:
        log.sent(url="http://a.example/", purpose="page", client="crawl")
    assert caught.value.code == "line_log_unwritable"
    log.done("x", status=200, bytes_up=0, bytes_down=0)  # what has left already is not made worse


def test_a_folder_that_cannot_be_made_is_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WindrowError) as caught:
        LineLog(tmp_path / "file" / "line_log.ndjson", ticking())
    assert caught.value.code == "line_log_unwritable"


def test_a_torn_row_hurts_no_other(tmp_path: Path) -> None:
    path = tmp_path / "line_log.ndjson"
    log = LineLog(path, ticking())
    log.sent(url="http://a.example/1", purpose="page", client="crawl")
    log.close()
    with path.open("ab") as file:
        file.write(b'{"event":"sent","request_id":"torn","url":"http://a.exa')
    LineLog(path, ticking()).sent(url="http://a.example/2", purpose="page", client="crawl")
    assert [row.url for row in read_rows(path)] == ["http://a.example/1", "http://a.example/2"]


def test_refusals_are_kept_but_are_no_rows(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "line_log.ndjson", ticking())
    log.refused(url="http://10.0.0.1/", purpose="page", client="crawl", lease_id="l1", error="unsafe_address")
    assert list(read_rows(log.path)) == []
    assert [row.error for row in read_refusals(log.path)] == ["unsafe_address"]


def test_a_closed_log_writes_nothing(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "line_log.ndjson", ticking())
    log.close()
    with pytest.raises(WindrowError):
        log.sent(url="http://a.example/", purpose="page", client="crawl")


@given(ends=st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=40))
def test_n_requests_are_n_rows_whatever_the_order_of_their_ends_and_the_rotation(
    ends: list[int | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "line_log.ndjson"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(line_log, "LINE_LOG_FILE_BYTES_MAX", 700)
        log = LineLog(path, ticking())
        late: list[str] = []
        for number, end in enumerate(ends):
            request_id = log.sent(url=f"http://a.example/{number}", purpose="page", client="crawl")
            if end is not None:
                late.insert(min(end, len(late)), request_id)
            if len(late) > 4:
                log.done(late.pop(), status=200, bytes_up=1, bytes_down=1)
        for request_id in late:
            log.done(request_id, status=200, bytes_up=1, bytes_down=1)
        log.close()
        rows = list(read_rows(path))
    assert [row.url for row in rows] == [f"http://a.example/{number}" for number in range(len(ends))]
    assert [row.done_at_ms is not None for row in rows] == [end is not None for end in ends]
