"""Settings in layers: defaults, then a file, then the environment, then flags; the last one that speaks wins.

Rules: settings are a frozen msgspec struct with a default for each field; a value that does not fit is refused with the
setting's name, its source and the remedy; secrets never leave `explain` in clear.

Does not: read files or the environment (the caller hands over what it read), nor know any setting.

Usage::

    layers = [("windrow.toml", table), ("environment", env_layer(os.environ, "WINDROW_", HouseSettings))]
    resolved = resolve(HouseSettings, layers)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_origin

import msgspec

from windrow_protocol.errors import WindrowError

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True)
class Resolved(Generic[S]):
    """Settings and, for each, the layer that it came from."""

    values: S
    sources: Mapping[str, str]

    def explain(self, secrets: Sequence[str] = ()) -> list[tuple[str, str, str]]:
        """Return (setting, value, source) rows, with the values of `secrets` hidden."""
        shown = msgspec.to_builtins(self.values)
        return [
            (name, "********" if name in secrets and value else str(value), self.sources[name])
            for name, value in shown.items()
        ]


def env_layer(environ: Mapping[str, str], prefix: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the settings an environment names, such as WINDROW_PORT for `port`; lists are split at commas."""
    layer: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        raw = environ.get(prefix + field.name.upper())
        if raw is None:
            continue
        is_list = get_origin(field.type) is list
        layer[field.name] = [part.strip() for part in raw.split(",") if part.strip()] if is_list else raw
    return layer


def resolve(kind: type[S], layers: Sequence[tuple[str, Mapping[str, Any]]]) -> Resolved[S]:
    """Merge layers, later ones winning; a value of None means that the layer says nothing.

    Raises WindrowError `bad_config` for an unknown setting or a value that does not fit.
    """
    names = [field.name for field in msgspec.structs.fields(kind)]
    merged: dict[str, Any] = {}
    sources = dict.fromkeys(names, "default")
    for source, layer in layers:
        for name, value in layer.items():
            if value is None:
                continue
            if name not in sources:
                raise WindrowError("bad_config", f"{source} names `{name}`, which is no setting")
            merged[name], sources[name] = value, source
    for name, value in merged.items():
        _check_one(kind, name, value, sources[name])
    return Resolved(msgspec.convert(merged, kind, strict=False), sources)


def _check_one(kind: type[msgspec.Struct], name: str, value: Any, source: str) -> None:
    field = next(field for field in msgspec.structs.fields(kind) if field.name == name)
    try:
        msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        raise WindrowError("bad_config", f"`{name}` from {source}: {error}") from error
