"""Where a node's traffic goes while it works: every connection and datagram of a run, against the coordinator and the
hosts of its leases.

Rules: the node is the process a contributor starts, in a network of its own in which every address answers and every
packet is seen; there, only the node and what it starts open connections, so that whatever is seen is its own. It works
by its defaults (one request per host every 2 s, names from the name server of resolv.conf), is killed and started again
half way, and its pages try to lead it astray: they embed, prefetch, frame, ping and redirect to hosts that nobody
leased, and some redirect to addresses that nobody may reach. Prints one JSON line: `elsewhere` is what went to anything
but the coordinator, the hosts leased to it, the one host that leased pages redirect to, and the name server. It must be
empty, as must `names_elsewhere`, the names it asked for beyond those. The exit status is 1 otherwise, or when packets
were lost, or when nothing was fetched.

Does not: leave this machine; the namespace has no other interface.

Usage: `python -m bench.egress_hour [--seconds 3600] [--pages-a-minute 60]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import sqlalchemy as sa

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # and not this folder, whose names are not packages

from egress_internet import WORDS, Internet, Watch, bring_up, in_its_own_network, internet, why_not  # noqa: E402
from node_world import Coordinator, NodeProcess  # noqa: E402
from real_house import PAYOUT, open_house, open_segments  # noqa: E402

from aggregator.assignment.frontier import add_urls  # noqa: E402
from aggregator.ingest import Ingest  # noqa: E402
from aggregator.personal import Personal  # noqa: E402
from aggregator.routes import Doors  # noqa: E402
from contributor_node.egress.line_log import read_rows  # noqa: E402
from storage.tables.trust import audits  # noqa: E402
from windrow_protocol.trust_rules import TrustRules  # noqa: E402

HOSTS: Final = 48
COORDINATOR: Final = "93.184.217.1"
NAME_SERVER: Final = "93.184.217.53"
STRANGER: Final = "http://stranger.example"  # it has an address and answers; nobody leases it
MOVED: Final = "moved.example"
REDIRECTS: Final = {f"h{number}.web.example": f"http://{MOVED}/{number}" for number in (3, 13, 23)} | {
    "h5.web.example": "http://10.0.0.1/x",
    "h15.web.example": "http://169.254.169.254/latest/meta-data",
    "h25.web.example": "http://[::ffff:192.168.1.1]/",
}
SEEDED_EVERY_S: Final = 10
RULES: Final = TrustRules(off=("lease_limits", "probation", "sybil_limits"))  # a node long known
_A, _IN, _NAME_POINTER = b"\x00\x01", b"\x00\x01", b"\xc0\x0c"
_NO_SUCH_NAME: Final = 3


def page_of(host: str) -> str:
    """Return a page that tries to have its reader ask a stranger."""
    return (
        f"<!doctype html><html><head><title>{host}</title><link rel='dns-prefetch' href='//prefetch.example'>"
        f"<link rel='preconnect' href='{STRANGER}'><link rel='stylesheet' href='{STRANGER}/style.css'>"
        f"<script src='{STRANGER}/lib.js'></script><script>fetch('{STRANGER}/data', {{mode: 'no-cors'}});"
        f"navigator.sendBeacon('{STRANGER}/ping', 'x'); new RTCPeerConnection({{iceServers: "
        f"[{{urls: 'stun:stranger.example'}}]}}).createOffer({{offerToReceiveAudio: true}});"
        f"new WebSocket('ws://stranger.example/live')</script></head><body><h1>{host}</h1>{WORDS}"
        f"<img src='{STRANGER}/pixel.gif'><iframe src='{STRANGER}/frame'></iframe></body></html>"
    )


class NameServer(asyncio.DatagramProtocol):
    """Answers A questions for `*.example` (RFC 1035), each name with its own address, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Asyncio's call."""
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]])
            at += 1 + data[at]
        name, question = b".".join(labels).decode("ascii", "replace").lower(), data[12 : at + 5]
        self.asked[name] += 1
        known = name.endswith(".example")
        has_one = known and data[at + 1 : at + 3] == _A
        flags = (0x8180 | (0 if known else _NO_SUCH_NAME)).to_bytes(2, "big")
        head = data[:2] + flags + b"\x00\x01" + bytes((0, has_one)) + bytes(4)
        found = _NAME_POINTER + _A + _IN + bytes((0, 0, 0, 60, 0, 4)) + packed_address(name)
        self._transport.sendto(head + question + (found if has_one else b""), addr)


def packed_address(name: str) -> bytes:
    """Return the address of a name: `hN.web.example` the Nth; every other name one that nobody leases."""
    number = name.removeprefix("h").partition(".")[0]
    last = int(number) if number.isdigit() else 200 if name == MOVED else 250
    return bytes((93, 184, 216, last))


def address_of(name: str) -> str:
    """Return the same, as text."""
    return ".".join(map(str, packed_address(name)))


@asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[tuple[Coordinator, NameServer]]:
    """Run the web, the name server and a coordinator until the block ends."""
    async with internet(folder, ()) as net:
        _write_pages(net)
        loop = asyncio.get_running_loop()
        _, names = await loop.create_datagram_endpoint(NameServer, local_addr=(NAME_SERVER, 53))
        house = open_house(folder, rules=RULES)
        personal = Personal(house, open_segments(house, "personal"))
        running = Coordinator(house, Doors(house, Ingest(house, open_segments(house)), personal), COORDINATOR)
        await running.up()
        try:
            yield running, names
        finally:
            await running.down()


def _write_pages(net: Internet) -> None:
    net.pages |= {f"h{number}.web.example": page_of(f"h{number}.web.example") for number in range(HOSTS)}
    net.locations |= REDIRECTS


def seed(house: Coordinator, round_number: int, count: int) -> None:
    """Add pages, one in ten of them for a browser, and decide open audits: no validator works here."""
    first = round_number * count
    urls = [
        (
            f"{'https' if n % 7 == 1 and n % 10 else 'http'}://h{n % HOSTS}.web.example/{n}",
            "http" if n % 10 else "browser",
        )
        for n in range(first, first + count)
    ]
    with house.house.state.write() as connection:
        add_urls(connection, urls, house.house.now_ms())  # type: ignore[arg-type]
        connection.execute(sa.update(audits).values(state="decided"))


async def work(options: argparse.Namespace, house: Coordinator, node: NodeProcess) -> None:
    """Feed the node until the time is over; kill it and start it again half way."""
    begun, rounds, killed = time.monotonic(), 0, False
    while (passed_s := time.monotonic() - begun) < options.seconds:
        seed(house, rounds, max(1, options.pages_a_minute * SEEDED_EVERY_S // 60))
        rounds += 1
        if passed_s > options.seconds / 2 and not killed:
            await node.kill()
            await node.start()
            killed = True
        await asyncio.sleep(SEEDED_EVERY_S)


async def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run it all and return the line."""
    async with surroundings(folder) as (house, names):
        flags = [
            "--coordinator",
            house.url,
            "--payout",
            PAYOUT,
            "--on-battery",
            "--on-metered",
            "--poll-s",
            "5",
        ]
        node = NodeProcess(folder / "node", flags)
        os.environ["SSL_CERT_FILE"] = str(folder / "authority.pem")
        with Watch() as watch:
            await node.start()
            await work(options, house, node)
            await node.stop()
            await asyncio.sleep(1)  # what is on its way arrives
        ends = house.submitted()
        rows = list(read_rows(node.home / "line_log.ndjson"))
    leased = {f"h{number}.web.example" for number in range(HOSTS)} | {MOVED}
    may = {(address_of(host), port) for host in leased for port in (80, 443)}
    told = _told_apart(watch, may, house.port)
    return {
        "bench": "egress of a run",
        "seconds": options.seconds,
        "outcomes": dict(Counter(outcome for _, outcome in ends)),
        "rendered": sum(outcome == "fetched" and url.endswith("0") for url, outcome in ends),
        "rows_logged": dict(Counter(row.purpose for row in rows)),
        "connections": {kind: sum(seen.values()) for kind, seen in told.items()},
        "addresses": {kind: len(seen) for kind, seen in told.items()},
        "elsewhere": sorted(map(str, told["elsewhere"])),
        "names_elsewhere": sorted(set(names.asked) - leased),
        "packets_lost": watch.dropped,
    }


def _told_apart(watch: Watch, may: set[tuple[str, int]], house_port: int) -> dict[str, Counter[Any]]:
    """Sort what was seen by where it went."""
    kinds = ("coordinator", "leased_hosts", "name_server", "names_answered", "its_own_loopback", "elsewhere")
    told: dict[str, Counter[Any]] = {name: Counter() for name in kinds}
    for (protocol, address, port), count in watch.seen.items():
        if (protocol, address, port) == ("tcp", COORDINATOR, house_port):
            kind = "coordinator"
        elif protocol == "tcp" and (address, port) in may:
            kind = "leased_hosts"
        elif (protocol, address, port) == ("udp", NAME_SERVER, 53):
            kind = "name_server"
        elif (protocol, address) == ("udp", NAME_SERVER):  # here both ends of a connection have one address
            kind = "names_answered"
        elif address == "127.0.0.1":  # the node's own proxy
            kind = "its_own_loopback"
        else:
            kind = "elsewhere"
        told[kind][(protocol, address, port)] += count
    return told


def is_clean(line: dict[str, Any]) -> bool:
    """Say whether all that was seen went where it may, all was seen, and there was something to see."""
    nothing_wrong = not (line["elsewhere"] or line["names_elsewhere"] or line["packets_lost"])
    counted = line["connections"]
    nothing_wrong = nothing_wrong and counted["names_answered"] == counted["name_server"]
    return bool(
        nothing_wrong and line["outcomes"].get("fetched", 0) > 0 and line["addresses"]["leased_hosts"] > 1
    )


def own_name_service() -> None:
    """Have this namespace ask our name server. Raises CalledProcessError where nothing may be mounted."""
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(f"nameserver {NAME_SERVER}\n")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)
    Path(file.name).unlink()


def main() -> int:
    """Start again in a network and a table of mounts of its own, and run there."""
    parser = argparse.ArgumentParser(description="Where a node's traffic goes while it works.")
    parser.add_argument("--seconds", type=int, default=3_600)
    parser.add_argument("--pages-a-minute", type=int, default=60)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        if reason := why_not():
            print(f"egress_hour: {reason}", file=sys.stderr)
            return 2
        again = [str(Path(__file__).resolve()), *sys.argv[1:], "--inside"]
        return in_its_own_network(again).returncode
    bring_up()
    own_name_service()
    with tempfile.TemporaryDirectory() as folder:
        line = asyncio.run(run(options, Path(folder)))
    print(json.dumps(line), flush=True)
    return int(not is_clean(line))


if __name__ == "__main__":
    sys.exit(main())
