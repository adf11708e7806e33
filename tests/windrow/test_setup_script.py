"""`tools/setup.sh` sees what is missing: its own functions must not stand in for programs that it looks for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "setup.sh"
FUNCTION = re.compile(r"^(\w+)\(\) \{.*?(?:^\}|\}$)", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def functions() -> dict[str, str]:
    """The functions of the script, by name."""
    return {found.group(1): found.group(0) for found in FUNCTION.finditer(SCRIPT.read_text())}


def said(functions: dict[str, str], line: str, path: str) -> int:
    """Run one line after the script's functions, with a PATH of its own, and return its status."""
    words = "\n".join(["venv=/nonexistent", *functions.values(), line])
    shell = shutil.which("sh")
    assert shell
    environment = {"PATH": path, "HOME": "/nonexistent"}
    return subprocess.run([shell, "-c", words], env=environment, capture_output=True, timeout=30).returncode


def test_a_machine_without_a_chromium_is_seen_to_have_none(functions: dict[str, str], tmp_path: Path) -> None:
    assert said(functions, "has_chromium", "/nonexistent") != 0
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert said(functions, "has_chromium", str(tmp_path)) == 0


def test_no_function_has_the_name_of_a_program_that_is_looked_for(functions: dict[str, str]) -> None:
    looked_for = set(re.findall(r"command -v ([\w.-]+)", SCRIPT.read_text()))
    for names in re.findall(r"for \w+ in ([^;]+);", SCRIPT.read_text()):
        looked_for.update(names.split())
    assert {"chromium", "uv", "apt-get"} <= looked_for
    assert not looked_for & set(functions)
