"""The node's key stays the same and private, and the coordinator it met first stays the one it trusts."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from node_world import PAYOUT, clean_environment, coordinator, run_node
from real_data import ROOT

from contributor_node.identity import (
    KEY_FILE,
    PIN_FILE,
    hold_home,
    load_or_make_key,
    pin_coordinator,
    read_pin,
    write_whole,
)
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import public_id

ONE, OTHER = "1" * 64, "2" * 64


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path / "new" / "home")
    path = tmp_path / "new" / "home" / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_id(load_or_make_key(path.parent)) == public_id(key)
    assert [file.name for file in path.parent.iterdir()] == [KEY_FILE], "no temporary file stays"


@pytest.mark.parametrize("content", [b"", b"not hex", b"ab" * 31, b"\xff\xfe", b"zz" * 32])
def test_a_damaged_key_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / KEY_FILE
    path.write_bytes(content)
    with pytest.raises(WindrowError, match="bad_config"):
        load_or_make_key(tmp_path)
    assert path.read_bytes() == content


def test_the_first_coordinator_is_pinned_and_another_key_or_network_refused(tmp_path: Path) -> None:
    pin = pin_coordinator(tmp_path, "http://a", "net", ONE)
    assert read_pin(tmp_path) == pin
    moved = pin_coordinator(tmp_path, "http://b", "net", ONE)
    assert moved.coordinator == "http://b", "an address may change"
    for network, key in (("net", OTHER), ("other", ONE)):
        with pytest.raises(WindrowError, match="coordinator_changed"):
            pin_coordinator(tmp_path, "http://a", network, key)
    assert read_pin(tmp_path) == pin


def test_the_page_for_publishers_is_kept_as_it_was_said_last(tmp_path: Path) -> None:
    for url in ("", "https://a.example/publishers", "https://b.example/publishers", ""):
        assert pin_coordinator(tmp_path, "http://a", "net", ONE, url).publishers_url == url
        kept = read_pin(tmp_path)
        assert kept is not None
        assert (kept.coordinator_id, kept.publishers_url) == (ONE, url)
    before = b'{"coordinator":"http://a","network":"net","coordinator_id":"%s"}' % ONE.encode()
    (tmp_path / PIN_FILE).write_bytes(before)
    assert pin_coordinator(tmp_path, "http://a", "net", ONE).publishers_url == "", (
        "a pin of an earlier release"
    )
    (tmp_path / PIN_FILE).write_bytes(before[:-1] + b',"publishers_url":"https://a.example/\\r\\nCookie: b"}')
    with pytest.raises(WindrowError, match="bad_config"):
        read_pin(tmp_path)


def test_a_damaged_pin_trusts_nobody(tmp_path: Path) -> None:
    (tmp_path / PIN_FILE).write_text("{}")
    with pytest.raises(WindrowError, match="bad_config"):
        pin_coordinator(tmp_path, "http://a", "net", ONE)


async def test_the_process_refuses_a_coordinator_whose_key_changed(tmp_path: Path) -> None:

    home = tmp_path / "node"
    home.mkdir()
    async with coordinator(tmp_path / "house", Ed25519PrivateKey.generate()) as house:
        pin_coordinator(home, house.url, house.house.network, ONE)
        flags = ("--home", str(home), "--coordinator", house.url, "--payout", PAYOUT)
        done = await asyncio.to_thread(run_node, *flags)
        assert done.returncode == 1
        assert "[coordinator_changed]" in done.stderr
        assert "delete coordinator.json" in done.stderr
        assert house.asked == ["/v1/network"], "nothing was told to the stranger"


def test_a_home_is_held_by_one_and_let_go_by_a_killed_one(tmp_path: Path) -> None:
    with (
        hold_home(tmp_path),
        pytest.raises(WindrowError, match="node_running"),
        hold_home(tmp_path),
    ):
        pass
    code = (
        "import os, sys; from pathlib import Path; from contributor_node.identity import hold_home\n"
        "with hold_home(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    killed = subprocess.run(command, cwd=ROOT, env=clean_environment(), check=False)
    assert killed.returncode == -9
    with hold_home(tmp_path):
        pass


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    write_whole(path, b"one", durable=durable)
    (tmp_path / ".file.tmp").mkdir()  # the temporary file cannot be made
    with pytest.raises(WindrowError, match="home_unwritable"):
        write_whole(path, b"two", durable=durable)
    assert path.read_bytes() == b"one"
