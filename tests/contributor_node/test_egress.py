"""The egress proxy against real servers on loopback: what leaves, what does not, and what is said about it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from aiohttp import web
from crawl_sites import credentials, grant, html, serve, through, wall_ms
from egress_opening import Opening, hello

from contributor_node.egress.grants import GrantTable
from contributor_node.egress.line_log import LineLog, read_refusals, read_rows
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SUBRESOURCES_PER_PAGE_MAX


async def test_a_leased_page_comes_through_and_is_a_row(open_proxy: Opening, tmp_path: Path) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x?q=1"))
        answer = await through(proxy, f"{site.base}/x?q=1", auth=credentials(proxy))
        state = proxy.grants.revoke("l1")
    assert (answer.status, site.hits) == (200, ["/x?q=1"])
    assert b"hello" in answer.body
    (row,) = read_rows(tmp_path / "line_log.ndjson")
    assert (row.url, row.purpose, row.lease_id, row.status) == (f"{site.base}/x?q=1", "page", "l1", 200)
    assert state is not None
    assert row.bytes_down == state.traffic.bytes_down > len(answer.body)


REFUSED_ASKS = [
    ("no credentials", None, "/x"),
    ("another lease", ("l2", "page"), "/x"),
    ("no purpose", ("l1", "whatever"), "/x"),
    ("another path", ("l1", "page"), "/y"),
    ("another query", ("l1", "page"), "/x?a=1"),
    ("a redirect nobody saw", ("l1", "redirect"), "/y"),
    ("a sub-resource of an http lease", ("l1", "subresource"), "/x"),
    ("robots of another path", ("l1", "robots"), "/y/robots.txt"),
]


@pytest.mark.parametrize(
    ("auth", "path"), [ask[1:] for ask in REFUSED_ASKS], ids=[ask[0] for ask in REFUSED_ASKS]
)
async def test_what_no_lease_covers_does_not_leave(
    auth: tuple[str, str] | None, path: str, open_proxy: Opening, tmp_path: Path
) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        answer = await through(
            proxy, site.base + path, auth=credentials(proxy, *auth) if auth is not None else None
        )
    assert (answer.status, answer.refused, site.hits) == (403, "not_leased", [])
    assert json.loads(answer.body).keys() >= {"error", "sentence", "remedy"}
    assert list(read_rows(tmp_path / "line_log.ndjson")) == []
    assert [row.error for row in read_refusals(tmp_path / "line_log.ndjson")] == ["not_leased"]


async def test_a_wrong_secret_is_no_lease(open_proxy: Opening) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        token = base64.b64encode(b"l1.page:" + b"0" * 32).decode()
        for auth in (
            f"Basic {token}",
            "Basic %%%",
            "Bearer x",
            "Basic " + base64.b64encode(b"\xff.page:x").decode(),
        ):
            assert (await through(proxy, f"{site.base}/x", auth=auth)).refused == "not_leased"
    assert site.hits == []


async def test_tunnels_need_a_lease_for_that_host_and_port(open_proxy: Opening) -> None:
    async with serve(hello) as site, serve(hello) as other, open_proxy(site, other) as proxy:
        secure = f"https://{site.address}:{site.port}/x"
        proxy.grants.add(grant(secure))
        proxy.grants.add(grant(f"{site.base}/x", "l2"))
        place, elsewhere = f"{site.address}:{site.port}", f"{other.address}:{other.port}"
        refused = [
            await through(proxy, place, auth=None, method="CONNECT"),
            await through(proxy, elsewhere, auth=credentials(proxy), method="CONNECT"),
            await through(proxy, place, auth=credentials(proxy, "l2"), method="CONNECT"),
            await through(proxy, place, auth=credentials(proxy, "l1", "redirect"), method="CONNECT"),
        ]
        assert [answer.refused for answer in refused] == ["not_leased"] * 4
        inside = f"GET /inside HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode()
        opened = await through(proxy, place, auth=credentials(proxy), method="CONNECT", body=inside)
    assert opened.status == 200
    assert opened.body.startswith(b"HTTP/1.1 200")
    assert (site.hits, other.hits) == (["/inside"], [])


async def test_only_get_and_head_without_a_body_leave(open_proxy: Opening) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        auth = credentials(proxy)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert (
                await through(proxy, f"{site.base}/x", auth=auth, method=method)
            ).refused == "method_refused"
        body = await through(proxy, f"{site.base}/x", auth=auth, extra="Content-Length: 3\r\n", body=b"abc")
        assert body.refused == "method_refused"
        assert (await through(proxy, f"{site.base}/x", auth=auth, method="HEAD")).status == 200
    assert site.hits == ["/x"]


async def test_an_expired_lease_is_no_lease_even_while_waiting_for_its_turn(open_proxy: Opening) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/1"))
        proxy.grants.add(grant(f"{site.base}/2", "l2", expires_at_ms=wall_ms() + 50))
        proxy.grants.add(grant(f"{site.base}/3", "l3", expires_at_ms=wall_ms() - 1))
        await through(proxy, f"{site.base}/1", auth=credentials(proxy))
        second = await through(proxy, f"{site.base}/2", auth=credentials(proxy, "l2"))
        third = await through(proxy, f"{site.base}/3", auth=credentials(proxy, "l3"))
    assert [second.refused, third.refused] == ["lease_expired", "lease_expired"]
    assert site.hits == ["/1"]


async def test_only_redirects_that_the_proxy_saw_may_be_followed_and_only_so_many(
    open_proxy: Opening,
) -> None:
    async def onward(request: web.Request) -> web.StreamResponse:
        number = int(request.path[1:])
        return web.Response(status=302, headers={"Location": f"/{number + 1}"})

    async with serve(onward) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/0", redirects_max=2))
        answers = [await through(proxy, f"{site.base}/0", auth=credentials(proxy))]
        for number in (1, 2, 3):
            answers.append(
                await through(proxy, f"{site.base}/{number}", auth=credentials(proxy, "l1", "redirect"))
            )
    assert [answer.status for answer in answers] == [302, 302, 302, 403]
    assert site.hits == ["/0", "/1", "/2"]


@pytest.mark.parametrize("location", ["http://[10.0.0.1]/", "//[", "http://a.example:port/"])
async def test_a_redirect_to_what_is_no_url_is_handed_on_and_leads_nowhere(
    location: str, open_proxy: Opening
) -> None:
    async def astray(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": location})

    async with serve(astray) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/0"))
        assert (await through(proxy, f"{site.base}/0", auth=credentials(proxy))).status == 302
        onward = await through(proxy, location, auth=credentials(proxy, "l1", "redirect"))
    assert onward.refused in ("bad_url", "not_leased", "")
    assert site.hits == ["/0"]


def test_the_child_may_announce_redirects_for_https_leases_only() -> None:
    table = GrantTable()
    table.add(grant("http://a.example/", "plain"))
    table.add(grant("https://a.example/", "secure", redirects_max=1))
    assert not table.announce_redirect("plain", "redirect", "http://b.example/")
    assert table.announce_redirect("secure", "redirect", "https://b.example/")
    assert not table.announce_redirect("secure", "redirect", "https://c.example/")
    assert not table.announce_redirect("secure", "redirect", "ftp://b.example/")
    assert not table.announce_redirect("nobody", "redirect", "https://b.example/")
    assert not table.announce_redirect("secure", "subresource", "https://b.example/")


async def test_sub_resources_only_for_browser_leases_same_host_and_bounded(open_proxy: Opening) -> None:
    async with serve(hello) as site, serve(hello) as other, open_proxy(site, other) as proxy:
        proxy.grants.add(grant(f"{site.base}/x", render="browser"))
        auth = credentials(proxy, "l1", "subresource")
        assert (await through(proxy, f"{site.base}/app.js", auth=auth)).status == 200
        assert (await through(proxy, f"{other.base}/app.js", auth=auth)).refused == "not_leased"
        many = [
            await through(proxy, f"{site.base}/{n}.js", auth=auth) for n in range(SUBRESOURCES_PER_PAGE_MAX)
        ]
    assert [answer.status for answer in many].count(200) == SUBRESOURCES_PER_PAGE_MAX - 1
    assert other.hits == []


async def test_the_row_is_there_before_the_host_sees_the_request(open_proxy: Opening, tmp_path: Path) -> None:
    seen: list[int] = []

    async def looking(request: web.Request) -> web.StreamResponse:
        seen.append(
            sum(1 for row in read_rows(tmp_path / "line_log.ndjson") if row.url.endswith(request.path))
        )
        return html("x")

    async with serve(looking) as site, open_proxy(site) as proxy:
        for number in range(3):
            proxy.grants.add(grant(f"{site.base}/{number}"))
            await through(proxy, f"{site.base}/{number}", auth=credentials(proxy))
    assert seen == [1, 1, 1]


async def test_a_full_disk_means_no_fetch(open_proxy: Opening, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "full.ndjson").symlink_to("/dev/full")
    log = LineLog(tmp_path / "full.ndjson", wall_ms)
    async with serve(hello) as site, open_proxy(site, log=log) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        answer = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
    assert (answer.refused, site.hits) == ("line_log_unwritable", [])


class Cap:
    """A meter with room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room, self.counted = room, 0

    async def before_request(self) -> None:
        if self.counted >= self.room:
            raise WindrowError("budget_exhausted")

    def after_request(self) -> None:
        pass

    async def count(self, bytes_n: int, way: str) -> None:
        self.counted += bytes_n
        if self.counted > self.room:
            raise WindrowError("budget_exhausted")


async def test_the_owners_cap_stops_requests_and_breaks_off_answers(open_proxy: Opening) -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 3_000_000)

    async with serve(large) as site, open_proxy(site, meter=Cap(500_000)) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        cut = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
        refused = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
        state = proxy.grants.revoke("l1")
    assert len(cut.body) < 600_000
    assert (refused.refused, site.hits) == ("budget_exhausted", ["/x"])
    assert state is not None
    assert state.cut == "budget_exhausted"
