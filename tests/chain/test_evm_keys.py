"""EVM keys in files: private to their owner, never overwritten, never echoed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chain.keys import key_from_hex, load_key, load_or_make_key, make_key
from windrow_protocol.errors import WindrowError

SECRET = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"


def test_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "relayer.key"
    made = load_or_make_key(path)
    assert load_or_make_key(path).address == made.address == load_key(path).address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(WindrowError, match="exists already"):
        make_key(path)


def test_known_key_has_its_known_address(tmp_path: Path) -> None:
    """The first account of go-ethereum's and web3's documentation."""
    expected = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
    assert key_from_hex(SECRET).address == expected
    assert make_key(tmp_path / "k", lambda size: bytes.fromhex(SECRET)[:size]).address == expected


@pytest.mark.parametrize(
    "text", ["", "0x", "zz" * 32, SECRET[:-1], SECRET + "00", "00" * 32, "ff" * 32, SECRET[:-2] + "é1"]
)
def test_what_is_no_key_is_refused_without_being_repeated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "k"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(WindrowError) as caught:
        load_key(path)
    assert caught.value.code == "bad_config"
    assert caught.value.__cause__ is None
    assert not text or text not in str(caught.value)


def test_exposed_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "k"
    make_key(path)
    path.chmod(0o640)
    with pytest.raises(WindrowError, match="chmod 600"):
        load_key(path)


def test_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(WindrowError) as caught:
        load_key(tmp_path / "buyer.key")
    assert (caught.value.code, "buyer.key" in str(caught.value)) == ("not_found", True)
