"""Economic parameters: what is refused, and that rates halve exactly, by an epoch's number alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow.settings import ECONOMICS, HouseSettings, load_economics, load_settings
from windrow_protocol.economics import BPS, WIND, Economics, economics_of, sha256_of
from windrow_protocol.errors import WindrowError

PACKAGED = Path(__file__).resolve().parents[2] / "windrow" / ECONOMICS


def halved_step_by_step(rate_wei: int, every: int, epoch_id: int) -> int:
    """Walk from the first epoch to this one and halve whenever a stretch of `every` epochs is over."""
    lasted = 0
    for _ in range(1, epoch_id):
        lasted += 1
        if lasted == every:
            rate_wei, lasted = rate_wei // 2, 0
    return rate_wei


@given(st.integers(0, 2**127), st.integers(0, 30), st.integers(0, 400))
def test_rates_of_an_epoch_follow_from_its_number(rate_wei: int, every: int, epoch_id: int) -> None:
    economics = Economics(halving_epochs=every)
    assert economics.halved(rate_wei, epoch_id) == halved_step_by_step(rate_wei, every, epoch_id)


def test_a_halving_comes_after_whole_stretches_and_ends_at_nothing() -> None:
    economics = Economics(halving_epochs=4)
    assert [economics.halved(1_000, epoch_id) for epoch_id in (0, 1, 4, 5, 8, 9)] == [
        *(1_000, 1_000, 1_000),
        *(500, 500, 250),
    ]
    assert economics.halved(20 * WIND, 10**15) == 0
    assert Economics(halving_epochs=0).halved(1_000, 10**15) == 1_000


def test_what_is_packaged_is_what_a_network_begins_with() -> None:
    assert msgspec.to_builtins(Economics()) == tomllib.loads(PACKAGED.read_text(encoding="utf-8"))


def test_published_amounts_are_strings_and_lead_back() -> None:
    economics = Economics(month_wei_max=2**100, burn_bps=1)
    told = economics.published()
    assert told["month_wei_max"] == str(2**100)
    assert (told["burn_bps"], told["relay_due_wei_min"]) == (1, "0")
    assert economics_of({**told, "of_a_later_version": 1}) == economics
    assert sha256_of(told) == sha256_of(dict(reversed(told.items()))) != sha256_of(Economics().published())


@pytest.mark.parametrize(
    ("said", "blamed"),
    [
        ("fetch_fee = 1", "`fetch_fee`, which is no setting"),
        ("fetch_fee_wei = -1", "`fetch_fee_wei`"),
        ("fetch_fee_wei = 0.5", "`fetch_fee_wei`"),
        (f"audit_fee_wei = {2**128}", "`audit_fee_wei`"),
        ("halving_epochs = -4", "`halving_epochs`"),
        ("burn_bps = 3_001", "`royalty_bps` and `burn_bps` are together 10001 of 10000"),
        ("royalty_bps = 0", "`royalty_bps`"),
        (f"royalty_bps = {BPS}\nburn_bps = 0", "`royalty_bps`"),
        ("month_owner_share_ppm = 1_000_001", "`month_owner_share_ppm`"),
        ("month_round_ms = 0", "`month_round_ms`"),
        ("burn_bps = = 1", "economics.toml"),
    ],
)
def test_a_file_that_means_nothing_is_refused_by_name(tmp_path: Path, said: str, blamed: str) -> None:
    (tmp_path / ECONOMICS).write_text(said + "\n")
    with pytest.raises(WindrowError, match="bad_config") as refusal:
        load_economics(HouseSettings(home=str(tmp_path)))
    assert blamed in str(refusal.value)
    assert str(tmp_path / ECONOMICS) in str(refusal.value)


def test_a_home_s_file_stands_over_what_is_packaged(tmp_path: Path) -> None:
    (tmp_path / ECONOMICS).write_text("month_wei_max = 40_000_000_000_000_000_000\n")
    found = load_economics(HouseSettings(home=str(tmp_path)))
    assert found.values == Economics(month_wei_max=40 * WIND)
    assert found.sources["month_wei_max"] == str(tmp_path / ECONOMICS)
    assert found.sources["burn_bps"] == "default"
    with pytest.raises(WindrowError, match="there is no file"):
        load_economics(HouseSettings(home=str(tmp_path), economics=str(tmp_path / "elsewhere.toml")))


@pytest.mark.parametrize("moved", ["royalty_bps", "relay_due_wei_min"])
def test_a_parameter_where_it_stood_once_is_refused_with_its_new_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    with pytest.raises(WindrowError, match=r"belongs in economics\.toml"):
        load_settings({"home": str(tmp_path), moved: 8_000})
    monkeypatch.setenv(f"WINDROW_{moved.upper()}", "8000")
    with pytest.raises(WindrowError, match=r"belongs in economics\.toml"):
        load_settings({"home": str(tmp_path)})
