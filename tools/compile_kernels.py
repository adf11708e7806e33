"""Compiles the loops that judge documents, once for all processes that come after.

Rules: it runs the very functions that judge, on a few words of several scripts, so that their loops are compiled for
the types that judging gives them, on two processors. What is kept stands where `aggregator.dedup.compiling` says;
where nothing can be kept, nothing is gained and nothing breaks.

Does not: belong to an installation; a house compiles by itself, beside its first work.

Usage: `python tools/compile_kernels.py`, before several processes that would each compile the same.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

_ENGLISH = (
    "A few words of plain prose, with an address (ann@example.org), a card 4111 1111 1111 1111 and an end. "
)
_GERMAN = "Einige W\u00f6rter, die kein Englisch sind, damit auch eine andere Sprache erkannt werden kann. "
_CHINESE = "\u8fd9\u662f\u4e00\u4e9b\u4e2d\u6587\u5b57\u3002"


def compile_dedup() -> None:
    from aggregator.dedup import warm_up

    warm_up()


def compile_curation() -> None:
    from aggregator.curation import Fetched, annotate_all

    texts = [_ENGLISH * 20, _GERMAN * 20, _CHINESE * 40, f"{_ENGLISH}\n{_GERMAN}\n{_CHINESE}\n" * 5]
    annotate_all([Fetched(text, "https://example.org/", "allowed", []) for text in texts])


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as processes:
        for compiling in [processes.submit(compile_curation), processes.submit(compile_dedup)]:
            compiling.result()
