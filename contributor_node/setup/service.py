"""The node as a service of its owner's session: what is written, how it is started, how every trace of it goes again.

Rules: a plan is made first (pure) and then carried out; `uninstall` removes exactly what `install` wrote. A plan holds
no secret: the payout address, caps and hours are in `node.toml`. The files themselves are in `service_files`.

Does not: need root, touch other users, or remove the node's home.

Usage::

    plan = service_plan(this_machine(node_home))
    install(plan); service_state(); uninstall(plan)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contributor_node.identity import write_whole
from contributor_node.setup.service_files import (
    LAUNCHD_LABEL,
    SYSTEMD_UNIT,
    TASK_NAME,
    Machine,
    launchd_plist,
    systemd_unit,
    task_xml,
)
from windrow_protocol.errors import WindrowError

COMMAND_S_MAX = 30


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A file of the service; `content` None is a link that the service manager makes and we only remove."""

    path: Path
    content: bytes | None


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What is written, which commands start and stop it, and what its owner should know."""

    manager: str
    files: tuple[ServiceFile, ...]
    start: tuple[tuple[str, ...], ...]
    stop: tuple[tuple[str, ...], ...]
    after: tuple[tuple[str, ...], ...] = ()
    hints: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()  # removed again when they are empty


@dataclass(slots=True)
class Done:
    """What was done: files written or removed, and the commands that failed, with what they said."""

    files: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def this_machine(node_home: Path) -> Machine:
    """Return what a plan for this machine, user and installation needs."""
    packages = Path(__file__).resolve().parents[2]
    uid = os.getuid() if hasattr(os, "getuid") else 0
    user = os.environ.get("USER") or os.environ.get("USERNAME") or str(uid)
    return Machine(
        platform=sys.platform,
        user=user,
        uid=uid,
        user_home=Path.home(),
        node_home=node_home,
        python=Path(sys.executable),
        packages=packages,
        environment=Path(sys.prefix),
    )


def service_plan(machine: Machine) -> ServicePlan:
    """Return the plan for a machine. Raises WindrowError `no_service_manager`."""
    if machine.platform.startswith("linux"):
        return _systemd(machine)
    if machine.platform == "darwin":
        return _launchd(machine)
    if machine.platform == "win32":
        return _task_scheduler(machine)
    raise WindrowError("no_service_manager", machine.platform)


def install(plan: ServicePlan) -> Done:
    """Write the files and start the service. Raises WindrowError `home_unwritable`."""
    done = Done()
    for file in plan.files:
        if file.content is not None:
            write_whole(file.path, file.content, mode=0o644)
            done.files.append(file.path)
    done.failed = _run(plan.start)
    return done


def uninstall(plan: ServicePlan) -> Done:
    """Stop the service and remove its files. Raises WindrowError `home_unwritable`."""
    done = Done()
    if any(_is_there(file.path) for file in plan.files):
        done.failed = _run(plan.stop)
    for file in plan.files:
        if _is_there(file.path):
            try:
                file.path.unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise WindrowError("home_unwritable", f"{file.path}: {error.strerror}") from error
            done.files.append(file.path)
    if done.files:
        done.failed += _run(plan.after)
    for folder in plan.folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
    return done


def service_state(machine: Machine | None = None) -> str:
    """Say in words whether the service is installed and what its manager says of it."""
    try:
        plan = service_plan(machine or this_machine(Path.home()))
    except WindrowError as error:
        return error.reason.sentence.lower()
    if not any(file.path.is_file() for file in plan.files if file.content is not None):
        return "not installed"
    if plan.manager != "systemd":
        return f"installed ({plan.manager})"
    said = _answer(("systemctl", "--user", "is-active", SYSTEMD_UNIT))
    return f"installed (systemd: {said or 'does not answer'})"


def _systemd(machine: Machine) -> ServicePlan:
    configuration = machine.user_home / ".config"
    units = configuration / "systemd" / "user"
    wants = units / "default.target.wants"
    control = ("systemctl", "--user")
    return ServicePlan(
        manager="systemd",
        files=(
            ServiceFile(units / SYSTEMD_UNIT, systemd_unit(machine).encode()),
            ServiceFile(wants / SYSTEMD_UNIT, None),
        ),
        start=((*control, "daemon-reload"), (*control, "enable", "--now", SYSTEMD_UNIT)),
        stop=((*control, "disable", "--now", SYSTEMD_UNIT),),
        after=((*control, "daemon-reload"),),
        hints=(
            f"To let it run while you are logged out: loginctl enable-linger {machine.user}",
            f"To see what it says: journalctl --user -u {SYSTEMD_UNIT}",
        ),
        folders=(wants, units, units.parent),
    )


def _launchd(machine: Machine) -> ServicePlan:
    path = machine.user_home / "Library" / "LaunchAgents" / f"{LAUNCHD_LABEL}.plist"
    domain = f"gui/{machine.uid}"
    return ServicePlan(
        manager="launchd",
        files=(ServiceFile(path, launchd_plist(machine)),),
        start=(("launchctl", "bootstrap", domain, str(path)),),
        stop=(("launchctl", "bootout", f"{domain}/{LAUNCHD_LABEL}"),),
        hints=("It runs while you are logged in; launchd ends a user's agents at logout.",),
        folders=(path.parent,),
    )


def _task_scheduler(machine: Machine) -> ServicePlan:
    path = machine.node_home / "windrow-node-task.xml"
    return ServicePlan(
        manager="Task Scheduler",
        files=(ServiceFile(path, task_xml(machine)),),
        start=(
            ("schtasks", "/Create", "/TN", TASK_NAME, "/XML", str(path), "/F"),
            ("schtasks", "/Run", "/TN", TASK_NAME),
        ),
        stop=(("schtasks", "/End", "/TN", TASK_NAME), ("schtasks", "/Delete", "/TN", TASK_NAME, "/F")),
        hints=("It starts at your logon and ends when you log off.",),
    )


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _run(commands: Sequence[Sequence[str]]) -> list[str]:
    """Run commands in order and return those that failed, each with what it said; the rest is not tried."""
    for command in commands:
        problem = _problem(command)
        if problem:
            return [f"{' '.join(command)}: {problem}"]
    return []


def _problem(command: Sequence[str]) -> str:
    if shutil.which(command[0]) is None:
        return "there is no such program"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip() or f"status {done.returncode}"


def _answer(command: Sequence[str]) -> str:
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
