"""Where the console's requests come from, and what each role may: every attack is refused with its reason."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from console_world import ANALYST, OWNER, STRANGER, SUPPORT, Console, refused, running_console, signed

from windrow_protocol.errors import WindrowError

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    async with running_console(tmp_path_factory.mktemp("console")) as console:
        yield console


# --- where a request comes from ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
async def test_a_post_from_another_site_changes_nothing(world: Console, headers: dict[str, str]) -> None:
    browser = await world.entered(ANALYST)
    body = f"form={await browser.token()}&name=planted&statement=SELECT+1".encode()
    refused(await browser.ask("POST", "/console/questions", body, **headers), "foreign_console")
    text = await browser.challenge(ANALYST)
    order = {"message": text, "signature": signed(ANALYST, text)}
    refused(await world.browser().send("/console/sign-in", order, **headers), "foreign_console")
    assert "planted" not in (await browser.ask("GET", "/console")).text


async def test_a_form_carries_its_own_sessions_token(world: Console) -> None:
    browser, other = await world.entered(ANALYST), await world.entered(SUPPORT)
    for token in ("", "0" * 64, await other.token()):
        body = f"form={token}&name=planted&statement=SELECT+1".encode()
        refused(await browser.ask("POST", "/console/questions", body), "foreign_console")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "127.0.0.1:80@evil", "localhost.evil"]
)
async def test_no_other_name_leads_here(world: Console, host: str) -> None:
    """DNS rebinding: a site whose name was turned to this address reads nothing."""
    for path in ("/console/login", "/console", "/console/page/console.js"):
        refused(await world.browser().ask("GET", path, Host=host), "foreign_console")


async def test_answers_may_load_nothing_run_nothing_and_stand_nowhere(world: Console) -> None:
    browser = await world.entered(OWNER)
    for path in ("/console/login", "/console", "/console/access", "/console?answer=none"):
        said = await browser.ask("GET", path)
        policy = said.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert (said.headers["Cache-Control"], said.headers["X-Content-Type-Options"]) == (
            "no-store",
            "nosniff",
        )
        assert not re.search(r"<script(?![^>]* src=\"/console/page/)|\son\w+=|style=|<style", said.text)


async def test_only_the_listed_origin_over_tls_and_with_a_cookie_of_its_own(tmp_path: Path) -> None:
    origin = "https://ops.example.org"
    async with running_console(tmp_path, console_origins=[origin]) as console:
        through = {"Host": "ops.example.org", "Origin": origin}
        browser = console.browser()
        refused(await browser.ask("GET", "/console/login"), "foreign_console")  # loopback is not listed
        asked = await browser.send("/console/challenge", {"address": OWNER.address}, **through)
        text = asked.json["message"]
        assert text.startswith(f"{origin} wants you to sign in")
        order = {"message": text, "signature": signed(OWNER, text)}
        said = await browser.send("/console/sign-in", order, **through)
        attributes = said.headers["Set-Cookie"].split("; ")
        assert attributes[0].startswith("__Host-windrow_console=")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} < set(attributes)
        assert (await browser.ask("GET", "/console", Host="ops.example.org")).status == 200


@pytest.mark.parametrize(
    "origin", ["ops.example.org", "https://ops.example.org/", "https://*", "ftp://x", "https://a b"]
)
async def test_an_origin_that_is_none_is_said_at_the_start(tmp_path: Path, origin: str) -> None:
    with pytest.raises(WindrowError, match="console_origins"):
        async with running_console(tmp_path, console_origins=[origin]):
            pass


# --- roles -------------------------------------------------------------------------------------------------


async def test_a_role_that_is_too_low_is_told_so(world: Console) -> None:
    support, analyst = await world.entered(SUPPORT), await world.entered(ANALYST)
    for path in (
        "/console/questions",
        "/console/questions/delete",
        "/console/tokens",
        "/console/sessions/end",
    ):
        refused(await support.post(path, statement="SELECT 1", name="x"), "role_too_low")
    refused(await support.post("/console/ask", statement="SELECT 1"), "role_too_low")
    refused(await support.post("/console/download/csv", statement="SELECT 1"), "role_too_low")
    refused(await support.ask("GET", "/console/access"), "role_too_low")
    listed = (await world.operations.list())["sessions"]
    refused(await analyst.post("/console/sessions/end", session_id=listed[0]["session_id"]), "role_too_low")


async def test_a_role_is_looked_up_at_each_request(world: Console) -> None:
    browser = await world.entered(ANALYST)
    assert (await browser.ask("GET", "/console/access")).status == 200
    await world.operations.grant(ANALYST.address, "support")
    refused(await browser.ask("GET", "/console/access"), "role_too_low")
    await world.operations.grant(ANALYST.address, "analyst")


async def test_the_owner_of_the_contracts_is_an_operator_and_ends_anybodys_session(world: Console) -> None:
    owner, analyst = await world.entered(OWNER), await world.entered(ANALYST)
    listed = (await world.operations.list())["sessions"]
    theirs = next(each for each in listed if each["address"] == ANALYST.address)
    assert (await owner.post("/console/sessions/end", session_id=theirs["session_id"])).status == 303
    assert (await analyst.ask("GET", "/console")).status == 303
    with pytest.raises(WindrowError, match="owns the contracts"):
        await world.operations.grant(OWNER.address, "support")
    with pytest.raises(WindrowError, match="there are operator, analyst, support"):
        await world.operations.grant(STRANGER.address, "root")
