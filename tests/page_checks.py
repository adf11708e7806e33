"""What is asked of every page in a real browser, and a wallet to put into one.

The wallet is an EIP-1193 provider, as an extension injects it; what it stands for is the wallet and nothing of ours.
"""

from __future__ import annotations

from typing import Any

PROVIDER = """window.ethereum = { request: async (asked) => {
  const answer = JSON.parse(await window.askWallet(JSON.stringify(asked)));
  if (answer.error) throw Object.assign(new Error(answer.error), { code: answer.code });
  return answer.result;
} };"""
NAMELESS = """() => [...document.querySelectorAll("a, button, input, svg[role=img], summary")]
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.innerText || each.labels?.[0]?.innerText
    || (each.getAttribute("aria-labelledby") || "").split(" ").every((id) => document.getElementById(id)?.textContent)))
  .map((each) => each.outerHTML.slice(0, 120))"""

# The text that is hardest to read: its contrast with the first painted background behind it (WCAG 2.2, 1.4.3).
FAINTEST = r"""() => {
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3).map((each) => each / 255)
    .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let worst = [99, ""];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest("title, desc")) continue;
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [one, other] = [light(ink), light(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < worst[0]) worst = [contrast, text.slice(0, 60)];
  }
  return worst;
}"""


async def readable(page: Any) -> None:
    """Fail unless the faintest text is readable (WCAG 2.2, 1.4.3: 4.5 to 1)."""
    contrast, text = await page.evaluate(FAINTEST)
    assert contrast >= 4.5, f"{text!r} has a contrast of {contrast:.2f}"
