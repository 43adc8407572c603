// One picture as large as the page has it, with all that is known of it; beside, over or instead of a pinned one.

const light = byId("light");
const lens = { zoom: 1, x: 0, y: 0 };
let cut = 50;                 // where the slider stands, in percent
let flipped = false;

function open(i) {
  view.open = i;
  if (!light.open) light.showModal();
  showLight();
}

function paint(i, side) {
  const cell = CELLS[i];
  if (!hasPicture(cell)) return el("div", { class: `pane ${side}` }, el("div", { class: `why ${kind(cell)}` }, el("b", {}, STATES[cell.s]), el("span", { dir: "auto" }, cell.r || "")));
  const [width, height] = DATA.sizes[cell.p];
  const img = el("img", { src: source(cell.p), alt: called(i), width, height, draggable: "false" });
  return el("div", { class: `pane ${side}` }, img);
}

// Parameters by name as JSON texts: the same everywhere, the axes', its own.
function paramsOf(cell) {
  const out = { ...DATA.same };
  AXES.forEach((axis, at) => { if (!axis.about) out[axis.name] = axis.json[cell.a[at]]; });
  for (const [name, text] of Object.entries(cell.q || {})) out[name] = TEXTS[text];
  return out;
}

// As `ImageParams(**…)` takes them: what was set, nothing else.
function asJson(cell) {
  const given = Object.entries(paramsOf(cell)).filter(([name]) => !DATA.unset.includes(name.split(".")[0]));
  const extra = given.filter(([name]) => name.startsWith("extra."));
  const lines = given.filter(([name]) => !name.startsWith("extra.")).map(([name, text]) => `  ${JSON.stringify(name)}: ${text}`);
  if (extra.length) lines.push(`  "extra": {${extra.map(([name, text]) => `${JSON.stringify(name.slice(6))}: ${text}`).join(", ")}}`);
  return `{\n${lines.join(",\n")}\n}`;
}

// As A1111, Civitai and other readers take them.
function asText(cell) {
  const [prompt, negative] = cell.t.map((text) => TEXTS[text]);
  return `${prompt}\n${negative ? `Negative prompt: ${negative}\n` : ""}${cell.i}`;
}

const plainly = (json) => { const value = JSON.parse(json); return typeof value === "string" ? value : json; };

function factsOf(i) {
  const cell = CELLS[i], params = paramsOf(cell), axes = new Set(AXES.map((axis) => axis.name));
  const facts = new Map(AXES.map((axis, at) => [axis.name, axis.labels[cell.a[at]]]));
  facts.set("trial", String(cell.n));
  if (!hasPicture(cell) || cell.s === "REUSED") facts.set("state", STATES[cell.s]);
  if (cell.r) facts.set("reason", cell.r);
  if (cell.f) facts.set("flags", cell.f.join("\n"));
  for (const name of DATA.columns) { const text = VALUES.get(name).text(cell); if (text !== "") facts.set(name, text + (name === "cost_usd" && DATA.simulated ? " if it were a GPU" : "")); }
  for (const [name, json] of Object.entries(params)) if (!axes.has(name) && json !== "null" && !facts.has(name)) facts.set(name, plainly(json));
  const [prompt, negative] = cell.t.map((text) => TEXTS[text]);
  if (prompt && prompt !== plainly(params.user_prompt || '""')) facts.set("prompt sent", prompt);
  if (negative && negative !== facts.get("negative_prompt")) facts.set("negative prompt sent", negative);
  if (cell.d) { const [width, height] = DATA.sizes[cell.p]; facts.set("size", `${cell.d.join(" × ")}${width === cell.d[0] ? "" : `, here ${width} × ${height}`}`); facts.delete("width"); facts.delete("height"); }
  facts.set("endpoint", cell.e === undefined ? DATA.endpoint : TEXTS[cell.e]);
  if (cell.k) facts.set("key", cell.k);
  return facts;
}

function factsTable(i, other) {
  const mine = factsOf(i), theirs = other === null ? null : factsOf(other);
  const axes = new Set(AXES.map((axis) => axis.name));
  const names = [...new Set([...(theirs ? theirs.keys() : []), ...mine.keys()])];
  const rows = names.map((name) => {
    const here = mine.get(name) ?? "", there = theirs?.get(name) ?? "";
    const differs = theirs && here !== there;
    const cells = !theirs || !differs ? [el("td", { colspan: theirs ? 2 : 1, dir: "auto" }, here)] : [el("td", { dir: "auto" }, there), el("td", { dir: "auto" }, here)];
    return el("tr", { class: [axes.has(name) ? "placed" : "", differs ? "differs" : ""].join(" ").trim() || null }, el("th", { scope: "row", dir: "auto" }, name), ...cells);
  });
  const head = theirs ? el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, "pinned"), el("th", { scope: "col" }, "this"))) : null;
  return el("table", { class: "about" }, head, el("tbody", {}, ...rows));
}

function showLight() {
  const i = view.open, cell = CELLS[i], pinned = view.pin !== null && view.pin !== i ? view.pin : null;
  const stage = el("div", { class: `stage ${pinned === null ? "one" : view.compare}${flipped ? " flipped" : ""}` });
  if (pinned !== null) stage.append(paint(pinned, "first"));
  stage.append(paint(i, "second"));
  const scroll = light.querySelector(".known")?.scrollTop || 0, holds = light.contains(document.activeElement) ? document.activeElement.dataset.hold : null;
  const hold = (name) => ({ "data-hold": name });
  const compares = Object.entries(COMPARE).map(([mode, words]) => button(words, `${words} (m for the next)`, () => { view.compare = mode; showLight(); }, { "aria-pressed": String(view.compare === mode), ...hold(mode) }));
  const slide = el("input", { type: "range", min: 0, max: 100, step: 0.5, value: cut, class: "cut", "aria-label": "where the pictures meet", input: () => { cut = Number(slide.value); aim(); }, ...hold("cut") });
  const label = (side, at) => el("p", { class: `label ${side}`, dir: "auto" }, `${side === "first" ? "pinned: " : ""}${brief(at)}`);
  if (pinned !== null) { stage.append(label("first", pinned), label("second", i)); if (view.compare === "slide") stage.append(el("span", { class: "edge" })); }
  const copied = (what, text) => async () => say((await copy(text)) ? `Copied: ${what}.` : "This browser lets no page copy.");
  light.replaceChildren(
    el("div", { class: "bar" }, el("h2", { dir: "auto" }, called(i)),
      el("span", { class: "knobs" },
        button("‹", "To the left (←)", () => turn(0, -1), { "aria-label": "to the left", ...hold("left") }), button("›", "To the right (→)", () => turn(0, 1), { "aria-label": "to the right", ...hold("right") }),
        button(view.pin === i ? "Unpin" : "Pin", "Keep it to compare others with it (p)", () => pin(i), hold("pin")),
        pinned === null ? null : el("span", { class: "modes", role: "group", "aria-label": "compare" }, ...compares),
        button("Copy parameters", "As other image tools read them (c)", copied("the parameters as text", asText(cell)), hold("text")),
        button("Copy JSON", "As ImageParams takes them (j)", copied("the parameters as JSON", asJson(cell)), hold("json"))),
      button("✕", "Close (Esc)", () => light.close(), { "aria-label": "close", ...hold("close") })),
    el("div", { class: "inside" }, el("div", { class: "holds" }, stage, pinned !== null && view.compare === "slide" ? slide : null,
      pinned !== null && view.compare === "flip" ? button("Hold to see the pinned one (space)", "Space does the same", () => {}, { class: "button flip", pointerdown: () => flip(true), pointerup: () => flip(false), pointerleave: () => flip(false), ...hold("flip") }) : null),
      el("div", { class: "known", tabindex: "0", "aria-label": "what is known of it" }, factsTable(i, pinned))));
  light.querySelector(".known").scrollTop = scroll;
  (holds ? [...light.querySelectorAll("[data-hold]")].find((one) => one.dataset.hold === holds) : null)?.focus();
  look(stage);
  aim();
  keepAddress();
}

function aim() {
  light.style.setProperty("--zoom", String(lens.zoom));
  light.style.setProperty("--x", `${lens.x}px`);
  light.style.setProperty("--y", `${lens.y}px`);
  light.style.setProperty("--cut", `${cut}%`);
  light.classList.toggle("zoomed", lens.zoom > 1);
}

function flip(on) {
  flipped = on;
  light.querySelector(".stage")?.classList.toggle("flipped", on);
}

// Wheel and drag: every picture on the stage moves alike.
function look(stage) {
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = (event.target.closest(".pane") || stage).getBoundingClientRect();
    const x = event.clientX - box.left - box.width / 2, y = event.clientY - box.top - box.height / 2;
    const zoom = Math.min(12, Math.max(1, lens.zoom * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016))));
    const by = zoom / lens.zoom;
    Object.assign(lens, zoom === 1 ? { zoom, x: 0, y: 0 } : { zoom, x: x - (x - lens.x) * by, y: y - (y - lens.y) * by });
    aim();
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    const from = { x: event.clientX - lens.x, y: event.clientY - lens.y };
    const sliding = stage.classList.contains("slide") && lens.zoom === 1;
    const move = (moved) => {
      if (sliding) { const box = stage.getBoundingClientRect(); cut = Math.min(100, Math.max(0, ((moved.clientX - box.left) / box.width) * 100)); light.querySelector(".cut").value = cut; }
      else if (lens.zoom > 1) Object.assign(lens, { x: moved.clientX - from.x, y: moved.clientY - from.y });
      aim();
    };
    if (sliding) move(event);
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", () => stage.removeEventListener("pointermove", move), { once: true });
  });
  stage.addEventListener("dblclick", () => { Object.assign(lens, { zoom: 1, x: 0, y: 0 }); aim(); });
}

// To the nearest cell in that direction, over places without one.
function neighbour(i, down, right) {
  if (view.mode !== "grid") {
    const at = layout.cells.indexOf(i), wide = view.mode === "gallery" ? perLine() : 1;
    return layout.cells[at + right + down * wide] ?? null;
  }
  let r = layout.table.findIndex((line) => line.includes(i));
  if (r < 0) return layout.cells[0] ?? null;
  let c = layout.table[r].indexOf(i);
  for (r += down, c += right; layout.table[r] && c >= 0 && c < layout.table[r].length; r += down, c += right) {
    if (layout.table[r][c] !== null) return layout.table[r][c];
  }
  return null;
}

function perLine() {
  const tops = layout.cells.slice(0, 400).map((i) => nodes.get(i).cell.offsetTop);
  return Math.max(1, tops.findIndex((top) => top !== tops[0]) < 0 ? tops.length : tops.findIndex((top) => top !== tops[0]));
}

function turn(down, right) {
  const next = neighbour(view.open, down, right);
  if (next === null) return;
  view.open = next;
  focusOn(next, false);
  showLight();
}

// The same place on another page.
function turnPage(by) {
  const before = CELLS[view.open];
  if (!step(by)) return;
  const alike = layout.cells.find((i) => CELLS[i].a.every((value, axis) => view.pages.includes(axis) || value === before.a[axis]));
  if (alike !== undefined) view.open = alike;
  showLight();
}

function pin(i) {
  const before = view.pin;
  view.pin = view.pin === i ? null : i;
  for (const one of [before, i]) if (one !== null && nodes.has(one)) dress(one);
  say(view.pin === null ? "Not pinned any more." : "Pinned: open another picture to compare.");
  if (light.open) showLight(); else keepAddress();
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    (light.open ? light : document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

let fading = null;

function say(text) {
  const said = byId("said");
  (light.open ? light : document.body).append(said);
  said.textContent = text;
  said.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => said.classList.remove("shown"), 2200);
}

function lightKey(event) {
  const { key } = event, within = event.target.closest("input, .known");
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (moves[key] && !(within && within.tagName === "INPUT") && !(within && key.match(/Up|Down/))) turn(...moves[key]);
  else if (key === "," || key === "PageUp") turnPage(-1);
  else if (key === "." || key === "PageDown") turnPage(1);
  else if (key === "p") pin(view.open);
  else if (key === "m" && view.pin !== null) { const modes = Object.keys(COMPARE); view.compare = modes[(modes.indexOf(view.compare) + 1) % modes.length]; showLight(); }
  else if (key === " " && view.pin !== null) flip(true);
  else if (key === "c") light.querySelector('[data-hold="text"]').click();
  else if (key === "j") light.querySelector('[data-hold="json"]').click();
  else if (key === "0") { Object.assign(lens, { zoom: 1, x: 0, y: 0 }); aim(); }
  else if (key === "?") showHelp();
  else return;
  event.preventDefault();
}
