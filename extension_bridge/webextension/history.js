// Visits of the browser's history that a person may tick. The leave to read them is asked for when they are wanted.

import { api, Refusal } from "./bridge.js";

const SHOWN_MAX = 100;
const DAYS_BACK = 3650;

/** Returns whether the history may be read, asking the person for it. Must be called from a click. */
export function mayReadHistory() {
  return api.permissions.request({ permissions: ["history"] }); // at once: Firefox forgets the click at the first await
}

/** Returns the newest visits that match, as pages without a text. Throws a Refusal. */
export async function visits(text) {
  if (!api.history) throw new Refusal(api.i18n.getMessage("noHistory"), api.i18n.getMessage("noHistoryRemedy"));
  const startTime = Date.now() - DAYS_BACK * 86_400_000;
  const found = await api.history.search({ text, maxResults: SHOWN_MAX, startTime });
  return found
    .filter((item) => /^https?:/.test(item.url ?? ""))
    .map((item) => ({
      url: item.url.slice(0, 65_536),
      title: (item.title ?? "").slice(0, 512),
      text: "",
      captured_at_ms: Math.round(item.lastVisitTime ?? Date.now()),
    }));
}
