"""An export loads in what AI developers use straight from its download URLs, by ranges, without a copy of ours between.

Each program runs as a stranger's: in another folder, with nothing of Windrow on its path. DuckDB's own reader of URLs
is an extension that it downloads; here it asks an Arrow dataset of the same URLs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from market_world import Bought, Market

from marketplace.delivery import Delivery
from storage.tables.contributions import sales

LOADERS = {
    "datasets": "import datasets\n"
    "read = lambda streaming: list(datasets.load_dataset('parquet', data_files={'train': URLS}, split='train', "
    "streaming=streaming))\n"
    "rows = read(True)\n"
    "assert rows == read(False)\n",
    "duckdb": "import duckdb, fsspec, pyarrow.dataset\n"
    "shards = pyarrow.dataset.dataset(URLS, filesystem=fsspec.filesystem('http'), format='parquet')\n"
    "rows = duckdb.sql('SELECT id, token_count FROM shards').df().to_dict('records')\n",
    "pandas": "import pandas\n"
    "rows = pandas.concat(pandas.read_parquet(url) for url in URLS).to_dict('records')\n",
    "polars": "import polars\nrows = polars.scan_parquet(URLS).select('id', 'token_count').collect().to_dicts()\n",
    "pyarrow": "import fsspec, pyarrow.dataset\n"
    "rows = pyarrow.dataset.dataset(URLS, filesystem=fsspec.filesystem('http'), format='parquet')"
    ".to_table(columns=['id', 'token_count']).to_pylist()\n",
}


@pytest.fixture(scope="module")
def base(market: Market, bought: Bought) -> str:
    """The folder of a download as a buyer is told it."""
    with market.house.state.read() as connection:
        wanted = sa.select(sales).where(sales.c.sale_id == bought.receipt.sale_id)
        sale = connection.execute(wanted).one()
    return f"{market.url}/market/download/{Delivery(market.house).ticket(sale).token}/"


@pytest.mark.parametrize("loader", LOADERS)
def test_a_shard_is_read_from_its_url(market: Market, base: str, tmp_path: Path, loader: str) -> None:
    shards = sorted((market.export.path / "data").iterdir()) if market.export.path else []
    told = f"BASE = {base!r}\nURLS = {[f'{base}data/{shard.name}' for shard in shards]!r}\n"
    last = "import json; tokens = {row['id']: row['token_count'] for row in rows}\n"
    last += "print(json.dumps([len(rows), len(tokens), sum(tokens.values())]), flush=True)\n"
    last += "import os; os._exit(0)"  # pyarrow's threads and fsspec's may abort an interpreter that ends by itself
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hf")}  # no hub is there
    done = subprocess.run(
        [sys.executable, "-c", told + LOADERS[loader] + last],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    export = market.export
    assert json.loads(done.stdout.splitlines()[-1]) == [export.rows, export.rows, export.tokens]
