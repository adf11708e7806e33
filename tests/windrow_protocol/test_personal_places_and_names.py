"""Postal addresses and names: found where something says so, in labelled and in real texts, in linear time."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_data import real_data

from windrow_protocol.personal.addresses import postal_addresses_in
from windrow_protocol.personal.names import person_names_in
from windrow_protocol.personal.patterns import DEVICE_DETECTORS, find_personal


def addresses(text: str) -> list[str]:
    return [text[start:end] for start, end in postal_addresses_in(text)]


def names(text: str) -> list[str]:
    return [text[start:end] for start, end in person_names_in(text)]


@pytest.mark.parametrize(
    "address",
    [
        "12 Bread Street, London EC4M 9BE",
        "1600 Long Meadow Blvd Apt. 5, Springfield, IL 62704",
        "Hauptstraße 12, 10115 Berlin",
        "Rosenweg 3a",
        "Villacher Strasse 89",
        "12 rue de la Paix",
        "Calle Mayor 5, 28013 Madrid",
        "Via Roma 131",
        "ul. Miodowa 53, 00-246 Warszawa",
        "Kungsgatan 44\n111 35 Stockholm",
        "Mannerheimintie 5",
        "Rua Augusta 1200 Apt. 11\nLisboa\nPortugal",
        "PO Box 15310, Albany, NY 12212",
        "PSC 3294, Box 9168\nAPO AA 61487",
        "6750 Koskikatu 25 Apt. 864\nArtilleros\n, CO\n Uruguay 64677",
    ],
)
def test_addresses_of_several_countries_are_covered_whole(address: str) -> None:
    assert addresses(f"Please send it to {address} today.") == [address]


@pytest.mark.parametrize(
    "text",
    [
        "In 2018 Appalachian Trail hikers met.",
        "Windows 10 Version 1809, Windows Server 2019",
        "Open Gate 7K 30p",
        "The 5 Best Road-Running Shoes",
        "an equally apt 51-point AF system",
        "spinning the room 180°",
        "On 3 March 2020 Anna Smith had 12 apples and 5 pears.",
        "[ADDRESS] and [NAME], 12 [ADDRESS]",
    ],
)
def test_what_only_looks_like_an_address_stays(text: str) -> None:
    assert addresses(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("My name is Zoë van Dyk and I bake.", ["Zoë van Dyk"]),
        ("Dear Ana,\nit is bread.\nKind regards,\nBo O'Neill", ["Ana", "Bo O'Neill"]),
        ("according to Dr. Kathleen McGinn, it rises", ["Kathleen McGinn"]),
        ("From: Jan Kowalski\nTo: Team", ["Jan Kowalski"]),
        ("Frau Müller ist da. Me llamo José.", ["Müller", "José"]),
        ("Dear Sir, dear all. Hello World! Mr [NAME]", []),
        ("The Rye Bread of London", []),
        ("I met Ursula Kroeber-Lind and Zoë there.", ["Ursula Kroeber-Lind", "Zoë"]),
        ("my younger sister Ximbra, his wife Tyl Oakum", ["Ximbra", "Tyl Oakum"]),
        ("Meine Tochter Xenja lacht; mi hermano Ulloa.", ["Xenja", "Ulloa"]),
        ("It was directed by Ushi Brand and starring Tam Ro.", ["Ushi Brand", "Tam Ro"]),
        ("Name:      Abbo Lind\nI'm Tyl Oakum, a baker.", ["Abbo Lind", "Tyl Oakum"]),
        ("a woman called Ximbra", ["Ximbra"]),
        ("Jan 12, 2024 in Saint Peter near Martin Street, Monte Carlo; Thomas Hospital, Claude 3", []),
        ("I'm Irish, says Monday. She is in London; my friend is here, my Apple.", []),
        ("Dr. Ana Silva came. Ana sat; Silva's bread, Anabel.", ["Ana Silva", "Ana", "Silva"]),
    ],
)
def test_names_are_found_where_a_word_says_so(text: str, found: list[str]) -> None:
    assert names(text) == found


def test_public_pages_keep_their_addresses_and_names() -> None:
    assert find_personal("Dear Ana, 12 Bread Street, London EC4M 9BE") == []


@given(st.text(alphabet="123 aAbB.,\n-:StreetApt[]Dr", max_size=120))
def test_findings_lie_in_the_text_in_order_and_apart(text: str) -> None:
    for spans in (list(postal_addresses_in(text)), list(person_names_in(text))):
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert all(first[1] <= second[0] for first, second in pairwise(spans))


@pytest.mark.parametrize(
    "unit", ["1 A", "12 Street ", "Aaa ", "1 Rua A ", "Dr. ", "\n, ", "9 9 A 9 ", "Apt 1 ", "Straße 1"]
)
def test_a_long_text_of_nothing_but_signs_is_read_to_its_end(unit: str) -> None:
    """What goes over the text once for each sign would need hours here, and the suite its limit."""
    text = (unit * (400_000 // len(unit) + 1))[:400_000]
    for spans in (list(postal_addresses_in(text)), list(person_names_in(text))):
        assert all(first[1] <= second[0] for first, second in pairwise(spans))
        assert not spans or spans[-1][1] <= len(text)


@pytest.mark.parametrize(
    ("label", "kind", "recall"), [("STREET_ADDRESS", "address", 0.75), ("PERSON", "name", 0.52)]
)
def test_labelled_sentences(label: str, kind: str, recall: float) -> None:
    lines = (
        (real_data("pii_presidio_research_synth") / "spans.jsonl").read_text(encoding="utf-8").splitlines()
    )
    labelled = covered = found = right = 0
    for row in map(json.loads, lines):
        spans = [(s["start"], s["end"]) for s in row["spans"] if s["type"] == label]
        findings = find_personal(row["text"], DEVICE_DETECTORS)
        hits = [(each.start, each.end) for each in findings if each.kind == kind]
        labelled += len(spans)
        covered += sum(any(a <= start and end <= b for a, b in hits) for start, end in spans)
        found += len(hits)
        right += sum(any(start < b and a < end for start, end in spans) for a, b in hits)
    assert right / found >= 0.95
    assert covered / labelled >= recall


@pytest.mark.parametrize(
    "address",
    [
        "94 Jason Link\nNorth Veronicaborough, WA 27091",
        "883 Skinner Cove, Portfield, NB B6H 9M3",
        "Za Statky 4\n745 14 Benátky",
        "Rambla Cabrera N° 202",
        "北京市海淀区中关村大街27号",
        "東京都千代田区丸の内1丁目9番2号",
        "서울특별시 강남구 테헤란로 152",
    ],
)
def test_addresses_without_a_word_for_a_street(address: str) -> None:
    assert addresses(f"Please send it to: {address}, or wait.") == [address]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("They had six: Gaetane, Hannah, Ximbra and Orlo.", ["Gaetane", "Hannah", "Ximbra", "Orlo"]),
        ("Ximbra: What a day.\nNicole: Indeed.\nXimbra: Yes.", ["Ximbra", "Nicole", "Ximbra"]),
        ("Ximbra Oakum\nLeasing\n12 Bread Street\nximbra@example.org", ["Ximbra Oakum"]),
        ("> Tyl M. Oakum\n> Crumb Ltd\n> Mobile: +49 30 1234567", ["Tyl M. Oakum"]),
        ("Ximbra Oakum lives in Oslo. Tyl was born in 1990.", ["Ximbra Oakum", "Tyl"]),
        ("Her maiden name is Oakum.", ["Oakum"]),
        ("Thanks,\nXimbra", ["Ximbra"]),
        ("Mit freundlichen Grüßen\nTyl Oakum", ["Tyl Oakum"]),
        ("Please add Ximbra Oakum as a beneficiary.", ["Ximbra Oakum"]),
        ("Regards,\n陈娜", ["陈娜"]),
        ("मेरा नाम: x; My name is खड्ग सी.", ["खड्ग सी"]),
        ("Contact Us\nHead Office\ninfo@example.org", []),
        ("Bread, Butter and Jam are cheap.", []),
        ("Note: all.\nWarning: none.\nTip: go.", []),
        ("It was born in fire. Everyone lives here. The Company lives on.", []),
        ("Paris, London and Oslo: many cities.", []),
    ],
)
def test_names_among_names_and_in_blocks(text: str, found: list[str]) -> None:
    assert names(text) == found
