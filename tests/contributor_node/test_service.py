"""The service's files: accepted by systemd's own check, read back by plist and XML parsers, and gone afterwards."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from contributor_node.setup import service
from contributor_node.setup.service import install, service_plan, service_state, uninstall
from contributor_node.setup.service_files import SYSTEMD_UNIT, Machine, systemd_unit
from windrow_protocol.errors import WindrowError

TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
SANDBOX = ("ProtectHome=tmpfs", "ProtectSystem=strict", "NoNewPrivileges=yes", "PrivateTmp=yes")
LOW = ("Nice=19", "CPUSchedulingPolicy=idle", "IOSchedulingClass=idle", "CPUWeight=20", "IOWeight=20")


def machine(tmp_path: Path, platform: str, node_home: str = "home/.local/share/windrow/node") -> Machine:
    return Machine(
        platform=platform,
        user="ada",
        uid=1000,
        user_home=tmp_path / "home",
        node_home=tmp_path / node_home,
        python=Path("/usr/bin/python3"),
        packages=tmp_path / "packages",
        environment=tmp_path / "environment",
    )


@pytest.fixture
def managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put programs in the place of the service managers that write down what they are asked."""
    folder, said = tmp_path / "bin", tmp_path / "said"
    folder.mkdir()
    for name in ("systemctl", "launchctl", "schtasks"):
        program = folder / name
        program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >> {said}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return said


@pytest.mark.parametrize("odd", ["node", 'a node of %h: "mine" and $HOME'])
def test_systemd_accepts_the_unit(tmp_path: Path, odd: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("this machine has no systemd-analyze")
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    path = tmp_path / SYSTEMD_UNIT
    path.write_text(systemd_unit(machine(tmp_path, "linux", odd)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.replace("\n", "")) == (0, "")


def test_the_unit_sees_its_own_home_alone_and_has_the_lowest_priority(tmp_path: Path) -> None:
    owner = replace(
        machine(tmp_path, "linux"), environment=Path("/home/ada/venv"), packages=Path("/usr/lib/x")
    )
    lines = systemd_unit(owner).splitlines()
    assert set(SANDBOX + LOW) <= set(lines)
    assert [line for line in lines if line.startswith("BindPaths=")] == [f'BindPaths="{owner.node_home}"']
    assert 'BindReadOnlyPaths="/home/ada/venv"' in lines
    assert not any("/usr/lib/x" in line for line in lines if line.startswith("Bind"))
    assert "Restart=on-failure" in lines, "not after `finish`, which ends well"
    assert "RestartPreventExitStatus=2" in lines, "nor after a mistake that a restart cannot mend"


def test_launchd_reads_the_agent(tmp_path: Path) -> None:
    owner = machine(tmp_path, "darwin")
    (file,) = service_plan(owner).files
    assert file.content is not None
    agent = plistlib.loads(file.content)
    assert agent["ProgramArguments"] == owner.command()
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert (agent["Nice"], agent["LowPriorityIO"], agent["ProcessType"]) == (19, True, "Background")
    assert file.path.name == f"{agent['Label']}.plist"


def test_task_scheduler_reads_the_task(tmp_path: Path) -> None:
    owner = replace(machine(tmp_path, "win32"), node_home=tmp_path / "my & <node>", user="DESK\\ada")
    (file,) = service_plan(owner).files
    assert file.content is not None
    task = Xml.fromstring(file.content)  # in the encoding that it declares, UTF-16
    assert task.tag == f"{TASK}Task"
    assert [child.tag.removeprefix(TASK) for child in task] == [
        *("RegistrationInfo", "Triggers", "Principals", "Settings", "Actions")
    ]
    assert task.findtext(f".//{TASK}Command") == "/usr/bin/python3"
    assert task.findtext(f".//{TASK}Arguments") == f'-m contributor_node --home "{owner.node_home}"'
    assert task.findtext(f".//{TASK}LogonTrigger/{TASK}UserId") == "DESK\\ada"
    assert task.findtext(f".//{TASK}RunLevel") == "LeastPrivilege"
    assert int(task.findtext(f".//{TASK}Priority") or 0) == 9


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_uninstall_leaves_no_file(tmp_path: Path, managers: Path, platform: str) -> None:
    owner = machine(tmp_path, platform)
    owner.node_home.mkdir(parents=True)
    kept = owner.node_home / "node_key"
    kept.write_text("a key")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    plan = service_plan(owner)
    installed = install(plan)
    assert installed.failed == []
    assert all(path.is_file() for path in installed.files)
    assert installed.files
    if platform == "linux":  # what `systemctl enable` makes
        wants = owner.user_home / ".config/systemd/user/default.target.wants"
        wants.mkdir()
        (wants / SYSTEMD_UNIT).symlink_to(installed.files[0])
    assert service_state(owner).startswith("installed")
    assert uninstall(plan).failed == []
    after = {path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()}
    assert after - {managers} == before
    assert kept.read_text() == "a key"
    assert service_state(owner) == "not installed"
    asked = managers.read_text().splitlines()
    assert any(word in asked[-2 if platform == "linux" else -1] for word in ("disable", "bootout", "Delete"))


def test_a_manager_that_refuses_is_said_and_nothing_else_is_tried(tmp_path: Path, managers: Path) -> None:
    program = tmp_path / "bin" / "systemctl"
    program.write_text("#!/bin/sh\necho 'no bus' >&2\nexit 1\n")
    assert install(service_plan(machine(tmp_path, "linux"))).failed == [
        "systemctl --user daemon-reload: no bus"
    ]


def test_a_second_uninstall_asks_nobody_and_removes_nothing(tmp_path: Path, managers: Path) -> None:
    done = uninstall(service_plan(machine(tmp_path, "linux")))
    assert (done.files, done.failed) == ([], [])
    assert not managers.exists()


def test_an_unknown_system_is_said(tmp_path: Path) -> None:
    with pytest.raises(WindrowError, match="no service manager"):
        service_plan(machine(tmp_path, "haiku"))
    assert "no service manager" in service_state(machine(tmp_path, "haiku"))


def test_the_plan_for_this_machine_runs_this_python(tmp_path: Path) -> None:
    here = service.this_machine(tmp_path)
    assert here.python.exists()
    assert (here.packages / "contributor_node").is_dir()
