"""The German of the page about money: its own words, and the coordinator's sentences for amounts and months.

Rules: data only. The coordinator's sentences are named by their English words, as everything here; those of a newer
coordinator that are not known here are shown as it wrote them.

Usage: `LEDGER["Your share of a sale"]`; see `tongue`.
"""

from __future__ import annotations

from typing import Final

MONEY_PAGE: Final[dict[str, str]] = {
    "What you have earned, and why": "Was Sie verdient haben, und wofür",
    "What you have earned in {asset}, and why": "Was Sie in {asset} verdient haben, und wofür",
    "Page by page": "Seite für Seite", "Sale by sale": "Verkauf für Verkauf",
    "This is what the coordinator’s ledger says of your payout address, with its reason for every amount.":
        "Das sagt das Kassenbuch des Koordinators über Ihre Auszahlungsadresse, mit dem Grund jedes Betrags.",
    "As of {time}.": "Stand: {time}.",
    "The coordinator was asked again and did not tell: {why}. These are its last figures.":
        "Der Koordinator wurde noch einmal gefragt und gab keine Auskunft: {why}. Dies sind seine letzten Zahlen.",
    "No data: {why}. Nothing below is known until it answers; load this page again in a minute.":
        "Keine Angabe: {why}. Bis er antwortet, ist unten nichts bekannt; laden Sie die Seite in einer Minute neu.",
    "No data yet: the coordinator is being asked. Load this page again in a moment.":
        "Noch keine Angabe: Der Koordinator wird gerade gefragt. Laden Sie die Seite gleich noch einmal.",
    # where it lies
    "Yours to claim": "Zum Abholen bereit", "Posted: no longer at risk": "Gutgeschrieben: nicht mehr in Gefahr",
    "Pending": "Ausstehend", "Waits for its day and its audits": "Wartet auf seinen Tag und seine Prüfungen",
    "For your history": "Für Ihren Verlauf",
    "Pending thirty days; back if you take the month back":
        "Steht dreißig Tage aus; geht zurück, wenn Sie den Monat zurücknehmen",
    "Bond": "Pfand", "From your first documents; back after you leave":
        "Aus Ihren ersten Dokumenten; kommt zurück, wenn Sie gegangen sind",
    "Paid out": "Ausgezahlt", "Claimed on chain to your address": "Auf der Blockchain an Ihre Adresse abgeholt",
    "of the smallest unit of {asset}": "der kleinsten Einheit von {asset}",
    "In other assets": "In anderen Währungen",
    "Royalties come in what a sale was paid in; nothing is converted.":
        "Anteile an Verkäufen kommen in dem, womit gezahlt wurde; nichts wird umgerechnet.",
    "Every amount in {asset}, and why": "Jeder Betrag in {asset}, und wofür",
    "Yours to claim: {yours}; paid out: {paid}.": "Zum Abholen bereit: {yours}; ausgezahlt: {paid}.",
    # to come
    "What is still to come": "Was noch kommt",
    "Nothing handed in waits for a decision.": "Nichts Abgegebenes wartet auf eine Entscheidung.",
    "{documents} handed in and not decided about: you hear when the audit epoch closes.":
        "{documents} abgegeben und noch nicht entschieden: Sie erfahren es, wenn der Prüfzeitraum endet.",
    "Nothing is pending.": "Nichts steht aus.",
    "all passed": "alle bestanden", "{missing} of {wanted} still to pass": "noch {missing} von {wanted} zu bestehen",
    "{amount} for {documents}": "{amount} für {documents}",
    "Node": "Knoten", "Audits for the newest": "Prüfungen für das Neueste",
    "Next becomes yours": "Das Nächste gehört Ihnen", "All of it": "Alles davon",
    "no date yet: too few audits to estimate one": "noch kein Datum: zu wenige Prüfungen, um eines zu schätzen",
    # the proof
    "Nothing to check: no data.": "Nichts zu prüfen: keine Angabe.",
    "Nothing to check yet.": "Noch nichts zu prüfen.",
    "No closed epoch owes your address anything. That comes with the first one after pay is yours.":
        "Kein abgeschlossener Zeitraum schuldet Ihrer Adresse etwas. Das kommt mit dem ersten, nachdem Ihnen Geld "
        "gehört.",
    "Not checked: {why}.": "Nicht geprüft: {why}.",
    "The proof does not hold.": "Der Beweis stimmt nicht.", "The proof holds.": "Der Beweis stimmt.",
    "This machine followed the Merkle proof from your address and amount to the root, and the root is signed "
    "with the coordinator’s key that this node pinned on first contact.":
        "Dieser Computer ist dem Merkle-Beweis von Ihrer Adresse und Ihrem Betrag bis zur Wurzel gefolgt; die Wurzel "
        "ist mit dem Schlüssel des Koordinators unterschrieben, den sich dieser Knoten beim ersten Mal gemerkt hat.",
    "Epoch": "Zeitraum", "Owed in all, paid out included": "Im Ganzen geschuldet, Ausgezahltes mitgezählt",
    "Root": "Wurzel", "Not checked here": "Hier nicht geprüft",
    "whether the chain has accepted this root; the command “{command}” asks it":
        "ob die Blockchain diese Wurzel angenommen hat; der Befehl „{command}“ fragt sie",
    # reasons and rows
    "Reason": "Grund", "Times": "Mal", "Earned in all": "Im Ganzen verdient",
    "The ledger has no row for your address yet.": "Das Kassenbuch hat noch keine Zeile für Ihre Adresse.",
    "Added up on this machine: the reasons sum to what was earned, and that to what lies in these places.":
        "Auf diesem Computer nachgerechnet: Die Gründe ergeben zusammen das Verdiente, und das, was an diesen "
        "Stellen liegt.",
    "These figures do not add up. Tell the network’s operator, and keep this page.":
        "Diese Zahlen gehen nicht auf. Sagen Sie es dem Betreiber des Netzes, und heben Sie diese Seite auf.",
    "No page of yours has been decided about yet.": "Über keine Ihrer Seiten ist schon entschieden.",
    "Newest": "Neueste", "Older pages": "Ältere Seiten",
    "pending": "ausstehend", "yours": "gehört Ihnen", "part of your bond": "Teil Ihres Pfands",
    "paid out": "ausgezahlt",
    "Contribution": "Beitrag", "Donation": "Spende", "Dividends of audits": "Anteile an Prüfungen", "Sale": "Verkauf",
    "Month of history": "Monat Verlauf", "Entry": "Eintrag",
    "Paid out on chain": "Auf der Blockchain ausgezahlt",
    # a month
    "{why}; it counts as {share} of a full month": "{why}; zählt als {share} eines vollen Monats",
    # why nobody answered, or a proof is none
    "The coordinator is short of memory or disk": "Dem Koordinator fehlt Speicher oder Platz",
    "Too many requests from this address": "Zu viele Anfragen von dieser Adresse",
    "The coordinator's answer is not what the protocol says": "Die Antwort des Koordinators ist nicht die vereinbarte",
    "check the address; tell its operator if it stays so":
        "Prüfen Sie die Adresse; sagen Sie es dem Betreiber, wenn es so bleibt",
    "The proof does not lead to the root": "Der Beweis führt nicht zur Wurzel",
    "fetch the epoch's tree again; report it if it stays wrong":
        "Laden Sie den Baum des Zeitraums noch einmal; melden Sie es, wenn es falsch bleibt",
    "The signature does not match the message": "Die Unterschrift passt nicht zur Nachricht",
    "The coordinator is not the one this node pinned on first contact":
        "Das ist nicht der Koordinator, den sich dieser Knoten beim ersten Mal gemerkt hat",
    "The message was made for another network": "Die Nachricht wurde für ein anderes Netz gemacht",
    "The signature has expired": "Die Unterschrift ist abgelaufen",
    "The message is dated more than 120 s from our clock":
        "Die Nachricht ist über 120 s vor oder nach unserer Uhr datiert",
}  # fmt: skip
LEDGER: Final[dict[str, str]] = {
    # earned
    "Fee for a page that was fetched as leased": "Gebühr für eine Seite, die wie zugeteilt geholt wurde",
    "New text: paid by the unique byte, up to the cap of one document":
        "Neuer Text: bezahlt nach neuen Bytes, bis zur Grenze eines Dokuments",
    "New text, of which only the part counts that a validator's fetch has too":
        "Neuer Text; davon zählt nur, was auch ein Prüfer geholt hat",
    "Pending pay became yours to claim": "Ausstehendes gehört jetzt Ihnen",
    "Your share of what an epoch's audits are paid with": "Ihr Anteil an dem, womit Prüfungen bezahlt werden",
    "A penalty was taken back, and with it all that it had cost":
        "Eine Strafe wurde zurückgenommen, und mit ihr alles, was sie gekostet hatte",
    "Looked at again, the text is the page's: paid as if it had been accepted at once":
        "Noch einmal angesehen, ist es der Text der Seite: bezahlt, als wäre er gleich angenommen worden",
    "Your share of a sale, by the tokens of your rows in the export that was sold":
        "Ihr Anteil an einem Verkauf, nach den Token Ihrer Zeilen im verkauften Datensatz",
    "Paid out on chain to this address": "Auf der Blockchain an diese Adresse ausgezahlt",
    "Your share of a sale or a budget, for a month of your history":
        "Ihr Anteil an einem Verkauf oder Budget, für einen Monat Ihres Verlaufs",
    "What the operator set aside for months of history": "Was der Betreiber für Monate von Verlauf zurückgelegt hat",
    "What a sale left for further months of history": "Was ein Verkauf für weitere Monate von Verlauf übrig ließ",
    "A buyer's payment": "Die Zahlung eines Käufers",
    "The owners' part of a sale": "Der Teil der Urheber an einem Verkauf",
    "The treasury's part of a sale": "Der Teil der Kasse an einem Verkauf",
    "The part of a sale that the sale itself destroyed": "Der Teil eines Verkaufs, den er selbst vernichtet hat",
    "Royalties of rows that belong to nobody; the treasury keeps them":
        "Anteile an Zeilen, die niemandem gehören; die Kasse behält sie",
    # what audits found
    "The text agrees with what a validator fetched": "Der Text stimmt mit dem überein, was ein Prüfer holte",
    "The text differs from what validators fetched": "Der Text weicht von dem ab, was Prüfer holten",
    "Validators saw different pages, so nothing can be said":
        "Prüfer sahen verschiedene Seiten; es lässt sich also nichts sagen",
    "The text differs from what validators fetched, but too little to prove anything":
        "Der Text weicht von dem ab, was Prüfer holten, aber zu wenig, um etwas zu beweisen",
    "The text is that of another page of the host, and lacks what is this page's own":
        "Es ist der Text einer anderen Seite desselben Rechners; was dieser Seite eigen ist, fehlt",
    "The text lacks what sets this page apart from others of its host, and may be an older one":
        "Dem Text fehlt, was diese Seite von anderen ihres Rechners unterscheidet; er kann ein älterer sein",
    "The text lacks what is new on the page, which may be younger than your fetch":
        "Dem Text fehlt das Neue der Seite; es kann jünger sein als Ihr Holen",
    "No validator could fetch the page": "Kein Prüfer konnte die Seite holen",
    "Not drawn for an audit: its pay vests once later audits of the node have passed":
        "Nicht zur Prüfung gezogen: Das Geld gehört Ihnen, sobald spätere Prüfungen des Knotens bestanden sind",
    "Pages of this host cannot be checked yet, so only the fetch fee is paid":
        "Seiten dieses Rechners lassen sich noch nicht prüfen; bezahlt wird nur die Gebühr fürs Holen",
    "A control page, and it was really fetched": "Eine Kontrollseite, und sie wurde wirklich geholt",
    "A control page whose text only a real fetch could know, and it differs":
        "Eine Kontrollseite, deren Text nur kennt, wer sie holt; und er weicht ab",
    "A validator was refused the page too": "Auch einem Prüfer wurde die Seite verweigert",
    "Validators were given a page that this node was refused, which may depend on its address: it goes to another node":
        "Prüfer bekamen eine Seite, die diesem Knoten verweigert wurde; das kann an seiner Adresse liegen: Sie geht an "
        "einen anderen Knoten",
    "Three validators were given the page that this node said it could not have":
        "Drei Prüfer bekamen die Seite, die dieser Knoten nicht bekommen haben will",
    "A validator's text that takes the place of one that differed from it":
        "Der Text eines Prüfers, der an die Stelle eines abweichenden tritt",
    "No verdict of the epoch rests on a truth of this validator":
        "Kein Urteil des Zeitraums beruht auf dem, was dieser Prüfer holte",
    "Only one operator's validators are left to compare, so it gets what the audits are paid with":
        "Nur die Prüfer eines Betreibers sind zum Vergleichen übrig; er bekommt, womit Prüfungen bezahlt werden",
    # consequences
    "The text differed from what validators fetched, so theirs took its place and it earns nothing":
        "Der Text wich von dem ab, was Prüfer holten; ihrer trat an seine Stelle, und er bringt nichts",
    "After a mismatch this node's work is audited more often, and its pending pay waits":
        "Nach einer Abweichung wird dieser Knoten öfter geprüft, und sein ausstehendes Geld wartet",
    "The closer watch after a mismatch is over, and pending pay vests again":
        "Die engere Prüfung nach einer Abweichung ist vorbei, und Ausstehendes wird wieder fällig",
    "A mismatch that costs nothing: some are free, because anybody can meet a bad page":
        "Eine Abweichung, die nichts kostet: Einige sind frei, denn jeder kann auf eine schlechte Seite treffen",
    "A mismatch beyond the free ones costs more than such a document could have earned":
        "Eine Abweichung über die freien hinaus kostet mehr, als so ein Dokument bringen könnte",
    "Audits keep finding text that no truth has, so pending pay for new text shrinks by that share":
        "Prüfungen finden immer wieder Text, den kein Prüfer holt; ausstehendes Geld für neuen Text sinkt um so "
        "viel",
    "The mismatches of this node cannot be chance: it gets no more leases, and pending pay and bond are forfeited":
        "Die Abweichungen dieses Knotens können kein Zufall sein: Er bekommt keine Aufträge mehr, Ausstehendes und "
        "Pfand sind verloren",
    "The mismatches of this node would suspend it, were suspension in force here":
        "Die Abweichungen dieses Knotens würden ihn sperren, wenn hier gesperrt würde",
    "The page differs from fetch to fetch or changed meanwhile, so nothing is held against the node":
        "Die Seite ist bei jedem Holen anders oder hat sich geändert; dem Knoten wird nichts angerechnet",
    "Looked at again, the text is the page's: it is paid as accepted, and what it had cost comes back":
        "Noch einmal angesehen, ist es der Text der Seite: Er wird bezahlt, und was er gekostet hatte, kommt zurück",
    "Looked at again, the text is still not the page's; the fresh fetches cost three fees":
        "Noch einmal angesehen, ist es immer noch nicht der Text der Seite; das neue Holen kostet drei Gebühren",
    "The node has left: what was drawn of its pending documents is settled, and the rest vests":
        "Der Knoten ist gegangen: Was zur Prüfung gezogen war, ist entschieden, und der Rest wird fällig",
    "The bond of a node that left comes back": "Das Pfand eines Knotens, der gegangen ist, kommt zurück",
    "A fine took all that this node had at stake, so it begins again: what it hands in is all audited, and is its "
    "bond once more":
        "Eine Strafe nahm alles, was für diesen Knoten auf dem Spiel stand; er beginnt von vorn: Alles wird geprüft "
        "und ist wieder sein Pfand",
    "The bond of a node that left is kept: a fine had taken all that it had, and it has passed too few audits since":
        "Das Pfand eines Knotens, der gegangen ist, wird behalten: Eine Strafe hatte alles genommen, und seither hat "
        "er zu wenige Prüfungen bestanden",
    # what bounds pay
    "The text was seen before, so it earns no novelty": "Der Text war schon bekannt und bringt nichts für Neues",
    "This site or hosting network has had its share of the epoch's pay for new text":
        "Diese Website oder ihr Anbieter hatte seinen Teil des Geldes, das es im Zeitraum für neuen Text gibt",
    "Sites that the network's list of known domains lacks have had their share of the epoch's pay for new text":
        "Websites, die auf der Liste bekannter Domains fehlen, hatten ihren Teil des Geldes, das es im Zeitraum für "
        "neuen Text gibt",
    "A verdict rests on this truth: the epoch's dividends pay for it":
        "Ein Urteil beruht auf diesem Holen: Die Anteile des Zeitraums bezahlen es",
    "The truth came after its verdict, so it earns nothing": "Es kam nach dem Urteil und bringt deshalb nichts",
    # months of history
    "Judged a day after the last addition, once the month is over and holds 200 visits with time and address":
        "Wird einen Tag nach der letzten Ergänzung angesehen, sobald der Monat vorbei ist und 200 Besuche mit Zeit und "
        "Adresse hat",
    "Personal data earns by the month of history, from sales and budgets, never for arriving":
        "Persönliches bringt Geld nach Monaten von Verlauf, aus Verkäufen und Budgets, nie fürs Ankommen",
    "This month of history was given before": "Dieser Monat wurde schon einmal gegeben",
    "This month of history has marks of a program": "Dieser Monat sieht aus, als hätte ihn ein Programm gemacht",
    "Fewer than 200 items of this month are left": "Von diesem Monat sind weniger als 200 Besuche übrig",
    "One person earns at most a small share of each sum":
        "Ein Mensch bekommt von jeder Summe höchstens einen kleinen Teil",
    "Pending pay went back, as far as the month it was for was taken back":
        "Ausstehendes ging zurück, soweit der Monat zurückgenommen wurde",
}  # fmt: skip
