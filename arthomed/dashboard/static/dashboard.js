// What htmx does not do: single keys, the chosen row and focus, dialogs, polling, and the state of the connection.

const POLL_MS = 3_000;
const IDLE_POLL_MS = 10_000;
const IDLE_AFTER_MS = 60_000;
const RETRY_MS = [3_000, 6_000, 12_000, 30_000];

const byId = (id) => document.getElementById(id);
const part = () => byId("live")?.querySelector(".part") ?? byId("awake");
const openDialog = () => document.querySelector("dialog[open]");
const rowOf = (element) => element?.closest?.("[data-appointment]") ?? null;

let lastInput = Date.now();
for (const name of ["keydown", "pointerdown", "pointermove", "wheel"]) {
  addEventListener(name, () => { lastInput = Date.now(); }, { passive: true });
}

// Polling: the part asks for a newer version; while something else is on its way, or nobody looks, it waits.

const underway = new Set();
let timer = null;
let failures = 0;
let isLeaving = false;
let asOf = new Date();

const schedule = (milliseconds) => {
  clearTimeout(timer);
  timer = null;
  if (!part() || document.hidden || isLeaving) return;
  const usual = Date.now() - lastInput > IDLE_AFTER_MS ? IDLE_POLL_MS : POLL_MS;
  timer = setTimeout(poll, milliseconds ?? (failures ? RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] : usual));
};

const poll = () => {
  if (underway.size) schedule(POLL_MS);
  else htmx.trigger(part(), "refresh");
};

document.addEventListener("visibilitychange", () => (document.hidden ? schedule() : poll()));
addEventListener("online", () => part() && poll());

const isPoll = ({ detail }) => (detail.requestConfig?.elt ?? detail.elt)?.matches(".part, #awake") ?? false;
let lastPoll = 0;

document.addEventListener("htmx:configRequest", (event) => {
  const { headers, elt } = event.detail;
  if (matchMedia("(max-width: 45rem)").matches) headers["X-Screen"] = "narrow"; // where doctors sign in
  if (!isPoll(event)) return;
  if (elt.dataset.version) headers["X-Version"] = elt.dataset.version;
  if (lastInput < lastPoll) headers["X-Idle"] = "true"; // a screen that nobody uses is locked
  lastPoll = Date.now();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event)) return;
  underway.add(event.detail.xhr);
  if (part()) htmx.trigger(part(), "htmx:abort"); // its answer would be from before this request
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { xhr, successful, elt } = event.detail;
  underway.delete(xhr);
  isLeaving = ["HX-Redirect", "HX-Refresh"].some((name) => xhr.getResponseHeader(name));
  if (successful) {
    failures = 0;
    asOf = new Date();
    showConnection(false);
  }
  const { target } = event.detail;
  const isStep = !target.isConnected || target.closest("dialog"); // the answer is the next step of the dialog
  if (successful && event.detail.requestConfig.verb === "post" && !isStep) elt.closest("dialog")?.close();
  if (!successful && !isPoll(event) && xhr.status) schedule(0); // the list shows why
  else schedule();
});

document.addEventListener("htmx:sendAbort", () => schedule());

// The connection: the list stays, with its time, and so does what was typed.

const showConnection = (isLost) => {
  const notice = byId("connection");
  if (!notice) return;
  if (isLost) {
    const time = asOf.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    notice.textContent = notice.dataset.text.replace("{time}", time);
    openDialog()?.querySelector(".problem")?.replaceChildren(notice.dataset.retry);
  }
  notice.hidden = !isLost;
};

const isAnswer = (xhr) => (xhr.getResponseHeader("Content-Type") ?? "").startsWith("text/html");

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status < 400) {
    if (isPoll(event)) return;
    for (const problem of document.querySelectorAll(".problem")) problem.replaceChildren();
  } else if (isPoll(event) || !isAnswer(xhr)) {
    event.detail.shouldSwap = false;
    failures += isPoll(event) ? 1 : 0;
    showConnection(true);
  } else if (event.detail.target.id === "problem") {
    event.detail.target = openDialog()?.querySelector(".problem") ?? event.detail.target;
  }
});

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    failures += isPoll(event) ? 1 : 0;
    showConnection(true);
  });
}

document.addEventListener("said", (event) => { byId("said").textContent = event.detail.text; });

// Focus stays where it was, also when its row is drawn again; an action that is gone leaves it on its row.

let chosen = null;
document.addEventListener("focusin", (event) => { chosen = rowOf(event.target)?.id ?? chosen; });

const choose = (row) => {
  row?.focus();
  row?.scrollIntoView({ block: "nearest" });
};
const rows = () => [...document.querySelectorAll("#live [data-appointment]")];
let choosesFirst = false;

document.addEventListener("htmx:beforeSwap", (event) => {
  const row = event.detail.target.id === "live" && rowOf(document.activeElement);
  if (row) chosen = row.id;
});

document.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  if (target.matches("dialog") && target.childElementCount && !target.open) target.showModal();
  if (target.id !== "live") return;
  if (choosesFirst) choose(rows()[0]);
  else if (chosen && document.activeElement === document.body) byId(chosen)?.focus({ preventScroll: true });
  choosesFirst = false;
});

document.addEventListener("close", () => {
  const isLost = document.activeElement === document.body || document.activeElement.closest("dialog:not([open])");
  if (isLost) (byId(chosen) ?? document.querySelector("#live [autofocus]"))?.focus();
}, true);

// Buttons and fields that need no request.

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-opens], [data-closes], [data-prints]");
  if (!button) return;
  if ("opens" in button.dataset) byId(button.dataset.opens).showModal();
  else if ("closes" in button.dataset) button.closest("dialog").close();
  else print();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

document.addEventListener("submit", (event) => { choosesFirst = event.target.matches("[role=search]"); });

// Single keys press what shows them, by their place on the keyboard, so that they work in every layout.

const keyOf = (event) => {
  if (event.key === "?" || event.key === "/") return event.key;
  return /^(Key|Digit)/.test(event.code) ? event.code.replace(/^(Key|Digit)/, "") : event.key;
};

const pressed = (key) => {
  const name = CSS.escape(key);
  const row = rowOf(document.activeElement);
  const ofRow = (row ?? (key === "C" ? byId("live") : null))?.querySelector(`[data-row-key="${name}"]`);
  return ofRow ?? document.querySelector(`[data-key="${name}"]`);
};

const step = (offset) => {
  const all = rows();
  const at = all.indexOf(rowOf(document.activeElement));
  choose(at < 0 ? all[offset > 0 ? 0 : all.length - 1] : all[at + offset]);
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || openDialog()) return;
  const field = event.target.closest("input, select, textarea");
  if (event.key === "Escape" && field && !field.value) field.blur();
  if (event.key === "ArrowDown" && field?.matches("[type=search]")) {
    event.preventDefault();
    choose(rows()[0]);
  }
  if (field) return;
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && rows().length) {
    event.preventDefault();
    step(event.key === "ArrowDown" ? 1 : -1);
    return;
  }
  if (event.key === "Enter" && event.target.dataset.enter) byId(event.target.dataset.enter)?.click();
  const found = document.body.dataset.keys === "on" ? pressed(keyOf(event)) : null;
  if (!found || found.classList.contains("htmx-request")) return;
  event.preventDefault();
  if (found.matches("input")) {
    found.focus();
    found.select();
  } else {
    found.click();
  }
});

schedule();
