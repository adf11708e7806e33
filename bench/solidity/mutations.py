"""Small faults in Solidity source: each mutant is the source with one of them, and says where it is.

Rules: comments, imports and declarations are left alone. Operators: a comparison is moved by one or turned round, a
logical or an arithmetic operator is exchanged, a truth value is negated, a modifier, a check (`if … revert`) or a
statement is removed. Only text is looked at: what does not compile is sorted out by the compiler.

Does not: compile or run anything.

Usage: `for mutant in mutants_of(Path("chain/contracts/WindToken.sol").read_text()): mutant.source`.

Source: DeMillo, Lipton, Sayward, "Hints on Test Data Selection" (1978), for the method.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_DECLARED: Final = re.compile(r"^\s*(import|pragma|using|event|error|struct|mapping)\b[^;{]*;", re.MULTILINE)
_OPERATORS: Final[dict[str, tuple[str, ...]]] = {
    "<=": ("<", ">="),
    ">=": (">", "<="),
    "<": ("<=", ">"),
    ">": (">=", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
    "+=": ("-=",),
    "-=": ("+=",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
}
_OPERATOR: Final = re.compile(r"(?<= )(<=|>=|==|!=|&&|\|\||\+=|-=|[<>+*/-])(?= )")
_TRUTH: Final = re.compile(r"\b(true|false)\b|(?<=\()!(?=\w)|(?<= )!(?=\w)")
_MODIFIER: Final = re.compile(r"\s(onlyOwner|onlySettler)(?=\s)(?!\s*\()")
_STATEMENT: Final = re.compile(r"(?<=[{};])\s*(?P<said>[^{};]+;)")
# A declaration with a value is needed further down; what returns or is declared is no statement to leave out.
_KEPT: Final = re.compile(
    r"^(return|_;|[\w.\[\]]+ (memory |calldata |storage |(public |private |immutable |constant )*)?\w+( =|;))"
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A source with one fault: its operator, its line (from 1), what stood there and what stands there now."""

    operator: str
    line: int
    before: str
    after: str
    source: str


def mutants_of(source: str) -> Iterator[Mutant]:
    """Yield every mutant of a source, in the order of operators and places."""
    bare = _blanked(source)
    for found in _OPERATOR.finditer(bare):
        for other in _OPERATORS[found.group()]:
            yield _mutant(source, "exchanged", found.start(), found.end(), other)
    for found in _TRUTH.finditer(bare):
        other = {"true": "false", "false": "true"}.get(found.group(), "")
        yield _mutant(source, "negated", found.start(), found.end(), other)
    for found in _MODIFIER.finditer(bare):
        yield _mutant(source, "unguarded", found.start(1), found.end(1), "")
    for found in _STATEMENT.finditer(bare):
        said = " ".join(found.group("said").split())
        if _KEPT.match(said) is None and _in_a_body(bare, found.start()):
            operator = "unchecked" if said.startswith("if ") else "left out"
            yield _mutant(source, operator, found.start("said"), found.end("said"), "")


def _mutant(source: str, operator: str, start: int, end: int, after: str) -> Mutant:
    line = source.count("\n", 0, start) + 1
    return Mutant(operator, line, source[start:end], after, source[:start] + after + source[end:])


def _blanked(source: str) -> str:
    """Return the source with comments and declarations as blanks, so that every place stays where it is."""
    for pattern in (_COMMENT, _DECLARED):
        source = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), source)
    return source


def _in_a_body(bare: str, place: int) -> bool:
    """Whether a place lies in a function: two blocks deep, for contracts hold functions and structs hold no code."""
    before = bare[: place + 1]
    return before.count("{") - before.count("}") >= 2 and not _in_a_struct(before)


def _in_a_struct(before: str) -> bool:
    opened = before.rfind("struct ")
    return opened >= 0 and "}" not in before[opened:]
