// The pen of the zone editor: corners by tap, rectangles and lines by dragging, zones moved, corners
// dragged, added and deleted; by mouse, touch or keyboard. Fractions of the picture throughout.
"use strict";
const SVG = "http://www.w3.org/2000/svg", CLOSE = 0.035, DRAG = 0.03, LINE = 0.015, STEP = 0.02, TWICE_MS = 450;

class Pen {
  // store: {zones, chosen, remember(), change(), choose(n), add(polygon, kind), undo()}
  constructor(svg, store, editable) {
    this.svg = svg; this.store = store; this.open = null; this.held = null; this.line = false; this.cursor = null; this.tapped = null;
    if (!editable) return;
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", (event) => this.up(event));
    svg.addEventListener("pointercancel", () => { this.held = null; this.render(); });
    svg.addEventListener("keydown", (event) => this.key(event));
    svg.addEventListener("blur", () => { this.cursor = null; this.render(); });
  }

  at(event) {
    const box = this.svg.getBoundingClientRect(), clip = (value) => Math.min(1, Math.max(0, value));
    return [clip((event.clientX - box.left) / box.width), clip((event.clientY - box.top) / box.height)];
  }

  down(event) {
    const node = event.target.dataset, point = this.at(event);
    this.svg.setPointerCapture(event.pointerId);
    this.held = {start: point, last: point, moved: false, what: "paper"};
    if (node.corner !== undefined) {
      this.store.remember();
      const zone = this.store.zones[Number(node.zone)];
      if (node.middle) zone.polygon.splice(Number(node.corner), 0, point);
      Object.assign(this.held, {what: "corner", zone, corner: Number(node.corner), fresh: Boolean(node.middle)});
    } else if (node.zone !== undefined && !this.open) {
      Object.assign(this.held, {what: "zone", zone: this.store.zones[Number(node.zone)], number: Number(node.zone)});
    }
    event.preventDefault();
    this.svg.focus({preventScroll: true});
  }

  move(event) {
    const held = this.held;
    if (!held) return;
    const point = this.at(event);
    if (Math.hypot(point[0] - held.start[0], point[1] - held.start[1]) > DRAG) {
      if (!held.moved && held.what === "zone") this.store.remember();
      held.moved = true;
    }
    if (held.what === "corner") held.zone.polygon[held.corner] = point;
    else if (held.what === "zone" && held.moved) shift(held.zone.polygon, point[0] - held.last[0], point[1] - held.last[1]);
    held.last = point;
    this.render();
  }

  up(event) {
    const held = this.held;
    this.held = null;
    if (!held) return;
    if (held.what === "corner") { this.twice(held); this.store.change(); }
    else if (held.what === "zone" && held.moved) this.store.change();
    else if (held.what === "zone" && !this.line) this.store.choose(held.number);
    else if (held.moved && !this.open) this.dragged(held.start, this.at(event));
    else this.tap(held.start);
  }

  dragged(from, to) {
    if (this.line) { this.line = false; this.store.add(strip(from, to), "gate"); return; }
    this.store.add([from, [to[0], from[1]], to, [from[0], to[1]]], "watch");
  }

  tap(point) {
    this.store.remember();
    if (this.open && this.open.length >= 3 && near(point, this.open[0])) { this.close(); return; }
    this.open = this.open ? [...this.open, point] : [point];
    if (this.line && this.open.length === 2) { this.close(); return; }
    this.store.change();
  }

  close() {
    const points = this.open;
    this.open = null;
    if (!points || points.length < (this.line ? 2 : 3)) { this.render(); return; }
    if (this.line) { this.line = false; this.store.add(strip(...points), "gate", true); } else this.store.add(points, "watch", true);
  }

  // Two taps on a corner delete it. Counted here: the pointer is captured, so a double click has no target.
  twice(held) {
    const now = performance.now(), before = this.tapped;
    this.tapped = {zone: held.zone, corner: held.corner, at: now};
    if (held.moved || held.fresh || !before || before.zone !== held.zone || before.corner !== held.corner || now - before.at > TWICE_MS) return;
    if (held.zone.polygon.length > 3) held.zone.polygon.splice(held.corner, 1);
    this.tapped = null;
  }

  key(event) {
    const steps = {ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP]};
    if (steps[event.key]) {
      const [dx, dy] = steps[event.key], [x, y] = this.cursor || [0.5, 0.5];
      this.cursor = [Math.min(1, Math.max(0, x + dx)), Math.min(1, Math.max(0, y + dy))];
    } else if (event.key === "Enter" || event.key === " ") {
      this.cursor = this.cursor || [0.5, 0.5]; this.tap([...this.cursor]);
    } else if (event.key === "Escape") { this.open = null; this.line = false; this.store.change();
    } else if ((event.ctrlKey || event.metaKey) && event.key === "z") { this.store.undo();
    } else return;
    event.preventDefault(); this.render();
  }

  render() {
    const parts = [];
    this.store.zones.forEach((zone, z) => {
      const colour = colours[zone.kind || "watch"] || colours.watch, body = shape("polygon", zone.polygon, colour);
      body.dataset.zone = z; parts.push(body, label(zone, this.svg));
      if (z === this.store.chosen) parts.push(...this.handles(zone, z, colour));
    });
    if (this.open) {
      parts.push(shape("polyline", this.open, "#ffffff"));
      this.open.forEach((point, n) => parts.push(this.dot(point, n ? "#ffffff" : "#ffe08a", 9)));
    }
    if (this.held && this.held.what === "paper" && this.held.moved && !this.open) {
      const [a, b] = [this.held.start, this.held.last];
      parts.push(this.line ? shape("polyline", [a, b], "#ffffff") : shape("polygon", [a, [b[0], a[1]], b, [a[0], b[1]]], "#ffffff"));
    }
    if (this.cursor) parts.push(this.dot(this.cursor, "#ffe08a", 7));
    this.svg.replaceChildren(...parts);
  }

  handles(zone, z, colour) {
    const dots = [];
    zone.polygon.forEach((point, c) => {
      const next = zone.polygon[(c + 1) % zone.polygon.length];
      const middle = this.dot([(point[0] + next[0]) / 2, (point[1] + next[1]) / 2], colour, 5);
      Object.assign(middle.dataset, {zone: z, corner: c + 1, middle: "1"});
      const corner = this.dot(point, colour, 10);
      Object.assign(corner.dataset, {zone: z, corner: c});
      dots.push(middle, corner);
    });
    return dots;
  }

  dot(point, colour, radius) {
    const node = document.createElementNS(SVG, "ellipse"), box = this.svg.getBoundingClientRect();
    node.setAttribute("cx", point[0] * 1000); node.setAttribute("cy", point[1] * 1000);
    node.setAttribute("rx", radius * 1000 / Math.max(1, box.width)); node.setAttribute("ry", radius * 1000 / Math.max(1, box.height));
    node.setAttribute("fill", colour);
    return node;
  }
}

const near = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) < CLOSE;

function shift(polygon, dx, dy) {
  // The zone stays whole: it stops where its first corner meets the edge of the picture.
  const xs = polygon.map((p) => p[0]), ys = polygon.map((p) => p[1]);
  const x = Math.max(-Math.min(...xs), Math.min(1 - Math.max(...xs), dx));
  const y = Math.max(-Math.min(...ys), Math.min(1 - Math.max(...ys), dy));
  polygon.forEach((p) => { p[0] += x; p[1] += y; });
}

function strip(from, to) {
  // A line is a narrow zone: what crosses it stands in it.
  const dx = to[0] - from[0], dy = to[1] - from[1], long = Math.hypot(dx, dy) || 1;
  const x = -dy / long * LINE, y = dx / long * LINE, clip = (v) => Math.min(1, Math.max(0, v));
  return [[from[0] + x, from[1] + y], [to[0] + x, to[1] + y], [to[0] - x, to[1] - y], [from[0] - x, from[1] - y]]
    .map(([a, b]) => [clip(a), clip(b)]);
}

function shape(kind, points, colour) {
  const node = document.createElementNS(SVG, kind);
  node.setAttribute("points", points.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" "));
  node.setAttribute("stroke", colour); node.setAttribute("fill", kind === "polygon" ? colour : "none");
  return node;
}

function label(zone, svg) {
  const node = document.createElementNS(SVG, "text"), box = svg.getBoundingClientRect();
  const top = zone.polygon.reduce((a, b) => (b[1] < a[1] ? b : a));
  node.textContent = zone.name || zone.id;
  const sx = 1000 / Math.max(1, box.width), sy = 1000 / Math.max(1, box.height);
  node.setAttribute("transform", `translate(${top[0] * 1000} ${Math.max(16 * sy, top[1] * 1000 - 6 * sy)}) scale(${sx} ${sy})`);
  return node;
}
