"""The operator's settings: defaults, then `windrow.toml` in the home, then WINDROW_* variables, then flags.

Rules: one struct, every field with a default that works on a fresh machine; paths are absolute once resolved.

Does not: hold a node's settings (`contributor_node.owner.settings`) nor protocol limits.

Usage: `settings = load_settings({"port": 8420}).values`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from platformdirs import user_data_path

from windrow.shipped import shipped_folder
from windrow_protocol.economics import Economics
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    GATES_MAX,
    HOST_PACE_OWNER_S_MIN,
    LEASE_LIFE_MS,
    RANKED_FILE_BYTES_MAX,
    SETTLE_DEPTH_BLOCKS,
    SETTLE_DEPTH_BLOCKS_MAX,
)
from windrow_protocol.operators import parse_validators
from windrow_protocol.ranked_domains import RankedDomains
from windrow_protocol.settings import Resolved, env_layer, resolve
from windrow_protocol.trust_rules import TrustRules
from windrow_protocol.user_agent import PublishersUrl

Port = Annotated[int, Meta(ge=0, le=65_535)]
PREFIX = "WINDROW_"
ECONOMICS = "economics.toml"  # in the package and in a home
# Settings of earlier versions that are economic parameters now.
_MOVED = ("royalty_bps", "relay_due_wei_min")


class HouseSettings(msgspec.Struct, frozen=True):
    """Settings of the server side."""

    home: str = ""
    network: str = "windrow-dev"
    host: str = "127.0.0.1"
    port: Port = 8420
    database_url: str = ""  # empty: SQLite in the home
    files: str = ""  # s3://bucket/prefix for segments, lake and exports; empty: in the home
    cluster: Annotated[str, Meta(pattern="^(local|[^\\s:/]+:[0-9]{1,5})?$(?!\\n)")] = (
        ""  # HOST:PORT of a Ray cluster for batch work, `local` for one on this machine; empty: this process
    )
    rpc_url: str = ""  # empty: the embedded devnet
    chain_id: Annotated[int, Meta(ge=1)] = 31_337
    devnet_port: Port = 8545
    devnet_fund: list[str] = []  # addresses that get test ether and WIND on the embedded devnet
    stablecoin: Annotated[str, Meta(pattern="^(0x[0-9a-fA-F]{40})?$(?!\\n)")] = (
        ""  # address of a further token that the market takes, with EIP-3009, such as USDC
    )
    settle_depth_blocks: Annotated[int, Meta(ge=0, le=SETTLE_DEPTH_BLOCKS_MAX)] = (
        SETTLE_DEPTH_BLOCKS  # what lies under fewer blocks is not settled; the embedded devnet needs none
    )
    timelock_s: Annotated[int, Meta(ge=1)] = 2
    recipes: str = ""  # empty: the recipes that come with Windrow
    validators: list[str] = []  # node_id or node_id@operator: nodes that fetch truths
    economics: str = ""  # path of the TOML file of economic parameters; empty: `economics.toml` in the home
    trust_rules: str = ""  # path of a TOML file whose keys override the trust protocol's numbers
    pace_private_s: Annotated[float, Meta(ge=0, le=60)] = (
        HOST_PACE_OWNER_S_MIN  # between two requests to a private host
    )
    canary_hosts: list[str] = []  # http://address:port where this house itself serves control pages
    ranked_domains: str = (
        ""  # path of a list of known domains; all others share a small part of the pay for new text
    )
    lease_life_ms: Annotated[int, Meta(ge=1_000)] = LEASE_LIFE_MS
    metrics_host: str = "127.0.0.1"  # where Prometheus asks; what it hears is not for nodes
    metrics_port: Port = 0  # 0: nothing is served
    abuse_contact: Annotated[str, Meta(max_length=200)] = (
        ""  # where publishers write to; shown on /publishers
    )
    publishers_url: PublishersUrl = (
        ""  # page that nodes point publishers to; empty: /publishers at `host` and `port`
    )
    gates: Annotated[int, Meta(ge=0, le=GATES_MAX)] = (
        0  # processes that accept, check and prepare beside the one that writes; 0: that one does all
    )
    trusted_proxies: list[
        str
    ] = []  # addresses or networks of proxies whose X-Forwarded-For says who asks; empty: none
    console_origins: list[
        str
    ] = []  # where browsers open the console, as https://ops.example.org; empty: loopback
    personal_key_store: Literal["file", "keyring", "pkcs11"] = (
        "file"  # where the key over personal data is kept
    )
    pkcs11_library: str = ""  # of the module, for `personal_key_store = "pkcs11"`
    pkcs11_token: str = "windrow"  # the token's label
    pkcs11_pin_file: str = ""  # a file with the PIN of its user, readable by nobody else


def load_settings(flags: Mapping[str, Any] | None = None) -> Resolved[HouseSettings]:
    """Read every layer. Raises WindrowError `bad_config`."""
    given = dict(flags or {})
    environment = env_layer(os.environ, PREFIX, HouseSettings)
    home = (
        Path(given.get("home") or environment.get("home") or user_data_path("windrow")).expanduser().resolve()
    )
    layers = [
        ("default", {"home": str(home), "recipes": str(shipped_folder("datasets"))}),
        (f"{home / 'windrow.toml'}", _read_toml(home / "windrow.toml")),
        ("environment", environment),
        ("flag", {name: value for name, value in given.items() if value is not None}),
    ]
    _require_none_moved(layers)
    resolved = resolve(HouseSettings, layers)
    values = msgspec.structs.replace(resolved.values, home=str(home))
    parse_validators(values.validators)
    return Resolved(values, resolved.sources)


def _require_none_moved(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse a parameter where it stood once: silently taken from elsewhere, owners would get another share."""
    for source, layer in layers:
        for name in set(layer).intersection(_MOVED):
            raise WindrowError("bad_config", f"{source} names `{name}`, which belongs in {ECONOMICS} now")
    for name in _MOVED:
        if PREFIX + name.upper() in os.environ:
            raise WindrowError(
                "bad_config", f"{PREFIX}{name.upper()}: `{name}` belongs in {ECONOMICS} in the home now"
            )


def load_trust_rules(path: str) -> TrustRules:
    """Return the network's numbers: the protocol's, overridden by a TOML file where one is named.

    Raises WindrowError `bad_config`, naming the file and the key.
    """
    if not path:
        return TrustRules()
    file = Path(path).expanduser()
    if not file.is_file():
        raise WindrowError("bad_config", f"`trust_rules`: there is no file {file}")
    try:
        return resolve(TrustRules, [(str(file), _read_toml(file))]).values
    except (
        msgspec.ValidationError
    ) as error:  # what the numbers say together, such as a defence that does not exist
        raise WindrowError("bad_config", f"{file}: {error}") from error


def load_economics(settings: HouseSettings) -> Resolved[Economics]:
    """Return the economic parameters: those that come with Windrow, overridden by the home's or a named TOML file.

    Raises WindrowError `bad_config`, naming the file and the parameter.
    """
    file = Path(settings.economics).expanduser() if settings.economics else Path(settings.home) / ECONOMICS
    if settings.economics and not file.is_file():
        raise WindrowError("bad_config", f"`economics`: there is no file {file}")
    packaged = tomllib.loads((files("windrow") / ECONOMICS).read_text(encoding="utf-8"))
    try:
        return resolve(Economics, [("default", packaged), (str(file), _read_toml(file))])
    except msgspec.ValidationError as error:  # what is wrong with a number, or with two together
        raise WindrowError("bad_config", f"{file}: {error}") from error


def load_ranked_domains(path: str) -> RankedDomains | None:
    """Return the list of known domains, None where no file is named.

    Raises WindrowError `bad_config`, naming the file and the line.
    """
    if not path:
        return None
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > RANKED_FILE_BYTES_MAX:
            raise ValueError(f"more than {RANKED_FILE_BYTES_MAX} bytes")
        with file.open(encoding="utf-8") as lines:
            return RankedDomains.parse(lines)
    except (OSError, ValueError) as error:
        raise WindrowError("bad_config", f"`ranked_domains`: {file}: {error}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}  # whether there can be a home at all is seen when it is opened
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise WindrowError("bad_config", f"{path}: {error}") from error
