"""What people call the documents and personal numbers of some seventy countries, as two patterns.

Rules: a name in full is looked for in any case; an abbreviation only in the capitals in which it is official, with or
without dots; an abbreviation of two or three letters that is many other things too is marked, so that a caller may ask
more of the number behind it. In front of a number a name may be followed by words such as `no.` and `is`, and by the
signs of a form, a table or JSON.

Does not: find numbers (see `documents`), nor say which country a name is from.

Usage: `for found in named_in("Passport no. C01X00T47"): found.end()  # where the number begins`
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# In small letters, by language. `(?=n)` and its like: only before "number", "Nr.", "n°".
_NAMES: Final = (
    # English
    r"passports?", r"travel document", r"driv(?:er|ing)(?:['’]?s)?[ _-]?(?:licen[cs]e|permit)",
    r"licen[cs]e(?=[ _](?:n[ou]|#|id))", r"identity[ _](?:card|document|number|no)", r"id[ _-]?card",
    r"id[ _](?:number|no\b|num\b|nr|code|#)", r"id[ _]?(?=[#№])",
    r"identification(?: card|[ _]number| no\b| code|(?=[ ]?[:#=]))",
    r"(?:citizen|government|state|malta|thai|saudi|emirates|sa|rsa|uae|qatar|philsys) ?id(?: card)?",
    r"national[ _-]?(?:id(?:entity|entification)?(?: card)?|identifier|number|no\b|register|registration)",
    r"national insurance", r"nat\.? ?ins\.?(?= ?n)", r"ni(?= (?:number|no\b|num\b|nr))", r"n\.i\.(?= ?n)", r"nhs",
    r"social[ _-]?(?:security|insurance|number|sec\b)", r"soc(?:ial)?\.? ?sec\.?",
    r"(?:my|his|her|your|their|the) social(?= is| was|:)", r"health[ _-]?(?:insurance|card|number|care number)",
    r"insurance(?= n(?:o|umber)\b)", r"medic(?:are|aid)(?: id)?", r"medical record",
    r"patient(?: nhs|(?= (?:id|no|number)))",
    r"tax(?:payer)?[ _-]?(?:identification|identity|id\b|file|reference|registration)",
    r"tax(?=[ _](?:number|no\b|code))", r"unique taxpayer reference", r"(?:individual )?taxpayer",
    r"voter(?:['’]?s)?[ _-]?id(?: card)?", r"electoral (?:photo identity|roll)",
    r"residen(?:ce|t) (?:permit|card|registration|identity card)", r"alien (?:registration|number)", r"uscis",
    r"visa(?= (?:number|no\b|nr))", r"green card", r"aadhaa?r", r"pan card", r"permanent account",
    r"individual(?= number)",
    r"personal[ _](?:number|code|identity code|id|identification|identity number|public service)", r"iqama",
    r"teudat zehut", r"ghana card", r"hong kong identity card", r"hkid", r"melli code", r"military id",
    r"birth certificate", r"inland revenue", r"philhealth", r"pag-?ibig", r"tin(?= (?:number|no\b))", r"ssn", r"itin",
    # German, Dutch
    r"reisepass", r"pass(?=-?nr|nummer)", r"personalausweis", r"ausweis", r"führerschein", r"fuehrerschein",
    r"fahrerlaubnis", r"steuer-?(?:id|nummer|nr|identifikationsnummer|ident)",
    r"steuerliche (?:identifikationsnummer|id)", r"st\.?-?nr\.?", r"idnr\.?",
    r"(?:sozial|renten|kranken)versicherungs?", r"krankenversicherten", r"versicherten", r"versicherungs?(?=-?n)",
    r"sv-?(?=n)", r"(?:rv|kv|ahv)-?(?=n)", r"ahv", r"aufenthaltstitel", r"identitätskarte", r"identifikations(?=-?n)",
    r"paspoort", r"rijbewijs", r"identiteitskaart", r"id-kaart", r"burgerservice", r"rijksregister",
    r"sofi(?=-?nummer)", r"v-nummer",
    # French
    r"passeport", r"carte (?:nationale )?d['’]identité", r"carte d['’]identite", r"carte vitale",
    r"permis de conduire", r"permis(?= n)", r"num[ée]ro fiscal(?: de référence)?", r"n[°ºo] ?fiscal",
    r"identifiant fiscal", r"num[ée]ro (?:de )?(?:sécurité sociale|sécu|securite sociale)", r"sécurité sociale",
    r"n[°º] ?(?:de )?sécu", r"registre national", r"num[ée]ro (?:de registre )?national",
    r"d['’]identification(?: nationale?)?", r"identification national", r"spi(?= ?:)",
    r"assurance (?:sociale|maladie)", r"titre de séjour", r"matricule", r"avs",
    # Spanish, Portuguese, Italian
    r"pasaporte", r"c[ée]dula(?: de (?:ciudadan[ií]a|identidad))?", r"licencia de (?:conducir|manejo|conducción)",
    r"(?:carn[ée]t?|permiso) de conducir", r"(?:documento|tarjeta|carnet) (?:nacional )?de identidad",
    r"(?:número|nº|no\.) de identificación", r"identificación", r"seguridad social", r"tarjeta sanitaria", r"dni",
    r"curp", r"mi (?:rut|run)", r"passaporte", r"carteira (?:de identidade|de motorista|nacional de habilitação)",
    r"cart[ãa]o d[eo] cidad[ãa]o", r"carta de condução", r"bilhete de identidade", r"título de eleitor",
    r"contribuinte", r"número de utente", r"cpf", r"cnpj", r"passaporto", r"carta d['’]identit(?:à|a['’]?)",
    r"patente(?: di guida)?", r"cod(?:ice|\.) fisc(?:ale|\.)", r"tessera sanitaria",
    # Polish, Czech, Slovak, Hungarian, Romanian, Baltic
    r"paszport\w*", r"dow[óo]d\w*(?: osobist\w*)?", r"prawo jazdy", r"pesel", r"nip(?= |:)", r"rodn[ée] [cč][ií]slo",
    r"r\. ?č\.", r"rč", r"rod\. ?č\.", r"občansk\w+ průkaz\w*", r"občiansk\w+ preukaz\w*",
    r"(?:cestovn\w+|biometrick\w+) pas\w*", r"řidičsk\w+ průkaz\w*", r"vodičsk\w+ preukaz\w*", r"útlev[ée]l",
    r"személyi(?: igazolvány)?", r"taj", r"adóazonosító", r"adószám", r"jogosítvány", r"pa[sșş]aport",
    r"carte de identitate", r"buletin", r"cod numeric personal", r"cnp(?:-ul)?", r"permis de conducere", r"isikukood",
    r"asmens kodas", r"personas kods",
    # Nordic
    r"person(?:nummer|nr|kod)", r"pers\.?nr", r"samordningsnummer", r"fødselsn(?:ummer|r)", r"fnr", r"pnr", r"cpr",
    r"henkilötunnus", r"hetu", r"sotu", r"kennitala", r"körkort", r"førerkort", r"kørekort", r"ajokort\w*",
    r"pass(?:inumero|nummer)",
    # South-eastern Europe, Turkey, Greece
    r"jmbg", r"oib", r"osobna iskaznica", r"lična karta", r"putovnica", r"pasoš", r"vozačka dozvola", r"em[šs]o",
    r"embg", r"davčna (?:številka|št)", r"osebna izkaznica", r"potni list", r"kimlik", r"pasaport", r"ehliyet",
    r"diavatirio", r"ταυτότητας?", r"διαβατήριο", r"αφμ", r"α\.φ\.μ\.", r"αμκα", r"α\.μ\.κ\.α\.", r"αδτ",
    r"α\.δ\.τ\.",
    # Cyrillic
    r"паспорт\w*(?: рф)?", r"снилс", r"инн", r"иин", r"жсн", r"водительск\w+ удостоверени\w+", r"рнокпп", r"іпн",
    r"ідентифікаційн\w+(?: код| номер)", r"посвідчення водія", r"егн", r"лична карта", r"јмбг", r"полис\w*(?: омс)?",
    r"свидетельств\w+ о рождении", r"шофьорска книжка",
    # South-eastern Asia
    r"kartu tanda penduduk", r"nomor induk kependudukan", r"paspor", r"kad pengenalan", r"mykad", r"nric", r"no\. kp",
    r"npwp", r"hộ chiếu", r"căn cước(?: công dân)?", r"chứng minh nhân dân", r"cmnd", r"cccd", r"giấy phép lái xe",
    r"bằng lái xe", r"mã số thuế",
)  # fmt: skip
_OFFICIAL: Final = _words(
    "DNI CPF CNPJ CNP SSN ITIN TIN NIN NINO NHS MBI SIN NAS TFN DL UTR MRN NIE NIF NIR CNI RUT NSS CURP CUIL CUIT CNH "
    "BSN INSZ NISS AVS NIP RVNR SVNR KVNR IdNr NIK KTP SIM CNIC NIC NICOP RRN FRN AMKA AFM TCKN EGN PPS PPSN NUIT CIN "
    "RNOKPP IIN EPIC NHI IRD SSS BVN NID EID TIC SPI VNR PIS NIT ABHA UAN PESEL HETU GHIC EHIC PAN"
)
# Many other things too, so that more is asked of what stands behind them; CI and its like are even statistics.
_SHORT: Final = _words("RFC CC CI TI IC RG TC CF NN FIN RUN UID EMBG PIN NI OP")
_SHORT_SMALL: Final = (r"kt\.", r"a\.k\.", r"p\.k\.", r"r\.? ?c\.", r"op č\.")
# Writings without blanks between words, or whose words take endings that are no word characters.
_GLUED: Final = (
    *_words(
        "身份证 身分證 身份證 公民身份号码 统一编号 統一編號 統一證號 護照 护照 驾驶证 駕照 "
        "驾照 驾驶执照 社会保障 社保 健保卡 "
        "旅券 パスポート 運転免許 免許証 マイナンバー 個人番号 在留カード 保険証 年金番号 "
        "주민등록 주민번호 여권 운전면허 외국인등록 "
        "आधार पैन पासपोर्ट मतदाता এনআইডি পাসপোর্ট ஆதார் ఆధార్ บัตรประชาชน เลขประจำตัวประชาชน หนังสือเดินทาง ใบขับขี่"
    ),
    *(
        "رقم الهوية",
        "جواز السفر",
        "الرقم القومي",
        "رقم قومي",
        "رخصة القيادة",
        "بطاقة الهوية",
        "الهوية الوطنية",
    ),
    *("الإقامة", "الرقم الوطني", "البطاقة الوطنية", "رقم البطاقة", "کد ملی", "کدملی", "شماره ملی", "گذرنامه"),
    *("شناختی کارڈ", "תעודת זהות", "מספר זהות", "דרכון", "רישיון נהיגה", "জাতীয় পরিচয়পত্র"),
)
_GLUED_SHAPES: Final = (r"ת\.? ?ז\.?", r"ת[\"״']ז")
_NUMBER_WORD: Final = (
    r"(?:numbers?|no|nos|nr|num|n[º°r]?|n\.[º°]|nº|id|code|card|holder|nummer|numer|n[uú]mero|num[ée]ro|numarası|númer"
    r"|número|номер|номером|szám|száma|jel|č|čís|číslo|št|številka|broj|kodas|kods|kód|số|ref|reference|identifier"
    r"|value|field|is|was|are|ist|lautet|es|est|é|è|är|er|on|je|jest|este|with|of|de|du|di|del|le|el|la|il|o|ul|sob"
    r"|serial|series|seria|серия|серії)"
)
# East Asian words have no blanks between them.
_NUMBER_GLUED: Final = r"[№#]|[\u3040-\u30ff\u3400-\u9fff가-힣]{1,6}|رقم|संख्या|नंबर|নম্বর|เลขที่"
_BETWEEN: Final = (
    rf"(?:[ \t_-]?(?:{_NUMBER_WORD}\.?(?!\w)|{_NUMBER_GLUED})"
    r"|[ \t:：#=(.\-_*|\"'“”’>]{1,6}|,[ ]|/[a-z]{2,4}(?!\w)){0,6}"
)


def _alternatives(names: Iterable[str]) -> str:
    """Return one alternative for each first letter, so that most places in a text are left after one comparison."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for name in names:
        grouped[name[0] if name[0] not in "(\\[" else ""].append(name)
    return "|".join(
        f"{first}(?:{'|'.join(name[len(first) :] for name in sorted(of_letter, key=len, reverse=True))})"
        for first, of_letter in grouped.items()
    )


def _dotted(names: Iterable[str]) -> list[str]:
    """Return patterns of abbreviations with or without dots: `D.N.I.` as `DNI`."""
    return [r"\.?".join(name) + r"\.?" for name in names]


_IN_SMALL: Final = re.compile(
    rf"(?<![^\W_])(?:{_alternatives(_NAMES)})(?:(?=[-_])|(?![^\W_])|(?=n[ru]|no(?![^\W_])|szám))"
)
_IN_CAPITALS: Final = re.compile(rf"(?<![^\W_])(?:{_alternatives(_dotted(_OFFICIAL))})(?![^\W_])")
_IN_SHORT: Final = re.compile(
    rf"(?<![\w.])(?:{_alternatives(_dotted(_SHORT))})(?![\w%])|(?<!\w)(?i:{'|'.join(_SHORT_SMALL)})(?!\w)"
)
_WITHOUT_BLANKS: Final = re.compile("|".join((*_GLUED_SHAPES, *sorted(_GLUED, key=len, reverse=True))))
_UP_TO_NUMBER: Final = re.compile(_BETWEEN, re.IGNORECASE)


def in_small(text: str) -> str:
    """Return a text in small letters, of the same length: what has no single small letter stays."""
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def named_in(text: str, small: str, first: int, last: int) -> Iterator[tuple[int, bool]]:
    """Yield, for each name in text[first:last], where what it names would begin, and whether it is a short one.

    `small` is the text `in_small`.
    """
    for pattern, searched in ((_IN_SMALL, small), (_IN_CAPITALS, text), (_WITHOUT_BLANKS, text)):
        for name in pattern.finditer(searched, first, last):
            yield _behind(text, name.end()), False
    for name in _IN_SHORT.finditer(text, first, last):
        yield _behind(text, name.end()), True


def begins_name(text: str, small: str, place: int) -> bool:
    """Does the name of a document or number begin here?"""
    return any(
        pattern.match(searched, place) for pattern, searched in ((_IN_SMALL, small), (_IN_CAPITALS, text))
    )


def _behind(text: str, place: int) -> int:
    between = _UP_TO_NUMBER.match(text, place)
    return between.end() if between else place
