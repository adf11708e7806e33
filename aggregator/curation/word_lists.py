"""Words of pages for adults and of the trades that live on spam, by list; what share of a text they are is a signal.

Rules: lower case, letters only, whole words in scripts with blanks. A word is here only when ordinary pages hardly use
it: what doctors, biologists and reporters write about is left out on purpose, so a share of one in a hundred says much
and a single word says nothing. `docs/curation.md` holds how often good pages are taken for such ones.

Does not: judge a page (recipes do), know hosts (`host_lists` does), or read scripts without blanks.

Usage: `WORD_LISTS["adult"]`.

Source: written for this project; no kept list of words comes as a package.
"""

from __future__ import annotations

from typing import Final

_ADULT: Final = """
porn porno porns pornos pornhub pornstar pornstars pornographic xxx xvideos xnxx xhamster redtube youporn hentai milf
milfs gilf blowjob blowjobs handjob handjobs cumshot cumshots gangbang gangbangs creampie creampies bukkake deepthroat
footjob rimjob camgirl camgirls webcamsex livesex sexcam sexcams cybersex nudes upskirt bdsm femdom
dildo dildos buttplug striptease horny slutty sluts whores bitches pussy cunts cocks tits titties boobs bigtits
busty shemale shemales tranny trannies twink twinks fuck fucks fucked fucking fucker motherfucker
cuckold orgies threesome threesomes masturbating fisting
porr sexfilme sexvideos ficken fickt gefickt muschi titten nutten huren fotze schwanzlutscher pornofilme
baise baiser salope salopes enculer branlette
putas puta follar follando polla coño tetas cojer mamada culonas
buceta putaria foder transando gostosa gostosas punheta
scopare scopata cazzo pompino
порно порнуха секс трах трахает трахают ебля минет шлюха шлюхи сиськи проститутки
sikiş sikis siker götten amcik
bokep ngentot memek kontol
"""
_SPAM: Final = """
casino casinos kasino baccarat blackjack jackpot jackpots gacor togel judi slotgacor sbobet maxwin
betting bettors sportsbook sportsbooks freespins wagering bookmaker bookmakers mostbet melbet
viagra cialis levitra kamagra phentermine
payday backlinks backlink dofollow linkbuilding guestpost
rolex louboutin louboutins vuitton
escort escorts callgirl callgirls
казино букмекер букмекерская
"""


def _words(listed: str) -> frozenset[str]:
    letters = ("".join(filter(str.isalpha, word)) for word in listed.split())
    return frozenset(letters)


WORD_LISTS: Final = {"adult": _words(_ADULT), "spam": _words(_SPAM)}
