"""The tree as one would write it down: a list of hashes by pycryptodome, and a dictionary from account to leaf.

Usage: `python run_plain.py CLAIMS.ndjson EVERY` prints one line of JSON. It imports nothing of Windrow.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

from Crypto.Hash import keccak


def hashed(data: bytes) -> bytes:
    """Return Keccak-256."""
    return keccak.new(digest_bits=256, data=data).digest()


def leaf(account: str, amount: str) -> bytes:
    """Return the hash of the hash of the encoded claim."""
    return hashed(hashed(bytes.fromhex(account[2:]).rjust(32, b"\0") + int(amount).to_bytes(32, "big")))


with Path(sys.argv[1]).open() as lines:
    claims = [json.loads(line) for line in lines]
begun_s = time.process_time()
leaves = sorted((leaf(account, amount), account) for account, amount in claims)
nodes = [b""] * (len(leaves) - 1) + [digest for digest, _ in reversed(leaves)]
for index in reversed(range(len(leaves) - 1)):
    nodes[index] = hashed(b"".join(sorted(nodes[2 * index + 1 : 2 * index + 3])))
places = {account: len(nodes) - 1 - i for i, (_, account) in enumerate(leaves)}
built_s = time.process_time()
steps = 0
for account, _ in claims[:: int(sys.argv[2])]:
    place, proof = places[account], []
    while place:
        proof.append("0x" + nodes[place + 1 if place % 2 else place - 1].hex())
        place = (place - 1) // 2
    steps += len(proof)
proven_s = time.process_time()
facts = {
    "version": version("pycryptodome"),
    "root": "0x" + nodes[0].hex(),
    "steps": steps,
    "tree_s": built_s - begun_s,
    "proofs_s": proven_s - built_s,
    "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}
print(json.dumps(facts))
