"""Numbers of documents are found by the words before them or by their own check, and everyday numbers stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow_protocol.personal.documents import documents_in, documents_named_in
from windrow_protocol.personal.patterns import DETECTORS, DEVICE_DETECTORS, find_personal


def on_device(text: str) -> list[tuple[str, str]]:
    return [(each.kind, each.text) for each in find_personal(text, DEVICE_DETECTORS)]


@pytest.mark.parametrize(
    ("before", "number"),
    [
        ("Passport number ", "P 4366918"),
        ("my passport no. is ", "C01X00T47"),
        ("Pass-Nr.: ", "F12345671"),
        ("Personalausweis: ", "LZ6311T475"),
        ("Führerscheinnummer ", "B072RRE2I55"),
        ("carte d'identité n° ", "880692310285"),
        ("Permis de conduire : ", "911067111111"),
        ("Cédula de ciudadanía: ", "1.020.713.756"),
        ("Mi DNI es ", "20.123.456"),
        ("carta d'identità ", "CA12345AA"),
        ("patente n. ", "U1H00B000C"),
        ("dowód osobisty ", "ABA 300000"),
        ("rijksregisternummer: ", "85.07.30-033 28"),
        ("BSN ", "1112.22.333"),
        ("National Insurance number is ", "QQ 12 34 56 C"),
        ("NHS number: ", "943 476 5870"),
        ("Medicare ID: ", "3CD5-FG7-HJ89"),
        ("Medicare number ", "2123 45670 1"),
        ("social security number: ", "219 09 9999"),
        ("driver's license number ", "D123-4567-8901"),
        ("ID number: ", "200023125632"),
        ("identity card number ", "073089789"),
        ("ID card no: ", "79927398713"),
        ("TIN ", "1759013776"),
        ("паспорт ", "45 04 346733"),
        ("СНИЛС: ", "11223344595"),
        ("身份证号：", "360426199101010072"),
        ("マイナンバーカード 運転免許証番号 ", "305012345610"),
        ("주민등록번호 ", "9601211234567"),
        ("TC Kimlik No: ", "17291716061"),
        ("NIK: ", "3171011708450001"),
        ("personnummer ", "8803200017"),
        ("rodné číslo ", "710319/2746"),
        ("Reisepass-Nr. ", "C4J7K2L9M"),
        ("D.N.I. ", "10815958 R"),
        ("C.P.F. ", "673902392-12"),
        ("CNPJ sob o nº ", "57.969.022/0001-81"),
        ("C.I. ", "28354860-0"),
        ("C.C. ", "733.936.371"),
        ("cédula de identidad ", "V-21.721.082"),
        ("NSS: ", "48-02-33-4273-5"),
        ("СV; РНОКПП ", "2783278109"),
        ("کدملی ", "510-211862-5"),
        ("הוא כתב ת״ז ", "47812334-2"),
        ("الهوية الوطنية ", "1536342916"),
        ("HKID No. ", "E 731590(6)"),
        ("身份證號碼：", "D 597328(8)"),
        ("マイナンバーは", "379115687424"),
        ("RRN ", "521021 - 1823501"),
        ("RČ: ", "410505 / 8397"),
        ("SV-Nr. ", "4949/280852"),
        ("Rentenversicherungsnummer: ", "11 140293 X 577"),
        ("St.-Nr. ", "06/141/86342"),
        ("Паспорт РФ: ", "2073 № 293199"),
        ("numéro fiscal : ", "31 97 495 552 433"),
        ("codice fiscale: ", "PCZSRT 56L12 H501S"),
        ("davčna št. ", "03083975"),
        ("IRD number ", "093-574-222"),
        ("NHI: ", "KTA3957"),
        ("SSS No. ", "66-4125011-6"),
        ("Voter ID: ", "DEJ/9166264"),
        ("CCCD số ", "079 163 558 237"),
        ('"passport_number": "', "C1253473"),
        ("socialSecurityNumber=", "219099999"),
        ("| Driver's License | ", "SHYLE-706245-9-049"),
        ("**Social Number:** ", "554 23 4432"),
    ],
)
def test_a_number_behind_the_name_of_a_document_is_found_whatever_its_check(before: str, number: str) -> None:
    """A number with a slip in it still leads to one person, and most documents have no check digit at all."""
    for text in (f"{before}{number}", f"He wrote: {before}{number}, thanks. Bye"):
        assert ("national_id", number) in on_device(text), on_device(text)


@pytest.mark.parametrize(
    "text",
    [
        "AB-86-97-34-D is my NI number",
        "C1253473 (passport) and luggage",
        "912345678 is his passport",
    ],
)
def test_a_number_before_the_name_of_its_document_is_found(text: str) -> None:
    assert ("national_id", text.split()[0]) in on_device(text)


@pytest.mark.parametrize(
    "text",
    [
        "95% CI 1.20-1.45",
        "RFC 1738 says so",
        "payments will overtake Medicaid in 2020",
        "Passport: issued 12.05.2019",
        "driving licence since 12/05/2019",
        "CC 12.05.2019 and CC 2019",
        "the tax of 120.00 on it",
        "Voter ID laws of 1998",
    ],
)
def test_what_is_no_number_of_a_document_stays(text: str) -> None:
    assert [kind for kind, _ in on_device(text) if kind == "national_id"] == []


@pytest.mark.parametrize(
    "number",
    [
        "S1234567D",
        "756 9217 0769 85",  # Switzerland, with blanks
        "S-1234567-D",  # Singapore
        "112-233-445 95",  # Russia, pension
        "0101006500006",  # Slovenia and its neighbours
        "1893120105732",  # Luxembourg
        "15070649C103",  # Germany, pension
        "1EG4-TE5-MK73",  # United States, Medicare
        "MORGA657054SM9IJ",  # Great Britain, driving
        "001-1391820-5",  # Dominican Republic
        "770305-02-1234",  # Malaysia
        "ACUPA7085R",  # India, tax
        "GODE561231GR8",  # Mexico, tax
        "00000000 0 ZZ4",  # Portugal
        "Y8063915-Z",  # Spain, a hyphen before the letter
        "12345678-Z",
    ],
)
def test_a_number_that_its_own_check_gives_away_needs_no_name(number: str) -> None:
    assert on_device(f"here {number}.") == [("national_id", number)]


@pytest.mark.parametrize(
    "text",
    [
        "The order ID is 4711-0815 and the bug no. 123456.",
        "ISBN 978-0-471-11709-4, EAN 4006381333931, DOI 10.1000/182",
        "passport photos cost 15 dollars in 2019; passport control 2018-2019",
        "version 1.2.3.4567, commit 1a2b3c4d5e6f, build 20240115.3",
        "The ID card was introduced in 2010 and 2011.",
        "id=1234567890&session=778899",
        "1700000000000 1612160000000 20240115123000 202401151230",
        "prices 1,299.00 EUR, 12.345,67 and 100-200-300",
        "the driver 531.41 for the license GPL-3.0-or-later, licence 2.0",
        "SKU S1234567A, part number AB12345, model WH-1000XM4",
        "tax identification is hard: 12 steps, 345 forms",
        "The tin can of 1810, number 123456 of the series",
    ],
)
def test_everyday_numbers_stay(text: str) -> None:
    assert [kind for kind, _ in on_device(text) if kind == "national_id"] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("IBAN: TH284940326991", [("iban", "TH284940326991")]),
        ("transfer to GB07LEOK8929007540091 today", [("iban", "GB07LEOK8929007540091")]),
        ("part GB07LEOK8929007540091 fits", []),
        ("my credit card: 122000000000003", [("card", "122000000000003")]),
        ("item 122000000000003", []),
        ("My MAC is 0012.3456.789a", [("mac", "0012.3456.789a")]),
        ("route 1234.5678.9abc", []),
        ("from 203.0.113.9 and 2001:db8::1", [("ip", "203.0.113.9"), ("ip", "2001:db8::1")]),
        ("gateway fe80::1%eth0", [("ip", "fe80::1%eth0")]),
        ("::ffff:192.168.1.1 in 10.11.0.0/16", [("ip", "::ffff:192.168.1.1"), ("ip", "10.11.0.0/16")]),
        ("on 127.0.0.1, ::1 and 255.255.255.0; a::b", []),
        ("a@xn--d1acufc.xn--p1ai", [("email", "a@xn--d1acufc.xn--p1ai")]),
        ("8 (912) 345-67-89", [("phone", "8 (912) 345-67-89")]),
        ("dial 8 029 491-19-11", [("phone", "8 029 491-19-11")]),
        ("0 532 123 45 67", [("phone", "0 532 123 45 67")]),
        ("0 (917) 123 4567", [("phone", "0 (917) 123 4567")]),
        ("532-123-45-67", [("phone", "532-123-45-67")]),
        ("Cep no: 05321234567", [("phone", "05321234567")]),
        ("(06 1) 234 5678", [("phone", "(06 1) 234 5678")]),
        ("(0-612) 34567", [("phone", "(0-612) 34567")]),
        ("+683 7012", [("phone", "+683 7012")]),
        ("she texted from 321 23 45", [("phone", "321 23 45")]),
        (
            "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9 or TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
            [
                ("wallet", "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9"),
                ("wallet", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"),
            ],
        ),
        ("EPL 81 (2008) 48002 on 0 2020-08-01 17:42", []),
        ("rows 12 34 56 78 and 1 (2) 345-67 and 10-12-14", []),
    ],
)
def test_what_only_a_device_takes_out(text: str, found: list[tuple[str, str]]) -> None:
    assert on_device(text) == found


def test_public_pages_are_searched_as_before() -> None:
    text = "passport C01X00T47, 203.0.113.9, IBAN TH284940326991, 8 (912) 345-67-89"
    assert [each.text for each in find_personal(text, DETECTORS) if each.kind != "phone"] == []


@given(st.text(alphabet="passport IDno.:#-/ 0123456789AZ身份证паспорт", max_size=120))
def test_findings_lie_in_the_text(text: str) -> None:
    for start, end in (*documents_in(text), *documents_named_in(text)):
        assert 0 <= start < end <= len(text)
        assert any(char.isdigit() for char in text[start:end])


@pytest.mark.parametrize("unit", ["passport no ", "1 ", "ID number: 1", "A1-", "DNI 1.", "1" * 50, "1EG4-"])
def test_a_long_text_of_nothing_but_signs_is_read_to_its_end(unit: str) -> None:
    text = (unit * (60_000 // len(unit) + 1))[:60_000]
    assert all(end <= len(text) for _, end in (*documents_in(text), *documents_named_in(text)))
