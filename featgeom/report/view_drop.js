"use strict";
/* A picture that is dropped on the page or chosen, and what the server says of it. */

const LARGEST = 20e6; // bytes that the server takes

class Dropped {
  constructor(places) {
    this.answer = element("div", { "aria-live": "polite" });
    this.file = element("input", { type: "file", accept: "image/*", "aria-label": "a picture to explain", onchange: () => this.take(this.file.files[0]) });
    this.box = element("div", { class: "fgv-drop" }, element("label", {}, element("span", {}, "Explain a picture: drop it here, or choose it"), this.file), this.answer);
    this.turn = 0;
    for (const place of places) {
      place.addEventListener("dragover", (e) => { if (e.dataTransfer.types.includes("Files")) e.preventDefault(); });
      place.addEventListener("drop", (e) => { if (e.dataTransfer.files.length) { e.preventDefault(); this.take(e.dataTransfer.files[0]); } });
    }
  }
  async take(file) {
    if (!file) return;
    const turn = ++this.turn, say = (...parts) => { if (turn === this.turn) this.answer.replaceChildren(...parts); };
    if (file.size > LARGEST) return say(element("p", {}, `${file.name}: is larger than ${LARGEST / 1e6} MB`));
    say(element("p", { class: "fgv-hint" }, `Asking the network about ${file.name} …`));
    try {
      const found = await fetch("explain", { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
      const said = await found.json();
      if (!found.ok) throw new Error(said.error || found.statusText);
      say(...this.shown(file.name, said));
    } catch (error) { say(element("p", { role: "alert" }, `${file.name}: ${error.message}`)); }
  }
  shown(name, said) {
    const figure = (p) => element("figure", {}, p.image ? element("img", { class: "fgv-image", src: p.image, alt: p.alt }) : null, element("figcaption", {}, p.caption));
    const way = said.way.map((p, k) => ({ ...p, caption: `${said.strip[k].class}, from ${said.strip[k].from.toFixed(1)} %: ${p.caption}` }));
    const all = way.length > 1 ? [[`The straight way to the mean of ${said.rival}, and the training image nearest to the middle of each part`, way, ""], ...said.rows] : said.rows;
    const rows = all.map(([heading, pictures, note]) => element("section", {}, element("h4", {}, heading), element("div", { class: "fgv-between" }, ...pictures.map(figure)), note ? element("p", { class: "fgv-hint" }, note) : null));
    const close = element("button", { type: "button", onclick: () => { this.file.value = ""; this.answer.replaceChildren(); this.file.focus(); } }, "Close");
    return [
      element("h3", {}, name), element("div", { class: "fgv-between" }, figure({ image: said.image, alt: `the picture ${name}, as the network sees it`, caption: said.prediction })),
      element("ul", {}, ...said.said.map(([text, proved]) => element("li", {}, text, " ", element("small", {}, proved ? "certified" : "computed")))), ...rows, close,
    ];
  }
}
