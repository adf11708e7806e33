"""What every place for the operator's key must do: a file, and a token that speaks PKCS #11 (SoftHSM, a real one)."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from history_world import HistoryHouse, month
from month_pay_world import results

from aggregator.personal import Personal
from extension_bridge.consent import DAY_MS
from rewards.personal.months import run_person_months
from storage.pkcs11_keys import Pkcs11Keys, Pkcs11Token
from storage.tables.personal import personal_keys
from storage.wrapping_keys import FileKeys, WrappingKeys
from windrow.home import _personal_keys
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError

LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")
PIN = "87654321"
ROOT = Path(__file__).resolve().parents[2]


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
    assert code_of(keys.unwrap, "0" * 16, wrapped, b"ana") in ("key_gone", "key_store_failed")
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
    assert code_of(other.unwrap, key_id, wrapped, b"ana") == "key_store_failed", "it has never seen it"
    other.rotate()
    assert mine.unwrap(key_id, wrapped, b"ana") == b"secret"
    with mine._opened() as session:
        (key,) = mine._keys(session)
        with pytest.raises(pkcs11.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
    assert PIN not in repr(token)


# of the session that is closed
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_module_that_does_not_answer_is_not_a_lost_key(token: Pkcs11Token, tmp_path: Path) -> None:
    keys = Pkcs11Keys(token, tmp_path.name, secrets.token_bytes)
    key_id, wrapped = keys.wrap(b"secret", b"ana")
    keys._session.close()
    assert code_of(keys.unwrap, key_id, wrapped, b"ana") == "key_store_failed"
    assert keys.unwrap(key_id, wrapped, b"ana") == b"secret", "and the next question is asked anew"
    missing = str(tmp_path / "no.so")
    for wrong in (Pkcs11Token(token.library, "other", PIN), Pkcs11Token(missing, "windrow", PIN)):
        assert code_of(Pkcs11Keys, wrong, "x", secrets.token_bytes) == "key_store_failed"


_REMOVED = """
import pathlib, secrets, sys
from storage.pkcs11_keys import Pkcs11Keys, Pkcs11Token
from windrow_protocol.errors import WindrowError

def code(work, *arguments):
    try:
        work(*arguments)
    except WindrowError as error:
        return error.code
    return "ok"

library, pin, folder = sys.argv[1:]
tokens, away = pathlib.Path(folder, "tokens"), pathlib.Path(folder, "away")
keys = Pkcs11Keys(Pkcs11Token(library, "windrow", pin), "mine", secrets.token_bytes)
key_id, wrapped = keys.wrap(b"secret", b"ana")
tokens.rename(away)
tokens.mkdir()
print(*[code(keys.unwrap, key_id, wrapped, b"ana") for _ in range(3)])
print(code(keys.wrap, b"secret", b"ana"), code(keys.has_older), code(keys.retire), code(keys.rotate))
tokens.rmdir()
away.rename(tokens)
print(keys.unwrap(key_id, wrapped, b"ana").decode(), keys.wrap(b"secret", b"ana")[0] == key_id)
wrong = Pkcs11Token(library, "windrow", "00000000")
keys._close()
keys._token = wrong
first, keys._token = code(keys.unwrap, key_id, wrapped, b"ana"), Pkcs11Token(library, "windrow", pin)
print(first, *[code(keys.unwrap, key_id, wrapped, b"ana") for _ in range(3)])
print(code(Pkcs11Keys, Pkcs11Token(library, "windrow", pin), "mine", secrets.token_bytes))
"""


def test_a_token_that_is_pulled_out_or_asked_with_a_wrong_pin_loses_nothing(
    token: Pkcs11Token, tmp_path: Path
) -> None:
    """In a process of its own: a program logs in once, whatever PIN a second session names."""
    (tmp_path / "tokens").mkdir()
    conf = tmp_path / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\n")
    env = {**os.environ, "SOFTHSM2_CONF": str(conf)}
    words = ("--init-token", "--free", "--label", "windrow", "--pin", PIN, "--so-pin", "12345678")
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True, env=env)
    command = [sys.executable, "-c", _REMOVED, token.library, PIN, str(tmp_path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=env, cwd=ROOT)
    failed = "key_store_failed"
    assert told.stdout.splitlines() == [
        " ".join([failed] * 3),  # pulled out: not lost
        " ".join([failed] * 4),  # nothing made, nothing destroyed
        "secret True",  # put back: the same key goes on
        " ".join([failed] * 4),  # a wrong PIN is tried once until a start, or the token would lock itself
        "ok",
    ]


@pytest.mark.parametrize("store", ["file", "pkcs11"])
def test_another_or_an_emptied_store_gives_no_new_key_to_a_house_that_has_one(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Or what is given meanwhile would be lost as soon as the right one is put back."""
    names = iter(("right", "wrong"))

    def opened() -> WrappingKeys:
        name = next(names)
        if store == "file":
            return FileKeys(tmp_path / name / "keys.json", secrets.token_bytes)
        place: Pkcs11Token = request.getfixturevalue("token")
        return Pkcs11Keys(place, f"{tmp_path.name} {name}", secrets.token_bytes)

    world = HistoryHouse(tmp_path / "house")
    right, wrong = opened(), opened()
    world.personal = Personal(world.house, world.segments, right)
    node, other = world.join(1), world.join(2)
    (given,) = world.give(node, month(1)[:5])
    world.personal = Personal(world.house, world.segments, wrong)
    assert code_of(world.personal.vault.read, given) == "key_store_failed"
    assert code_of(world.give, other, month(2)[:5]) == "key_store_failed"
    assert code_of(world.give, node, month(3)[:5]) == "key_store_failed"
    assert code_of(world.personal.vault.rotate) == "key_store_failed"
    with world.house.state.read() as connection:
        assert len(connection.execute(sa.select(personal_keys)).all()) == 1
    world.personal = Personal(world.house, world.segments, right)
    assert b"https://" in world.personal.vault.read(given)
    assert world.give(other, month(2)[:5])


def test_a_month_is_not_judged_while_the_store_does_not_answer(token: Pkcs11Token, tmp_path: Path) -> None:
    """A donation that cannot be read just now is not one that was taken back: its month would be refused for ever."""
    world = HistoryHouse(tmp_path / "house")
    right = Pkcs11Keys(token, tmp_path.name, secrets.token_bytes)
    world.personal = Personal(world.house, world.segments, right)
    node = world.join(1)
    ids = world.give(node, month(1))
    world.clock.at_ms += 2 * DAY_MS
    wrong = Personal(world.house, world.segments, Pkcs11Keys(token, "empty", secrets.token_bytes))
    assert code_of(run_person_months, world.house, wrong.vault.read) == "key_store_failed"
    world.personal = wrong
    assert code_of(world.take_back, node, ids[:1]) == "key_store_failed"
    world.personal = Personal(world.house, world.segments, right)
    assert run_person_months(world.house, world.personal.vault.read) == 1
    assert [each[:2] for each in results(world)] == [("genuine", "person_month")]
    assert set(world.personal.vault.held(node.node_id)) == set(ids)


def test_the_settings_lead_to_the_token(token: Pkcs11Token, tmp_path: Path) -> None:
    house = HistoryHouse(tmp_path / "house").house
    named = {"personal_key_store": "pkcs11", "pkcs11_library": token.library}
    settings = HouseSettings(**named, pkcs11_pin_file=str(tmp_path / "pin"))
    assert code_of(_personal_keys, settings, house) == "bad_config"
    (tmp_path / "pin").write_text(f"{PIN}\n")
    keys = _personal_keys(settings, house)
    key_id, wrapped = keys.wrap(b"secret", b"ana")
    assert keys.unwrap(key_id, wrapped, b"ana") == b"secret"
