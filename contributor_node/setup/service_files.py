"""The files that make a node a service: a systemd user unit, a launchd agent, a task of Windows' Task Scheduler.

Rules: low priority for CPU and disk, started again after a failure but not after `windrow node finish` or a mistake in
the settings; under systemd the node sees its own home and this installation, nothing else of its owner's. Every path is
escaped as its format wants.

Does not: write or start anything (`service`). Usage: `systemd_unit(machine)`.

Source: systemd.exec(5), systemd.service(5), launchd.plist(5), Task Scheduler Schema 1.2.
"""

from __future__ import annotations

import plistlib
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

SYSTEMD_UNIT = "windrow-node.service"
LAUNCHD_LABEL = "network.windrow.node"
TASK_NAME = r"\Windrow\node"
RESTART_S = 30
STOP_S_MAX = 45
MISTAKEN_SETTINGS = 2  # the exit status for them
_TASK_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"


@dataclass(frozen=True, slots=True)
class Machine:
    """Whose session it is, and where node, Python and packages are."""

    platform: str
    user: str
    uid: int
    user_home: Path
    node_home: Path
    python: Path
    packages: Path
    environment: Path

    def command(self) -> list[str]:
        """Return what the service runs."""
        return [str(self.python), "-m", "contributor_node", "--home", str(self.node_home)]


def systemd_unit(machine: Machine) -> str:
    """Return the unit as text."""
    readable = {machine.environment, machine.packages, machine.python.resolve().parent.parent}
    bound = "\n".join(f"BindReadOnlyPaths={_bound(path)}" for path in sorted(readable) if _is_private(path))
    return f"""[Unit]
Description=Windrow contributor node: fetches leased public web pages within its owner's caps
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=exec
ExecStart={" ".join(_quoted(part) for part in machine.command())}
Environment={_quoted(f"PYTHONPATH={machine.packages}")}
Restart=on-failure
RestartSec={RESTART_S}
RestartPreventExitStatus={MISTAKEN_SETTINGS}
KillMode=mixed
TimeoutStopSec={STOP_S_MAX}
Nice=19
CPUSchedulingPolicy=idle
CPUWeight=20
IOSchedulingClass=idle
IOWeight=20
MemoryMax=4G
TasksMax=512
UMask=0077
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=tmpfs
BindPaths={_bound(machine.node_home)}
{bound}
BindReadOnlyPaths=-%h/.cache/ms-playwright
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


def launchd_plist(machine: Machine) -> bytes:
    """Return the agent's property list."""
    return plistlib.dumps(
        {
            "Label": LAUNCHD_LABEL,
            "ProgramArguments": machine.command(),
            "EnvironmentVariables": {"PYTHONPATH": str(machine.packages)},
            "WorkingDirectory": str(machine.node_home),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": RESTART_S,
            "ExitTimeOut": STOP_S_MAX,
            "ProcessType": "Background",
            "Nice": 19,
            "LowPriorityIO": True,
            "LowPriorityBackgroundIO": True,
            "Umask": 0o077,
            "StandardOutPath": str(machine.node_home / "node.log"),
            "StandardErrorPath": str(machine.node_home / "node.log"),
        }
    )


def task_xml(machine: Machine) -> bytes:
    """Return the task as UTF-16 XML, which `schtasks` wants."""
    Xml.register_namespace("", _TASK_NAMESPACE)
    task = Xml.Element(f"{{{_TASK_NAMESPACE}}}Task", {"version": "1.2"})
    _put(task, {"RegistrationInfo": {"Description": "Windrow contributor node"}})
    _put(task, {"Triggers": {"LogonTrigger": {"Enabled": "true", "UserId": machine.user}}})
    principal = {"UserId": machine.user, "LogonType": "InteractiveToken", "RunLevel": "LeastPrivilege"}
    _put(task, {"Principals": {"Principal": principal}})
    settings: dict[str, object] = {
        "MultipleInstancesPolicy": "IgnoreNew",
        "DisallowStartIfOnBatteries": "false",  # the node's own settings say whether it works on battery
        "StopIfGoingOnBatteries": "false",
        "RestartOnFailure": {"Interval": "PT1M", "Count": "5"},
        "ExecutionTimeLimit": "PT0S",
        "Priority": "9",
        "Enabled": "true",
    }
    _put(task, {"Settings": settings})
    program, *arguments = machine.command()
    action = {
        "Command": program,
        "Arguments": " ".join(_windows_quoted(part) for part in arguments),
        "WorkingDirectory": str(machine.packages),
    }
    _put(task, {"Actions": {"Exec": action}})
    Xml.indent(task)
    text = '<?xml version="1.0" encoding="UTF-16"?>\n' + Xml.tostring(task, encoding="unicode")
    return text.encode("utf-16")


def _put(parent: Xml.Element, content: dict[str, object]) -> None:
    for name, value in content.items():
        child = Xml.SubElement(parent, f"{{{_TASK_NAMESPACE}}}{name}")
        if isinstance(value, dict):
            _put(child, value)
        else:
            child.text = str(value)


def _quoted(text: str) -> str:
    """Write an argument as systemd reads it: quoted, with `%`, `$`, backslash and quote as themselves."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _bound(path: Path) -> str:
    """Write a path as systemd reads it in a list of bind mounts, where a colon separates two paths."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace(":", "\\:")
    return f'"{escaped}"'


def _is_private(path: Path) -> bool:
    """Say whether `ProtectHome=tmpfs` would hide a path: what lies in /usr is there anyway."""
    return any(path.is_relative_to(root) for root in ("/home", "/root", "/run/user"))


def _windows_quoted(text: str) -> str:
    return f'"{text}"' if not text or any(c in text for c in ' \t"') else text
