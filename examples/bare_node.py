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
import os
import re
import secrets
import socket
import ssl
import struct
import sys
import time
import unicodedata
import urllib.error
import urllib.request
from html.parser import HTMLParser
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NAME, AGENT = "BareNode", "BareNode/1 (+https://example.org/bare-node)"
DENIED = ["192.88.99.0/24", "168.63.129.16/32", "224.0.0.0/4", "2001::/23", "2002::/16", "3fff::/20"]
SKIPPED = re.compile("script|style|noscript|template|nav|header|footer|aside|form|button|select|svg|iframe")
BLOCKS = re.compile("p|div|li|h[1-6]|pre|tr|br|t[dh]|d[td]|blockquote|section|article|main|table|[uo]l")
OPT_OUT = re.compile(r"\b(noai|noimageai|noml)\b|(train-ai|train-genai)\s*=\s*n\b", re.I)
STATUSES = {
    304: "unchanged",
    404: "not_found",
    410: "not_found",
    408: "timeout",
    504: "timeout",
    413: "too_large",
}


class OutcomeError(Exception):
    """A page that is answered with an outcome instead of text."""


def packed(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def zstd_frame(data: bytes) -> bytes:
    """A zstd frame of raw blocks (RFC 8878, 3.1.1): what a decoder takes where no encoder is at hand."""
    pieces = [data[at : at + 131_072] for at in range(0, len(data), 131_072)] or [b""]
    blocks = [struct.pack("<I", len(p) << 3 | (i == len(pieces) - 1))[:3] + p for i, p in enumerate(pieces)]
    return b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", len(data)) + b"".join(blocks)


def load_key(home: Path) -> Ed25519PrivateKey:
    path = home / "node.key"
    if not path.exists():
        raw = Ed25519PrivateKey.generate().private_bytes_raw()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(raw)
    return Ed25519PrivateKey.from_private_bytes(path.read_bytes())


class Coordinator:
    """What is said to the coordinator and what it says, signed and checked."""

    def __init__(self, url: str, key: Ed25519PrivateKey) -> None:
        self.url, self.key, self.node_id = url, key, key.public_key().public_bytes_raw().hex()
        self.facts: Any = self.ask("/v1/network")

    def ask(self, path: str, purpose: str = "", body: bytes | None = None) -> Any:
        """Send one request, again after a while where the coordinator is busy."""
        wait_s = 1.0
        while True:
            request = urllib.request.Request(self.url + path, body)
            if purpose:
                request.add_header("Windrow-Signature", self.signature(purpose, body))
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refused:
                if refused.code not in (429, 503) or wait_s > 60:
                    sys.exit(f"{path}: {refused.code} {refused.read(2_000).decode()}")
                time.sleep(float(refused.headers.get("Retry-After", wait_s)))
                wait_s *= 2

    def signature(self, purpose: str, body: bytes | None) -> str:
        now_ms, digest = time.time_ns() // 1_000_000, hashlib.sha256(body or b"").hexdigest()
        statement = {"network": self.facts["network"], "purpose": purpose, "subject": self.node_id,
                     "nonce": b64(secrets.token_bytes(16)),
                     "issued_at_ms": now_ms, "expires_at_ms": now_ms + 120_000, "content_sha256": digest}  # fmt: skip
        header = {"alg": "Ed25519", "kid": self.node_id, "typ": "windrow+jws"}
        signed = f"{b64(packed(header))}.{b64(packed(statement))}"
        return f"{signed}.{b64(self.key.sign(signed.encode()))}"

    def opened(self, token: str, purpose: str) -> Any:
        """Return what the coordinator signed for this node; raises where anybody else did."""
        signed, _, signature = token.rpartition(".")
        pinned = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.facts["coordinator_id"]))
        pinned.verify(unb64(signature), signed.encode())
        statement = json.loads(unb64(signed.partition(".")[2]))
        if [statement[n] for n in ("network", "purpose", "subject")] != [
            self.facts["network"],
            purpose,
            self.node_id,
        ]:
            raise ValueError(f"this {purpose} was made for somebody else")
        return statement["content"]


class Web:
    """GET requests to public addresses (or to `allowed` ones), paced, as robots.txt says."""

    def __init__(self, allowed: list[str], pace_s: float) -> None:
        self.allowed, self.pace_s = set(allowed), pace_s
        self.next_s: dict[str, float] = {}
        self.robots: dict[str, tuple[RobotFileParser, int]] = {}

    def address(self, host: str, port: int) -> str:
        """Resolve once and refuse the name if any of its addresses may not be reached."""
        try:
            found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            raise OutcomeError("server_error") from error
        for text in found:
            ip = ipaddress.ip_address(text.partition("%")[0])
            public = (
                ip.is_global
                and port in (80, 443)
                and (ip.version == 4 or ip in ipaddress.ip_network("2000::/3"))
            )
            denied = any(ip in ipaddress.ip_network(net, strict=False) for net in DENIED)
            if f"{ip}:{port}" not in self.allowed and (not public or denied):
                raise OutcomeError("unsafe_address")
        return found[0]

    def get(self, url: str, lease: Any) -> tuple[int, HTTPMessage, bytes]:
        """One request without redirects; returns (status, headers, body)."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise OutcomeError("server_error")
        port, ends_s = (
            parts.port or (443 if parts.scheme == "https" else 80),
            time.monotonic() + lease["time_s_max"],
        )
        address = self.address(parts.hostname, port)
        time.sleep(max(0.0, self.next_s.get(parts.netloc, 0) - time.monotonic()))
        self.next_s[parts.netloc] = time.monotonic() + self.pace_s
        line = http.client.HTTPConnection(parts.hostname, port)
        try:
            line.sock = socket.create_connection((address, port), timeout=lease["time_s_max"])
            if parts.scheme == "https":
                line.sock = ssl.create_default_context().wrap_socket(
                    line.sock, server_hostname=parts.hostname
                )
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            line.request(
                "GET",
                target,
                headers={"User-Agent": AGENT, "Accept-Encoding": "identity", "Connection": "close"},
            )
            answer, body = line.getresponse(), b""
            while chunk := answer.read1(65_536):
                body += chunk
                if len(body) > lease["body_bytes_max"] or time.monotonic() > ends_s:
                    raise OutcomeError("too_large" if len(body) > lease["body_bytes_max"] else "timeout")
            return answer.status, answer.headers, body
        except TimeoutError as error:
            raise OutcomeError("timeout") from error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise OutcomeError("server_error") from error
        finally:
            line.close()

    def may(self, url: str, lease: Any) -> tuple[bool, str]:
        """Ask the host's robots.txt, once a day; where it cannot be had, everything is disallowed (RFC 9309)."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        if origin not in self.robots:
            rules = RobotFileParser()
            try:
                status, _, body = self.get(f"{origin}/robots.txt", lease)
            except OutcomeError:
                status, body = 503, b""
            lines = body.decode("utf-8", "replace").splitlines() if status == 200 else []
            rules.parse(lines if status < 300 or 400 <= status < 500 else ["User-agent: *", "Disallow: /"])
            self.robots[origin] = rules, status
            self.pace_s = max(self.pace_s, float(rules.crawl_delay(NAME) or 0))
        rules, status = self.robots[origin]
        return rules.can_fetch(NAME, url), "allowed" if status == 200 else "no_robots"


class Text(HTMLParser):
    """The readable text of a page: what stands in <main> or <article>, or in the whole body."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []
        self.main: list[str] = []
        self.metas: list[str] = []
        self.title, self.skip, self.inside, self.in_title = "", 0, 0, False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.skip += bool(SKIPPED.fullmatch(tag))
        self.inside += tag in ("main", "article")
        self.in_title = tag == "title"
        if tag == "meta":
            found = {name: value or "" for name, value in attributes}
            self.metas.append(f"{found.get('name', '')}: {found.get('content', '')}")
        if BLOCKS.fullmatch(tag):
            self.handle_data("\n")

    def handle_endtag(self, tag: str) -> None:
        self.skip -= bool(SKIPPED.fullmatch(tag)) and self.skip > 0
        self.inside -= tag in ("main", "article") and self.inside > 0
        self.in_title = False
        if BLOCKS.fullmatch(tag):
            self.handle_data("\n")

    def handle_data(self, data: str) -> None:
        if self.in_title:
            self.title += data
        elif not self.skip:
            self.all.append(data)
            self.main.extend([data] * (self.inside > 0))


def normal_form(text: str) -> str:
    text = re.sub(
        "[\x00-\x08\x0b-\x1f\x7f\ufeff\ud800-\udfff]", "", text.replace("\r\n", "\n").replace("\r", "\n")
    )
    lines = (" ".join(line.split()) for line in unicodedata.normalize("NFC", text).split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip()


def fetched(web: Web, lease: Any) -> dict[str, Any]:
    """Fetch one leased page and return the fields of a contribution; raises OutcomeError with the outcome otherwise."""
    url = lease["url"]
    for _ in range(lease["redirects_max"] + 1):
        allowed, robots = web.may(url, lease)
        if not allowed:
            raise OutcomeError("robots_denied")
        status, headers, body = web.get(url, lease)
        if status not in (301, 302, 303, 307, 308) or not headers.get("Location"):
            break
        url = urljoin(url, headers["Location"]).partition("#")[0]
    if not 200 <= status < 300:
        raise OutcomeError(STATUSES.get(status, "blocked" if 400 <= status < 500 else "server_error"))
    page = Text()
    page.feed(body.decode(headers.get_content_charset() or "utf-8", "replace"))
    said = [f"{name}: {value}" for name, value in headers.items()] + page.metas
    signals = [row for row in said if re.match("x-robots-tag|robots|content-usage|tdm-", row, re.I)]
    if any(OPT_OUT.search(row) or re.match(r"tdm-reservation:\s*1", row, re.I) for row in signals):
        raise OutcomeError("optout_denied")
    text = normal_form("".join(page.main if len("".join(page.main).split()) > 20 else page.all))
    return {"final_url": url, "http_status": status, "content_type": headers.get("Content-Type", ""),
            "robots_state": robots, "optout_signals": [], "raw_sha256": hashlib.sha256(body).hexdigest(), "text": text,
            "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "title": normal_form(page.title)[:500], "extractor_version": "bare/1", "bytes_wire": len(body)}  # fmt: skip


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
    house = Coordinator(options.coordinator.rstrip("/"), load_key(options.home))
    web = Web(options.allow, options.pace_s)
    house.ask("/v1/nodes", "register", packed({"payout_address": options.payout, "agent": "bare-node/1"}))
    receipts, refused, idle = 0, 0, 0
    while receipts + refused < options.pages and idle < 20:
        offer = house.ask("/v1/leases", "lease_request", packed({"count": 10, "render": ["http"]}))
        leases = [house.opened(token, "lease") for token in offer["leases"]]
        records = []
        for lease in sorted(leases, key=lambda lease: lease["not_before_ms"]):
            time.sleep(max(0, lease["not_before_ms"] - time.time_ns() // 1_000_000) / 1000)
            records.append(packed(answer_to(web, lease, house.node_id)))
        idle = 0 if leases else idle + 1
        if not leases:
            time.sleep(1)
            continue
        with (options.home / "receipts.ndjson").open("a") as file:
            for answer in house.ask("/v1/submissions", "submit", zstd_frame(b"\n".join(records)))["results"]:
                receipts, refused = receipts + answer["ok"], refused + (not answer["ok"])
                kept = house.opened(answer["receipt"], "receipt") if answer["ok"] else answer
                file.write(json.dumps(kept) + "\n")
    print(json.dumps({"node_id": house.node_id, "receipts": receipts, "refused": refused}))


if __name__ == "__main__":
    main()
