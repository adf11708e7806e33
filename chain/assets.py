"""The tokens that a market takes: the network's own, and any other that signs transfers by EIP-3009.

Rules: a token is named by its symbol in the books, and by its EIP-712 name and version in what wallets sign. Another
token than the network's own has a distributor and a market contract of its own, so no contract ever holds two. Before
it is used, its domain separator is held against its name and version: a wrong one would make every signature worthless.

Does not: know prices, or which tokens are worth anything.

Usage::

    usdc = read_asset(w3, chain_id=8453, address="0x8335…")
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from web3 import Web3
from web3.exceptions import Web3Exception

from chain.typed_data import TOKEN_DECIMALS, TOKEN_NAME, TOKEN_VERSION, TokenDomain, domain_separator
from windrow_protocol.errors import WindrowError


@dataclass(frozen=True, slots=True)
class Asset:
    """A token. `address` is empty for the network's own, whose address follows from the network."""

    symbol: str
    name: str
    version: str
    decimals: int
    address: str = ""

    def domain(self, chain_id: int, token: str) -> TokenDomain:
        """Return what signatures of this token are bound to."""
        return TokenDomain(chain_id, token, self.name, self.version)


def _view(name: str, output: str, *inputs: str) -> dict[str, Any]:
    taken = [{"name": f"of{number}", "type": kind} for number, kind in enumerate(inputs)]
    given = [{"name": "", "type": output}]
    return {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": taken,
        "outputs": given,
    }


_TOKEN_ABI: Final = [
    *(_view(name, "string") for name in ("symbol", "name", "version")),
    _view("decimals", "uint8"),
    _view("DOMAIN_SEPARATOR", "bytes32"),
    _view("authorizationState", "bool", "address", "bytes32"),
]
_SYMBOL: Final = re.compile(r"[A-Za-z0-9.]{1,16}")
WIND: Final = Asset("WIND", TOKEN_NAME, TOKEN_VERSION, TOKEN_DECIMALS)


def require_own(w3: Web3, address: str) -> None:
    """Make sure that a token calls itself as the network's own does, so that no other is spent under its name.

    Raises WindrowError `wrong_asset`.
    """
    spelled = Web3.to_checksum_address(address)
    try:
        symbol = str(w3.eth.contract(address=spelled, abi=_TOKEN_ABI).functions.symbol().call())
    except (Web3Exception, ValueError) as error:
        raise WindrowError("wrong_asset", f"{address} has no symbol: {error}"[:200]) from error
    if symbol != WIND.symbol:
        raise WindrowError("wrong_asset", f"{address} is {symbol!r}, not {WIND.symbol}"[:120])


def read_asset(w3: Web3, chain_id: int, address: str) -> Asset:
    """Return the token at an address, as it describes itself and as it checks signatures.

    Raises WindrowError `wrong_asset` when it is none that can be paid with by EIP-3009.
    """
    spelled = Web3.to_checksum_address(address)
    token: Any = w3.eth.contract(address=spelled, abi=_TOKEN_ABI).functions
    try:
        symbol, name, version = (str(token[each]().call()) for each in ("symbol", "name", "version"))
        decimals = int(token.decimals().call())
        separator = bytes(token.DOMAIN_SEPARATOR().call())
        token.authorizationState("0x" + "00" * 20, bytes(32)).call()
    except (Web3Exception, ValueError) as error:
        raise WindrowError("wrong_asset", f"{address} has no EIP-3009: {error}"[:300]) from error
    asset = Asset(symbol, name, version, decimals, spelled)
    if not _SYMBOL.fullmatch(asset.symbol) or asset.symbol == WIND.symbol:
        raise WindrowError("wrong_asset", f"{address} calls itself {asset.symbol!r}"[:120])
    if separator != domain_separator(asset.domain(chain_id, spelled)):
        raise WindrowError("wrong_asset", f"{address} signs not as {asset.name!r} {asset.version!r}"[:200])
    return asset
