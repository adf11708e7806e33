"""What is put aside to be looked through: a word taken out everywhere, undoing, giving again what was taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from bridge_world import no_bytes_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from extension_bridge.consent import ConsentTerms
from extension_bridge.donation import Page, build_donation
from extension_bridge.drafts import Draft, Drafts
from extension_bridge.outbox import Outbox
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DRAFT_TEXT_CHARS_MAX, UNDO_S_MAX
from windrow_protocol.personal.messages import PersonalContribution, PersonalRecord

KEY = Ed25519PrivateKey.generate()
NOW_MS = 1_800_000_000_000


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox.open(tmp_path / "bridge.db") as opened:
        yield opened


def put(outbox: Outbox, text: str, url: str = "https://farm.example/", title: str = "A note") -> Draft:
    drafts = Drafts(outbox.file)
    known = {each.draft_id for each in drafts.open_items(1_000)}
    assert drafts.put([Page(url, title, text, 1_700_000_000_000)], "browser_page") == (1, [])
    (draft,) = [each for each in drafts.open_items(1_000) if each.draft_id not in known]
    return draft


def sign(record: PersonalRecord, terms: ConsentTerms) -> PersonalContribution:
    return build_donation(KEY, record, terms, network="n", controller_id="c" * 64, now_ms=NOW_MS)


def send(outbox: Outbox, draft: Draft, leaves_at_ms: int = NOW_MS) -> None:
    Drafts(outbox.file).send([draft], sign, 365, now_ms=NOW_MS, leaves_at_ms=leaves_at_ms)


@pytest.mark.parametrize(
    ("word", "text", "left"),
    [
        ("a.b*", "It is a.b* here, and axb stays.", "It is [MASKED] here, and axb stays."),
        ("(x", "f(x) and (y)", "f[MASKED]) and (y)"),
        ("\\d", "a \\d and 7", "a [MASKED] and 7"),
        ("NOË", "noë came, noe\u0308 left, noëlle stayed.", "[MASKED] came, [MASKED] left, noëlle stayed."),
        ("noe\u0308", "noë came.", "[MASKED] came."),
        ("Weiß", "Frau WEISS und weiss, nicht Weißer.", "Frau [MASKED] und [MASKED], nicht Weißer."),
        ("STRASSE", "in der Straße", "in der [MASKED]"),
        ("O'Brien", "the O’Brien farm", "the [MASKED] farm"),
        ("Plover-Lark", "bei Plover‑Lark", "bei [MASKED]"),
        ("Schmidt", "bei Schmi\u00addt und Sch\u200bmidt", "bei [MASKED] und [MASKED]"),
        ("Plover  Smith", "Plover\nSmith and plover smith", "[MASKED] and [MASKED]"),
        ("Ana", "in ana_notes and Anatolia", "in [MASKED]_notes and Anatolia"),
        ("田中", "昨日田中さんと会った。", "昨日[MASKED]さんと会った。"),
        ("สมชาย", "คุณสมชายมา", "คุณ[MASKED]มา"),
        ("민수", "어제 민수가 왔다.", "어제 [MASKED]가 왔다."),
        ("Mas", "Mas and Masha", "[MASKED] and Masha"),
        ("Иван", "ИВАН и Иванов", "[MASKED] и Иванов"),
    ],
)
def test_a_word_is_taken_out_however_it_is_written(outbox: Outbox, word: str, text: str, left: str) -> None:
    draft = put(outbox, text)
    Drafts(outbox.file).mask(word)
    assert Drafts(outbox.file).get(draft.draft_id).text == left


@pytest.mark.parametrize(
    "url",
    [
        "https://wiki.example/Ana_Smith",
        "https://wiki.example/people/ana-smith.html",
        "https://wiki.example/Ana%20Smith",
        "https://wiki.example/Ana%2520Smith",
        "https://wiki.example/ana+smith",
        "https://ana-smith.example/",
        "https://anasmith.example/",
    ],
)
def test_a_name_is_taken_out_of_addresses_too(outbox: Outbox, url: str) -> None:
    draft = put(outbox, "words", url)
    assert Drafts(outbox.file).mask("Ana Smith") >= 1
    left = Drafts(outbox.file).get(draft.draft_id).url.lower()
    assert "smith" not in left
    assert "masked" in left or "redacted.invalid" in left


def test_a_host_in_another_script_is_read_as_people_read_it(outbox: Outbox) -> None:
    draft = put(outbox, "words", "https://www.xn--mller-kva.example/a")
    assert Drafts(outbox.file).mask("Müller") == 1
    assert Drafts(outbox.file).get(draft.draft_id).url == "https://redacted.invalid/a"


@pytest.mark.parametrize("word", ["", "  ", "[MASKED]", "masked", "x" * 201])
def test_what_is_no_word_is_refused(outbox: Outbox, word: str) -> None:
    with pytest.raises(WindrowError) as refusal:
        Drafts(outbox.file).mask(word)
    assert refusal.value.code == "wrong_schema"


def test_a_word_is_taken_out_of_all_items_or_of_none(outbox: Outbox) -> None:
    first = put(outbox, "a - b")
    put(outbox, "-" * (DRAFT_TEXT_CHARS_MAX - 1), title="grows beyond all bounds")
    with pytest.raises(WindrowError) as refusal:
        Drafts(outbox.file).mask("-")
    assert refusal.value.code in ("too_large", "not_redacted")
    assert Drafts(outbox.file).get(first.draft_id).text == "a - b"


def test_what_was_taken_out_is_not_brought_back_by_redaction_and_an_edit_is_redacted_again(
    outbox: Outbox,
) -> None:
    draft = put(outbox, "Plover wrote.")
    drafts = Drafts(outbox.file)
    drafts.mask("Plover")
    after = drafts.edit(draft.draft_id, "call +49 30 1234567", "[MASKED] wrote from ana@example.org.\r\n")
    assert (after.title, after.text) == ("call [PHONE]", "[MASKED] wrote from [EMAIL].")
    assert after.redactions == {"email": 1, "masked": 1, "phone": 1}


def test_undoing_leaves_no_byte_of_the_consent_behind(tmp_path: Path) -> None:
    signed: list[PersonalContribution] = []

    def sign_and_remember(record: PersonalRecord, terms: ConsentTerms) -> PersonalContribution:
        signed.append(sign(record, terms))
        return signed[-1]

    with Outbox.open(tmp_path / "bridge.db") as outbox:
        drafts = Drafts(outbox.file)
        draft = put(outbox, "As it was seen.")
        drafts.send([draft], sign_and_remember, 365, now_ms=NOW_MS, leaves_at_ms=NOW_MS)
        consent = signed[0].consent_jws.encode()
        pieces = [
            consent[at : at + 80] for at in range(0, len(consent), 80)
        ]  # it is longer than a page of SQLite
        held = b"".join(each.read_bytes() for each in tmp_path.iterdir())
        assert sum(piece in held for piece in pieces) > 0.9 * len(pieces)
        with ExitStack() as gone:
            for piece in pieces[1:-1]:
                gone.enter_context(no_bytes_of(piece, tmp_path))
            assert drafts.undo() == 1


def test_what_was_sent_waits_no_longer_than_the_undo_window(outbox: Outbox) -> None:
    """An item that waited for ever would be signed for and never given."""
    draft, latest_ms = put(outbox, "a text to be given"), NOW_MS + UNDO_S_MAX * 1_000
    with pytest.raises(WindrowError, match="wrong_schema"):
        send(outbox, draft, latest_ms + 1)
    assert Drafts(outbox.file).next_leaves_at_ms() is None
    send(outbox, draft, latest_ms)
    assert Drafts(outbox.file).next_leaves_at_ms() == latest_ms


def test_undoing_holds_after_a_restart(tmp_path: Path) -> None:
    with Outbox.open(tmp_path / "bridge.db") as outbox:
        draft = put(outbox, "As it was seen.")
        later_ms = NOW_MS + 60_000
        Drafts(outbox.file).send([draft], sign, 365, now_ms=NOW_MS, leaves_at_ms=later_ms)
    with Outbox.open(tmp_path / "bridge.db") as outbox:
        drafts = Drafts(outbox.file)
        assert drafts.leave(later_ms - 1, 10) == 0
        assert drafts.next_leaves_at_ms() == later_ms
        assert drafts.undo() == 1
    with Outbox.open(tmp_path / "bridge.db") as outbox:
        assert Drafts(outbox.file).leave(later_ms, 10) == 0
        assert outbox.all(10) == []


def test_what_was_taken_back_is_not_said_to_be_on_its_way_again(outbox: Outbox) -> None:
    send(outbox, put(outbox, "Given once."))
    assert Drafts(outbox.file).leave(NOW_MS, 10) == 1
    (kept,) = outbox.all(10)
    outbox.withdrawal(kept.contribution_id, "signed")
    again = put(outbox, "Given once.")
    with pytest.raises(WindrowError) as refusal:
        send(outbox, again)
    assert refusal.value.code == "withdrawn"
    assert Drafts(outbox.file).counts() == {"open": 1, "leaving": 0}
