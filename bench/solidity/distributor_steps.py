"""Random steps of the distributor's life: roots good and bad, claims honest and forged, pauses, money and time.

Rules: as in `steps`. A tree may allot less than was claimed, or more than it declares: the contract must hold then too.

Does not: call anything.

Usage: `step = DistributorModel(house, balances, random.Random(1)).draw(now_s)`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chain_lab import OWNER, STRANGER, TIMELOCK_S, House, address, raw32

from bench.solidity.steps import Balances, Step, nothing
from windrow_protocol.merkle import MerkleTree, verify_proof

ACCOUNTS = tuple(address(0x5000 + number) for number in range(6))
DAY_S = 86_400
TIMELOCK_S_MAX = 30 * DAY_S
PAUSE_S = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Proposed:
    """A root that waits, with the tree it was made of."""

    tree: MerkleTree
    total: int
    valid_at_s: int


class DistributorModel:
    """What the distributor must do."""

    def __init__(self, house: House, balances: Balances, drawn: random.Random) -> None:
        self.house = house
        self.balances = balances
        self.drawn = drawn
        self.place = house.distributor.address
        self.reserve = house.reserve
        self.timelock_s = TIMELOCK_S
        self.paused_until_s = 0
        self.proposed: Proposed | None = None
        self.trees: list[MerkleTree] = []  # all that were proposed, for claims that are out of date
        self.accepted: MerkleTree | None = None
        self.total = 0
        self.claimed: dict[str, int] = {}
        self.given = 0  # straight to the distributor, by mistake
        self._table = {
            self._fund: 3,
            self._give: 1,
            self._release: 1,
            self._propose: 4,
            self._accept: 6,
            self._claim: 14,
            self._pause: 1,
            self._resume: 1,
            self._raise_timelock: 1,
            self._renounce: 1,
        }

    def draw(self, now_s: int) -> Step:
        """Return the next step."""
        (kind,) = self.drawn.choices(list(self._table), list(self._table.values()))
        return kind(now_s)

    def facts(self) -> dict[str, int | bytes]:
        """What the contract must answer when it is asked, by function."""
        return {
            "root": raw32(self.accepted.root) if self.accepted else bytes(32),
            "totalAllocated": self.total,
            "timelock": self.timelock_s,
            "pausedUntil": self.paused_until_s,
        }

    def covered(self) -> int:
        """What must lie at the distributor: all that is allotted and not paid, and what it was given."""
        return self.total - sum(self.claimed.values()) + self.given

    def _owner(self) -> tuple[str, str]:
        sender = OWNER if self.drawn.random() < 0.9 else STRANGER
        return sender, "" if sender == OWNER else "OwnableUnauthorizedAccount"

    def _fund(self, _now_s: int) -> Step:
        amount = self.drawn.randrange(10**20)
        return Step(
            "token",
            OWNER,
            "mint",
            (self.reserve, amount),
            "",
            lambda: self.balances.add(self.reserve, amount),
        )

    def _give(self, _now_s: int) -> Step:
        amount = self.drawn.randrange(10**18)

        def given() -> None:
            self.balances.add(self.place, amount)
            self.given += amount

        return Step("token", OWNER, "mint", (self.place, amount), "", given)

    def _release(self, _now_s: int) -> Step:
        """Nobody but the distributor is given anything by its reserve."""
        sender = self.drawn.choice((OWNER, STRANGER, self.place))
        amount = self.drawn.randrange(10**18) if sender != self.place else 0
        return Step("reserve", sender, "release", (amount,), "" if sender == self.place else "NotDistributor")

    def _propose(self, now_s: int) -> Step:
        sender, refused = self._owner()
        tree = self._grown_tree()
        total = max(0, tree.total - self.drawn.choice((0, 0, 0, 1, 10**18)))
        root = bytes(32) if self.drawn.random() < 0.03 else raw32(tree.root)
        if not refused and not any(root):
            refused = "EmptyRoot"
        if not refused and total < self.total:
            refused = "TotalDecreased"
        if not refused and self.proposed is not None and now_s < self.proposed.valid_at_s:
            refused = "ProposalOpen"
        made = Proposed(tree, total, now_s + self.timelock_s)
        return self._step(
            sender, "proposeRoot", (root, total, bytes(32)), refused, lambda: self._propose_it(made)
        )

    def _grown_tree(self) -> MerkleTree:
        """A tree of what was claimed and more, or, seldom, of less."""
        growth = {
            account: self.claimed.get(account, 0) + self.drawn.randrange(10**19)
            for account in self.drawn.sample(ACCOUNTS, self.drawn.randrange(1, 7))
        }
        if self.drawn.random() < 0.1:
            growth = {account: amount // 2 for account, amount in growth.items()}
        return MerkleTree.from_amounts({account: amount + 1 for account, amount in growth.items()})

    def _propose_it(self, made: Proposed) -> None:
        self.proposed = made
        self.trees.append(made.tree)

    def _accept(self, now_s: int) -> Step:
        sender, refused = self._owner()
        waits = self.proposed
        root = raw32(waits.tree.root) if waits and self.drawn.random() < 0.9 else b"\x01" * 32
        if not refused and waits is None:
            refused = "NoProposal"
        elif not refused and waits is not None:
            if root != raw32(waits.tree.root):
                refused = "NotThisProposal"
            elif now_s < waits.valid_at_s:
                refused = "TooEarly"
            elif self.balances.get(self.reserve) < waits.total - self.total:
                refused = "Underfunded"
        return self._step(sender, "acceptRoot", (root,), refused, self._accept_it)

    def _accept_it(self) -> None:
        assert self.proposed is not None
        self.balances.move(self.reserve, self.place, self.proposed.total - self.total)
        self.accepted, self.total, self.proposed = self.proposed.tree, self.proposed.total, None

    def _claim(self, now_s: int) -> Step:
        account, amount, proof = self._claimed_leaf()
        root = self.accepted.root if self.accepted else "0x" + "00" * 32
        before, refused = self.claimed.get(account, 0), ""
        if now_s < self.paused_until_s:
            refused = "ClaimsPaused"
        elif not verify_proof(account, amount, proof, root):
            refused = "InvalidProof"
        elif amount <= before:
            refused = "NothingToClaim"
        elif amount - before > self.balances.get(self.place):
            refused = "ERC20InsufficientBalance"  # the leaves sum to more than was declared: there is no more

        def paid() -> None:
            self.claimed[account] = amount
            self.balances.move(self.place, account, amount - before)

        return self._step(
            STRANGER, "claim", (account, amount, [raw32(step) for step in proof]), refused, paid
        )

    def _claimed_leaf(self) -> tuple[str, int, list[str]]:
        """A leaf of the accepted tree with its proof; now and then another tree's, or one that is forged."""
        tree = self.accepted if self.accepted and self.drawn.random() < 0.85 else None
        if tree is None:
            tree = self.drawn.choice(self.trees) if self.trees else MerkleTree.from_amounts({ACCOUNTS[0]: 1})
        account, amount, _ = self.drawn.choice(tree.leaves)
        proof = tree.proof(account)
        forgery = self.drawn.randrange(20)
        if forgery == 0:
            amount += self.drawn.choice((-1, 1, 10**18))
        elif forgery == 1:
            account = self.drawn.choice(ACCOUNTS)
        elif forgery == 2:
            proof = proof[1:]
        elif forgery == 3:
            proof = [*proof, tree.root]
        elif forgery == 4 and proof:  # an inner node read as a leaf
            account, amount, proof = "0x" + proof[0][26:], int(proof[0], 16), proof[1:]
        return account, max(0, amount), proof

    def _pause(self, now_s: int) -> Step:
        sender, refused = self._owner()
        if not refused and self.paused_until_s and now_s < self.paused_until_s + PAUSE_S:
            refused = "PauseTooSoon"
        return self._step(sender, "pause", (), refused, lambda: self._paused_until(now_s + PAUSE_S))

    def _resume(self, now_s: int) -> Step:
        sender, refused = self._owner()
        return self._step(
            sender, "resume", (), refused, lambda: self._paused_until(min(self.paused_until_s, now_s))
        )

    def _paused_until(self, until_s: int) -> None:
        self.paused_until_s = until_s

    def _raise_timelock(self, _now_s: int) -> Step:
        sender, refused = self._owner()
        wanted = self.timelock_s + self.drawn.choice((-1, 0, 1, 60, TIMELOCK_S_MAX))
        if not refused and not self.timelock_s < wanted <= TIMELOCK_S_MAX:
            refused = "BadTimelock"

        def raised() -> None:
            self.timelock_s = wanted

        return self._step(sender, "raiseTimelock", (wanted,), refused, raised)

    def _renounce(self, _now_s: int) -> Step:
        sender, refused = self._owner()
        return self._step(sender, "renounceOwnership", (), refused or "OwnerRequired", nothing)

    def _step(
        self,
        sender: str,
        function: str,
        arguments: tuple[Any, ...],
        expected: str,
        effect: Callable[[], None],
    ) -> Step:
        return Step("distributor", sender, function, arguments, expected, effect)
