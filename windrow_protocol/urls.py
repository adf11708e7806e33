"""One spelling for each web address, so that a page is leased, fetched, counted and paid once.

Rules: parsing is the WHATWG URL Standard's, by the Ada parser; what goes beyond it is only what `CANON_RULES` declares,
each rule by name and with its reason. `canonical_url` is idempotent, and two different WHATWG hrefs have the same
canonical form only where a declared rule was applied to at least one of them.

Does not: resolve names, judge addresses (`addresses.py`), follow redirects, or guess that two pages are equal:
`/index.html`, `www.`, a trailing slash and http/https stay distinct, because sites do serve different pages there.

Usage::

    canonical_url("HTTP://Example.com:80/a/../b?utm_source=x&b=2&a=1#top")  # 'http://example.com/b?a=1&b=2'
    host_key("https://example.com/b")                                       # 'https://example.com:443'
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import ada_url

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    HOST_CHARS_MAX,
    HOST_LABEL_CHARS_MAX,
    URL_CHARS_MAX,
    URL_INPUT_CHARS_MAX,
    URL_PATH_DEPTH_MAX,
)

if TYPE_CHECKING:
    pass

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class HttpUrl(NamedTuple):
    """An http or https URL in parts: `port` is "" for the scheme's own, `query` and `fragment` None when absent."""

    scheme: str
    host: str
    port: str
    path: str
    query: str | None
    fragment: str | None

    def href(self) -> str:
        """Return the URL as one string."""
        port = f":{self.port}" if self.port else ""
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return f"{self.scheme}://{self.host}{port}{self.path}{query}{fragment}"


class CanonRule(NamedTuple):
    """One declared way in which two different URLs are taken for the same page."""

    name: str
    reason: str
    apply: Callable[[HttpUrl], HttpUrl]


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Parameters that say who came from where, never which page: set by advertisers, mailers and analytics.
TRACKING_PARAMETERS: Final = _names("""
    gclid gclsrc dclid gbraid wbraid gad_source srsltid fbclid msclkid yclid ysclid twclid ttclid li_fat_id
    igshid igsh epik _openstat _ga _gl ref_src ref_url at_campaign at_medium xtor cmpid s_cid s_kwcid
    pk_campaign pk_kwd pk_keyword pk_source pk_medium pk_content pk_cid mc_cid mc_eid mkt_tok _hsenc _hsmi
    __hssc __hstc __hsfp hsctatracking vero_id vero_conv oly_anon_id oly_enc_id ml_subscriber
    ml_subscriber_hash rb_clickid wickedid wt.mc_id guccounter guce_referrer guce_referrer_sig
""")
TRACKING_PREFIXES: Final = ("utm_", "mtm_", "hsa_", "_branch_")
# Parameters that are always a visit's own number; the last set only when the value has the shape of one.
SESSION_PARAMETERS: Final = _names("phpsessid jsessionid jsessionidsso cftoken oscsid zenid")
SESSION_PREFIXES: Final = ("aspsessionid",)
SESSION_PARAMETERS_BY_SHAPE: Final = _names("sid sessionid session_id sess")

_SESSION_VALUE: Final = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_SESSION_PATH: Final = re.compile(r";(?:jsessionid|phpsessid)=[^/;]*", re.IGNORECASE)
# Not behind a broken escape ("%%41", "%4%41"), which a decoded character would make whole.
_TRIPLET: Final = re.compile(r"(?<!%)(?<!%[0-9a-fA-F])%([0-9a-fA-F]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HOST_LABEL: Final = re.compile(r"[a-z0-9_-]+")


def _refuse(cause: str, detail: str) -> WindrowError:
    return WindrowError("bad_url", detail, cause=cause)


def whatwg_href(url: str) -> str:
    """Return the WHATWG serialisation of an absolute URL, before any declared rule.

    Raises WindrowError `bad_url` (fact `cause` = too_long or unparsable). Source: WHATWG URL Standard.
    """
    if len(url) > URL_INPUT_CHARS_MAX:
        raise _refuse("too_long", f"longer than {URL_INPUT_CHARS_MAX} characters")
    try:
        return ada_url.normalize_url(url)
    except ValueError:
        raise _refuse("unparsable", f"not an absolute URL: {url[:80]!r}") from None


# A site whose WHATWG form is itself: names in ASCII without Punycode, and no number for its last label.
_PLAIN_SITE: Final = re.compile(
    r"(https?)://(?=[a-z0-9.-]{1,253}/)((?:(?!xn--)[a-z0-9-]{1,63}\.)+(?!xn--)[a-z][a-z0-9-]{0,62})/"
)


# One address is taken apart for its host's key, its pace and its row of the frontier.
@functools.lru_cache(maxsize=1_024)
def split_http_url(url: str) -> HttpUrl:
    """Return the parts of an http or https URL in WHATWG form.

    Raises WindrowError `bad_url`; its fact `cause` is one of too_long, unparsable, scheme, userinfo, host.
    """
    plain = _PLAIN_SITE.fullmatch(url)
    if plain:  # no parser is asked: most of what is worked out is worked out of a page's site
        return HttpUrl(plain[1], plain[2], "", "/", None, None)
    href = whatwg_href(url)
    scheme, _, rest = href.partition("://")
    if scheme not in DEFAULT_PORTS:
        raise _refuse("scheme", f"the scheme {scheme.partition(':')[0][:20]!r} is not http or https")
    rest, hash_sign, fragment = rest.partition("#")
    rest, question_mark, query = rest.partition("?")
    authority, _, path = rest.partition("/")  # the path of an http href is never empty
    if "@" in authority:
        raise _refuse("userinfo", "it carries a user name or password")
    host, _, port = authority.partition("]:") if authority.startswith("[") else authority.partition(":")
    if host.startswith("[") and not host.endswith("]"):
        host += "]"
    _check_host(host)
    return HttpUrl(
        scheme, host, port, f"/{path}", query if question_mark else None, fragment if hash_sign else None
    )


def _check_host(host: str) -> None:
    """Refuse what no name server can hold (RFC 1035, 2.3.4); underscores do occur in real names and stay."""
    if host.startswith("["):
        return
    labels = host.removesuffix(".").split(".")
    if len(host) > HOST_CHARS_MAX + 1 or any(
        len(label) > HOST_LABEL_CHARS_MAX or not _HOST_LABEL.fullmatch(label) for label in labels
    ):
        raise _refuse("host", f"{host[:80]!r} is not a usable host name")


# --- the declared rules -------------------------------------------------------------------------------------


def _drop_fragment(url: HttpUrl) -> HttpUrl:
    return url._replace(fragment=None)


def _drop_root_dot(url: HttpUrl) -> HttpUrl:
    return url._replace(host=url.host.removesuffix("."))


def _normal_percent(part: str) -> str:
    def replace(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else match[0].upper()

    return _TRIPLET.sub(replace, part)


def _normalise_percent(url: HttpUrl) -> HttpUrl:
    query = None if url.query is None else _normal_percent(url.query)
    return url._replace(path=_normal_percent(url.path), query=query)


def _is_session(name: str, value: str) -> bool:
    if name in SESSION_PARAMETERS or name.startswith(SESSION_PREFIXES):
        return True
    return name in SESSION_PARAMETERS_BY_SHAPE and _SESSION_VALUE.fullmatch(value) is not None


def _is_tracking(name: str, value: str) -> bool:
    return name in TRACKING_PARAMETERS or name.startswith(TRACKING_PREFIXES)


def _without(url: HttpUrl, is_unwanted: Callable[[str, str], bool]) -> HttpUrl:
    if not url.query:
        return url
    pairs = url.query.split("&")
    kept = [pair for pair in pairs if not is_unwanted(pair.partition("=")[0].lower(), pair.partition("=")[2])]
    return url if len(kept) == len(pairs) else url._replace(query="&".join(kept) or None)


def _drop_session(url: HttpUrl) -> HttpUrl:
    segments = url.path.split("/")
    for at, segment in enumerate(segments):
        bare = _SESSION_PATH.sub("", segment)
        if bare not in (".", ".."):  # "..;jsessionid=1" must not turn into a step up
            segments[at] = bare
    return _without(url._replace(path="/".join(segments)), _is_session)


def _drop_tracking(url: HttpUrl) -> HttpUrl:
    return _without(url, _is_tracking)


def _drop_empty(url: HttpUrl) -> HttpUrl:
    pairs = [pair for pair in (url.query or "").split("&") if pair]
    return url._replace(query="&".join(pairs) or None)


def _sort_query(url: HttpUrl) -> HttpUrl:
    if not url.query or "&" not in url.query:
        return url
    # Stable, and by name only: the order of values of one name may carry meaning.
    return url._replace(query="&".join(sorted(url.query.split("&"), key=lambda pair: pair.partition("=")[0])))


CANON_RULES: Final[tuple[CanonRule, ...]] = (
    CanonRule("fragment", "a fragment is never sent to the server (RFC 9110, 7.1)", _drop_fragment),
    CanonRule(
        "root_dot", "a name with and without the root's dot is one name (RFC 1034, 3.1)", _drop_root_dot
    ),
    CanonRule(
        "percent",
        "escaped unreserved characters and the case of hex digits make no difference (RFC 3986, 6.2.2)",
        _normalise_percent,
    ),
    CanonRule("session", "a session id names a visit, not a page", _drop_session),
    CanonRule(
        "tracking", "a tracking parameter says where a visitor came from, not which page", _drop_tracking
    ),
    CanonRule("empty_query", "an empty query and empty parameters carry nothing", _drop_empty),
    CanonRule("sorted_query", "servers read parameters by name, in any order of names", _sort_query),
)


def canonical_url_with_rules(url: str) -> tuple[str, tuple[str, ...]]:
    """Return the canonical form of an absolute http(s) URL and the names of the declared rules that changed it.

    With no rule named, the canonical form is exactly the WHATWG href.
    Raises WindrowError `bad_url`; fact `cause`: too_long, unparsable, scheme, userinfo, host, too_deep.
    """
    parts = split_http_url(url)
    applied: list[str] = []
    for rule in CANON_RULES:
        changed = rule.apply(parts)
        if changed != parts:
            applied.append(rule.name)
            parts = changed
    if parts.path.count("/") > URL_PATH_DEPTH_MAX:
        raise _refuse("too_deep", f"its path has more than {URL_PATH_DEPTH_MAX} segments")
    canonical = parts.href()
    if len(canonical) > URL_CHARS_MAX:
        raise _refuse("too_long", f"longer than {URL_CHARS_MAX} characters")
    return canonical, tuple(applied)


def canonical_url(url: str) -> str:
    """Return the one spelling under which Windrow knows this URL. Raises as `canonical_url_with_rules`."""
    return canonical_url_with_rules(url)[0]


def url_sha256(url: str) -> str:
    """Return the lower-hex SHA-256 of the canonical URL. Raises WindrowError `bad_url`."""
    return hashlib.sha256(canonical_url(url).encode("ascii")).hexdigest()


# --- hosts --------------------------------------------------------------------------------------------------


def host_key(url: str) -> str:
    """Return `scheme://host:port`, the port always written: the unit of pace and of robots.txt.

    Raises WindrowError `bad_url`. Source: RFC 6454, 6.2 (here with the default port made explicit).
    """
    parts = _drop_root_dot(split_http_url(url))
    return f"{parts.scheme}://{parts.host}:{parts.port or DEFAULT_PORTS[parts.scheme]}"


def site_of(canonical: str) -> str:
    """Return a canonical URL without its path, so that what is asked of many pages of a site is worked out once.

    Its host key is the page's. Only of URLs in canonical form: of others it may be another host's. What has no path
    comes back as it is.
    """
    path = canonical.find("/", canonical.find("://") + 3)
    return canonical[: path + 1] if path >= 0 else canonical


def is_same_host(a: str, b: str) -> bool:
    """Return whether two URLs have the same host key. Raises WindrowError `bad_url`."""
    return host_key(a) == host_key(b)
