"""What each signed lease lets through the egress proxy: a table of grants, and nothing outside it.

Rules: a request names its lease and its purpose. It is admitted when the purpose's row of the table below
covers it:

    page         exactly the lease's URL
    redirect     exactly a URL that a redirect seen under this lease named, at most `redirects_max` of them
    robots       /robots.txt of a host the lease already reaches, or what its robots.txt redirected to
    tdmrep       /.well-known/tdmrep.json of a host the lease already reaches
    subresource  a host the lease already reaches, only where the lease asks for a browser

Over plain HTTP the proxy sees the URL and every redirect itself. Inside a CONNECT tunnel it sees host and port
only: there the crawl child announces redirects, which is believed only for a lease whose own URL, or a redirect
seen, is HTTPS.

Does not: check signatures (the caller hands in leases it has verified), resolve names, or keep time.

Usage::

    table.add(EgressGrant("l1…", "http://a.example/x", redirects_max=5, …))
    state = table.admit(EgressAsk("GET", "http://a.example/x", "l1…", "page"), now_ms)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Literal, NamedTuple, get_args
from urllib.parse import unquote_to_bytes, urldefrag, urljoin

from yarl import URL

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import ROBOTS_REDIRECTS_MAX, SUBRESOURCES_PER_PAGE_MAX, URL_CHARS_MAX

Purpose = Literal["page", "redirect", "robots", "tdmrep", "subresource"]
PURPOSES: frozenset[str] = frozenset(get_args(Purpose))
RobotsVerdict = Literal["", "allowed", "no_robots"]
VERDICTS: frozenset[str] = frozenset(get_args(RobotsVerdict))


class Place(NamedTuple):
    """A host and port, the name in ASCII, lower case, without a trailing dot."""

    host: str
    port: int


class Target(NamedTuple):
    """A URL reduced to what decides whether two spellings ask the same server the same thing."""

    scheme: str
    place: Place
    path: bytes
    query: bytes


@dataclass(frozen=True, slots=True)
class EgressGrant:
    """What one signed lease allows. Bytes are counted per response, seconds per request."""

    lease_id: str
    url: str
    redirects_max: int
    body_bytes_max: int
    time_s_max: int
    render: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class EgressAsk:
    """One request that wants to leave. For CONNECT, `url` is `https://host:port`.

    `robots` is what the crawl child heard in the host's robots.txt, for the line log; nothing where it asks for that.
    """

    method: str
    url: str
    lease_id: str
    purpose: str
    robots: str = ""

    @property
    def tunnel(self) -> bool:
        """Whether only host and port are known."""
        return self.method == "CONNECT"


@dataclass(slots=True)
class Traffic:
    """Bytes on the wire, headers included."""

    bytes_up: int = 0
    bytes_down: int = 0


@dataclass(slots=True)
class GrantState:
    """One grant and what has gone through it so far. `cut` is why the proxy broke off an answer, if it did."""

    grant: EgressGrant
    own: Target
    redirects: set[Target] = field(default_factory=set)
    robots_redirects: set[Target] = field(default_factory=set)
    parts: int = 0
    requests: int = 0
    traffic: Traffic = field(default_factory=Traffic)
    cut: str = ""

    def places(self) -> set[Place]:
        """The hosts whose pages this lease may reach."""
        return {self.own.place, *(target.place for target in self.redirects)}


def target_of(url: str) -> Target:
    """Reduce a URL. Raises WindrowError `bad_url` when it is not an absolute http(s) URL without credentials."""
    if len(url) > URL_CHARS_MAX:
        raise WindrowError("bad_url", f"longer than {URL_CHARS_MAX} characters")
    try:
        parsed = URL(url)
        host = (parsed.raw_host or "").rstrip(".").lower()
        port = parsed.port
    except (ValueError, UnicodeError) as error:
        raise WindrowError("bad_url", str(error)[:120]) from error
    if parsed.scheme not in ("http", "https") or not host or not port:
        raise WindrowError("bad_url", url[:120])
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise WindrowError("bad_url", "it carries a user name or password")
    path, query = (
        unquote_to_bytes(parsed.raw_path or "/"),
        unquote_to_bytes(parsed.raw_query_string.replace("+", "%20")),
    )
    return Target(parsed.scheme, Place(host, port), path, query)


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads, without a fragment; an empty string where that is no URL at all."""
    try:
        return urldefrag(urljoin(url, location)).url
    except ValueError:  # such as `http://[10.0.0.1]/`
        return ""


def pace_key(place: Place) -> str:
    """Return the name a place is paced under: a host's ports 80 and 443 are one host."""
    return place.host if place.port in (80, 443) else f"{place.host}:{place.port}"


def address_pace_key(address: str, port: int) -> str:
    """Return the name an address is paced under, whatever names lead to it; of IPv6 the /64, which has one owner."""
    place = address
    if ":" in address:
        place = str(IPv6Network((address, 64), strict=False).network_address)
    return f"@{place}" if port in (80, 443) else f"@{place}:{port}"


class GrantTable:
    """The leases that are open now."""

    def __init__(self) -> None:
        self._states: dict[str, GrantState] = {}

    def add(self, grant: EgressGrant) -> None:
        """Open a lease's road. Raises WindrowError `bad_url`."""
        self._states[grant.lease_id] = GrantState(grant, target_of(grant.url))

    def revoke(self, lease_id: str) -> GrantState | None:
        """Close a lease's road and return what went through it."""
        return self._states.pop(lease_id, None)

    def admit(self, ask: EgressAsk, now_ms: int) -> GrantState:
        """Return the state of the grant that covers a request.

        Raises WindrowError `not_leased`, `lease_expired`, `method_refused` or `bad_url`.
        """
        state = self._open(ask.lease_id, now_ms)
        if ask.method not in ("GET", "HEAD", "CONNECT"):
            raise WindrowError("method_refused", ask.method[:20])
        target = target_of(ask.url)
        covered = _tunnel_covered(state, ask, target) if ask.tunnel else _url_covered(state, ask, target)
        if not covered:
            raise WindrowError("not_leased", f"{ask.purpose} {ask.url[:200]} under lease {ask.lease_id}")
        if ask.purpose == "subresource":
            if state.parts >= SUBRESOURCES_PER_PAGE_MAX:
                raise WindrowError("not_leased", f"more than {SUBRESOURCES_PER_PAGE_MAX} sub-resources")
            state.parts += 1
        return state

    def still_open(self, lease_id: str, now_ms: int) -> None:
        """Check again just before sending. Raises WindrowError `not_leased` or `lease_expired`."""
        self._open(lease_id, now_ms)

    def saw_redirect(self, ask: EgressAsk, location: str) -> None:
        """Keep the target of a redirect that the proxy itself saw answering `ask`; unusable ones are ignored."""
        state = self._states.get(ask.lease_id)
        if state is not None and ask.purpose not in ("subresource", "tdmrep"):
            _keep(state, ask.purpose, redirected(ask.url, location))

    def announce_redirect(self, lease_id: str, purpose: str, url: str) -> bool:
        """Keep a redirect that only the crawl child could see, inside a tunnel. Returns whether it is allowed."""
        state = self._states.get(lease_id)
        if state is None or purpose not in ("page", "redirect", "robots"):
            return False
        known = {state.own, *state.redirects, *(state.robots_redirects if purpose == "robots" else ())}
        if all(target.scheme != "https" for target in known):
            return _known(state, purpose, url)
        return _keep(state, purpose, url)

    def _open(self, lease_id: str, now_ms: int) -> GrantState:
        state = self._states.get(lease_id)
        if state is None:
            raise WindrowError("not_leased", f"no lease {lease_id[:40]!r} is open")
        if now_ms >= state.grant.expires_at_ms:
            raise WindrowError("lease_expired", f"lease {lease_id} ended at {state.grant.expires_at_ms}")
        return state


def _url_covered(state: GrantState, ask: EgressAsk, target: Target) -> bool:
    if target.scheme != "http":
        return False  # HTTPS leaves through a tunnel or not at all
    if ask.purpose == "page":
        return target == state.own
    if ask.purpose == "redirect":
        return target in state.redirects
    if ask.purpose == "robots":
        own = target.path == b"/robots.txt" and not target.query and target.place in state.places()
        return own or target in state.robots_redirects
    if ask.purpose == "tdmrep":
        named = target.path == b"/.well-known/tdmrep.json" and not target.query
        return named and target.place in state.places()
    return state.grant.render == "browser" and target.place in state.places()


def _tunnel_covered(state: GrantState, ask: EgressAsk, target: Target) -> bool:
    def through(targets: Iterable[Target]) -> bool:
        return any(known.scheme == "https" and known.place == target.place for known in targets)

    if ask.purpose == "page":
        return through([state.own])
    if ask.purpose == "redirect":
        return through(state.redirects)
    if ask.purpose == "tdmrep":
        return through([state.own, *state.redirects])
    if ask.purpose == "robots":
        return through([state.own, *state.redirects, *state.robots_redirects])
    return state.grant.render == "browser" and through([state.own, *state.redirects])


def _keep(state: GrantState, purpose: str, url: str) -> bool:
    try:
        target = target_of(url)
    except WindrowError:
        return False
    robots = purpose == "robots"
    kept = state.robots_redirects if robots else state.redirects
    if target not in kept and len(kept) >= (ROBOTS_REDIRECTS_MAX if robots else state.grant.redirects_max):
        return False
    kept.add(target)
    return True


def _known(state: GrantState, purpose: str, url: str) -> bool:
    try:
        return target_of(url) in (state.robots_redirects if purpose == "robots" else state.redirects)
    except WindrowError:
        return False
