"""Statements as banks and programs of continental Europe write them.

Rules: data only. Each is name → (encoding, lines, payees with amounts); every entry is of the end of January 2024.
Usage: `encoding, text, said = EUROPEAN_BANKS["sep line"]`.
"""

from __future__ import annotations

from typing import Final

EUROPEAN_BANKS: Final[dict[str, tuple[str, str, str]]] = {
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
}
