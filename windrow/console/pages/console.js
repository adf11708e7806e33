// Makes the console quicker by hand: Ctrl+Enter asks, a click on a column writes its name, a running question can be
// stopped. Everything works without it.
"use strict";
(() => {
  const statement = document.getElementById("statement");
  const running = document.getElementById("running");
  let asking = 0;

  const done = () => {
    clearInterval(asking);
    asking = 0;
    running.hidden = true;
    running.replaceChildren();
  };

  const begin = () => {
    const began = performance.now();
    const time = document.createElement("span");
    const stop = Object.assign(document.createElement("button"), { type: "button", textContent: "Stop" });
    stop.className = "plain";
    // The request goes with the page that waits for it: the console sees that nobody waits, and ends the question.
    stop.addEventListener("click", () => { window.stop(); done(); statement?.focus(); });
    const tell = () => { time.textContent = `Asking, ${Math.round((performance.now() - began) / 1000)} s `; };
    tell();
    running.replaceChildren(time, stop);
    running.hidden = false;
    asking = setInterval(tell, 1000);
  };

  document.addEventListener("submit", (event) => {
    const to = event.submitter?.getAttribute("formaction") || event.target.getAttribute("action") || "";
    if (!to.startsWith("/console/ask")) return;
    if (asking) { event.preventDefault(); return; }
    begin();
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted) done(); });

  statement?.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      statement.form.requestSubmit(document.getElementById("run"));
    }
  });
  document.addEventListener("click", (event) => {
    const name = event.target.closest?.("[data-insert]")?.dataset.insert;
    if (!name || !statement) return;
    statement.setRangeText(name, statement.selectionStart, statement.selectionEnd, "end");
    statement.focus();
  });
})();
