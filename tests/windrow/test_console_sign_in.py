"""Attacks on the console's door: every one is refused with its reason, and who is entitled gets in."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import sqlalchemy as sa
from console_world import ANALYST, STRANGER, SUPPORT, Console, refused, running_console, signed

from storage.real_env import real_env
from storage.tables.console import console_sessions
from windrow.console import once
from windrow.console.link import signed_link
from windrow.console.sign_ins import signer_of
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    CONSOLE_LINK_LIFE_MS,
    CONSOLE_SESSION_IDLE_MS,
    CONSOLE_SESSION_LIFE_MS,
    CONSOLE_SESSION_RENEW_MS,
    CONSOLE_SESSIONS_MAX,
    SIGN_IN_LIFE_MS,
)
from windrow_protocol.sign_in import SignIn

pytestmark = pytest.mark.asyncio(loop_scope="module")
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "windrow_protocol" / "sign_in_vectors.json").read_text("utf-8")
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    async with running_console(tmp_path_factory.mktemp("console")) as console:
        yield console


@pytest.fixture(autouse=True)
def now(world: Console) -> None:
    """Each test begins at the machine's own time."""
    world.clock.ahead_ms = 0


# --- signing in --------------------------------------------------------------------------------------------


async def test_an_account_with_a_role_comes_in_with_a_cookie_that_scripts_miss(world: Console) -> None:
    browser = world.browser()
    said = await browser.sign_in(ANALYST)
    assert (said.status, said.json) == (200, {"address": ANALYST.address, "role": "analyst"})
    attributes = said.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/console"} < set(attributes)
    assert (await browser.ask("GET", "/console")).status == 200


async def test_without_a_session_a_page_leads_to_the_sign_in(world: Console) -> None:
    said = await world.browser().ask("GET", "/console")
    assert (said.status, said.headers["Location"]) == (303, "/console/login")
    refused(await world.browser().ask("POST", "/console/ask"), "signed_out")


async def test_a_signed_text_is_good_once(world: Console) -> None:
    browser = world.browser()
    text = await browser.challenge(ANALYST)
    assert (await browser.sign_in(ANALYST, text)).status == 200
    refused(await world.browser().sign_in(ANALYST, text), "replayed")


async def test_a_signature_turned_to_its_twin_is_a_replay_too(world: Console) -> None:
    """(r, s) and (r, n - s) are both good for ECDSA: the nonce is what is used up, not the signature."""
    browser = world.browser()
    text = await browser.challenge(ANALYST)
    own = bytes.fromhex(signed(ANALYST, text)[2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    twin = own[:32] + (order - int.from_bytes(own[32:64])).to_bytes(32) + bytes([55 - own[64]])
    assert (await browser.sign_in(ANALYST, text)).status == 200
    again = await world.browser().send("/console/sign-in", {"message": text, "signature": twin.hex()})
    assert again.json["error"] in ("replayed", "bad_signature")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("Chain ID: 31337", "Chain ID: 1"), "bad_sign_in"),
        (("http://127", "https://127"), "bad_sign_in"),
        (("This moves no money.", "This moves money."), "bad_sign_in"),
        (("/console\n", "/elsewhere\n"), "bad_sign_in"),
        ((r"re:Nonce: \w+", "Nonce: 0123456789abcdef"), "bad_sign_in"),
        ((r"re:Nonce: \w", "Nonce: f"), "bad_sign_in"),
        ((r"re:\nExpiration Time: .*", ""), "bad_sign_in"),
        ((r"re:Issued At: \d+", "Issued At: 2001"), "signature_expired"),
        ((r"re:Issued At: \d+", "Issued At: 9001"), "signature_expired"),
        ((r"re:Expiration Time: \d+", "Expiration Time: 2001"), "signature_expired"),
        ((r"re:$", "\nNot Before: 9001-01-01T00:00:00Z"), "signature_expired"),
        (("Version: 1", "Version: 2"), "bad_sign_in"),
    ],
    ids=lambda each: each if isinstance(each, str) else each[0][-24:],
)
async def test_a_text_that_says_anything_else_is_refused(
    world: Console, change: tuple[str, str], code: str
) -> None:
    browser = world.browser()
    text, (old, new) = await browser.challenge(ANALYST), change
    changed = re.sub(old[3:], new, text, count=1) if old.startswith("re:") else text.replace(old, new)
    assert changed != text
    refused(await browser.sign_in(ANALYST, changed), code)
    assert (await browser.sign_in(ANALYST, text)).status == 200  # and the refusal used nothing up


async def test_a_text_that_another_site_got_signed_is_refused(world: Console) -> None:
    """A site in the middle asks the console for a text, and has the person sign its own name in it."""
    browser = world.browser()
    text = await browser.challenge(ANALYST)
    phished = text.replace(urlsplit(world.url).netloc, "windrow.example.com")
    refused(await browser.sign_in(ANALYST, phished), "bad_sign_in")


async def test_a_nonce_is_good_for_the_account_it_was_made_for(world: Console) -> None:
    browser = world.browser()
    text = (await browser.challenge(STRANGER)).replace(STRANGER.address, ANALYST.address)
    refused(await browser.sign_in(ANALYST, text), "bad_sign_in")


async def test_another_account_cannot_sign_for_one(world: Console) -> None:
    browser = world.browser()
    text = await browser.challenge(ANALYST)
    said = await browser.send("/console/sign-in", {"message": text, "signature": signed(STRANGER, text)})
    refused(said, "bad_signature")
    for broken in ("", "0x", "0x" + "00" * 65, "0x" + "ff" * 65, "zz" * 65, "0x" + "1b" * 64):
        refused(
            await browser.send("/console/sign-in", {"message": text, "signature": broken}), "bad_signature"
        )


async def test_a_text_is_good_for_five_minutes(world: Console) -> None:
    browser = world.browser()
    text = await browser.challenge(ANALYST)
    world.clock.ahead_ms = SIGN_IN_LIFE_MS + 1
    refused(await browser.sign_in(ANALYST, text), "signature_expired")


async def test_who_has_no_role_does_not_come_in(world: Console) -> None:
    refused(await world.browser().sign_in(STRANGER), "unknown_operator")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"address": 1}', b'{"address": "0x"}', b"\xff", b'{"adress": ""}']
)
async def test_what_is_no_message_is_refused(world: Console, body: bytes) -> None:
    said = await world.browser().ask("POST", "/console/challenge", body, Accept="application/json")
    assert said.json["error"] in ("wrong_schema", "not_json", "bad_payout_address")
    assert said.status == 400


def of_vector(vector: dict[str, Any]) -> str:
    names = {
        "chain_id": "chainId",
        "issued_at": "issuedAt",
        "expiration_time": "expirationTime",
        "not_before": "notBefore",
    }
    plain = {name: name for name in ("domain", "address", "statement", "uri", "nonce")}
    both = {**plain, **names}
    return SignIn(**{ours: vector[each] for ours, each in both.items() if each in vector}).text()


async def test_signatures_are_judged_as_the_published_vectors_say() -> None:
    for vector in VECTORS["verification_positive"].values():
        assert signer_of(of_vector(vector), vector["signature"]) == vector["address"]
    for name in ("malformed signature", "wrong signature"):
        vector = VECTORS["verification_negative"][name]
        assert signer_or_reason(of_vector(vector), vector["signature"]) != vector["address"]


def signer_or_reason(text: str, signature: str) -> str:
    try:
        return signer_of(text, signature)
    except WindrowError as error:
        return error.code


# --- sessions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cookie", ["", "x", "0" * 64, "windrow_console", '"', "a=b; windrow_console=" + "0" * 64]
)
async def test_a_made_up_cookie_opens_nothing(world: Console, cookie: str) -> None:
    browser = world.browser()
    browser.cookie = f"windrow_console={cookie}"
    assert (await browser.ask("GET", "/console")).status == 303


async def test_what_the_database_has_of_a_cookie_is_no_cookie(world: Console) -> None:
    await world.entered(ANALYST)
    newest = sa.select(console_sessions).order_by(console_sessions.c.begun_at_ms.desc())
    with world.house.state.read() as connection:
        kept = connection.execute(newest).first()
    assert kept is not None
    for value in {str(value) for value in kept}:
        browser = world.browser()
        browser.cookie = f"windrow_console={value}"
        assert (await browser.ask("GET", "/console")).status == 303


async def test_a_cookie_that_was_there_before_is_not_taken_over(world: Console) -> None:
    """Session fixation: whoever plants a cookie before the sign-in has nothing of it after."""
    browser = world.browser()
    browser.cookie = "windrow_console=" + "ab" * 32
    assert (await browser.sign_in(ANALYST)).status == 200
    assert browser.cookie != "windrow_console=" + "ab" * 32


async def test_a_session_changes_its_cookie_and_a_copy_of_the_old_one_ends_it(world: Console) -> None:
    browser, thief = await world.entered(ANALYST), world.browser()
    thief.cookie = first = browser.cookie
    world.clock.ahead_ms = CONSOLE_SESSION_RENEW_MS + 1
    assert (await browser.ask("GET", "/console")).status == 200
    assert browser.cookie != first
    assert (await thief.ask("GET", "/console")).status == 200  # a request that was under way
    assert thief.cookie == first
    world.clock.ahead_ms += 61_000
    assert (await thief.ask("GET", "/console")).status == 303
    assert (await browser.ask("GET", "/console")).status == 303  # nobody knows which of the two is the thief


async def test_a_session_ends_unused_and_in_any_case(world: Console) -> None:
    idle, busy = await world.entered(ANALYST), await world.entered(ANALYST)
    step_ms = CONSOLE_SESSION_IDLE_MS - 60_000
    while world.clock.ahead_ms < CONSOLE_SESSION_LIFE_MS - step_ms:
        world.clock.ahead_ms += step_ms
        assert (await busy.ask("GET", "/console")).status == 200
    assert (await idle.ask("GET", "/console")).status == 303
    world.clock.ahead_ms = CONSOLE_SESSION_LIFE_MS + 1
    assert (await busy.ask("GET", "/console")).status == 303


async def test_signing_out_ends_the_session_for_whoever_kept_the_cookie(world: Console) -> None:
    browser = await world.entered(ANALYST)
    kept = browser.cookie
    assert (await browser.post("/console/sign-out")).headers["Location"] == "/console/login"
    browser.cookie = kept
    assert (await browser.ask("GET", "/console")).status == 303


async def test_what_is_revoked_holds_no_longer_from_the_next_request_on(world: Console) -> None:
    await world.operations.grant(STRANGER.address, "analyst")
    browser = await world.entered(STRANGER)
    done = await world.operations.revoke(STRANGER.address)
    assert (done["sessions"], done["tokens"]) == (1, 0)
    assert (await browser.ask("GET", "/console")).status == 303
    refused(await world.browser().sign_in(STRANGER), "unknown_operator")


async def test_one_account_has_so_many_sessions(world: Console) -> None:
    first = await world.entered(SUPPORT)
    for _ in range(CONSOLE_SESSIONS_MAX):
        await world.entered(SUPPORT)
    assert (await first.ask("GET", "/console")).status == 303
    listed = (await world.operations.list())["sessions"]
    assert sum(each["address"] == SUPPORT.address for each in listed) == CONSOLE_SESSIONS_MAX


# --- links -------------------------------------------------------------------------------------------------


async def linked(world: Console, key: Any) -> str:
    """A one-use link's path, as the command gets it."""
    said = await world.browser().sign_in(key)
    assert said.status == 200
    browser = world.browser()
    text = await browser.challenge(key)
    order = {"message": text, "signature": signed(key, text), "link": True}
    answered = await browser.send("/console/sign-in", order)
    assert "Set-Cookie" not in answered.headers
    return urlsplit(answered.json["link"]).path


async def test_a_link_lets_one_browser_in_once_and_not_by_being_looked_at(world: Console) -> None:
    path, browser = await linked(world, ANALYST), world.browser()
    for _ in range(2):
        assert (await browser.ask("GET", path)).status == 200
    assert browser.cookie == ""
    refused(await browser.ask("POST", path, Origin="https://evil.example"), "foreign_console")
    assert (await browser.ask("POST", path)).status == 303
    assert (await browser.ask("GET", "/console")).status == 200
    refused(await world.browser().ask("POST", path), "replayed")


async def test_a_link_holds_two_minutes_and_for_its_account(world: Console) -> None:
    path = await linked(world, SUPPORT)
    other = path[:-40] + ANALYST.address[2:]
    for forged in (other, path[:-1], path + "0", "/console/enter/x", "/console/enter/" + "0" * 116):
        refused(await world.browser().ask("POST", forged), "bad_sign_in")
    world.clock.ahead_ms = CONSOLE_LINK_LIFE_MS + 1
    refused(await world.browser().ask("POST", path), "signature_expired")


async def test_the_command_signs_for_the_console_that_it_was_given_alone(
    world: Console, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(bytes(ANALYST.key).hex())
    key.chmod(0o600)
    link = await asyncio.to_thread(signed_link, world.url, key)
    assert (await world.browser().ask("POST", urlsplit(link).path)).status == 303
    for url in ("http://ops.example.org", "ftp://127.0.0.1", "https://ops.example.org/x", "127.0.0.1"):
        with pytest.raises(WindrowError, match="bad_url"):
            signed_link(url, key)


async def test_used_words_are_remembered_as_long_as_they_would_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are used: what had to be forgotten is not good again, and nothing as old is any more."""
    monkeypatch.setattr(once, "CONSOLE_USED_MAX", 3)
    words = once.OneUse(real_env().randomness, life_ms=1_000)
    first, unused = words.make("a", 0), words.make("a", 0)
    words.use(first, "a", 0)
    for _ in range(3):
        words.use(words.make("a", 500), "a", 500)
    for word in (first, unused):
        with pytest.raises(WindrowError, match="its time is over"):
            words.use(word, "a", 500)
