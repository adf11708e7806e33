"""An export loads the first time in what AI developers use, from a directory and without the network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as pads
import pytest
from published_world import RECIPES, open_world

from aggregator.publish import Export, publish


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    return publish(open_world(tmp_path_factory.mktemp("home")).house, RECIPES, "web_text")


def run_offline(program: str, export: Export, cache: Path) -> str:
    """Run a program as a stranger would: another folder, no network for hub libraries, nothing of ours on the path."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(cache / "hf"),
        "CROISSANT_CACHE": str(cache / "croissant"),
        "EXPORT": str(export.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=cache,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


def test_duckdb(export: Export) -> None:
    counted = duckdb.execute(
        f"SELECT count(*), count(DISTINCT id), min(fetched_at) > '2020-01-01' FROM '{export.path}/data/*.parquet'"
    ).fetchone()
    assert counted == (export.rows, export.rows, True)


def test_pandas(export: Export) -> None:
    frame = pd.read_parquet(f"{export.path}/data")
    assert (len(frame), int(frame["token_count"].sum())) == (export.rows, export.tokens)
    assert str(frame["fetched_at"].dt.tz) == "UTC"


def test_polars(export: Export) -> None:
    frame = pl.read_parquet(f"{export.path}/data/*.parquet")
    assert (frame.height, frame["token_count"].sum()) == (export.rows, export.tokens)


def test_pyarrow(export: Export) -> None:
    assert pads.dataset(f"{export.path}/data", format="parquet").count_rows() == export.rows


def test_hugging_face_datasets_whole_and_streaming(export: Export, tmp_path: Path) -> None:
    # The stream is read to its end: pyarrow may abort an interpreter that exits with a fragment half read
    # (huggingface/datasets#7566), which is not a fault of the export.
    program = (
        "import os, datasets\n"
        "rows = datasets.load_dataset(os.environ['EXPORT'], split='train')\n"
        "streamed = list(datasets.load_dataset(os.environ['EXPORT'], split='train', streaming=True))\n"
        "assert [(row['id'], row['text']) for row in streamed] == [(row['id'], row['text']) for row in rows]\n"
        "assert rows.features['optout_signals'] == datasets.List(datasets.Value('string'))\n"
        "print(len(rows), sum(rows['token_count']))\n"
    )
    assert run_offline(program, export, tmp_path) == f"{export.rows} {export.tokens}"


def test_croissant_validates_and_loads(export: Export, tmp_path: Path) -> None:
    program = (
        "import os, mlcroissant\n"
        "data = mlcroissant.Dataset(jsonld=os.environ['EXPORT'] + '/croissant.json')\n"
        "issues = data.metadata.ctx.issues\n"
        "assert not issues.errors and not issues.warnings, (issues.errors, issues.warnings)\n"
        "rows = list(data.records('rows'))\n"
        "assert isinstance(rows[0]['rows/text'], bytes) and rows[0]['rows/optout_signals'] == []\n"
        "print(len(rows), sum(row['rows/token_count'] for row in rows))\n"
    )
    assert run_offline(program, export, tmp_path) == f"{export.rows} {export.tokens}"
