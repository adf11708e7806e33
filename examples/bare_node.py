"""A whole node in a few lines: libraries that anybody may install, and nothing of Windrow.

Written from docs/protocol.md alone, to show that a stranger can. It takes leases, obeys robots.txt and opt-outs, goes
to public addresses only, waits before each request, and keeps receipts in `receipts.ndjson`. Does not: run scripts,
know walls from pages, cap the line, go to hosts whose robots.txt has moved, or survive a kill with what it held.

    pip install httpcore joserfc protego resiliparse zstandard
    python bare_node.py --coordinator https://coordinator.example --home bare --payout 0x... --pages 100
"""

import argparse
import base64
import ipaddress
import json
import re
import secrets
import socket
import sys
import time
import unicodedata
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpcore
from joserfc import jws
from joserfc.jwk import OKPKey
from protego import Protego
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding
from resiliparse.parse.html import HTMLTree
from zstandard import ZstdCompressor

DENIED = ["192.88.99.0/24", "168.63.129.16/32", "224.0.0.0/4", "2001::/23", "2002::/16", "3fff::/20"]
SIGNAL = r"^(x-robots-tag|robots|content-usage):.*\b(no(image)?ai|train-ai ?= ?n)\b"
OPT_OUT = re.compile(SIGNAL + r'|tdm-reservation"?\s*:\s*1', re.IGNORECASE | re.MULTILINE)
OUTCOMES = {304: "unchanged", 404: "not_found", 408: "timeout", 410: "not_found", 413: "too_large"}


class OutcomeError(Exception):
    """A page that is answered with an outcome instead of text."""


class Coordinator:
    """What is said to the coordinator and what it says, signed and checked."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, file = url, home / "keys.json"
        self.facts = self.ask("/v1/network")
        if not file.exists():
            file.touch(0o600)
            made = OKPKey.generate_key("Ed25519").as_dict(private=True)
            file.write_text(json.dumps([made, self.facts["coordinator_id"]]))
        key, pinned = json.loads(file.read_text())
        self.key, self.node_id = OKPKey.import_key(key), base64.urlsafe_b64decode(key["x"] + "=").hex()
        x = base64.urlsafe_b64encode(bytes.fromhex(pinned)).decode().rstrip("=")
        self.pinned = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
        self.about = {"network": self.facts["network"], "subject": self.node_id}

    def ask(self, path: str, purpose: str = "", body: bytes = b"") -> Any:
        """Send one request, again after a while where the coordinator is busy."""
        for wait_s in (1, 2, 4, 8, 16, 32, 60):
            signed = {"Windrow-Signature": self.signature(purpose, body)} if purpose else {}
            method = "POST" if purpose else "GET"
            answer = httpcore.request(method, self.url + path, headers=signed, content=body)
            if answer.status not in (429, 503):
                break
            time.sleep(float(dict(answer.headers).get(b"Retry-After", wait_s)))
        return json.loads(answer.content) if answer.status == 200 else sys.exit(f"{path}: {answer.content!r}")

    def signature(self, purpose: str, body: bytes) -> str:
        now_ms, digest = time.time_ns() // 1_000_000, sha256(body).hexdigest()
        once = {"nonce": secrets.token_hex(16), "issued_at_ms": now_ms, "expires_at_ms": now_ms + 120_000}
        statement = {**self.about, "purpose": purpose, **once, "content_sha256": digest}
        header = {"alg": "Ed25519", "kid": self.node_id, "typ": "windrow+jws"}
        return jws.serialize_compact(header, json.dumps(statement), self.key, ["Ed25519"])

    def opened(self, token: str, purpose: str) -> Any:
        """Return what the pinned coordinator signed for this node; raises where anybody else did."""
        said = json.loads(jws.deserialize_compact(token, self.pinned, ["Ed25519"]).payload or b"")
        if not {**self.about, "purpose": purpose}.items() <= said.items():
            raise ValueError(f"this {purpose} was made for somebody else")
        return said["content"]


class Web(httpcore.SyncBackend):
    """GET requests to public addresses (or `allowed` ones), one every `pace_s` seconds, as each host's files say."""

    def __init__(self, publishers_url: str, allowed: list[str], pace_s: float) -> None:
        about = f"+{publishers_url}" if publishers_url else "its network names no page for publishers"
        self.headers = {"User-Agent": f"WindrowBot/0.1 ({about})", "Accept-Encoding": "identity"}
        self.allowed, self.pace_s, self.pool = allowed, pace_s, httpcore.ConnectionPool(network_backend=self)
        self.files: dict[str, tuple[int, str]] = {}

    def connect_tcp(self, host: str, port: int, *options: Any, **more: Any) -> httpcore.NetworkStream:
        """Resolve once and refuse the name if any of its addresses may not be reached."""
        found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        for ip in (ipaddress.ip_address(text.partition("%")[0]) for text in found):
            public = ip.is_global and (ip.version == 4 or ip in ipaddress.ip_network("2000::/3"))
            denied = port not in (80, 443) or any(ip in ipaddress.ip_network(net) for net in DENIED)
            if f"{ip}:{port}" not in self.allowed and (denied or not public):
                raise OutcomeError("unsafe_address")
        return super().connect_tcp(found[0], port, *options, **more)

    def get(self, url: str, lease: Any) -> tuple[int, Any, bytes]:
        """Return status, headers and body of one answer, within the caps of the lease."""
        time.sleep(self.pace_s)
        ends_s, body = time.monotonic() + lease["time_s_max"], b""
        limits = {"timeout": dict.fromkeys(("connect", "read", "write"), lease["time_s_max"])}
        try:
            with self.pool.stream("GET", url, headers=self.headers, extensions=limits) as answer:
                for chunk in answer.iter_stream():
                    body += chunk
                    if len(body) > lease["body_bytes_max"] or time.monotonic() > ends_s:
                        raise OutcomeError("too_large" if time.monotonic() <= ends_s else "timeout")
        except httpcore.TimeoutException as error:
            raise OutcomeError("timeout") from error
        except (OSError, ValueError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise OutcomeError("server_error") from error
        return answer.status, message_from_bytes(b"".join(b"%b: %b\n" % row for row in answer.headers)), body

    def file(self, url: str, lease: Any) -> tuple[int, str]:
        """Return status and text of a file about a whole host, asked for once; what cannot be had is a 503."""
        if url not in self.files:
            try:
                status, _, body = self.get(url, lease)
            except OutcomeError as outcome:
                if str(outcome) == "unsafe_address":
                    raise
                status, body = 503, b""
            self.files[url] = status, body.decode("utf-8", "replace") if status == 200 else ""
        return self.files[url]

    def may(self, url: str, lease: Any) -> str:
        """Return `robots_state`. A robots.txt that cannot be had disallows everything (RFC 9309)."""
        status, robots = self.file(urljoin(url, "/robots.txt"), lease)
        unknown = not (status < 300 or 400 <= status < 500)
        if unknown or not Protego.parse(robots).can_fetch(url, "WindrowBot"):
            raise OutcomeError("robots_denied")
        if OPT_OUT.search(robots + self.file(urljoin(url, "/.well-known/tdmrep.json"), lease)[1]):
            raise OutcomeError("optout_denied")
        return "allowed" if robots else "no_robots"


def normal_form(text: str) -> str:
    text = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ud800-\udfff]", "", re.sub("\r\n?", "\n", text))
    lines = (" ".join(line.split()) for line in unicodedata.normalize("NFC", text).split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip()


def text_of(body: bytes, headers: Any) -> str:
    """Return the main text of a page that does not opt out; nothing for what is no page."""
    if headers.get_content_maintype() != "text" and headers.get_content_subtype() != "xhtml+xml":
        return ""
    tree = HTMLTree.parse_from_bytes(body, headers.get_content_charset() or detect_encoding(body))
    metas = tree.document.query_selector_all("meta[name][content]") if tree.document else []
    said = [*headers.items(), *((meta["name"], meta["content"]) for meta in metas)]
    if OPT_OUT.search("\n".join(f"{name}: {value}" for name, value in said)):
        raise OutcomeError("optout_denied")
    return normal_form(extract_plain_text(tree, main_content=True) or extract_plain_text(tree))


def contribution(web: Web, lease: Any) -> dict[str, Any]:
    """Fetch what a lease orders, redirects included; raises OutcomeError where that gives no text."""
    url = lease["url"]
    for _ in range(lease["redirects_max"] + 1):
        state = web.may(url, lease)
        status, headers, body = web.get(url, lease)
        if status not in (301, 302, 303, 307, 308) or not headers["Location"]:
            break
        url = urljoin(url, headers["Location"]).partition("#")[0]
    if not 200 <= status < 300:
        other = "blocked" if 400 <= status < 500 else "timeout" if status == 504 else "server_error"
        raise OutcomeError(OUTCOMES.get(status, other))
    if not (text := text_of(body, headers)):
        raise OutcomeError("not_found")
    found = {
        "final_url": url,
        "http_status": status,
        "robots_state": state,
        "optout_signals": [],
        "text": text,
    }
    digests = {"raw_sha256": sha256(body).hexdigest(), "text_sha256": sha256(text.encode()).hexdigest()}
    return {**found, **digests, "content_type": headers["Content-Type"] or ""}


def answer_to(web: Web, lease: Any, node_id: str) -> bytes:
    """Return the record for a lease, when its time has come: a contribution, or a report of why there is none."""
    time.sleep(max(0, lease["not_before_ms"] - time.time_ns() // 1_000_000) / 1000)
    record = {"lease_id": lease["lease_id"], "url": lease["url"]}
    digest = sha256(f"windrow/contribution/{lease['lease_id']}/{node_id}".encode()).hexdigest()
    try:
        record |= {"kind": "contribution", "contribution_id": "c" + digest[:31], **contribution(web, lease)}
    except OutcomeError as outcome:
        record |= {"kind": "report", "outcome": str(outcome)}
    return json.dumps(record | {"fetched_at_ms": time.time_ns() // 1_000_000}).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="A node of public libraries.")
    for flag in ("--coordinator", "--home", "--payout"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--pages", type=int, default=100, help="how many leases to answer")
    parser.add_argument("--allow", action="append", default=[], help="a test network's own ip:port")
    parser.add_argument("--pace-s", type=float, default=2.0)
    options = parser.parse_args()
    home, answered = Path(options.home), 0
    home.mkdir(parents=True, exist_ok=True)
    house = Coordinator(options.coordinator.rstrip("/"), home)
    web = Web(house.facts["publishers_url"], options.allow, options.pace_s)
    house.ask("/v1/nodes", "register", json.dumps({"payout_address": options.payout}).encode())
    while answered < options.pages:
        offer = house.ask("/v1/leases", "lease_request", b'{"count": 10, "render": ["http"]}')
        leases = [house.opened(token, "lease") for token in offer["leases"]]
        if not leases:
            time.sleep(5)
            continue
        batch = ZstdCompressor().compress(b"\n".join(answer_to(web, one, house.node_id) for one in leases))
        for answer in house.ask("/v1/submissions", "submit", batch)["results"]:
            kept = house.opened(answer["receipt"], "receipt") if answer["ok"] else answer
            with (home / "receipts.ndjson").open("a") as file:
                file.write(json.dumps(kept) + "\n")
        answered += len(leases)


if __name__ == "__main__":
    main()
