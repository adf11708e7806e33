"""Raises this process's limit of open files to what it may be: every connected node holds a descriptor.

Usage: `open_as_many_as_allowed()` at a server's start.
"""

from __future__ import annotations

import resource


def open_as_many_as_allowed() -> None:
    """Raise the soft limit to the hard one; 1,024 is a usual default."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
