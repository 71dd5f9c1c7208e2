// norelay's one script: keeps a running result up to date and adds small comforts. Every page works without it.
// Rules: no framework, no eval; markup comes from our own server only, already escaped; whatever is open stays open.
"use strict";
(() => {
  const markup = window.trustedTypes
    ? window.trustedTypes.createPolicy("norelay", { createHTML: (text) => text })
    : { createHTML: (text) => text };
  const say = document.getElementById("say");

  /** Replaces what an element contains; details that were open stay open, and the focus stays where it was. */
  function fill(element, html) {
    const open = [...element.querySelectorAll("details[open][id]")].map((one) => one.id);
    const focus = element.contains(document.activeElement) ? place(document.activeElement) : null;
    element.innerHTML = markup.createHTML(html);
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (focus) document.querySelector(focus)?.focus({ preventScroll: true });
    dress(element);
  }

  /** A selector that finds an element again after its surroundings were replaced. */
  function place(element) {
    if (element.id) return "#" + CSS.escape(element.id);
    const details = element.closest("details[id]");
    return details && element.localName === "summary" ? "#" + CSS.escape(details.id) + " > summary" : null;
  }

  /** Follows a running test. The server sends the parts of the page that changed. */
  function follow(result) {
    const source = new EventSource(result.dataset.live);
    source.addEventListener("parts", (event) => {
      const news = JSON.parse(event.data);
      for (const [id, html] of news.parts) {
        const element = document.getElementById(id);
        if (element) fill(element, html);
      }
      if (news.say && say.textContent !== news.say) say.textContent = news.say;
    });
    source.addEventListener("over", () => {
      source.close();
      settle();
    });
    source.addEventListener("error", () => {
      // The browser tries again by itself, unless the server said no.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 10000);
    });
    addEventListener("pagehide", () => source.close());
  }

  /** Puts the permanent page in the place of the live one. */
  async function settle() {
    try {
      const answer = await fetch(location.pathname, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(markup.createHTML(await answer.text()), "text/html");
      fill(document.getElementById("main"), page.getElementById("main").innerHTML);
      document.title = page.title;
      say.textContent = document.querySelector(".verdict .sentence")?.textContent ?? "";
    } catch {
      location.reload();
    }
  }

  /** Loads a transcript that was too long for the page, when its test is opened. */
  async function load(details) {
    const holder = details.querySelector("[data-load]");
    const link = holder?.querySelector("a");
    if (!link || holder.dataset.load === "busy") return;
    holder.dataset.load = "busy";
    try {
      const answer = await fetch(link.href + "?bare", { credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      holder.outerHTML = markup.createHTML(await answer.text());
    } catch {
      holder.dataset.load = "";
    }
  }

  /** Says beside a time to come how far it is. */
  function count() {
    for (const time of document.querySelectorAll("time[data-until]")) {
      const left = Math.round((Date.parse(time.dateTime) - Date.now()) / 1000);
      let shown = time.nextElementSibling;
      if (!shown?.matches(".left")) {
        shown = document.createElement("span");
        shown.className = "left";
        time.after(shown);
      }
      const minutes = Math.floor(left / 60);
      shown.textContent = left <= 0 ? "" : minutes > 0 ? ` (in ${minutes} min ${left % 60} s)` : ` (in ${left} s)`;
    }
  }

  /** Shows what only works with a script. */
  function dress(root) {
    for (const button of root.querySelectorAll("button[data-do]")) button.hidden = false;
    count();
  }

  document.addEventListener("toggle", (event) => {
    if (event.target.matches("details.test") && event.target.open) load(event.target);
  }, true);
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-do]");
    if (button?.dataset.do === "print") print();
    if (button?.dataset.do === "copy") {
      const field = document.getElementById("address");
      field.select();
      try {
        await navigator.clipboard.writeText(field.value);
        say.textContent = "The address was copied.";
        button.textContent = "Copied";
      } catch {
        say.textContent = "The address is selected; copy it with the keyboard.";
      }
    }
  });
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.test.ill:not([open])")];
    closed.forEach((one) => one.setAttribute("open", ""));
  });
  addEventListener("afterprint", () => closed.forEach((one) => one.removeAttribute("open")));

  dress(document);
  setInterval(count, 1000);
  const result = document.querySelector("[data-live]");
  if (result) follow(result);
})();
