"""Three implementations of one tree: ours, the second one from the published text, and OpenZeppelin's own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rewards_cases import Settled, close, earn, open_house, payout

from rewards.epochs.files import epoch_folder, read_tree
from rewards.epochs.recompute import recompute
from rewards.ledger import Entry, Transfer, balances, cumulative, entries, post
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree


@st.composite
def bookings(draw: st.DrawFn) -> list[Transfer]:
    payouts = [payout(number) for number in range(6)]
    wanted = []
    for number in range(draw(st.integers(1, 25))):
        who, amount = draw(st.sampled_from(payouts)), draw(st.integers(0, 2**90))
        wanted.append(Transfer("emission", f"posted:{who}", amount, f"c{number}", "fetch", "fetch_fee", 1))
        if draw(st.booleans()):
            part = draw(st.integers(0, amount))
            to = draw(st.sampled_from([f"claimed:{who}", "treasury", f"posted:{payout(7)}"]))
            wanted.append(Transfer(f"posted:{who}", to, part, f"c{number}", "move", "claimed", 1))
    return wanted


@given(bookings())
@settings(max_examples=25, deadline=None)
def test_two_implementations_agree(tmp_path_factory: pytest.TempPathFactory, wanted: list[Transfer]) -> None:
    house = open_house(tmp_path_factory.mktemp("two"))
    with house.state.write() as connection:
        post(connection, wanted)
        text = "".join(entry.ndjson() for entry in entries(connection))
        leaves = cumulative(balances(connection))
    if not leaves:
        with pytest.raises(WindrowError, match="nothing_to_settle"):
            recompute(text, "WIND")
        return
    second, tree = recompute(text, "WIND"), MerkleTree.from_amounts(leaves)
    assert (second.root, second.total) == (tree.root, tree.total)
    assert second.allotted == {account.lower(): amount for account, amount in leaves.items()}


def test_the_second_implementation_refuses_a_bent_ledger() -> None:
    good = Entry(1, "e" * 64, "emission", f"posted:{payout(1)}", "WIND", 5, "c1", "fetch_fee", 1, 1, "")
    line = replace(good, head=good.head_after("0" * 64)).ndjson()
    assert recompute(line, "WIND").total == 5
    for bent in (
        line.replace("e" * 64, "e" * 63),
        line.replace('"5"', '"6"'),
        line.replace('"5"', "5"),
        line + line,
        "{}\n",
        "x\n",
    ):
        with pytest.raises(WindrowError, match="unbalanced"):
            recompute(bent, "WIND")


def published(*moves: tuple[str, str, str, int]) -> str:
    """Lines as a house that lies would publish them: each follows the one before, whatever it says."""
    lines, head = "", "0" * 64
    for number, (name, debit, credit, amount) in enumerate(moves, start=1):
        entry_id = hashlib.sha256(name.encode()).hexdigest()
        unsealed = Entry(number, entry_id, debit, credit, "WIND", amount, name, "royalty", 1, 1, "")
        entry = replace(unsealed, head=unsealed.head_after(head))
        lines, head = lines + entry.ndjson(), entry.head
    return lines


FRIEND = f"posted:{payout(3)}"
SALE = [("price", "buyers", "sales", 9), ("owners", "sales", "royalties", 9)]


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        ([("a", "emission", FRIEND, 5), ("a", "emission", FRIEND, 5)], "posted before"),
        ([("a", "fines", FRIEND, 5)], "fines is below zero"),
        ([*SALE, ("a", "royalties", FRIEND, 10)], "royalties is below zero"),
        ([*SALE, ("a", "royalties", FRIEND, 8)], "royalties holds 1"),
        ([("a", "emission", FRIEND, 5), ("b", FRIEND, f"posted:{payout(4)}", -5)], "not a line"),
    ],
)
def test_a_ledger_that_pays_what_nobody_gave_is_not_recomputed(
    moves: list[tuple[str, str, str, int]], said: str
) -> None:
    """Its heads follow and its root is that of its lines: both can be made of any lines at all."""
    assert recompute(published(*SALE, ("a", "royalties", FRIEND, 9)), "WIND").total == 9
    with pytest.raises(WindrowError, match=said) as refused:
        recompute(published(*moves), "WIND")
    assert refused.value.code == "unbalanced"


async def test_the_javascript_library_loads_the_tree(settled: Settled) -> None:
    modules = _node_modules()
    earn(settled.house, 1, 12)
    epoch = await close(settled)
    script = """
        const { StandardMerkleTree } = require(process.argv[1] + "/@openzeppelin/merkle-tree");
        const dump = JSON.parse(require("fs").readFileSync(process.argv[2], "utf8"));
        const tree = StandardMerkleTree.load(dump);
        tree.validate();
        const again = StandardMerkleTree.of(dump.values.map((row) => row.value), dump.leafEncoding);
        const proofs = Object.fromEntries([...tree.entries()].map(([i, leaf]) => [leaf[0], tree.getProof(i)]));
        console.log(JSON.stringify({ root: tree.root, again: again.root, proofs, dump: again.dump() }));
    """
    path = epoch_folder(settled.house.home, 1) / "tree.json"
    ran = await asyncio.to_thread(_run, ["node", "-e", script, str(modules), str(path)])
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["root"] == said["again"] == epoch.root == settled.chain.distributor.root()
    tree = read_tree(settled.house.home, 1, epoch.tree_sha256)
    assert said["proofs"] == {account: tree.proof(account) for account, _, _ in tree.leaves}
    assert said["dump"] == json.loads(path.read_text())


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _node_modules() -> Path:
    """Find or install the JavaScript library outside the repository, or skip the test with the reason."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not on this machine")
    cache = Path(os.environ.get("WINDROW_NPM_CACHE", Path.home() / ".cache" / "windrow-npm"))
    modules = cache / "node_modules"
    if not (modules / "@openzeppelin" / "merkle-tree").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        command = [
            "npm",
            "install",
            "--prefix",
            str(cache),
            "--no-audit",
            "--no-fund",
            "@openzeppelin/merkle-tree@1",
        ]
        try:
            ran = _run(command)
        except subprocess.TimeoutExpired:
            pytest.skip("npm does not answer")
        if ran.returncode:
            pytest.skip(f"npm cannot install @openzeppelin/merkle-tree: {ran.stderr[-200:]}")
    return modules
