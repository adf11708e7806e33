"""What every place for the operator's key must do: a file, and a token that speaks PKCS #11 (SoftHSM, a real one)."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from history_world import HistoryHouse, month

from aggregator.personal import Personal
from storage.personal_tables import personal_keys
from storage.pkcs11_keys import Pkcs11Keys, Pkcs11Token
from storage.wrapping_keys import FileKeys, WrappingKeys
from windrow.home import _personal_keys
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError

LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")
PIN = "87654321"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pkcs11Token]:
    """A token of its own in SoftHSM."""
    library = next((path for path in LIBRARIES if Path(path).exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (Debian: softhsm2)")
    if importlib.util.find_spec("pkcs11") is None:
        pytest.skip("python-pkcs11 is not installed (windrow[pkcs11])")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    settings = f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    (folder / "softhsm2.conf").write_text(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        words = ("--init-token", "--free", "--label", "windrow", "--pin", PIN, "--so-pin", "12345678")
        subprocess.run(["softhsm2-util", *words], check=True, capture_output=True, env=os.environ)
        yield Pkcs11Token(library, "windrow", PIN)


@pytest.fixture(params=["file", "pkcs11"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], WrappingKeys]:
    """Open the keys of one house, as each start does."""
    if request.param == "file":
        return lambda: FileKeys(tmp_path / "keys.json", secrets.token_bytes)
    place: Pkcs11Token = request.getfixturevalue("token")
    return lambda: Pkcs11Keys(place, tmp_path.name, secrets.token_bytes)


def code_of(work: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(WindrowError) as refusal:
        work(*arguments)
    return refusal.value.code


def test_what_is_wrapped_is_bound_to_its_owner_and_to_every_byte(opened: Callable[[], WrappingKeys]) -> None:
    keys = opened()
    key_id, wrapped = keys.wrap(b"secret", b"ana")
    assert b"secret" not in wrapped
    assert keys.unwrap(key_id, wrapped, b"ana") == b"secret"
    assert keys.wrap(b"secret", b"ana")[1] != wrapped
    assert code_of(keys.unwrap, key_id, wrapped, b"bo") == "key_gone"
    assert code_of(keys.unwrap, "0" * 16, wrapped, b"ana") == "key_gone"
    for at in range(len(wrapped)):
        flipped = wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]
        assert code_of(keys.unwrap, key_id, flipped, b"ana") == "key_gone"
    for length in (0, 5, 12, 20, len(wrapped) - 1):
        assert code_of(keys.unwrap, key_id, wrapped[:length], b"ana") == "key_gone"
    assert keys.unwrap(key_id, wrapped, b"ana") == b"secret"


def test_a_rotation_keeps_older_keys_until_they_are_retired_over_any_restart(
    opened: Callable[[], WrappingKeys],
) -> None:
    key_id, wrapped = opened().wrap(b"secret", b"ana")
    assert not opened().has_older()
    newer = opened().rotate()
    assert opened().has_older()
    assert opened().wrap(b"other", b"ana")[0] == newer != key_id
    assert opened().unwrap(key_id, wrapped, b"ana") == b"secret"
    assert opened().retire() == [key_id]
    assert not opened().has_older()
    assert code_of(opened().unwrap, key_id, wrapped, b"ana") == "key_gone"
    assert opened().retire() == []


def test_a_house_lives_with_it_and_its_rotation_destroys_the_older_key(
    opened: Callable[[], WrappingKeys], tmp_path: Path
) -> None:
    world = HistoryHouse(tmp_path / "house")
    world.personal = Personal(world.house, world.segments, opened())
    (given,) = world.give(world.join(1), month(1)[:5])
    with world.house.state.read() as connection:
        ((old_id, wrapped, owner),) = connection.execute(
            sa.select(personal_keys.c.operator_key_id, personal_keys.c.wrapped, personal_keys.c.node_id)
        ).all()
    assert world.personal.vault.rotate() == 1
    again = Personal(world.house, world.segments, opened())
    assert b"https://" in again.vault.read(given)
    assert code_of(opened().unwrap, old_id, wrapped.encode(), owner.encode()) == "key_gone"


def test_a_rotation_that_was_cut_is_finished_with_the_token_too(token: Pkcs11Token, tmp_path: Path) -> None:
    keys = Pkcs11Keys(token, tmp_path.name, secrets.token_bytes)
    world = HistoryHouse(tmp_path / "house")
    world.personal = Personal(world.house, world.segments, keys)
    (given,) = world.give(world.join(1), month(1)[:5])
    keys.rotate()
    assert keys.has_older()
    again = Personal(world.house, world.segments, keys)
    assert not keys.has_older()
    assert again.vault.read(given)


def test_a_key_never_leaves_the_token_and_houses_that_share_it_have_their_own(token: Pkcs11Token) -> None:
    import pkcs11

    mine, other = (Pkcs11Keys(token, name, secrets.token_bytes) for name in ("mine", "other"))
    key_id, wrapped = mine.wrap(b"secret", b"ana")
    assert code_of(other.unwrap, key_id, wrapped, b"ana") == "key_gone"
    other.rotate()
    assert mine.unwrap(key_id, wrapped, b"ana") == b"secret"
    with mine._opened() as session:
        (key,) = mine._keys(session)
        with pytest.raises(pkcs11.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
    assert PIN not in repr(token)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # of the session that is closed
def test_a_module_that_does_not_answer_is_not_a_lost_key(token: Pkcs11Token, tmp_path: Path) -> None:
    keys = Pkcs11Keys(token, tmp_path.name, secrets.token_bytes)
    key_id, wrapped = keys.wrap(b"secret", b"ana")
    keys._session.close()
    assert code_of(keys.unwrap, key_id, wrapped, b"ana") == "key_store_failed"
    assert keys.unwrap(key_id, wrapped, b"ana") == b"secret", "and the next question is asked anew"
    missing = str(tmp_path / "no.so")
    for wrong in (Pkcs11Token(token.library, "other", PIN), Pkcs11Token(missing, "windrow", PIN)):
        assert code_of(Pkcs11Keys, wrong, "x", secrets.token_bytes) == "key_store_failed"


def test_the_settings_lead_to_the_token(token: Pkcs11Token, tmp_path: Path) -> None:
    house = HistoryHouse(tmp_path / "house").house
    named = {"personal_key_store": "pkcs11", "pkcs11_library": token.library}
    settings = HouseSettings(**named, pkcs11_pin_file=str(tmp_path / "pin"))
    assert code_of(_personal_keys, settings, house) == "bad_config"
    (tmp_path / "pin").write_text(f"{PIN}\n")
    keys = _personal_keys(settings, house)
    key_id, wrapped = keys.wrap(b"secret", b"ana")
    assert keys.unwrap(key_id, wrapped, b"ana") == b"secret"
