"""The program a browser starts to hand over what a person picked: the bridge's native-messaging host.

Rules: only the extension's own origin is answered; nothing leaves that the person has not seen and agreed to; a
donation is on disk before it is acknowledged and before the coordinator hears of it; a bad frame gets a clear answer
and harms nothing. stdout carries frames and nothing else.

Does not: read pages or ask for consent (the extension does), or run longer than the browser keeps the pipe open.

Usage::

    python -m extension_bridge.native_host [--home HOME] [--coordinator URL] [--once] chrome-extension://<id>/
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import singledispatchmethod
from pathlib import Path
from typing import IO, Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from extension_bridge.consent import ConsentTerms, consent_notice
from extension_bridge.delivery import Courier
from extension_bridge.donation import build_donation, page_record
from extension_bridge.drafts import Drafts
from extension_bridge.native_frames import encode_frame, frames
from extension_bridge.native_messages import (
    Dashboard,
    Donate,
    Hello,
    NativeMessage,
    Node,
    Preview,
    PutAside,
    Status,
    Withdraw,
    message_id,
    read_message,
)
from extension_bridge.outbox import Outbox
from extension_bridge.remote import NodeRemote
from extension_bridge.settings import (
    ALLOWED_ORIGINS,
    OUTBOX_FILE,
    bridge_home,
    read_node_key,
    read_settings,
)
from extension_bridge.withdrawal import sign_withdrawal
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import STATUS_MONTHS_MAX
from windrow_protocol.personal.patterns import DEVICE_KINDS
from windrow_protocol.signing import public_id

PROTOCOL: Final = 1
_DELIVERIES_PER_MESSAGE: Final = 8
HOUR_MS: Final = 3_600_000
RemoteOf = Callable[[Path], NodeRemote]


class Host:
    """Answers messages over one open outbox. `courier` brings donations away; `clock_ms` gives the time."""

    def __init__(
        self,
        key: Ed25519PrivateKey,
        outbox: Outbox,
        courier: Courier,
        clock_ms: Callable[[], int],
        remote: NodeRemote | None = None,
    ) -> None:
        self._remote = remote
        self._key = key
        self._outbox = outbox
        self._courier = courier
        self._clock_ms = clock_ms

    @singledispatchmethod
    def answer(self, message: NativeMessage) -> dict[str, Any]:
        """Return the answer to one message. Raises WindrowError with the reason of a refusal."""
        raise WindrowError("wrong_schema", type(message).__name__)

    @answer.register
    def _(self, message: Hello) -> dict[str, Any]:
        return {
            "type": "hello",
            "protocol": PROTOCOL,
            "node_id": public_id(self._key),
            "network": self._outbox.fact("network"),
            "kinds": list(DEVICE_KINDS),
        }

    @answer.register
    def _(self, message: Preview) -> dict[str, Any]:
        record = page_record(message.page, message.terms)
        notice = consent_notice(message.terms, message.language)
        return {
            "type": "preview",
            "record": {"url": record.url, "title": record.title, "text": record.text},
            "findings": [{"kind": kind, "count": count} for kind, count in record.redactions.items()],
            "notice": notice,
            "notice_sha256": hashlib.sha256(notice.encode()).hexdigest(),
        }

    @answer.register
    def _(self, message: Donate) -> dict[str, Any]:
        given = message.consent
        if not given.agreed:
            raise WindrowError("not_agreed")
        terms = ConsentTerms(given.source, given.scope, given.purpose, given.retention_days)
        notice = consent_notice(terms, message.language).encode()
        if given.notice_sha256 not in ("", hashlib.sha256(notice).hexdigest()):
            raise WindrowError("bad_consent", "another notice was shown than the one for these terms")
        record = page_record(message.page, terms)
        network, coordinator_id = self._courier.network()
        now_ms = self._clock_ms()
        donation = build_donation(
            self._key,
            record,
            terms,
            network=network,
            controller_id=coordinator_id,
            now_ms=now_ms,
            language=message.language,
            controller_contact=self._courier.contact(),
        )
        kept = self._outbox.keep(donation, now_ms)
        self._courier.deliver_waiting(_DELIVERIES_PER_MESSAGE)
        return {"type": "donate", "item_id": record.item_id, **asdict(self._outbox.get(kept.contribution_id))}

    @answer.register
    def _(self, message: Status) -> dict[str, Any]:
        Drafts(self._outbox.file).leave(self._clock_ms(), _DELIVERIES_PER_MESSAGE)
        self._courier.deliver_waiting(_DELIVERIES_PER_MESSAGE)
        self._courier.take_back_waiting(_DELIVERIES_PER_MESSAGE)
        donations = [asdict(kept) for kept in self._outbox.all(message.count_max)]
        given = {"counts": self._outbox.counts(), "donations": donations, "months": self._months()}
        return {"type": "status", **given, **self._waiting()}

    @answer.register
    def _(self, message: Withdraw) -> dict[str, Any]:
        kept = self._outbox.get(message.contribution_id)
        token = sign_withdrawal(self._key, kept, self._outbox.fact("network"), self._clock_ms())
        self._outbox.withdrawal(kept.contribution_id, token)
        self._courier.take_back_waiting(_DELIVERIES_PER_MESSAGE)
        return {"type": "withdraw", **asdict(self._outbox.get(kept.contribution_id))}

    @answer.register
    def _(self, message: PutAside) -> dict[str, Any]:
        drafts = Drafts(self._outbox.file)
        added, refused = drafts.put(message.pages, message.source)
        why = sorted({error.reason.sentence for error in refused})
        return {
            "type": "put_aside",
            "added": added,
            "left_out": len(refused),
            "why": why,
            "waiting": drafts.counts()["open"],
        }

    @answer.register
    def _(self, message: Node) -> dict[str, Any]:
        node = self._node()
        if message.do == "resume":
            node.resume()
        elif message.do != "look":
            node.pause(self._clock_ms() + HOUR_MS if message.do == "pause_hour" else None)
        state = node.state(self._account(node.payout()), message.language)
        return {"type": "node", **msgspec.structs.asdict(state)}

    @answer.register
    def _(self, message: Dashboard) -> dict[str, Any]:
        return {"type": "dashboard", "link": self._node().dashboard_link(message.page)}

    def _waiting(self) -> dict[str, int]:
        waiting = Drafts(self._outbox.file).counts()
        return {"put_aside": waiting["open"], "leaving": waiting["leaving"]}

    def _months(self) -> list[dict[str, Any]] | None:
        """Return what the months of the history that was given earned; None when nobody says, or nothing was given."""
        if not self._outbox.counts()["delivered"]:
            return None
        try:
            told = self._courier.months()["months"]
        except (WindrowError, KeyError):
            return None
        return told[:STATUS_MONTHS_MAX] if isinstance(told, list) else None

    def _node(self) -> NodeRemote:
        if self._remote is None:
            raise WindrowError("node_not_running", "this bridge was started without a node")
        return self._remote

    def _account(self, payout: str) -> dict[str, Any] | None:
        """Return what the coordinator says of an account, None when it does not answer."""
        try:
            return self._courier.account(payout) if payout else None
        except WindrowError:
            return None


def converse(
    host: Callable[[NativeMessage], dict[str, Any]], source: IO[bytes], sink: IO[bytes], *, once: bool
) -> None:
    """Answer frames until the stream ends, or only the first one."""
    for frame in frames(source):
        _write(sink, _respond(host, frame))
        if once:
            return


def _respond(host: Callable[[NativeMessage], dict[str, Any]], frame: bytes | WindrowError) -> dict[str, Any]:
    named = {} if isinstance(frame, WindrowError) or not (name := message_id(frame)) else {"id": name}
    try:
        if isinstance(frame, WindrowError):
            raise frame
        return {"ok": True, **named, **host(read_message(frame))}
    except WindrowError as error:
        return {"ok": False, **named, **error.as_dict()}


def _write(sink: IO[bytes], answer: Mapping[str, Any]) -> None:
    try:
        frame = encode_frame(answer)
    except WindrowError as error:
        named = {"id": answer["id"]} if "id" in answer else {}
        frame = encode_frame({"ok": False, **named, **error.as_dict()})
    sink.write(frame)
    sink.flush()


def _refuse_all(error: WindrowError) -> Callable[[NativeMessage], dict[str, Any]]:
    """Return a host that answers every message with what keeps it from working."""

    def refuse(_message: NativeMessage) -> dict[str, Any]:
        raise error

    return refuse


@contextmanager
def open_host(home: Path, coordinator: str | None, remote_of: RemoteOf | None) -> Iterator[Host]:
    """Open the host of a home until the block ends. Raises WindrowError when it cannot work."""
    settings, key = read_settings(home, os.environ, coordinator), read_node_key(home)
    with Outbox.open(home / OUTBOX_FILE) as outbox:
        courier = Courier(outbox, key, settings.coordinator_url, clock_ms)
        yield Host(key, outbox, courier, clock_ms, remote_of(home) if remote_of else None)


def clock_ms() -> int:
    """Return the time in ms since the Unix epoch."""
    return time.time_ns() // 1_000_000


def _serve(
    arguments: argparse.Namespace, source: IO[bytes], sink: IO[bytes], remote_of: RemoteOf | None
) -> None:
    home = bridge_home(arguments.home, os.environ)
    try:
        with open_host(home, arguments.coordinator, remote_of) as host:
            converse(host.answer, source, sink, once=arguments.once)
    except WindrowError as error:
        converse(_refuse_all(error), source, sink, once=arguments.once)


def main(argv: Sequence[str] | None = None, remote_of: RemoteOf | None = None) -> int:
    """Run the host on stdin and stdout and return its exit code: 0, or 2 when the caller may not speak to it.

    `remote_of` gives the node of a home, where the program has one.
    """
    parser = argparse.ArgumentParser(prog="python -m extension_bridge.native_host", description=__doc__)
    parser.add_argument("--home", help="the node's home (else WINDROW_NODE_HOME)")
    parser.add_argument("--coordinator", metavar="URL", help="the coordinator (else bridge.json in the home)")
    parser.add_argument("--once", action="store_true", help="answer one message and end")
    # Chromium gives the caller's origin, on Windows a window handle too; Firefox the manifest's path and its id.
    arguments, callers = parser.parse_known_args(argv)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(sys.stdin.fileno(), os.O_BINARY)
        msvcrt.setmode(sys.stdout.fileno(), os.O_BINARY)
    sink = sys.stdout.buffer
    if ALLOWED_ORIGINS.isdisjoint(callers):
        _write(sink, {"ok": False, **WindrowError("wrong_origin").as_dict()})
        return WindrowError("wrong_origin").reason.exit_code
    try:
        _serve(arguments, sys.stdin.buffer, sink, remote_of)
    except (BrokenPipeError, KeyboardInterrupt):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
