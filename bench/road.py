"""The whole road on one core: from a signed submission to a row that `windrow sql` shows, and what each stage takes.

Usage: `python bench/road.py [--documents 10000] [--price 0.04] [--docs DOCS.parquet] [--plot FILE.svg]` prints one JSON
line. `--price` is that of a core-hour, in any currency. DOCS has a column `text`; without it documents are those of
`ingest_load/pages.py`.

Batches of 50 go through the house's own door, are settled without an audit (audits are off: nothing waits for a
validator), judged against everything before, curated, committed to the lake and compacted; at the end SQL counts them.
All of it in this process, one stage after the other, so that its processor time is each stage's own. What HTTP costs
besides says `bench/ingest.py`.

    docs_per_core_s       documents a processor second, all stages together
    cost_per_million      of documents, at that price
    us_of, share_of       a document's processor time by stage, in microseconds and as a share of the whole
    bytes_of              what a document takes on the disk, in each part of the home
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]  # and not this folder, whose names are not packages

from aggregator import judgement  # noqa: E402
from aggregator.curation import Fetched, annotate_all  # noqa: E402
from aggregator.dedup import HouseIndex, warm_up  # noqa: E402
from aggregator.ingest import Ingest  # noqa: E402
from aggregator.personal import Personal  # noqa: E402
from aggregator.pipeline import Pipeline  # noqa: E402
from aggregator.routes import Doors  # noqa: E402
from aggregator.sql.sealing import BlockSealer  # noqa: E402
from bench.ingest_load import people  # noqa: E402
from bench.ingest_load.homes import Case, fill  # noqa: E402
from bench.ingest_load.pages import Pages, TextsOfAFile  # noqa: E402
from storage.env import Request  # noqa: E402
from storage.lake import Lake  # noqa: E402
from storage.lake.compaction import Compaction  # noqa: E402
from windrow.home import OpenHome, open_home  # noqa: E402
from windrow.questions import Question, ask  # noqa: E402
from windrow.settings import HouseSettings  # noqa: E402
from windrow_protocol.signing import SIGNATURE_HEADER, sign_request  # noqa: E402

BATCH, NODES, TOGETHER = 50, 64, 16
SECONDS_PER_HOUR = 3_600
NO_AUDITS = 'off = ["audits"]\n'


class Stages:
    """Processor seconds by stage; a stage within another is not counted in the outer one."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner_s = [0.0]

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same work with its time counted under a name."""

        def counted(*given: Any, **named: Any) -> Any:
            begun_s = time.process_time()
            self._inner_s.append(0.0)
            try:
                return work(*given, **named)
            finally:
                used_s = time.process_time() - begun_s
                self.seconds[name] += used_s - self._inner_s.pop()
                self._inner_s[-1] += used_s

        return counted

    def watch(self, place: Any, **names: str) -> None:
        """Count the time of functions of a module or a class under the names of their stages."""
        for attribute, name in names.items():
            setattr(place, attribute, self.timed(name, getattr(place, attribute)))


def requests_of(case: Case, pages: Pages | TextsOfAFile) -> Iterable[Request]:
    """Yield signed batches, made while nothing is measured."""
    now_ms = time.time_ns() // 1_000_000
    for batch in range(case.batches):
        key = people.node_key(case.node_of(batch))
        body = people.batch_of(pages, key, case.batch_range(batch), now_ms)
        signed = {"network": people.NETWORK, "purpose": "submit", "nonce": f"n{batch}", "now_ms": now_ms}
        token = sign_request(key, body=body, **signed)  # type: ignore[arg-type]
        yield Request("POST", "/v1/submissions", body, headers={SIGNATURE_HEADER: token}, peer="127.0.0.1")


async def submit(doors: Doors, requests: list[Request]) -> None:
    """Send batches as they come from many nodes at once."""
    for answer in await asyncio.gather(*(doors.submissions(request) for request in requests)):
        assert answer.body.count(b'"ok":true') == BATCH


def travel(home: OpenHome, requests: list[Request], stages: Stages) -> None:
    """Take all documents down the road."""
    doors = Doors(home.house, Ingest(home.house, home.contributions), Personal(home.house, home.personal))
    pipeline = Pipeline(home.house, home.contributions, home.lake)
    compaction = Compaction(home.house.state, home.lake)
    accept = stages.timed("ingest", lambda some: asyncio.run(submit(doors, some)))
    verify = stages.timed("verification", pipeline.verify)
    judge = stages.timed("judgement rows", pipeline._judgement.judge)
    compact = stages.timed("compaction", lambda: compaction.step(everything=False))
    seal = stages.timed("blocks for SQL", BlockSealer(home.house).step)
    for first in range(0, len(requests), TOGETHER):
        accept(requests[first : first + TOGETHER])
        while verify() + judge():
            pass
        while compact() + seal():
            pass


def bytes_in(home: Path) -> dict[str, int]:
    """Return what a home's parts take on the disk."""
    files = [path for path in home.rglob("*") if path.is_file()]
    parts = {path: "state" if path.parent == home else path.relative_to(home).parts[0] for path in files}
    return {
        part: sum(path.stat().st_size for path in files if parts[path] == part)
        for part in ("segments", "lake", "views", "dedup", "state")
    }


def told(stages: Stages, documents: int, price: float, sizes: dict[str, int]) -> dict[str, Any]:
    """Return the line."""
    whole_s = sum(stages.seconds.values())
    ordered = sorted(stages.seconds.items(), key=lambda stage: -stage[1])
    return {
        "bench": "road",
        "documents": documents,
        "docs_per_core_s": round(documents / whole_s, 1),
        "price_per_core_hour": price,
        "cost_per_million": round(1e6 / documents * whole_s / SECONDS_PER_HOUR * price, 4),
        "us_of": {name: round(seconds / documents * 1e6) for name, seconds in ordered},
        "share_of": {name: round(seconds / whole_s, 3) for name, seconds in ordered},
        "bytes_of": {name: round(size / documents) for name, size in sizes.items()},
    }


def draw(row: dict[str, Any], path: Path) -> None:
    """Draw the stages' shares as one bar each."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names, micros = list(row["us_of"]), list(row["us_of"].values())
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(names) + 1.5), layout="constrained")
    bars = axes.barh(names[::-1], micros[::-1], color="#4a7c59")
    shares = [f"{row['share_of'][name]:.1%}" for name in names[::-1]]
    axes.bar_label(bars, labels=shares, padding=3)
    axes.set_xlabel("processor time of a document, microseconds")
    axes.set_title(f"{row['docs_per_core_s']:g} documents a second a core, from submission to SQL")
    axes.margins(x=0.12)
    figure.savefig(path)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--price", type=float, default=0.04, help="of a core-hour")
    parser.add_argument("--docs", type=Path, help="a Parquet file with a column `text`")
    parser.add_argument("--plot", type=Path, help="an SVG or PNG file to write")
    options = parser.parse_args()
    pages = TextsOfAFile(options.docs) if options.docs else Pages()
    stages, case = Stages(), Case(0, options.documents // BATCH, BATCH, NODES)
    with tempfile.TemporaryDirectory(prefix="windrow-road-") as name:
        rules = Path(name) / "rules.toml"
        rules.write_text(NO_AUDITS)
        settings = HouseSettings(home=f"{name}/home", network=people.NETWORK, trust_rules=str(rules))
        fill(settings, [case], NODES)
        warm_up()
        annotate_all([Fetched(pages.text(number), "", "allowed", []) for number in range(BATCH)])
        requests = list(requests_of(case, pages))
        stages.watch(judgement, annotate_all="curation", sketch_all="sketches", read_texts="reading texts")
        stages.watch(judgement, read_pages="boilerplate", mark_boilerplate="boilerplate")
        stages.watch(HouseIndex, judge="novelty", follow="novelty", upkeep="novelty")
        stages.watch(Lake, write="lake", commit="lake")
        with open_home(settings) as home:
            travel(home, requests, stages)
        answer, _ = ask(settings, Question("SELECT count(*) AS n FROM documents"), "json")
        assert str(case.documents) in answer, answer
        row = told(stages, case.documents, options.price, bytes_in(Path(settings.home)))
    print(json.dumps(row), flush=True)
    if options.plot:
        draw(row, options.plot)


if __name__ == "__main__":
    main()
