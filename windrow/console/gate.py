"""What a request must look like before the console reads it: its host, where it comes from, its cookie, its form.

Rules: only hosts of `console_origins` are answered, or loopback where none is set, so that no other name leads here
(DNS rebinding). What changes anything names this very origin and carries its session's form token. Answers may load
nothing from elsewhere, run no script in the page, stand in no frame, and are kept nowhere.

Does not: know sessions or roles. Usage: `origin = gate.admit(request)`.

Source: OWASP Cross-Site Request Forgery Prevention, RFC 6265bis (cookie prefixes), CSP Level 3, Fetch Metadata.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from storage.env import Request, Response
from windrow_protocol.errors import WindrowError

GUARDED: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers call a form's Origin null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_ORIGIN: Final = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
_LOOPBACK: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
_FIELDS_MAX: Final = 16


class Gate:
    """The console's addresses."""

    def __init__(self, origins: Sequence[str]) -> None:
        """Raise WindrowError `bad_config` where one of them is no origin."""
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise WindrowError(
                    "bad_config", f"`console_origins`: `{origin}` is none, as https://ops.example.org is"
                )
        self._origins = {origin.partition("://")[2].lower(): origin.lower() for origin in origins}

    def admit(self, request: Request) -> str:
        """Return the origin that a browser's request was sent to. Raises WindrowError `foreign_console`."""
        origin = self.place(request)
        if request.method not in ("GET", "HEAD"):
            if request.header("Origin").lower() != origin:
                raise WindrowError("foreign_console", "its Origin is another one")
            if request.header("Sec-Fetch-Site") not in ("", "same-origin"):
                raise WindrowError("foreign_console", "another page sent it")
        return origin

    def place(self, request: Request) -> str:
        """Return the origin that any program's request was sent to. Raises WindrowError `foreign_console`."""
        host = request.header("Host").lower()
        origin = self._origins.get(host, "")
        if not self._origins and _LOOPBACK.fullmatch(host):
            origin = f"http://{host}"
        if not origin:
            raise WindrowError("foreign_console", "its Host is another one")
        return origin


def cookie_name(origin: str) -> str:
    """Return the cookie's name: over TLS one that no other host or port can set."""
    return "__Host-windrow_console" if origin.startswith("https:") else "windrow_console"


def cookie_of(request: Request, origin: str) -> str:
    """Return the cookie that came, or an empty string."""
    try:
        morsel = SimpleCookie(request.header("Cookie")).get(cookie_name(origin))
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def set_cookie(origin: str, value: str, life_s: int) -> dict[str, str]:
    """Return the header that gives a browser its cookie, or takes it away with a life of 0."""
    place = "Path=/; Secure" if origin.startswith("https:") else "Path=/console"
    said = f"{cookie_name(origin)}={value}; {place}; HttpOnly; SameSite=Strict; Max-Age={life_s}"
    return {"Set-Cookie": said}


def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises WindrowError `wrong_schema`."""
    if request.header("Content-Type").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise WindrowError("wrong_schema", "it is no form")
    try:
        sent = parse_qs(
            request.body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict"
        )
    except ValueError as error:
        raise WindrowError("wrong_schema", "the form cannot be read") from error
    fields = {name: values[-1] for name, values in sent.items()}
    if any("\0" in value for value in fields.values()):
        raise WindrowError("wrong_schema", "the form holds U+0000")
    return fields


def require_form_token(fields: dict[str, str], form_token: str) -> None:
    """Raise WindrowError `foreign_console` unless a form is one of the session's own."""
    if not hmac.compare_digest(fields.get("form", "").encode(), form_token.encode()):
        raise WindrowError("foreign_console", "it does not carry its session's token")


def guarded(response: Response) -> Response:
    """Return an answer with the headers that keep a browser from doing anything but showing it."""
    return Response(
        status=response.status,
        body=response.body,
        content_type=response.content_type,
        headers={**GUARDED, **response.headers},
        file=response.file,
        ranged=response.ranged,
        chunks=response.chunks,
    )
