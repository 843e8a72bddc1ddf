"use strict";
/* Draws a scene with WebGL2: translucent surfaces, samples, lines. Knows nothing of the page around it. */

const SURFACE_VERTEX = `#version 300 es
in vec3 place; in vec3 normal; uniform mat4 all; uniform mat3 turn; out vec3 facing; out vec3 at;
void main() { gl_Position = all * vec4(place, 1.0); facing = turn * normal; at = gl_Position.xyw; }`;
const SURFACE_FRAGMENT = `#version 300 es
precision highp float; in vec3 facing; uniform vec3 colour; uniform float opacity; out vec4 shown;
void main() {
  float across = abs(normalize(facing).z);
  float rim = 1.0 + 1.2 * pow(1.0 - across, 2.0);
  shown = vec4(mix(colour, vec3(1.0), 0.12 * across) * (0.8 + 0.2 * across), min(1.0, opacity * rim));
}`;
const LINE_VERTEX = `#version 300 es
in vec3 place; uniform mat4 all; void main() { gl_Position = all * vec4(place, 1.0); }`;
const LINE_FRAGMENT = `#version 300 es
precision highp float; uniform vec3 colour; uniform float opacity; out vec4 shown;
void main() { shown = vec4(colour, opacity); }`;
const POINT_VERTEX = `#version 300 es
in vec3 place; in vec3 tint; in float wrong; uniform mat4 all; uniform float size; uniform float reach;
out vec3 inside; out float marked;
void main() {
  gl_Position = all * vec4(place, 1.0);
  gl_PointSize = clamp(size * (wrong > 0.5 ? 1.9 : 1.0) * reach / gl_Position.w, 1.5, 40.0);
  inside = tint; marked = wrong;
}`;
const POINT_FRAGMENT = `#version 300 es
precision highp float; in vec3 inside; in float marked; uniform vec3 ink; out vec4 shown;
void main() {
  vec2 p = 2.0 * gl_PointCoord - 1.0; float r = dot(p, p);
  if (r > 1.0) discard;
  shown = vec4(marked > 0.5 && r > 0.42 ? ink : inside * (1.0 - 0.25 * r), 1.0);
}`;

function rgb(hex) { return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255); }

function numbers(packed) {
  if (ArrayBuffer.isView(packed)) return packed; // unpacked before
  const bytes = Uint8Array.from(atob(packed.data), (c) => c.charCodeAt(0));
  return new ({ f4: Float32Array, f8: Float64Array, i4: Int32Array }[packed.type])(bytes.buffer);
}

/* Rotations as unit quaternions [x, y, z, w]; matrices column by column. */
function product(a, b) {
  const [x, y, z, w] = a, [p, q, r, s] = b;
  return [w * p + x * s + y * r - z * q, w * q - x * r + y * s + z * p, w * r + x * q - y * p + z * s,
          w * s - x * p - y * q - z * r];
}
function about(axis, angle) {
  const s = Math.sin(angle / 2);
  return [axis[0] * s, axis[1] * s, axis[2] * s, Math.cos(angle / 2)];
}
function unit(q) { const n = Math.hypot(...q); return q.map((v) => v / n); }
function rotation(q) {
  const [x, y, z, w] = q;
  return [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w),
          2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w),
          2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)];
}

class Camera {
  constructor(centre, radius) { this.centre = centre; this.radius = radius; this.reset(); }
  reset() { this.turn = product(about([1, 0, 0], -1.15), about([0, 0, 1], -0.7)); this.distance = 1; this.shift = [0, 0]; }
  preset(name) {
    this.reset();
    const quarter = Math.PI / 2;
    if (name === "x") this.turn = product(about([1, 0, 0], -quarter), about([0, 0, 1], -quarter));
    if (name === "y") this.turn = about([1, 0, 0], -quarter);
    if (name === "z") this.turn = [0, 0, 0, 1];
  }
  spin(dx, dy) { this.turn = unit(product(product(about([0, 1, 0], dx), about([1, 0, 0], dy)), this.turn)); }
  zoom(factor) { this.distance = Math.min(8, Math.max(0.08, this.distance * factor)); }
  /* The 4 × 4 matrix from feature coordinates to the screen, for a width-to-height ratio. */
  matrix(aspect) {
    const r = rotation(this.turn), c = this.centre, away = 3.1 * this.radius * this.distance;
    const m = [];
    const t = [0, 1, 2].map((i) => -(r[i] * c[0] + r[i + 3] * c[1] + r[i + 6] * c[2]));
    t[0] += this.shift[0] * this.radius; t[1] += this.shift[1] * this.radius; t[2] -= away;
    const f = 1 / Math.tan(0.32) / Math.max(1, 1 / aspect), near = Math.max(0.01 * this.radius, away - 2 * this.radius);
    const far = away + 3 * this.radius, a = (far + near) / (near - far), b = (2 * far * near) / (near - far);
    for (let j = 0; j < 3; j++) m.push((f / aspect) * r[3 * j], f * r[3 * j + 1], a * r[3 * j + 2], -r[3 * j + 2]);
    m.push((f / aspect) * t[0], f * t[1], a * t[2] + b, -t[2]);
    return m;
  }
}

/* Where a place lands: x and y in [0, 1] from the upper left, and its depth; null behind the eye. */
function landed(m, p, i = 0) {
  const x = p[i], y = p[i + 1], z = p[i + 2], w = m[3] * x + m[7] * y + m[11] * z + m[15];
  if (w <= 0) return null;
  return [0.5 + (m[0] * x + m[4] * y + m[8] * z + m[12]) / w / 2, 0.5 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w / 2, w];
}

class Drawer {
  constructor(canvas, scene) {
    const gl = canvas.getContext("webgl2", { antialias: true, alpha: true, preserveDrawingBuffer: true, premultipliedAlpha: true });
    if (!gl) throw new Error("This browser offers no WebGL 2, which the picture needs.");
    this.gl = gl; this.canvas = canvas; this.scene = scene;
    this.surface = this.program(SURFACE_VERTEX, SURFACE_FRAGMENT);
    this.line = this.program(LINE_VERTEX, LINE_FRAGMENT);
    this.point = this.program(POINT_VERTEX, POINT_FRAGMENT);
    this.meshes = scene.surfaces.map((s) => this.mesh(s));
    this.groups = this.samples(scene);
    this.box = this.buffer(this.boxLines(scene.window));
    this.boxCount = 24;
  }
  program(vertex, fragment) {
    const gl = this.gl, made = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text); gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(made, shader);
    }
    gl.linkProgram(made);
    return made;
  }
  buffer(values) {
    const gl = this.gl, made = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, made); gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(values), gl.STATIC_DRAW);
    return made;
  }
  mesh(surface) {
    const v = numbers(surface.vertices), t = numbers(surface.triangles), e = numbers(surface.edges);
    const places = [], lines = [], middle = [0, 0, 0];
    for (let i = 0; i < t.length; i += 3) {
      const [a, b, c] = [0, 1, 2].map((k) => v.subarray(3 * t[i + k], 3 * t[i + k] + 3));
      const u = [0, 1, 2].map((k) => b[k] - a[k]), w = [0, 1, 2].map((k) => c[k] - a[k]);
      const n = [u[1] * w[2] - u[2] * w[1], u[2] * w[0] - u[0] * w[2], u[0] * w[1] - u[1] * w[0]];
      for (const p of [a, b, c]) places.push(...p, ...n);
    }
    for (const k of e) lines.push(v[3 * k], v[3 * k + 1], v[3 * k + 2]);
    for (let i = 0; i < v.length; i++) middle[i % 3] += v[i] / (v.length / 3);
    return { surface, middle, count: t.length, places: this.buffer(places), lines: this.buffer(lines), lineCount: e.length };
  }
  /* One group of points a class, so that each can be hidden; misclassified ones in groups of their own. */
  samples(scene) {
    const s = scene.samples, groups = new Map();
    for (let i = 0; i < s.label.length; i++) {
      const wrong = s.label[i] !== s.predicted[i], key = 2 * s.label[i] + wrong;
      if (!groups.has(key)) groups.set(key, { label: s.label[i], wrong, members: [], values: [], flips: [] });
      const group = groups.get(key);
      group.members.push(i);
      group.values.push(s.places[3 * i], s.places[3 * i + 1], s.places[3 * i + 2], ...scene.tint[s.label[i]], wrong ? 1 : 0);
      for (const from of [s.places, s.flips]) group.flips.push(from[3 * i], from[3 * i + 1], from[3 * i + 2]);
    }
    return [...groups.values()].map((g) => ({ ...g, points: this.buffer(g.values), lines: this.buffer(g.flips), values: null, flips: null }));
  }
  boxLines([low, high]) {
    const lines = [];
    for (let axis = 0; axis < 3; axis++) for (let corner = 0; corner < 4; corner++) for (const end of [low, high]) {
      const p = [0, 0, 0];
      p[axis] = end[axis];
      [(axis + 1) % 3, (axis + 2) % 3].forEach((other, bit) => { p[other] = corner >> bit & 1 ? high[other] : low[other]; });
      lines.push(...p);
    }
    return lines;
  }
  attribute(program, name, size, stride, offset) {
    const gl = this.gl, where = gl.getAttribLocation(program, name);
    if (where < 0) return;
    gl.enableVertexAttribArray(where); gl.vertexAttribPointer(where, size, gl.FLOAT, false, 4 * stride, 4 * offset);
  }
  use(program, uniforms) {
    const gl = this.gl;
    gl.useProgram(program);
    for (const [name, value] of Object.entries(uniforms)) {
      const where = gl.getUniformLocation(program, name);
      if (typeof value === "number") gl.uniform1f(where, value);
      else if (value.length === 3) gl.uniform3fv(where, value);
      else if (value.length === 9) gl.uniformMatrix3fv(where, false, value);
      else gl.uniformMatrix4fv(where, false, value);
    }
  }
  segments(buffer, count, colour, opacity, all) {
    const gl = this.gl;
    this.use(this.line, { all, colour, opacity });
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer); this.attribute(this.line, "place", 3, 3, 0);
    gl.drawArrays(gl.LINES, 0, count);
  }
  /* `visible` says of every surface, class and kind of sample whether it is shown. */
  draw(camera, visible, dark) {
    const gl = this.gl, canvas = this.canvas, scale = Math.min(2, window.devicePixelRatio || 1);
    const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    gl.viewport(0, 0, width, height); gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST); gl.depthMask(true); gl.disable(gl.CULL_FACE); gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const all = camera.matrix(width / height), turn = rotation(camera.turn), ink = dark ? [0.93, 0.94, 0.96] : [0.1, 0.12, 0.16];
    const count = this.groups.reduce((n, g) => n + g.members.length, 0), size = count > 20000 ? 2.6 : count > 2000 ? 4.2 : 6.5;
    this.use(this.point, { all, ink, size: size * scale, reach: 3.1 * camera.radius });
    for (const group of this.groups) {
      if (!visible.sample(group.label, group.wrong)) continue;
      gl.useProgram(this.point); gl.bindBuffer(gl.ARRAY_BUFFER, group.points);
      this.attribute(this.point, "place", 3, 7, 0); this.attribute(this.point, "tint", 3, 7, 3); this.attribute(this.point, "wrong", 1, 7, 6);
      gl.drawArrays(gl.POINTS, 0, group.members.length);
    }
    for (const group of this.groups) {
      if (visible.flips && visible.sample(group.label, group.wrong)) this.segments(group.lines, 2 * group.members.length, ink, 0.35, all);
    }
    gl.depthMask(false);
    this.segments(this.box, this.boxCount, ink, 0.18, all);
    const shown = this.meshes.filter((m) => visible.surface(m.surface));
    for (const m of shown) m.depth = (landed(all, m.middle) || [0, 0, 0])[2];
    shown.sort((a, b) => b.depth - a.depth);
    gl.enable(gl.CULL_FACE);
    for (const m of shown) {
      const colour = rgb(m.surface.colour), closed = m.surface.kind !== "boundary";
      this.segments(m.lines, m.lineCount, colour, m.surface.kind === "hull" ? 0.35 : 0.6, all);
      this.use(this.surface, { all, turn, colour, opacity: m.surface.opacity });
      gl.bindBuffer(gl.ARRAY_BUFFER, m.places); this.attribute(this.surface, "place", 3, 6, 0); this.attribute(this.surface, "normal", 3, 6, 3);
      for (const side of closed ? [gl.FRONT, gl.BACK] : [0]) {
        if (side) { gl.enable(gl.CULL_FACE); gl.cullFace(side); } else gl.disable(gl.CULL_FACE);
        gl.drawArrays(gl.TRIANGLES, 0, m.count);
      }
    }
    gl.depthMask(true);
    return all;
  }
}
