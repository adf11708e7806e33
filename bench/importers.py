"""Reading exports that do not fit into memory: speed and memory, beside the parts that each reader is made of.

Usage: `python bench/importers.py [--megabytes N]` writes exports of that size into a temporary folder and prints one
JSON line for each. Each is read in a process of its own.

    mb_per_cpu_s     megabytes of the export, unpacked, for each processor second, imports not counted
    rss_growth_mb    by how much the process' memory grew at its peak while reading
    peer             the least that could be done: `ijson.items` building each record, `html.parser` over the page,
                     `SELECT` of all rows, or splitting lines; `ratio` is our speed to the peer's

Does not: read real people's exports.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

_CELL: Final = (
    '<div class="outer-cell mdl-cell"><div class="mdl-grid"><div class="header-cell"><p class="mdl-typography--title">'
    'Search<br></p></div><div class="content-cell mdl-typography--body-1">Searched for <a href="https://www.google.com/'
    'search?q=bread+{i}">bread {i}</a><br>Feb 8, 2017, 12:{m:02}:36 AM UTC</div></div></div>\n'
)


def _json(path: Path, size: int) -> None:
    row: dict[str, object] = {
        "header": "Search",
        "title": "Searched for bread",
        "titleUrl": "https://www.google.com/search?q=bread",
    }
    row |= {
        "time": "2020-01-02T03:04:05.123Z",
        "products": ["Search"],
        "activityControls": ["Web & App Activity"],
    }
    _repeated(
        path, lambda i: json.dumps(row | {"title": f"Searched for bread {i}"}) + ",\n", size, "[", "{}]"
    )


def _html(path: Path, size: int) -> None:
    _repeated(path, lambda i: _CELL.format(i=i, m=i % 60), size, "<html><body>", "</body></html>")


def _chat(path: Path, size: int) -> None:
    _repeated(
        path, lambda i: f"[2024-01-{i % 28 + 1:02}, 12:00:01] Ana: bread, number {i}, and butter\n", size
    )


def _repeated(path: Path, made: Callable[[int], str], size: int, head: str = "", tail: str = "") -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        i = 0
        while file.tell() < size:
            file.write("".join(made(i + k) for k in range(1_000)))
            i += 1_000
        file.write(tail)


def _database(path: Path, size: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT, title TEXT)")
    connection.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, url INTEGER, visit_time INTEGER)")
    rows = size // 110
    at = 13_222_310_400_000_000
    connection.executemany(
        "INSERT INTO urls VALUES (?, ?, ?)",
        ((i, f"https://bread.example/recipes/{i}?page={i % 9}", f"Bread, number {i}") for i in range(rows)),
    )
    connection.executemany(
        "INSERT INTO visits VALUES (?, ?, ?)", ((i, i, at + i * 10**6) for i in range(rows))
    )
    connection.commit()
    connection.close()


def _zipped(path: Path, size: int) -> None:
    inner = path.with_suffix(".json")
    _json(inner, size)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(inner, "Takeout/My Activity/Search/MyActivity.json")
    inner.unlink()


def _peer_json(path: Path) -> int:
    import ijson

    with path.open("rb") as file:
        return sum(1 for _ in ijson.items(file, "item"))


def _peer_zip(path: Path) -> int:
    import ijson

    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        return sum(1 for _ in ijson.items(file, "item"))


def _peer_html(path: Path) -> int:
    parser = HTMLParser()
    with path.open(encoding="utf-8") as file:
        while piece := file.read(65_536):
            parser.feed(piece)
    return 0


def _peer_database(path: Path) -> int:
    query = "SELECT url.url, title, visit_time FROM visits LEFT JOIN urls url ON url.id = visits.url"
    return sum(1 for _ in sqlite3.connect(path).execute(query))


def _peer_chat(path: Path) -> int:
    with path.open(encoding="utf-8") as file:
        return sum(1 for line in file if line.split("] ", 1))


CASES: Final[dict[str, tuple[str, str, Callable[[Path, int], None], Callable[[Path], int]]]] = {
    "takeout_json": ("google_takeout", "MyActivity.json", _json, _peer_json),
    "takeout_zip": ("google_takeout", "takeout.zip", _zipped, _peer_zip),
    "takeout_html": ("google_takeout", "MyActivity.html", _html, _peer_html),
    "browser_database": ("browser_history", "History", _database, _peer_database),
    "whatsapp": ("whatsapp", "_chat.txt", _chat, _peer_chat),
}


def measure(case: str, who: str, path: Path) -> dict[str, float]:
    """Read one export in this process and return items, processor seconds and growth of memory."""
    from extension_bridge.importers.registry import importer_named

    source, _, _, peer = CASES[case]
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun_s = time.process_time()
    items = sum(1 for _ in importer_named(source).reads(path)) if who == "windrow" else peer(path)
    cpu_s = time.process_time() - begun_s
    growth_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    return {"items": items, "cpu_s": cpu_s, "rss_growth_mb": round(growth_kb / 1_024, 1)}


def _apart(case: str, who: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", case, who, str(path)]
    answer: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return answer


def main() -> int:
    """Measure every case; 0 when all were read whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--one", nargs=3, metavar=("CASE", "WHO", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        case, who, name = options.one
        print(json.dumps(measure(case, who, Path(name))))
        return 0
    for case, (_, name, make, _) in CASES.items():
        with tempfile.TemporaryDirectory(prefix="windrow-bench-") as folder:
            path = Path(folder) / name
            make(path, options.megabytes * 1_000_000)
            ours, peers = _apart(case, "windrow", path), _apart(case, "peer", path)
            print(json.dumps(_line(case, options.megabytes, path.stat().st_size, ours, peers)), flush=True)
    return 0


def _line(
    case: str, megabytes: int, size: int, ours: dict[str, float], peers: dict[str, float]
) -> dict[str, object]:
    return {
        "bench": "importers",
        "case": case,
        "file_mb": round(size / 1e6, 1),
        "items": ours["items"],
        "mb_per_cpu_s": round(megabytes / ours["cpu_s"], 1),
        "items_per_cpu_s": round(ours["items"] / ours["cpu_s"]),
        "rss_growth_mb": ours["rss_growth_mb"],
        "peer_mb_per_cpu_s": round(megabytes / peers["cpu_s"], 1),
        "peer_rss_growth_mb": peers["rss_growth_mb"],
        "ratio": round(peers["cpu_s"] / ours["cpu_s"], 3),
    }


if __name__ == "__main__":
    sys.exit(main())
