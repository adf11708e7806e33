"""What banks call the columns of their statements, in a dozen languages, as `tables.plain_name` reads them.

Rules: names are written here as banks write them; a name stands in one list only where it means one thing.

Does not: read a statement (see `bank_csv`).

Usage: `heading_of(member, DATE, frozenset(WHAT), AMOUNT)`.
"""

from __future__ import annotations

from typing import Final

from extension_bridge.importers.tables import plain_name


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plain_name(name) for name in text.split(";")))


DATE: Final = frozenset(
    _names(
        "date; transaction date; posted date; posting date; post date; booking date; completed date; "
        "started date; date started; trans date; value date; created on; datetime; time; bookingdate; "
        "datum; Buchungstag; Buchungsdatum; Buchung; Valuta; Wertstellung; Belegdatum; date opération; "
        "date de l'opération; date d'opération; date de comptabilisation; fecha; fecha operación; "
        "fecha valor; fecha de operación; data; data operazione; data contabile; data valuta; "
        "data lançamento; data mov; data operacji; data księgowania; data transakcji; boekdatum; "
        "transactiedatum; dato; bokført dato; bogføringsdato; bogført dato; bokföringsdag; bokföringsdatum; "
        "transaktionsdag; transaktionsdatum; reskontradatum; kirjauspäivä; päivämäärä; datum zaúčtování; "
        "datum provedení; dátum; könyvelés dátuma; tarih; işlem tarihi; дата; дата операции; дата проводки; "
        "дата операції"
    )
)
WHAT: Final = _names(
    "description; payee; merchant; merchant name; name; beneficiary name; counterparty; "
    "counterparty name; partner name; details; transaction description; transaction details; "
    "original description; appears on your statement as; narrative; narration; particulars; "
    "Beguenstigter/Zahlungspflichtiger; Begünstigter/Zahlungspflichtiger; "
    "Beguenstigter/Zahlungsempfaenger; Beguenstigter/Auftraggeber; Begünstigter/Auftraggeber; "
    "Auftraggeber/Begünstigter; Auftraggeber/Empfänger; Empfänger; Zahlungsempfänger; "
    "Name Zahlungsbeteiligter; Auftraggeber; libellé; libellé simplifié; libellé opération; concepto; "
    "descripción; movimiento; beneficiario; descrizione; causale; descrizione operazione; descrição; "
    "histórico; naam/omschrijving; naam tegenpartij; omschrijving; nadawca/odbiorca; opis operacji; "
    "opis transakcji; opis; tekst; text; transaction; title; forklaring; beskrivelse; beskrivning; "
    "rubrik; namn; mottagare; saaja/maksaja; selitys; název protiúčtu; popis; közlemény; megnevezés; "
    "açıklama; описание; назначение платежа"
)
MORE: Final = _names(
    "memo; notes; note; reference; payment reference; category; type; transaction type; "
    "Verwendungszweck; Buchungstext; Umsatzart; Typ; informations complémentaires; catégorie; "
    "observaciones; categoría; descrizione estesa; mededelingen; mutatiesoort; kategoria; "
    "extended details; viesti; zpráva pro příjemce; категория"
)
AMOUNT: Final = frozenset(
    _names(
        "amount; transaction amount; amount eur; amount usd; amount gbp; amount native; paid amount; gross; "
        "value; sum; total; Betrag; Betrag EUR; Betrag in EUR; Umsatz; Umsatz in EUR; Brutto; montant; "
        "montant eur; montant en euros; importe; importe eur; importo; importo eur; valor; bedrag; "
        "bedrag eur; kwota; kwota operacji; kwota transakcji; belop; beløp; beløb; belopp; määrä; "
        "määrä euroa; částka; objem; összeg; tutar; işlem tutarı; сумма; сумма операции; сумма платежа; "
        "сума"
    )
)
OUT: Final = frozenset(
    _names(
        "debit; debit amount; debit eur; withdrawal; withdrawals; withdrawal amt; money out; paid out; "
        "Soll; Ausgang; cargo; cargos; uscite; addebiti; dare; af; obciążenia; ut fra konto; ut; utbetalt; "
        "uttag; borç; расход"
    )
)
IN: Final = frozenset(
    _names(
        "credit; credit amount; credit eur; deposit; deposits; deposit amt; money in; paid in; Haben; "
        "Eingang; abono; abonos; ingreso; entrate; accrediti; avere; bij; uznania; inn på konto; inn; "
        "innbetalt; insättning; alacak; приход"
    )
)
CURRENCY: Final = _names(
    "currency; Währung; devise; divisa; moneda; valuta; waluta; moeda; munt; měna; валюта; валюта операции"
)
STATE: Final = _names("state; status; état; estado; статус")
# A column that says whether a sum without a sign went out, and what it then says.
DIRECTION: Final = _names(
    "debit/credit; credit/debit; dr/cr; cr/dr; d/c; c/d; debit or credit; credit or debit; "
    "credit debit indicator; Soll/Haben; S/H; af/bij; debet/credit; sens; transaction type; type"
)
WENT_OUT: Final = frozenset({"debit", "debet", "dr", "d", "af", "s", "soll", "débit", "out"})
