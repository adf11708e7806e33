"""National numbers behind a bare `ID:` and alone on their line: known by a check, of whatever country."""

from __future__ import annotations

import pytest

from windrow_protocol.personal.patterns import DETECTORS, DEVICE_DETECTORS, find_personal

# One example of each check, as the authorities or python-stdnum's documentation print it.
NUMBERS = [
    "123-456-782",  # Canada
    "1759013776",  # Ukraine
    "943 476 5870",  # Britain's NHS
    "171430710-3",  # Ecuador
    "120174-3399",  # Iceland
    "36574261809",  # Germany
    "33392005961",  # Croatia
    "28808158931",  # Hungary
    "22400022111",  # Dominican Republic
    "500100732259",  # Russia
    "234123412346",  # India
    "29001011234567",  # Egypt
    "3171011708450001",  # Indonesia
    "2110625629",  # Denmark
    "8803200016",  # Sweden
    "85 07 30 033 28",  # Belgium
    "V-11470283-4",  # Venezuela
    "0614-050707-104-8",  # El Salvador
]


def found(text: str) -> list[str]:
    return [each.text for each in find_personal(text, DEVICE_DETECTORS) if each.kind == "national_id"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_behind_a_bare_id_is_found(number: str) -> None:
    assert found(f"client ID: {number}, since May") == [number]


@pytest.mark.parametrize("number", ["448 844 142", "78934510620", "4337489908", "28808158931"])
def test_a_number_alone_on_its_line_is_taken_out_whatever_it_is_called(number: str) -> None:
    findings = find_personal(f"Ana\n{number}\nBerlin", DEVICE_DETECTORS)
    assert number in [each.text for each in findings]


@pytest.mark.parametrize(
    "text",
    [
        "order 448 844 142 came",
        "Order ID: 448 844 143",
        "ID: 0000000000",
        "ID: 12.10.2024",
        "ID: 2024-10-12",
        '{"id": 1234567}',
        "ID: unknown",
    ],
)
def test_what_is_nobody_s_number_and_running_text_are_left(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "number", ["448 844 143", "1542596639536", "119963709058903906", "KNED3YR", "885 910 9452"]
)
def test_behind_an_id_that_no_other_noun_claims_any_form_is_believed(number: str) -> None:
    """Most countries' numbers have no check, and a slip in a number with one still leads to one person."""
    for before in ("ID: ", "his ID is ", "Ana.\nID: "):
        assert number in found(f"{before}{number}; please check")


def test_public_pages_are_searched_as_before() -> None:
    assert find_personal("ID: 78934510620", DETECTORS) == []


def test_a_short_number_behind_a_document_s_name_is_no_card() -> None:
    assert found("National identity number 4003390757938 was used") == ["4003390757938"]
    cards = find_personal("health card 4111 1111 1111 1111", DEVICE_DETECTORS)
    assert [each.kind for each in cards] == ["card"]
