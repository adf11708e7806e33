// Shows what changed, once a second while the page is looked at. Sets text, widths and classes; never markup.
"use strict";
(() => {
  const url = document.body.dataset.live;
  if (!url) return;
  const follow = document.getElementById("follow");
  const state = document.getElementById("state");
  const controls = document.getElementById("controls");
  const list = document.querySelector("[data-rows]");
  let seen = "";

  const say = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };

  const showRows = (rows) => {
    const slots = list ? list.querySelectorAll("[data-slot]") : [];
    slots.forEach((slot, at) => {
      const row = rows[at] || ["", "", "", "", "", "empty"];
      const cells = slot.querySelectorAll("[role=cell]");
      row.slice(0, 5).forEach((text, column) => say(cells[column], text));
      cells[2].title = row[2];
      slot.dataset.tone = row[5];
    });
  };

  const showHosts = (hosts) => {
    const list = document.querySelector("[data-hosts]");
    list?.querySelectorAll("li").forEach((slot, at) => {
      const [host, stage] = hosts[at] || (at ? ["", ""] : [list.dataset.none, ""]);
      say(slot.children[0], host);
      say(slot.children[1], stage);
    });
  };

  const show = (facts) => {
    document.querySelectorAll("[data-text]").forEach((place) => say(place, facts.text[place.dataset.text]));
    document.querySelectorAll("[data-width]").forEach((bar) => bar.setAttribute("width", facts.width[bar.dataset.width]));
    if (state) state.className = "hero tone-" + facts.tone;
    if (controls) controls.dataset.control = facts.control;
    showHosts(facts.hosts);
    if (!follow || follow.checked) showRows(facts.rows);
  };

  const lost = () => {
    if (state) state.className = "hero tone-trouble";
    say(document.querySelector("[data-text=heading]"), document.body.dataset.stopped);
    say(document.querySelector("[data-text=sentence]"), document.body.dataset.again);
  };

  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(url, { cache: "no-store" });
      if (!answer.ok) return lost();
      const text = await answer.text();
      if (text !== seen) show(JSON.parse(text));
      seen = text;
    } catch {
      seen = "";
      lost();
    }
  };

  const again = async () => {
    await look();
    setTimeout(again, 1000);
  };

  if (follow) follow.addEventListener("change", () => {
    list.classList.toggle("still", !follow.checked);
    seen = "";
  });
  document.addEventListener("visibilitychange", look);
  again();
})();
