// What htmx does not do: single keys, the chosen row and focus, dialogs, polling, and the state of the connection.

const POLL_MS = 3_000;
const IDLE_POLL_MS = 10_000;
const IDLE_AFTER_MS = 60_000;
const RETRY_MS = [3_000, 6_000, 12_000, 30_000];
const UNREACHABLE_RETRY_MS = 4_000; // it costs a server that is stopped nothing
const UNREACHABLE = [0, 502, 504];

const byId = (id) => document.getElementById(id);
const parts = () => {
  const found = [...document.querySelectorAll("#live > .part, dialog[open] > .part")];
  return found.length ? found : [byId("awake")].filter(Boolean);
};
const openDialog = () => document.querySelector("dialog[open]");
const rowOf = (element) => element?.closest?.("[data-appointment]") ?? null;

let lastInput = Date.now();
let usesKeys = false;
for (const name of ["keydown", "pointerdown", "pointermove", "wheel"]) {
  addEventListener(name, () => {
    lastInput = Date.now();
    usesKeys = name === "keydown";
  }, { passive: true, capture: true });
}

// A screen that nobody uses shows nothing, also when the server that locks it is away; a poll that it admits shows it.

const LOCK_AFTER_MS = Number(document.body.dataset.lockSeconds ?? Infinity) * 1000;
const isUnused = () => Date.now() - lastInput > LOCK_AFTER_MS;
const isCovered = () => document.body.classList.contains("covered");
setInterval(() => { if (isUnused()) document.body.classList.add("covered"); }, 5_000);
for (const name of ["keydown", "pointerdown"]) addEventListener(name, () => { if (isCovered() && parts().length) poll(); });

addEventListener("pageshow", (event) => {
  if (!event.persisted) return; // the browser kept the page as it was when somebody left it
  document.body.hidden = true;
  location.reload();
});

// Polling: each part asks for a newer version; while something else is on its way, or nobody looks, it waits.

const underway = new Set();
let timer = null;
let failures = 0;
let isUnreachable = false;
let isLeaving = false;
let asOf = new Date();

const retryMs = () => (isUnreachable ? UNREACHABLE_RETRY_MS : RETRY_MS[Math.min(failures, RETRY_MS.length) - 1]);

const schedule = (milliseconds) => {
  clearTimeout(timer);
  timer = null;
  if (!parts().length || document.hidden || isLeaving) return;
  const usual = Date.now() - lastInput > IDLE_AFTER_MS ? IDLE_POLL_MS : POLL_MS;
  timer = setTimeout(poll, milliseconds ?? (failures ? retryMs() : usual));
};

const poll = () => {
  timer = null;
  if (underway.size) schedule(POLL_MS);
  else for (const part of parts()) htmx.trigger(part, "refresh");
};

document.addEventListener("visibilitychange", () => (document.hidden ? schedule() : poll()));
addEventListener("online", poll);

const sender = ({ detail }) => detail.requestConfig?.elt ?? detail.elt;
const isPoll = (event) => sender(event)?.matches(".part, #awake") ?? false;
const countFailure = (event) => { failures += sender(event) === parts()[0] ? 1 : 0; };
let lastPoll = 0;

document.addEventListener("htmx:configRequest", (event) => {
  const { headers, elt } = event.detail;
  if (matchMedia("(max-width: 45rem)").matches) headers["X-Screen"] = "narrow"; // where doctors sign in
  if (!isPoll(event)) return;
  if (elt.dataset.version) headers["X-Version"] = elt.dataset.version;
  if (lastInput < lastPoll) headers["X-Idle"] = "true"; // a screen that nobody uses is locked
  lastPoll = Date.now();
});

let opening = null;

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event)) return;
  const { xhr, target, requestConfig } = event.detail;
  underway.add(xhr);
  xhr.addEventListener("loadend", () => { // htmx tells nobody when another answer removed the button meanwhile
    underway.delete(xhr);
    if (timer === null) schedule();
  });
  for (const part of parts()) htmx.trigger(part, "htmx:abort"); // its answer would be from before this request
  if (target.id !== "dialog" || requestConfig.verb !== "get") return;
  opening?.abort(); // a late answer would replace what is being typed
  opening = xhr;
});

document.addEventListener("htmx:beforeOnLoad", ({ detail: { xhr } }) => {
  isLeaving = ["HX-Redirect", "HX-Refresh"].some((name) => xhr.getResponseHeader(name));
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { xhr, successful, elt } = event.detail;
  isUnreachable = UNREACHABLE.includes(xhr.status);
  if (successful) {
    if (isPoll(event) && failures) clearProblems();
    if (!isUnused()) document.body.classList.remove("covered");
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

const clearProblems = () => {
  for (const problem of document.querySelectorAll(".problem")) problem.replaceChildren();
};
const isAnswer = (xhr) => (xhr.getResponseHeader("Content-Type") ?? "").startsWith("text/html");

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status < 400) {
    if (!isPoll(event)) clearProblems();
    else if (document.activeElement.matches("#live :is(input, select, textarea)")) event.detail.shouldSwap = false;
    return;
  }
  countFailure(event);
  if (xhr.status >= 500 && isPoll(event) || !isAnswer(xhr)) {
    event.detail.shouldSwap = false;
    showConnection(true);
  } else if (event.detail.target.id === "problem") {
    event.detail.target = openDialog()?.querySelector(".problem") ?? event.detail.target;
  }
});

for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    countFailure(event);
    showConnection(true);
  });
}

// What was done is said for some seconds.

const SAID_MS = 10_000;
let silence = null;

const say = (text) => {
  byId("said").textContent = text;
  clearTimeout(silence);
  silence = setTimeout(say, SAID_MS, "");
};
document.addEventListener("said", (event) => say(event.detail.text));

// Focus stays where it was, also when its row is drawn again; an action that is gone leaves it on its row. The page
// scrolls to the row for those who use keys, and stays where it is for those who point at it.

let chosen = null;
let acted = null;
let refocused = null;
document.addEventListener("focusin", (event) => { chosen = rowOf(event.target)?.id ?? chosen; });

const choose = (row) => {
  row?.focus();
  row?.scrollIntoView({ block: "nearest" });
};
const rows = () => [...document.querySelectorAll("#live [data-appointment]")];
let choosesFirst = false;

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "live") return;
  acted = rowOf(event.detail.requestConfig.elt)?.id ?? acted;
  refocused = (rowOf(document.activeElement) ?? rowOf(event.detail.requestConfig.elt))?.id;
  chosen = refocused ?? chosen;
});

document.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  if (target.matches("dialog") && target.childElementCount && !target.open && !isPoll(event)) target.showModal();
  if (target.id !== "live") return;
  if (choosesFirst) choose(rows()[0]);
  else if (document.activeElement === document.body) byId(refocused)?.focus({ preventScroll: true });
  if (usesKeys && !isPoll(event)) rowOf(document.activeElement)?.scrollIntoView({ block: "nearest" });
  choosesFirst = false;
});

document.addEventListener("close", (event) => {
  const isLost = document.activeElement === document.body || document.activeElement.closest("dialog:not([open])");
  if (isLost) (byId(chosen) ?? document.querySelector("#live [autofocus]"))?.focus();
  if (event.target.id !== "dialog") return;
  for (const part of event.target.querySelectorAll(".part")) htmx.trigger(part, "htmx:abort");
  event.target.replaceChildren(); // nothing asks for its changes any more
}, true);

// Buttons and fields that need no request.

addEventListener("beforeprint", () => {
  const printed = byId("printed");
  const time = asOf.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  printed?.replaceChildren(`${printed.dataset.clinic}, ${time}`);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-opens], [data-closes], [data-prints]");
  if (!button) return;
  if ("opens" in button.dataset) byId(button.dataset.opens).showModal();
  else if ("closes" in button.dataset) button.closest("dialog").close();
  else print();
});

const submitIfChanged = ({ target }) => {
  const isChanged = target.selectedOptions ? !target.selectedOptions[0].defaultSelected : target.value !== target.defaultValue;
  if (isChanged) target.form.requestSubmit();
};

for (const name of ["change", "focusout"]) {
  document.addEventListener(name, (event) => { // a field changes with each key: it is done when it is left
    if (event.target.matches("[data-submits]") && usesKeys === (name === "focusout")) submitIfChanged(event);
  });
}

document.addEventListener("submit", (event) => { choosesFirst = event.target.matches("[role=search]"); });

// What was wrong with a field is not said any more once it is changed.

document.addEventListener("input", ({ target }) => {
  const error = byId(`${target.type === "radio" ? target.name : target.id}-error`);
  if (!error) return;
  error.remove();
  for (const name of ["aria-invalid", "aria-describedby"]) target.removeAttribute(name);
});

// Single keys press what shows them, by their place on the keyboard, so that they work in every layout.

const keyOf = (event) => {
  if (event.key === "?" || event.key === "/") return event.key;
  if (event.code === "Slash") return event.shiftKey ? "?" : "/";
  return /^(Key|Digit)/.test(event.code) ? event.code.replace(/^(Key|Digit)/, "") : event.key;
};

const pressed = (key) => {
  const name = CSS.escape(key);
  const row = rowOf(document.activeElement);
  const withoutRow = { C: byId("live"), U: byId(acted) }; // the next patient, and the last step
  const ofRow = (row ?? withoutRow[key])?.querySelector(`[data-row-key="${name}"]`);
  return ofRow ?? document.querySelector(`[data-key="${name}"]`);
};

const step = (offset) => {
  const all = rows();
  const at = all.indexOf(rowOf(document.activeElement));
  choose(at < 0 ? all[offset > 0 ? 0 : all.length - 1] : all[at + offset]);
};

document.addEventListener("keydown", (event) => {
  const isHeldEnter = event.repeat && event.key === "Enter" && !event.target.matches("textarea");
  if (isHeldEnter) event.preventDefault(); // each key press does one thing
  if (event.defaultPrevented || isCovered() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || openDialog()) return;
  const field = event.target.closest("input, select, textarea");
  if (event.key === "Escape" && field && !field.value) field.blur();
  if (event.key === "Enter" && field?.matches("[data-submits]")) field.blur();
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
  if (event.repeat || document.body.dataset.keys !== "on") return;
  const found = pressed(keyOf(event));
  if (!found && keyOf(event) === "C") say(byId("live")?.dataset.nobody ?? "");
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
