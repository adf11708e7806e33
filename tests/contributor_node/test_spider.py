"""The crawl child on real sites: robots.txt, redirects, opt-outs, caps, text. One engine serves the whole module."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from crawl_sites import lease, serve, wall_ms
from spider_sites import (
    PROSE,
    USER_AGENT,
    World,
    certificate,
    failing_robots,
    main_site,
    no_robots,
    reserved_site,
    slow_robots,
    usage_robots,
)

from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.egress.line_log import LineLog, read_rows
from windrow_protocol.messages import Outcome

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    home = tmp_path_factory.mktemp("node")
    trusted, untrusted = tmp_path_factory.mktemp("trusted"), tmp_path_factory.mktemp("untrusted")
    async with AsyncExitStack() as stack:
        sites = {
            "main": await stack.enter_async_context(serve(main_site, "127.0.0.1")),
            "slow": await stack.enter_async_context(serve(slow_robots, "127.0.31.2")),
            "failing": await stack.enter_async_context(serve(failing_robots, "127.0.31.3")),
            "bare": await stack.enter_async_context(serve(no_robots, "127.0.31.4")),
            "usage": await stack.enter_async_context(serve(usage_robots, "127.0.31.5")),
            "reserved": await stack.enter_async_context(serve(reserved_site, "127.0.31.8")),
            "secure": await stack.enter_async_context(
                serve(main_site, "127.0.31.6", certificate(trusted, "127.0.31.6"))
            ),
            "strange": await stack.enter_async_context(
                serve(main_site, "127.0.31.7", certificate(untrusted, "127.0.31.7"))
            ),
        }
        environ = stack.enter_context(pytest.MonkeyPatch.context())
        environ.setenv("SSL_CERT_FILE", str(trusted / "ca.pem"))
        settings = CrawlSettings(
            home=home,
            user_agent=USER_AGENT,
            allow_private=frozenset(site.endpoint for site in sites.values()),
            pace_private_s=0.1,
        )
        log = LineLog(home / "line_log.ndjson", wall_ms)
        engine = CrawlEngine(settings, log, wall_ms)
        await engine.start()
        yield World(engine, log.path, **sites)
        await engine.close()


async def test_a_page_becomes_a_result(world: World) -> None:
    result = await world.one(f"{world.main.base}/page?a=1&b=%20x")
    assert (result.outcome, result.http_status, result.robots_state) == (Outcome.FETCHED, 200, "allowed")
    assert result.text.startswith("Mown grass")
    assert "Sentence 39 about the rows." in result.text
    assert (result.title, result.content_type) == ("A page", "text/html; charset=utf-8")
    assert (result.final_url, result.raw, result.rendered) == (result.url, None, False)
    assert result.extractor_version.startswith("windrow-4/resiliparse-")
    head = world.main.heads[world.main.hits.index("/page?a=1&b=%20x")]
    assert (head["user-agent"], head["accept-encoding"]) == (USER_AGENT, "gzip, deflate")
    assert head.keys().isdisjoint({"cookie", "authorization", "proxy-authorization", "referer"})


async def test_the_body_is_named_by_digest_and_kept_only_where_wanted(world: World) -> None:
    without, wanted = await world.crawl(
        lease(f"{world.main.base}/deflate"), lease(f"{world.main.base}/deflate?", want_raw=True)
    )
    assert (without.raw, wanted.raw) == (None, PROSE.encode())
    assert without.raw_sha256 == wanted.raw_sha256 == hashlib.sha256(PROSE.encode()).hexdigest()


async def test_robots_txt_is_waited_for_by_everybody_and_leaks_to_nobody(world: World) -> None:
    urls = [f"{world.slow.base}/{kind}/{n}" for n in range(8) for kind in ("open", "private", "ours")]
    results = await world.crawl(*(lease(url) for url in urls))
    outcomes = {result.url: result.outcome for result in results}
    assert [url for url in urls if outcomes[url] is not Outcome.FETCHED] == [
        u for u in urls if "/open/" not in u
    ]
    assert {outcomes[url] for url in urls if "/open/" not in url} == {Outcome.ROBOTS_DENIED}
    assert world.slow.hits_of("/private") == world.slow.hits_of("/ours") == []
    assert world.slow.hits.count("/robots.txt") == 1


async def test_a_failing_robots_txt_denies_and_a_missing_one_does_not(world: World) -> None:
    failing, bare = await world.crawl(lease(f"{world.failing.base}/x"), lease(f"{world.bare.base}/x"))
    assert (failing.outcome, failing.robots_state) == (Outcome.ROBOTS_DENIED, "unreachable")
    assert (bare.outcome, bare.robots_state) == (Outcome.FETCHED, "no_robots")
    assert world.failing.hits == ["/robots.txt"]


async def test_redirects_are_followed_and_asked_about_at_each_step(world: World) -> None:
    base = world.main.base
    moved, denied, far, circle, file, nonsense = await world.crawl(
        lease(f"{base}/moved"),
        lease(f"{base}/to-denied"),
        lease(f"{base}/far/0", redirects_max=1),
        lease(f"{base}/circle"),
        lease(f"{base}/to-file"),
        lease(f"{base}/to-nonsense"),
    )
    assert (moved.outcome, moved.final_url, moved.url) == (Outcome.FETCHED, f"{base}/page", f"{base}/moved")
    assert (denied.outcome, denied.robots_state, denied.text) == (Outcome.ROBOTS_DENIED, "denied", "")
    assert [r.outcome for r in (far, circle, file, nonsense)] == [Outcome.SERVER_ERROR] * 4
    assert "/private/1" not in world.main.hits
    assert world.main.hits.count("/far/2") == 0


@pytest.mark.parametrize("path", ["/to-private", "/to-metadata", "/to-loopback"])
async def test_redirects_to_private_addresses_end_there(path: str, world: World) -> None:
    result = await world.one(world.main.base + path)
    assert (result.outcome, result.text) == (Outcome.UNSAFE_ADDRESS, "")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://2130706433/", "http://[::1]/", "http://localhost/"]
)
async def test_leases_for_private_addresses_are_answered_as_such(url: str, world: World) -> None:
    assert (await world.one(url)).outcome is Outcome.UNSAFE_ADDRESS


@pytest.mark.parametrize("path", ["/noai-meta", "/noai-header", "/tdm"])
async def test_no_text_of_a_page_that_opts_out_leaves_the_child(path: str, world: World) -> None:
    result = await world.one(world.main.base + path, want_raw=True)
    assert (result.outcome, result.text, result.title, result.raw) == (Outcome.OPTOUT_DENIED, "", "", None)
    assert result.optout_signals


async def test_what_robots_txt_says_about_use_counts(world: World) -> None:
    closed, free = await world.crawl(lease(f"{world.usage.base}/closed/1"), lease(f"{world.usage.base}/free"))
    assert (closed.outcome, free.outcome) == (Outcome.OPTOUT_DENIED, Outcome.FETCHED)
    assert closed.robots_state == "allowed"


STATUS_OUTCOMES = {
    "/404": Outcome.NOT_FOUND,
    "/410": Outcome.NOT_FOUND,
    "/403": Outcome.BLOCKED,
    "/429": Outcome.BLOCKED,
    "/451": Outcome.BLOCKED,
    "/500": Outcome.SERVER_ERROR,
    "/503": Outcome.SERVER_ERROR,
}


async def test_statuses_become_outcomes_and_nothing_is_retried(world: World) -> None:
    results = await world.crawl(*(lease(world.main.base + path) for path in STATUS_OUTCOMES))
    assert {r.url.removeprefix(world.main.base): r.outcome for r in results} == STATUS_OUTCOMES
    assert [result.http_status for result in results] == [int(path[1:]) for path in STATUS_OUTCOMES]
    assert all(world.main.hits.count(path) == 1 for path in STATUS_OUTCOMES)


async def test_bombs_and_lies_are_named(world: World) -> None:
    base = world.main.base
    paths = ["/bomb", "/members", "/nested", "/brotli", "/liar", "/forged"]
    results = await world.crawl(*(lease(base + path) for path in paths))
    wanted = [
        Outcome.TOO_LARGE,
        Outcome.FETCHED,
        Outcome.FETCHED,
        *[Outcome.SERVER_ERROR] * 2,
        Outcome.FETCHED,
    ]
    assert [result.outcome for result in results] == wanted
    assert "one" in results[1].text
    assert "two" in results[1].text


async def test_caps_of_the_lease_are_kept(world: World) -> None:
    large, drip = await world.crawl(
        lease(f"{world.main.base}/large", body_bytes_max=100_000),
        lease(f"{world.main.base}/drip", time_s_max=1),
    )
    assert (large.outcome, drip.outcome) == (Outcome.TOO_LARGE, Outcome.TIMEOUT)


async def test_an_expired_lease_is_not_fetched(world: World) -> None:
    result = await world.one(f"{world.main.base}/late", expires_at_ms=wall_ms() - 1)
    assert result.outcome is Outcome.EXPIRED
    assert "/late" not in world.main.hits


async def test_other_types_and_charsets(world: World) -> None:
    base = world.main.base
    plain, image, latin, shell, empty = await world.crawl(
        *(lease(base + path) for path in ("/plain", "/image", "/latin", "/shell", "/204"))
    )
    assert plain.text == "# Plain words\n\nkept as they are\n"
    assert (image.outcome, image.text, image.title) == (Outcome.FETCHED, "", "")
    assert latin.text.startswith("café words")
    assert (shell.needs_browser, plain.needs_browser) == (True, False)
    assert (empty.outcome, empty.text) == (Outcome.FETCHED, "")


async def test_https_goes_through_one_tunnel_a_request(world: World) -> None:
    secure = world.secure.base.replace("http:", "https:")
    page, moved = await world.crawl(lease(f"{secure}/page"), lease(f"{secure}/moved"))
    assert (page.outcome, moved.outcome, moved.final_url) == (
        Outcome.FETCHED,
        Outcome.FETCHED,
        f"{secure}/page",
    )
    assert page.text == moved.text != ""
    rows = [row for row in read_rows(world.log) if row.url == secure]
    assert sorted(row.purpose for row in rows) == ["page", "page", "redirect", "robots", "tdmrep"]
    assert len(rows) == len(world.secure.hits) == 5


async def test_redirects_inside_tunnels_meet_the_same_guard(world: World) -> None:
    secure = world.secure.base.replace("http:", "https:")
    private, forged = await world.crawl(lease(f"{secure}/to-private"), lease(f"{secure}/forged"))
    assert private.outcome is Outcome.UNSAFE_ADDRESS
    assert forged.outcome is Outcome.FETCHED  # no site can speak in the proxy's name


async def test_certificates_are_checked(world: World) -> None:
    result = await world.one(world.strange.base.replace("http:", "https:") + "/page")
    assert (result.outcome, result.text) == (Outcome.SERVER_ERROR, "")
    assert world.strange.hits == []


async def test_every_request_that_a_site_saw_is_a_row_and_no_row_is_more(world: World) -> None:
    sites = [world.main, world.slow, world.failing, world.bare, world.usage, world.secure]
    rows = list(read_rows(world.log))
    strange = f"{world.strange.address}:{world.strange.port}"
    assert len([row for row in rows if row.address != strange]) == sum(len(site.hits) for site in sites)
    assert all(row.lease_id.startswith("l") for row in rows)


async def test_bytes_and_requests_are_what_the_proxy_counted(world: World) -> None:
    result = await world.one(f"{world.main.base}/moved?again")
    rows = [row for row in read_rows(world.log) if row.lease_id == result.lease_id]
    assert result.requests == len(rows) == 1 + (result.final_url != result.url)
    assert result.bytes_wire == sum(row.bytes_up + row.bytes_down for row in rows) > 1_000


async def test_a_host_that_reserves_itself_in_its_rights_file_is_asked_once_and_believed(
    world: World,
) -> None:
    base = world.reserved.base
    reserved, free = await world.crawl(lease(f"{base}/reserved/a"), lease(f"{base}/free/b"))
    again = await world.one(f"{base}/reserved/c")
    assert [each.outcome for each in (reserved, free, again)] == [
        Outcome.OPTOUT_DENIED,
        Outcome.FETCHED,
        Outcome.OPTOUT_DENIED,
    ]
    assert (reserved.text, again.text) == ("", "")
    assert "file:tdmrep.json tdm-reservation=1" in reserved.optout_signals
    assert free.optout_signals == ["file:tdmrep.json tdm-reservation=0"]
    assert world.reserved.hits.count("/.well-known/tdmrep.json") == 1
    rows = [row for row in read_rows(world.log) if row.url == f"{base}/.well-known/tdmrep.json"]
    assert [(row.purpose, row.robots, row.status) for row in rows] == [("tdmrep", "no_robots", 200)]
