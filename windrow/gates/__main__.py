"""The processes that the keeper starts: `python -m windrow.gates writer|gate READY_FD [LISTENING_FD NAME]`.

Settings come from the home and the environment, as for any command; refusals are said as the command says them.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

from windrow.cli import saying_refusals


def main() -> None:
    """Run one of them."""
    from windrow.settings import load_settings

    kind, ready_fd, *of_gate = sys.argv[1:]

    def ready() -> None:
        os.write(int(ready_fd), b"!")
        os.close(int(ready_fd))

    settings = load_settings().values
    if kind == "writer":
        from windrow.up import run_house

        asyncio.run(run_house(settings, die_with_parent=True, ready=ready))
    else:
        from windrow.gates.gate_metrics import share_figures

        share_figures(Path(settings.home))
        from windrow.gates.gate import run_gate

        with socket.socket(fileno=int(of_gate[0])) as shared:
            asyncio.run(run_gate(settings, of_gate[1], shared, ready))


if __name__ == "__main__":
    with saying_refusals():
        main()
