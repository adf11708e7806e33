"""Makes a wallet for whoever has none: an encrypted keystore at a path its owner chooses.

Rules: never in the node's home, so that the node's disk never holds the key that owns the money; never over another
file; readable by its owner alone; the passphrase has at least `PASSPHRASE_CHARS_MIN` characters and is kept nowhere.

Does not: keep or print the private key, or open wallets again (any wallet reads the file).

Usage: `address = make_wallet(Path("~/windrow-wallet.json"), passphrase, node_home)`.

Source: Web3 Secret Storage (version 3) by eth-account, scrypt.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from contributor_node.identity import write_whole
from windrow_protocol.errors import WindrowError

PASSPHRASE_CHARS_MIN: Final = 10


def make_wallet(path: Path, passphrase: str, node_home: Path) -> str:
    """Write a new wallet and return its address in EIP-55 spelling.

    Raises WindrowError `wallet_refused` for a path or passphrase that will not do, or `home_unwritable`.
    """
    path = path.expanduser()
    _require_place(path, node_home)
    if len(passphrase) < PASSPHRASE_CHARS_MIN:
        raise WindrowError(
            "wallet_refused", f"the passphrase has fewer than {PASSPHRASE_CHARS_MIN} characters"
        )
    from eth_account import Account  # half a second to import, and never in a running node

    account = Account.create()
    write_whole(path, msgspec.json.format(msgspec.json.encode(account.encrypt(passphrase))) + b"\n")
    return str(account.address)


def _require_place(path: Path, node_home: Path) -> None:
    resolved = Path(os.path.realpath(path))
    if resolved.is_relative_to(os.path.realpath(node_home)):
        raise WindrowError(
            "wallet_refused", f"{path} lies in the node's home; keep your money's key elsewhere"
        )
    if path.is_symlink() or path.exists():
        raise WindrowError("wallet_refused", f"{path} exists already; nothing is written over it")
