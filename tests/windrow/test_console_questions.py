"""Asking in the console: what is shown, taken away and streamed, one at a time, and nothing for nobody."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from console_world import ANALYST, SUPPORT, Console, Said, running_console, until_running

from aggregator.sql.job import Answer
from windrow.console.plots import axes_of, plot_of
from windrow_protocol.errors import REASONS, WindrowError

pytestmark = pytest.mark.asyncio(loop_scope="module")
FOR_EVER = "SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    async with running_console(tmp_path_factory.mktemp("console")) as console:
        yield console


async def test_an_answer_is_shown_with_its_freshness_and_a_page_at_a_time(world: Console) -> None:
    browser = await world.entered(ANALYST)
    said = await browser.answer("SELECT range AS n, '<b>' || range AS text FROM range(120)", plot="bars")
    assert re.search(r"As of <time .*, log entry 0, no documents yet, in \d", said.text)
    assert "&lt;b&gt;49</td>" in said.text
    assert "<b>" not in said.text.partition("answer-title")[2]
    assert "&lt;b&gt;50</td>" not in said.text
    assert '<svg class="plot bars" role="img"' in said.text
    later = re.search(r'rel="next" href="([^"#]+)', said.text)
    assert later
    more = await browser.ask("GET", later[1].replace("&amp;", "&"))
    assert "&lt;b&gt;50</td>" in more.text
    assert "page 2 of 3" in more.text
    assert '<svg class="plot bars"' in more.text


async def test_what_cannot_be_answered_says_why_and_keeps_the_statement(world: Console) -> None:
    browser = await world.entered(ANALYST)
    for statement, code in (
        ("SELECT <nothing> FROM nowhere", "sql_failed"),
        ("COPY (SELECT 1) TO '/tmp/x'", "sql_refused"),
        ("SELECT * FROM read_csv('/etc/passwd')", "sql_refused"),
    ):
        said = await browser.answer(statement)
        assert (said.status, code in said.text) == (400, True)
        assert statement.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;") in said.text
    assert "no_snapshot" in (await browser.answer("SELECT 1", at="7")).text
    assert "wrong_schema" in (await browser.answer("SELECT 1", at="x")).text


async def test_explain_shows_the_plan_and_no_rows(world: Console) -> None:
    browser = await world.entered(ANALYST)
    said = await browser.answer("SELECT 1 AS one", explain="1")
    assert "DUMMY_SCAN" in said.text
    assert "<table>" not in said.text


async def test_an_answer_is_kept_for_its_session_alone(world: Console) -> None:
    browser, other = await world.entered(ANALYST), await world.entered(SUPPORT)
    asked = await browser.post("/console/ask", statement="SELECT 'only mine' AS told")
    place = asked.headers["Location"].partition("#")[0]
    assert "only mine</td>" in (await browser.ask("GET", place)).text
    said = await other.ask("GET", place)
    assert (said.status, "no_answer" in said.text, "only mine" in said.text) == (404, True, False)


async def test_an_answer_is_taken_away_in_four_forms(world: Console) -> None:
    browser = await world.entered(ANALYST)
    got = {
        form: await browser.post(f"/console/download/{form}", statement="SELECT 7::HUGEINT AS n, 'a,b' AS t")
        for form in ("csv", "json", "parquet", "arrow")
    }
    assert got["csv"].text == 'n,t\r\n7,"a,b"'
    assert got["json"].json == [{"n": 7, "t": "a,b"}]
    assert pq.read_table(io.BytesIO(got["parquet"].body)).to_pylist() == [{"n": 7, "t": "a,b"}]
    table = pa.ipc.open_stream(got["arrow"].body).read_all()
    assert table.schema.metadata[b"windrow.as_of"].decode() == got["arrow"].headers["Windrow-As-Of"]
    for form, said in got.items():
        assert re.fullmatch(
            rf'attachment; filename="windrow-\d+T\d+Z\.{form}"', said.headers["Content-Disposition"]
        )
    assert (await browser.post("/console/download/exe", statement="SELECT 1")).status == 404


async def test_a_question_is_saved_for_all_and_asked_by_who_may_ask_nothing_else(world: Console) -> None:
    analyst, support = await world.entered(ANALYST), await world.entered(SUPPORT)
    saved = await analyst.post(
        "/console/questions", name="How many?", statement="SELECT 42 AS many", plot="bars"
    )
    question_id = saved.headers["Location"].rpartition("=")[2]
    assert "SELECT 42 AS many</textarea>" in (await analyst.ask("GET", saved.headers["Location"])).text
    page = (await support.ask("GET", "/console")).text
    assert "How many?" in page
    assert "<textarea" not in page
    said = await support.answer("SELECT 'smuggled'", question_id=question_id)
    assert "42</td>" in said.text
    assert "smuggled" not in said.text
    again = await analyst.post("/console/questions", name="How many?", statement="SELECT 43 AS many")
    assert again.headers["Location"] == saved.headers["Location"]  # a name is one question
    for name, statement in (("", "SELECT 1"), ("x" * 81, "SELECT 1"), ("x", ""), ("x\n", "SELECT 1\0")):
        said = await analyst.post("/console/questions", name=name, statement=statement)
        assert said.status in (400, 409) or "\n" in name
    assert (await analyst.post("/console/questions/delete", question_id=question_id)).status == 303
    assert (await analyst.post("/console/questions/delete", question_id=question_id)).status == 404


async def test_one_question_of_a_session_runs_at_a_time_and_none_for_who_has_left(world: Console) -> None:
    browser = await world.entered(ANALYST)
    token = await browser.token()
    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(world.url).port)
    body = urlencode({"form": token, "statement": FOR_EVER}).encode()
    head = (
        f"POST /console/ask HTTP/1.1\r\nHost: {urlsplit(world.url).netloc}\r\nOrigin: {world.url}\r\n"
        f"Cookie: {browser.cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await until_running(1)
    second = await browser.ask("POST", "/console/ask", body)
    assert (second.status, "question_running" in second.text) == (409, True)
    writer.close()
    await until_running(0)
    assert "1</td>" in (await browser.answer("SELECT 1 AS again")).text


@pytest.mark.parametrize("how", ["end", "revoke"])
async def test_who_is_put_out_gets_no_answer_to_what_still_runs(world: Console, how: str) -> None:
    browser = await world.entered(ANALYST)
    running = asyncio.create_task(browser.post("/console/ask", statement=FOR_EVER))
    await until_running(1)
    if how == "end":
        await world.operations.end((await world.operations.list())["sessions"][0]["session_id"])
    else:
        await world.operations.revoke(ANALYST.address)
    said = await running
    await world.operations.grant(ANALYST.address, "analyst")
    assert (said.status, "is over" in said.text) == (401, True)
    await until_running(0)


# --- programs ----------------------------------------------------------------------------------------------


async def asked(world: Console, token: str, statement: str, **headers: str) -> Said:
    own = {"Authorization": f"Bearer {token}", "Origin": "", **headers}
    return await world.browser().send("/console/arrow", {"statement": statement}, **own)


async def test_a_token_asks_and_does_nothing_else(world: Console) -> None:
    browser = await world.entered(ANALYST)
    page = await browser.post("/console/tokens", label="a notebook", days="30")
    found = re.search(r"windrow_query_[0-9a-f]{64}", page.text)
    assert found
    table = pa.ipc.open_stream((await asked(world, found[0], "SELECT range AS n FROM range(30000)")).body)
    assert table.read_all().num_rows == 30_000
    for code, token in (("bad_token", found[0][:-1]), ("bad_token", ""), ("bad_token", browser.cookie)):
        said = await asked(world, token, "SELECT 1")
        assert (said.status, said.json["error"]) == (REASONS[code].http_status, code)
    bare = world.browser()
    assert (await bare.ask("GET", "/console", Authorization=f"Bearer {found[0]}")).status == 303
    assert (await asked(world, found[0], "SELECT 1", Host="evil.example")).json["error"] == "foreign_console"
    assert (await asked(world, found[0], "DROP TABLE x")).json["error"] == "sql_refused"
    listed = (await world.operations.list())["tokens"]
    assert "windrow_query_" not in str(listed)
    await world.operations.end(listed[0]["token_id"])
    assert (await asked(world, found[0], "SELECT 1")).json["error"] == "bad_token"


async def test_a_token_ends_with_its_time_and_its_accounts_role(world: Console) -> None:
    made = await world.operations.token("nightly", 1, ANALYST.address)
    assert (await asked(world, made["token"], "SELECT 1")).status == 200
    await world.operations.grant(ANALYST.address, "support")
    assert (await asked(world, made["token"], "SELECT 1")).json["error"] == "role_too_low"
    await world.operations.grant(ANALYST.address, "analyst")
    world.clock.ahead_ms = 86_400_001
    assert (await asked(world, made["token"], "SELECT 1")).json["error"] == "bad_token"
    world.clock.ahead_ms = 0
    for label, days in (("", 1), ("x", 0), ("x", 366), ("x\n", 1)):
        with pytest.raises(WindrowError, match="bad_usage"):
            await world.operations.token(label, days)
    with pytest.raises(WindrowError, match="role_too_low"):
        await world.operations.token("x", 1, SUPPORT.address)


async def test_a_stream_that_breaks_off_is_told_from_a_whole_one(world: Console) -> None:
    made = await world.operations.token("broken", 1, ANALYST.address)
    late = "SELECT CASE WHEN range = 290000 THEN error('late') ELSE 'a' END AS a FROM range(300000)"
    with pytest.raises((OSError, Exception), match=r"[Ii]ncomplete|reset|closed|Connection"):
        await asked(world, made["token"], late)
    await until_running(0)
    assert (await asked(world, made["token"], "SELECT 1")).status == 200


async def test_the_example_reads_it(world: Console) -> None:
    made = await world.operations.token("example", 1, ANALYST.address)
    example = Path(__file__).parents[2] / "examples" / "notebook.py"
    said = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(example), "SELECT 12345678901234567890::DECIMAL(38,0) AS wei", world.url],
        env={**os.environ, "WINDROW_TOKEN": made["token"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "wei: decimal128(38, 0)" in said.stdout
    assert "Decimal('12345678901234567890')" in said.stdout


# --- plots -------------------------------------------------------------------------------------------------


def answer_of(columns: list[str], *rows: list[object]) -> Answer:
    return Answer(columns, ["VARCHAR"] * len(columns), list(rows), log_seq=0, truncated=False)


async def test_plots_draw_numbers_wherever_they_stand() -> None:
    days = answer_of(
        ["day", "wei"],
        ["2026-01-01 00:00:00", "1" + "0" * 30],
        ["2026-01-03 00:00:00", None],
        ["2026-01-05 00:00:00", 3],
    )
    line, bars = plot_of(days, "line"), plot_of(days, "bars")
    assert line is not None
    assert bars is not None
    assert line.count("<circle") == 2
    assert "<polyline" not in line  # a gap lies between them
    assert bars.count("<rect") == 6
    assert axes_of(days) == ("day", "wei")
    evil = answer_of(["</title><script>", "n"], ["<script>alert(1)</script>\x1b[2J", -5], ["b", 10])
    drawn = plot_of(evil, "bars")
    assert drawn is not None
    assert "<script" not in drawn
    assert "\x1b" not in drawn
    for nothing in (answer_of(["a"]), answer_of(["a"], ["x"]), answer_of(["a"], [None])):
        assert plot_of(nothing, "bars") is None
    for few in ([["a", 0]], [["a", 0], ["b", 0]], [["a", "nan"], ["b", 1e300]]):
        assert plot_of(answer_of(["k", "n"], *few), "line") is not None
    assert plot_of(days, "none") is None
