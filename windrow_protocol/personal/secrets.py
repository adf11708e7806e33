"""Keys, tokens and passwords in a text, by the shapes their issuers gave them.

Rules: a known prefix is enough; a bare string is a secret only where the text assigns it to a name such as `api_key`.

Does not: try a key, or tell whose it is.

Usage::

    for start, end in secrets_in(text): ...

Source: the issuers' documentation of their token formats; RFC 7468 (PEM), RFC 7519 (JWT), RFC 3986 (userinfo).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_PEM_CHARS_MAX: Final = 12_000
_PEM_BEGIN: Final = "-----BEGIN "
_PEM: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY: Final = re.compile(r"[A-Za-z0-9+/=\s:,.-]*")

_ISSUED: Final = re.compile(
    r"(?<![0-9A-Za-z_-])(?:"
    r"(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}"  # Amazon
    r"|gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255}"
    r"|glpat-[0-9A-Za-z_-]{20,64}"  # GitLab
    r"|xox[abeoprs]-[0-9A-Za-z-]{10,255}|xapp-[0-9]-[0-9A-Za-z-]{20,255}"  # Slack
    r"|(?:sk|rk|pk)_(?:live|test)_[0-9A-Za-z]{16,255}|whsec_[0-9A-Za-z+/=]{24,80}"  # Stripe
    r"|sk-[0-9A-Za-z_-]{20,255}"  # OpenAI, Anthropic and others
    r"|AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,255}|GOCSPX-[0-9A-Za-z_-]{28}"  # Google
    r"|hf_[0-9A-Za-z]{30,64}|npm_[0-9A-Za-z]{36}|pypi-[0-9A-Za-z_-]{50,255}|dckr_pat_[0-9A-Za-z_-]{20,64}"
    r"|SG\.[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{30,64}|[0-9]{8,10}:AA[0-9A-Za-z_-]{33}"  # SendGrid, Telegram
    r"|SK[0-9a-f]{32}|key-[0-9a-f]{32}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|dop_v1_[0-9a-f]{64}"
    r"|eyJ[0-9A-Za-z_-]{8,4000}\.eyJ[0-9A-Za-z_-]{2,4000}\.[0-9A-Za-z_-]{16,1000}"  # a JWT
    r")(?![0-9A-Za-z])"
)
# A text without any of these holds no issued token: a plain search is many times faster than the pattern.
_UNDERSCORED_SIGNS: Final = (
    *(
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "_pat_",
        "_live_",
        "_test_",
        "whsec_",
        "hf_",
        "npm_",
        "dop_v1_",
    ),
    *("shpat_", "shpca_", "shppa_", "shpss_"),
)
_OTHER_SIGNS: Final = (
    *("AKIA", "ASIA", "AROA", "AIDA", "glpat-", "xox", "xapp-", "sk-", "AIza", "ya29.", "GOCSPX-", "pypi-"),
    *("SG.", ":AA", "key-", "eyJ"),
)
_HEX_SIGN: Final = "SK"
# For who looks for many things at once: in each secret but a URL's password is one of these signs, or so many
# hexadecimal digits in a row, or one of these names, in any case, to which something is assigned.
SIGNS: Final = (_PEM_BEGIN, "bearer ", *_UNDERSCORED_SIGNS, *_OTHER_SIGNS)
HEX_CHARS: Final = 32
ASSIGNED_NAMES: Final = ("key", "keys", "token", "secret", "password", "passwd", "pwd")
_ASSIGNED_SIGNS: Final = ("key", "token", "secret", "passw", "pwd")
_ASSIGNMENT: Final = re.compile(r"(?:s|or?d|d)?[\"']?\s{0,2}(?::|=|is)")  # behind one of these signs
_ASSIGNED: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:api[ _-]?keys?|apikey|access[ _-]?key|secret(?:[ _-]?(?:access[ _-]?)?key)?|private[ _-]?key"
    r"|client[ _-]?secret|(?:auth|access|refresh|bearer|api)[ _-]?token|token|password|passwd|pwd)"
    r"[\"']?\s{0,2}(?::|=>?|is)\s{0,2}[\"'`]?(?:bearer )?"
    r"(?P<value>(?!/)[0-9A-Za-z_+/=.!@#$%^&*~-]{8,255})",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(?<!\w)bearer (?P<value>[0-9A-Za-z_+/=.~-]{20,255})", re.IGNORECASE)
_USERINFO: Final = re.compile(r"(?<=://)[^\s/@:\"'<>]{1,64}:[^\s/@\"'<>]{1,128}(?=@)")


def secrets_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each key, token or password."""
    yield from _private_keys(text)
    if any(sign in text for sign in (_HEX_SIGN, *_OTHER_SIGNS)) or (
        "_" in text and any(sign in text for sign in _UNDERSCORED_SIGNS)
    ):
        yield from (match.span() for match in _ISSUED.finditer(text))
    if "://" in text:
        yield from (match.span() for match in _USERINFO.finditer(text))
    folded = text.casefold()
    shapes = [_ASSIGNED] if any(_is_assigned(folded, sign) for sign in _ASSIGNED_SIGNS) else []
    for shape in [*shapes, _BEARER] if "bearer " in folded else shapes:
        for match in shape.finditer(text):
            if _random_looking(match.group("value")):
                yield match.span("value")


def _is_assigned(folded: str, sign: str) -> bool:
    """Is something assigned to a name that ends with this sign, anywhere in the text?"""
    place = folded.find(sign)
    while place >= 0:
        if _ASSIGNMENT.match(folded, place + len(sign)):
            return True
        place = folded.find(sign, place + 1)
    return False


def _private_keys(text: str) -> Iterator[tuple[int, int]]:
    place = text.find(_PEM_BEGIN)
    while place >= 0:
        begin = _PEM.match(text, place)
        if begin:
            last = min(len(text), begin.end() + _PEM_CHARS_MAX)
            end = _PEM_END.search(text, begin.end(), last)
            body = _PEM_BODY.match(text, begin.end(), last)
            stop = end.end() if end else body.end() if body else begin.end()
            yield place, stop
            place = stop - 1
        place = text.find(_PEM_BEGIN, place + 1)


def _random_looking(value: str) -> bool:
    """Is this a value rather than a word, a path or a placeholder: letters and digits well mixed?"""
    digits = sum(c.isdigit() for c in value)
    letters = sum(c.isalpha() for c in value)
    return digits >= 2 and letters >= 2 and len(set(value)) >= 6
