"""What this machine says of itself: on battery, on a metered line, used by somebody.

Rules: each sense answers or says None, *not known*; none is ever guessed. They are asked rarely, in a thread, because
some start a small program of the system (`busctl`, `xprintidle`, `ioreg`), which has a time limit.

Does not: decide whether work may be done (`budget`).

Usage: `conditions = sense(MachineSensors())`.

Source: NetworkManager D-Bus API (`Metered`), systemd-logind D-Bus API (`IdleHint`, `IdleSinceHintMonotonic`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ANSWER_S_MAX = 3
_METERED = {1: True, 2: False, 3: True, 4: False}  # yes, no, guessed yes, guessed no; 0 is not known
_NETWORK = (
    "org.freedesktop.NetworkManager",
    "/org/freedesktop/NetworkManager",
    "org.freedesktop.NetworkManager",
)
_LOGIN = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")


class Sensors(Protocol):
    """The port: real machines and tests have one each."""

    def on_battery(self) -> bool | None:
        """Whether it runs on battery; False where it has none."""

    def metered(self) -> bool | None:
        """Whether the line is paid by volume."""

    def idle_s(self) -> float | None:
        """Seconds since somebody used keyboard or mouse."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the sensors said last."""

    on_battery: bool | None = None
    metered: bool | None = None
    idle_s: float | None = None


def sense(sensors: Sensors) -> Conditions:
    """Ask every sensor. Blocking: call it in a thread."""
    return Conditions(sensors.on_battery(), sensors.metered(), sensors.idle_s())


class MachineSensors:
    """The sensors of the machine that this runs on; `run` is where its services say that they are there."""

    def __init__(self, run: Path = Path("/run")) -> None:
        self._run = run

    def on_battery(self) -> bool | None:
        """Ask psutil, which knows Linux, macOS and Windows."""
        import psutil

        try:
            battery = psutil.sensors_battery()
        except (OSError, AttributeError):  # AttributeError: psutil has no such sensor on this system
            return None
        if battery is None:
            return False
        return None if battery.power_plugged is None else not battery.power_plugged

    def metered(self) -> bool | None:
        """Ask NetworkManager, where it runs."""
        if not (self._run / "NetworkManager").exists():
            return None  # known without starting a program every few seconds
        number = _number(_property(*_NETWORK, "Metered"))
        return None if number is None else _METERED.get(number)

    def idle_s(self) -> float | None:
        """Ask logind, then X, then macOS."""
        asks: list[Callable[[], float | None]] = [_idle_by_x, _idle_by_mac]
        if (self._run / "systemd" / "seats").exists():
            asks.insert(0, _idle_by_login)
        for ask in asks:
            idle_s = ask()
            if idle_s is not None:
                return idle_s
        return None


def _idle_by_login() -> float | None:
    hint = _property(*_LOGIN, "IdleHint")
    if hint is None or "HANDLE" in hint:
        return None
    since_us = _number(_property(*_LOGIN, "IdleSinceHintMonotonic"))
    if hint == "b false":
        # A session that never says it idles (many do not) is told from one in use by X alone.
        return None if _idle_by_x() is not None else 0.0 if since_us else None
    return max(0.0, time.monotonic() - since_us / 1e6) if since_us else None


def _idle_by_x() -> float | None:
    milliseconds = _number(_said(["xprintidle"]))
    return None if milliseconds is None else milliseconds / 1000


def _idle_by_mac() -> float | None:
    found = re.search(r'"HIDIdleTime"\s*=\s*(\d+)', _said(["ioreg", "-c", "IOHIDSystem", "-d", "4"]) or "")
    return int(found[1]) / 1e9 if found else None


def _property(service: str, path: str, interface: str, name: str) -> str | None:
    return _said(["busctl", "--system", "--no-pager", "get-property", service, path, interface, name])


def _number(answer: str | None) -> int | None:
    found = re.fullmatch(r"(?:[a-z] )?(\d{1,20})", answer or "")
    return int(found[1]) if found else None


def _said(command: list[str]) -> str | None:
    """Return what a program of the system prints, or None where it is missing, fails or takes too long."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=ANSWER_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
