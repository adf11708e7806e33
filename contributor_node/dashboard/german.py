"""The German of what the pages of work, traffic and pay say, by the English words; see `tongue`.

Rules: data only; templates lie in `pages/de`. Usage: `OTHER_PAGES["Data"]`.
"""

from __future__ import annotations

from typing import Final

OTHER_PAGES: Final[dict[str, str]] = {
    # states
    "Open pages are ended and handed in. Then the node stops.":
        "Offene Seiten werden beendet und abgegeben. Dann hält der Knoten an.",
    "Finishing": "Wird beendet", "Paused": "Pause", "Paused until {until}": "Pause bis {until}",
    "Work goes on at midnight UTC.": "Um Mitternacht UTC geht es weiter.",
    "Today’s cap is reached": "Die heutige Grenze ist erreicht",
    "Work goes on on the first of the month, UTC.": "Am Ersten des Monats (UTC) geht es weiter.",
    "This month’s cap is reached": "Die Grenze dieses Monats ist erreicht",
    "Resting": "Ruht", "By your own rules: {why}.": "Nach Ihren eigenen Regeln: {why}.",
    "No new page is asked for. What is under way comes to its end and is handed in.":
        "Nach keiner neuen Seite wird gefragt. Was unterwegs ist, kommt zu Ende und wird abgegeben.",
    "It has not answered yet. The node tries again.":
        "Er hat noch nicht geantwortet. Der Knoten versucht es wieder.",
    "Looking for the coordinator": "Sucht den Koordinator",
    "At most three nodes of one neighbourhood work at a time. {place} to go, this one included.":
        "Höchstens drei Knoten einer Nachbarschaft arbeiten zugleich. Noch {place}, dieser mitgezählt.",
    "Waiting for a place": "Wartet auf einen Platz",
    "Not working: {state}": "Arbeitet nicht: {state}",
    "The command “windrow node verdicts” says why, and what to do.":
        "Der Befehl „windrow node verdicts“ sagt, warum, und was zu tun ist.",
    "{pages} leased to this node, each fetched in its turn.":
        "{pages} diesem Knoten zugeteilt, jede wird der Reihe nach geholt.",
    "Working": "Arbeitet",
    "No page is waiting for this node. It keeps asking for work.":
        "Keine Seite wartet auf diesen Knoten. Er fragt weiter nach Arbeit.",
    "Ready": "Bereit",
    "Not running": "Läuft nicht", "Start it with “windrow node run”.": "Starten Sie ihn mit „windrow node run“.",
    "it may work": "er darf arbeiten", "its owner paused it": "Sie haben ihn angehalten",
    "its schedule is closed now": "seine Zeiten sind jetzt vorbei",
    "this machine runs on battery": "dieser Computer läuft mit Akku",
    "this machine's line is metered": "der Anschluss dieses Computers wird nach Menge abgerechnet",
    "somebody is using this machine": "jemand benutzt diesen Computer",
    "this machine cannot tell whether somebody is using it": "dieser Computer weiß nicht, ob ihn jemand benutzt",
    "the cap of this day (UTC) is reached": "die Grenze dieses Tages (UTC) ist erreicht",
    "the cap of this month (UTC) is reached": "die Grenze dieses Monats (UTC) ist erreicht",
    # outcomes
    "No page has been answered yet.": "Noch keine Seite ist beantwortet.",
    "fetched": "geholt", "unchanged": "unverändert", "closed by robots.txt": "von robots.txt verschlossen",
    "kept out of training by the site": "von der Seite vom Training ausgenommen",
    "blocked or behind a log-in": "gesperrt oder hinter einer Anmeldung", "not found": "nicht gefunden",
    "with an error of the site": "mit einem Fehler der Seite", "too slow": "zu langsam", "too large": "zu groß",
    "at an address that is never reached": "unter einer Adresse, die nie erreicht wird",
    "given up at a cap": "an einer Grenze aufgegeben", "out of time": "nicht rechtzeitig",
    # lines of the log
    "Time": "Zeit", "What": "Was", "Address": "Adresse", "Answer": "Antwort", "Bytes": "Bytes", "Requests": "Anfragen",
    "page": "Seite", "robots.txt": "robots.txt", "rights file": "Datei zu Rechten",
    "part of a page": "Teil einer Seite", "coordinator": "Koordinator", "unknown": "unbekannt",
    "not sent: {why}": "nicht gesendet: {why}", "no answer": "keine Antwort", "end not seen": "Ende nicht gesehen",
    "under way": "unterwegs",
    "The host's answer is not valid HTTP": "Die Antwort ist kein gültiges HTTP",
    "The host took longer than the lease allows": "Es dauerte länger, als der Auftrag erlaubt",
    "The caps set by the node's owner leave no room for this request":
        "Ihre Grenzen lassen keinen Platz für diese Anfrage",
    "The owner of this node does not want this domain asked": "Sie wollen nicht, dass diese Domain gefragt wird",
    "The host has no address or does not answer": "Der Rechner hat keine Adresse oder antwortet nicht",
    "The address is private, local or reserved": "Die Adresse ist privat, lokal oder reserviert",
    "The request is not covered by a signed lease": "Kein unterschriebener Auftrag deckt diese Anfrage",
    "Only GET and HEAD requests without a body leave the node": "Nur GET und HEAD ohne Inhalt verlassen den Knoten",
    "The URL cannot be used": "Die Adresse ist nicht zu gebrauchen",
    # at a glance
    "All of them handed in": "Alle abgegeben", "{waits} to be handed in": "{waits} auf die Abgabe",
    " and ": " und ", "no data": "keine Angabe",
    "No trouble since the node started.": "Keine Störung, seit der Knoten läuft.",
    "Last trouble, {when}: {what}": "Letzte Störung, {when}: {what}",
    "and {sites}": "und {sites}", "None at the moment": "Gerade nirgends",
    "reading": "wird gelesen", "fetching": "wird geholt", "waiting for its turn": "wartet auf die Reihe",
    "The node does not answer": "Der Knoten antwortet nicht",
    "It has stopped, or was started again. Open a new link: windrow node dashboard":
        "Er hält still oder wurde neu gestartet. Ein neuer Link: windrow node dashboard",
    # data
    "Saved. The new limits count from the next request on.":
        "Gespeichert. Die neuen Grenzen gelten ab der nächsten Anfrage.",
    "Not saved. {why}.": "Nicht gespeichert. {why}.",
    "your cap a day": "Ihre Grenze am Tag",
    "{day}, today": "{day}, heute",
    "The line log has no request of these days yet.": "Das Protokoll hat noch keine Anfrage dieser Tage.",
    "Added up from the line log, each request on the UTC day it ended. The caps above count every chunk "
    "as it passes, so today’s figure there can be a little ahead.":
        "Aus dem Protokoll addiert, jede Anfrage an dem UTC-Tag, an dem sie endete. Die Grenzen oben zählen jedes "
        "Stück, sobald es durchgeht; die Zahl von heute kann dort also etwas voraus sein.",
    "Bytes per day over {days} days; the most on one day was {most}":
        "Bytes am Tag über {days} Tage; das meiste an einem Tag waren {most}",
    "{day}: {down} down, {up} up": "{day}: {down} herunter, {up} hinauf",
    # limits
    "Megabytes a day": "Megabyte am Tag", "Gigabytes a month": "Gigabyte im Monat",
    "Kilobytes a second down": "Kilobyte je Sekunde herunter", "Kilobytes a second up": "Kilobyte je Sekunde hinauf",
    "Hours": "Zeiten", "0 stops all work": "0 hält alle Arbeit an", "0 is no limit": "0 ist keine Grenze",
    "empty is always; such as mon-fri 22:00-07:00; sat,sun 00:00-24:00":
        "leer heißt immer; zum Beispiel mon-fri 22:00-07:00; sat,sun 00:00-24:00 (Tage auf Englisch)",
    "fixed at the start ({source})": "beim Start festgelegt ({source})",
    "{limit}: a whole number from 0 to 10,000,000": "{limit}: eine ganze Zahl von 0 bis 10.000.000",
    # questions
    ", the region you named ({region})": ", die Region, die Sie genannt haben ({region})",
}  # fmt: skip
