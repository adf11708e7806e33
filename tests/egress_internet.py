"""The whole internet in one network namespace: every address is this machine, answers on 80 and 443, and is watched.

Rules: runs only inside a namespace of its own (`in_its_own_network` starts a program in one), where loopback is the
only interface and every address is routed to it: what connects, wherever to, arrives and is seen. `Watch` reads raw
packets: the first of each TCP connection and every datagram counts, whoever sent it and wherever it goes.

Does not: judge addresses, or run where namespaces and raw sockets are not permitted (`why_not` says so).

Usage::

    bring_up()
    async with internet(folder, cases) as net:
        with Watch() as watch: ...
        watch.seen      # {("tcp", "10.0.0.1", 80), …}
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from aiohttp import web
from crawl_sites import html
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from egress_cases import PUBLIC_V4, PUBLIC_V6, Case

WORDS: Final = "<main>" + "<p>Twenty rows of mown grass lay drying beside the long lane.</p>" * 20 + "</main>"
SNAP_BYTES: Final = 96
PACKETS_BUFFER_BYTES: Final = 64_000_000
_ETH_P_ALL: Final = 3
_SOL_PACKET, _PACKET_STATISTICS, _SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 263, 6, 26, 33


# --- a network of its own --------------------------------------------------------------------------------------


def why_not() -> str:
    """Return why there can be no network of our own here, or nothing when there can."""
    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            return f"there is no program `{program}`"
    probe = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)"
    done = subprocess.run(
        [*_UNSHARE, sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    return (
        "" if done.returncode == 0 else f"namespaces or raw sockets are not permitted: {done.stderr[-200:]}"
    )


def in_its_own_network(arguments: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    """Run this Python with some arguments in a new network namespace."""
    return subprocess.run([*_UNSHARE, sys.executable, *arguments], text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


_UNSHARE: Final = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net", "--mount"]


def bring_up() -> None:
    """Route every address to this machine. Raises RuntimeError outside a namespace of our own."""
    if {name for _, name in socket.if_nameindex()} != {"lo"}:
        raise RuntimeError("this is not a network of its own")
    for command in ("link set lo up", "route add local default dev lo", "-6 route add local default dev lo"):
        subprocess.run(["ip", *command.split()], check=True)


# --- its servers -----------------------------------------------------------------------------------------------


@dataclass
class Internet:
    """What stands where: names and their answers, redirects, and what was asked of which address."""

    authority: Path
    answers: dict[str, tuple[tuple[str, ...], ...]]
    locations: dict[str, str]
    pages: dict[str, str] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)

    async def resolve(self, host: str, port: int) -> list[str]:
        """Answer as a resolver does whose owner chooses each answer. Raises OSError."""
        answers = self.answers.get(host, ((PUBLIC_V4, PUBLIC_V6),) if host.endswith(".example") else ())
        if not answers:
            raise OSError(f"{host} has no address")
        self.looks[host] += 1
        return list(answers[min(self.looks[host], len(answers)) - 1])

    def forget_looks(self) -> None:
        """Have every name begin with its first answer again."""
        self.looks.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request to any address."""
        transport = request.transport
        assert transport is not None
        self.asked[transport.get_extra_info("sockname")[0]] += 1
        host = request.host.partition(":")[0]
        location, is_robots = self.locations.get(host, ""), request.path == "/robots.txt"
        if location and is_robots == host.startswith("t"):
            # Written as the attacker writes it: aiohttp would tidy what is not ASCII.
            return web.Response(status=302, headers={"Location": location.encode().decode("latin-1")})
        if is_robots:
            return web.Response(status=404)
        return html(self.pages.get(host, WORDS))


@asynccontextmanager
async def internet(folder: Path, cases: Sequence[Case]) -> AsyncIterator[Internet]:
    """Serve every address on 80 and 443 until the block ends."""
    names = {urlsplit(case.url).hostname or "": case for case in cases if case.answers}
    net = Internet(
        authority=folder / "authority.pem",
        answers={name: case.answers for name, case in names.items()},
        locations={name: case.location for name, case in names.items() if case.location},
    )
    secure = _certified(folder)
    runner = web.ServerRunner(web.Server(net.handle), handle_signals=False, shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    for address in ("0.0.0.0", "::"):
        await web.TCPSite(runner, address, 80).start()
        await web.TCPSite(runner, address, 443, ssl_context=secure).start()
    try:
        yield net
    finally:
        await runner.cleanup()


def _certified(folder: Path) -> ssl.SSLContext:
    """Return a server context for *.example and, since no client takes a star right below the root, *.web.example.

    `folder/authority.pem` makes it trusted.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the internet in a box")])
    names = [x509.DNSName("*.example"), x509.DNSName("*.web.example"), x509.IPAddress(ip_address(PUBLIC_V4))]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "authority.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "authority.pem", folder / "key.pem")
    return context


# --- its watch -------------------------------------------------------------------------------------------------

Sighting = tuple[str, str, int]
"""Protocol, destination address and port."""


class Watch:
    """Every connection begun and every datagram sent in this namespace while the block runs."""

    def __init__(self) -> None:
        self.seen: Counter[Sighting] = Counter()
        self.dropped = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, PACKETS_BUFFER_BYTES)
        self._keep_heads_only()
        self._socket.bind(("lo", _ETH_P_ALL))
        self._socket.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._count_dropped()
        self._socket.close()

    def _keep_heads_only(self) -> None:
        """Attach the one-instruction filter `ret SNAP_BYTES`, so that the buffer holds many packets."""
        program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, SNAP_BYTES))
        where = struct.pack("HL", 1, ctypes.addressof(program))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)

    def _count_dropped(self) -> None:
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self.dropped += struct.unpack("II", statistics)[1]

    def _read(self) -> None:
        while True:
            try:
                packet, (_, _, kind, *_) = self._socket.recvfrom(SNAP_BYTES)
            except TimeoutError:
                if self._ended.is_set():
                    return
                continue
            if kind == socket.PACKET_OUTGOING and (sighting := sighting_of(packet)) is not None:
                self.seen[sighting] += 1  # on loopback each packet passes twice: out and in


def sighting_of(packet: bytes) -> Sighting | None:
    """Return where an IP packet begins a connection or carries a datagram to, or None for any other."""
    if len(packet) < 20:
        return None
    if packet[0] >> 4 == 4:
        protocol, target, rest = packet[9], packet[16:20], packet[(packet[0] & 15) * 4 :]
    elif packet[0] >> 4 == 6 and len(packet) >= 40:
        protocol, target, rest = packet[6], packet[24:40], packet[40:]
    else:
        return None
    if protocol == socket.IPPROTO_TCP and len(rest) >= 14:
        is_first = rest[13] & 0x12 == 0x02  # SYN without ACK
        return ("tcp", str(ip_address(target)), _port(rest)) if is_first else None
    if protocol == socket.IPPROTO_UDP and len(rest) >= 4:
        return "udp", str(ip_address(target)), _port(rest)
    if protocol in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6):
        return None  # nobody's connection: what the kernel says about one
    return f"protocol {protocol}", str(ip_address(target)), 0


def _port(rest: bytes) -> int:
    return int.from_bytes(rest[2:4], "big")
