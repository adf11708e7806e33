"""What banks call the columns of their statements, in some twenty languages, as `column_name` reads them.

Rules: names are written here as banks write them, without the currency at their end; a name stands in one list only
where it means one thing.

Does not: read a statement (see `bank_csv`).

Usage: `heading_of(member, DATE, frozenset(WHAT), AMOUNT)`.
"""

from __future__ import annotations

import re
from typing import Final

from extension_bridge.importers.tables import plain_name

_CURRENCY: Final = re.compile(
    r" (?:in )?(?:euros?|eur|usd|gbp|chf|sek|nok|dkk|isk|pln|czk|huf|ron|bgn|try|rub|uah|inr|jpy|cny|krw"
    r"|cad|aud|nzd|zar|brl|mxn|ars|clp|cop|ils|aed|sar|sgd|hkd|thb|idr|php|myr|vnd)$"
)


def column_name(name: str) -> str:
    """Return a column's name in plain words (see `plain_name`) without the currency at its end."""
    return _CURRENCY.sub("", plain_name(name))


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column_name(name) for name in text.split(";")))


DATE: Final = frozenset(
    _names(
        "date; transaction date; posted date; posting date; post date; booking date; completed date; "
        "started date; date started; trans date; value date; created on; datetime; time; bookingdate; "
        "datum; Buchungstag; Buchungsdatum; Buchung; Valuta; Wertstellung; Belegdatum; date opération; "
        "date de l'opération; date d'opération; date de comptabilisation; fecha; fecha operación; "
        "fecha valor; fecha de operación; data; data operazione; data contabile; data valuta; "
        "data lançamento; data mov; data operacji; data księgowania; data transakcji; boekdatum; "
        "transactiedatum; dato; bokført dato; bogføringsdato; bogført dato; bokföringsdag; "
        "bokföringsdatum; transaktionsdag; transaktionsdatum; reskontradatum; kirjauspäivä; päivämäärä; "
        "datum zaúčtování; datum provedení; dátum; könyvelés dátuma; tarih; işlem tarihi; дата; "
        "дата операции; дата проводки; дата операції; txn date; clearing date; dateop; dateval; "
        "date comptable; data registrazione; data de lançamento; data movimento; data do movimento; "
        "data waluty; data transakce; datum uskutočnenia; kirjauspvm; maksupäivä; tranzakció dátuma; "
        "teljesítés dátuma; data tranzacției; datum transakcije; datum knjiženja; ημερομηνία; ημ νία; "
        "ημερομηνία συναλλαγής; дата i час операції; дата і час операції; תאריך; التاريخ; 日付; 取引日; "
        "年月日; 利用日; ご利用日; 交易时间; 交易日期; 记账日期; 交易日; 日期; 거래일시; 거래일자; "
        "거래일; 날짜; ngày giao dịch; tanggal; วันที่"
    )
)
WHAT: Final = _names(
    "description; payee; merchant; merchant name; name; beneficiary name; counterparty; "
    "counterparty name; partner name; details; transaction description; transaction details; "
    "original description; appears on your statement as; narrative; narration; particulars; "
    "Beguenstigter/Zahlungspflichtiger; Begünstigter/Zahlungspflichtiger; "
    "Beguenstigter/Zahlungsempfaenger; Beguenstigter/Auftraggeber; Begünstigter/Auftraggeber; "
    "Auftraggeber/Begünstigter; Auftraggeber/Empfänger; Empfänger; Zahlungsempfänger; "
    "Name Zahlungsbeteiligter; Auftraggeber; libellé; libellé simplifié; libellé opération; "
    "concepto; descripción; movimiento; beneficiario; descrizione; causale; descrizione operazione; "
    "descrição; histórico; naam/omschrijving; naam tegenpartij; omschrijving; nadawca/odbiorca; "
    "opis operacji; opis transakcji; opis; tekst; text; transaction; title; forklaring; beskrivelse; "
    "beskrivning; rubrik; namn; mottagare; saaja/maksaja; selitys; název protiúčtu; popis; "
    "közlemény; megnevezés; açıklama; описание; назначение платежа; counter party; "
    "merchant description; transaction narrative; Zahlungsempfänger*in; Avisierungstext; "
    "Beschreibung1; Beschreibung; Buchungsdetails; label; operazione; esercente; historico; "
    "histórico; descripcion; comercio; detalle; nombre; tegenpartij; dane kontrahenta; kontrahent; "
    "odbiorca; název obchodníka; popis transakce; partner neve; ellenoldali név; nimi; otsikko; "
    "referens; avsändare/mottagare; beneficiar; descriere; primatelj; opis plaćanja; αιτιολογία; "
    "περιγραφή; деталі операції; опис операції; опис; תיאור; פרטים; الوصف; 摘要; 摘要内容; "
    "お取り扱い内容; 入出金内容; 利用店名; ご利用店名; 交易对方; 商户名称; 对方户名; 交易對象; "
    "보낸분/받는분; 적요; 내용; 거래내용; nội dung; mô tả; keterangan; รายการ"
)
MORE: Final = _names(
    "memo; notes; note; reference; payment reference; category; type; transaction type; "
    "Verwendungszweck; Buchungstext; Umsatzart; Typ; informations complémentaires; catégorie; "
    "observaciones; categoría; descrizione estesa; mededelingen; mutatiesoort; kategoria; "
    "extended details; viesti; zpráva pro příjemce; категория; Umsatztyp; Vorgang; Beschreibung2; "
    "détail de l'écriture; dettagli; dettaglio; tytuł; szczegóły; 商品; 商品说明; 交易类型; "
    "交易分类; メモ; категорія"
)
AMOUNT: Final = frozenset(
    _names(
        "amount; transaction amount; amount eur; amount usd; amount gbp; amount native; paid amount; "
        "gross; value; sum; total; Betrag; Betrag EUR; Betrag in EUR; Umsatz; Umsatz in EUR; Brutto; "
        "montant; montant eur; montant en euros; importe; importe eur; importo; importo eur; valor; "
        "bedrag; bedrag eur; kwota; kwota operacji; kwota transakcji; belop; beløp; beløb; belopp; "
        "määrä; määrä euroa; částka; objem; összeg; tutar; işlem tutarı; сумма; сумма операции; "
        "сумма платежа; сума; сума у валюті картки; сума в валюті картки; сума операції; "
        "montant de l'opération; montant opération; valor r$; importe de la operación; monto; suma; "
        "sumă; iznos; ποσό; סכום; المبلغ; 金额; 金額; 交易金额; 入出金; 利用金額; ご利用金額; 거래금액; "
        "금액; số tiền; jumlah; จำนวนเงิน; transaction value"
    )
)
OUT: Final = frozenset(
    _names(
        "debit; debit amount; debit eur; withdrawal; withdrawals; withdrawal amt; money out; paid out; "
        "Soll; Ausgang; cargo; cargos; uscite; addebiti; dare; af; obciążenia; ut fra konto; ut; "
        "utbetalt; uttag; borç; расход; debits; outflow; amount debit; withdrawal amount; Lastschrift; "
        "Belastung; débito; débitos; débits; dépense; dépenses; retiro; retiros; addebito; saída; "
        "saídas; afschrijving; wypłata; výdaj; kiadás; terhelés; χρέωση; видаток; חובה; مدين; "
        "支払い金額; お支払金額; お引出し; 出金金額; 支出; 支出金额; 출금액; 출금; 지급; 찾으신금액; "
        "ghi nợ"
    )
)
IN: Final = frozenset(
    _names(
        "credit; credit amount; credit eur; deposit; deposits; deposit amt; money in; paid in; Haben; "
        "Eingang; abono; abonos; ingreso; entrate; accrediti; avere; bij; uznania; inn på konto; inn; "
        "innbetalt; insättning; alacak; приход; credits; inflow; amount credit; deposit amount; "
        "Gutschrift; crédito; créditos; crédits; recette; depósito; depósitos; ingresos; accredito; "
        "entrada; bijschrijving; wpłata; příjem; bevétel; jóváírás; πίστωση; надходження; זכות; دائن; "
        "預かり金額; お預り金額; お預入れ; 入金金額; 收入; 收入金额; 입금액; 입금; 맡기신금액; ghi có"
    )
)
CURRENCY: Final = _names(
    "currency; Währung; Waehrung; devise; divisa; moneda; valuta; waluta; moeda; munt; měna; "
    "pénznem; valuutta; νόμισμα; валюта; валюта операции; валюта картки; 币种; 通貨; 통화"
)
STATE: Final = _names("state; status; état; estado; stato; статус; 交易状态; 当前状态")
# A column that says whether a sum without a sign went out, and what it then says.
DIRECTION: Final = _names(
    "debit/credit; credit/debit; dr/cr; cr/dr; d/c; c/d; debit or credit; credit or debit; "
    "credit debit indicator; Soll/Haben; S/H; af/bij; debet/credit; sens; transaction type; type; "
    "收/支; 入払区分"
)
WENT_OUT: Final = frozenset(
    {"debit", "debet", "dr", "d", "af", "s", "soll", "débit", "out", "purchase", "支出", "支払い"}
)
