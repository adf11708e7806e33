"""What this node checked of what it is owed, in words.

Rules: three things are told apart: the proof holds, it does not, and nothing could be checked, with the reason.

Does not: check (see `money_board`). Usage: `markup = proof_words("en", looked)`.
"""

from __future__ import annotations

from contributor_node.coordinator.earnings_proof import Owed
from contributor_node.dashboard.markup import Markup, definitions, fill, joined
from contributor_node.dashboard.money_board import Looked
from contributor_node.dashboard.tongue import Language, exact, say, say_known
from contributor_node.dashboard.wording import Unit
from windrow_protocol.amounts import OWN_ASSET

_NO_ANSWER = (429, 503)  # of a reason: nobody answered, or is not able to now
_VERDICT = '<p class="verdict {tone}">{words}</p>'
_WORDS = "<p>{words}</p>"


def proof_words(language: Language, looked: Looked) -> Markup:
    """Return the verdict on the Merkle proof of one asset, with what it rests on."""
    refusal = looked.proof_refusal
    if looked.owed is not None:
        return _holds(language, looked.owed, looked.unit)
    if refusal is None:
        return _verdict("", say(language, "Nothing to check: no data."))
    if refusal.code == "not_found":
        none = say(
            language,
            "No closed epoch owes your address anything. That comes with the first one after pay is yours.",
        )
        return joined([_verdict("", say(language, "Nothing to check yet.")), fill(_WORDS, words=none)])
    sentence = say_known(language, refusal.reason.sentence)
    if refusal.reason.http_status in _NO_ANSWER:
        return _verdict("", say(language, "Not checked: {why}.").format(why=sentence))
    remedy = say_known(language, refusal.reason.remedy)
    words = fill(_WORDS, words=f"{sentence}. {remedy[0].upper()}{remedy[1:]}.")
    return joined([_verdict("bad", say(language, "The proof does not hold.")), words])


def _holds(language: Language, owed: Owed, unit: Unit) -> Markup:
    command = "windrow claim" if unit.symbol == OWN_ASSET else f"windrow claim --asset {unit.symbol}"
    accepted = say(language, "whether the chain has accepted this root; the command “{command}” asks it")
    facts = (
        (say(language, "Epoch"), str(owed.epoch_id)),
        (say(language, "Owed in all, paid out included"), exact(language, unit, owed.amount_wei)),
        (say(language, "Root"), owed.root),
        (say(language, "Not checked here"), accepted.format(command=command)),
    )
    followed = say(
        language,
        "This machine followed the Merkle proof from your address and amount to the root, and the root is signed "
        "with the coordinator’s key that this node pinned on first contact.",
    )
    return joined(
        [
            _verdict("good", say(language, "The proof holds.")),
            fill(_WORDS, words=followed),
            definitions(facts),
        ]
    )


def _verdict(tone: str, words: str) -> Markup:
    return fill(_VERDICT, tone=tone, words=words)
