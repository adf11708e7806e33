"""Sign-In with Ethereum: the text that a wallet signs to sign in to a site, read strictly and written.

Rules: exactly the grammar of EIP-4361, bounded in length, with addresses in EIP-55 spelling and times that exist.
What is read and written again is the same text.

Does not: check signatures, nonces or whom a message is for.

Usage: `message = parse_sign_in(text)`; `text = message.text()`.

Source: EIP-4361 (ABNF), RFC 3986 (authority, URI), RFC 3339 (times).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import msgspec

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SIGN_IN_CHARS_MAX
from windrow_protocol.merkle import checksum_address

_FREE: Final = r"A-Za-z0-9\-._~"
_DELIMITERS: Final = r"!$&'()*+,;="
_ESCAPED: Final = "%[0-9A-Fa-f]{2}"
_AUTHORITY: Final = (
    rf"(?:(?:[{_FREE}{_DELIMITERS}:]|{_ESCAPED})*@)?"
    rf"(?:\[[0-9A-Fa-f:.]+\]|(?:[{_FREE}{_DELIMITERS}]|{_ESCAPED})+)(?::[0-9]*)?"
)
_SCHEME: Final = r"[A-Za-z][A-Za-z0-9+\-.]*"
_URI: Final = rf"{_SCHEME}:(?:[{_FREE}{_DELIMITERS}:/?#\[\]@]|{_ESCAPED})*"
_MOMENT: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+\-][0-9]{2}:[0-9]{2})"
)
_GRAMMAR: Final = re.compile(
    rf"(?:(?P<scheme>{_SCHEME})://)?(?P<domain>{_AUTHORITY})"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9A-Fa-f]{40})\n\n"
    rf"(?:(?P<statement>[{_FREE}{_DELIMITERS}:/?#\[\]@ ]+)\n)?\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[0-9]{1,18})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,})\n"
    rf"Issued At: (?P<issued_at>{_MOMENT})"
    rf"(?:\nExpiration Time: (?P<expiration_time>{_MOMENT}))?"
    rf"(?:\nNot Before: (?P<not_before>{_MOMENT}))?"
    rf"(?:\nRequest ID: (?P<request_id>(?:[{_FREE}{_DELIMITERS}:@]|{_ESCAPED})*))?"
    rf"(?P<resources>\nResources:(?:\n- {_URI})*)?"
)


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """One message. Times are RFC 3339 as they stand in it; what is absent is empty, or None where empty is a value."""

    scheme: str = ""
    domain: str
    address: str
    statement: str = ""
    uri: str
    chain_id: int
    nonce: str
    issued_at: str
    expiration_time: str = ""
    not_before: str = ""
    request_id: str | None = None
    resources: list[str] | None = None

    def text(self) -> str:
        """Return the text that a wallet signs."""
        scheme = f"{self.scheme}://" if self.scheme else ""
        lines = [
            f"{scheme}{self.domain} wants you to sign in with your Ethereum account:",
            *(self.address, "", *([self.statement] if self.statement else []), ""),
            *(f"URI: {self.uri}", "Version: 1", f"Chain ID: {self.chain_id}", f"Nonce: {self.nonce}"),
            f"Issued At: {self.issued_at}",
        ]
        if self.expiration_time:
            lines.append(f"Expiration Time: {self.expiration_time}")
        if self.not_before:
            lines.append(f"Not Before: {self.not_before}")
        if self.request_id is not None:
            lines.append(f"Request ID: {self.request_id}")
        if self.resources is not None:
            lines += ["Resources:", *(f"- {each}" for each in self.resources)]
        return "\n".join(lines)


def parse_sign_in(text: str) -> SignIn:
    """Read a message. Raises WindrowError `bad_sign_in`."""
    if len(text) > SIGN_IN_CHARS_MAX:
        raise WindrowError("bad_sign_in", f"{len(text)} characters, {SIGN_IN_CHARS_MAX} allowed")
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        raise WindrowError("bad_sign_in", "it is not of the form that EIP-4361 gives")
    parts = found.groupdict()
    if checksum_address(parts["address"].lower()) != parts["address"]:
        raise WindrowError("bad_sign_in", "its address has a wrong checksum")
    for name in ("issued_at", "expiration_time", "not_before"):
        if parts[name]:
            moment_ms(parts[name])
    listed = parts["resources"]
    return SignIn(
        **{name: parts[name] or "" for name in ("scheme", "statement", "expiration_time", "not_before")},
        **{name: parts[name] for name in ("domain", "address", "uri", "nonce", "issued_at", "request_id")},
        chain_id=int(parts["chain_id"]),
        resources=None if listed is None else [line[2:] for line in listed.split("\n")[2:]],
    )


def moment_ms(text: str) -> int:
    """Return a time of a message in milliseconds since 1970. Raises WindrowError `bad_sign_in` where there is none."""
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise WindrowError("bad_sign_in", f"there is no time {text}") from error
