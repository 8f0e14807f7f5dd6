// What a doctor types is saved while it is typed. "Saved" is shown for exactly the text that is stored, else "not saved yet".
// Of each field `defaultValue` is what is stored: at first what the server sent, then what it has saved.

const PAUSE_MS = 1_500;
const AT_LATEST_MS = 10_000;
const RETRY_MS = 5_000;

const formOf = (element) => element?.closest?.("[data-saves]") ?? null;
const forms = () => [...document.querySelectorAll("[data-saves]")];
const fieldsOf = (form) => [...form.querySelectorAll("textarea")];
const saverOf = (form) => form.querySelector(".saved");
const textsOf = (form) => fieldsOf(form).map((field) => field.value);
const isStored = (form) => fieldsOf(form).every((field) => field.value === field.defaultValue);

const states = new WeakMap();
const stateOf = (form) => {
  if (!states.has(form)) states.set(form, { timer: null, since: null, sent: [] });
  return states.get(form);
};

const showUnsaved = (form) => {
  const saver = saverOf(form);
  saver.classList.add("not-yet");
  if (saver.textContent !== saver.dataset.unsaved) saver.textContent = saver.dataset.unsaved;
};

const noteStored = (form, texts) => {
  fieldsOf(form).forEach((field, at) => { field.defaultValue = texts[at]; });
  stateOf(form).since = null;
  if (isStored(form)) saverOf(form).classList.remove("not-yet");
};

const save = (form) => {
  clearTimeout(stateOf(form).timer);
  if (form.isConnected && !isStored(form)) htmx.trigger(saverOf(form), "save");
};

const saveIn = (form, milliseconds) => {
  const state = stateOf(form);
  clearTimeout(state.timer);
  state.timer = setTimeout(() => save(form), milliseconds);
};

document.addEventListener("input", ({ target }) => {
  const form = formOf(target);
  if (!form) return;
  const state = stateOf(form);
  state.since ??= Date.now();
  showUnsaved(form);
  saveIn(form, Math.min(PAUSE_MS, state.since + AT_LATEST_MS - Date.now()));
});

document.addEventListener("change", ({ target }) => formOf(target) && save(formOf(target)));

document.addEventListener("close", ({ target }) => {
  for (const form of target.querySelectorAll("[data-saves]")) save(form);
}, true);

const isOfSaver = ({ detail }) => detail.elt.matches(".saved");

// A text that was not touched here is not sent: another screen may have changed it.
const untouched = (form) => fieldsOf(form).filter((field) => field.value === field.defaultValue);

document.addEventListener("htmx:configRequest", (event) => {
  const { elt, parameters } = event.detail;
  const form = formOf(elt);
  if (!form) return;
  for (const field of untouched(form)) delete parameters[field.name];
  if (isOfSaver(event)) stateOf(form).sent = textsOf(form);
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt, xhr } = event.detail;
  if (!elt.matches(".saved") || xhr.status !== 200) return;
  const form = formOf(elt);
  noteStored(form, stateOf(form).sent);
  event.detail.shouldSwap = isStored(form);
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, xhr } = event.detail;
  const form = formOf(elt);
  if (!form || isStored(form)) return;
  const isRefused = xhr.status >= 400 && xhr.status < 500; // the same text again is refused again
  if (!isRefused) saveIn(form, xhr.status === 200 ? PAUSE_MS : RETRY_MS);
});

// A page that is hidden may never come back: what is unsaved is sent in a request that outlives it. So it is when a locked
// screen leaves the page: the token in the form allows it.

const send = async (form) => {
  const saver = saverOf(form);
  const state = stateOf(form);
  const texts = textsOf(form);
  if (state.leaving === texts.join("\0")) return; // hidden just before it is left
  state.leaving = texts.join("\0");
  htmx.trigger(saver, "htmx:abort");
  const headers = { "HX-Request": "true", ...JSON.parse(document.body.getAttribute("hx-headers")) };
  const body = new FormData(form);
  for (const field of untouched(form)) body.delete(field.name);
  const request = { method: "POST", headers, body, keepalive: true };
  try {
    const response = await fetch(saver.getAttribute("hx-post"), request);
    if (!response.ok) return;
    const answer = await response.text();
    noteStored(form, texts);
    if (isStored(form)) saver.textContent = answer;
  } catch {
    saveIn(form, RETRY_MS);
  } finally {
    state.leaving = null;
  }
};

const sendUnsaved = () => forms().filter((form) => !isStored(form)).forEach(send);
document.addEventListener("visibilitychange", () => document.hidden && sendUnsaved());
addEventListener("pagehide", sendUnsaved);
