"""What the gas of a transaction went into, instruction by instruction.

Rules: while an `Account` is open, each instruction of py-evm is charged to a group: the storage it touched, calls,
logs, hashes, all else; what a called contract uses is its caller's `called`. Call data and the price of any
transaction come from itself. The groups add up to what the receipt says before refunds.

Does not: run anything.

Usage::

    with Account() as account:
        chain.send(place, data)
    account.groups(data)   # {"transaction": 21000, "call_data": 9548, "storage read": 4200, …}
"""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import Any, Final

from eth.abc import ComputationAPI
from eth.vm.forks.prague.computation import PragueComputation

_GROUPS: Final = {
    "SLOAD": "storage read",
    "SSTORE": "storage written",
    "KECCAK256": "hashes",
    "SHA3": "hashes",
    **{f"LOG{topics}": "logs" for topics in range(5)},
}
_OTHERS: Final = "all else"
_TRANSACTION: Final = 21_000
_CALL_DATA: Final = {True: 16, False: 4}  # gas of a byte that is not zero, and of one that is


class _Metered:
    """An instruction that says what it cost."""

    def __init__(self, inner: Any, counts: Counter[str]) -> None:
        self._inner, self._counts = inner, counts
        self.mnemonic = getattr(inner, "mnemonic", "")  # some are plain functions
        self.gas_cost = getattr(inner, "gas_cost", 0)

    def __call__(self, computation: ComputationAPI) -> None:
        metered: Any = computation
        before, called = metered._gas_meter.gas_remaining, self._counts["called"]
        try:
            self._inner(computation)
        finally:
            spent = before - metered._gas_meter.gas_remaining
            if computation.msg.depth == 0:
                inside = self._counts["called"] - called
                group = _GROUPS.get(self.mnemonic, "calls" if inside else _OTHERS)
                self._counts[group] += spent - inside
            elif computation.msg.depth == 1:
                self._counts["called"] += spent


class Account:
    """Counts gas by what it went into while it is open."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._before: Any = None

    def __enter__(self) -> Account:
        self._before = PragueComputation.opcodes
        metered = {code: _Metered(inner, self._counts) for code, inner in self._before.items()}
        vars_of: Any = PragueComputation
        vars_of.opcodes = metered
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        vars_of: Any = PragueComputation
        vars_of.opcodes = self._before

    def groups(self, data: bytes) -> dict[str, int]:
        """Return the gas of each group of one transaction with this call data."""
        call_data = sum(_CALL_DATA[bool(byte)] for byte in data)
        return {"transaction": _TRANSACTION, "call data": call_data, **dict(sorted(self._counts.items()))}
