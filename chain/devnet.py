"""The embedded devnet: an EVM chain of one process, as JSON-RPC over HTTP on 127.0.0.1.

Rules: it holds no keys and takes signed transactions only; each is mined at once in a block of its own and answered
after it is on disk. Block time is real time in whole seconds, never less than the block before. One thread touches the
chain. Only loopback is served, only to requests whose Host is loopback (DNS rebinding), and sizes are bounded.

Does not: mine empty blocks, move time, fork another chain or keep a pool. It is a chain for one machine, not a network.

Usage::

    python -m chain.devnet --home DIR --port 8545 --chain-id 31337 --fund 0xADDRESS:WEI
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import RPC_BATCH_MAX, RPC_BRACKETS_MAX, RPC_REQUEST_BYTES_MAX
from windrow_protocol.merkle import checksum_address

# The C keccak is four times as fast as the one eth_hash would pick; it must be named before eth_hash is imported.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")

from chain.devnet_methods import Context, RpcError, answer
from chain.durable_chain import DurableChain

_LOG: Final = logging.getLogger(__name__)
_LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
_PARSE_ERROR: Final = -32700
_INVALID_REQUEST: Final = -32600
_INTERNAL_ERROR: Final = -32603
_THREAD_STACK_BYTES: Final = 64 * 1024 * 1024  # contracts may call 1,024 deep
_DISK_FAILED_EXIT: Final = 74


class DevnetServer:
    """Answers JSON-RPC requests over one chain, one at a time."""

    def __init__(self, chain: DurableChain, worker: ThreadPoolExecutor, clock_s: Callable[[], float]) -> None:
        self._chain = chain
        self._worker = worker
        self._clock_s = clock_s

    async def handle(self, request: web.Request) -> web.Response:
        """POST / with one request or a batch."""
        if request.host.rsplit(":", 1)[0] not in _LOOPBACK_HOSTS and request.host not in _LOOPBACK_HOSTS:
            return _json(_error(None, _INVALID_REQUEST, "only requests to loopback are answered"), status=403)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            message = f"a request has at most {RPC_REQUEST_BYTES_MAX} bytes"
            return _json(_error(None, _INVALID_REQUEST, message), status=413)
        try:
            asked = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _json(_error(None, _PARSE_ERROR, "the request is not valid JSON"))
        if isinstance(asked, list):
            if not 1 <= len(asked) <= RPC_BATCH_MAX:
                return _json(_error(None, _INVALID_REQUEST, f"a batch has 1 to {RPC_BATCH_MAX} requests"))
            return _json([await self._answer(one) for one in asked])
        return _json(await self._answer(asked))

    async def _answer(self, asked: Any) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._answer_now, asked)

    def _answer_now(self, asked: Any) -> dict[str, Any]:
        if not isinstance(asked, dict) or asked.get("jsonrpc") != "2.0" or "id" not in asked:
            return _error(None, _INVALID_REQUEST, 'a request is {"jsonrpc": "2.0", "id", "method", "params"}')
        context = Context(self._chain, int(self._clock_s()))
        try:
            result = answer(context, asked.get("method"), asked.get("params", []))
        except RpcError as error:
            return _error(asked["id"], error.code, error.message, error.data)
        except OSError:
            # What is in the file is unknown now; only a restart that reads it again may answer.
            _LOG.critical("the journal could not be written; stopping", exc_info=True)
            os._exit(_DISK_FAILED_EXIT)
        except Exception:
            _LOG.exception("a request failed")
            return _error(asked["id"], _INTERNAL_ERROR, "internal error")
        return {"jsonrpc": "2.0", "id": asked["id"], "result": result}


def _decode(body: bytes) -> Any:
    # py-evm lifts Python's recursion limit so far that a C parser would run off its stack before reaching it.
    if body.count(b"[") + body.count(b"{") > RPC_BRACKETS_MAX:
        raise RecursionError("too many brackets")
    return msgspec.json.decode(body)


def _error(identity: Any, code: int, message: str, data: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": identity, "error": error}


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), status=status, content_type="application/json")


async def serve(
    home: Path,
    port: int,
    chain_id: int,
    *,
    balances_wei: Mapping[str, int] | None = None,
    stop: asyncio.Event,
    on_ready: Callable[[str], None] = print,
    clock_s: Callable[[], float] = time.time,
) -> None:
    """Serve the chain of a folder on 127.0.0.1 until `stop` is set. Port 0 takes a free one.

    `on_ready` gets one line with the address once it listens. Raises WindrowError `port_taken` and what
    `DurableChain.open` raises.
    """
    loop = asyncio.get_running_loop()
    previous_stack_bytes = threading.stack_size(_THREAD_STACK_BYTES)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="devnet") as worker:
        opening = loop.run_in_executor(
            worker,
            lambda: DurableChain.open(
                home, chain_id=chain_id, balances_wei=balances_wei or {}, now_s=int(clock_s())
            ),
        )
        threading.stack_size(previous_stack_bytes)
        with await opening as chain:
            if chain.torn_bytes:
                _LOG.warning("cut an unacknowledged record of %d bytes off the journal", chain.torn_bytes)
            server = DevnetServer(chain, worker, clock_s)
            app = web.Application(client_max_size=RPC_REQUEST_BYTES_MAX)
            app.router.add_post("/", server.handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
            await runner.setup()
            try:
                bound = await _listen(runner, port)
                on_ready(f"devnet ready http://127.0.0.1:{bound} chain {chain_id}")
                await stop.wait()
            finally:
                await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> int:
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise WindrowError("port_taken", f"127.0.0.1:{port}") from error
        raise
    return int(runner.addresses[0][1])


def _funded(text: str) -> tuple[str, int]:
    address, separator, wei = text.partition(":")
    if not separator or not wei.isdecimal() or len(wei) > 60:
        raise WindrowError("bad_config", f"--fund {text[:60]} is not 0xADDRESS:WEI")
    return checksum_address(address), int(wei)


def _watch_parent(stop: Callable[[], None]) -> None:
    """Call `stop` when standard input ends, as it does when the process that started this one is gone."""

    def wait_for_end() -> None:
        while os.read(0, 4096):
            pass
        stop()

    threading.Thread(target=wait_for_end, daemon=True, name="parent-watch").start()


def _set_from_thread(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    loop.call_soon_threadsafe(stop.set)


async def _run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if arguments.die_with_parent:
        _watch_parent(lambda: _set_from_thread(loop, stop))
    await serve(
        arguments.home,
        arguments.port,
        arguments.chain_id,
        balances_wei=dict(_funded(one) for one in arguments.fund),
        stop=stop,
        on_ready=lambda line: print(line, flush=True),
    )


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chain.devnet", description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="folder of the chain; made where it is new")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--chain-id", type=int, required=True)
    parser.add_argument("--fund", action="append", default=[], metavar="0xADDRESS:WEI")
    parser.add_argument("--die-with-parent", action="store_true", help="end when standard input ends")
    logging.basicConfig(level=logging.WARNING, format="devnet: %(message)s")
    try:
        asyncio.run(_run(parser.parse_args(argv)))
    except WindrowError as error:
        print(error, file=sys.stderr)
        return error.reason.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
