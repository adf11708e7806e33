"""How many personal details a text still holds, by kind.

Rules: one set of patterns in the whole house, `windrow_protocol.personal.patterns`; only counts leave this module.

Does not: keep, show or change what was found.

Usage: `count_personal("write to ana@example.org")` is `{"email": 1}`.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from windrow_protocol.limits import TEXT_BYTES_MAX
from windrow_protocol.personal.patterns import find_personal

_UTF8_BYTES_MAX: Final = 4  # of a character


def count_personal(text: str, signs: int | None = None) -> dict[str, int]:
    """Return the number of findings by kind, without zeros and in the order of the alphabet.

    `signs` are those of the text, or of more than it, where they are known already. Raises WindrowError `too_large`.
    """
    from aggregator.curation.personal_kernels import detectors_for

    detectors = detectors_for(text, signs)
    if not detectors and len(text) <= TEXT_BYTES_MAX // _UTF8_BYTES_MAX:
        return {}
    return dict(sorted(Counter(finding.kind for finding in find_personal(text, detectors)).items()))
