"use strict";
// Two charts of the first table of the page: any two columns against each other, and several side by side.
// Rows that belong to one training, which the column "training" names, are joined in the order of their steps.
const table = document.querySelector("table.sortable");
const heads = [...table.tHead.rows[0].cells];
const names = heads.map((head) => head.querySelector("button").textContent.trim());
const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.dataset.key));
const value = (row, column) => (row[column] === "" ? NaN : Number(row[column]));
const numbers = heads.map((_, i) => i).filter((i) => i && rows.some((row) => Number.isFinite(value(row, i)))
  && rows.every((row) => row[i] === "" || !Number.isNaN(Number(row[i]))));
const colour = (k) => `hsl(${(k * 137.5) % 360} 60% 50%)`;  // by the golden angle: neighbours differ
const WIDE = 720, HIGH = 400, EDGE = 72;

function make(kind, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, said] of Object.entries(attributes)) node.setAttribute(name, said);
  node.textContent = text;
  return node;
}

function scale(values, from, to) {
  const known = values.filter(Number.isFinite), low = Math.min(...known), high = Math.max(...known);
  const logarithmic = low > 0 && high / low > 100;
  const f = logarithmic ? Math.log10 : (x) => x, a = f(low), b = f(high);
  const place = (x) => (a === b ? (from + to) / 2 : from + (to - from) * (f(x) - a) / (b - a));
  return { place, low, high, logarithmic };
}

const digits = (x) => String(Number(x.toPrecision(4)));

function named(mark, row) {
  mark.append(make("title", {}, row[0]));
  return mark;
}

function scatter(svg, x, y) {
  const seen = rows.filter((row) => Number.isFinite(value(row, x)) && Number.isFinite(value(row, y)));
  const across = scale(seen.map((row) => value(row, x)), EDGE + 10, WIDE - 30);
  const up = scale(seen.map((row) => value(row, y)), HIGH - EDGE - 10, 24);
  const at = (row) => [across.place(value(row, x)), up.place(value(row, y))];
  svg.replaceChildren(make("path", { d: `M${EDGE} 12V${HIGH - EDGE}H${WIDE - 12}`, class: "axis" }));
  svg.setAttribute("aria-label", `${names[y]} against ${names[x]}, ${seen.length} networks`);
  if (!seen.length) return;
  const said = (text, where) => svg.append(make("text", where, text));
  const kind = (one) => (one.logarithmic ? " (log)" : "");
  said(names[x] + kind(across), { x: (EDGE + WIDE) / 2, y: HIGH - 8, "text-anchor": "middle", class: "name" });
  said(names[y] + kind(up), { transform: `translate(14 ${(HIGH - EDGE) / 2}) rotate(-90)`, "text-anchor": "middle", class: "name" });
  for (const end of across.low === across.high ? ["low"] : ["low", "high"]) {
    said(digits(across[end]), { x: across.place(across[end]), y: HIGH - EDGE + 18, "text-anchor": "middle" });
  }
  for (const end of up.low === up.high ? ["low"] : ["low", "high"]) {
    said(digits(up[end]), { x: EDGE - 6, y: up.place(up[end]) + 4, "text-anchor": "end" });
  }
  const training = names.indexOf("training"), step = names.indexOf("step");
  if (training >= 0) {
    for (const name of new Set(seen.map((row) => row[training]).filter(Boolean))) {
      const steps = seen.filter((row) => row[training] === name).sort((a, b) => value(a, step) - value(b, step));
      svg.append(make("polyline", { points: steps.map((row) => at(row).join(" ")).join(", "), class: "curve" }));
    }
  }
  for (const row of seen) {
    const [cx, cy] = at(row), left = cx > WIDE * 0.6;
    svg.append(named(make("circle", { cx, cy, r: 6, fill: colour(rows.indexOf(row)) }), row));
    if (seen.length <= 16) said(row[0], { x: cx + (left ? -10 : 10), y: cy - 8, "text-anchor": left ? "end" : "start" });
  }
}

function parallel(svg, columns) {
  svg.replaceChildren();
  document.getElementById("nothing").hidden = columns.length > 0;
  svg.parentElement.hidden = columns.length === 0;
  svg.setAttribute("aria-label", `${columns.map((i) => names[i]).join(", ")} of ${rows.length} networks`);
  const step = columns.length > 1 ? (WIDE - 120) / (columns.length - 1) : 0;
  const scales = columns.map((i) => scale(rows.map((row) => value(row, i)), HIGH - 90, 30));
  columns.forEach((i, k) => {
    const x = 60 + k * step;
    svg.append(make("path", { d: `M${x} 30V${HIGH - 90}`, class: "axis" }));
    svg.append(make("text", { x, y: 20, "text-anchor": "middle" }, digits(scales[k].high)));
    svg.append(make("text", { x, y: HIGH - 74, "text-anchor": "middle" }, digits(scales[k].low)));
    svg.append(make("text", { transform: `translate(${x + 4} ${HIGH - 62}) rotate(24)`, class: "name" }, names[i]));
  });
  rows.forEach((row, n) => {
    let pen = "M", d = "";
    columns.forEach((i, k) => {
      if (Number.isFinite(value(row, i))) { d += `${pen}${60 + k * step} ${scales[k].place(value(row, i))}`; pen = "L"; } else pen = "M";
    });
    if (d) svg.append(named(make("path", { d, class: "row", stroke: colour(n) }), row));
  });
}

const [x, y] = ["x", "y"].map((axis) => document.getElementById(axis));
for (const axis of [x, y]) for (const i of numbers) axis.add(new Option(names[i], i));
const first = (...wanted) => wanted.map((name) => names.indexOf(name)).find((i) => numbers.includes(i)) ?? numbers[0];
x.value = first("step", "accuracy");
y.value = names[x.value] === "step" ? first("accuracy", "margin / spread") : first("margin / spread");
const draw = () => scatter(document.getElementById("scatter"), Number(x.value), Number(y.value));
x.addEventListener("change", draw); y.addEventListener("change", draw);
const differ = (i) => new Set(rows.map((row) => row[i])).size > 1;
const shown = new Set(numbers.filter((i) => differ(i) && !["step", "asked"].includes(names[i])
  && !names[i].includes(", from") && !names[i].includes(", to")).slice(0, 8));
if (!shown.size) document.getElementById("nothing").textContent = "No column of numbers differs between these networks. Any of those below can be shown.";
const beside = () => parallel(document.getElementById("parallel"), numbers.filter((i) => shown.has(i)));
for (const i of numbers) {
  const label = document.createElement("label"), box = document.createElement("input");
  box.type = "checkbox"; box.checked = shown.has(i);
  box.addEventListener("change", () => { if (box.checked) shown.add(i); else shown.delete(i); beside(); });
  label.append(box, ` ${names[i]}`);
  document.getElementById("columns").append(label);
}
rows.forEach((row, n) => {
  const item = document.createElement("li"), mark = make("svg", { viewBox: "0 0 10 10", width: 10, height: 10, "aria-hidden": "true" });
  mark.append(make("circle", { cx: 5, cy: 5, r: 5, fill: colour(n) }));
  item.append(mark, ` ${row[0]}`);
  document.getElementById("legend").append(item);
});
draw(); beside();
document.getElementById("charts").hidden = false;
