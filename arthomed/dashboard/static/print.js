// A page to print: a receipt or a slip. It shows a patient, so it goes when nobody has closed it.

const GONE_AFTER_MS = 5 * 60_000;

document.querySelector("[data-prints]")?.addEventListener("click", () => print());
setTimeout(() => location.replace("/dashboard"), GONE_AFTER_MS);
