"""What an operator configures about trust: validators and operators, the protocol's numbers, every page's label."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from real_house import PAYOUT, Node
from running_house import HandNode, RunningHouse, windrow

from aggregator.assignment.placement import seed_commitment
from aggregator.ingest import Ingest
from aggregator.personal import Personal
from aggregator.roster import enrol_validators, operators_at_work, trust_of
from aggregator.routes import Doors
from storage.tables.contributions import nodes
from windrow.home import open_home
from windrow.settings import HouseSettings, load_ranked_domains, load_settings, load_trust_rules
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Registration
from windrow_protocol.operators import parse_validators
from windrow_protocol.signing import dump_private_key
from windrow_protocol.trust_rules import DEFENCES, TrustRules, trust_label

ID, OTHER_ID = "ab" * 32, "cd" * 32


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WINDROW_HOME", str(tmp_path / "home"))


def test_a_validator_whose_operator_is_not_named_is_its_own() -> None:
    assert parse_validators([f"{ID}@north", f" {OTHER_ID} "]) == {ID: "north", OTHER_ID: OTHER_ID[:8]}


@pytest.mark.parametrize("entry", ["", "ab", ID.upper(), f"{ID}@", f"{ID}0", f"@{ID}", f"{ID}\n{ID}"])
def test_a_validator_that_is_none_is_refused_by_name(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WindrowError, match="`validators`"):
        parse_validators([entry])
    monkeypatch.setenv("WINDROW_VALIDATORS", f"{OTHER_ID},{entry or 'x'}")
    with pytest.raises(WindrowError, match="`validators`"):
        load_settings()


def test_nobody_is_a_validator_twice() -> None:
    with pytest.raises(WindrowError, match="twice"):
        parse_validators([f"{ID}@north", f"{ID}@south"])


@given(operators=st.integers(0, 50), least=st.integers(1, 10))
def test_too_few_operators_are_single_operator_trust(operators: int, least: int) -> None:
    label = trust_label(operators, least)
    assert (label == "single-operator trust") == (operators < least)
    assert label == "single-operator trust" or label == f"{operators} independent validator operators"


# --- the protocol's numbers -------------------------------------------------------------------------------------------


def test_a_file_overrides_the_protocol_s_numbers_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('vest_age_ms = 0\nvest_audits = 2\noff = ["canaries"]\nsuspension_enforced = true\n')
    expected = TrustRules(vest_age_ms=0, vest_audits=2, off=("canaries",), suspension_enforced=True)
    assert load_trust_rules(str(file)) == expected
    assert load_trust_rules("") == TrustRules()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("vest_audit = 2", "`vest_audit`"),
        ('vest_audits = "two"', "`vest_audits`"),
        ("vest_audits = 1.5", "`vest_audits`"),
        ("vest_audits = -1", "`vest_audits` is negative"),
        ('off = ["gravity"]', "gravity"),
        ('off = "canaries"', "`off`"),
        ("vest_audits = ", "rules.toml"),
    ],
)
def test_a_mistake_in_the_numbers_is_named(text: str, named: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(WindrowError) as refusal:
        load_trust_rules(str(file))
    assert refusal.value.code == "bad_config"
    assert named in refusal.value.detail


def test_a_file_of_numbers_that_is_not_there_is_no_silent_default(tmp_path: Path) -> None:
    with (
        pytest.raises(WindrowError, match="`trust_rules`"),
        open_home(HouseSettings(home=str(tmp_path / "house"), trust_rules=str(tmp_path / "none.toml"))),
    ):
        pass


def test_the_house_goes_by_the_file(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("nodes_per_prefix_max = 7")
    with open_home(HouseSettings(home=str(tmp_path / "house"), trust_rules=str(file))) as home:
        assert home.house.rules == TrustRules(nodes_per_prefix_max=7)


# --- roles ------------------------------------------------------------------------------------------------------------


def test_a_role_lasts_as_long_as_the_configuration_names_it(tmp_path: Path) -> None:
    settings = HouseSettings(home=str(tmp_path / "house"), network="windrow-test")
    with open_home(settings) as home:
        crowd = [Node(home.house) for _ in range(4)]

        def doors(validators: list[str]) -> Doors:
            personal = Personal(home.house, home.personal)
            return Doors(home.house, Ingest(home.house, home.contributions), personal, validators=validators)

        def start(validators: list[str]) -> list[tuple[str, str]]:
            """Start a house with these settings, have every node greet it, and return roles and operators."""
            with home.house.state.write() as connection:
                enrol_validators(connection, parse_validators(validators))
            for node in crowd:
                wish = Registration(payout_address=PAYOUT)
                asyncio.run(node.ask(doors(validators).register, "register", wish))
            with home.house.state.read() as connection:
                rows = {row.node_id: row for row in connection.execute(sa.select(nodes))}
                labels.append(trust_of(home.house, connection))
                counts.append(operators_at_work(connection))
            return [(rows[node.node_id].role, rows[node.node_id].operator) for node in crowd]

        labels: list[str] = []
        counts: list[int] = []
        a, b, c, _ = (node.node_id for node in crowd)
        contributor = ("contributor", "")
        three = start([f"{a}@north", f"{b}@south", f"{c}@west"])
        assert three == [("validator", "north"), ("validator", "south"), ("validator", "west"), contributor]
        assert start([f"{a}@north", f"{c}@north"]) == [
            ("validator", "north"),
            contributor,
            ("validator", "north"),
            contributor,
        ]
        assert start([]) == [contributor] * 4
        assert start([b])[1] == ("validator", b[:8])
        assert counts == [3, 1, 0, 1]
        assert labels == ["3 independent validator operators", *["single-operator trust"] * 3]


# --- a running house --------------------------------------------------------------------------------------------------


def test_the_network_says_by_which_numbers_it_goes(house: RunningHouse) -> None:
    facts = house.ask("GET", "/v1/network").json
    assert facts["trust"] == "single-operator trust"
    assert facts["rules"]["vest_audits"] == 20
    assert set(facts["rules"]) == set(TrustRules.__struct_fields__)
    assert set(facts["rules"]["off"]) <= DEFENCES
    assert len(facts["assignment"]["seed_sha256"]) == 64
    before = bytes.fromhex(facts["assignment"]["seed_of_day_before"])
    assert seed_commitment(before) != facts["assignment"]["seed_sha256"]
    assert b"single-operator trust" in house.ask("GET", "/").body


def test_a_wallet_speaks_for_its_node_by_one_command(house: RunningHouse, tmp_path: Path) -> None:
    wallet, cold = Account.from_key("0x" + "21" * 32), Account.from_key("0x" + "22" * 32)
    node, home = HandNode(house), tmp_path / "node"
    assert node.register(wallet.address).status == 200
    home.mkdir()
    (home / "node_key").write_text(dump_private_key(node.key))
    key_file = tmp_path / "wallet"
    key_file.write_text("21" * 32)
    key_file.chmod(0o600)

    def delegate(*arguments: object) -> Any:
        common = ("--key-file", key_file, "--coordinator", house.url)
        return windrow("node", "delegate", *common, *arguments)

    counted = delegate("--node-home", home, "--json")
    assert (counted.code, counted.json["owner"], counted.json["scopes"]) == (0, wallet.address, ["work"])
    moved = delegate("--node-home", home, "--scope", "payout", "--payout", cold.address, "--json")
    assert moved.json["payout_address"] == cold.address
    assert node.register(wallet.address).json["payout_address"] == cold.address
    told = delegate("--node-id", node.node_id, "--scope", "revoke")
    assert (told.code, told.out.splitlines()[-1]) == (0, "the node is revoked")
    assert node.register(wallet.address).json["error"] == "node_left"
    assert [path.name for path in home.iterdir()] == ["node_key"]  # nothing of the wallet's


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--node-id", ID], "unknown_node"),
        (["--node-home", "nowhere"], "no_node_key"),
        ([], "bad_usage"),
        (["--node-id", ID, "--scope", "everything"], "bad_usage"),
        (["--node-id", ID, "--scope", "payout"], "bad_usage"),
        (["--node-id", ID, "--payout", PAYOUT], "bad_usage"),
        (["--node-id", ID, "--days", "0"], "bad_usage"),
    ],
    ids=lambda value: " ".join(value)[-30:] if isinstance(value, list) else value,
)
def test_a_delegation_that_cannot_be_is_refused(
    house: RunningHouse, tmp_path: Path, arguments: list[str], code: str
) -> None:
    key_file = tmp_path / "wallet"
    key_file.write_text(json.dumps("31" * 32).strip('"'))
    key_file.chmod(0o600)
    common = ("--key-file", key_file, "--coordinator", house.url)
    said = windrow("node", "delegate", *common, *arguments, env={"HOME": str(tmp_path)})
    assert said.code != 0
    assert f"[{code}]" in said.err


def test_a_wallet_s_key_in_a_node_s_home_is_not_used(house: RunningHouse, tmp_path: Path) -> None:
    key_file = tmp_path / "wallet"
    key_file.write_text("31" * 32)
    key_file.chmod(0o600)
    said = windrow(
        "node", "delegate", "--key-file", key_file, "--node-home", tmp_path, "--coordinator", house.url
    )
    assert "[bad_config]" in said.err
    assert "node's home" in said.err


def test_a_list_of_known_domains_is_read_or_named_with_its_fault(tmp_path: Path) -> None:
    good, bad = tmp_path / "ranks.csv", tmp_path / "page.html"
    good.write_text("1,example.org\n2,example.net\n")
    bad.write_text("example.org\n<html>\n")
    assert load_ranked_domains("") is None
    ranked = load_ranked_domains(str(good))
    assert ranked is not None
    assert (len(ranked), "example.net" in ranked) == (2, True)
    for path, said in (
        (bad, "line 2 is no domain"),
        (tmp_path / "none", "No such file"),
        (tmp_path, "directory"),
    ):
        with pytest.raises(WindrowError, match=said) as refusal:
            load_ranked_domains(str(path))
        assert refusal.value.code == "bad_config"
        assert "ranked_domains" in str(refusal.value)
