// A new appointment: what will be booked stands beside the button, one that is closed before can be continued, and the
// row of one that was booked is chosen.

let unfinished = null; // the form of a person who was found
let typedWho = "";
let wantedRow = null; // of what was booked, to be chosen once the dialog is closed

const byId = (id) => document.getElementById(id);

const summarize = () => {
  const says = [...document.querySelectorAll("#booking [data-says]:checked")].map((one) => one.dataset.says);
  byId("summary")?.replaceChildren(says.join(" · "));
};

const offerUnfinished = () => {
  const field = byId("booking-mobile");
  const resume = byId("resume");
  if (field && !field.value && typedWho) {
    field.value = typedWho;
    field.select();
  }
  typedWho = "";
  if (!resume?.hidden || !unfinished) return;
  resume.textContent = resume.dataset.text.replace("{name}", unfinished.dataset.who);
  resume.hidden = false;
};

const chooseWantedRow = () => {
  const row = wantedRow && byId(wantedRow);
  const isTyping = document.activeElement.matches(":is(input, select, textarea):not(dialog *)");
  if (!row || isTyping || document.querySelector("dialog[open]")) return;
  row.focus();
  row.scrollIntoView({ block: "nearest" });
  wantedRow = null;
};

document.addEventListener("change", summarize);
document.addEventListener("chosen", (event) => {
  const form = byId("booking");
  wantedRow = event.detail.row;
  if (form?.dataset.who === unfinished?.dataset.who) unfinished = null;
  delete form?.dataset.who; // it is done
});

document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
  if (target.id === "live") chooseWantedRow();
  if (!target.matches("#dialog, #booking, #times")) return;
  summarize();
  if (target.id !== "times") offerUnfinished();
});

addEventListener("close", ({ target }) => { // before the dialog is emptied
  const form = target.querySelector("form#booking");
  if (form?.dataset.who) {
    unfinished = form;
    form.remove();
  }
  typedWho = form?.elements.who?.value ?? "";
  chooseWantedRow();
}, true);

document.addEventListener("toggle", ({ target }) => {
  if (target.open) target.closest(".times")?.scrollIntoView({ block: "start" }); // with the times of the other day
}, true);

document.addEventListener("click", ({ target }) => {
  if (target.id !== "resume") return;
  byId("booking").replaceWith(unfinished);
  unfinished.querySelector("[autofocus]")?.focus();
  unfinished = null;
});

document.addEventListener("keydown", (event) => {
  const offset = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const stops = [...document.querySelectorAll("#booking-mobile, #found button")];
  const at = stops.indexOf(event.target);
  if (!offset || at < 0) return;
  event.preventDefault();
  stops[at + offset]?.focus();
});

summarize();
