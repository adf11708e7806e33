"""Statements in the dialects of some fifty banks and programs: names of columns, signs, dates, letters, preambles."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from export_files import read_all

from extension_bridge.importers.registry import importers_of

# name → (encoding, lines, payees with amounts); each entry is of the end of January 2024.
DIALECTS: dict[str, tuple[str, str, str]] = {
    "sep line": (
        "cp1252",
        "sep=;\nDatum;Empfänger;Betrag\n31.01.2024;Bäcker;-1,00\n",
        "Bäcker: -1,00",
    ),
    "dkb": (
        "utf-8-sig",
        '"Girokonto";"DE00"\n'
        '"Zeitraum:";"01.01.2024 - 31.01.2024"\n'
        '"Kontostand vom 31.01.2024:";"1,00 €"\n'
        '""\n'
        '"Buchungsdatum";"Wertstellung";"Status";"Zahlungspflichtige*r";"Zahlungsempfänger*in";'
        '"Verwendungszweck";"Umsatztyp";"IBAN";"Betrag (€)";"Gläubiger-ID"\n'
        '"31.01.24";"31.01.24";"Gebucht";"Ich";"Bäcker";"Brot";"Ausgang";"DE00";"-1,00";""\n',
        "Bäcker: -1,00",
    ),
    "sparkasse": (
        "cp1252",
        '"Auftragskonto";"Buchungstag";"Valutadatum";"Buchungstext";"Verwendungszweck";'
        '"Beguenstigter/Zahlungspflichtiger";"Kontonummer/IBAN";"BIC (SWIFT-Code)";"Betrag";'
        '"Waehrung";"Info"\n'
        '"DE00";"31.01.24";"31.01.24";"LASTSCHRIFT";"Brot";"Bäcker";"DE00";"X";"-1,00";"EUR";'
        '"Umsatz gebucht"\n',
        "Bäcker: -1,00 EUR",
    ),
    "comdirect": (
        "cp1252",
        ";\n"
        '"Umsätze Girokonto";"Zeitraum: 30 Tage";\n'
        '"Neuer Kontostand";"1,00 EUR";\n'
        "\n"
        '"Buchungstag";"Wertstellung (Valuta)";"Vorgang";"Buchungstext";"Umsatz in EUR";\n'
        '"31.01.2024";"31.01.2024";"Lastschrift";"Auftraggeber: Bäcker Buchungstext: Brot";"-1,'
        '00";\n',
        "Auftraggeber: Bäcker Buchungstext: Brot: -1,00",
    ),
    "deutsche bank": (
        "cp1252",
        "Umsätze Girokonto;;;;Kundennummer: 1\n"
        "31.01.2024 - 31.01.2024\n"
        "Letzter Kontostand;;;;1,00;EUR\n"
        "Vorgemerkte und noch nicht gebuchte Umsätze sind nicht Bestandteil dieser Übersicht.\n"
        "Buchungstag;Wert;Umsatzart;Begünstigter / Auftraggeber;Verwendungszweck;IBAN;BIC;"
        "Kundenreferenz;Mandatsreferenz;Gläubiger ID;Fremde Gebühren;Betrag;"
        "Abweichender Empfänger;Anzahl der Aufträge;Anzahl der Schecks;Soll;Haben;Währung\n"
        "31.1.2024;31.1.2024;SEPA-Lastschrift;Bäcker;Brot;DE00;X;;;;;;;;;-1,00;;EUR\n",
        "Bäcker: -1,00 EUR",
    ),
    "postfinance": (
        "utf-8-sig",
        "Datum von:;2024-01-01\n"
        "Buchungsart:;Alle\n"
        "\n"
        "Buchungsdatum;Avisierungstext;Gutschrift in CHF;Lastschrift in CHF;Valuta;Saldo in CHF\n"
        "2024-01-31;Bäcker;;-1.00;2024-01-31;5.00\n"
        "\n"
        "Disclaimer:\n"
        "Der Dokumentinhalt wurde durch Filtereinstellungen generiert.\n",
        "Bäcker: -1.00",
    ),
    "ubs": (
        "utf-8-sig",
        "Kontonummer:;0\n"
        "\n"
        "Abschlussdatum;Abschlusszeit;Buchungsdatum;Valutadatum;Währung;Belastung;Gutschrift;"
        "Einzelbetrag;Saldo;Transaktions-Nr.;Beschreibung1;Beschreibung2;Beschreibung3;Fussnoten\n"
        "2024-01-31;;2024-01-31;2024-01-31;CHF;-1.00;;;5.00;1;Bäcker;Brot;;\n",
        "Bäcker: -1.00 CHF",
    ),
    "starling": (
        "utf-8",
        "Date,Counter Party,Reference,Type,Amount (GBP),Balance (GBP),Spending Category,Notes\n"
        "31/01/2024,Baker,BREAD,CARD,-1.00,5.00,GROCERIES,\n",
        "Baker: -1.00",
    ),
    "capital one": (
        "utf-8",
        "Transaction Date,Posted Date,Card No.,Description,Category,Debit,Credit\n"
        "2024-01-31,2024-02-01,1234,BAKER,Dining,1.00,\n",
        "BAKER: -1.00",
    ),
    "wells fargo": (
        "utf-8",
        '"01/31/2024","-1.00","*","","BAKER"\n"01/30/2024","5.00","*","","WAGE"\n',
        "BAKER: -1.00; WAGE: 5.00",
    ),
    "cba": (
        "utf-8",
        '31/01/2024,"-1.00","BAKER","+5.00"\n30/01/2024,"+5.00","WAGE","+6.00"\n',
        "BAKER: -1.00; WAGE: +5.00",
    ),
    "boursorama": (
        "utf-8-sig",
        "dateOp;dateVal;label;category;categoryParent;supplierFound;amount;comment;accountNum;"
        "accountLabel;accountBalance\n"
        '2024-01-31;2024-01-31;"CARTE 30/01/24 BOULANGER";Pain;Vie;boulanger;-1,00;;00;BOURSO;'
        "5.00\n",
        "CARTE 30/01/24 BOULANGER: -1,00",
    ),
    "credit agricole": (
        "cp1252",
        "Téléchargement du 31/01/2024;\n"
        "\n"
        "M. X\n"
        "Compte de Dépôt carte n° 1;\n"
        "Solde au 31/01/2024 5,00 €\n"
        "\n"
        "Liste des opérations;\n"
        "\n"
        "Date;Libellé;Débit euros;Crédit euros;\n"
        '31/01/2024;"PAIEMENT\n'
        'BOULANGER";1,00;;\n',
        "PAIEMENT BOULANGER: -1,00",
    ),
    "societe generale": (
        "cp1252",
        '="001";01/01/2024;31/01/2024;\n'
        "Date de l'opération;Libellé;Détail de l'écriture;Montant de l'opération;Devise\n"
        "31/01/2024;BOULANGER;CARTE;-1,00;EUR\n",
        "BOULANGER: -1,00 EUR",
    ),
    "banque postale": (
        "cp1252",
        "Numéro Compte   ;0\n"
        "Type ;CCP\n"
        "\n"
        "Date;Libellé;Montant(EUROS);Montant(FRANCS)\n"
        '31/01/2024;"ACHAT BOULANGER";-1,00;-6,56\n',
        "ACHAT BOULANGER: -1,00",
    ),
    "intesa": (
        "utf-8",
        "Data;Operazione;Dettagli;Conto o carta;Contabilizzazione;Categoria ;Valuta;Importo\n"
        "31/01/2024;FORNAIO;Pane;Conto;SI;Cibo;EUR;-1,00\n",
        "FORNAIO: -1,00 EUR",
    ),
    "santander es": (
        "cp1252",
        "FECHA OPERACIÓN;FECHA VALOR;CONCEPTO;IMPORTE EUR;SALDO\n"
        "31/01/2024;31/01/2024;PANADERÍA;-1,00;5,00\n",
        "PANADERÍA: -1,00",
    ),
    "nubank": (
        "utf-8",
        "Data,Valor,Identificador,Descrição\n31/01/2024,-1.00,abc,Padaria\n",
        "Padaria: -1.00",
    ),
    "mbank": (
        "utf-8-sig",
        "mBank S.A.;\n"
        "\n"
        "#Klient;\n"
        "X;\n"
        "\n"
        "#Data operacji;#Opis operacji;#Rachunek;#Kategoria;#Kwota;\n"
        '2024-01-31;"PIEKARNIA";"eKonto";"Żywność";-1,00 PLN;;\n',
        "PIEKARNIA: -1,00",
    ),
    "ing pl": (
        "cp1250",
        '"Lista";;\n'
        '"Data transakcji";"Data księgowania";"Dane kontrahenta";"Tytuł";"Nr rachunku";'
        '"Nazwa banku";"Szczegóły";"Nr transakcji";"Kwota transakcji (waluta rachunku)";"Waluta"\n'
        "2024-01-31;2024-01-31;\" PIEKARNIA \";\"Chleb\";'';'';'';'1';-1,00;PLN\n",
        "PIEKARNIA: -1,00 PLN",
    ),
    "fio": (
        "utf-8-sig",
        "accountId;0\n"
        "bankId;2010\n"
        "\n"
        "ID operace;Datum;Objem;Měna;Protiúčet;Název protiúčtu;Kód banky;Zpráva pro příjemce;Typ\n"
        '"1";"31.01.2024";"-1,00";"CZK";"0";"Pekař";"0100";"Chléb";"Platba"\n',
        "Pekař: -1,00 CZK",
    ),
    "rabobank": (
        "cp1252",
        '"IBAN/BBAN","Munt","BIC","Volgnr","Datum","Rentedatum","Bedrag","Saldo na trn",'
        '"Tegenrekening IBAN/BBAN","Naam tegenpartij","Omschrijving-1"\n'
        '"NL00","EUR","X","1","2024-01-31","2024-01-31","-1,00","+5,00","","Bakker","Brood"\n',
        "Bakker: -1,00 EUR",
    ),
    "kbc": (
        "cp1252",
        "Rekeningnummer;Rubrieknaam;Naam;Munt;Afschriftnummer;Datum;Omschrijving;Valuta;Bedrag;"
        "Saldo;credit;debet\n"
        "BE00;X;IK;EUR; 1;31/01/2024;BAKKER;31/01/2024;-1,00;5,00;;-1,00\n",
        "BAKKER: -1,00 EUR",
    ),
    "mufg": (
        "cp932",
        '"日付","摘要","摘要内容","支払い金額","預かり金額","差引残高","メモ","未資金化区分",'
        '"入払区分"\n'
        '"2024/1/31","カード","パンヤ","1,000","","5,000","","","支払い"\n',
        "カード: -1,000",
    ),
    "rakuten": (
        "cp932",
        "取引日,入出金(円),取引後残高(円),入出金内容\n20240131,-1000,5000,パン屋\n",
        "パン屋: -1000",
    ),
    "smbc": (
        "cp932",
        "年月日,お引出し,お預入れ,お取り扱い内容,残高\n2024/1/31,1000,,パン屋,5000\n",
        "パン屋: -1000",
    ),
    "alipay": (
        "gb18030",
        "------------------------------------\n"
        "导出信息：\n"
        "姓名：某\n"
        "\n"
        "交易时间,交易分类,交易对方,对方账号,商品说明,收/支,金额,收/付款方式,交易状态,交易订单号\n"
        "2024-01-31 10:11:12,餐饮,面包店,/,面包,支出,1.00,余额,交易成功,1\n",
        "面包店: -1.00",
    ),
    "wechat": (
        "utf-8-sig",
        "微信支付账单明细,,,\n"
        "微信昵称：[某],,,\n"
        ",,,\n"
        "交易时间,交易类型,交易对方,商品,收/支,金额(元),支付方式,当前状态,交易单号\n"
        '2024-01-31 10:11:12,商户消费,面包店,"面包",支出,¥1.00,零钱,支付成功,1\n',
        "面包店: -1.00",
    ),
    "korea": (
        "cp949",
        "거래일시,적요,보낸분/받는분,출금액,입금액,잔액\n2024.01.31 10:11:12,체크카드,빵집,1000,0,5000\n",
        "빵집: -1000",
    ),
    "n26 new": (
        "utf-8",
        '"Booking Date","Value Date","Partner Name","Partner Iban",Type,"Payment Reference",'
        '"Account Name","Amount (EUR)","Original Amount","Original Currency","Exchange Rate"\n'
        "2024-01-31,2024-01-31,Baker,,Presentment,,Main,-1.00,-1.00,EUR,1\n",
        "Baker: -1.00",
    ),
    "paypal de": (
        "utf-8-sig",
        '"Datum","Uhrzeit","Zeitzone","Name","Typ","Status","Währung","Brutto","Gebühr","Netto"\n'
        '"31.01.2024","10:11:12","CET","Bäcker","Zahlung","Abgeschlossen","EUR","-1,00","0,00",'
        '"-1,00"\n',
        "Bäcker: -1,00 EUR",
    ),
    "monzo": (
        "utf-8",
        "Transaction ID,Date,Time,Type,Name,Emoji,Category,Amount,Currency,Local amount,"
        "Local currency,Notes and #tags,Address,Receipt,Description,Category split,Money Out,"
        "Money In\n"
        "tx_1,31/01/2024,10:11:12,Card payment,Baker,,Groceries,-1.00,GBP,-1.00,GBP,,,,"
        "BAKER LONDON,,-1.00,\n",
        "BAKER LONDON: -1.00 GBP",
    ),
    "apple card": (
        "utf-8",
        "Transaction Date,Clearing Date,Description,Merchant,Category,Type,Amount (USD),"
        "Purchased By\n"
        "01/31/2024,02/01/2024,BAKER INC,Baker,Grocery,Purchase,1.00,Me\n",
        "BAKER INC: -1.00",
    ),
    "discover": (
        "utf-8",
        "Trans. Date,Post Date,Description,Amount,Category\n01/31/2024,01/31/2024,BAKER,1.00,Restaurants\n",
        "BAKER: 1.00",
    ),
    "swedbank": (
        "cp1252",
        "* Transaktioner Period 2024-01-01 – 2024-01-31 Skapad 2024-01-31\n"
        "Radnummer,Clearingnummer,Kontonummer,Produkt,Valuta,Bokföringsdag,Transaktionsdag,"
        "Valutadag,Referens,Beskrivning,Belopp,Bokfört saldo\n"
        '1,0,0,"Privatkonto",SEK,2024-01-31,2024-01-31,2024-01-31,"BAGERI","Kortköp",-1.00,5.00\n',
        "Kortköp: -1.00 SEK",
    ),
    "nordea fi": (
        "utf-8-sig",
        "Kirjauspäivä;Määrä;Maksaja;Maksunsaaja;Nimi;Otsikko;Viitenumero;Saldo;Valuutta\n"
        "2024/01/31;-1,00;FI00;;;Leipuri;;5,00;EUR\n",
        "Leipuri: -1,00 EUR",
    ),
    "op fi": (
        "cp1252",
        "Kirjauspäivä;Arvopäivä;Määrä EUROA;Laji;Selitys;Saaja/Maksaja;Saajan tilinumero;Viite;"
        "Viesti\n"
        '2024-01-31;2024-01-31;-1,00;162;"PKORTTI";"LEIPURI";;;Viesti\n',
        "LEIPURI: -1,00",
    ),
    "otp hu": (
        "cp1250",
        "Tranzakció dátuma;Könyvelés dátuma;Típus;Partner neve;Közlemény;Összeg;Pénznem\n"
        "2024.01.31;2024.01.31;Vásárlás;Pék;Kenyér;-1000;HUF\n",
        "Kenyér: -1000 HUF",
    ),
    "greek": (
        "cp1253",
        "Ημερομηνία;Αιτιολογία;Ποσό\n31/01/2024;ΦΟΥΡΝΟΣ;-1,00\n",
        "ΦΟΥΡΝΟΣ: -1,00",
    ),
    "portugal cgd": (
        "cp1252",
        "Consultar saldos e movimentos à ordem - 31-01-2024\n"
        "\n"
        "Conta ;0\n"
        "\n"
        "Data mov. ;Data valor ;Descrição ;Débito ;Crédito ;Saldo contabilístico ;"
        "Saldo disponível ;Categoria \n"
        "31-01-2024;31-01-2024;PADARIA;1,00;;5,00;5,00;COMPRAS \n",
        "PADARIA: -1,00",
    ),
    "ukraine": (
        "utf-8",
        "Дата;Час;Категорія;Картка;Опис операції;Сума у валюті картки;Валюта картки\n"
        "31.01.2024;10:11;Їжа;*1234;Пекарня;-1.00;UAH\n",
        "Пекарня: -1.00 UAH",
    ),
    "monobank": (
        "utf-8",
        '"Дата i час операції","Деталі операції",MCC,"Сума в валюті картки (UAH)",'
        '"Сума в валюті операції",Валюта,Курс\n'
        '"31.01.2024 10:11:12",Пекарня,5462,-1.0,-1.0,UAH,—\n',
        "Пекарня: -1.0 UAH",
    ),
    "tinkoff": (
        "cp1251",
        '"Дата операции";"Дата платежа";"Номер карты";"Статус";"Сумма операции";'
        '"Валюта операции";"Сумма платежа";"Валюта платежа";"Кэшбэк";"Категория";"MCC";'
        '"Описание"\n'
        '"31.01.2024 10:11:12";"31.01.2024";"*1234";"OK";"-1,00";"RUB";"-1,00";"RUB";"";"Еда";'
        '"5462";"Пекарня"\n',
        "Пекарня: -1,00 RUB",
    ),
    "ynab": (
        "utf-8-sig",
        '"Account","Flag","Date","Payee","Category Group/Category","Category Group","Category",'
        '"Memo","Outflow","Inflow","Cleared"\n'
        '"A","","31/01/2024","Baker","","","","Bread",£1.00,£0.00,"Cleared"\n',
        "Baker: -1.00",
    ),
    "mint": (
        "utf-8",
        '"Date","Description","Original Description","Amount","Transaction Type","Category",'
        '"Account Name","Labels","Notes"\n'
        '"1/31/2024","Baker","BAKER INC","1.00","debit","Food","A","",""\n',
        "Baker: -1.00",
    ),
    "utf16 tab": (
        "utf-16",
        "Date\tDescription\tAmount\n31/01/2024\tBaker\t-1.00\n",
        "Baker: -1.00",
    ),
    "quoted lines": (
        "utf-8",
        'Date,Description,Amount\n2024-01-31,"Baker\nLondon, UK","-1,000.00"\n',
        "Baker London, UK: -1,000.00",
    ),
    "cr dr suffix": (
        "utf-8",
        "Date,Description,Amount\n31/01/2024,Baker,1.00 DR\n30/01/2024,Wage,5.00 CR\n",
        "Baker: -1.00; Wage: 5.00",
    ),
    "india cr/dr": (
        "utf-8",
        "Txn Date,Value Date,Description,Ref No./Cheque No.,        Debit,Credit,Balance\n"
        "31 Jan 2024,31 Jan 2024,BAKER,1,1.00, ,5.00\n",
        "BAKER: -1.00",
    ),
}


@pytest.mark.parametrize("bank", DIALECTS)
def test_a_bank_s_dialect_is_read(tmp_path: Path, bank: str) -> None:
    encoding, text, said = DIALECTS[bank]
    path = tmp_path / "statement.csv"
    path.write_bytes(text.encode(encoding))
    items, report = read_all(path, "bank_statement")
    assert "; ".join(f"{item.title}: {item.amount}" for item in items) == said
    days = {datetime.fromtimestamp(item.at_ms / 1_000, UTC).date().isoformat() for item in items}
    assert days <= {"2024-01-30", "2024-01-31"}
    assert report.skipped == ({"no_date": 2} if bank == "postfinance" else {})  # what stands below the table


@pytest.mark.parametrize(
    "text",
    [
        "Date,Title\n2024-01-31,Film\n",
        "id,name,value\n1,a,2\n",
        "2024-01-31,1.00,2\n2024-01-30,-3.00,4\n",  # no words
        "2024-01-31,1.00,walked\n2024-01-30,3.00,ran\n",  # nothing went out: it may be anything
        "2024-01-31,-1.00,cold\n2024-01-30,-3.00\n",  # rows of several lengths
        "99.99.2024x,-1.00,cold\n",
    ],
)
def test_what_is_no_statement_is_not_taken_for_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    assert "bank_statement" not in [importer.name for importer in importers_of(path)]


@pytest.mark.parametrize(
    ("charset", "posted"),
    [
        *(
            (each, "20240131")
            for each in ("hex", "zlib", "rot13", "undefined", "idna", "punycode", "nonsense")
        ),
        ("1252", f"20240131120000[{'9' * 400}:X]"),
        ("1252", "20240131120000[.:X]"),
    ],
)
def test_a_header_of_ofx_that_names_no_text_or_no_zone_is_passed_over(
    tmp_path: Path, charset: str, posted: str
) -> None:
    path = tmp_path / "statement.ofx"
    entry = f"<STMTTRN><DTPOSTED>{posted}<TRNAMT>-1.00<NAME>Bäcker</STMTTRN>"
    path.write_bytes(f"OFXHEADER:100\nCHARSET:{charset}\n\n<OFX><BANKTRANLIST>{entry}".encode("cp1252"))
    items, report = read_all(path, "bank_statement")
    assert [(item.title, item.amount) for item in items] == [("Bäcker", "-1.00")]
    assert datetime.fromtimestamp(items[0].at_ms / 1_000, UTC).date().isoformat() == "2024-01-31"
    assert report.skipped == {}
