"""What stands in place of a page is no truth; what is a page stays one, whatever it is about."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from real_data import real_data

from contributor_node.extraction.main_text import extract
from windrow_protocol.block_pages import is_block_page
from windrow_protocol.content import normalise_text

BLOCKS = [
    ("Checking your browser before accessing example.org. Ray ID: 7f3c", 200, "Just a moment..."),
    ("Please verify you are a human to continue.", 200, "Attention Required! | Cloudflare"),
    ("Our systems have detected unusual traffic from your computer network.", 200, ""),
    ("Access denied. You don't have permission to access this resource.", 200, "Access Denied"),
    ("Please complete the CAPTCHA below.", 200, ""),
    ("Sign in to the Wi-Fi to go on", 200, "Welcome"),
    ("Please log in", 200, "Login"),
    ("This site is temporarily unavailable. Please come back later.", 200, ""),
    ("Enable JavaScript and cookies to continue", 200, ""),
    ("Please enable JS and disable any ad blocker", 200, "example.org"),
    ("We're verifying your browser. Whose site is it? Click here to mend this.", 200, "Checkpoint"),
    ("We cannot tell if you are a person or a script. Tick the box to go on with what you did.", 200, ""),
    ("Name or e-mail. Password. Or use another service. Have you no account yet?", 200, "Sign up | Jobs"),
    (
        "Es wird überprüft, ob Sie ein Mensch sind. Dies kann einige Sekunden dauern.",
        200,
        "Nur einen Moment…",
    ),
    ("Vérification que vous êtes humain. Cela peut prendre quelques secondes.", 200, "Un instant…"),
    ("Verificando que usted es un ser humano. Esto puede tardar unos segundos.", 200, "Un momento…"),
    ("Проверка, что вы человек. Это может занять несколько секунд.", 200, "Один момент…"),
    ("正在验证您是否是真人。这可能需要几秒钟时间。", 200, "请稍候…"),
    ("あなたが人間であることを確認しています。", 200, "しばらくお待ちください..."),
    ("", 200, "An empty page"),
    ("   \n", 200, ""),
    ("What a lovely page it is, with words enough for all " * 10, 404, ""),
    ("What a lovely page it is, with words enough for all " * 10, 503, ""),
]
PAGES = [
    ("The captcha was invented to tell people from programs. " * 40, 200, "CAPTCHA"),
    ("How to log in to your router, step by step, and what an error means. " * 40, 200, "Log in"),
    (
        "The mill stood by the river until the flood took it in the spring, and nobody rebuilt it.",
        200,
        "Mill",
    ),
    ("Der Mensch ist ein Roboter, sagt das Stück, und niemand widerspricht ihm. " * 3, 200, "Theater"),
    (
        "Sign language is taught on Mondays, and whoever wants to fell trees may sign in at noon. " * 2,
        200,
        "Courses",
    ),
    (
        "Opening hours: Monday to Friday, nine to five. Closed on public holidays. Bring your own bags.",
        200,
        "",
    ),
]


@pytest.mark.parametrize(("text", "status", "title"), BLOCKS)
def test_what_is_no_page(text: str, status: int, title: str) -> None:
    assert is_block_page(text, status, title)


@pytest.mark.parametrize(("text", "status", "title"), PAGES)
def test_what_is_a_page(text: str, status: int, title: str) -> None:
    assert not is_block_page(text, status, title)


@pytest.mark.parametrize("folder", ["html_wcxb_a", "html_mozilla_readability"])
def test_real_pages_are_pages(folder: str) -> None:
    columns = pq.read_table(real_data(folder) / "pages.parquet", columns=["title", "expected_text"])
    pages = [row for row in columns.to_pylist() if len((row["expected_text"] or "").split()) > 3]
    taken = [row["title"] for row in pages if is_block_page(row["expected_text"], 200, row["title"] or "")]
    assert len(pages) > 100
    assert taken == []


@pytest.mark.parametrize(("folder", "every"), [("html_wcxb_a", 4), ("html_trafilatura_eval", 5)])
def test_real_pages_as_the_node_extracts_them_are_pages(folder: str, every: int) -> None:
    table = pq.read_table(real_data(folder) / "pages.parquet", columns=["url", "html"])
    pages = [
        (row["url"], extract(row["html"], "text/html")) for row in table.to_pylist()[::every] if row["html"]
    ]
    told = [(url, normalise_text(page.text), page.title) for url, page in pages]
    assert len(told) > 150
    assert [url for url, text, title in told if text and is_block_page(text, 200, title)] == []
