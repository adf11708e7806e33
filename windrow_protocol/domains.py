"""Who registered a name: domains of one owner, and the suffixes below which everybody may register one.

Does not: resolve names, or know who an owner is. Source: publicsuffix.org, ICANN and private sections.

Usage::

    registrable_domain("https://a.b.example.co.uk/x")  # 'example.co.uk'
    is_public_suffix("co.uk")                          # True
"""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING

from windrow_protocol.urls import split_http_url

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


def registrable_domain(url_or_host: str) -> str:
    """Return the domain that one owner registered (`a.b.example.co.uk` → `example.co.uk`), in A-label form.

    An IP literal is its own domain, and so is a name that is itself a public suffix (`github.io`, `localhost`).
    Raises WindrowError `bad_url`.
    """
    host = _host_of(url_or_host)
    return host if _is_address(host) else _suffix_list().privatesuffix(host) or host


def is_public_suffix(url_or_host: str) -> bool:
    """Say whether names directly below this one belong to many owners (`org`, `co.uk`, `github.io`).

    A name of one label that the list does not know counts as one. Raises WindrowError `bad_url`.
    """
    host = _host_of(url_or_host)
    return not _is_address(host) and _suffix_list().privatesuffix(host) is None


def _host_of(url_or_host: str) -> str:
    text = url_or_host
    if "://" not in text:
        text = f"http://[{text}]/" if text.count(":") > 1 and not text.startswith("[") else f"http://{text}/"
    return split_http_url(text).host.removesuffix(".").strip("[]")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@functools.cache
def _suffix_list() -> PublicSuffixList:
    # Imported on first use: the list costs 3 MB and an idle node never asks for it.
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
