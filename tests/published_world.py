"""A real house with judged pages in its lake, made through the aggregator's own doors, to publish and sell from."""

from __future__ import annotations

import asyncio
import atexit
import importlib
import inspect
import shutil
import tempfile
from functools import cache
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from real_house import Node, open_house, open_segments
from state_database import copy_home

from aggregator.assignment.frontier import add_urls
from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.pipeline import Pipeline
from aggregator.routes import Doors
from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from rewards.accountant import run_accountant
from storage.env import Env
from storage.lake import Lake
from windrow_protocol.messages import Contribution, Lease, LeaseRequest, Registration
from windrow_protocol.trust_rules import PPM, TrustRules

RECIPES = Path(__file__).resolve().parent.parent / "datasets"
COORDINATOR = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PAYOUTS = ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")
VALIDATOR_PAYOUT = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB"
AT_ONCE = TrustRules(off=("vesting",), probation_documents=0, audit_rate_min_ppm=PPM, audit_rate_max_ppm=PPM)
MAIL = "ana.lopez@cantor-archive.org"
MODULES = [
    *(
        "argparse",
        "asyncio",
        "pprint",
        "calendar",
        "collections",
        "configparser",
        "contextlib",
        "csv",
        "datetime",
    ),
    *(
        "decimal",
        "difflib",
        "fractions",
        "functools",
        "heapq",
        "html",
        "inspect",
        "json",
        "logging",
        "mailbox",
    ),
]

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))


@cache
def manual(module: str) -> str:
    """Return what a module of the standard library says about its members: real English without repetitions."""
    members = vars(importlib.import_module(module))
    said = [(name, inspect.getdoc(member)) for name, member in sorted(members.items()) if name[0] != "_"]
    seen: set[str] = set()
    lines = []
    for name, text in said:
        if text and not text.startswith("str("):
            fresh = [line for line in text.split("\n") if line not in seen or not line]
            seen.update(fresh)
            lines.append(f"About {name}. " + "\n".join(fresh))
    return f"The module {module}.\n\n" + "\n\n".join(lines)[:6_000]


def pages() -> dict[str, str]:
    """Return pages by URL: manuals on three hosts, an exact copy, a near copy, and one with a mail address."""
    texts = {f"http://h{i % 3}.example/{name}.html": manual(name) for i, name in enumerate(MODULES)}
    texts["http://copy.example/json.html"] = manual("json")
    texts["http://copy.example/csv.html"] = manual("csv") + "\nMirrored without any change."
    texts["http://people.example/contact.html"] = (
        f"{manual('zipfile')}\n\nPlease write to {MAIL} with questions."
    )
    texts["http://tiny.example/"] = "A page with hardly any text on it."
    return texts


class PublishedWorld:
    """The house, two contributors and a validator."""

    def __init__(
        self, home: Path, rules: TrustRules | None = None, address: str = "", env: Env | None = None
    ) -> None:
        self.house = open_house(home, key=COORDINATOR, rules=rules or AT_ONCE, address=address, env=env)
        self.segments = open_segments(self.house)
        self.validator = Node(self.house, Ed25519PrivateKey.from_private_bytes(bytes(32)))
        self.contributors = [
            Node(self.house, Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32)) for i in (1, 2)
        ]
        self.doors = Doors(
            self.house,
            Ingest(self.house, self.segments),
            Personal(self.house, open_segments(self.house, "personal")),
            validators=[self.validator.node_id],
        )
        self.pipeline = Pipeline(self.house, self.segments, Lake(self.house.env, home / "lake"))

    async def open(self) -> PublishedWorld:
        """Register the nodes."""
        payouts = (*PAYOUTS, VALIDATOR_PAYOUT)
        for node, payout in zip((*self.contributors, self.validator), payouts, strict=True):
            await node.ask(self.doors.register, "register", Registration(payout_address=payout))
        return self

    def close(self) -> None:
        """Close the state."""
        self.segments.close()
        self.house.state.close()

    async def feed(
        self, texts: dict[str, str], optout: tuple[str, ...] = (), claimed: dict[str, str] | None = None
    ) -> None:
        """Let the contributors and the validator fetch these pages, verify and judge them, close the epoch, pay.

        Contributors hand in what is `claimed` of a page instead of its text.
        """
        with self.house.state.write() as connection:
            add_urls(connection, [(url, "http") for url in texts], self.house.now_ms())
        busy = True
        while busy:
            busy = False
            for node in (*self.contributors, self.validator):
                seen = texts if node is self.validator else texts | (claimed or {})
                answer = await node.ask(self.doors.leases, "lease_request", LeaseRequest(count=7))
                leases = node.open_leases(answer["leases"])
                if leases:
                    busy = True
                    await node.submit(
                        self.doors.submissions, [self._fetched(node, each, seen, optout) for each in leases]
                    )
            while self.pipeline.step():
                busy = True
        end_epoch(self.house)
        close_epochs(self.house, self.segments, patience_ms=0)
        run_accountant(self.house)

    def _fetched(
        self, node: Node, lease: Lease, texts: dict[str, str], optout: tuple[str, ...]
    ) -> Contribution:
        signals = ["noai"] if lease.url in optout else []
        return node.contribution(lease, texts[lease.url], optout_signals=signals)


@cache
def _built_home() -> Path:
    """Build one home whose lake holds all of `pages()`; made once a process, because judging takes seconds."""
    home = Path(tempfile.mkdtemp(prefix="windrow-world-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)

    async def build() -> None:
        world = await PublishedWorld(home).open()
        await world.feed(pages())
        world.close()

    asyncio.run(build())
    return home


def open_world(home: Path) -> PublishedWorld:
    """Return a world of its own in `home` whose lake holds all of `pages()`; not to be called in a running loop."""
    copy_home(_built_home(), home)
    return PublishedWorld(home)


def copied_recipes(folder: Path, **changes: tuple[str, str]) -> Path:
    """Copy the recipes and replace, by file stem, one text by another."""
    shutil.copytree(RECIPES, folder)
    suffixes = {"recipe": ".toml", "build": ".sql", "checks": ".sql", "card": ".md"}
    for stem, (old, new) in changes.items():
        path = folder / "web_text" / (stem + suffixes[stem])
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    return folder
