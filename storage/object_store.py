"""A bucket of an S3 server as a few whole objects' operations: put, get, list, delete, below one prefix.

Rules: an object is put whole and replaced at once, and is there for everybody when `put` returns (S3 is strongly
consistent). Nothing is renamed or appended, since S3 knows neither. Credentials and region are AWS's own variables and
files; `AWS_ENDPOINT_URL` names a server that is not Amazon's.

Does not: make buckets, keep versions, or cache. A bucket must not keep versions: what is erased would stay in them.

Usage: `store = open_store("s3://bucket/prefix")`, `store.put("lake/rows.parquet", data)`.

Source: Amazon S3 API reference, "Data consistency model"; Apache Arrow's `S3FileSystem`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from storage.outages import FilesAwayError, telling_outages
from storage.rest import Rest
from windrow_protocol.errors import WindrowError

_TRIES: Final = 3
_CONNECT_S: Final = 2.0
_CHUNK_BYTES: Final = 8 << 20
_CLAIM: Final = "state_id"
_P = ParamSpec("_P")
_Answer = TypeVar("_Answer")


def _telling_outages(
    method: Callable[Concatenate[ObjectStore, _P], _Answer],
) -> Callable[Concatenate[ObjectStore, _P], _Answer]:
    @wraps(method)
    def told(store: ObjectStore, /, *given: _P.args, **named: _P.kwargs) -> _Answer:
        store.rest.require_over(FilesAwayError)
        with store.rest.attempt(FilesAwayError), telling_outages():
            return method(store, *given, **named)

    return told


class ObjectStore:
    """The objects below one prefix; keys are relative to it.

    Every method raises OSError as the server does, and `FilesAwayError` where it does not answer for now.
    """

    def __init__(self, system: pafs.FileSystem, root: str, rest: Rest | None = None) -> None:
        self.system = system
        self.rest = rest or Rest()
        self.root = root  # bucket, or bucket/prefix

    @_telling_outages
    def put(self, key: str, data: bytes) -> None:
        """Write a whole object in one request, or replace it."""
        with self.system.open_output_stream(self._path(key)) as stream:
            stream.write(data)

    @_telling_outages
    def put_file(self, key: str, path: Path) -> None:
        """Write a whole object from a local file, in portions."""
        with path.open("rb") as source, self.system.open_output_stream(self._path(key)) as stream:
            while chunk := source.read(_CHUNK_BYTES):
                stream.write(chunk)

    @_telling_outages
    def get(self, key: str) -> bytes:
        """Return a whole object."""
        with self.system.open_input_file(self._path(key)) as source:
            data: bytes = source.read()
            return data

    @_telling_outages
    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Return that range of an object, shorter where it ends before."""
        with self.system.open_input_file(self._path(key)) as source:
            data: bytes = source.read_at(length, offset)
            return data

    @_telling_outages
    def list(self, folder: str) -> dict[str, int]:
        """Return the objects below a folder, by key relative to it, with their sizes in bytes; absent is empty."""
        chosen = pafs.FileSelector(self._path(folder), allow_not_found=True, recursive=True)
        found = self.system.get_file_info(chosen)
        cut = len(self._path(folder)) + 1
        return {info.path[cut:]: info.size for info in found if info.type == pafs.FileType.File}

    @_telling_outages
    def delete(self, key: str) -> None:
        """Delete an object, or all below a folder; absent is fine."""
        inside = self.list(key)
        for each in [f"{key}/{name}" for name in inside] or [key]:
            if self.system.get_file_info(self._path(each)).type == pafs.FileType.File:
                self.system.delete_file(self._path(each))

    def below(self, folder: str) -> pafs.FileSystem:
        """Return a folder as Arrow reads it."""
        return pafs.SubTreeFileSystem(self._path(folder), self.system)

    def claim(self, state_id: str, *, begun: bool) -> None:
        """Make the prefix this state's, or see that it is.

        Raises WindrowError `other_files` where it is another's, or, for a state with contributions, nobody's.
        """
        known = self.get(_CLAIM).decode("ascii", "replace") if _CLAIM in self.list("") else ""
        if known != state_id and (known or begun):
            raise WindrowError("other_files", f"{self.root} holds {'those of another' if known else 'none'}")
        if not known:
            self.put(_CLAIM, state_id.encode())

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}".rstrip("/")


def open_store(address: str) -> ObjectStore:
    """Return the store at `s3://bucket/prefix`. Raises WindrowError `bad_config` for another form.

    Nothing is asked of the server yet.
    """
    parts = urlsplit(address)
    root = (parts.netloc + parts.path).rstrip("/")
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment or "//" in root:
        raise WindrowError("bad_config", f"`files`: {address[:200]} is not s3://bucket/prefix")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    place = urlsplit(endpoint)
    if endpoint and (place.scheme not in ("http", "https") or not place.netloc):
        raise WindrowError("bad_config", f"AWS_ENDPOINT_URL: {endpoint[:200]} is not http(s)://host:port")
    elsewhere = {"endpoint_override": place.netloc, "scheme": place.scheme} if endpoint else {}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    system = pafs.S3FileSystem(
        region=region or ("us-east-1" if endpoint else None),
        connect_timeout=_CONNECT_S,
        background_writes=False,
        allow_delayed_open=True,  # one request for a small object instead of three
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        **elsewhere,
    )
    return ObjectStore(system, root)
