"""Nobody's own sites earn without end: rooms of a domain, of a hosting network, and of all domains nobody knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from rewards_cases import AT_ONCE, add_node, contribution_id, epoch, judged, open_house

from rewards.accountant import run_accountant
from rewards.ledger import entries
from rewards.ledger_checks import verify_ledger
from rewards.novelty_rooms import unranked_room
from rewards.rates import CURRENT
from storage.tables.contributions import contributions
from storage.tables.pay import novelty_rooms
from windrow_protocol.novelty_scopes import scopes_of
from windrow_protocol.ranked_domains import RankedDomains
from windrow_protocol.trust_rules import PPM, TrustRules


def test_one_domain_is_paid_for_so_much_new_text_in_an_epoch(tmp_path: Path) -> None:
    rules = TrustRules(off=AT_ONCE.off, domain_novelty_bytes_max=2_500, prefix_novelty_bytes_max=3_000)
    house = open_house(tmp_path, rules=rules)
    urls = {
        **{seq: f"http://free{seq}.github.io/" for seq in (1, 2, 3)},
        **{seq: f"http://a{seq}.example.org/" for seq in (4, 5)},
        **{seq: f"http://127.0.9.{seq}/" for seq in (6, 7, 8, 9)},
        10: "http://free1.github.io/other",
    }
    with house.state.write() as connection:
        add_node(connection, 1)
        epoch(connection, 1, "closed", 1)
        epoch(connection, 2, "closed", 10)
        for seq, url in urls.items():
            judged(connection, seq, "unaudited", "not_drawn", in_epoch=1 if seq < 10 else 2)
            row = contributions.c.contribution_id == contribution_id(seq)
            connection.execute(sa.update(contributions).where(row).values(url=url))
    run_accountant(house, batch=2)
    with house.state.read() as connection:
        lines = [entry for entry in entries(connection) if entry.reason in ("novelty", "domain_cap")]
        assert verify_ledger(connection) == []
    paid = {entry.cause: (entry.amount // CURRENT.novelty_byte_wei, entry.reason) for entry in lines}
    whole, capped = (1_000, "novelty"), "domain_cap"
    assert [paid[contribution_id(seq)] for seq in (1, 2, 3)] == [whole, whole, (500, capped)]
    assert [paid[contribution_id(seq)] for seq in (4, 5)] == [whole, whole]
    assert [paid[contribution_id(seq)] for seq in (6, 7, 8, 9)] == [whole, whole, whole, (0, capped)]
    assert paid[contribution_id(10)] == whole  # a new epoch, a new room


def unranked_share(lines: list[tuple[int, bool]]) -> float:
    return sum(paid for paid, known in lines if not known) / max(1, sum(paid for paid, _ in lines))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50_000), st.booleans()), max_size=60),
    st.sampled_from([0, 20_000, 500_000, 999_999]),
)
def test_unranked_domains_never_have_more_than_their_share(
    pages: list[tuple[int, bool]], share_ppm: int
) -> None:
    paid: list[tuple[int, bool]] = []
    for size, known in pages:
        all_paid, unranked = sum(n for n, _ in paid), sum(n for n, ranked in paid if not ranked)
        room = size if known else unranked_room(all_paid, unranked, share_ppm)
        paid.append((min(size, room), known))
        assert unranked_share(paid) * PPM <= share_ppm + 1e-6
        if not known and room < size:  # and not a byte less than that
            one_more = [*paid[:-1], (paid[-1][0] + 2, known)]
            assert unranked_share(one_more) * PPM > share_ppm


def test_a_thousand_own_sites_share_what_one_would_have(tmp_path: Path) -> None:
    rules = TrustRules(off=AT_ONCE.off, unranked_novelty_ppm=200_000)
    ranked = RankedDomains.parse(["1,example.org", "2,127.0.9.1  # an address"])
    house = replace(open_house(tmp_path, rules=rules), ranked=ranked)
    urls = {
        **{seq: f"http://www.example.org/{seq}" for seq in range(1, 8)},
        8: "http://127.0.9.1/",
        **{seq: f"http://trap{seq}.example/" for seq in (9, 10, 11, 12)},
        13: "http://example.org/more",
        14: "http://trap14.example/",
    }
    with house.state.write() as connection:
        add_node(connection, 1)
        epoch(connection, 1, "closed", 1)
        for seq, url in urls.items():
            judged(connection, seq, "unaudited", "not_drawn", in_epoch=1)
            row = contributions.c.contribution_id == contribution_id(seq)
            connection.execute(sa.update(contributions).where(row).values(url=url))
    run_accountant(house, batch=3)
    with house.state.read() as connection:
        lines = [entry for entry in entries(connection) if entry.reason in ("novelty", "unranked_cap")]
        used = {row.scope: tuple(row)[2:] for row in connection.execute(sa.select(novelty_rooms))}
    paid = {entry.cause: (entry.amount // CURRENT.novelty_byte_wei, entry.reason) for entry in lines}
    traps = [paid[contribution_id(seq)] for seq in (9, 10, 11, 12)]
    assert traps == [(1_000, "novelty"), (1_000, "novelty"), (0, "unranked_cap"), (0, "unranked_cap")]
    assert paid[contribution_id(14)] == (250, "unranked_cap")
    assert used["unranked"] == (2_250, 5_000, 5), "paid, asked and pages: what leases go by"
    assert used["all"] == (11_250, 14_000, 14)
    assert all(paid[contribution_id(seq)] == (1_000, "novelty") for seq in (*range(1, 9), 13))


def test_names_below_a_free_host_are_one_and_addresses_count_by_network() -> None:
    assert (
        scopes_of("http://alice.github.io/x")
        == scopes_of("https://bob.github.io:8443/")
        == ("domain:github.io",)
    )
    assert scopes_of("https://a.b.example.co.uk/") == ("domain:example.co.uk",)
    assert scopes_of("http://localhost/") == ("domain:localhost",)
    assert scopes_of("http://127.0.30.7:81/") == ("domain:127.0.30.7", "prefix:127.0.30.0/24")
    assert scopes_of("http://[2a00:1:2:3::4]/") == ("domain:2a00:1:2:3::4", "prefix:2a00:1:2::/48")
