// The button that prints a page of its own: a receipt or a slip.

document.querySelector("[data-prints]")?.addEventListener("click", () => print());
