"""Who may speak to the dashboard: one-time links, sessions, and where a request says it comes from.

Rules: only requests that name this very host and port, and no other site as their origin. A link holds for ten minutes
and for one use, proven by a secret that is made anew at each start and lies in a file that only the owner can read.
A session is a cookie for scripts to miss, sent back to this dashboard's own path alone: cookies know no ports, so the
path, which nobody can guess, keeps it from other programs of this machine. What changes anything is a POST that names
this origin and carries the session's own token.

Does not: speak HTTP, or read the clock. Usage: `gate.admit(ask.headers, port)`; `session = gate.session(ask.headers)`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DASHBOARD_LINK_LIFE_MS, DASHBOARD_LINKS_MAX, DASHBOARD_SESSIONS_MAX

COOKIE = "windrow_node"
_OWN_FETCH = frozenset({"", "none", "same-origin"})


def make_link_token(secret: str, now_ms: int) -> str:
    """Return a token for one link: when it was made, a nonce, and the proof that its maker knows the secret."""
    stem = f"{now_ms:x}.{secrets.token_hex(16)}"
    return f"{stem}.{_proof(secret, stem)}"


def _proof(secret: str, stem: str) -> str:
    said = f"windrow/dashboard-link/{stem}".encode()
    return hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()


class Gate:
    """The state of one running dashboard's admission."""

    def __init__(self, secret: str, started_at_ms: int) -> None:
        self._secret = secret
        self._started_at_ms = started_at_ms
        self._used: OrderedDict[str, None] = OrderedDict()
        self._sessions: OrderedDict[str, str] = OrderedDict()

    def admit(self, headers: Mapping[str, str], port: int) -> None:
        """Raise WindrowError `foreign_request` unless host and origin are this dashboard's own."""
        host = headers.get("host", "")
        if host not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            raise WindrowError("foreign_request", "its Host is another one")
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            raise WindrowError("foreign_request", "its Origin is another one")
        if headers.get("sec-fetch-site", "") not in _OWN_FETCH:
            raise WindrowError("foreign_request", "another page sent it")

    def enter(self, token: str, now_ms: int) -> str:
        """Use a link once and return a new session's id. Raises WindrowError `dashboard_closed`."""
        stem, _, proof = token.rpartition(".")
        if not hmac.compare_digest(proof.encode(), _proof(self._secret, stem).encode()):
            raise WindrowError("dashboard_closed", "the link is not one of this node's")
        made_at_ms = int(stem.partition(".")[0], 16)
        if stem in self._used or not self._started_at_ms <= made_at_ms <= now_ms:
            raise WindrowError("dashboard_closed", "the link was used before")
        if now_ms - made_at_ms > DASHBOARD_LINK_LIFE_MS:
            raise WindrowError("dashboard_closed", "the link is too old")
        self._remember(stem)
        session_id = secrets.token_urlsafe(32)
        self._sessions[session_id] = secrets.token_urlsafe(32)
        while len(self._sessions) > DASHBOARD_SESSIONS_MAX:
            self._sessions.popitem(last=False)
        return session_id

    def _remember(self, stem: str) -> None:
        self._used[stem] = None
        if len(self._used) > DASHBOARD_LINKS_MAX:  # then whatever was made before the oldest one is refused
            oldest = self._used.popitem(last=False)[0]
            self._started_at_ms = max(self._started_at_ms, int(oldest.partition(".")[0], 16) + 1)

    def form_token(self, headers: Mapping[str, str]) -> str:
        """Return the token that forms of the request's session carry. Raises WindrowError `dashboard_closed`."""
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            morsel = None
        sent = (morsel.value if morsel else "").encode()
        for session_id, token in self._sessions.items():
            if hmac.compare_digest(session_id.encode(), sent):
                return token
        raise WindrowError("dashboard_closed", "this browser has no session")

    def require_form(self, headers: Mapping[str, str], sent: str) -> None:
        """Raise WindrowError unless a POST comes from one of the session's own pages."""
        if "origin" not in headers:
            raise WindrowError("foreign_request", "it names no Origin")
        if not hmac.compare_digest(sent.encode(), self.form_token(headers).encode()):
            raise WindrowError("foreign_request", "it does not carry the form's token")
