"use strict";
/* The segment between two samples: its classes, and the images along it where a server has the network. */

/* The classes along the segment from one sample to another, with where each begins (0 to 1), from their logits. */
function crossings(from, to) {
  const slope = from.map((value, c) => to[c] - value), found = [];
  let t = 0, own = from.reduce((best, v, c) => (v > from[best] || (v === from[best] && slope[c] > slope[best]) ? c : best), 0);
  for (;;) {
    found.push({ class: own, enters: t });
    let next = -1, at = 1;
    for (let c = 0; c < from.length; c++) {
      if (slope[c] <= slope[own]) continue;
      const s = (from[own] - from[c]) / (slope[c] - slope[own]);
      if (s < at || (s === at && next >= 0 && slope[c] > slope[next])) { at = Math.max(s, t); next = c; }
    }
    if (next < 0) return found;
    own = next; t = at;
  }
}

/* What a view knows of segments. */
class Segments {
  segment = null; // { from, to, pieces, said }
  between = null; // images along it, as far as they are found

  async join(from, to) {
    const s = this.scene.samples;
    if (from < 0 || to < 0 || from === to) return;
    const logits = (i) => Array.from(s.logits.subarray(i * this.scene.names.length, (i + 1) * this.scene.names.length));
    this.segment = { from, to, pieces: null, said: "" };
    this.start = -1; this.between = null;
    this.select(to);
    if (this.scene.live) {
      try { this.segment = { from, to, ...(await this.ask("segment", { from: s.rows[from], to: s.rows[to] })) }; }
      catch (error) { this.segment.said = `the server does not answer (${error.message})`; }
    } else if (s.logits) this.segment = { from, to, pieces: crossings(logits(from), logits(to)), said: "computed in your browser from the samples' logits" };
    else this.segment.said = "its crossings need the logits, which this file leaves out; `featgeom view RUN --serve` computes them";
    this.showCard();
  }
  segmentCard() {
    const { from, to, pieces, said } = this.segment, s = this.scene.samples;
    const parts = [element("h3", {}, `Segment from sample ${s.rows[from]} to sample ${s.rows[to]}`)];
    if (pieces) {
      const ends = pieces.map((p, k) => (k + 1 < pieces.length ? pieces[k + 1].enters : 1));
      parts.push(element("div", { class: "fgv-bar" }, ...pieces.map((p, k) => element("i", { style: `background:${this.scene.colours[p.class]};width:${100 * (ends[k] - p.enters)}%`, title: this.scene.names[p.class] }))));
      parts.push(element("ol", {}, ...pieces.map((p, k) => element("li", {}, this.chip(p.class), ` from ${figure(p.enters)} to ${figure(ends[k])}`))));
    }
    parts.push(element("p", { class: "fgv-hint" }, `0 is the first sample, 1 the second, along the straight line in feature space${said ? "; " + said : ""}.`));
    return element("div", { class: "fgv-crossings" }, ...parts, ...this.betweenParts());
  }

  /* Images whose features lie on the segment: found by the server, which has the network. */
  betweenParts() {
    const { live } = this.scene, now = this.between;
    const hint = (text) => element("p", { class: "fgv-hint", role: "status" }, text);
    if (!live) return this.scene.images ? [hint("Images along it: `featgeom view RUN --serve` finds them where the network is at hand.")] : [];
    if (!live.network) return [hint("Images along it need the network, and this run was made from features alone.")];
    if (!now) return [element("p", {}, element("button", { type: "button", onclick: () => this.press("i") }, "Images along it"))];
    if (now.state === "refused") return [hint(`There are no images along it: ${now.said}.`)];
    const frames = now.frames.map((f) => element("figure", { title: `t = ${figure(f.t)}: ${f.found ? "found" : "not reached"}, relative residual ${figure(f.residual)}` },
      element("img", { class: "fgv-image", alt: `image at ${figure(f.t)}, read as ${this.scene.names[f.class]}`, src: f.image }),
      element("figcaption", {}, this.chip(f.class), element("small", {}, `t ${f.t.toFixed(2)}`), element("small", {}, f.found ? figure(f.residual) : `not reached, ${figure(f.residual)}`))));
    const parts = [element("div", { class: "fgv-between" }, ...frames)];
    if (now.state === "working") parts.push(element("progress", { max: now.of, value: now.frames.length, "aria-label": "images found" }), hint(`${now.frames.length} of ${now.of} images; ${now.said} …`));
    else parts.push(hint("Each image was searched for from the one before, the first being the sample itself, and then read again by the network: its class, t, and the residual ‖φ(x) − z‖ / ‖z‖."));
    return parts;
  }
  async invert() {
    if (!this.segment || !this.scene.live || !this.scene.live.network || this.between) return;
    const { from, to } = this.segment, rows = this.scene.samples.rows;
    const mine = (this.between = { state: "working", frames: [], of: 1, said: "asking" });
    this.showCard();
    while (mine === this.between && mine.state === "working") {
      const known = mine.said + mine.frames.length;
      try { Object.assign(mine, await this.ask("inversion", { from: rows[from], to: rows[to] })); }
      catch (error) { Object.assign(mine, { state: "refused", said: `the server does not answer (${error.message})` }); }
      if (mine === this.between && (mine.state !== "working" || mine.said + mine.frames.length !== known)) this.showCard();
      if (mine.state === "working") await new Promise((done) => setTimeout(done, 300));
    }
  }
}
