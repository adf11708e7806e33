"""The load: real HTTP/1.1 clients on loopback in a process of their own, which does little else while it measures.

Batches are made and signed before the clock starts, each a whole request; a client sends its next one when the answer
to the one before has come. With `--rate` batches leave by the clock instead, each from a connection that is free, and
what is measured begins when it was due. `--idle` nodes are connected besides, each over a connection of its own from an
address of its own; they stay open, and `--polls` times a second one of them asks for work, as idle nodes do.

Does not: judge.

Usage: `python -m bench.ingest_load.clients URL '{"first": 0, …}' --watch PID --clients 8` prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bench.ingest_load import people
from bench.ingest_load.homes import Case
from bench.ingest_load.pages import Pages
from bench.ingest_load.processes import cpu_s
from windrow_protocol.messages import LeaseRequest
from windrow_protocol.signing import SIGNATURE_HEADER, sign_request

_SPARE_DESCRIPTORS = 500
_CONNECTING = 100  # idle nodes that connect at a time


@dataclass
class Line:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of its answer."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head + await self.reader.read(500)
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return await self.reader.readexactly(int(length.split(b":")[1]))


@dataclass
class Measured:
    """Waits for an acknowledgement, and what was acknowledged."""

    waits_s: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)


class Signer:
    """Makes whole requests; nonces and times are those of now."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self._nonces = 0
        self._run = time.time_ns()

    def request(self, node: int, path: str, purpose: str, body: bytes) -> bytes:
        """Return one signed request of a node."""
        self._nonces += 1
        token = sign_request(
            people.node_key(node),
            network=people.NETWORK,
            purpose=purpose,
            body=body,
            nonce=f"{self._run}-{self._nonces}",
            now_ms=time.time_ns() // 1_000_000,
        )
        head = f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\n{SIGNATURE_HEADER}: {token}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def connect(url: str, node: int | None = None) -> Line:
    """Connect, from a node's own address where one is named."""
    place = urlsplit(url)
    source = None if node is None else (people.address_of(node), 0)
    return Line(*await asyncio.open_connection(place.hostname, place.port, local_addr=source, limit=1 << 24))


async def press(url: str, requests: list[bytes], clients: int) -> tuple[Measured, float]:
    """Let so many clients send all requests as fast as they are answered; return what was measured and seconds."""
    waiting, measured = iter(requests), Measured()
    lines = [await connect(url) for _ in range(clients)]
    begun_s = time.perf_counter()
    await asyncio.gather(*(_client(line, waiting, measured) for line in lines))
    seconds = time.perf_counter() - begun_s
    for line in lines:
        line.writer.close()
    return measured, seconds


async def _client(line: Line, waiting: Iterator[bytes], measured: Measured) -> None:
    for request in waiting:
        begun_s = time.perf_counter()
        measured.answers.append(await line.ask(request))
        measured.waits_s.append(time.perf_counter() - begun_s)


async def keep_pace(
    lines: list[Line], requests: list[bytes], rate: float, polls: list[bytes], polls_per_s: float
) -> tuple[Measured, float]:
    """Send request n over line n when it is due, and polls over the others; return what was measured and seconds."""
    measured, polled = Measured(), Measured()
    begun_s = time.perf_counter()
    idle = lines[len(requests) :]
    submitting = _by_the_clock(lines, requests, rate, begun_s, measured)
    polling = _by_the_clock(idle, polls, polls_per_s, begun_s, polled)
    await asyncio.gather(submitting, polling)
    return measured, time.perf_counter() - begun_s


async def _by_the_clock(
    lines: list[Line], requests: list[bytes], rate: float, begun_s: float, measured: Measured
) -> None:
    async def send(line: Line, request: bytes, due_s: float) -> None:
        measured.answers.append(await line.ask(request))
        measured.waits_s.append(time.perf_counter() - due_s)

    running = []
    for number, request in enumerate(requests):
        due_s = begun_s + number / rate
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        running.append(asyncio.create_task(send(lines[number % len(lines)], request, due_s)))
    await asyncio.gather(*running)


async def connect_idle(url: str, nodes: range) -> list[Line]:
    """Connect one node after the other, each of which asks once what the network is."""
    request = f"GET /v1/network HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode()

    async def one(node: int) -> Line:
        line = await connect(url, node)
        await line.ask(request)
        return line

    lines: list[Line] = []
    for first in range(nodes.start, nodes.stop, _CONNECTING):
        some = range(first, min(first + _CONNECTING, nodes.stop))
        lines += await asyncio.gather(*(one(node) for node in some))
    return lines


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Make the requests, send them, and say how it went."""
    case, pages, signer = Case(**json.loads(options.case)), Pages(), Signer(options.url)
    now_ms = time.time_ns() // 1_000_000
    made = [(case.node_of(n), batch_of_case(pages, case, n, now_ms)) for n in range(case.batches)]
    lines = await connect_idle(options.url, range(options.idle))
    requests = [signer.request(node, "/v1/submissions", "submit", body) for node, body in made]
    polls: list[bytes] = []
    if options.rate:
        wish = msgspec.json.encode(LeaseRequest(count=20))
        asked = round(options.polls * len(requests) / options.rate)
        polls = [
            signer.request(
                len(requests) + n % (options.idle - len(requests)), "/v1/leases", "lease_request", wish
            )
            for n in range(asked)
        ]
    watched = [int(pid) for pid in options.watch.split(",")]
    usage, before_s = resource.getrusage(resource.RUSAGE_SELF), [cpu_s(pid) for pid in watched]
    if options.rate:
        measured, seconds = await keep_pace(lines, requests, options.rate, polls, options.polls or 1.0)
    else:
        measured, seconds = await press(options.url, requests, options.clients)
    after = resource.getrusage(resource.RUSAGE_SELF)
    used_s = [cpu_s(pid) - before for pid, before in zip(watched, before_s, strict=True)]
    acknowledged = sum(answer.count(b'"ok":true') for answer in measured.answers)
    return {
        "documents": case.documents,
        "acknowledged": acknowledged,
        "seconds": seconds,
        "waits_s": sorted(measured.waits_s),
        "client_cpu_s": after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime,
        "server_cpu_s": sum(used_s),
        "writer_cpu_s": used_s[0],
        "polls": len(polls),
    }


def batch_of_case(pages: Pages, case: Case, number: int, now_ms: int) -> bytes:
    """Return one batch of a case."""
    return people.batch_of(pages, people.node_key(case.node_of(number)), case.batch_range(number), now_ms)


def main() -> None:
    """Run one case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("case", help="JSON of `Case`")
    parser.add_argument(
        "--watch",
        required=True,
        help="processes of the server, the one that writes first, for their processor time",
    )
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="batches a second")
    parser.add_argument("--idle", type=int, default=0, help="connected nodes; with --rate they submit too")
    parser.add_argument("--polls", type=float, default=0.0, help="questions for work a second")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(most, options.idle + _SPARE_DESCRIPTORS + options.clients)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    print(json.dumps(asyncio.run(run(options))), flush=True)


if __name__ == "__main__":
    main()
