"""Chats as text: WhatsApp's export and Signal's, one message a line, more lines where a message has them.

Rules: the order of the dates is found out first (`order_of`); a line that does not begin with
a date belongs to the message before; what the service says itself, and media without words, are counted.

Does not: know the chat's name other than by its file, or the sender's zone: times are local.

Usage: `FORMATS_WHATSAPP` and `FORMATS_SIGNAL` of the registry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import Moment, moment
from extension_bridge.importers.date_orders import order_of
from extension_bridge.importers.formats import (
    Answer,
    Format,
    answered,
    encoding_of,
    json_format,
    lines_of,
    text_of_head,
)
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.json_records import list_at, text_at
from extension_bridge.importers.wall_times import wall_moment
from windrow_protocol.limits import TEXT_BYTES_MAX

_DAY: Final = r"\d{1,4}[./\-]\s?\d{1,2}[./\-]\s?\d{1,4}\.?(?:\s?г\.?)?"
_TIME: Final = r"\d{1,2}[:.]\d\d(?:[:.]\d\d)?(?:[\s\u202f]?[^\W\d]\.?[\s\u202f]?[^\W\d]{0,10}\.?)?"
_BEFORE_TIME: Final = r"(?:[^\W\d]{1,6}\s?)?"  # the half of the day, in languages that say it first
_HEADERS: Final = tuple(
    re.compile(rf"^[\u200e\u200f]?{form}(?P<rest>.*)$")
    for form in (
        rf"\[(?P<day>{_DAY})[,،]?\s(?P<time>{_BEFORE_TIME}{_TIME})\]\s?",
        rf"(?P<day>{_DAY})[,،]?\s(?P<time>{_BEFORE_TIME}{_TIME})\s[-–]\s",
        rf"(?P<time>\d{{1,2}}:\d\d),?\s(?P<day>{_DAY})\s[-–]\s",  # Vietnam
        rf"(?P<day>{_DAY})[,،]?\s(?P<time>\d{{1,2}}:\d\d:\d\d(?:\s[AP]M)?):\s",  # iPhones until 2015
    )
)
_SIGNAL_HEADER: Final = re.compile(r"^\[\d{4}-\d\d-\d\d, \d\d:\d\d\] ")
_AUTHOR: Final = re.compile(r"^([^:\n\"“”„]{1,80}): (.*)$", re.S)
_MARK: Final = "\u200e"  # WhatsApp sets it before its own words
_EDITED: Final = re.compile(r"\s*\u200e?<[^<>:]{3,60}>$")
_ATTACHED: Final = re.compile(
    r"\u200e?<[^<>]{2,30}: ?[^<>]+>|^<[^<>\n]{3,60}>$|^[\w\-. ]+\.\w{2,5} \([^()\n]{3,40}\)$"
)
_OMITTED: Final = re.compile(r"\b(?:omitted|weggelassen|omitid[oa]|omess[oa]|absente?|weggelaten)\b", re.I)
_DELETED: Final = re.compile(
    "|".join(
        (
            *("this message was deleted", "you deleted this message", "diese nachricht wurde gelöscht"),
            *("du hast diese nachricht gelöscht", "(?:se )?eliminó este mensaje", "eliminaste este mensaje"),
            *(
                "ce message a été supprimé",
                "vous avez supprimé ce message",
                "questo messaggio è stato eliminato",
            ),
            *("hai eliminato questo messaggio", "mensagem apagada", "esta mensagem foi apagada"),
            *("você apagou esta mensagem", "dit bericht is verwijderd", "je hebt dit bericht verwijderd"),
            *("det här meddelandet (?:har )?raderats?", "du raderade (?:det här )?meddelandet"),
            *("denne (?:besked|meldingen) bl(?:ev|e) slettet", "du slettede? denne (?:besked|meldingen)"),
            *("tämä viesti (?:on )?poistet", "poistit tämän viestin", "ta wiadomość została usunięta"),
            *("usun(?:ięto|ąłeś|ęłaś) tę wiadomość", "tato zpráva byla (?:odstraněna|smazána)"),
            *("ezt az üzenetet törölték", "törölted ezt az üzenetet", "acest mesaj a fost șters"),
            *(
                "ați șters acest mesaj",
                "bu mesaj silindi",
                "bu mesajı sildiniz",
                "pesan ini (?:telah )?dihapus",
            ),
            *("anda menghapus pesan ini", "данное сообщение удалено", "вы удалили данное сообщение"),
            *("це повідомлення (?:було )?видалено", "ви видалили це повідомлення", "הודעה זו נמחקה"),
            *("تم حذف هذه الرسالة", "لقد حذفت هذه الرسالة", "यह मैसेज डिलीट", "このメッセージは削除されました"),
            *(
                "このメッセージを削除しました",
                "삭제된 메시지입니다",
                "此消息已(?:被)?删除",
                "您删除了这条消息",
            ),
            *("此訊息已(?:被)?刪除", "你已刪除此訊息"),
        )
    ),
    re.I,
)
_NO_WORDS: Final = "null"  # what Android writes for a picture that is seen once
_MESSAGE_LINES_MAX: Final = 20_000
_HEAD_LINES: Final = 40
_MESSAGES_LOOKED_AT: Final = 20_000  # for the order of day and month


def _headed(line: str) -> tuple[str, str] | None:
    """Return (date and time, the rest) of a line that begins a message."""
    match = next(filter(None, (header.match(line) for header in _HEADERS)), None)
    return (f"{match['day']} {match['time']}", match["rest"]) if match else None


def _said(at: Moment, rest: str, thread: str) -> Answer:
    author = _AUTHOR.match(rest)
    if author is None:
        return "service_notice"
    name, words = author[1].strip("~ \u202f\u00a0"), author[2]  # who is no contact has a wave before the name
    own_words = words.startswith(_MARK)
    bare = words.strip(f"{_MARK}\u200f \n")
    if not bare:
        return "no_content"
    if bare == _NO_WORDS:
        return "attachment"
    if _DELETED.match(bare):
        return "deleted"
    if _ATTACHED.search(words) or (own_words and _OMITTED.search(bare)):
        return "attachment"
    if own_words and "\n" not in bare and "http" not in bare:
        return (
            "service_notice"  # a call, or that the chat is encrypted; polls have lines and places an address
        )
    if not at[0]:
        return "no_date"
    text = _EDITED.sub("", words).replace(_MARK, "")
    return Draft("message", at[0], at[1], text=text, author=name, thread=thread)


def _messages(member: Member) -> Iterator[tuple[str, str]]:
    """Yield (date and time, the rest with all its lines) of each message."""
    when, held, size = "", list[str](), 0
    with member.open() as stream:
        for line in lines_of(stream, encoding_of(member.head)):
            found = _headed(line)
            if found:
                if when:
                    yield when, "\n".join(held)
                when, held, size = found[0], [found[1]], len(line)
            elif when and len(held) < _MESSAGE_LINES_MAX and size <= TEXT_BYTES_MAX:
                held.append(line)
                size += len(line)
    if when:
        yield when, "\n".join(held)


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    order = order_of(when for when, _ in islice(_messages(member), _MESSAGES_LOOKED_AT))
    thread = PurePosixPath(member.name).stem
    for when, rest in _messages(member):
        yield from answered(_said(wall_moment(when, order=order), rest, thread), tally)


def _headers(member: Member) -> list[str]:
    return [line for line in text_of_head(member).splitlines()[:_HEAD_LINES] if _headed(line)]


def _is_signal(member: Member) -> bool:
    headers = _headers(member)
    if member.suffix == ".md":  # WhatsApp writes none, and some countries' dates as Signal's programs do
        return bool(headers)
    return bool(headers) and all(_SIGNAL_HEADER.match(line) for line in headers)


FORMATS_WHATSAPP: Final = (
    Format(
        "whatsapp",
        frozenset({".txt"}),
        lambda member: bool(_headers(member)) and not _is_signal(member),
        _reads,
    ),
)


def _signal_record(_: str, record: Any) -> Answer:
    words = text_at(record, "body")
    if not words:
        return "attachment" if list_at(record, "attachments") or text_at(record, "sticker") else "no_content"
    at_ms, clock = moment(text_at(record, "date"))
    return (
        Draft("message", at_ms, clock, text=words, author=text_at(record, "sender")) if at_ms else "no_date"
    )


FORMATS_SIGNAL: Final = (
    Format("signal", frozenset({".txt", ".md"}), _is_signal, _reads),
    json_format("signal_lines", needs=((("date",), ("sender",), ("body",)),), place=(), draft=_signal_record),
)
