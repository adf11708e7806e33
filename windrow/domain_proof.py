"""Whether a host's publisher asks: the file that only they could have put there, fetched once.

Rules: over https, with the certificate checked, no redirect followed; http only at the exact private endpoints that the
operator lists. Addresses are chosen as a node chooses them, so that no name leads into this machine's own network. The
file is small, and holds the token as a line of its own.

Does not: decide what follows (`aggregator.takedowns`). Usage: `await shown_at("www.example.org", token)`.

Source: RFC 8615 (well-known URIs).
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from aggregator.takedowns import PROOF_PATH
from contributor_node.egress.addresses import AddressBook
from contributor_node.egress.grants import Place
from windrow_protocol.addresses import AllowedEndpoint
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TAKEDOWN_FILE_BYTES_MAX, TAKEDOWN_FILE_S_MAX
from windrow_protocol.urls import DEFAULT_PORTS, split_http_url

_HEADERS: Final = {"User-Agent": "WindrowOperator/0.1", "Accept": "text/plain"}


def proof_url(host: str, private: frozenset[AllowedEndpoint] = frozenset()) -> str:
    """Return where the file of a host is looked for. Raises WindrowError `bad_url`."""
    parts = split_http_url(f"http://{host}/")
    is_listed = any(f"{each.ip}:{each.port}" == host for each in private)
    return f"{'http' if is_listed else 'https'}://{parts.host}{f':{parts.port}' if parts.port else ''}{PROOF_PATH}"


async def shown_at(host: str, token: str, private: frozenset[AllowedEndpoint] = frozenset()) -> str:
    """Return the address of the file in which a host shows the token. Raises WindrowError `not_proven`."""
    url = proof_url(host, private)
    parts = split_http_url(url)
    port = int(parts.port or DEFAULT_PORTS[parts.scheme])
    try:
        pinned = await AddressBook(private).choose(Place(parts.host, port))
        status, body = await _get(url, pinned.address)
    except WindrowError as error:  # its own remedy is a node's, who fetches for a lease
        raise WindrowError("not_proven", f"{url}: {error.reason.sentence}: {error.detail}"[:300]) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise WindrowError("not_proven", f"{url}: {str(error) or type(error).__name__}"[:300]) from error
    if status != 200:
        raise WindrowError("not_proven", f"{url} answers {status}")
    if token not in body.decode("utf-8", "replace").split():
        raise WindrowError("not_proven", f"{url} does not hold the token {token}")
    return url


async def _get(url: str, address: str) -> tuple[int, bytes]:
    connector = aiohttp.TCPConnector(resolver=_Pinned(address), use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=TAKEDOWN_FILE_S_MAX)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout, headers=_HEADERS) as session,
        session.get(url, allow_redirects=False) as answer,
    ):
        body = b""
        while len(body) <= TAKEDOWN_FILE_BYTES_MAX and (chunk := await answer.content.read(4_096)):
            body += chunk
        return answer.status, body[:TAKEDOWN_FILE_BYTES_MAX]


class _Pinned(AbstractResolver):
    """Answers every name with the one address that was chosen."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        of = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [ResolveResult(hostname=host, host=self._address, port=port, family=of, proto=0, flags=flags)]

    async def close(self) -> None:
        """Hold nothing."""
        await asyncio.sleep(0)
