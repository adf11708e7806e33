"""Reads an answer of the operator's console into Arrow: `WINDROW_TOKEN=… python notebook.py "SELECT …" [URL]`."""

import json
import os
import sys
import urllib.request

import pyarrow as pa

url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8420"
headers = {"Authorization": f"Bearer {os.environ['WINDROW_TOKEN']}", "Content-Type": "application/json"}
question = json.dumps({"statement": sys.argv[1]}).encode()
with urllib.request.urlopen(urllib.request.Request(f"{url}/console/arrow", question, headers)) as answer:
    table = pa.ipc.open_stream(answer).read_all()
print(table.schema, *table.to_pylist()[:20], sep="\n")
