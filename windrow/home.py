"""Opens a home folder: its lock, its keys, its state, its segments and its lake, as one `OpenHome`.

Rules: one process at a time writes to a home, held by a lock on a file in it; keys are made once, in files that only
this user can read.

Does not: start servers or a chain. Usage: `with open_home(settings) as home: ...`
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.env import Disk, Env
from storage.house import House
from storage.lake import Lake
from storage.pkcs11_keys import Pkcs11Keys, Pkcs11Token
from storage.published import EXPORTS
from storage.ray_runner import RayRunner
from storage.real_env import PosixDisk, real_env
from storage.runner import LocalRunner, Runner
from storage.segments import Segments
from storage.state import State, get_meta, set_meta, sqlite_url
from storage.tables.contributions import cursors
from storage.wrapping_keys import FileKeys, KeyringKeys, WrappingKeys
from windrow.settings import HouseSettings, load_economics, load_ranked_domains, load_trust_rules
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import dump_private_key, load_private_key


@dataclass(frozen=True)
class OpenHome:
    """Everything that lies in a home, opened for writing."""

    house: House
    contributions: Segments
    personal: Segments
    personal_keys: WrappingKeys
    lake: Lake


@contextmanager
def open_home(settings: HouseSettings, env: Env | None = None) -> Iterator[OpenHome]:
    """Open a home for writing until the block ends.

    Raises WindrowError `home_locked` when another process has it, `home_unwritable` when it cannot be written,
    `other_network` when it is another network's, `other_database` when the database is not its own, `other_files` when
    the place for files is not, `database_failed`, `files_failed`, or `bad_config` of the trust rules.
    """
    path, env = Path(settings.home), env or real_env()
    env = replace(env, disk=disk_of(settings, env.disk))
    with _locked(path):
        with usable_database():
            state = State.open(database_url(settings), only_writer=True)
            try:
                _require_own_database(state, env, path)
                _require_network(state, settings.network)
                with usable_files(settings):
                    _require_own_files(state, env.disk, settings)
            except BaseException:
                state.close()
                raise
        rules = load_trust_rules(settings.trust_rules)
        runner = runner_of(settings)
        house = House(
            env,
            state,
            path,
            settings.network,
            coordinator_key(env, path),
            rules,
            economics=load_economics(settings).values,
            canary_hosts=tuple(settings.canary_hosts),
            ranked=load_ranked_domains(settings.ranked_domains),
            runner=runner,
        )
        with usable_files(settings), state.read() as connection:
            contributions = Segments(env.disk, path / "segments", "contributions", connection)
            personal = Segments(env.disk, path / "segments", "personal", connection)
            lake = Lake(env, path / "lake")
            lake.sweep(connection)
        try:
            yield OpenHome(house, contributions, personal, _personal_keys(settings, house), lake)
        finally:
            runner.close()
            contributions.close()
            personal.close()
            state.close()


def runner_of(settings: HouseSettings) -> Runner:
    """Return who does batch work: this process, or a cluster, which nobody asks before there is work."""
    return RayRunner(settings.cluster) if settings.cluster else LocalRunner()


def disk_of(settings: HouseSettings, local: Disk | None = None) -> Disk:
    """Return the files of a home: those of this machine, with the stored ones where the settings say they are.

    Raises WindrowError `bad_config` for a place that is none.
    """
    local = local or PosixDisk()
    if not settings.files:
        return local
    from storage.object_store import open_store  # here alone: they bring pyarrow's S3, at 0.2 s of CPU
    from storage.s3_disk import S3Disk

    return S3Disk(local, Path(settings.home), open_store(settings.files))


@contextmanager
def usable_files(settings: HouseSettings) -> Iterator[None]:
    """Turn what a place for files says against being used into WindrowError `files_failed`, in one line."""
    try:
        yield
    except OSError as error:
        if not settings.files:
            raise
        raise WindrowError("files_failed", f"{settings.files}: {str(error).splitlines()[0][:300]}") from error


def _require_own_files(state: State, disk: Disk, settings: HouseSettings) -> None:
    """What was begun in one place goes on there: elsewhere nothing of it would be found, and new rows would be lost.

    The place and the state know each other by `state_id`, as the home and its database do.
    """
    with state.write() as connection:
        begun = get_meta(connection, "files") is not None or _has_segments(connection)
        known = get_meta(connection, "files") or ("" if begun else settings.files)
        if known != settings.files:
            raise WindrowError("other_files", f"{known or 'the home'}, not {settings.files or 'the home'}")
        set_meta(connection, "files", known)
        state_id = get_meta(connection, "state_id") or ""
        if settings.files:
            from storage.s3_disk import S3Disk

            assert isinstance(disk, S3Disk)
            disk.store.claim(state_id, begun=begun)
            disk.take_over(Path(settings.home) / EXPORTS)


def _has_segments(connection: sa.Connection) -> bool:
    logged = sa.select(cursors.c.name).where(cursors.c.name.startswith("segments/"), cursors.c.position > 0)
    return connection.execute(logged).first() is not None


def _require_network(state: State, network: str) -> None:
    """A home is one network's: what it signed and deployed for that is worth nothing on another."""
    with state.write() as connection:
        known = get_meta(connection, "network") or network
        set_meta(connection, "network", known)
    if known != network:
        raise WindrowError("other_network", f"{known}, not {network}")


def _require_own_database(state: State, env: Env, home: Path) -> None:
    """A home and its database belong together and both know it: with another one, what the home holds would be unknown.

    What is unknown is cut off and swept away at every opening, so this comes before any file is opened.
    """
    file = home / "state_id"
    written = file.read_text() if file.exists() else ""
    with state.write() as connection:
        known = get_meta(connection, "state_id") or ""
        begun = _has_segments(connection)
        if known != written and (written or begun):
            raise WindrowError("other_database", f"{home} was begun with another one")
        new = not begun and get_meta(connection, "network") is None
        if new and any(path.stat().st_size for path in (home / "segments").glob("*")):
            raise WindrowError("other_database", f"{home} holds contributions, the database knows of none")
        if not known:
            known = env.randomness.token(16).hex()
            set_meta(connection, "state_id", known)
    if not written:
        env.disk.write_durably(file, known.encode())


def _personal_keys(settings: HouseSettings, house: House) -> WrappingKeys:
    tokens = house.env.randomness.token
    if settings.personal_key_store == "keyring":
        return KeyringKeys(house.coordinator_id, tokens)
    if settings.personal_key_store == "pkcs11":
        return Pkcs11Keys(_token_of(settings), house.coordinator_id, tokens)
    return FileKeys(house.home / "keys" / "personal.json", tokens)


def _token_of(settings: HouseSettings) -> Pkcs11Token:
    try:
        pin = Path(settings.pkcs11_pin_file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise WindrowError("bad_config", f"pkcs11_pin_file: {error}") from error
    return Pkcs11Token(settings.pkcs11_library, settings.pkcs11_token, pin)


def database_url(settings: HouseSettings) -> str:
    """Return where the state lies: the configured database, or SQLite in the home."""
    return settings.database_url or sqlite_url(Path(settings.home) / "state.db")


@contextmanager
def reading_state(settings: HouseSettings) -> Iterator[sa.Connection]:
    """Read one moment of a home's state, beside a running house or without one.

    Raises WindrowError `no_house` where none has run, and `database_failed`.
    """
    nowhere = WindrowError("no_house", settings.home)
    if not settings.database_url and not (Path(settings.home) / "state.db").exists():
        raise nowhere
    with usable_database():
        state = State.open_readonly(database_url(settings))
        try:
            with state.read() as connection:
                if not sa.inspect(connection).has_table("meta"):
                    raise nowhere
                yield connection
        finally:
            state.close()


@contextmanager
def usable_database() -> Iterator[None]:
    """Turn what a database or its driver says against being used into WindrowError `database_failed`, in one line."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        said = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        line = str(said).strip().splitlines()[0]
        driver = "; pip install 'windrow[postgresql]'" if isinstance(error, ImportError) else ""
        raise WindrowError("database_failed", line + driver) from error


def coordinator_key(env: Env, home: Path) -> Ed25519PrivateKey:
    """Load the coordinator's key, making it the first time."""
    path = home / "keys" / "coordinator"
    if not path.exists():
        key = Ed25519PrivateKey.from_private_bytes(env.randomness.token(32))
        env.disk.write_durably(path, dump_private_key(key).encode())
        path.chmod(0o600)
    return load_private_key(path.read_text())


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / "keys").mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WindrowError("home_unwritable", f"{home}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WindrowError("home_locked", str(home)) from error
    else:
        yield
    finally:
        os.close(descriptor)
