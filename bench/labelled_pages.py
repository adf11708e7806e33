"""Labelled pages in one file: what `bench/extract.py` measures on, and how such a file is made from folders of sets.

Columns of PAGES.parquet, one row a page; a text or list that a set does not have is null or empty:

    set             string        name of the set; figures are per set
    id              string        unique within its set
    url             string        where the page was, null where not known
    html            binary        the page's bytes as fetched
    expected_text   string        the main text a person (or a reviewed program) marked
    must_have       list<string>  snippets that belong to the main text
    must_not_have   list<string>  snippets that do not
    page_type       string        article, forum, product, listing, collection, service, documentation or null
    needs_browser   bool          whether only a browser shows the text, null where not known

Usage: `python bench/labelled_pages.py FOLDER OUT.parquet` joins every `FOLDER/html_*/pages.parquet`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

STRINGS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        ("set", pa.string()),
        ("id", pa.string()),
        ("url", pa.string()),
        ("html", pa.binary()),
        ("expected_text", pa.string()),
        ("must_have", STRINGS),
        ("must_not_have", STRINGS),
        ("page_type", pa.string()),
        ("needs_browser", pa.bool_()),
    ]
)


def pages_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a joined file, of one set's `pages.parquet`, or of the folder that holds one.

    Raises OSError where there is none.
    """
    file = path / "pages.parquet" if path.is_dir() else path
    rows = pq.read_table(file).to_pylist()
    for row in rows:
        if "set" not in row:
            row["set"] = file.parent.name.removeprefix("html_")
            row["needs_browser"] = json.loads(row.get("extra") or "{}").get("spa")
    return [{name: row.get(name) for name in SCHEMA.names} for row in rows]


def join(folder: Path, out: Path) -> int:
    """Write all sets under a folder into one file and return the number of pages."""
    rows = [row for found in sorted(folder.glob("html_*")) for row in pages_of(found)]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), out, compression="zstd")
    return len(rows)


if __name__ == "__main__":
    print(json.dumps({"pages": join(Path(sys.argv[1]), Path(sys.argv[2]))}))
