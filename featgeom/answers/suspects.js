"use strict";
// Cards that are gone through by keyboard; decisions stay in the page until they are saved as CSV.
const cards = [...document.querySelectorAll(".card")];
const keys = { k: "keep", r: "relabel", d: "drop", u: "" };

function decide(card, decision) {
  if (decision) card.dataset.decision = decision; else delete card.dataset.decision;
  for (const button of card.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.do === decision));
  }
  const done = cards.filter((one) => one.dataset.decision).length;
  document.getElementById("count").textContent = `${done} of ${cards.length} decided`;
}

function cell(text) {
  const plain = /^ *[=+\-@\t\r]/.test(text) ? `'${text}` : text;  // no spreadsheet computes it
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

function save() {
  const rows = cards.filter((card) => card.dataset.decision).map((card) => {
    const decision = card.dataset.decision;
    const label = decision === "relabel" ? card.querySelector("select").value : "";
    return [card.dataset.sample, card.dataset.label, decision, label, card.dataset.file].map(cell).join(",");
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([["sample,label,decision,new_label,image", ...rows, ""].join("\n")], { type: "text/csv" }));
  link.download = "decisions.csv";
  link.click();
}

function move(card, by) {
  const next = cards[cards.indexOf(card) + by];
  if (next) next.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  if (!cards.length || document.activeElement.closest("section")) return;  // tables below have keys of their own
  const card = document.activeElement.closest(".card") || cards[0];
  if (event.key === "s") save();
  else if (event.key in keys) { decide(card, keys[event.key]); if (keys[event.key]) move(card, 1); }
  else if (event.key === "ArrowDown") move(card, document.activeElement.closest(".card") ? 1 : 0);
  else if (event.key === "ArrowUp") move(card, -1);
  else return;
  event.preventDefault();
});
for (const card of cards) {
  for (const button of card.querySelectorAll("button")) {
    button.addEventListener("click", () => decide(card, button.dataset.do));
  }
  card.querySelector("select").addEventListener("change", () => decide(card, "relabel"));
}
document.getElementById("save").addEventListener("click", save);
decide(document.createElement("div"), "");
