"""A cheat: a node that asks for leases and answers each with invented text, without fetching anything.

It exists so that the network can be seen to pay nothing for it, and to show that docs/protocol.md is enough to write
a node: it uses no code of Windrow's, only joserfc, cryptography, aiohttp and zstandard. It does what a lazy cheat with
a language generator would do: every page gets fluent, plausible, different text about the words of its address.

Rules: nothing but the coordinator is ever contacted; what is invented follows from the seed and the URL alone.

Does not: guess what pages say, copy other nodes, or hide: those are other cheats.

Usage::

    python cheat_node.py --coordinator http://127.0.0.1:8420 --home ~/cheat --payout 0x... --leases 40
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import secrets
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

ALGORITHM = "Ed25519"
REQUEST_LIFE_MS = 120_000
BATCH_LEASES = 25
PATIENCE_S = 60.0
WAIT_S = 1.0

OPENERS = (
    "In today's fast-moving landscape, {topic} plays a pivotal role for {people}.",
    "When it comes to {topic}, few things matter more than {quality}.",
    "Understanding {topic} is essential for {people} who value {quality}.",
    "{Topic} has quietly become a cornerstone of {field}.",
)
SENTENCES = (
    "By leveraging {topic}, {people} can achieve {quality} without sacrificing {quality2}.",
    "It is important to note that {topic} is not merely about {quality}; it is also about {quality2}.",
    "Many {people} begin with {other} and only later discover how {topic} fits into {field}.",
    "A common misconception is that {other} replaces {topic}, when in fact the two complement each other.",
    "Best practice suggests that {people} review {topic} at least {number} times before relying on {other}.",
    "Recent work in {field} reports improvements of around {number} percent in {quality}.",
    "This approach fosters {quality} and empowers {people} to focus on what truly matters.",
    "At its heart, {topic} rests on {number} principles, of which {quality} is the most widely cited.",
    "Consider, for example, a team of {people} that adopted {topic} to improve {quality2}.",
    "Whether you are new to {field} or a seasoned professional, {other} offers a gentle way in.",
)
CLOSERS = (
    "In conclusion, {topic} remains a powerful ally for {people} seeking {quality}.",
    "Ultimately, the journey towards {quality} starts with a clear view of {topic}.",
    "As {field} continues to evolve, {topic} will only grow in importance.",
)
PEOPLE = ("developers", "researchers", "practitioners", "editors", "data teams", "maintainers", "engineers")
QUALITIES = (
    "clarity",
    "reliability",
    "performance",
    "maintainability",
    "transparency",
    "consistency",
    "resilience",
)
FIELDS = (
    "modern software",
    "technical writing",
    "data engineering",
    "open source",
    "systems design",
    "research",
)


class CheatError(Exception):
    """What ends the program: one sentence."""


def invented_text(url: str, seed: int) -> tuple[str, str]:
    """Return a title and a text, in the protocol's normal form, for a page that nobody has read."""
    dice = random.Random(hashlib.sha256(f"{seed} {url}".encode()).digest())
    parts = urlsplit(url)
    topics = re.findall(r"[a-z]{2,}", unquote(f"{parts.path} {parts.query}").lower()) or ["the web"]
    paragraphs = [" ".join(_sentences(dice, topics, dice.randint(3, 6))) for _ in range(dice.randint(3, 6))]
    paragraphs[0] = _filled(dice, dice.choice(OPENERS), topics) + " " + paragraphs[0]
    paragraphs[-1] += " " + _filled(dice, dice.choice(CLOSERS), topics)
    title = f"{' '.join(dict.fromkeys(topics))[:60].strip().title()}: A Complete Guide"
    return title, "\n\n".join([title, *paragraphs])


def _sentences(dice: random.Random, topics: list[str], count: int) -> list[str]:
    return [_filled(dice, pattern, topics) for pattern in dice.sample(SENTENCES, count)]


def _filled(dice: random.Random, pattern: str, topics: list[str]) -> str:
    quality, quality2 = dice.sample(QUALITIES, 2)
    topic = dice.choice(topics)
    return pattern.format(
        topic=topic,
        Topic=topic.capitalize(),
        other=dice.choice([*topics, "documentation", "testing", "automation"]),
        people=dice.choice(PEOPLE),
        field=dice.choice(FIELDS),
        quality=quality,
        quality2=quality2,
        number=dice.randint(3, 87),
    )


def load_or_make_key(home: Path) -> Ed25519PrivateKey:
    """Return the node's key, kept as the 64 hex digits of its seed in a file that only its owner can read."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "node.key"
    if path.exists():
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))
    key = Ed25519PrivateKey.generate()
    raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(raw.hex() + "\n")
    return key


class Coordinator:
    """The coordinator's public doors, as docs/protocol.md describes them."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: Ed25519PrivateKey) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._key = key
        self.node_id = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        self.network = ""
        self._coordinator_id = ""

    async def meet(self, network: str | None) -> None:
        """Learn the network's name and the coordinator's key."""
        facts = await self._answered("GET", "/v1/network")
        self.network, self._coordinator_id = facts["network"], facts["coordinator_id"]
        if network is not None and network != self.network:
            raise CheatError(f"the coordinator serves network '{self.network}', not '{network}'")

    async def register(self, payout_address: str) -> None:
        """Say where pay should go."""
        await self.ask("/v1/nodes", "register", _json({"payout_address": payout_address, "agent": "cheat/1"}))

    async def leases(self, count: int) -> list[dict[str, Any]]:
        """Return up to `count` leases, checked against the coordinator's key."""
        wish = _json({"count": count, "render": ["http", "browser"]})
        answer = await self.ask("/v1/leases", "lease_request", wish)
        return [self._opened(token, "lease") for token in answer["leases"]]

    async def submit(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Submit one batch and return the answer to each record."""
        packed = zstandard.ZstdCompressor().compress(b"\n".join(_json(record) for record in records))
        return list((await self.ask("/v1/submissions", "submit", packed))["results"])

    async def ask(self, path: str, purpose: str, body: bytes) -> dict[str, Any]:
        """Make one signed request, again after a while when the coordinator says that it is busy."""
        return await self._answered("POST", path, body, purpose)

    def _signed(self, purpose: str, body: bytes) -> str:
        now_ms = time.time_ns() // 1_000_000
        statement = {
            "network": self.network,
            "purpose": purpose,
            "subject": self.node_id,
            "issued_at_ms": now_ms,
            "expires_at_ms": now_ms + REQUEST_LIFE_MS,
            "nonce": secrets.token_hex(16),
            "content_sha256": hashlib.sha256(body).hexdigest(),
        }
        header = {"alg": ALGORITHM, "kid": self.node_id, "typ": "windrow+jws"}
        return jws.serialize_compact(
            header, _json(statement), OKPKey.import_key(self._key), algorithms=[ALGORITHM]
        )

    def _opened(self, token: str, purpose: str) -> dict[str, Any]:
        key = OKPKey.import_key(Ed25519PublicKey.from_public_bytes(bytes.fromhex(self._coordinator_id)))
        try:
            statement = json.loads(jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload)
        except JoseError as error:
            raise CheatError(f"the coordinator's {purpose} is not signed by its key") from error
        if (statement["network"], statement["purpose"], statement["subject"]) != (
            self.network,
            purpose,
            self.node_id,
        ):
            raise CheatError(f"the coordinator's {purpose} was made for somebody else")
        return dict(statement["content"])

    async def _answered(self, method: str, path: str, body: bytes = b"", purpose: str = "") -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            headers = {"Windrow-Signature": self._signed(purpose, body)} if purpose else {}
            try:
                async with self._session.request(
                    method, self._url + path, data=body or None, headers=headers
                ) as answer:
                    said = await answer.json(content_type=None)
                    status, wait_s = answer.status, float(answer.headers.get("Retry-After", WAIT_S))
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                status, wait_s, said = 0, WAIT_S, {"sentence": f"no answer from {self._url}: {error}"}
            if status == 200:
                return dict(said)
            if status not in (0, 429, 503) or time.monotonic() + wait_s > deadline:
                raise CheatError(f"{path}: {said.get('sentence')} ({said.get('detail') or status})")
            await asyncio.sleep(wait_s)


def contribution(lease: dict[str, Any], node_id: str, seed: int) -> dict[str, Any]:
    """Return an answer to a lease that looks like a fetched page."""
    title, text = invented_text(lease["url"], seed)
    digest = hashlib.sha256(f"windrow/contribution/{lease['lease_id']}/{node_id}".encode()).hexdigest()
    return {
        "kind": "contribution",
        "contribution_id": "c" + digest[:31],
        "lease_id": lease["lease_id"],
        "url": lease["url"],
        "final_url": lease["url"],
        "http_status": 200,
        "content_type": "text/html; charset=utf-8",
        "fetched_at_ms": time.time_ns() // 1_000_000,
        "robots_state": "allowed",
        "optout_signals": [],
        "raw_sha256": hashlib.sha256(f"<html>{text}</html>".encode()).hexdigest(),
        "text": text,
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "title": title,
        "extractor_version": "cheat/1",
        "bytes_wire": len(text) * 3,
    }


async def cheat(options: argparse.Namespace) -> dict[str, Any]:
    """Register, then answer leases until `--leases` are answered or no more come; return the sums."""
    key = load_or_make_key(options.home)
    source = (options.source_address, 0) if options.source_address else None
    connector = aiohttp.TCPConnector(local_addr=source)
    timeout = aiohttp.ClientTimeout(total=30)
    submitted, refused = 0, 0
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        coordinator = Coordinator(session, options.coordinator, key)
        await coordinator.meet(options.network)
        await coordinator.register(options.payout)
        deadline = time.monotonic() + PATIENCE_S
        while submitted + refused < options.leases and time.monotonic() < deadline:
            leases = await coordinator.leases(min(BATCH_LEASES, options.leases - submitted - refused))
            if not leases:
                await asyncio.sleep(WAIT_S)
                continue
            results = await coordinator.submit(
                [contribution(lease, coordinator.node_id, options.seed) for lease in leases]
            )
            accepted = sum(1 for result in results if result["ok"])
            submitted, refused = submitted + accepted, refused + len(results) - accepted
            print(f"answered {submitted} leases with invented text", file=sys.stderr, flush=True)
            deadline = time.monotonic() + PATIENCE_S
    return {"node_id": coordinator.node_id, "submitted": submitted, "refused": refused}


def main(arguments: list[str] | None = None) -> int:
    """Run the cheat; the last line on standard output is a JSON object with its sums."""
    parser = argparse.ArgumentParser(
        description="A node that invents its pages, to see that it earns nothing."
    )
    parser.add_argument("--coordinator", required=True, help="base URL of the coordinator")
    parser.add_argument("--home", type=Path, required=True, help="folder for the node's key")
    parser.add_argument("--payout", required=True, help="0x address that should be paid")
    parser.add_argument("--leases", type=int, default=40, help="how many leases to answer")
    parser.add_argument("--source-address", help="address of this machine to connect from")
    parser.add_argument("--network", help="refuse any other network than this one")
    parser.add_argument("--seed", type=int, default=0, help="another seed invents other texts")
    try:
        print(json.dumps(asyncio.run(cheat(parser.parse_args(arguments)))))
    except (CheatError, OSError, ValueError) as error:
        print(f"cheat: {error}", file=sys.stderr)
        return 1
    return 0


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


if __name__ == "__main__":
    sys.exit(main())
