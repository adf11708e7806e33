"""Recompiles the contracts with npm's solc and OpenZeppelin, into `chain/artifacts/` or to compare with it.

Rules: users never need this: artifacts are committed. What npm installs goes to a cache folder outside the repository,
named by the digest of `package.json`, so versions never mix. Compiling itself reaches no network.

Does not: deploy; `chain/deploy.py` does.

Usage::

    python -m chain.compile            # write chain/artifacts/
    python -m chain.compile --check    # exit 1 when they differ
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from platformdirs import user_cache_path

_CONTRACTS: Final = Path(__file__).parent / "contracts"
_ARTIFACTS: Final = Path(__file__).parent / "artifacts"
_INSTALL_S_MAX: Final = 300
_COMPILE_S_MAX: Final = 120


class CompilerMissingError(Exception):
    """node or npm is not here, or npm could not install; the message says which."""


class CompileError(Exception):
    """The compiler found an error or a warning; the message is its own."""


def node_modules(package: Path = _CONTRACTS) -> Path:
    """The folder with what a `package.json` names, installed if need be. Raises CompilerMissingError."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise CompilerMissingError("node and npm are not installed")
    digest = hashlib.sha256((package / "package.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("WINDROW_NPM_CACHE", user_cache_path("windrow") / "npm")) / digest
    modules = cache / "node_modules"
    if (cache / "complete").exists():
        return modules
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copy(package / "package.json", cache)
    shutil.copy(_CONTRACTS / ".npmrc", cache)
    try:
        done = subprocess.run(
            [npm, "install", "--ignore-scripts"],
            cwd=cache,
            capture_output=True,
            text=True,
            timeout=_INSTALL_S_MAX,
        )
    except subprocess.TimeoutExpired as error:
        raise CompilerMissingError("npm did not finish installing") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise CompilerMissingError(f"npm could not install: {last[0][:200]}")
    (cache / "complete").touch()
    return modules


def compile_folder(sources: Path) -> Path:
    """Compile every contract of a folder; the result is a folder with one artifact each, kept in the cache.

    Raises CompilerMissingError, CompileError.
    """
    modules = node_modules()
    result = modules.parent / "compiled" / _inputs_digest(sources)
    if result.is_dir():
        return result
    result.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=result.parent) as folder:
        fresh = Path(folder) / "fresh"
        done = subprocess.run(
            ["node", str(_CONTRACTS / "compile.js"), str(sources), str(modules), str(fresh)],
            capture_output=True,
            text=True,
            timeout=_COMPILE_S_MAX,
        )
        if done.returncode != 0:
            raise CompileError(done.stderr)
        with contextlib.suppress(OSError):  # another process was first, with the same result
            fresh.rename(result)
    return result


class Compiler:
    """One compiler in a process of its own, for many variants of a contract. Raises CompilerMissingError."""

    def __init__(self) -> None:
        command = ["node", str(_CONTRACTS / "compile.js"), "--lines", str(node_modules())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def artifact(self, contract: str, sources: Mapping[str, str], *, plain: bool = False) -> dict[str, Any]:
        """Return a contract's artifact from texts by file name; warnings are passed over. Raises CompileError.

        `plain` code is not optimized: compiled in a third of the time, it does the same for more gas.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"contract": contract, "sources": dict(sources), "plain": plain}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise CompileError("the compiler ended")
        found: dict[str, Any] = json.loads(line)
        if "refused" in found:
            raise CompileError(found["refused"])
        return found


def _inputs_digest(sources: Path) -> str:
    """Names what a compilation depends on besides the installed packages."""
    digest = hashlib.sha256((_CONTRACTS / "compile.js").read_bytes())
    for path in sorted(sources.glob("*.sol")):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:32]


def differences(sources: Path, committed: Path) -> list[str]:
    """The names of artifacts that a fresh compilation gives otherwise. Raises as `compile_folder` does."""
    fresh = compile_folder(sources)
    names = {path.name for folder in (fresh, committed) for path in folder.glob("*.json")}
    return sorted(name for name in names if _content(fresh / name) != _content(committed / name))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chain.compile", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when artifacts differ")
    parser.add_argument("--sources", type=Path, default=_CONTRACTS)
    parser.add_argument("--output", type=Path, default=_ARTIFACTS)
    arguments = parser.parse_args(argv)
    try:
        if not arguments.check:
            arguments.output.mkdir(parents=True, exist_ok=True)
            for path in compile_folder(arguments.sources).glob("*.json"):
                shutil.copy(path, arguments.output / path.name)
            return 0
        found = differences(arguments.sources, arguments.output)
    except (CompilerMissingError, CompileError) as error:
        print(error, file=sys.stderr)
        return 2
    for name in found:
        print(f"{name} differs from a fresh compilation", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
