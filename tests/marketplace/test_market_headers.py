"""A buyer saves a header once; from then on an export is followed to the chain without any network."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from market_world import Bought, Market

from windrow.agent.market_tools import AgentSettings, MarketTools
from windrow.verification import RootSource, save_header, verify_folder, verify_row
from windrow_protocol.errors import WindrowError

NAME = "root on chain"


@pytest.fixture
def folder(bought: Bought, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bought.folder, tmp_path / "export"))


@pytest.fixture
def saved(market: Market, folder: Path) -> dict[str, Any]:
    return save_header(folder, None, market.rpc_url, None, None)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, saved: dict[str, Any]) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def said(folder: Path, source: RootSource) -> tuple[str, str]:
    checks = verify_folder(folder, None, source, "")["checks"]
    return next((check["state"], check["detail"]) for check in checks if check["name"] == NAME)


@pytest.mark.usefixtures("no_network")
def test_an_export_is_followed_to_a_saved_header_offline(folder: Path, saved: dict[str, Any]) -> None:
    path = Path(saved["path"])
    assert path == folder / "proofs" / "root_proof.json"
    state, detail = said(folder, RootSource(saved=path))
    assert state == "passed"
    assert f"root was {saved['root']} at block {saved['block']} of 20" in detail
    assert f"{saved['block_hash']} (compare it with a source you trust)" in detail
    assert said(folder, RootSource(saved=path, block_hash=saved["block_hash"].upper().replace("0X", "0x")))[
        1
    ].endswith("(as you said)")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda content: content["storage_proof"].pop(), "the storage's proof does not lead"),
        (lambda content: content["account_proof"].pop(0), "the account's proof does not lead"),
        (lambda content: content.update(code="0x6000"), "is not the one at that block"),
        (lambda content: content.update(header=content["header"][:-2]), "the header is malformed"),
        (lambda content: content.update(chain_id=1), "on chain 1"),
    ],
)
def test_a_changed_file_fails(
    folder: Path, saved: dict[str, Any], change: Callable[[Any], Any], detail: str
) -> None:
    path = Path(saved["path"])
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    state, found = said(folder, RootSource(saved=path))
    assert state == "failed"
    assert detail in found


@pytest.mark.usefixtures("no_network")
def test_another_block_than_the_one_known_from_elsewhere_fails(folder: Path, saved: dict[str, Any]) -> None:
    state, detail = said(folder, RootSource(saved=Path(saved["path"]), block_hash="0x" + "12" * 32))
    assert state == "failed"
    assert f"is of block {saved['block_hash']}, not 0x1212" in detail


def test_a_header_from_before_the_epoch_fails(market: Market, folder: Path, saved: dict[str, Any]) -> None:
    """The market's contracts stood there already, and their distributor had no root yet."""
    with pytest.raises(WindrowError, match="the distributor's root is 0x" + "00" * 32):
        save_header(folder, None, market.rpc_url, market.chain.deployment.block + 2, None)


@pytest.mark.usefixtures("no_network")
def test_an_agent_follows_a_purchase_to_a_header_saved_for_it(folder: Path, saved: dict[str, Any]) -> None:
    tools = MarketTools(AgentSettings("http://127.0.0.1:1", folder.parent))

    def told(header: str, block_hash: str = "") -> tuple[str, str]:
        checks = tools.verify(folder.name, header, block_hash)["checks"]
        return next((each["state"], each["detail"]) for each in checks if each["name"] == NAME)

    assert told("")[0] == "not_checked"
    assert told("root_proof.json")[0] == "passed"
    assert told("root_proof.json", saved["block_hash"])[1].endswith("(as you said)")
    assert told("root_proof.json", "0x" + "12" * 32)[0] == "failed"
    Path(saved["path"]).rename(folder.parent / "mine.json")
    assert told("mine.json")[0] == "passed"
    state, detail = told("root_proof.json")
    assert (state, detail.endswith("root_proof.json cannot be read)")) == ("failed", True)
    for outside in ("../mine.json", "/etc/passwd", ".."):
        with pytest.raises(WindrowError, match="not_found"):
            tools.verify(folder.name, outside)
    with pytest.raises(WindrowError, match="bad_usage"):
        tools.verify(folder.name, "", saved["block_hash"])


def test_two_sources_or_a_hash_of_nothing_are_refused(folder: Path, saved: dict[str, Any]) -> None:
    for source in (RootSource(rpc="http://127.0.0.1:1", saved=folder), RootSource(block_hash="0x12")):
        with pytest.raises(WindrowError, match="bad_usage"):
            verify_folder(folder, None, source, "")
    with pytest.raises(WindrowError, match="holds no epoch"):
        save_header(folder, folder / "data", "http://127.0.0.1:1", None, None)


@pytest.mark.usefixtures("no_network")
def test_a_rows_story_ends_at_the_saved_header(folder: Path, saved: dict[str, Any]) -> None:
    import pyarrow.parquet as pq

    row_id = pq.read_table(folder / "provenance.parquet", columns=["id"]).column("id")[0].as_py()
    told = verify_row(folder, row_id, None, RootSource(saved=Path(saved["path"])))
    assert told["ok"]
    assert (told["checks"][-1]["name"], told["checks"][-1]["state"]) == (NAME, "passed")
