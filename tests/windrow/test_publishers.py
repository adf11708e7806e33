"""A publisher shows that a host is theirs, has it taken down, and reads what was asked of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import msgspec
import pytest
from running_house import RunningHouse, Said, windrow

from aggregator.takedowns import PROOF_PATH, PURPOSE
from windrow.doctor import check_publishers
from windrow.domain_proof import proof_url
from windrow.publishers_page import publishers_url_of
from windrow.settings import HouseSettings, load_settings
from windrow_protocol.addresses import parse_allowed
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import verify
from windrow_protocol.user_agent import PublishersUrl


class Publisher:
    """A host on loopback that serves one file as its publisher likes."""

    def __init__(self, address: str) -> None:
        self.body, self.status, self.headers = b"", 404, dict[str, str]()
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_proof = self.path == PROOF_PATH
                self.send_response(publisher.status if is_proof else 200)
                for name, value in publisher.headers.items() if is_proof else ():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(publisher.body)))
                self.end_headers()
                self.wfile.write(publisher.body)

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.host = f"{address}:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def shows(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.body, self.status, self.headers = body, status, headers


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher("127.0.47.1")
    yield made
    made.server.shutdown()
    made.server.server_close()


def token_for(house: RunningHouse, host: str) -> str:
    said = windrow("host", "token", host, "--allow-private", host, "--json", env=house.env).json
    assert said["url"] == f"http://{host}{PROOF_PATH}"
    return str(said["token"])


def takedown(house: RunningHouse, host: str, *more: str) -> Said:
    words = ("--reason", "asked by mail", "--yes", "--json", *more)
    return windrow("host", "takedown", host, *words, env=house.env)


def figures(house: RunningHouse, host: str) -> dict[str, Any]:
    answer = house.ask("GET", f"/publishers.json?host={host}")
    assert answer.status == 200
    return dict(json.loads(answer.body))


def test_from_the_token_to_the_receipt_and_back(house: RunningHouse, publisher: Publisher) -> None:
    host = publisher.host
    pages = [f"http://{host}/{n}" for n in range(3)]
    assert windrow("frontier", "add", *pages, "--json", env=house.env).json["added"] == 3
    assert figures(house, host)["pages"] == {"open": 3}
    token = token_for(house, host)
    assert figures(house, host)["takedown_token"] == token, "the publisher reads it on the page"

    refused = takedown(house, host, "--allow-private", host)
    assert (refused.code, "[not_proven]" in refused.err) == (1, True), refused.err
    publisher.shows(f"{token}\n".encode())
    done = takedown(house, host, "--allow-private", host).json
    assert (done["pages"], done["documents_erased"]) == (3, 0)
    facts = json.loads(house.ask("GET", "/v1/network").body)
    said = verify(
        done["receipt"],
        signer=facts["coordinator_id"],
        network=facts["network"],
        purpose=PURPOSE,
        now_ms=facts["server_time_ms"],
    )
    assert (said.subject, said.content["proof"]) == (host, f"http://{host}{PROOF_PATH}")

    shown = figures(house, host)
    assert (shown["pages"], shown["withheld_since_ms"] > 0) == ({"withheld": 3}, True)
    listed = windrow("host", "list", env=house.env).out
    assert f"{host}: asked by mail (proof: http://{host}{PROOF_PATH})" in listed
    page = house.ask("GET", f"/publishers?host={host}").body.decode()
    assert "nobody is sent to" in page
    assert token not in page, "there is nothing to ask for any more"
    later = windrow("host", "receipt", host, "--json", env=house.env).json["receipt"]
    assert later.count(".") == done["receipt"].count(".") == 2
    back = windrow("host", "release", host, "--reason", "asked again", "--json", env=house.env).json
    assert back["pages"] == 3
    assert figures(house, host)["pages"] == {"open": 3}


@pytest.mark.parametrize(
    ("status", "headers", "before"),
    [
        (302, {"Location": "/elsewhere"}, b""),  # another page of a host may be anybody's
        (200, {}, b"x" * 5_000),  # beyond what is read
        (404, {}, b""),  # the page of an error may repeat what was asked for
        (200, {}, b"no"),  # the token is a word of its own
    ],
)
def test_what_does_not_show_it(
    house: RunningHouse, publisher: Publisher, status: int, headers: dict[str, str], before: bytes
) -> None:
    publisher.shows(before + token_for(house, publisher.host).encode(), status, **headers)
    said = takedown(house, publisher.host, "--allow-private", publisher.host)
    assert (said.code, "[not_proven]" in said.err) == (1, True), said.err
    assert figures(house, publisher.host)["withheld_since_ms"] == 0


def test_no_name_leads_into_this_machine_s_own_network(house: RunningHouse, publisher: Publisher) -> None:
    publisher.shows(b"")
    said = takedown(house, publisher.host)  # not listed: asked over https, and refused before a connection
    assert "[not_proven]" in said.err
    assert "is this machine" in said.err
    assert said.err.count("Remedy: ") == 1, "one refusal, and not another's within it"


def test_a_word_of_the_operator_is_a_proof_and_is_kept(house: RunningHouse) -> None:
    assert takedown(house, "letters.example", "--proven", "a letter of 2026-11-20").code == 0
    listed = windrow("host", "list", env=house.env).out
    assert "letters.example: asked by mail (proof: a letter of 2026-11-20)" in listed
    again = takedown(house, "letters.example", "--proven", "another letter")
    assert "[host_withheld]" in again.err


def test_only_listed_endpoints_are_asked_in_clear() -> None:
    listed = frozenset({parse_allowed("127.0.0.9:8080")})
    assert proof_url("127.0.0.9:8080", listed) == f"http://127.0.0.9:8080{PROOF_PATH}"
    assert proof_url("127.0.0.9:8081", listed) == f"https://127.0.0.9:8081{PROOF_PATH}"
    assert proof_url("www.example.org", listed) == f"https://www.example.org{PROOF_PATH}"


@pytest.mark.parametrize("asked", ["%3Cscript%3E", "https%3A%2F%2Fa.example", "a%00b", "x" * 400])
def test_the_page_says_what_is_no_host_and_repeats_no_markup(house: RunningHouse, asked: str) -> None:
    answer = house.ask("GET", f"/publishers?host={asked}")
    assert answer.status == 400
    assert b"<script" not in answer.body
    assert house.ask("GET", f"/publishers.json?host={asked}").status == 400


def test_nodes_are_told_the_page_to_name(house: RunningHouse) -> None:
    assert house.ask("GET", "/v1/network").json["publishers_url"] == f"{house.url}/publishers"


@pytest.mark.parametrize(
    ("settings", "url", "found"),
    [
        ({"host": "192.0.2.7", "port": 80}, "http://192.0.2.7:80/publishers", "passed"),
        ({"host": "2001:db8::7"}, "http://[2001:db8::7]:8420/publishers", "passed"),
        ({}, "http://127.0.0.1:8420/publishers", "not checked"),
        ({"host": "0.0.0.0"}, "", "not checked"),
        ({"host": "::"}, "", "not checked"),
        ({"host": "fe80::1%eth0"}, "", "not checked"),
        ({"port": 0}, "", "not checked"),
        ({"host": "0.0.0.0", "publishers_url": "https://w.example/p"}, "https://w.example/p", "passed"),
    ],
)
def test_the_page_is_the_operators_or_the_houses_own(settings: Any, url: str, found: str) -> None:
    house = HouseSettings(**settings)
    assert publishers_url_of(house) == msgspec.convert(url, PublishersUrl) == url
    assert [finding.state for finding in check_publishers(house)] == [found]


def test_a_page_that_is_none_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDROW_PUBLISHERS_URL", "https://a.example/) x")
    with pytest.raises(WindrowError, match="`publishers_url` from environment"):
        load_settings()


def test_the_first_page_leads_to_it(house: RunningHouse) -> None:
    assert b'href="/publishers"' in house.ask("GET", "/").body
    page = house.ask("GET", "/publishers").body.decode()
    for word in ("WindrowBot", "Disallow", "noai", "takedown"):
        assert word in page
