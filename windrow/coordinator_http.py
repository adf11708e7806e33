"""Small JSON questions to a house's public doors, for commands.

Rules: bounded, one try; a refusal comes back as its WindrowError.

Does not: sign (no command here needs it). Usage: `get_json("http://127.0.0.1:8420", "/v1/network")`.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import msgspec

from windrow_protocol.errors import REASONS, WindrowError
from windrow_protocol.limits import COORDINATOR_ANSWER_BYTES_MAX, COORDINATOR_TIMEOUT_S


def get_json(coordinator: str, path: str) -> Any:
    """GET one JSON answer. Raises WindrowError `not_running` or what the house answered."""
    return _ask(coordinator, path, None)


def post_json(coordinator: str, path: str, value: Any, origin: str = "") -> Any:
    """POST a value as JSON, as a page of `origin` would. Raises as `get_json` does."""
    return _ask(coordinator, path, msgspec.json.encode(value), origin)


def _ask(coordinator: str, path: str, body: bytes | None, origin: str = "") -> Any:
    if not coordinator.startswith(("http://", "https://")):
        raise WindrowError("bad_config", f"`{coordinator}` is not an http address")
    request = urllib.request.Request(coordinator.rstrip("/") + path, data=body)
    request.add_header("Content-Type", "application/json")
    if origin:
        request.add_header("Origin", origin)
    try:
        with urllib.request.urlopen(request, timeout=COORDINATOR_TIMEOUT_S * 4) as answer:
            return msgspec.json.decode(answer.read(COORDINATOR_ANSWER_BYTES_MAX))
    except urllib.error.HTTPError as error:
        raise _refusal(error) from error
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WindrowError("not_running", f"{coordinator}: {error}") from error


def _refusal(error: urllib.error.HTTPError) -> WindrowError:
    try:
        answer = msgspec.json.decode(error.read(COORDINATOR_ANSWER_BYTES_MAX))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = {}
    code = answer.get("error") if isinstance(answer, dict) else None
    if code in REASONS:
        return WindrowError(code, str(answer.get("detail", "")))
    return WindrowError("not_running", f"{error.url} answered {error.code}")
