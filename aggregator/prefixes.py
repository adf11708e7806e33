"""The neighbourhood of an address: its /24 for IPv4, its /48 for IPv6.

Rules: IPv4-mapped IPv6 addresses count as IPv4. Does not: look anything up.

Usage: `address_prefix("203.0.113.9")` gives `"203.0.113.0/24"`.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=16_384)  # a node asks again and again from where it is
def address_prefix(address: str) -> str:
    """Return the network prefix whose nodes are counted together; empty for what is no IP address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    bits = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network(f"{parsed}/{bits}", strict=False))
