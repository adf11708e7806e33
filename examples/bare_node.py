"""A whole node in bare Python: the standard library, `cryptography` for Ed25519, and nothing of Windrow.

Written from docs/protocol.md alone, to show that a stranger can. Rules: it takes leases, obeys robots.txt and opt-outs,
goes to public addresses only, at most once in two seconds to a host, and keeps receipts in `receipts.ndjson`.
Does not: run scripts, cap the line, or keep what it had not handed over when it is killed.

Usage: python bare_node.py --coordinator https://coordinator.example --home ~/bare --payout 0x... [--pages 100]
"""

import argparse
import base64
import hashlib
import http.client
import ipaddress
import json
import re
import secrets
import socket
import ssl
import sys
import time
import unicodedata
from collections import Counter
from contextlib import closing, suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import Request, urlopen
from urllib.robotparser import RobotFileParser

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NAME, AGENT = "BareNode", "BareNode/1 (+https://example.org/bare-node)"
HEADERS = {"User-Agent": AGENT, "Accept-Encoding": "identity", "Connection": "close"}
DENIED = ["192.88.99.0/24", "168.63.129.16/32", "224.0.0.0/4", "2001::/23", "2002::/16", "3fff::/20"]
SKIPPED = re.compile("script|style|noscript|template|nav|header|footer|aside|form|button|select|svg|iframe")
BLOCKS = re.compile("p|div|li|h[1-6]|pre|tr|br|t[dh]|d[td]|blockquote|section|article|main|table|[uo]l")
SIGNALS = re.compile(r"x-robots-tag|robots|content-usage|tdm-", re.I)
OPT_OUT = re.compile(r"\bno(ai|imageai|ml)\b|train-(gen)?ai\s*=\s*n\b|^tdm-reservation:\s*1", re.I)
STATUSES = {304: "unchanged", 404: "not_found", 410: "not_found", 413: "too_large"}
STATUSES |= {408: "timeout", 504: "timeout"}


class OutcomeError(Exception):
    """A page that is answered with an outcome instead of text."""


def packed(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def zstd_frame(data: bytes) -> bytes:
    """A zstd frame of raw blocks (RFC 8878, 3.1.1): what a decoder takes where no encoder is at hand."""
    pieces = [data[at : at + 131_072] for at in range(0, len(data), 131_072)] or [b""]
    heads = [(len(p) << 3 | (n == len(pieces))).to_bytes(3, "little") for n, p in enumerate(pieces, 1)]
    blocks = b"".join(head + piece for head, piece in zip(heads, pieces, strict=True))
    return b"\x28\xb5\x2f\xfd\xe0" + len(data).to_bytes(8, "little") + blocks


def normal_form(text: str) -> str:
    text = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ud800-\udfff]", "", re.sub("\r\n?", "\n", text))
    lines = (" ".join(line.split()) for line in unicodedata.normalize("NFC", text).split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip()


class Coordinator:
    """What is said to the coordinator and what it says, signed and checked."""

    def __init__(self, url: str, home: Path) -> None:
        path = home / "node.key"
        if not path.exists():
            path.touch(0o600)
            path.write_bytes(Ed25519PrivateKey.generate().private_bytes_raw())
        self.url, self.key = url, Ed25519PrivateKey.from_private_bytes(path.read_bytes())
        self.node_id = self.key.public_key().public_bytes_raw().hex()
        self.facts: Any = self.ask("/v1/network")

    def ask(self, path: str, purpose: str = "", body: bytes | None = None) -> Any:
        """Send one request, again after a while where the coordinator is busy."""
        for wait_s in (1, 2, 4, 8, 16, 32, 60):
            signed = {"Windrow-Signature": self.signature(purpose, body or b"")} if purpose else {}
            try:
                with urlopen(Request(self.url + path, body, signed), timeout=60) as answer:
                    return json.load(answer)
            except HTTPError as refused:
                if refused.code not in (429, 503):
                    sys.exit(f"{path}: {refused.code} {refused.read(2_000).decode()}")
                time.sleep(float(refused.headers.get("Retry-After", wait_s)))
        sys.exit(f"{path}: the coordinator stays busy")

    def signature(self, purpose: str, body: bytes) -> str:
        now_ms, digest = time.time_ns() // 1_000_000, hashlib.sha256(body).hexdigest()
        times = {"issued_at_ms": now_ms, "expires_at_ms": now_ms + 120_000}
        about = {"network": self.facts["network"], "purpose": purpose, "subject": self.node_id}
        statement = {**about, **times, "nonce": secrets.token_hex(16), "content_sha256": digest}
        header = {"alg": "Ed25519", "kid": self.node_id, "typ": "windrow+jws"}
        signed = f"{b64(packed(header))}.{b64(packed(statement))}"
        return f"{signed}.{b64(self.key.sign(signed.encode()))}"

    def opened(self, token: str, purpose: str) -> Any:
        """Return what the coordinator signed for this node; raises where anybody else did."""
        signed, _, signature = token.rpartition(".")
        pinned = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.facts["coordinator_id"]))
        pinned.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode())
        said = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        wanted = {"network": self.facts["network"], "purpose": purpose, "subject": self.node_id}
        if not wanted.items() <= said.items():
            raise ValueError(f"this {purpose} was made for somebody else")
        return said["content"]


class Web:
    """GET requests to public addresses (or to `allowed` ones), paced, as robots.txt says."""

    def __init__(self, allowed: list[str], pace_s: float) -> None:
        self.allowed, self.pace_s = set(allowed), pace_s
        self.next_s: dict[str, float] = {}
        self.robots: dict[str, tuple[RobotFileParser, int]] = {}

    def address(self, host: str, port: int) -> str:
        """Resolve once and refuse the name if any of its addresses may not be reached."""
        found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        for ip in (ipaddress.ip_address(text.partition("%")[0]) for text in found):
            public = ip.is_global and (ip.version == 4 or ip in ipaddress.ip_network("2000::/3"))
            denied = port not in (80, 443) or any(ip in ipaddress.ip_network(net) for net in DENIED)
            if f"{ip}:{port}" not in self.allowed and (denied or not public):
                raise OutcomeError("unsafe_address")
        return found[0]

    def get(self, url: str, lease: Any) -> tuple[int, Any, bytes]:
        """One request without redirects; returns (status, headers, body)."""
        parts, ends_s = urlsplit(url), time.monotonic() + lease["time_s_max"]
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise OutcomeError("server_error")
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            address = self.address(parts.hostname, port)
            time.sleep(max(0.0, self.next_s.get(parts.netloc, 0) - time.monotonic()))
            self.next_s[parts.netloc] = time.monotonic() + self.pace_s
            with closing(http.client.HTTPConnection(parts.hostname, port)) as line:
                line.sock = socket.create_connection((address, port), timeout=lease["time_s_max"])
                if parts.scheme == "https":
                    tls = ssl.create_default_context()
                    line.sock = tls.wrap_socket(line.sock, server_hostname=parts.hostname)
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                line.request("GET", target, headers=HEADERS)
                answer, body = line.getresponse(), b""
                while chunk := answer.read1(65_536):
                    body += chunk
                    if len(body) > lease["body_bytes_max"] or time.monotonic() > ends_s:
                        raise OutcomeError("too_large" if time.monotonic() <= ends_s else "timeout")
                return answer.status, answer.headers, body
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise OutcomeError("timeout" if isinstance(error, TimeoutError) else "server_error") from error

    def may(self, url: str, lease: Any) -> str:
        """Ask the host's robots.txt, once; where it cannot be had, everything is disallowed (RFC 9309)."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        if origin not in self.robots:
            rules, (status, body) = RobotFileParser(), (503, b"")
            with suppress(OutcomeError):
                status, _, body = self.get(f"{origin}/robots.txt", lease)
            lines = body.decode("utf-8", "replace").splitlines() if status == 200 else []
            rules.parse(lines if status < 300 or 400 <= status < 500 else ["User-agent: *", "Disallow: /"])
            self.robots[origin] = rules, status
            self.pace_s = max(self.pace_s, float(rules.crawl_delay(NAME) or 0))
        rules, status = self.robots[origin]
        if not rules.can_fetch(NAME, url):
            raise OutcomeError("robots_denied")
        return "allowed" if status == 200 else "no_robots"


class Text(HTMLParser):
    """The readable text of a page: what stands in <main> or <article>, or in the whole body."""

    def __init__(self) -> None:
        super().__init__()
        self.all, self.main, self.metas, self.title = [""], [""], [""], ""
        self.open: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open["skipped" if SKIPPED.fullmatch(tag) else tag] += 1
        if tag == "meta":
            self.metas.append("{name}: {content}".format(**{"name": "", "content": "", **dict(attrs)}))
        if BLOCKS.fullmatch(tag):
            self.handle_data("\n")

    def handle_endtag(self, tag: str) -> None:
        name = "skipped" if SKIPPED.fullmatch(tag) else tag
        self.open[name] -= self.open[name] > 0
        if BLOCKS.fullmatch(tag):
            self.handle_data("\n")

    def handle_data(self, data: str) -> None:
        if self.open["title"]:
            self.title += data
        elif not self.open["skipped"]:
            self.all.append(data)
            self.main.append(data if self.open["main"] or self.open["article"] else "")


def fetched(web: Web, lease: Any) -> dict[str, Any]:
    """Fetch a leased page and return the fields of a contribution; raises OutcomeError with another outcome."""
    url = lease["url"]
    for _ in range(lease["redirects_max"] + 1):
        robots = web.may(url, lease)
        status, headers, body = web.get(url, lease)
        if status not in (301, 302, 303, 307, 308) or not headers.get("Location"):
            break
        url = urljoin(url, headers["Location"]).partition("#")[0]
    if not 200 <= status < 300:
        raise OutcomeError(STATUSES.get(status, "blocked" if 400 <= status < 500 else "server_error"))
    page = Text()
    page.feed(body.decode(headers.get_content_charset() or "utf-8", "replace"))
    said = [f"{name}: {value}" for name, value in headers.items()] + page.metas
    if any(OPT_OUT.search(row) for row in said if SIGNALS.match(row)):
        raise OutcomeError("optout_denied")
    text = normal_form("".join(page.main if len("".join(page.main).split()) > 20 else page.all))
    digests = {"raw_sha256": hashlib.sha256(body), "text_sha256": hashlib.sha256(text.encode())}
    record = {name: digest.hexdigest() for name, digest in digests.items()}
    record |= {"final_url": url, "http_status": status, "content_type": headers.get("Content-Type", "")}
    record |= {"robots_state": robots, "optout_signals": [], "bytes_wire": len(body), "text": text}
    return record | {"title": normal_form(page.title)[:500], "extractor_version": "bare/1"}


def answer_to(web: Web, lease: Any, node_id: str) -> dict[str, Any]:
    """Return the record for a lease: a contribution, or a report of why there is none."""
    record: dict[str, Any] = {"lease_id": lease["lease_id"], "url": lease["url"]}
    digest = hashlib.sha256(f"windrow/contribution/{lease['lease_id']}/{node_id}".encode()).hexdigest()
    try:
        record |= {"kind": "contribution", "contribution_id": "c" + digest[:31], **fetched(web, lease)}
    except OutcomeError as outcome:
        record |= {"kind": "report", "outcome": str(outcome)}
    return record | {"fetched_at_ms": time.time_ns() // 1_000_000}


def main() -> None:
    parser = argparse.ArgumentParser(description="A node of the standard library.")
    parser.add_argument("--coordinator", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--payout", required=True)
    parser.add_argument("--pages", type=int, default=100, help="how many leases to answer")
    parser.add_argument("--allow", action="append", default=[], help="a test network's own ip:port")
    parser.add_argument("--pace-s", type=float, default=2.0)
    options = parser.parse_args()
    options.home.mkdir(parents=True, exist_ok=True)
    house = Coordinator(options.coordinator.rstrip("/"), options.home)
    web = Web(options.allow, options.pace_s)
    house.ask("/v1/nodes", "register", packed({"payout_address": options.payout, "agent": "bare-node/1"}))
    done, idle = Counter({True: 0, False: 0}), 0
    while done.total() < options.pages and idle < 20:
        offer = house.ask("/v1/leases", "lease_request", packed({"count": 10, "render": ["http"]}))
        leases = [house.opened(token, "lease") for token in offer["leases"]]
        records, idle = [], 0 if leases else idle + 1
        for lease in sorted(leases, key=lambda lease: lease["not_before_ms"]):
            time.sleep(max(0, lease["not_before_ms"] - time.time_ns() // 1_000_000) / 1000)
            records.append(packed(answer_to(web, lease, house.node_id)))
        if not leases:
            time.sleep(1)
            continue
        with (options.home / "receipts.ndjson").open("a") as file:
            for answer in house.ask("/v1/submissions", "submit", zstd_frame(b"\n".join(records)))["results"]:
                done[answer["ok"]] += 1
                kept = house.opened(answer["receipt"], "receipt") if answer["ok"] else answer
                file.write(json.dumps(kept) + "\n")
    print(json.dumps({"node_id": house.node_id, "receipts": done[True], "refused": done[False]}))


if __name__ == "__main__":
    main()
