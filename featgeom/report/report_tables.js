"use strict";
// Tables of a report: a click on a head sorts, and a long table gets a field that keeps the rows with its words.
(() => {
  const LONG = 20;
  const number = (text) => {
    const plain = text.replaceAll(",", "").replace("−", "-").replace("∞", "Infinity");
    return plain === "–" || plain === "" ? NaN : Number(plain);
  };
  const compare = (a, b) => {
    const [x, y] = [number(a), number(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) {
      return Number.isNaN(x) && Number.isNaN(y) ? a.localeCompare(b) : Number.isNaN(x) ? 1 : -1;
    }
    return x === y ? 0 : x < y ? -1 : 1;
  };
  const sort = (table, column, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const text = (row) => row.cells[column].textContent.trim();
    const rows = [...table.tBodies[0].rows].sort((a, b) => (down ? -1 : 1) * compare(text(a), text(b)));
    table.tBodies[0].append(...rows);
  };
  for (const table of document.querySelectorAll("main > section > details table")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      head.tabIndex = 0;
      head.title = "sort";
      head.addEventListener("click", () => sort(table, column, head));
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter") sort(table, column, head);
      });
    });
    if (table.tBodies[0].rows.length <= LONG) continue;
    const field = document.createElement("input");
    field.type = "search";
    field.placeholder = "rows with …";
    field.setAttribute("aria-label", "Show the rows with these words");
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of table.tBodies[0].rows) {
        const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    table.parentElement.before(field);
  }
})();
