"""A chain that is another one, that is none, that is away or that says nothing: said as it is, and nothing lost."""

from __future__ import annotations

import http.server
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chain_nodes import BUYER, CHAIN_ID, OWNER, Devnet, free_port
from chain_steps import (
    TREASURY,
    refused,
    terms,
)

from chain.client import ChainClient
from chain.rpc import connect
from chain.sender import Outgoing, Sender


def test_wrong_chain_is_refused(devnet: Devnet, client: ChainClient) -> None:
    wrong = refused(lambda: ChainClient.connect(devnet.url, 1))
    assert (wrong.code, f"serves chain {CHAIN_ID}, configured is 1" in str(wrong)) == ("wrong_chain", True)
    elsewhere = replace(client.deployment, chain_id=1)
    assert refused(lambda: ChainClient.connect(devnet.url, CHAIN_ID, elsewhere)).code == "wrong_chain"
    nowhere = replace(client.deployment, market=TREASURY)
    missing = refused(lambda: ChainClient.connect(devnet.url, CHAIN_ID, nowhere))
    assert (missing.code, f"no DatasetMarket at {TREASURY}" in str(missing)) == ("wrong_chain", True)


def test_unreachable_chain_is_said_without_the_urls_secret() -> None:
    port = free_port()
    error = refused(
        lambda: ChainClient.connect(f"http://user:hunter2@127.0.0.1:{port}/v2/secret", CHAIN_ID, patience_s=0)
    )
    assert error.code == "chain_unreachable"
    assert f"127.0.0.1:{port}" in str(error)
    assert "secret" not in str(error)
    assert "hunter2" not in str(error)


def test_who_waits_for_a_silent_chain_stops_when_the_process_ends() -> None:
    ending, url = threading.Event(), f"http://127.0.0.1:{free_port()}"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            refused, lambda: ChainClient.connect(url, CHAIN_ID, patience_s=86_400, ending=ending)
        )
        assert not waiting.done()
        ending.set()
        assert waiting.result(60).code == "chain_unreachable"


def test_answer_that_never_comes_holds_nobody_once_the_process_ends() -> None:
    """The node takes the request and says nothing; its connection is still open when the wait is over."""
    ending = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as hole, ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        waiting = pool.submit(
            refused, lambda: ChainClient.connect(url, CHAIN_ID, patience_s=86_400, ending=ending)
        )
        asked, _ = hole.accept()
        with asked:
            assert asked.recv(4) == b"POST"
            ending.set()
            assert str(waiting.result(60)).count("no answer until the end of the process") == 1


def test_who_only_looks_whether_a_node_answers_says_how_long_it_may_take() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        error = refused(lambda: connect(url, CHAIN_ID, patience_s=0, answer_s=0.1))
    assert (error.code, "ReadTimeout" in str(error)) == ("chain_unreachable", True)


@pytest.mark.parametrize("url", ["", "localhost:8545", "ftp://127.0.0.1/", "file:///etc/passwd"])
def test_address_that_is_none_is_refused(url: str) -> None:
    assert refused(lambda: ChainClient.connect(url, CHAIN_ID)).code == "bad_config"


def test_web_page_is_no_chain() -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert refused(lambda: ChainClient.connect(url, CHAIN_ID)).code == "chain_unreachable"
        server.shutdown()


def test_contracts_must_be_known_before_they_are_used(devnet: Devnet) -> None:
    bare = ChainClient.connect(devnet.url, CHAIN_ID)
    assert refused(lambda: bare.token).code == "bad_config"


def test_client_waits_out_a_killed_devnet(tmp_path: Path) -> None:
    """Killed after a transaction was sent and before its receipt was asked for: nothing is lost or paid twice."""

    with Devnet(tmp_path) as devnet:
        client = ChainClient.connect(devnet.url, CHAIN_ID, patience_s=600)
        client.deploy(OWNER, terms("killed"))
        client.token.mint(OWNER, BUYER.address, 100)
        supply = client.token.total_supply()
        with ThreadPoolExecutor(1) as pool:
            devnet.end(signal.SIGKILL)
            waiting = pool.submit(client.token.transfer, BUYER, TREASURY, 30)
            devnet.start()
            assert waiting.result(600).gas_used > 0
        assert client.token.balance_of(TREASURY) == 30
        assert client.token.total_supply() == supply
        assert client.deploy(OWNER, terms("killed")) == client.deployment


def test_transaction_that_nobody_mines_is_pending_not_lost(client: ChainClient) -> None:
    """A node that takes a transaction and drops it: the wait ends, says so, and had sent it again."""

    clock = iter(range(10_000))
    sender = Sender(
        client.w3, monotonic_s=lambda: float(next(clock)), sleep_s=lambda _: None, receipt_wait_s=20
    )
    raw = b"\x02" + bytes(100)
    error = refused(lambda: sender._wait(raw, "0x" + "12" * 32, Outgoing(TREASURY), OWNER.address))
    assert (error.code, error.detail) == ("chain_pending", "0x" + "12" * 32)
