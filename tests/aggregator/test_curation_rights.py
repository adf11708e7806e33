"""Licences by their wording, on real licence texts and on pages; and the verdict on rights, which denies by default."""

from __future__ import annotations

import re
from collections import Counter

import pyarrow.parquet as pq
import pytest
from real_data import real_data

from aggregator.curation.licences import LICENCES_MAX, UNKNOWN, detect_licence
from aggregator.curation.rights import ROBOTS_STATES, Rights, judge_rights
from windrow_protocol.limits import TEXT_BYTES_MAX
from windrow_protocol.optout import Signal, denies_training
from windrow_protocol.optout_kinds import KINDS

NOTICES = [
    ("// SPDX-License-Identifier: MIT OR Apache-2.0", "Apache-2.0 AND MIT"),
    (
        "# SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note",
        "GPL-2.0-only AND Linux-syscall-note",
    ),
    ("Except where noted: https://creativecommons.org/licenses/by-nc-nd/3.0/de/", "CC-BY-NC-ND-3.0"),
    ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
    ("© 2021 the authors, CC BY-SA 4.0", "CC-BY-SA-4.0"),
    ("Text is available under the Creative Commons Attribution-ShareAlike License 4.0;", "CC-BY-SA-4.0"),
    ("Texts are published under Creative Commons Attribution 3.0 Unported", "CC-BY-3.0"),
    ("shared under CC BY-NC", "LicenseRef-CC-BY-NC"),
    ("This page is licensed under the Python Software Foundation License Version 2.", "PSF-2.0"),
    ("Licensed under the Apache License, Version 2.0 (the “License”);", "Apache-2.0"),
    ("Released under the MIT license.", "MIT"),
    ("Lizenz: MIT", "MIT"),
    ("The code is distributed under the 3-clause BSD license", "BSD-3-Clause"),
    ("is subject to the terms of the Mozilla Public License, v. 2.0.", "MPL-2.0"),
    ("you can redistribute it under the terms of the GNU General Public License version 2", "GPL-2.0-only"),
    (
        "modify it under the terms of the GNU Lesser General Public License as published by the Free Software"
        " Foundation; either version 2.1 of the License, or (at your option) any later version.",
        "LGPL-2.1-or-later",
    ),
    ("licensed under the AGPLv3", "AGPL-3.0-only"),
    ("provided under version 3 or later of the GNU Affero General Public License", "AGPL-3.0-or-later"),
    (
        "Available under the GNU Free Documentation License, Version 1.3 or any later version",
        "GFDL-1.3-or-later",
    ),
    ("Contains data available under the Open Government Licence v3.0", "OGL-UK-3.0"),
]
IN_OTHER_LANGUAGES = [
    (
        "Der Text ist unter der Lizenz „Creative-Commons Namensnennung – Weitergabe unter gleichen Bedingungen“ da;",
        "LicenseRef-CC-BY-SA",
    ),
    (
        "Es ist lizenziert unter einer Creative Commons Namensnennung – Nicht kommerziell – Keine Bearbeitungen 4.0"
        " International Lizenz.",
        "CC-BY-NC-ND-4.0",
    ),
    ("Die Software wird unter der MIT-Lizenz veröffentlicht.", "MIT"),
    ("Das Programm steht unter der GNU General Public License Version 3.", "GPL-3.0-only"),
    ("Lizenz: CC BY 4.0 mit Namensnennung", "CC-BY-4.0"),  # `mit` is a word, too
    (
        "Les textes sont disponibles sous licence Creative Commons attribution, partage dans les mêmes conditions ;",
        "LicenseRef-CC-BY-SA",
    ),
    ("Ce logiciel est distribué sous licence MIT.", "MIT"),
    (
        "El texto está disponible bajo la Licencia Creative Commons Atribución-CompartirIgual 4.0;",
        "CC-BY-SA-4.0",
    ),
    (
        "Il testo è disponibile secondo la licenza Creative Commons Attribuzione-Condividi allo stesso modo 4.0",
        "CC-BY-SA-4.0",
    ),
    ("Distribuito sotto licenza Apache 2.0.", "Apache-2.0"),
    ("O código é distribuído sob a licença MIT.", "MIT"),
    (
        "De tekst is beschikbaar onder de licentie Creative Commons Naamsvermelding/Gelijk delen",
        "LicenseRef-CC-BY-SA",
    ),
    (
        "Tekst udostępniany na licencji Creative Commons: uznanie autorstwa, na tych samych warunkach 4.0",
        "CC-BY-SA-4.0",
    ),
    (
        "Текст доступен по лицензии Creative Commons «С указанием авторства — С сохранением условий»",
        "LicenseRef-CC-BY-SA",
    ),
    ("Текст доступен на условиях лицензии Apache License 2.0", "Apache-2.0"),
    ("Texten är tillgänglig under licensen Creative Commons Erkännande-dela-lika 4.0", "CC-BY-SA-4.0"),
    ("Text je dostupný pod licencí Creative Commons Uveďte původ – Zachovejte licenci 4.0", "CC-BY-SA-4.0"),
    ("テキストはクリエイティブ・コモンズ 表示-継承ライセンスのもとで利用できます。", "LicenseRef-CC-BY-SA"),
    ("本站的全部文字在知识共享 署名-相同方式共享 4.0协议之条款下提供", "CC-BY-SA-4.0"),
]
NO_NOTICES = [
    "",
    "We compare the MIT license with the GPL and Apache 2.0.",
    "He studied at MIT. The driving licence was issued in 2010.",
    "All rights reserved.",
    "The bridge was built under the Apache chief's eyes in 1882.",
    "A CC by any other name",
    "Under 2 minutes to deploy; subject to availability.",
    "La licence MIT est plus courte que la licence Apache 2.0.",
    "Wir vergleichen die MIT-Lizenz mit der Apache-Lizenz 2.0 und nennen die Unterschiede.",
    "Unter der Lizenz fuhr er mit dem Boot hinaus; la licencia de pesca se pide en Madrid.",
    "本文介绍知识共享许可协议的历史。",
]


@pytest.mark.parametrize(("text", "expected"), NOTICES + IN_OTHER_LANGUAGES)
def test_a_notice_is_recognised(text: str, expected: str) -> None:
    assert detect_licence(f"A page about trains.\n\n{text}\nThe end.") == expected


@pytest.mark.parametrize("text", NO_NOTICES)
def test_talk_about_licences_is_no_notice(text: str) -> None:
    assert detect_licence(text) == UNKNOWN


def test_the_address_of_a_licence_counts() -> None:
    assert detect_licence("Deed", url="https://creativecommons.org/licenses/by/4.0/") == "CC-BY-4.0"


COMMON = re.compile(
    r"MIT|Apache-2\.0|BSD-[234]-Clause|ISC|0BSD|Unlicense|Zlib|BSL-1\.0|OFL-1\.1|MPL-2\.0|EPL-[12]\.0|WTFPL|PSF-2\.0|CC0-1\.0"
    r"|CC-BY(?:-NC)?(?:-ND)?(?:-SA)?-\d\.\d|[AL]?GPL-[23]\.[01]|GFDL-1\.[123]"
)


def test_real_licence_texts_are_called_by_their_names() -> None:
    """Of the common licences' own texts and notices, 95 in 100 are named; no other common one is named instead."""
    rows = pq.read_table(real_data("neardup_licences_spdx") / "docs.parquet").to_pylist()
    right, total, wrong = 0, 0, Counter[tuple[str, str]]()
    for row in rows:
        wanted = re.sub(r"-(?:only|or-later|(?:no-)?invariants.*)$", "", row["cluster"].removeprefix("spdx:"))
        wanted = re.sub(r"-(?:no-)?invariants$", "", wanted)
        if not COMMON.fullmatch(wanted):
            continue
        found = {
            re.sub(r"-(?:only|or-later)$", "", name) for name in detect_licence(row["text"]).split(" AND ")
        }
        total += 1
        right += wanted in found
        wrong.update((wanted, name) for name in found - {wanted, UNKNOWN})
    assert total >= 250
    assert right / total >= 0.95
    assert wrong.total() <= 0.05 * total, wrong


def test_real_pages_are_seldom_called_licensed() -> None:
    """Of 830 pages by hand-checked text, 5 state a licence or report on one."""
    rows = pq.read_table(
        real_data("html_wcxb_a") / "pages.parquet", columns=["url", "expected_text"]
    ).to_pylist()
    named = [
        row["url"] for row in rows if detect_licence(row["expected_text"] or "", url=row["url"]) != UNKNOWN
    ]
    assert len(named) <= 8, named
    assert "https://writingcenter.unc.edu/tips-and-tools/book-reviews/" in named, "it states CC BY-NC-ND 4.0"


@pytest.mark.parametrize(
    "unit", ["under the ", "licensed under ", "creative commons attribution ", "gnu gpl v", "a"]
)
def test_a_hostile_text_is_searched_in_bounded_work(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    assert len(text) <= TEXT_BYTES_MAX
    assert len(detect_licence(text).split(" AND ")) <= LICENCES_MAX


def test_a_list_of_licences_is_cut() -> None:
    text = "\n".join(f"SPDX-License-Identifier: Licence-{i}" for i in range(50))
    assert len(detect_licence(text).split(" AND ")) == LICENCES_MAX


@pytest.mark.parametrize("state", sorted(ROBOTS_STATES))
def test_only_an_asked_and_permitting_robots_txt_allows(state: str) -> None:
    allowed = state in {"allowed", "no_robots"}
    assert judge_rights(state, []) == Rights(allowed, "allowed" if allowed else f"robots:{state}")


@pytest.mark.parametrize("state", ["", "ALLOWED", "allowed ", "yes", "1"])
def test_an_unknown_robots_state_denies(state: str) -> None:
    assert judge_rights(state, []) == Rights(False, "robots:unknown")


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("value", ["", "1", "0", "train-ai=n", "train-ai=y", "ai-train=no"])
def test_a_signal_denies_exactly_where_the_protocol_says_so(kind: str, value: str) -> None:
    signal = Signal(kind, value, "meta:robots")
    expected = Rights(False, f"optout:{kind}") if denies_training([signal]) else Rights(True, "allowed")
    assert judge_rights("allowed", [signal.as_text()]) == expected


def test_an_optout_denies_whatever_else_is_said() -> None:
    noai = Signal("noai", "", "meta:robots").as_text()
    noindex = Signal("noindex", "", "meta:robots").as_text()
    assert judge_rights("no_robots", [noindex, noai]) == Rights(False, "optout:noai")
    assert judge_rights("denied", [noai]).reason == "optout:noai"
    assert judge_rights("allowed", ["garbage that is no signal"]) == Rights(True, "allowed")
