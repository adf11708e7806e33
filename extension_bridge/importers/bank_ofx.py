"""Bank and card statements as OFX or QFX, both as SGML (1.x) and XML (2.x): one item for each transaction.

Rules: the file is read as tags and values, so that it does not matter which end tags are there; of the account nothing
but its currency is read; amounts stay text.

Does not: read positions of securities or balances, and follow entities or document types (there are none in OFX).

Usage: `FORMATS` of the registry's `bank_statement`. Source: OFX 2.2, sections 2.3, 3.2.8 and 11.4.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterator
from typing import Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import from_ofx
from extension_bridge.importers.formats import (
    AS_WESTERN,
    Answer,
    Format,
    answered,
    encoding_of,
    text_in,
    text_of_head,
)
from extension_bridge.importers.items import Draft, Tally
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import IMPORT_RECORD_BYTES_MAX

_PIECE_CHARS: Final = 65_536
_TAG: Final = re.compile(r"<(/?)([A-Za-z0-9.]{1,64})\s*/?>([^<]*)|<!\[CDATA\[(.*?)\]\]>", re.S)
# What holds one transaction: of a bank or card (11.4.3), and of an account of securities (13.9.2.4).
_ENTRIES: Final = frozenset(
    {"STMTTRN", "CLOSUREOPT", "INCOME", "INVEXPENSE", "JRNLFUND", "JRNLSEC", "MARGININTEREST", "REINVEST"}
    | {"RETOFCAP", "SPLIT", "TRANSFER"}
    | {f"{did}{what}" for did in ("BUY", "SELL") for what in ("DEBT", "MF", "OPT", "OTHER", "STOCK")}
)
_DATES: Final = ("DTPOSTED", "DTTRADE", "DTUSER", "DTAVAIL", "DTSETTLE")
_LIST_ENDS: Final = frozenset({"/BANKTRANLIST", "/INVTRANLIST"})
_CHARSET: Final = re.compile(
    rb"^CHARSET:\s*([\w-]{3,20})|<\?xml[^>]{1,80}encoding=[\"']([\w-]{3,20})", re.M | re.I
)
_AMOUNT: Final = re.compile(r"[+-]?\d[\d.,' ]*$|[+-]?[.,]\d+$")


def _encoding(head: bytes) -> str:
    """Return the encoding: the file's own bytes where they say it (a header often lies), else what its header names."""
    found = encoding_of(head)
    named = _CHARSET.search(head[:4_096])
    if found.startswith("utf") or named is None:
        return found
    name = (named[1] or named[2]).decode("ascii")
    for candidate in (f"cp{name}", f"iso{name}", name):
        try:
            head.decode(candidate, AS_WESTERN)  # Python also knows codings that make no text, such as `hex`
        except (LookupError, UnicodeError):
            continue
        return codecs.lookup(candidate).name
    return found


def _tags(member: Member) -> Iterator[tuple[str, str]]:
    """Yield (tag, value) in order; an end tag begins with a stroke. Raises WindrowError `export_refused`."""
    held = ""
    with member.open() as stream:
        text = text_in(stream, _encoding(member.head))
        try:
            while piece := text.read(_PIECE_CHARS):
                held += piece
                cut = held.rfind("<")  # the last tag may go on in the next piece
                yield from _values(held[: max(cut, 0)])
                held = held[max(cut, 0) :]
                if len(held) > IMPORT_RECORD_BYTES_MAX:
                    raise WindrowError("export_refused", "a value without end")
        finally:
            text.detach()
    yield from _values(held)


def _values(text: str) -> Iterator[tuple[str, str]]:
    for match in _TAG.finditer(text):
        end, tag, value, raw = match.groups()
        yield (f"{end}{tag.upper()}", html.unescape(value).strip()) if tag else ("", raw.strip())


def _entries(member: Member) -> Iterator[dict[str, str]]:
    """Yield the fields of each transaction, its kind and the statement's currency among them."""
    fields: dict[str, str] | None = None
    currency = last = ""
    for tag, value in _tags(member):
        name = tag.removeprefix("/")
        if name in _ENTRIES:
            if fields is not None:
                yield fields  # at its own end, or where the next one begins because its end is missing
            fields = {"KIND": tag, "CURDEF": currency} if tag == name else None
        elif tag in _LIST_ENDS and fields is not None:
            yield fields  # the last one of a list without end tags
            fields = None
        elif tag == "CURDEF":
            currency = value
        elif fields is not None and not tag:
            fields[last] = value or fields.get(last, "")  # a CDATA section belongs to the tag before it
        elif fields is not None and tag == name:
            last = tag
            fields.setdefault(tag, value)


def _answer(fields: dict[str, str]) -> Answer:
    at_ms, clock = next(
        (found for found in (from_ofx(fields.get(name, "")) for name in _DATES) if found[0]), (0, "none")
    )
    amount = fields.get("TRNAMT") or fields.get("TOTAL", "")
    if not at_ms:
        return "no_date"
    if amount and not _AMOUNT.match(amount):
        return "malformed"
    title = fields.get("NAME") or fields.get("PAYEE") or fields.get("MEMO", "")
    memo = fields.get("MEMO", "")
    kind = fields.get("TRNTYPE") or fields["KIND"]
    text = memo if memo != title else ""
    written = f"{_plain_amount(amount)} {fields.get('CURSYM') or fields['CURDEF']}".strip() if amount else ""
    return Draft(
        "transaction", at_ms, clock, title or kind, text, amount=written, mark=fields.get("FITID", "")
    )


def _plain_amount(amount: str) -> str:
    """Return an amount without the zeros that some banks fill it up with."""
    return re.sub(r"^([+-]?)0+(?=\d)", r"\1", amount)


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    for fields in _entries(member):
        yield from answered(_answer(fields), tally)


def _claims(member: Member) -> bool:
    head = text_of_head(member)[:4_096].upper()
    return "<OFX>" in head or "OFXHEADER" in head


FORMATS: Final = (Format("ofx", frozenset({".ofx", ".qfx", ".qbo", ".txt", ""}), _claims, _reads),)
