// The popup: the node, a page or visits to give, what would leave, consent, what was given, and taking it back.

import { api, ask, pair, Refusal } from "./bridge.js";
import { mayReadHistory, visits } from "./history.js";
import { showNode, tokens } from "./node.js";
import { currentPage, mayReadPage } from "./page.js";

const element = (id) => document.getElementById(id);
const words = (name, ...parts) => api.i18n.getMessage(name, parts);
const camel = (prefix, name) => prefix + name.split("_").map((w) => w[0].toUpperCase() + w.slice(1)).join("");
const language = words("language"); // so that the notice speaks as the rest of the popup does

let page = null; // as read from the tab, with the time of the reading
let noticeSha256 = "";
let found = []; // the visits shown

function translate() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-message]")) node.textContent = words(node.dataset.message);
}

function tell(name) {
  element("news").textContent = name ? words(name) : "";
  element("trouble").hidden = true;
}

function complain(error) {
  element("news").textContent = "";
  element("trouble-sentence").textContent = error.sentence ?? String(error);
  element("trouble-remedy").textContent = error.remedy ? words("remedy", error.remedy) : "";
  element("trouble").hidden = false;
  if (error.code === "not_paired") element("pairing").hidden = false;
}

async function pairNow() {
  await pair(element("code").value);
  element("pairing").hidden = element("trouble").hidden = true;
  await begin();
}

/** Shows what was given and the node. */
async function begin() {
  await list();
  await showNode();
}

function terms() {
  return {
    source: "browser_page",
    scope: ["url", "title", "text", "captured_at_ms"],
    purpose: "model_training",
    retention_days: Number(element("retention").value),
  };
}

/** The page as the person has edited it. */
function edited() {
  return { ...page, title: element("title").value, text: element("text").value };
}

function showFindings(findings) {
  element("removed").replaceChildren(
    ...findings.map(({ kind, count }) => {
      const item = document.createElement("li");
      item.textContent = `${words(camel("kind", kind))}: ${count}`;
      return item;
    }),
  );
  element("removed-hint").textContent = words(findings.length ? "removedHint" : "removedNothing");
}

/** Asks the host what would leave, and shows it. Returns whether it is what the fields already said. */
async function preview(candidate, findingsToo) {
  const answer = await ask({ type: "preview", page: candidate, terms: terms(), language });
  const { url, title, text } = answer.record;
  const same = title === element("title").value && text === element("text").value;
  element("address").textContent = url;
  element("title").value = title;
  element("text").value = text;
  element("notice").textContent = answer.notice;
  noticeSha256 = answer.notice_sha256;
  if (findingsToo || answer.findings.length) showFindings(answer.findings);
  return same;
}

async function keepDraft() {
  await api.storage.session.set({ draft: { page: edited(), retention: element("retention").value } });
}

/** Does what a person asked for; a refusal is said, and what it rested on is checked again. */
function act(work) {
  return (event) => {
    event?.preventDefault();
    return work(event).catch(complain);
  };
}

async function openPage() {
  if (!(await mayReadPage())) throw new Refusal(words("noScripting"), words("noScriptingRemedy"));
  tell("reading");
  page = await currentPage();
  const { draft } = await api.storage.session.get("draft");
  if (draft && draft.page.url === page.url) {
    page = draft.page;
    element("retention").value = draft.retention;
  }
  await preview(page, true);
  element("history").hidden = true;
  element("donation").hidden = false;
  element("title").focus();
  tell("");
}

async function openHistory() {
  if (!(await mayReadHistory())) throw new Refusal(words("noHistory"), words("noHistoryRemedy"));
  element("donation").hidden = true;
  element("history").hidden = false;
  await showVisits();
  element("search").focus();
  tell("");
}

async function showVisits() {
  found = await visits(element("search").value.trim());
  element("visits").replaceChildren(...found.map(visitRow));
  element("visits-nothing").hidden = found.length > 0;
  countTicks();
}

function visitRow(visit, place) {
  const item = document.createElement("li");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.id = `visit-${place}`;
  box.value = String(place);
  const label = document.createElement("label");
  label.htmlFor = box.id;
  label.textContent = visit.title || visit.url;
  label.title = visit.url;
  const day = document.createElement("span");
  day.className = "state";
  day.textContent = new Date(visit.captured_at_ms).toLocaleDateString(language);
  item.append(box, label, day);
  return item;
}

const ticked = () => [...element("visits").querySelectorAll("input:checked")].map((box) => found[Number(box.value)]);
const countTicks = () => (element("put-visits-aside").disabled = ticked().length === 0);

async function putAside(source, pages) {
  const answer = await ask({ type: "put_aside", source, pages });
  tell("");
  const left = answer.left_out ? ` ${words("putAsideLeftOut", String(answer.left_out), answer.why.join("; "))}` : "";
  element("news").textContent = words("putAsideDone", String(answer.added)) + left;
  element("donation").hidden = element("history").hidden = true;
  await api.storage.session.remove("draft");
  await list();
}

async function lookThrough() {
  const { link } = await ask({ type: "dashboard", page: "give" });
  await api.tabs.create({ url: link });
}

async function send(event) {
  event.preventDefault();
  element("send").disabled = true;
  tell("sending");
  try {
    if (!(await preview(edited(), false))) {
      element("agreed").checked = false;
      tell("removedMore");
      return;
    }
    const consent = { ...terms(), agreed: element("agreed").checked, notice_sha256: noticeSha256 };
    const answer = await ask({ type: "donate", page: edited(), consent, language });
    await api.storage.session.remove("draft");
    element("donation").hidden = true;
    if (answer.state === "refused") {
      complain({ sentence: `${words("sentRefused")} ${answer.sentence}` });
    } else {
      tell(answer.state === "delivered" ? "sentDelivered" : "sentPending");
    }
    await list();
  } catch (error) {
    complain(error);
    element("send").disabled = !element("agreed").checked;
  }
}

function row(donation) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.className = "name";
  const kind = donation.source && words(camel("source", donation.source));
  name.textContent = donation.title || donation.url || kind;
  name.title = donation.url;
  const state = document.createElement("span");
  state.className = "state";
  const day = new Date(donation.given_at_ms).toLocaleDateString(language);
  state.textContent = `${day} · ${words(camel("state", donation.state))}`;
  if (donation.sentence) state.title = donation.sentence;
  item.append(name, state);
  if (["pending", "sent", "delivered"].includes(donation.state)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words("withdraw");
    button.setAttribute("aria-label", words("withdrawLabel", name.textContent));
    button.addEventListener("click", () => withdraw(donation.contribution_id, button));
    item.append(button);
  }
  return item;
}

function monthRow(month) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = `${month.month} · ${words(camel("month", month.state))}`;
  name.title = month.sentence;
  const earned = document.createElement("span");
  earned.className = "state";
  earned.textContent = words("monthEarned", tokens(month.held_wei), tokens(month.posted_wei));
  item.append(name, earned);
  return item;
}

async function list() {
  const { donations, months, put_aside: waiting, leaving } = await ask({ type: "status" });
  element("look-through").textContent = words("lookThrough", String(waiting));
  element("look-through-row").hidden = waiting + leaving === 0;
  element("leaving").textContent = words("leaving", String(leaving));
  element("leaving").hidden = leaving === 0;
  element("given").replaceChildren(...donations.map(row));
  element("months").replaceChildren(...(months ?? []).map(monthRow));
  element("months-section").hidden = !months?.length;
  element("given-nothing").hidden = donations.length > 0;
  element("given-section").hidden = false;
}

async function withdraw(contributionId, button) {
  button.disabled = true;
  try {
    await ask({ type: "withdraw", contribution_id: contributionId });
    await list();
  } catch (error) {
    complain(error);
    button.disabled = false;
  }
}

translate();
element("donation").addEventListener("submit", send);
element("donation").addEventListener("input", keepDraft);
element("agreed").addEventListener("change", () => (element("send").disabled = !element("agreed").checked));
element("retention").addEventListener("change", () => {
  element("agreed").checked = false;
  element("send").disabled = true;
  preview(edited(), false).catch(complain);
});
element("open-page").addEventListener("click", act(openPage));
element("open-history").addEventListener("click", act(openHistory));
element("search").addEventListener("change", act(showVisits));
element("visits").addEventListener("change", countTicks);
element("history").addEventListener("submit", act(() => putAside("browser_history", ticked())));
element("put-page-aside").addEventListener("click", act(() => putAside("browser_page", [edited()])));
element("look-through").addEventListener("click", act(lookThrough));
element("pause").addEventListener("click", act(() => showNode("pause")));
element("pause-hour").addEventListener("click", act(() => showNode("pause_hour")));
element("resume").addEventListener("click", act(() => showNode("resume")));
element("pairing").addEventListener("submit", act(pairNow));
begin().catch(complain);
