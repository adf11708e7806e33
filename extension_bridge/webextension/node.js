// The node's state in the popup, and its pause and resume.

import { api, ask } from "./bridge.js";

const WEI_DIGITS = 18;
const element = (id) => document.getElementById(id);

/** Returns whole tokens of an amount in wei with at most six digits behind the point, cut off and never rounded up. */
export function tokens(wei) {
  const digits = String(wei).replace("-", "").padStart(WEI_DIGITS + 1, "0");
  const whole = digits.slice(0, -WEI_DIGITS);
  const part = digits.slice(-WEI_DIGITS).slice(0, 6).replace(/0+$/, "");
  return (String(wei).startsWith("-") ? "−" : "") + whole + (part ? `.${part}` : "");
}

/** Shows the node; `wish` is look, pause, pause_hour or resume. Throws a Refusal. */
export async function showNode(wish = "look") {
  const node = await ask({ type: "node", do: wish, language: api.i18n.getMessage("language") });
  const isHeld = node.control !== "running";
  element("node-heading").textContent = node.heading;
  element("node-sentence").textContent = node.sentence;
  element("node-earned").textContent =
    node.earned_today_wei === null
      ? api.i18n.getMessage("earnedUnknown")
      : api.i18n.getMessage("earnedToday", tokens(node.earned_today_wei));
  element("pause").hidden = element("pause-hour").hidden = isHeld;
  element("resume").hidden = !isHeld;
  element("node").hidden = false;
}
