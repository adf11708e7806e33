"""What an operator can have done with the lake, and its compaction in the background.

Rules: `merging` is held by whatever rewrites files, one portion at a time, so that nothing waits for the whole of it.

Does not: write what the pipeline adds, or erase. Usage: `await LakeOperations(house, lake).check()`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aggregator.curation import VERSION
from aggregator.curation.host_lists import FOLDER, HostLists
from aggregator.curation.recompute import Recompute
from aggregator.dedup.whole_lake import duplicates_again
from aggregator.sql.sealing import BlockSealer
from storage.house import House
from storage.lake import Lake
from storage.lake.checking import checked, lake_stats
from storage.lake.compaction import Compaction


class LakeOperations:
    """The operations over one lake."""

    def __init__(self, house: House, lake: Lake) -> None:
        self._house, self._lake = house, lake
        self._compaction = Compaction(house.state, lake)
        self._sealer = BlockSealer(house)
        self.merging = asyncio.Lock()

    async def check(self) -> dict[str, Any]:
        """Read the whole lake and say what is not as its manifest says."""
        return await asyncio.to_thread(checked, self._house.state, self._lake)

    async def stats(self) -> dict[str, Any]:
        """Count the lake."""
        with self._house.state.read() as connection:
            return lake_stats(connection)

    async def compact(self, everything: bool = False) -> dict[str, Any]:
        """Merge the files that are worth it now, or all that fit together, and forget old snapshots."""
        before = await self.stats()
        while await self.merge(everything):
            pass
        return {"files_before": before["files"], **await self.stats()}

    async def annotate(self, everything: bool = False) -> dict[str, Any]:
        """Judge the documents again that another version of curation judged, or all of them."""
        lists = await asyncio.to_thread(HostLists, self._house.home / FOLDER)
        recompute = Recompute(
            self._house.state, self._lake, lists, everything=everything, runner=self._house.runner
        )
        while await self._annotated(recompute):
            pass
        return {"rows": recompute.rows, "version": VERSION, **await self.stats()}

    async def duplicates(self, file: str = "") -> dict[str, Any]:
        """Judge the duplicates of the whole lake again, beside what was judged; into a file where one is named."""
        out = Path(file) if file else None
        return await asyncio.to_thread(duplicates_again, self._house, self._lake, out)

    async def merge(self, everything: bool = False) -> int:
        """Do one portion of compaction, of the lake, segments and blocks for questions; runs beside everything else."""
        async with self.merging:
            done = await asyncio.to_thread(self._compaction.step, everything)
            done += await asyncio.to_thread(self._sealer.step)
        segments = self._house.home / "segments"
        return done or await asyncio.to_thread(self._house.env.disk.tidy, segments)

    def stop_merging(self) -> None:
        """Give up the merge under way, which may have a text in its unfinished file; `merging` is held."""
        self._compaction.stop()

    async def _annotated(self, recompute: Recompute) -> int:
        async with self.merging:
            return await asyncio.to_thread(recompute.step)
