"""HTTP for buyers: bounded answers, the market's refusals as they are, and files that resume.

Rules: a file grows as `<name>.part` and gets its name only when it is whole; what is there is asked for no more, by a
byte range. A server that ignores the range starts the file again. Loopback is never asked for through a proxy.

Does not: retry by itself, follow redirects to other hosts, or know what is bought.

Usage: `HttpClient("http://127.0.0.1:8420", 30).save("/market/download/…/data/x.parquet", path, bytes_max=size)`.

Source: RFC 9110, section 14 (range requests).
"""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import msgspec

from windrow_protocol.errors import REASONS, WindrowError

_CHUNK_BYTES: Final = 262_144
_LOOPBACK: Final = ("127.", "localhost", "[::1]", "::1")


class _NoRedirect(HTTPRedirectHandler):
    """A market answers itself; a redirect could lead anywhere."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


class HttpClient:
    """Requests to one base URL."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WindrowError("bad_url", repr(base_url)[:200])
        self._base = base_url.rstrip("/") + "/"
        self._timeout_s = timeout_s
        direct = parts.hostname.startswith(_LOOPBACK)
        self._opener = build_opener(_NoRedirect, *([ProxyHandler({})] if direct else []))

    def get(self, path: str, bytes_max: int) -> bytes:
        """Return the body of a GET. Raises WindrowError `not_running`, `too_large` or the market's refusal."""
        with self._open(path) as answer:
            return _bounded(answer, bytes_max)

    def post(self, path: str, body: bytes, bytes_max: int) -> bytes:
        """Return the body of a POST of JSON. Raises as `get`."""
        with self._open(path, body, {"Content-Type": "application/json"}) as answer:
            return _bounded(answer, bytes_max)

    def save(
        self,
        path: str,
        target: Path,
        *,
        bytes_max: int,
        sha256: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Download to a file, going on where an earlier try ended; a whole file of that digest is left alone.

        Raises WindrowError `not_running` (what came is kept), `too_large`, `export_corrupt` (what came is deleted).
        """
        if sha256 and target.is_file() and _digest(target) == sha256:
            return
        part = target.with_name(target.name + ".part")
        if not sha256:
            part.unlink(missing_ok=True)  # nothing says that the rest would still belong to it
        self._append(path, part, bytes_max, progress)
        if sha256 and _digest(part) != sha256:
            part.unlink()
            raise WindrowError("export_corrupt", f"{target.name} does not have the digest in the manifest")
        os.replace(part, target)

    def _append(self, path: str, part: Path, bytes_max: int, progress: Callable[[int], None] | None) -> None:
        have = part.stat().st_size if part.is_file() else 0
        if have > bytes_max:
            part.unlink()
            have = 0
        if have == bytes_max and have:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._open(path, headers=headers) as answer:
            resumed = have and answer.status == 206
            done = have if resumed else 0
            with part.open("ab" if resumed else "wb") as file:
                for chunk in _chunks(answer):
                    done += len(chunk)
                    if done > bytes_max:
                        raise WindrowError("too_large", f"{part.name} is larger than {bytes_max} bytes")
                    file.write(chunk)
                    if progress is not None:
                        progress(done)

    @contextmanager
    def _open(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Any]:
        url = urljoin(self._base, path.lstrip("/"))
        request = Request(url, data=body, headers=dict(headers or {}))
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                yield answer
        except HTTPError as error:
            raise _refusal(error) from error
        except (URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise WindrowError("not_running", f"{self._base}: {error}"[:200]) from error


def _chunks(answer: Any) -> Iterator[bytes]:
    """Yield what arrives; an answer that ends before its length is a failure, not an end."""
    announced = answer.headers.get("Content-Length")
    arrived = 0
    while chunk := answer.read1(_CHUNK_BYTES):
        arrived += len(chunk)
        yield chunk
    if announced is not None and arrived < int(announced):
        raise ConnectionError(f"the connection ended after {arrived} of {announced} bytes")


def _bounded(answer: Any, bytes_max: int) -> bytes:
    body: bytes = answer.read(bytes_max + 1)
    if len(body) > bytes_max:
        raise WindrowError("too_large", f"an answer of more than {bytes_max} bytes")
    return body


def _refusal(error: HTTPError) -> WindrowError:
    """Return the market's own refusal, or `not_running` when it does not speak as one."""
    try:
        said = msgspec.json.decode(error.read(65_536))
        if said["error"] in REASONS:
            return WindrowError(said["error"], str(said.get("detail", ""))[:500])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, OSError):
        pass
    return WindrowError("not_running", f"HTTP {error.code} from {error.url}"[:200])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
