"""Batch work on a Ray cluster: one task for each item, called again where a worker was lost.

Rules: a cluster of this machine listens on loopback only, lets in only who has its token, reports to nobody and ends
with the process; it is started when it is first needed. Another cluster's token is told to Ray itself, by Ray's own
variables. The function goes to the workers once, items follow, at most `_WAITING_PER_CPU` a processor, so that what
waits to be written is bounded. What a function raises is raised here as it was there.

Does not: start clusters of several machines (`ray start` does; Windrow is installed on each), or write anything.

Usage: `runner = RayRunner("local")`, or `RayRunner("10.0.0.5:6379")`; then `runner.map(...)` and `runner.close()`.

Source: Ray, "Task Fault Tolerance"; loopback by `ENABLE_RAY_CLUSTER` of `ray/_private/services.py`.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Final

from storage.runner import Item, Result
from windrow_protocol.errors import WindrowError

LOCAL: Final = "local"
_WAITING_PER_CPU: Final = 2
_ANSWER_S: Final = 10
TIMES_LOST_MAX: Final = 3  # an item whose worker is lost more often is taken to be what ends it


class RayRunner:
    """One connection to a cluster, opened at the first item."""

    def __init__(self, address: str, cpus: int | None = None) -> None:
        """Name a cluster: `local`, with all processors or `cpus`, or HOST:PORT of its head."""
        self._address = address
        self._cpus = cpus
        self._ray: Any = None
        self._folder = ""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        """Yield the function's result for each item, in order. Raises what it raises, WindrowError `cluster_failed`."""
        ray = self._opened()
        shared = ray.put(function)
        task = ray.remote(max_retries=TIMES_LOST_MAX)(_called)
        room = max(1, int(ray.cluster_resources().get("CPU", 1)) * _WAITING_PER_CPU)
        waiting: deque[Any] = deque()
        try:
            for item in items:
                waiting.append(task.remote(shared, item))
                if len(waiting) > room:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            for reference in waiting:
                ray.cancel(reference)

    def close(self) -> None:
        """Leave the cluster, and end it when it is this machine's own."""
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    def _result(self, reference: Any) -> Any:
        from ray.exceptions import RayError, RayTaskError

        try:
            return self._ray.get(reference)
        except RayTaskError as error:
            if isinstance(error.cause, Exception) and not isinstance(error.cause, RayError):
                raise error.cause from error
            raise WindrowError("cluster_failed", str(error)[-500:]) from error
        except RayError as error:
            raise WindrowError("cluster_failed", str(error).splitlines()[0][:500]) from error

    def _opened(self) -> Any:
        if self._ray is None:
            self._require_somebody_there()
            os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
            if self._address == LOCAL:
                os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # what says "loopback", on Linux too
                os.environ["RAY_AUTH_MODE"] = (
                    "token"  # or other users of the machine could have things run as this one
                )
                os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # or Ray leaves one in ~/.ray
            try:
                import ray  # here alone: an extra, and 0.6 s
            except ImportError as error:
                raise WindrowError(
                    "cluster_failed", "Ray is missing: pip install 'windrow[cluster]'"
                ) from error
            try:
                ray.init(**self._terms(), logging_level=logging.ERROR, log_to_driver=False)
            except (ray.exceptions.AuthenticationError, OSError, RuntimeError, ValueError) as error:
                said = f"{self._address}: {str(error).splitlines()[0]}"[:400]
                raise WindrowError("cluster_failed", said + self._token_hint()) from error
            self._ray = ray
        return self._ray

    def _token_hint(self) -> str:
        """Return what is to be looked at where somebody listens and lets us not in: Ray does not always say why."""
        hint = (
            "; if it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to a copy of its token"
        )
        return "" if self._address == LOCAL else hint

    def _require_somebody_there(self) -> None:
        """Refuse an address where nobody listens: Ray itself asks for more than two minutes."""
        if self._address == LOCAL:
            return
        host, _, port = self._address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _ANSWER_S).close()
        except (OSError, OverflowError) as error:
            raise WindrowError("cluster_failed", f"{self._address}: {error}") from error

    def _terms(self) -> dict[str, Any]:
        """Return how the cluster is reached, or made."""
        if self._address != LOCAL:
            return {"address": self._address}
        self._folder = tempfile.mkdtemp(prefix="windrow-ray-")
        own: dict[str, Any] = {"num_cpus": self._cpus, "include_dashboard": False, "_temp_dir": self._folder}
        own["_system_config"] = {"worker_niceness": 0}  # or workers stand behind everything else, at 15
        return {"address": LOCAL, "_node_ip_address": "127.0.0.1", **own}


def _called(function: Callable[[Any], Any], item: Any) -> Any:
    return function(item)
