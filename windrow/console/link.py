"""Signs in with a key in a file, for those without a wallet in their browser, and gets a link that holds once.

Rules: nothing is signed but a sign-in to the very console that was asked, with this key's own account. Over plain http
only to loopback, since whoever reads the link on its way could use it first.

Does not: keep the key or open a browser. Usage: `print(signed_link("https://ops.example.org", Path("key")))`.

Source: EIP-4361, EIP-191.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from chain.keys import load_key
from windrow.coordinator_http import post_json
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.sign_in import parse_sign_in

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def console_url(settings: HouseSettings) -> str:
    """Return where the console of a house is."""
    return settings.console_origins[0] if settings.console_origins else f"http://127.0.0.1:{settings.port}"


def key_path(settings: HouseSettings) -> Path:
    """Return where the key lies that owns the contracts of a house."""
    return Path(settings.home) / "keys" / "operator"


def signed_link(url: str, key_file: Path) -> str:
    """Return a one-use link. Raises WindrowError `bad_url`, `not_running`, of the key, or the console's refusal."""
    from eth_account.messages import encode_defunct

    origin, key = _origin_of(url), load_key(key_file)
    text = str(_post(origin, "challenge", {"address": key.address}).get("message", ""))
    message = parse_sign_in(text)
    asked = (message.domain, message.uri, message.address)
    if asked != (urlsplit(origin).netloc, f"{origin}/console", key.address):
        raise WindrowError("bad_sign_in", f"{origin} asks to sign for {message.uri}; nothing was signed")
    signature = "0x" + bytes(key.sign_message(encode_defunct(text=text)).signature).hex()
    link = str(_post(origin, "sign-in", {"message": text, "signature": signature, "link": True}).get("link"))
    if not link.startswith(f"{origin}/console/enter/") or not link.isprintable():
        raise WindrowError("not_running", f"{origin} answers as no console does")
    return link


def _origin_of(url: str) -> str:
    origin = url.strip().rstrip("/").removesuffix("/console").lower()
    place = urlsplit(origin)
    if not _ORIGIN.fullmatch(origin) or (place.scheme == "http" and place.hostname not in _LOOPBACK):
        raise WindrowError("bad_url", f"{url}: the console is at https://HOST, or http on loopback")
    return origin


def _post(origin: str, door: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = post_json(origin, f"/console/{door}", body, origin=origin)
    if not isinstance(answer, dict):
        raise WindrowError("not_running", f"{origin} answers as no console does")
    return answer
