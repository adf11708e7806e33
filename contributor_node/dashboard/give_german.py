"""The German of what the pages of personal data and every page's frame say, by the English words; see `tongue`.

Rules: data only; templates lie in `pages/de`. Usage: `GIVE_PAGES["Nothing yet."]`.
"""

from __future__ import annotations

from typing import Final

MONTHS: Final = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip
# One, many.
COUNTED: Final[dict[str, tuple[str, str]]] = {
    "row": ("Zeile", "Zeilen"),
    "page": ("Seite", "Seiten"),
    "node": ("Knoten", "Knoten"),
    "more site": ("weitere", "weitere"),
    "more waits": ("wartet noch", "warten noch"),
    "time": ("Stelle", "Stellen"),
    "visit": ("Besuch", "Besuche"),
    "document": ("Dokument", "Dokumente"),
    "e-mail address": ("E-Mail-Adresse", "E-Mail-Adressen"),
    "telephone number": ("Telefonnummer", "Telefonnummern"),
    "card number": ("Kartennummer", "Kartennummern"),
    "bank account": ("Bankkonto", "Bankkonten"),
    "internet address": ("Internetadresse", "Internetadressen"),
    "device address": ("Geräteadresse", "Geräteadressen"),
    "wallet address": ("Wallet-Adresse", "Wallet-Adressen"),
    "key or password": ("Schlüssel oder Passwort", "Schlüssel oder Passwörter"),
    "identity number": ("Ausweis- oder Steuernummer", "Ausweis- oder Steuernummern"),
    "postal address": ("Anschrift", "Anschriften"),
    "name of a person": ("Name eines Menschen", "Namen von Menschen"),
    "quoted passage": ("Zitat", "Zitate"),
    "account": ("Konto", "Konten"),
    "number": ("Nummer", "Nummern"),
    "word you took out": ("von Ihnen herausgenommenes Wort", "von Ihnen herausgenommene Wörter"),
    "other mark": ("weitere Stelle", "weitere Stellen"),
}
GIVE_PAGES: Final[dict[str, str]] = {
    # frame
    "Give": "Spenden", "Now": "Jetzt", "Log": "Protokoll", "Data": "Daten", "Money": "Geld", "Questions": "Fragen",
    "node": "Knoten", "Skip to content": "Zum Inhalt", "Pages": "Seiten", "Agree, then send": "Zustimmen, dann senden",
    "Node {node}, pay goes to {payout}. This page is served by your own machine.":
        "Knoten {node}, Geld geht an {payout}. Diese Seite kommt von Ihrem eigenen Computer.",
    # choices
    "30 days": "30 Tage", "90 days": "90 Tage", "1 year": "1 Jahr", "3 years": "3 Jahre",
    "1 minute": "1 Minute", "10 minutes": "10 Minuten", "1 hour": "1 Stunde", "1 day": "1 Tag",
    # states
    "waits to be sent": "wartet auf das Senden",
    "waits for the coordinator’s receipt": "wartet auf die Quittung des Koordinators",
    "delivered, receipt signed": "zugestellt, Quittung unterschrieben",
    "not accepted, nothing was kept": "nicht angenommen, nichts wurde behalten",
    "being taken back": "wird zurückgenommen",
    "taken back": "zurückgenommen",
    "not looked at yet": "noch nicht angesehen",
    "is being looked at": "wird angesehen",
    "counts": "zählt",
    "does not count": "zählt nicht",
    # lists
    "Take back": "Zurücknehmen",
    "Take “{title}” back": "„{title}“ zurücknehmen",
    "Nothing yet.": "Noch nichts.",
    "Nothing is put aside. In the browser, the Windrow extension puts pages and visits here; {command} puts "
        "items of an "
    "export here that a service gave you.":
        "Nichts ist beiseitegelegt. Im Browser legt die Windrow-Erweiterung Seiten und Besuche hierher; {command} legt "
        "Einträge eines Exports hierher, den ein Dienst Ihnen gab.",
    "No month was looked at yet. Each is, once it is over and holds 200 visits with time and address.":
        "Noch wurde kein Monat angesehen. Jeder wird es, sobald er vorbei ist und 200 Besuche mit Zeit und "
        "Adresse hat.",
    " · pending until {time}": " · offen bis {time}",
    "Agreed {time}": "Zugestimmt am {time}",
    "Rows {first} to {last} of {count}": "Zeilen {first} bis {last} von {count}",
    "Choose none": "Keine wählen", "Choose all rows shown": "Alle gezeigten Zeilen wählen",
    "earlier rows": "frühere Zeilen", "further rows": "weitere Zeilen",
    # a row
    "a page": "eine Seite", "a visit of your history": "ein Besuch aus Ihrem Verlauf",
    "what you wrote to an AI assistant": "was Sie einem KI-Assistenten schrieben",
    "what an AI assistant answered you": "was ein KI-Assistent Ihnen antwortete",
    "what you searched for": "wonach Sie suchten", "what you watched": "was Sie sahen",
    "what you listened to": "was Sie hörten",
    "a post or comment of yours": "ein Beitrag oder Kommentar von Ihnen",
    "a like, vote or bookmark of yours": "eine Wertung oder ein Lesezeichen von Ihnen",
    "a message you wrote to others": "eine Nachricht, die Sie anderen schrieben",
    "a payment of yours": "eine Zahlung von Ihnen",
    "something": "etwas",
    "about {amount}": "etwa {amount}",
    "Title": "Titel", "Text": "Text", "Save": "Speichern", "Delete this row": "Diese Zeile löschen",
    "Nothing that looks personal was found. Not every name is recognised.":
        "Nichts gefunden, was nach einem Menschen aussieht. Nicht jeder Name wird erkannt.",
    "Nothing by itself, and nothing by the byte: a month of visits earns as one, from sales and budgets.":
        "Für sich nichts und nie je Byte: Ein Monat von Besuchen bringt als Ganzes Geld, aus Verkäufen und Budgets.",
    "somebody can be reached there": "dort ist jemand zu erreichen",
    "it can be paid with": "damit kann man bezahlen",
    "money can be taken from it": "davon kann man Geld abbuchen",
    "it leads to a household": "sie führt zu einem Haushalt",
    "it names one device": "sie nennt ein einzelnes Gerät",
    "all its payments are public": "alle ihre Zahlungen sind öffentlich",
    "it opens something": "damit lässt sich etwas öffnen",
    "it names one person for life": "sie nennt einen Menschen ein Leben lang",
    "somebody lives there": "dort wohnt jemand",
    "it says who somebody is": "er sagt, wer jemand ist",
    "somebody else wrote it": "jemand anderes hat es geschrieben",
    "it names somebody": "es nennt jemanden",
    "it may be that of an account, a card or a shop": "sie kann zu einem Konto, einer Karte oder einem Laden gehören",
    "you said so": "Sie wollten es",
    "it points at a person": "es weist auf einen Menschen",
    # what was done
    "Saved. This is what would leave now.": "Gespeichert. Das würde jetzt hinausgehen.",
    "Taken out {count}.": "{count} herausgenommen.",
    " Not out of {count} on the way: undo that first.":
        " Nicht aus dem, was unterwegs ist ({count}): Machen Sie das zuerst rückgängig.",
    "{count} taken back. Nothing of it has left.": "{count} zurückgeholt. Nichts davon ist hinausgegangen.",
    "{count} on the way.": "{count} unterwegs.",
    "Taken back. The coordinator is told now, or as soon as it answers.":
        "Zurückgenommen. Der Koordinator erfährt es jetzt, oder sobald er antwortet.",
    "{count} will leave in {wait}. Undo takes it back.":
        "Geht hinaus: {count}, nach dieser Bedenkzeit: {wait}. Rückgängig holt alles zurück.",
    "{count} deleted from this computer.": "{count} von diesem Computer gelöscht.",
    "Not done. {why}.": "Nicht getan. {why}.",
    # why not
    "There is no consent yet": "Es gibt noch keine Einwilligung",
    "The item was changed or sent meanwhile": "Der Eintrag wurde inzwischen geändert oder gesendet",
    "There is nothing of this name": "So etwas gibt es hier nicht",
    "Nothing answers at this address": "An dieser Adresse antwortet nichts",
    "The message is larger than allowed": "Die Nachricht ist größer als erlaubt",
    "no row was chosen": "keine Zeile wurde gewählt",
    "a row was changed since it was looked at": "eine Zeile wurde geändert, seit sie angesehen wurde",
    "the page was shown in another language": "die Seite wurde in einer anderen Sprache gezeigt",
    "the node has met no coordinator yet": "der Knoten hat noch keinen Koordinator getroffen",
    "an item was changed since it was looked at": "ein Eintrag wurde geändert, seit er angesehen wurde",
    "this item is not here any more": "dieser Eintrag ist nicht mehr da",
    "it was sent; take it back first": "er wurde gesendet; holen Sie ihn zuerst zurück",
}  # fmt: skip
