"use strict";
const make = (tag, parent, attributes = {}, text = "") => {
  const namespace = parent.namespaceURI.endsWith("svg") || tag === "svg" ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const element = parent.appendChild(document.createElementNS(namespace, tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
};
const whole = value => value.toLocaleString("en");
const short = value => String(Number(value.toPrecision(4))).replace("-", "\u2212");

/* Samples: every variant shows the stored grid nearest to the slider's share of its own training. */
function viewer(root) {
  const [form, slider, output] = ["form", "input", "output"].map(name => root.querySelector(name));
  const [play, select] = [root.querySelector(".play"), root.querySelector("select")];
  let timer = 0;
  const show = () => {
    for (const figure of root.querySelectorAll("figure")) {
      const all = [...figure.querySelectorAll("img")];
      const seed = select ? select.value : all[0].dataset.seed;
      const frames = all.filter(image => image.dataset.seed === seed);
      const last = Number(frames.at(-1).dataset.iteration), wanted = last * slider.value / 100;
      const far = image => Math.abs(image.dataset.iteration - wanted);
      const chosen = frames.reduce((one, other) => far(other) < far(one) ? other : one);
      for (const image of all) image.hidden = image !== chosen;
      chosen.style.imageRendering = chosen.clientWidth * devicePixelRatio < chosen.naturalWidth ? "auto" : "pixelated";
      figure.querySelector(".at").textContent = `iteration ${whole(Number(chosen.dataset.iteration))} of ${whole(last)}`;
    }
    output.textContent = `${slider.value} % of training`;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
  const step = () => { slider.value = Number(slider.value) + 5; show(); if (slider.value === slider.max) stop(); };
  play.onclick = () => {
    if (timer) return stop();
    if (slider.value === slider.max) slider.value = 0;
    show(); play.textContent = "Pause"; timer = setInterval(step, 250);
  };
  slider.oninput = () => { stop(); show(); };
  if (select) select.onchange = show;
  form.onsubmit = event => event.preventDefault();
  for (const button of root.querySelectorAll(".frames")) button.onclick = () => {
    const large = button.parentElement.classList.toggle("large");
    button.setAttribute("aria-expanded", large); show();
    if (large) button.scrollIntoView({ block: "nearest" });
  };
  form.hidden = false; addEventListener("resize", show); show();
}

/* About `count` round numbers from low to high. */
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map(factor => factor * power).find(size => size >= rough);
  const found = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-9; place++) found.push(Number((place * step).toPrecision(12)));
  return found;
}

function chart(host) {
  const panel = JSON.parse(host.querySelector("script").textContent), lines = panel.series.map(line => ({ ...line, shown: true }));
  const every = lines.flatMap(line => line.x), full = [Math.min(...every), Math.max(...every)];
  if (full[0] === full[1]) { full[0] -= 1; full[1] += 1; }
  let view = full, cursor = null, drag = null, tapped = -Infinity, scale;
  const header = make("header", host);
  make("h4", header, {}, panel.title);
  const at = make("span", header, { class: "at", "aria-live": "polite" });
  const back = make("button", header, { type: "button", hidden: "" }, "Zoom out");
  make("p", host, { class: "label" }, panel.label);
  const svg = make("svg", host, { tabindex: 0, role: "img", "aria-label": `${panel.title}, ${panel.label}. Arrow keys read values, plus and minus zoom, Escape goes back.` });
  const legend = make("div", host, { class: "legend" });
  for (const line of lines) {
    const button = make("button", legend, { type: "button", "aria-pressed": true, class: `c${line.colour}${line.dotted ? " dots" : ""}` });
    make("i", button); make("span", button, {}, line.label); line.value = make("b", button);
    button.onclick = () => { line.shown = !line.shown; button.setAttribute("aria-pressed", line.shown); draw(); };
  }

  const inside = x => x >= view[0] && x <= view[1];
  function range() {
    const values = panel.level !== null && view === full ? [panel.level] : [];
    const shown = lines.filter(line => line.shown), whole = shown.filter(line => !line.diverged);
    for (const line of whole.length ? whole : shown) line.y.forEach((y, i) => {
      const spread = line.deviation ? line.deviation[i] ?? 0 : 0;
      if (y !== null && inside(line.x[i])) values.push(y - spread, y + spread);
    });
    if (!values.length) return [0, 1];
    const low = Math.min(...values), high = Math.max(...values), room = (high - low || Math.abs(high) || 1) * 0.06;
    return [low - room, high + room];
  }

  function draw() {
    if (!svg.clientWidth) return;
    svg.replaceChildren();
    const width = svg.clientWidth, height = svg.clientHeight, [low, high] = range();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`); // printed, it is scaled to the paper
    const heights = ticks(low, high, 5), left = 14 + 7 * Math.max(...heights.map(y => short(y).length)), bottom = height - 38;
    const toX = x => left + (x - view[0]) / (view[1] - view[0]) * (width - left - 12);
    const toY = y => bottom - (y - low) / (high - low) * (bottom - 8);
    scale = { toX, toY, left, bottom, width, fromX: px => view[0] + (px - left) / (width - left - 12) * (view[1] - view[0]) };
    for (const y of heights) {
      make("line", svg, { class: "grid", x1: left, x2: width - 12, y1: toY(y), y2: toY(y) });
      make("text", svg, { class: "tick-y", x: left - 7, y: toY(y) + 4, "text-anchor": "end" }, short(y));
    }
    for (const x of ticks(...view, Math.max(3, Math.min(7, width / 55)))) make("text", svg, { class: "tick-x", x: Math.min(toX(x), width - 4 * whole(x).length), y: bottom + 17, "text-anchor": "middle" }, whole(x));
    make("text", svg, { x: (left + width - 12) / 2, y: height - 4, "text-anchor": "middle" }, "generator iteration");
    const area = make("svg", svg, { x: left, y: 0, width: width - left - 12, height: bottom, viewBox: `${left} 0 ${width - left - 12} ${bottom}`, overflow: "hidden" });
    if (panel.level !== null && panel.level >= low && panel.level <= high) make("line", area, { class: "level", x1: left, x2: width - 12, y1: toY(panel.level), y2: toY(panel.level) });
    for (const line of lines.filter(line => line.shown)) {
      const points = line.x.map((x, i) => line.y[i] === null ? null : [toX(x), line.y[i], line.deviation ? line.deviation[i] ?? 0 : 0]);
      const known = points.filter(Boolean), place = (x, y) => `${x.toFixed(1)},${toY(y).toFixed(1)}`;
      if (line.deviation && known.length) make("path", area, { class: `band c${line.colour}`, d: "M" + known.map(([x, y, s]) => place(x, y + s)).join("L") + "L" + known.toReversed().map(([x, y, s]) => place(x, y - s)).join("L") + "Z" });
      const path = points.map((point, i) => point ? (i && points[i - 1] ? "L" : "M") + place(point[0], point[1]) : "").join("");
      make("path", area, { class: `line c${line.colour}${line.dotted ? " dotted" : ""}`, d: path });
      if (known.length === 1 || (known.length && line.diverged)) make("circle", area, { class: `dot c${line.colour}`, cx: known.at(-1)[0], cy: toY(known.at(-1)[1]), r: 4 });
    }
    make("g", svg, { class: "marks" });
    back.hidden = view === full;
    mark();
  }

  /* What moves with the pointer: the chosen stretch, or the values at the iteration nearest to it. */
  function mark() {
    const marks = svg.lastChild;
    marks.replaceChildren();
    at.textContent = "";
    for (const line of lines) line.value.textContent = "";
    if (drag && Math.abs(drag.to - drag.from) > 8) {
      const [from, to] = ends();
      return make("rect", marks, { class: "chosen", x: from, width: to - from, y: 0, height: scale.bottom });
    }
    if (cursor === null || !inside(cursor)) return;
    make("line", marks, { class: "cursor", x1: scale.toX(cursor), x2: scale.toX(cursor), y1: 0, y2: scale.bottom });
    at.textContent = `iteration ${whole(cursor)}`;
    for (const line of lines.filter(line => line.shown)) {
      const y = line.y[line.x.indexOf(cursor)] ?? null;
      if (y === null) continue;
      line.value.textContent = short(y);
      make("circle", marks, { class: `dot c${line.colour}`, cx: scale.toX(cursor), cy: scale.toY(y), r: 4 });
    }
  }
  const known = () => [...new Set(lines.filter(line => line.shown).flatMap(line => line.x))].filter(inside).sort((a, b) => a - b);
  const read = px => { const x = scale.fromX(px); cursor = known().reduce((one, other) => one === null || Math.abs(other - x) < Math.abs(one - x) ? other : one, null); };
  const ends = () => [drag.from, drag.to].sort((a, b) => a - b).map(px => Math.min(Math.max(px, scale.left), scale.width - 12));
  const zoom = (from, to) => { if (new Set(every.filter(x => x >= from && x <= to)).size > 1) { view = [from, to]; draw(); } else mark(); };
  const reset = () => { view = full; draw(); };
  const place = event => event.clientX - svg.getBoundingClientRect().left;

  svg.onpointerdown = event => { if (event.button === 0) { drag = { from: place(event), to: place(event) }; svg.setPointerCapture(event.pointerId); } };
  svg.onpointermove = event => { if (drag) drag.to = place(event); if (drag || event.pointerType === "mouse") { read(place(event)); mark(); } };
  svg.onpointerup = event => {
    if (!drag) return;
    const wide = Math.abs(drag.to - drag.from) > 8, [from, to] = ends();
    drag = null;
    if (wide) return zoom(scale.fromX(from), scale.fromX(to));
    if (event.timeStamp - tapped < 350) { tapped = -Infinity; return reset(); }
    tapped = event.timeStamp; read(place(event)); mark();
  };
  svg.onpointercancel = () => { drag = null; mark(); };
  svg.onpointerleave = event => { if (event.pointerType === "mouse" && !drag) { cursor = null; mark(); } };
  svg.onkeydown = event => {
    const all = known(), here = all.indexOf(cursor), middle = cursor !== null && inside(cursor) ? cursor : (view[0] + view[1]) / 2;
    const about = factor => zoom(Math.max(full[0], middle - (middle - view[0]) * factor), Math.min(full[1], middle + (view[1] - middle) * factor));
    const move = by => { cursor = all[here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(here + by, 0), all.length - 1)] ?? null; mark(); };
    const keys = { ArrowRight: () => move(1), ArrowLeft: () => move(-1), "+": () => about(0.5), "=": () => about(0.5), "-": () => about(2), Escape: reset };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  };
  back.onclick = reset;
  new ResizeObserver(draw).observe(svg);
}

for (const note of document.querySelectorAll(".interactive")) note.hidden = false;
document.querySelectorAll(".viewer").forEach(viewer);
document.querySelectorAll(".charts > section").forEach(chart);
