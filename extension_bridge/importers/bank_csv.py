"""Bank statements as CSV, which every bank writes in its own way: a date, what it was for, and an amount.

Rules: columns are found by what they are called in seven languages; one amount, or one column for what came in and one
for what went out; the order of day and month is what makes all dates of the file possible.

Does not: read account numbers and balances: columns it does not know are dropped.

Usage: `FORMATS` of the registry's `bank_statement`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import UNKNOWN, Moment, from_iso
from extension_bridge.importers.formats import Answer, Format, answered
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.tables import Heading, first_of, heading_of, rows_of
from extension_bridge.importers.wall_times import day_stands_first, wall_moment

_DATE: Final = frozenset(
    {"date", "transaction date", "posted date", "posting date", "post date", "booking date", "completed date"}
    | {
        "started date",
        "date started",
        "trans date",
        "datum",
        "buchungstag",
        "buchungsdatum",
        "buchung",
        "valuta",
    }
    | {
        "wertstellung",
        "date operation",
        "date de l operation",
        "date d operation",
        "date de comptabilisation",
    }
    | {"fecha", "fecha operacion", "fecha valor", "fecha de operacion", "data", "data operazione"}
    | {"data contabile", "data valuta", "data lancamento", "data mov", "data operacji", "data ksiegowania"}
    | {"boekdatum", "transactiedatum", "bookingdate", "created on", "datetime", "time", "value date", "dato"}
)
_WHAT: Final = (
    *("description", "payee", "merchant", "merchant name", "name", "beneficiary name", "counterparty"),
    *("counterparty name", "partner name", "details", "transaction description", "transaction details"),
    *("original description", "appears on your statement as", "narrative", "narration", "particulars"),
    *("beguenstigter zahlungspflichtiger", "beguenstigter zahlungsempfaenger", "beguenstigter auftraggeber"),
    *("auftraggeber empfanger", "empfanger", "zahlungsempfanger", "name zahlungsbeteiligter", "auftraggeber"),
    *("libelle", "libelle simplifie", "libelle operation", "concepto", "descripcion", "movimiento"),
    *("beneficiario", "descrizione", "causale", "descrizione operazione", "descricao", "historico"),
    *("naam omschrijving", "naam tegenpartij", "omschrijving", "nadawca odbiorca", "opis operacji", "opis"),
    *("tekst", "text", "transaction", "title"),
)
_MORE: Final = (
    *("memo", "notes", "note", "reference", "payment reference", "category", "type", "transaction type"),
    *("verwendungszweck", "buchungstext", "umsatzart", "informations complementaires", "categorie"),
    *(
        "observaciones",
        "categoria",
        "descrizione estesa",
        "mededelingen",
        "mutatiesoort",
        "kategoria",
        "extended details",
    ),
)
_AMOUNT: Final = frozenset(
    {
        "amount",
        "transaction amount",
        "amount eur",
        "amount usd",
        "amount gbp",
        "amount native",
        "betrag",
        "betrag eur",
    }
    | {
        "umsatz",
        "montant",
        "montant eur",
        "importe",
        "importo",
        "importo eur",
        "valor",
        "bedrag",
        "bedrag eur",
    }
    | {"kwota", "kwota operacji", "value", "sum", "total", "belop", "paid amount", "gross"}
)
_OUT: Final = frozenset(
    {"debit", "debit amount", "withdrawal", "withdrawals", "withdrawal amt", "money out", "paid out", "soll"}
    | {"ausgang", "debit eur", "cargo", "cargos", "uscite", "addebiti", "dare", "af", "obciazenia"}
)
_IN: Final = frozenset(
    {"credit", "credit amount", "deposit", "deposits", "deposit amt", "money in", "paid in", "haben"}
    | {
        "eingang",
        "credit eur",
        "abono",
        "abonos",
        "ingreso",
        "entrate",
        "accrediti",
        "avere",
        "bij",
        "uznania",
    }
)
_CURRENCY: Final = ("currency", "wahrung", "devise", "divisa", "moneda", "valuta", "waluta", "moeda", "munt")
_STATE: Final = ("state", "status", "etat", "estado")
_NOT_BOOKED: Final = frozenset({"declined", "failed", "reverted", "cancelled", "canceled", "rejected"})
_NUMBER: Final = re.compile(r"[+-]?\d[\d.,' \u00a0\u202f]*-?")
_DATES_LOOKED_AT: Final = 5_000


def _heading(member: Member) -> Heading | None:
    return heading_of(member, _DATE, frozenset(_WHAT), _AMOUNT) or heading_of(
        member, _DATE, frozenset((*_WHAT, *_MORE)), _AMOUNT | _OUT | _IN
    )


def _answer(row: dict[str, str], day_first: bool) -> Answer:
    at = _day(first_of(row, _DATE), day_first)
    if not at[0]:
        return "no_date"
    if first_of(row, _STATE).lower() in _NOT_BOOKED:
        return "declined"
    amount = _amount(row)
    title = first_of(row, _WHAT)
    if amount is None:
        return "malformed"
    more = [row[name] for name in (*_WHAT, *_MORE) if row.get(name) and row[name] != title]
    money = f"{amount} {first_of(row, tuple(n for n in _CURRENCY if not _looks_like_date(row.get(n, ''))))}"
    return Draft("transaction", at[0], at[1], title, "\n".join(dict.fromkeys(more)), amount=money.strip())


def _looks_like_date(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def _amount(row: dict[str, str]) -> str | None:
    """Return what went in or out as it is written, a minus before what went out of a column of its own."""
    plain = first_of(row, _AMOUNT)
    if plain:
        return _number(plain)
    out, into = _number(first_of(row, _OUT)), _number(first_of(row, _IN))
    if out and out.strip("0.,"):
        return out if out.startswith("-") else f"-{out}"
    return into or out


def _number(cell: str) -> str | None:
    """Return the number in a cell, without the sign of a currency; brackets and a minus behind it mean minus."""
    bare = re.sub(r"[^\d.,'+\-\u2212() \u00a0\u202f]", "", cell).strip().replace("\u2212", "-")
    minus = bare.startswith("(") or bare.endswith("-")
    found = _NUMBER.search(bare)
    if not found:
        return None
    number = re.sub(r"[ \u00a0\u202f']", "", found.group()).rstrip("-")
    return f"-{number}" if minus and not number.startswith("-") else number


def _day(cell: str, day_first: bool) -> Moment:
    found = from_iso(cell)
    if found[0]:
        return found
    if re.fullmatch(r"\d{8}", cell):
        return from_iso(f"{cell[:4]}-{cell[4:6]}-{cell[6:]}")
    return wall_moment(cell, day_first=day_first) if cell else UNKNOWN


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    heading = _heading(member)
    if heading is None:
        return
    dates = (first_of(row, _DATE) for row in rows_of(member, heading))
    day_first = day_stands_first(date for _, date in zip(range(_DATES_LOOKED_AT), dates, strict=False))
    for row in rows_of(member, heading):
        yield from answered(_answer(row, day_first), tally)


FORMATS: Final = (
    Format(
        "bank_csv", frozenset({".csv", ".tsv", ".txt"}), lambda member: _heading(member) is not None, _reads
    ),
)
