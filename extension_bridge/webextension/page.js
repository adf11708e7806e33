// Reads the page a person clicked on: its address, title and visible text, nothing typed into forms, nothing hidden.

import { api, Refusal } from "./bridge.js";

const TEXT_CHARS_MAX = 200_000;

/** Runs inside the page; must not use anything of this module. */
function readPage(charsMax) {
  const root = document.querySelector("article, main, [role=main]") ?? document.body;
  const text = root?.innerText.trim() || document.body?.innerText || "";
  return { url: location.href, title: document.title, text: text.slice(0, charsMax) };
}

/** Returns whether the page in front may be read after a click, asking for it where the browser wants that. */
export function mayReadPage() {
  return api.permissions.request({ permissions: ["scripting"] }); // at once: Firefox forgets the click at the first await
}

/** Returns the window with pages that was last in front. Firefox may name one without pages, whatever it is asked. */
async function windowInFront() {
  const wanted = { populate: true, windowTypes: ["normal"] };
  const last = await api.windows.getLastFocused(wanted);
  return last.type === "normal" ? last : (await api.windows.getAll(wanted)).at(-1);
}

/** Returns {url, title, text, captured_at_ms} of the tab in front. Throws a Refusal. */
export async function currentPage() {
  const refusal = new Refusal(api.i18n.getMessage("noPage"), api.i18n.getMessage("noPageRemedy"));
  const front = await windowInFront();
  const tab = front?.tabs?.find((candidate) => candidate.active);
  if (!tab) throw refusal;
  try {
    const [{ result }] = await api.scripting.executeScript({
      target: { tabId: tab.id },
      func: readPage,
      args: [TEXT_CHARS_MAX],
    });
    return { ...result, captured_at_ms: Date.now() };
  } catch {
    throw refusal;
  }
}
