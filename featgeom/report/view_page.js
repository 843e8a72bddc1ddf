"use strict";
/* The page around a drawn scene: legend, switches, labels, the card of a sample. */

function element(tag, attributes = {}, ...children) {
  const made = document.createElementNS(/^(svg|line|text|circle)$/.test(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml", tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function figure(value) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return "∞";
  return value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

class View extends Segments {
  constructor(root, scene, scenes = [scene, ...(scene.others || [])]) {
    super();
    this.scenes = scenes; // the views that the page holds; this is one of them
    if (scene.sheet === "same") scene.sheet = scenes[0].sheet;
    this.root = root; this.scene = scene; this.selected = -1; this.start = -1; this.spinning = false; this.more = [];
    const s = scene.samples;
    for (const key of ["places", "flips", "label", "predicted", "rival", "rows", "distance", "logits", "tile"]) if (s[key]) s[key] = numbers(s[key]);
    for (const fact of s.facts) fact.values = numbers(fact.values);
    scene.tint = scene.colours.map(rgb);
    this.hidden = new Set(scene.surfaces.filter((x) => !x.shown).map((x) => this.key(x.kind, x.classes[0])));
    if (!s.shown) for (const c of scene.chosen) this.hidden.add(this.key("samples", c));
    this.options = { right: true, wrong: true, flips: false, boundary: true, labels: true };
    const [low, high] = scene.window, centre = low.map((v, i) => (v + high[i]) / 2);
    this.camera = new Camera(centre, Math.hypot(...high.map((v, i) => v - low[i])) / 2);
    if (scene.axes[2] === "none") this.camera.preset("z");
    this.build();
    try { this.drawer = new Drawer(this.canvas, scene); } catch (error) { this.stage.append(element("p", { class: "fgv-none" }, error.message)); return; }
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => this.draw();
    this.dark.addEventListener("change", this.redraw);
    this.observer = new ResizeObserver(() => { if (!window.matchMedia("print").matches) this.draw(); });
    this.observer.observe(this.canvas);
    this.listen();
    this.draw();
  }
  key(kind, c) { return kind + " " + c; }
  shows(kind, c) { return !this.hidden.has(this.key(kind, c)); }

  /* What stands on the page. */
  build() {
    const scene = this.scene;
    this.canvas = element("canvas", { tabindex: 0, role: "application", "aria-label": `3-D view of ${scene.title}. Arrow keys turn it, plus and minus zoom, n and b go through the samples, question mark lists all keys.` });
    this.overlay = element("svg", { class: "fgv-overlay", "aria-hidden": "true" });
    this.help = element("div", { class: "fgv-help", hidden: true }, element("h3", {}, "Keys"), ...[
      ["drag, arrow keys", "turn"], ["wheel, + and −", "zoom"], ["right drag, Shift + arrows", "move"], ["x y z 0", "look along an axis; first view"],
      ["click, n and b", "a sample; next and previous"], ["drag from the sample, s", "a segment to another sample; start it here"], ...(scene.live ? [["i", "images along the segment"]] : []), ...(this.scenes.length > 1 ? [["v", "next view"]] : []),
      ["h c p m", "hulls, cells, samples, misclassified"], ["f l", "flip points, labels"], ["space", "spin"], ["Esc", "nothing selected"],
    ].map(([keys, does]) => element("p", {}, element("kbd", {}, keys), " ", does)));
    const button = (text, title, act) => element("button", { type: "button", title, onclick: act }, text);
    const tools = element("div", { class: "fgv-tools" },
      ...[["3-D", "0"], ["X", "x"], ["Y", "y"], ["Z", "z"]].map(([text, key]) => button(text, `Camera preset ${text} (${key})`, () => this.press(key))),
      button("⟳", "Spin (space)", () => this.press(" ")), button("?", "Keys (?)", () => this.press("?")));
    this.stage = element("div", { class: "fgv-stage" }, this.canvas, this.overlay, tools, this.help);
    this.card = element("div", { class: "fgv-card", "aria-live": "polite" });
    const notes = element("details", { class: "fgv-notes", open: true }, element("summary", {}, "What you see"), ...scene.notes.map((note) => element("p", {}, note)));
    this.panel = element("div", { class: "fgv-panel" }, scene.live ? this.liveForm() : this.chooser(), this.legend(), this.card);
    if (scene.live && scene.live.drop) this.panel.append(new Dropped([this.stage, this.panel]).box);
    this.panel.append(notes);
    this.root.replaceChildren(this.stage, this.panel);
    this.showCard();
  }
  legend() {
    const scene = this.scene, kinds = ["hull", "samples", "cell"].filter((kind) => kind === "samples" || scene.surfaces.some((s) => s.kind === kind));
    const box = (kind, c) => {
      const has = kind === "samples" ? scene.samples.label.includes(c) : scene.surfaces.some((s) => s.kind === kind && s.classes[0] === c);
      return element("td", {}, has ? element("input", { type: "checkbox", "aria-label": `${kind} of ${scene.names[c]}`, "data-kind": kind, "data-class": c, checked: this.shows(kind, c), onchange: (e) => this.toggle(kind, c, e.target.checked) }) : "–");
    };
    const rows = scene.chosen.map((c) => element("tr", {}, element("th", { scope: "row" }, element("i", { style: `background:${scene.colours[c]}` }), scene.names[c]), ...kinds.map((kind) => box(kind, c))));
    const heads = kinds.map((kind) => element("th", { scope: "col" }, element("button", { type: "button", title: `All or none (${{ hull: "h", samples: "p", cell: "c" }[kind]})`, onclick: () => this.toggleAll(kind) }, kind)));
    const table = element("table", { class: "fgv-legend" }, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "class"), ...heads)), element("tbody", {}, ...rows));
    const choice = { right: "correct samples", wrong: "misclassified samples (ringed)", flips: "flip points of all samples", labels: "labels" };
    if (scene.surfaces.some((s) => s.kind === "boundary")) choice.boundary = "boundaries";
    this.switches = {};
    const lines = Object.entries(choice).map(([name, text]) => {
      this.switches[name] = element("input", { type: "checkbox", "data-option": name, checked: this.options[name], onchange: (e) => { this.options[name] = e.target.checked; this.draw(); } });
      return element("label", {}, this.switches[name], text);
    });
    return element("div", {}, element("div", { class: "fgv-scroll" }, table), element("div", { class: "fgv-switches" }, ...lines));
  }
  chooser() {
    if (this.scenes.length < 2) return null;
    const options = this.scenes.map((s, k) => element("option", { value: k, selected: s === this.scene }, s.view));
    const select = element("select", { "aria-label": "view", onchange: (e) => this.change(Number(e.target.value)).panel.querySelector("select").focus() }, ...options);
    return element("div", { class: "fgv-live" }, element("label", {}, element("span", {}, "view"), select));
  }
  change(k) {
    this.spinning = false;
    if (this.drawer) {
      this.observer.disconnect();
      this.dark.removeEventListener("change", this.redraw);
      this.drawer.gl.getExtension("WEBGL_lose_context")?.loseContext(); // browsers hold a few contexts only
      this.drawer = null;
    }
    return (window.featgeomView = new View(this.root, this.scenes[k], this.scenes));
  }
  liveForm() {
    const { views, all } = this.scene.live, scene = this.scene;
    const view = element("select", { name: "view", "aria-label": "view" }, ...views.map((v) => element("option", { value: v, selected: v === scene.view }, v)));
    const names = element("input", { name: "classes", value: scene.live.classes, "aria-label": "classes, separated by commas" });
    const split = element("select", { name: "split", "aria-label": "samples of" }, ...scene.live.splits.map((v) => element("option", { value: v, selected: v === scene.samples.split }, v)));
    const line = (text, part) => element("label", {}, element("span", {}, text), part);
    return element("form", { class: "fgv-live", method: "get", action: "./" }, line("view", view), line("classes", names), line("samples", split),
      element("button", { type: "submit" }, "Show"), element("p", {}, all.join(", ")));
  }

  /* Switches. */
  toggle(kind, c, on) { this.hidden[on ? "delete" : "add"](this.key(kind, c)); this.draw(); }
  toggleAll(kind) {
    const on = this.scene.chosen.some((c) => !this.shows(kind, c));
    for (const c of this.scene.chosen) this.hidden[on ? "delete" : "add"](this.key(kind, c));
    for (const box of this.panel.querySelectorAll(`input[data-kind=${kind}]`)) box.checked = on;
    this.draw();
  }
  flipOption(name) { this.options[name] = !this.options[name]; if (this.switches[name]) this.switches[name].checked = this.options[name]; this.draw(); }
  visible() {
    return {
      flips: this.options.flips,
      sample: (c, wrong) => this.shows("samples", c) && (wrong ? this.options.wrong : this.options.right),
      surface: (s) => (s.kind === "boundary" ? this.options.boundary : this.shows(s.kind, s.classes[0])),
    };
  }

  /* Drawing. */
  draw() { if (!this.waiting) { this.waiting = true; requestAnimationFrame(() => { this.waiting = false; this.render(); }); } }
  render() {
    if (!this.drawer || !this.canvas.clientWidth) return;
    if (this.spinning) { this.camera.turn = unit(product(this.camera.turn, about([0, 0, 1], 0.012))); this.draw(); }
    this.matrix = this.drawer.draw(this.camera, this.visible(), this.dark.matches);
    this.drawOverlay();
    this.root.dataset.drawn = Number(this.root.dataset.drawn || 0) + 1;
  }
  onScreen(p, i = 0) {
    const at = landed(this.matrix, p, i);
    return at && [at[0] * this.canvas.clientWidth, at[1] * this.canvas.clientHeight, at[2]];
  }
  drawOverlay() {
    const parts = [], s = this.scene.samples, place = (list, i) => this.onScreen(list, 3 * i);
    const line = (a, b, kind) => { if (a && b) parts.push(element("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1], class: kind })); };
    const word = (at, text, kind) => {
      if (!at) return;
      const half = 3.4 * text.length, room = this.canvas.clientWidth; // keep whole words in the picture
      parts.push(element("text", { x: Math.max(half, Math.min(room - half, at[0])), y: at[1], class: kind }, text));
    };
    if (this.options.labels) {
      for (const label of this.scene.labels) if (this.shows("hull", label.class) || this.shows("cell", label.class) || this.shows("samples", label.class)) word(this.onScreen(label.place), label.text, "fgv-label");
      const [low, high] = this.scene.window;
      this.scene.axes.forEach((axis, i) => { if (axis === "none") return; const p = [...low]; p[i] = high[i]; word(this.onScreen(p), axis, "fgv-axis"); });
    }
    if (this.segment) line(place(s.places, this.segment.from), place(s.places, this.segment.to), "fgv-segment");
    if (this.rubber) line(place(s.places, this.selected), this.rubber, "fgv-segment");
    for (const i of new Set([this.start, this.selected])) {
      if (i < 0) continue;
      const at = place(s.places, i);
      if (!at) continue;
      if (i === this.selected && Number.isFinite(s.distance[i])) {
        const flip = place(s.flips, i);
        line(at, flip, "fgv-flip");
        if (flip) parts.push(element("circle", { cx: flip[0], cy: flip[1], r: 4, class: "fgv-flip" }));
      }
      parts.push(element("circle", { cx: at[0], cy: at[1], r: 9, class: "fgv-selected" }));
    }
    const shape = [this.canvas.clientWidth, this.canvas.clientHeight];
    this.overlay.setAttribute("viewBox", `0 0 ${shape.join(" ")}`);
    this.stage.style.setProperty("--shape", shape[0] / shape[1]); // paper has other sizes, not another shape
    this.overlay.replaceChildren(...parts);
  }

  /* Samples. */
  nearest(x, y, reach = 9) {
    const s = this.scene.samples, visible = this.visible(), m = this.matrix;
    const w = this.canvas.clientWidth, h = this.canvas.clientHeight;
    let best = -1, score = Infinity;
    for (let i = 0; i < s.label.length; i++) {
      if (!visible.sample(s.label[i], s.label[i] !== s.predicted[i])) continue;
      const at = landed(m, s.places, 3 * i);
      if (!at) continue;
      const far = Math.hypot(at[0] * w - x, at[1] * h - y);
      if (far > reach) continue;
      const value = far + 0.5 * reach * (at[2] / this.camera.radius);
      if (value < score) { score = value; best = i; }
    }
    return best;
  }
  select(i) {
    this.selected = i; this.more = []; this.showCard(); this.draw();
    if (i >= 0 && this.scene.live) this.ask("sample", { row: this.scene.samples.rows[i] }).then((answer) => {
      if (this.selected === i) { this.more = answer.facts; this.showCard(); }
    }).catch(() => {});
  }
  async ask(what, values) {
    const answer = await fetch(what + "?" + new URLSearchParams({ split: this.scene.samples.split, ...values }));
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || answer.statusText);
    return answer.json();
  }
  step(by) {
    const s = this.scene.samples, visible = this.visible(), n = s.label.length;
    for (let k = 1, i = this.selected; k <= n; k++) {
      i = ((i < 0 && by < 0 ? 0 : i) + by + n) % n;
      if (visible.sample(s.label[i], s.label[i] !== s.predicted[i])) return this.select(i);
    }
    return null;
  }
  row(name, ...value) { return element("div", {}, element("dt", {}, name), element("dd", {}, ...value)); }
  chip(c) { return element("span", { class: "fgv-chip" }, element("i", { style: `background:${this.scene.colours[c]}` }), this.scene.names[c]); }
  picture(i) {
    const { sheet, live, samples } = this.scene;
    const alt = `sample ${samples.rows[i]} of ${samples.split}`;
    if (live && live.images) return element("img", { class: "fgv-image", alt, src: `image?split=${encodeURIComponent(samples.split)}&row=${samples.rows[i]}` });
    if (!sheet || samples.tile[i] < 0) return null;
    const [w, h] = sheet.size, zoom = 96 / Math.max(w, h), x = samples.tile[i] % sheet.columns, y = Math.floor(samples.tile[i] / sheet.columns);
    return element("span", { class: "fgv-image", role: "img", "aria-label": alt, style: `width:${w * zoom}px;height:${h * zoom}px;background-image:url(${sheet.data});background-size:${sheet.columns * w * zoom}px auto;background-position:-${x * w * zoom}px -${y * h * zoom}px` });
  }
  showCard() {
    const i = this.selected, s = this.scene.samples, parts = [];
    if (i < 0) parts.push(element("p", { class: "fgv-hint" }, s.label.length ? "Click a sample to see what is known of it; drag from it to another for the classes between them." : "There are no samples to click."));
    else {
      const picture = this.picture(i), wrong = s.label[i] !== s.predicted[i];
      parts.push(element("h3", {}, `Sample ${s.rows[i].toLocaleString("en")} of ${s.split}`), element("div", { class: "fgv-facts" }, picture, element("dl", {},
        this.row("label", this.chip(s.label[i])), this.row("predicted", this.chip(s.predicted[i]), wrong ? " (wrong)" : ""),
        this.row("nearest boundary", figure(s.distance[i]), " towards ", this.chip(s.rival[i])),
        this.row("flip point", Number.isFinite(s.distance[i]) ? "the end of the dashed line" : "there is none"),
        ...s.facts.map((fact) => this.row(fact.name, figure(fact.values[i]))),
        ...this.more.map((fact) => this.row(fact.name, element("span", { title: fact.said }, figure(fact.value)))))));
      if (!picture && (this.scene.sheet || this.scene.images)) parts.push(element("p", { class: "fgv-hint" }, "Its image is not in this file; `featgeom view RUN --serve` shows every one."));
      if (s.logits || this.scene.live) parts.push(element("p", {}, element("button", { type: "button", onclick: () => this.press("s") }, this.start === i ? "Now choose where the segment ends" : "Segment from here")));
    }
    if (this.segment) parts.push(this.segmentCard());
    this.card.replaceChildren(...parts);
  }

  /* Mouse, touch and keys. */
  listen() {
    const canvas = this.canvas, fingers = new Map();
    let moved = 0;
    const here = (e) => { const r = canvas.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("pointerdown", (e) => {
      canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, here(e)); moved = 0;
      const at = this.selected >= 0 && this.onScreen(this.scene.samples.places, 3 * this.selected), [x, y] = here(e);
      this.rubber = at && fingers.size === 1 && Math.hypot(at[0] - x, at[1] - y) < 11 ? [x, y] : null;
    });
    canvas.addEventListener("pointermove", (e) => {
      if (!fingers.has(e.pointerId)) return;
      const [x, y] = here(e), [px, py] = fingers.get(e.pointerId), others = [...fingers].filter(([id]) => id !== e.pointerId);
      const span = Math.min(canvas.clientWidth, canvas.clientHeight) / 2;
      moved += Math.hypot(x - px, y - py);
      if (others.length) { const [, [ox, oy]] = others[0]; this.camera.zoom(Math.hypot(px - ox, py - oy) / Math.max(1, Math.hypot(x - ox, y - oy))); }
      else if (this.rubber) this.rubber = [x, y];
      else if (e.buttons & 2 || e.shiftKey) this.move((x - px) / span, (py - y) / span);
      else this.camera.spin((1.6 * (x - px)) / span, (1.6 * (y - py)) / span);
      fingers.set(e.pointerId, [x, y]);
      this.draw();
    });
    const end = (e) => {
      if (!fingers.delete(e.pointerId)) return;
      const [x, y] = here(e), rubber = this.rubber;
      this.rubber = null;
      if (e.type === "pointerup" && moved < 5) this.choose(this.nearest(x, y));
      else if (rubber) this.join(this.selected, this.nearest(x, y, 14));
      this.draw();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    const alone = Boolean(this.root.closest(".page")); // in another page the wheel scrolls until the picture is chosen
    canvas.addEventListener("wheel", (e) => { if (!alone && document.activeElement !== canvas) return; e.preventDefault(); this.camera.zoom(Math.exp(0.0012 * e.deltaY)); this.draw(); }, { passive: false });
    canvas.addEventListener("keydown", (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey) return;
      if (this.press(e.key, e.shiftKey)) e.preventDefault();
    });
  }
  choose(i) { if (i >= 0 && this.start >= 0 && i !== this.start) this.join(this.start, i); else this.select(i); }
  move(dx, dy) { this.camera.shift[0] += dx * this.camera.distance; this.camera.shift[1] += dy * this.camera.distance; }
  press(key, shift = false) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (ways[key]) { const [dx, dy] = ways[key]; if (shift) this.move(0.06 * dx, -0.06 * dy); else this.camera.spin(0.08 * dx, 0.08 * dy); }
    else if (key === "+" || key === "=") this.camera.zoom(0.9);
    else if (key === "-") this.camera.zoom(1 / 0.9);
    else if ("0xyz".includes(key)) this.camera.preset(key);
    else if (key === "n") this.step(1);
    else if (key === "b") this.step(-1);
    else if (key === "h") this.toggleAll("hull");
    else if (key === "c") this.toggleAll("cell");
    else if (key === "p") this.toggleAll("samples");
    else if (key === "m") this.flipOption("wrong");
    else if (key === "f") this.flipOption("flips");
    else if (key === "l") this.flipOption("labels");
    else if (key === " ") this.spinning = !this.spinning;
    else if (key === "s" && this.selected >= 0) { if (this.start >= 0 && this.start !== this.selected) this.join(this.start, this.selected); else { this.start = this.start === this.selected ? -1 : this.selected; this.showCard(); } }
    else if (key === "i" && this.segment) this.invert();
    else if (key === "v" && this.scenes.length > 1) { this.change((this.scenes.indexOf(this.scene) + 1) % this.scenes.length).canvas.focus(); return true; }
    else if (key === "?") this.help.hidden = !this.help.hidden;
    else if (key === "Escape") { this.start = -1; this.segment = this.between = null; this.help.hidden = true; this.select(-1); }
    else return false;
    this.draw();
    return true;
  }
}
