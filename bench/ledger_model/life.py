"""The life of a ledger as a state machine: whatever happens in whatever order, it equals a second one to the wei.

Hypothesis draws what comes next: work that is judged and penalised, sales in two assets, royalties, closed epochs,
claims, retries, entries posted again with another amount, transactions that die, and processes that end. All of it goes
through the code that pays, into a real database. After each step the new entries are folded and every account is held
against `SecondLedger` and `SecondSales`; in the end the checks of the ledger run and both roots are compared.

Rules: an error that Windrow does not promise fails. Does not: ask a chain (`tests/rewards/test_settlement.py` does), or
pay months of history.

Usage: `run_life(examples=10, steps=40, chance=1)` returns how often each step was made.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bench.ledger_model.history import EPOCH_MS, START_MS, EpochClock, History, digest, payout_of
from bench.ledger_model.second_ledger import SecondLedger
from bench.ledger_model.second_sales import SecondSales
from rewards.accountant import run_accountant
from rewards.epochs.files import ledger_bytes, read_leaves
from rewards.epochs.freezing import NO_ROOT, OnChain, freeze, publish
from rewards.epochs.recompute import recompute
from rewards.epochs.rows import latest_accepted, move
from rewards.ledger import Transfer, balances, cumulative, last_entry, post
from rewards.ledger_checks import verify_ledger
from rewards.royalties import run_royalties
from rewards.settlement import record_claim
from storage.house import House
from storage.real_env import real_env
from storage.state import State, sqlite_url
from storage.tables.contributions import ledger, sales
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import TrustRules

ASSETS: Final = ("WIND", "USDC")
NODES: Final = 6
RULES: Final = TrustRules(probation_documents=3, vest_audits=1, domain_novelty_bytes_max=200_000)
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(32))
_OWNERS: Final = tuple(payout_of(digest("owner", number)) for number in range(5))
# The owners of what is sold, by tokens: the empty name for rows of nobody.
EXPORTS: Final[dict[str, dict[str, int]]] = {
    "1.0.0": {_OWNERS[0]: 1},
    "2.0.0": {_OWNERS[0]: 7, _OWNERS[1]: 7, _OWNERS[2]: 7},
    "3.0.0": {_OWNERS[3]: 3, "": 5, _OWNERS[1]: 0, _OWNERS[4]: 2**62},
    "4.0.0": {"": 4},
    "5.0.0": {_OWNERS[4]: 0, _OWNERS[2]: 0},
}


class DiedError(Exception):
    """What ends a transaction here."""


class LedgerLife(RuleBasedStateMachine):
    """One house from its first entry on."""

    made: ClassVar[Counter[str]] = Counter()  # steps and entries of all lives
    template: ClassVar[Path | None] = None

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="windrow-life-", dir=_memory())
        self._home = Path(self._folder.name) / "home"
        if LedgerLife.template is None:
            LedgerLife.template = _template()
        shutil.copytree(LedgerLife.template, self._home)
        self._clock = EpochClock()
        self._history = History(1, NODES, documents=0)
        self._work, self._sales = SecondLedger(RULES), SecondSales()
        self._unpaid: list[tuple[str, int, int, int, str]] = []
        self._allotted: dict[str, dict[str, int]] = {asset: {} for asset in ASSETS}  # by the last epoch
        self._sold = self._steps = self._seq = 0
        self._folded: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._open()

    def _open(self) -> None:
        state = State.open(sqlite_url(self._home / "state.db"))
        env = replace(real_env(), clock=self._clock)
        self._house = House(env, state, self._home, "bench", KEY, RULES)

    def teardown(self) -> None:
        """Hold everything against the second implementations once more, from the first entry on."""
        try:
            with self._house.state.read() as connection:
                assert verify_ledger(connection) == []
                for asset in ASSETS:
                    self._compare(asset, balances(connection, asset))
                self._compare_roots(ledger_bytes(connection, last_entry(connection)[0]).decode())
        finally:
            self._house.state.close()
            self._folder.cleanup()
        self.made["lives"] += 1
        self.made["entries"] += self._seq

    def _compare_roots(self, published: str) -> None:
        for asset in ASSETS:
            leaves = cumulative(self._wanted(asset))
            if leaves:
                again = recompute(published, asset)
                assert again.allotted == {owner.lower(): amount for owner, amount in leaves.items()}

    def _wanted(self, asset: str) -> dict[str, int]:
        """Every account of an asset by the second implementations."""
        wanted: defaultdict[str, int] = defaultdict(int)
        for (of, account), amount in self._sales.balances.items():
            if of == asset:
                wanted[account] += amount
        if asset == "WIND":
            wanted["fines"] += self._work.fines
            wanted["emission"] -= self._work.emission
            for node_id, account in self._work.accounts.items():
                wanted[f"pending:{node_id}"] += account.pending_wei
                wanted[f"bond:{node_id}"] += account.bond
                wanted[f"posted:{payout_of(node_id)}"] += account.posted
        return wanted

    def _compare(self, asset: str, folded: dict[str, int]) -> None:
        wanted = self._wanted(asset)
        assert {name: amount for name, amount in folded.items() if amount} == {
            name: amount for name, amount in wanted.items() if amount
        }, asset

    def _count(self, name: str) -> None:
        self._steps += 1
        self.made[name] += 1

    @invariant()
    def equal_to_the_wei(self) -> None:
        """Fold what is new and hold every account against the second implementations."""
        with self._house.state.read() as connection:
            new = sa.select(ledger).where(ledger.c.entry_seq > self._seq).order_by(ledger.c.entry_seq)
            for row in connection.execute(new):
                self._seq += 1
                assert row.entry_seq == self._seq
                self._folded[row.asset, row.debit] -= row.amount
                self._folded[row.asset, row.credit] += row.amount
        for asset in ASSETS:
            self._compare(asset, {name: amount for (of, name), amount in self._folded.items() if of == asset})

    @rule(drawn=st.integers(0, 2**32 - 1), documents=st.integers(0, 30))
    def work_is_judged(self, drawn: int, documents: int) -> None:
        """Close an audit epoch of so many documents, with penalties, undone ones and departures, and pay it."""
        self._count("work")
        epoch = self._history.epoch(documents, Random(drawn))
        with self._house.state.write() as connection:
            epoch.write(connection)
        self._clock.ms = START_MS + epoch.epoch_id * EPOCH_MS
        self._work.close(epoch)
        run_accountant(self._house, batch=20)

    @rule(
        asset=st.sampled_from(ASSETS),
        version=st.sampled_from(sorted(EXPORTS)),
        price=st.integers(1, 2**128 - 1),
        royalty_bps=st.integers(1, 9_999),
        burn_bps=st.integers(0, 9_998),
    )
    def version_is_sold(self, asset: str, version: str, price: int, royalty_bps: int, burn_bps: int) -> None:
        """Write down a sale as the chain's event says it, split as the contract splits."""
        self._count("sale")
        royalties = price * royalty_bps // 10_000
        burned = price * min(burn_bps, 10_000 - royalty_bps) // 10_000 if asset == "WIND" else 0
        self._sold += 1
        row = _sale(self._sold, asset, version, self._clock.ms)
        parts = {"price": price, "royalties": royalties, "burned": burned, "fees": price - royalties - burned}
        with self._house.state.write() as connection:
            connection.execute(sa.insert(sales).values(**row, **parts))
        self._unpaid.append((asset, price, royalties, burned, version))

    @rule()
    def royalties_are_paid(self) -> None:
        """Post every sale that waits."""
        self._count("royalties")
        run_royalties(self._house)
        for asset, price, royalties, burned, version in self._unpaid:
            self._sales.sell(asset, price, royalties, burned, EXPORTS[version])
        self._unpaid.clear()

    @precondition(lambda self: self._steps % 10 == 9)
    @rule(asset=st.sampled_from(ASSETS))
    def epoch_is_closed(self, asset: str) -> None:
        """Freeze and publish an epoch; there is one exactly when somebody is allotted more than before."""
        self._count("epoch")
        leaves = cumulative(self._wanted(asset))
        if leaves == self._allotted[asset]:
            self._refused(
                "nothing_to_settle", lambda: freeze(self._house, lambda: self._on_chain(asset), asset)
            )
            return
        epoch = publish(self._house, freeze(self._house, lambda: self._on_chain(asset), asset))
        assert read_leaves(self._home, epoch.epoch_id, epoch.tree_sha256) == leaves
        move(self._house, epoch, state="accepted")
        self._allotted[asset] = leaves

    def _on_chain(self, asset: str) -> OnChain:
        with self._house.state.read() as connection:
            newest = latest_accepted(connection, asset)
        return OnChain(newest.root if newest else NO_ROOT, 31_337, _OWNERS[0], _OWNERS[1])

    @precondition(lambda self: any(self._allotted.values()))
    @rule(place=st.integers(0, 1_000), asset=st.sampled_from(ASSETS))
    def claim_is_paid(self, place: int, asset: str) -> None:
        """Record that the chain paid an account all that its leaf allots; the second time that is nothing."""
        allotted = self._allotted[asset]
        if not allotted:
            return
        self._count("claim")
        account = sorted(allotted)[place % len(allotted)]
        due = allotted[account] - self._sales.balances[asset, f"claimed:{account}"]
        assert record_claim(self._house, asset, account, allotted[account], "0x" + "11" * 32) == due
        self._sales.claim(asset, account, due)

    @precondition(lambda self: any(self._allotted.values()))
    @rule(asset=st.sampled_from(ASSETS), more=st.integers(1, 10**30))
    def claim_of_what_nobody_allots_is_refused(self, asset: str, more: int) -> None:
        """What no epoch allots is never written down as paid."""
        for account, amount in sorted(self._allotted[asset].items())[:1]:
            self._count("wrong claim")
            wrong = partial(record_claim, self._house, asset, account, amount + more, "0x")
            self._refused("unbalanced", wrong)

    @precondition(lambda self: self._steps % 5 == 4)
    @rule()
    def all_is_done_again(self) -> None:
        """A retry of everything that was done posts nothing."""
        self._count("again")
        assert run_accountant(self._house) == 0
        if not self._unpaid:
            assert run_royalties(self._house) == 0

    @precondition(lambda self: self._seq > 0)
    @rule(place=st.integers(0, 10_000), other=st.integers(1, 2**100))
    def another_amount_for_the_same_is_refused(self, place: int, other: int) -> None:
        """An entry's id cannot be posted again, and with another amount that is an error."""
        self._count("other amount")
        with self._house.state.read() as connection:
            some = sa.select(ledger).where(ledger.c.entry_seq == place % self._seq + 1)
            entry = connection.execute(some).one()
        for again in _spelled_again(entry):
            with self._house.state.write() as connection:
                assert post(connection, [again, again]) == 0
            changed = replace(again, amount=again.amount + other)
            self._refused("unbalanced", partial(self._post, changed))

    @rule(amount=st.integers(0, 2**200))
    def transaction_dies(self, amount: int) -> None:
        """Nothing of a transaction that did not end is there afterwards."""
        self._count("died")
        with suppress(DiedError), self._house.state.write() as connection:
            post(
                connection, [Transfer("buyers", "sales", amount, f"x{self._steps}", "price", "sale_price", 1)]
            )
            raise DiedError

    @precondition(lambda self: self._steps % 40 == 39)
    @rule()
    def process_begins_anew(self) -> None:
        """What was posted is there after the process ended."""
        self._count("restart")
        self._house.state.close()
        self._open()

    def _post(self, transfer: Transfer) -> None:
        with self._house.state.write() as connection:
            post(connection, [transfer])

    def _refused(self, code: str, doing: Callable[[], object]) -> None:
        with pytest.raises(WindrowError) as refused:
            doing()
        assert refused.value.code == code


def run_life(*, examples: int, steps: int, chance: int, shortest: bool = True) -> Counter[str]:
    """Live so many lives of so many steps, drawn from `chance`; return how often each step was made, and the entries.

    Raises what a step raises, after Hypothesis has looked for the shortest life that ends so, if that is wanted.
    """
    LedgerLife.made = Counter()
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, *([Phase.shrink] if shortest else [])],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(chance)(LedgerLife), settings=limits)
    return LedgerLife.made


def _template() -> Path:
    """A home with its tables, its nodes and its exports, to be copied for each life."""
    home = Path(tempfile.mkdtemp(prefix="windrow-life-", dir=_memory()))
    state = State.open(sqlite_url(home / "state.db"))
    with state.write() as connection:
        History(1, NODES, documents=0).write_nodes(connection)
    state.close()
    for version, shares in EXPORTS.items():
        folder = home / "exports" / "web_text" / version
        folder.mkdir(parents=True)
        columns = {
            "payout_address": pa.array([owner or None for owner in shares], pa.string()),
            "tokens": pa.array(list(shares.values()), pa.int64()),
        }
        pq.write_table(pa.table(columns), folder / "shares.parquet")
    return home


def _spelled_again(entry: Any) -> Iterator[Transfer]:
    """An entry does not say which rule it fills: yield it with the rule by which its id comes out again."""
    for name in ("price", "fees", "burned", "royalties", "royalty:treasury", "fetch", "novelty", "claim"):
        again = Transfer(
            entry.debit, entry.credit, entry.amount, entry.cause, name, entry.reason, 1, asset=entry.asset
        )
        if again.entry_id == entry.entry_id:
            yield again


def _sale(number: int, asset: str, version: str, sold_at_ms: int) -> dict[str, Any]:
    return {
        "sale_id": f"s{number:031x}",
        "dataset": "web_text",
        "version": version,
        "export_id": "0x" + digest(version),
        "buyer": _OWNERS[0],
        "asset": asset,
        "tx_hash": f"0x{number:064x}",
        "block": number,
        "sold_at_ms": sold_at_ms,
    }


def _memory() -> str | None:
    """A folder in memory where there is one: what is tried here is not the disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
