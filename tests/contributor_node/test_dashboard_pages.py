"""What the dashboard's pages say of a real node: its work, log, limits and money; strangers' texts escaped."""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from crawl_sites import Site, wall_ms
from dashboard_world import Visitor, judge, paying_coordinator, sell, settle
from node_world import PAYOUT, WAIT_S, Coordinator, NodeProcess, coordinator, node, site, until

from contributor_node.dashboard.link_file import LINK_FILE
from contributor_node.dashboard.tongue import GERMAN
from contributor_node.egress.line_log import LineLog
from rewards.known_assets import remember
from windrow_protocol.merkle import MerkleTree

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGES = 6
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}{0}\u202egnp.exe\x1b[31m"


class World:
    def __init__(self, house: Coordinator, pages: Site, running: NodeProcess) -> None:
        self.house, self.pages, self.node = house, pages, running
        self.visitor = Visitor(running.home)

    async def page(self, name: str = "", language: str = "en") -> str:
        wish = {"Accept-Language": language}
        status, _, body = await asyncio.to_thread(lambda: self.visitor.page(name, **wish))
        assert status == 200, body
        return body

    async def words(self, name: str = "", language: str = "en") -> str:
        """The page's text, without its markup."""
        shown = re.sub(r"<(style|script).*?</\1>", " ", await self.page(name, language), flags=re.DOTALL)
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", shown)))

    async def post(self, name: str, **fields: str) -> tuple[int, str]:
        form = await asyncio.to_thread(self.visitor.form_token)
        body = "&".join(f"{key}={value}" for key, value in {"form": form, **fields}.items())
        status, _, said = await asyncio.to_thread(self.visitor.post, name, body)
        return status, said


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("pages")
    async with paying_coordinator(folder / "house") as house, site() as pages:
        house.seed([f"{pages.base}/{n}" for n in range(PAGES)])
        flags = ("--poll-s", "3600", "--up-kb-s-max", "5000")
        async with node(folder / "node", house.url, *flags, sites=(pages,)) as running:
            await until(lambda: len(running.receipts()) == PAGES, "the last receipt")
            made = World(house, pages, running)
            await asyncio.to_thread(made.visitor.enter)
            yield made


async def test_before_anything_was_decided_it_says_so_and_shows_no_zero_as_proof(world: World) -> None:
    words = await world.words("money")
    assert f"{PAGES} documents handed in and not decided about" in words
    assert "Nothing to check yet." in words
    assert "The ledger has no row for your address yet." in words


async def test_money_is_explained_page_by_page_and_checked(tmp_path: Path) -> None:
    async with paying_coordinator(tmp_path / "house") as house, site() as pages:
        house.seed([f"{pages.base}/{n}" for n in range(PAGES)])
        async with node(tmp_path / "node", house.url, sites=(pages,)) as running:
            await until(lambda: len(running.receipts()) == PAGES, "the last receipt")
            assert judge(house.house, rejected=1) == PAGES
            settle(house.house, {PAYOUT: 7 * 10**18 + 1, "0x" + "11" * 20: 5})
            world = World(house, pages, running)
            await asyncio.to_thread(world.visitor.enter)
            words = await world.words("money")
            assert "The proof holds." in words
            assert "7.000000000000000001 WIND" in words
            assert "Not checked here whether the chain has accepted this root" in words
            assert "Added up on this machine" in words
            for n in range(PAGES):
                assert f"{pages.base}/{n}" in words, "the page that a row is about"
            assert words.count("0.05 Fee") == 0
            assert words.count("Fee for a page that was fetched as leased 0.05") == PAGES - 1
            assert words.count("The text differs from what validators fetched 0 ") == 1
            assert f"Earned in all {(PAGES - 1) * (0.05 + 0.01234):g}" in words
            assert "20 of 20 still to pass" in words
            assert re.search(r"All of it (about \d|no date yet)", words)
            german = await world.words("money", "de")
            assert "Der Beweis stimmt." in german
            assert "7,000000000000000001 WIND" in german
            assert german.count("Gebühr für eine Seite, die wie zugeteilt geholt wurde 0,05") == PAGES - 1
            assert "noch 20 von 20 zu bestehen" in german
            assert [english for english in GERMAN if len(english) > 12 and english in german] == []


async def test_royalties_in_another_asset_are_shown_in_that_and_by_its_own_decimals(tmp_path: Path) -> None:
    """Two sales for USDC, of which the address has rows; its proof is checked against the epoch of that asset."""
    async with paying_coordinator(tmp_path / "house") as house:
        other = "0x" + "11" * 20
        remember(house.house.state, "USDC", 6)  # as a house does when it reaches its chain
        paid = [sell(house.house, 1_234_567, {PAYOUT: 3, other: 1}, "USDC", number=n) for n in (1, 2)]
        settle(house.house, {PAYOUT: 5 * 10**18})
        settle(house.house, {PAYOUT: sum(paid), other: 7}, asset="USDC", epoch_id=2)
        async with node(tmp_path / "node", house.url) as running:
            await until(lambda: running.status.get("role"), "the node's registration")
            world = World(house, None, running)  # type: ignore[arg-type]
            await asyncio.to_thread(world.visitor.enter)
            own = await told(world, "money", "paid out: 0 USDC")
            assert "Yours to claim: ≈ 1.2962 USDC" in own
            assert "Royalties come in what a sale was paid in; nothing is converted." in own
            assert "5 WIND" in own, "what the proof in WIND owes"
            words = await told(world, "money?asset=USDC", "The proof holds.")
            assert "What you have earned in USDC, and why" in words
            assert "Owed in all, paid out included 1.296294 USDC" in words
            assert "windrow claim --asset USDC" in words
            assert f"Earned in all {sum(paid) / 10**6:g}" in words
            assert words.count("0.648147") == 4, "each sale by itself, as a whole and in its line"
            assert "Added up on this machine" in words
            assert "In other assets" in words
            assert "What is still to come" not in words, "that is WIND"
            assert "0 WIND and ≈ 1.2962 USDC" in (await world.words(""))
            for strange in ("EURC", "US<DC", "x" * 99, ""):
                assert "What you have earned, and why" in await world.words(f"money?asset={strange}")


async def told(world: World, name: str, wanted: str) -> str:
    """Load a page until the coordinator's answer is on it: a page waits a moment for it and no longer."""
    async with asyncio.timeout(WAIT_S):
        while wanted not in (words := await world.words(name)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return words


async def test_a_proof_that_does_not_hold_is_said_loudly(tmp_path: Path) -> None:
    async with paying_coordinator(tmp_path / "house") as house:
        other = MerkleTree.from_amounts({PAYOUT: 1}).root
        settle(house.house, {PAYOUT: 10**18}, signed_root=other)
        async with node(tmp_path / "node", house.url) as running:
            await until(lambda: running.status.get("role"), "the node's registration")
            visitor = Visitor(running.home)
            await asyncio.to_thread(visitor.enter)
            body = (await asyncio.to_thread(visitor.page, "money"))[2]
            assert "The proof does not hold." in body
            assert "1 WIND" not in body


async def test_where_nobody_answers_there_is_no_data_and_no_zero(tmp_path: Path) -> None:
    async with coordinator(tmp_path / "house") as house, node(tmp_path / "node", house.url) as running:
        await until(lambda: running.status.get("role"), "the node's registration")
        visitor = Visitor(running.home)
        await asyncio.to_thread(visitor.enter)
        body = (await asyncio.to_thread(visitor.page, "money"))[2]
        figures = re.findall(r'<p class="figure">(.*?)</p>', body)
        assert figures == ["no data"] * 5
        assert "0 WIND" not in body
        assert "Nothing to check: no data." in body
        assert '"earned":"no data"' in (await asyncio.to_thread(visitor.page, "live.json"))[2]


async def test_strangers_texts_stay_text(world: World) -> None:
    log = LineLog(world.node.home / "line_log.ndjson", wall_ms)
    request_id = log.sent(url=f"http://evil.example/{HOSTILE}", purpose=HOSTILE, client=HOSTILE)
    log.done(request_id, status=200, bytes_up=1, bytes_down=1, error=HOSTILE)
    log.refused(url=f"http://evil.example/{HOSTILE}", purpose="page", client="x", lease_id="", error=HOSTILE)
    log.close()
    for name in ("", "log"):
        page = await world.page(name)
        assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
        assert "<script>" not in page
        assert "<img" not in page
        assert 'title="http://evil.example/&lt;script&gt;' in page
        assert "\u202e" not in page
        assert "\x1b" not in page
        assert "\\u202egnp.exe\\x1b[31m" in page, "what cannot be seen is written out"
    rows = msgspec.json.decode(await world.page("live.json?page=log"))["rows"]
    assert any("<script>alert(1)" in row[2] and "\\u202e" in row[2] for row in rows), (
        "the script sets it as text"
    )


async def test_pages_hold_no_script_style_or_place_of_their_own(world: World) -> None:
    for name in ("", "log", "data", "money", "questions"):
        page = await world.page(name)
        assert re.findall(r"<script[^>]*>", page) in ([], ['<script src="/assets/live.js" defer>'])
        for tag in re.findall(r"<[a-z][^>]*>", page):
            assert not re.search(
                r"^<style|\sstyle=|\son[a-z]+=|javascript:", re.sub(r'title="[^"]*"', "", tag)
            )
        linked = re.findall(r'(?:href|src|action)="([^"]*)"', page)
        assert linked
        assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in linked)


async def test_the_first_page_shows_work_and_use(world: World) -> None:
    facts = msgspec.json.decode(await world.page("live.json?page=now"))
    words = await world.words()
    assert facts["text"]["pages"] == str(PAGES)
    assert facts["tone"] == "resting"
    for text in facts["text"].values():
        assert re.sub(r"\s+", " ", text).strip() in words
    assert f"{world.pages.base}/" in words


async def test_the_log_can_be_taken_away_whole(world: World) -> None:
    status, headers, body = await asyncio.to_thread(world.visitor.page, "log/export")
    assert status == 200
    assert headers["Content-Disposition"].startswith("attachment")
    assert (world.node.home / "line_log.ndjson").read_text().startswith(body[:-1])
    assert sum('"event":"sent"' in line for line in body.splitlines()) >= PAGES


async def test_for_a_provider_there_is_a_file_to_read(world: World) -> None:
    status, headers, body = await asyncio.to_thread(world.visitor.page, "log/evidence")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert f"{world.pages.base}/0" in body
    assert [path.name for path in world.node.home.glob("*evidence*")] == [], "no copy stays behind"


async def test_limits_are_saved_and_count_at_once(world: World) -> None:
    status, _ = await world.post(
        "limits", day_mb_max="700", month_gb_max="9", down_kb_s_max="0", schedule="00:00-24:00"
    )
    assert status == 303
    words = await world.words()
    assert "of 700 MB" in words
    assert "of 9 GB" in words
    kept = tomllib.loads((world.node.home / "node.toml").read_text())
    assert kept == {"day_mb_max": 700, "month_gb_max": 9, "down_kb_s_max": 0, "schedule": "00:00-24:00"}
    assert "Saved." in await world.words("data?saved=yes")


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {"day_mb_max": value}
            for value in ("", "-1", "1.5", "many", "10000001", "9" * 400, "%3Cscript%3E")
        ),
        *({"schedule": value} for value in ("always", "25:00-26:00", "mon-fri", "x" * 600)),
    ],
)
async def test_a_mistaken_limit_changes_nothing_and_is_said(world: World, fields: dict[str, str]) -> None:
    path = world.node.home / "node.toml"
    before = path.read_bytes() if path.exists() else None
    status, said = await world.post("limits", **fields)
    assert status == 400
    assert "Not saved." in said
    assert "<script>" not in said
    assert (path.read_bytes() if path.exists() else None) == before


async def test_what_a_flag_fixed_is_shown_as_fixed(world: World) -> None:
    page = await world.page("data")
    field = re.search(r'<input id="up_kb_s_max"[^>]*>', page)
    assert field is not None
    assert "disabled" in field[0]
    assert "fixed at the start (flag)" in page


async def test_controls_are_obeyed_by_the_node(world: World) -> None:
    assert (await world.post("control", do="pause"))[0] == 303
    assert "Paused" in await world.words()
    await until(lambda: world.node.status["may_work"] == "paused", "the pause")
    assert (await world.post("control", do="pause_hour"))[0] == 303
    assert re.search(r"Paused until \d\d:\d\d", await world.words())
    assert (await world.post("control", do="resume"))[0] == 303
    await until(lambda: world.node.status["may_work"] == "yes", "the resumption")
    assert "Ready" in await world.words()


async def test_finish_ends_the_node_and_its_dashboard(tmp_path: Path) -> None:
    async with coordinator(tmp_path / "house") as house, node(tmp_path / "node", house.url) as running:
        await until(lambda: running.status.get("role"), "the node's registration")
        world = World(house, Site("", 0), running)
        await asyncio.to_thread(world.visitor.enter)
        assert (await world.post("control", do="finish"))[0] == 303
        assert running.process is not None
        assert await asyncio.wait_for(running.process.wait(), 120) == 0
        assert not (running.home / LINK_FILE).exists()


async def test_the_five_questions_name_this_nodes_own_facts(world: World) -> None:
    words = await world.words("questions")
    for said in (
        *("What is sold?", "Do strangers use my address?", "What leaves my machine?"),
        *("Can my provider object?", "What are the rules about accounts?"),
        *(world.house.url, PAYOUT, "WindrowBot/0.1"),
    ):
        assert said in words
