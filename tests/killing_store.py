"""A store behind which the S3 server is killed as objects are written: before the write, or before its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from s3_server import S3Server

from storage.object_store import ObjectStore, open_store

When = Literal["before", "answer"]


class KillingStore(ObjectStore):
    """One store; `kills` names puts by folder and number. `killed` lists those at which the server was killed."""

    def __init__(self, server: S3Server, kills: Mapping[tuple[str, int], When]) -> None:
        opened = open_store(server.address())
        super().__init__(opened.system, opened.root)
        self._server = server
        self._kills = kills
        self._puts: Counter[str] = Counter()
        self.killed: list[tuple[str, int]] = []

    def put(self, key: str, data: bytes) -> None:
        """Write an object; where the server is killed, what comes of it is found by whoever asks next."""
        folder = key.partition("/")[0]
        self._puts[folder] += 1
        point = folder, self._puts[folder]
        when = self._kills.get(point)
        if when is None:
            super().put(key, data)
            return
        self.killed.append(point)
        try:
            if when == "answer":
                super().put(key, data)
            self._server.kill()
            if when == "before":
                super().put(key, data)  # fails as it does without a server, with the client's own tries
        finally:
            self._server.start_again()
        raise OSError("the server went before it answered")
