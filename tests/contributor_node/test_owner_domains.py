"""The owner's own lists of domains: what is on them is never asked, by whatever way a lease leads there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from crawl_sites import credentials, grant, html, lease, serve, through, wall_ms
from hypothesis import given
from hypothesis import strategies as st

from contributor_node.crawling.engine import CrawlEngine, CrawlSettings
from contributor_node.egress.line_log import LineLog, read_refusals, read_rows
from contributor_node.egress.owner_domains import FOLDER, OwnerDomains, category_paths, domain_of
from contributor_node.egress.proxy import EgressProxy, EgressSettings
from contributor_node.owner.settings import load_settings
from windrow_protocol import limits
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Outcome

LABEL = st.from_regex(r"[a-z]{1,8}", fullmatch=True)


def refuses(domains: OwnerDomains, host: str) -> bool:
    try:
        domains.check(host)
    except WindrowError as error:
        return error.code == "owner_denied"
    return False


@pytest.mark.parametrize(
    ("deny", "allow", "host", "refused"),
    [
        ([], [], "a.example", False),
        (["ads.example"], [], "ads.example", True),
        (["ads.example"], [], "x.y.ads.example", True),
        (["ads.example"], [], "badads.example", False),
        (["*.ads.example."], [], "ads.example", True),
        (["ADS.Example"], [], "ads.example", True),
        (["b\u00fccher.example"], [], "xn--bcher-kva.example", True),
        (["example"], [], "a.example", True),
        ([], ["a.example"], "b.example", True),
        ([], ["a.example"], "www.a.example", False),
        (["www.a.example"], ["a.example"], "www.a.example", True),
        (["127.0.0.1"], [], "127.0.0.1", True),
    ],
)
def test_a_domain_stands_for_itself_and_all_below(
    deny: list[str], allow: list[str], host: str, refused: bool
) -> None:
    assert refuses(OwnerDomains.of(deny, allow, {}), host) is refused


@given(listed=st.lists(LABEL, min_size=1, max_size=5), below=st.lists(LABEL, max_size=3), other=LABEL)
def test_what_is_denied_is_denied_with_everything_below(
    listed: list[str], below: list[str], other: str
) -> None:
    denied = ".".join(listed)
    domains = OwnerDomains.of([denied], [], {})
    assert refuses(domains, ".".join([*below, denied]))
    assert not refuses(domains, f"{denied}.{other}0")


@pytest.mark.parametrize(
    "text", ["", ".", "a b", "http://a.example", "a.example/x", "a.example:8080", "u@a.example"]
)
def test_what_is_no_domain_is_said_to_be_none(text: str) -> None:
    with pytest.raises(WindrowError, match="is not a domain"):
        domain_of(text)


def test_categories_are_files_of_the_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "adult.txt").write_text("# mine\nx.example\n0.0.0.0 Y.example # a hosts file\n\n")
    domains = OwnerDomains.of([], [], category_paths(tmp_path, ["adult"]))
    assert [refuses(domains, host) for host in ("x.example", "a.y.example", "z.example")] == [
        True,
        True,
        False,
    ]
    for name in ("none", "../node", "a/b", ""):
        with pytest.raises(WindrowError, match="there is no categories"):
            category_paths(tmp_path, [name])
    assert limits.OWNER_DOMAINS_MAX >= 100_000
    monkeypatch.setattr("contributor_node.egress.owner_domains.OWNER_DOMAINS_MAX", 1)
    with pytest.raises(WindrowError, match="more than 1 domains"):
        OwnerDomains.of([], [], category_paths(tmp_path, ["adult"]))


def test_settings_name_what_is_wrong_with_them(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('deny_domains = ["ads.example"]\nallow_domains = ["a.example"]\n')
    domains = load_settings({"home": str(tmp_path)}).values.domains()
    assert refuses(domains, "ads.example")
    assert not refuses(domains, "a.example")
    for flags, name in (
        ({"deny_domains": ["a b"]}, "deny_domains"),
        ({"deny_categories": ["x"]}, "deny_categories"),
    ):
        with pytest.raises(WindrowError, match=name):
            load_settings({"home": str(tmp_path), **flags})


async def test_no_way_leads_to_a_denied_domain(tmp_path: Path) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": f"http://ads.example:{site.port}/x"})
        return web.Response(status=404) if request.path == "/robots.txt" else html("<p>grass</p>" * 40)

    async def resolve(host: str, port: int) -> list[str]:
        return [site.address]

    async with serve(page) as site:
        allowed = frozenset([site.endpoint])
        settings = CrawlSettings(home=tmp_path, user_agent="T/1", allow_private=allowed, pace_private_s=0.1)
        log = LineLog(tmp_path / "line_log.ndjson", wall_ms)
        engine = CrawlEngine(settings, log, wall_ms, resolve=resolve)
        engine.proxy.domains = OwnerDomains.of(["ads.example"], [], {})
        await engine.start()
        try:
            leases = [lease(f"http://{host}:{site.port}{path}") for host, path in (
                ("a.example", "/fine"), ("a.example", "/moved"), ("x.ads.example", "/page"), ("ads.example", "/page"),
            )]  # fmt: skip
            results = {result.url.partition("//")[2]: result.outcome async for result in engine.crawl(leases)}
        finally:
            await engine.close()
    place = f"example:{site.port}"
    assert results == {
        f"a.{place}/fine": Outcome.FETCHED,
        f"a.{place}/moved": Outcome.BUDGET_EXHAUSTED,
        f"x.ads.{place}/page": Outcome.BUDGET_EXHAUSTED,
        f"ads.{place}/page": Outcome.BUDGET_EXHAUSTED,
    }
    assert {head["host"] for head in site.heads} == {f"a.{place}"}
    assert {row.url.split("/")[2] for row in read_rows(log.path)} == {f"a.{place}"}
    assert {row.error for row in read_refusals(log.path)} == {"owner_denied"}


async def test_a_tunnel_to_a_denied_domain_is_refused_before_its_name_is_asked_about(tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was asked about")

    proxy = EgressProxy(EgressSettings(), LineLog(tmp_path / "log", wall_ms), wall_ms, resolve=resolve)
    proxy.domains = OwnerDomains.of([], ["only.example"], {})
    await proxy.start()
    proxy.grants.add(grant("https://a.example/x"))
    answer = await through(proxy, "a.example:443", auth=credentials(proxy), method="CONNECT")
    await proxy.close()
    said = msgspec.json.decode(answer.body)
    assert (answer.refused, said["error"]) == ("owner_denied", "owner_denied")
    assert "not on the allow list" in said["detail"]
