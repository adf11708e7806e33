"""A cap on bytes a second that holds over any stretch of time, up to the chunk that is under way.

Rules: whoever has moved a chunk waits until the line would have carried it at the capped speed, behind all before it.

Does not: sleep, or read a clock. Usage: `await asyncio.sleep(cap.wait_s(len(chunk), now_s))`.
"""

from __future__ import annotations


class SpeedCap:
    """One direction of the line; `bytes_s_max` of 0 is no cap, and may be changed at any time."""

    def __init__(self, bytes_s_max: int = 0) -> None:
        self.bytes_s_max = bytes_s_max
        self._free_s = float("-inf")

    def wait_s(self, bytes_n: int, now_s: float) -> float:
        """Count a chunk and return for how many seconds its mover must wait before the next one."""
        if not self.bytes_s_max:
            return 0.0
        self._free_s = max(self._free_s, now_s) + bytes_n / self.bytes_s_max
        return self._free_s - now_s
