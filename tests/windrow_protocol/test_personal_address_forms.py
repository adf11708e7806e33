"""Addresses as single countries write them, and what is announced as one; numbers in prose stay."""

from __future__ import annotations

import pytest

from windrow_protocol.personal.addresses import postal_addresses_in
from windrow_protocol.personal.patterns import DEVICE_DETECTORS, find_personal


def addresses(text: str) -> list[str]:
    return [text[start:end] for start, end in postal_addresses_in(text)]


WHOLE = [
    "Aron-Vogt-Gasse 30\n8666 Sankt Veit an der Glan",
    "Myklebustkollen 61, 0330 Hamar",
    "Mlynské nivy 60\n961 11 Tajov",
    "Voćarsko naselje 6a/6\n93451 Kraljevica",
    "Justinsingel 95\n2611 NL\nJouswier",
    "12 Diana Courts\nNorth Nataliefort\nL78 2SR",
    "10/077, Guha Street\nDanapur-266166",
    "Carrera 183 # 33-7 Este\nApto. 501\n503100\nCabuyaro, Meta",
    "Rambla Rufino Cabrera 3\nLeón, 17926",
    "avenue Coulon\n22798 Rochedan",
    "Viale Torquato, 72\n71034, Castelnuovo Della Daunia (FG)",
    "Rua Bruna Figueiredo, S/N\n4461-113 Porto Santo",
    "Vereda Novaes, 86\nVila Rica\n60110-843 Cunha / TO",
    "ул. Ореховая, д. 56, кв. 4, 974821",
    "площа Кам’янецький, буд. 66, Кременець, 10573",
    "המסגר 45, מגן, 2310077",
    "79/3 ถ.ธรรมสถิตไพศาล เกษตรสมบูรณ์ ฉะเชิงเทรา 84680",
    "ბაკურიანის ქ. 06, ბოლნისი",
]


@pytest.mark.parametrize("address", WHOLE)
def test_a_country_s_own_form_is_covered_whole(address: str) -> None:
    assert addresses(f"so\n{address}\n\nand then we ate") == [address]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("I live at 9 Jalan Melati, Taman Harmoni, Pahang and like it.", "9 Jalan Melati, Taman Harmoni, Pahang"),
        ("Ship it to:\nHouse No. 59, Fakir Corner, Bhola, 1374\n", "House No. 59, Fakir Corner, Bhola, 1374"),
        ("Address: ք. Ագարակ, Վաղարշյան 6, բն. 4", "ք. Ագարակ, Վաղարշյան 6, բն. 4"),
    ],
)  # fmt: skip
def test_what_is_announced_as_an_address_is_one(text: str, address: str) -> None:
    assert addresses(text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "Send the draft to John, please, before 5.",
        "She lives to 90 and more, they say.",
        "The e-mail address is Bob.",
        "June 5, 2020 Edition",
        "Chapter 12, 4000 Words",
        "37\n\nBenQ LK936ST 4K",
        "red XLR cable (6 m), SC29 USB-C",
        "IP address: 10.0.0.1, port 80",
    ],
)
def test_numbers_beside_names_are_no_address(text: str) -> None:
    assert addresses(text) == []


@pytest.mark.parametrize(
    ("before", "place", "after"),
    [
        ('"address": "', "Ruta 5 Norte, km 950", '"'),
        ("Home address\n", "1355 avenue Sophie\nRioux -sur-Mer, MB G6J 7S5", "\n"),
        ("Delivery address: ", "85/313 Lê Đức Thọ, phường Hoàng Mai, Ninh Bình", ""),
        ("Address: ", "東京都印旛郡本埜村皇居外苑24丁目24番4号 クレスト柿木沢新田189", ""),
        ("Ship it to:\n", "甘肃省台北县房山呼和浩特路Q座 830512", ""),
        ("Address: ", "충청남도 아산시 테헤란83거리 232-31 (옥자이면)", ""),
    ],
)
def test_a_field_that_is_called_an_address_is_one_whole(before: str, place: str, after: str) -> None:
    found = find_personal(f"{before}{place}{after}", DEVICE_DETECTORS)
    assert [(each.kind, each.text) for each in found] == [("address", place)]


@pytest.mark.parametrize(
    "text",
    [
        "Address: 0x7fff5fbff8c0 is odd",
        "address: https://example.org/4",
        "Address: 00:1B:44:11:3A:B7",
        "send to: all of you",
        "The address of 4 of them is secret.",
    ],
)
def test_addresses_of_machines_and_of_nobody_are_none(text: str) -> None:
    assert [each for each in find_personal(text, DEVICE_DETECTORS) if each.kind == "address"] == []
