"""The node's key comes back as it was, under a passphrase or not, and takes no other node's place."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from eth_account import Account

from contributor_node.identity import hold_home, load_or_make_key
from contributor_node.setup.key_backup import backup_key, restore_key
from contributor_node.setup.wallet_file import make_wallet
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import public_id


@pytest.mark.parametrize("passphrase", ["", "a long passphrase with ß and 日本"])
def test_a_restored_key_is_the_same_node(tmp_path: Path, passphrase: str) -> None:
    node_id = public_id(load_or_make_key(tmp_path / "old"))
    file = tmp_path / "backup"
    assert backup_key(tmp_path / "old", file, passphrase) == node_id
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert restore_key(tmp_path / "new", file, passphrase) == node_id
    assert public_id(load_or_make_key(tmp_path / "new")) == node_id
    assert restore_key(tmp_path / "new", file, passphrase) == node_id, "twice is once"
    if passphrase:
        assert (tmp_path / "old" / "node_key").read_bytes().strip() not in file.read_bytes()


@pytest.mark.parametrize("passphrase", ["", "wrong"])
def test_an_encrypted_backup_opens_with_its_passphrase_only(tmp_path: Path, passphrase: str) -> None:
    load_or_make_key(tmp_path / "old")
    backup_key(tmp_path / "old", tmp_path / "backup", "the right one")
    with pytest.raises(WindrowError, match="does not open"):
        restore_key(tmp_path / "new", tmp_path / "backup", passphrase)
    assert not (tmp_path / "new" / "node_key").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    load_or_make_key(tmp_path / "one")
    mine = load_or_make_key(tmp_path / "two")
    backup_key(tmp_path / "one", tmp_path / "backup")
    with pytest.raises(WindrowError, match="exists already"):
        backup_key(tmp_path / "two", tmp_path / "backup")
    with pytest.raises(WindrowError, match="another node"):
        restore_key(tmp_path / "two", tmp_path / "backup")
    assert public_id(load_or_make_key(tmp_path / "two")) == public_id(mine)


def test_a_running_nodes_home_takes_no_key(tmp_path: Path) -> None:
    load_or_make_key(tmp_path / "one")
    backup_key(tmp_path / "one", tmp_path / "backup")
    with hold_home(tmp_path / "two"), pytest.raises(WindrowError, match="node_running"):
        restore_key(tmp_path / "two", tmp_path / "backup")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN X-----\nAAAA\n-----END X-----\n", b"\xff" * 99]
)
def test_what_is_no_backup_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backup").write_bytes(content)
    with pytest.raises(WindrowError, match="backup_refused"):
        restore_key(tmp_path / "new", tmp_path / "backup")


def test_a_home_without_a_key_has_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(WindrowError, match="no_node_key"):
        backup_key(tmp_path, tmp_path / "backup")
    assert not (tmp_path / "node_key").exists(), "and gets none by asking"


def test_a_new_wallet_opens_with_its_passphrase_in_any_wallet(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    address = make_wallet(path, "ten letters and more", tmp_path / "node")
    key = Account.decrypt(json.loads(path.read_text()), "ten letters and more")
    assert Account.from_key(key).address == address
    assert bytes(key).hex() not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("place", ["node/wallet.json", "node/deep/er/wallet.json", "link/wallet.json"])
def test_the_wallet_never_lies_in_the_nodes_home(tmp_path: Path, place: str) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "node")
    with pytest.raises(WindrowError, match="the node's home"):
        make_wallet(tmp_path / place, "ten letters and more", tmp_path / "node")
    assert list((tmp_path / "node").iterdir()) == []


def test_a_wallet_is_not_written_over_nor_weakly_locked(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    with pytest.raises(WindrowError, match="fewer than 10"):
        make_wallet(path, "short", tmp_path / "node")
    path.write_text("money")
    with pytest.raises(WindrowError, match="exists already"):
        make_wallet(path, "ten letters and more", tmp_path / "node")
    assert path.read_text() == "money"
