"""The bridge's second road, for browsers that may not start programs: a WebSocket on 127.0.0.1, for paired browsers.

Rules: exact Host and exact Origin before the handshake, then a token, or a code that is exchanged for one; after that
each message is one of native messaging and is answered the same way. Messages are bounded by the library before they
are held; one person's browsers are few, so connections are too.

Does not: listen on any other address, or answer an ordinary page.

Usage: `with serve(host.answer, pairing) as server: server.serve_forever()`.

Source: RFC 6455.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection
from websockets.sync.server import serve as serve_websocket

from extension_bridge.native_messages import NativeMessage, message_id, read_message
from extension_bridge.pairing import Pairing, may_pair
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import LOOPBACK_CONNECTIONS_MAX, LOOPBACK_WAIT_S, NATIVE_MESSAGE_BYTES_MAX
from windrow_protocol.messages import decode_json

PATH: Final = "/bridge"
PORT: Final = 8431
Answer = Callable[[NativeMessage], dict[str, Any]]


class _Knock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first message: a code, or the token that a code became."""

    code: str = ""
    token: str = ""


class _Desk:
    """Admits connections and answers their messages, one at a time: the outbox has one writer."""

    def __init__(self, answer: Answer, pairing: Pairing) -> None:
        self._answer, self._pairing = answer, pairing
        self._one = threading.Lock()
        self._places = threading.BoundedSemaphore(LOOPBACK_CONNECTIONS_MAX)

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake that names another host, origin or path."""
        port = connection.socket.getsockname()[1]
        hosts = request.headers.get_all("Host")
        origins = request.headers.get_all("Origin")
        fits = len(hosts) == 1 and hosts[0] in (f"127.0.0.1:{port}", f"localhost:{port}")
        if fits and request.path == PATH and len(origins) == 1 and may_pair(origins[0]):
            return None
        body = str(WindrowError("wrong_origin")).encode()
        told = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))})
        return Response(HTTPStatus.FORBIDDEN, "Forbidden", told, body)

    def talk(self, connection: ServerConnection) -> None:
        """Serve one browser until it leaves."""
        if not self._places.acquire(blocking=False):
            connection.close(1013, "too many connections")
            return
        try:
            if self._admitted(connection):
                for frame in connection:
                    connection.send(_json(self._respond(_bytes(frame))))
        except (ConnectionClosed, TimeoutError):
            connection.close()
        finally:
            self._places.release()

    def _admitted(self, connection: ServerConnection) -> bool:
        assert connection.request is not None
        origin = connection.request.headers["Origin"]
        try:
            knock = decode_json(_bytes(connection.recv(timeout=LOOPBACK_WAIT_S)), _Knock)
            with self._one:
                token = self._pairing.redeem(knock.code, origin) if knock.code else ""
                if not token:
                    self._pairing.require(knock.token, origin)
        except WindrowError as error:
            connection.send(_json({"ok": False, **error.as_dict()}))
            connection.close(1008, error.code)
            return False
        connection.send(_json({"ok": True, **({"token": token} if token else {})}))
        return True

    def _respond(self, frame: bytes) -> dict[str, Any]:
        named = {"id": name} if (name := message_id(frame)) else {}
        try:
            with self._one:
                answer = {"ok": True, **named, **self._answer(read_message(frame))}
            if len(_json(answer)) > NATIVE_MESSAGE_BYTES_MAX:
                raise WindrowError("too_large", "the answer is")
        except WindrowError as error:
            return {"ok": False, **named, **error.as_dict()}
        return answer


def serve(answer: Answer, pairing: Pairing, port: int = PORT) -> Server:
    """Return a listening server, not yet serving. Raises WindrowError `port_taken`."""
    desk = _Desk(answer, pairing)
    try:
        return serve_websocket(
            desk.talk,
            "127.0.0.1",
            port,
            process_request=desk.check,
            max_size=NATIVE_MESSAGE_BYTES_MAX,
            compression=None,
            open_timeout=LOOPBACK_WAIT_S,
        )
    except OSError as error:
        raise WindrowError("port_taken", f"127.0.0.1:{port}: {error.strerror}") from error


def _bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


def _json(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
