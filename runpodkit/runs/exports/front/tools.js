// The bars above the cells: where axes stand and which of their values, what is written, filtered and sorted, how large.

const tools = byId("tools"), steps = byId("steps"), legend = byId("legend");
const ROLES = { rows: "rows", cols: "columns", pages: "one at a time" };
const synced = [];            // each brings one control in line with the view
let timer = null;
let stepped = null;           // the axis that the keys step

function change(how) {
  how();
  draw();
}

function select(label, options, get, set, more = {}) {
  const box = el("select", { "aria-label": label, ...more, change: () => change(() => set(box.value)) },
    ...Object.entries(options).map(([value, words]) => el("option", { value }, words)));
  synced.push(() => { box.value = get(); });
  return el("label", { class: "pick" }, el("span", {}, label), box);
}

function menu(summary, label, ...inside) {
  const panel = el("div", { class: "panel" }, ...inside);
  // it opens to the right, and moves to the left as far as the window asks
  const opened = () => { panel.style.left = "0"; panel.style.left = `${Math.min(0, innerWidth - 12 - panel.getBoundingClientRect().right)}px`; };
  return el("details", { class: "menu", toggle: opened }, el("summary", { "aria-label": label }, summary), panel);
}

function button(words, title, click, more = {}) {
  return el("button", { type: "button", class: "button", title, click, ...more }, words);
}

const roleOf = (axis) => Object.keys(ROLES).find((role) => view[role].includes(axis));

function place(axis, role) {
  for (const one of Object.keys(ROLES)) view[one] = view[one].filter((other) => other !== axis);
  view[role].push(axis);
  if (role === "pages") stepped = axis;
}

function axisChip(axis) {
  const { name, labels } = AXES[axis];
  const role = el("select", { class: "role", "aria-label": `where ${name} goes`, change: () => change(() => place(axis, role.value)) },
    ...Object.entries(ROLES).map(([value, words]) => el("option", { value }, words)));
  const boxes = labels.map((label, value) => {
    const box = el("input", { type: "checkbox", change: () => change(() => { view.off[axis][box.checked ? "delete" : "add"](value); }) });
    return [box, el("label", { class: "value" }, box, el("span", { dir: "auto" }, label),
      button("only", `only ${label}`, (event) => { event.preventDefault(); change(() => { view.off[axis] = new Set(labels.keys()); view.off[axis].delete(value); }); }))];
  });
  const count = el("span");
  const chosen = menu(count, `values of ${name}`,
    el("div", { class: "knobs" }, button("All", "every value", () => change(() => view.off[axis].clear())),
      button("Turn", "those that are off now", () => change(() => { view.off[axis] = new Set(leftOf(axis)); }))),
    el("div", { class: "values" }, ...boxes.map(([, line]) => line)));
  const chip = el("div", { class: "chip", role: "group", "aria-label": name }, el("b", { dir: "auto" }, name), role, chosen);
  synced.push(() => {
    role.value = roleOf(axis);
    role.hidden = view.mode !== "grid";
    boxes.forEach(([box], value) => { box.checked = !view.off[axis].has(value); });
    const left = labels.length - view.off[axis].size;
    count.textContent = left === labels.length ? `${labels.length}` : `${left} of ${labels.length}`;
    chip.classList.toggle("some", left < labels.length);
  });
  return chip;
}

function rangeFields() {
  const numeric = [...VALUES].filter(([name, value]) => value.numeric && name !== "trial");
  const all = [...CELLS.keys()];
  return numeric.map(([name]) => {
    const ends = extent(name, all) || [0, 0];
    const fields = ["from", "to"].map((end, k) => {
      const field = el("input", { type: "number", step: "any", placeholder: String(Number(ends[k].toPrecision(5))), "aria-label": `${name} ${end}`, change: () => change(() => {
        const range = view.ranges.get(name) || [null, null];
        range[k] = field.value === "" || !Number.isFinite(Number(field.value)) ? null : Number(field.value);
        if (range[0] === null && range[1] === null) view.ranges.delete(name); else view.ranges.set(name, range);
      }) });
      synced.push(() => { if (document.activeElement !== field) field.value = view.ranges.get(name)?.[k] ?? ""; });
      return field;
    });
    return el("div", { class: "range" }, el("span", { dir: "auto" }, name), fields[0], "to", fields[1]);
  });
}

function clearFilters() {
  change(() => { const first = fresh(); for (const name of ["off", "only", "q", "ranges"]) view[name] = first[name]; });
}

function setPx(px) {
  view.px = px === 0 ? 0 : Math.round(Math.min(MOST_PX, Math.max(LEAST_PX, px)));
  size();
  syncTools();
  keepAddress();
}

function buildTools() {
  const values = Object.fromEntries([...VALUES.keys()].map((name) => [name, name]));
  const numeric = Object.fromEntries([...VALUES].filter(([, value]) => value.numeric).map(([name]) => [name, name]));
  const modes = Object.entries(MODES).map(([mode, words], place) => {
    const made = button(words, `${words} (${place + 1})`, () => change(() => { view.mode = mode; }));
    synced.push(() => made.setAttribute("aria-pressed", String(view.mode === mode)));
    return made;
  });
  const swap = button("⇄", "Rows become columns and columns rows (x)", transpose, { "aria-label": "swap rows and columns" });
  synced.push(() => { swap.hidden = view.mode !== "grid" || !(view.rows.length || view.cols.length); });
  const down = button("", "Turn the order round", () => change(() => { view.down = !view.down; }));
  synced.push(() => { down.textContent = view.down ? "↓" : "↑"; down.setAttribute("aria-label", view.down ? "descending" : "ascending"); });
  const q = el("input", { type: "search", id: "q", placeholder: "Search (/)", "aria-label": "search in prompts, values, reasons and flags", input: () => change(() => { view.q = q.value; }) });
  synced.push(() => { if (document.activeElement !== q) q.value = view.q; });
  const ranged = el("span", {}, "Ranges");
  synced.push(() => { ranged.textContent = view.ranges.size ? `Ranges (${view.ranges.size})` : "Ranges"; });
  const counts = { all: CELLS.length, drawn: 0, flagged: 0, failed: 0, missing: 0 };
  for (const cell of CELLS) { counts[kind(cell)] += 1; if (cell.f) counts.flagged += 1; }
  const only = Object.fromEntries(Object.entries(ONLY).filter(([name]) => name === "all" || counts[name] < CELLS.length && counts[name]).map(([name, words]) => [name, `${words} (${counts[name]})`]));
  const px = el("input", { type: "range", min: LEAST_PX, max: MOST_PX, "aria-label": "size of a cell in pixels", title: "Size (+ and −)", input: () => setPx(Number(px.value)) });
  synced.push(() => { px.value = view.shownPx; });
  const fit = button("Fit", "All columns in sight (0)", () => setPx(0));
  synced.push(() => fit.setAttribute("aria-pressed", String(!view.px)));
  const clear = button("Clear filters", "Show every cell again", clearFilters, { class: "button clear" });
  synced.push(() => { clear.hidden = !(view.q || view.only !== "all" || view.ranges.size || view.off.some((off) => off.size)); });
  tools.append(
    el("div", { class: "line" }, el("div", { class: "modes", role: "group", "aria-label": "arrangement" }, ...modes), ...AXES.map((_, axis) => axisChip(axis)), swap,
      el("span", { class: "knobs view" }, el("label", { class: "pick zoom" }, el("span", {}, "Size"), px), fit,
        button("Reset", "The page as it was opened first", () => change(() => { view = fresh(); })),
        button("?", "Keys (?)", showHelp, { "aria-label": "keys" }))),
    el("div", { class: "line" },
      select("Under", { "": "nothing", "*": "axis values", ...values }, () => view.under, (name) => { view.under = name; }),
      select("Colour", { "": "none", ...numeric }, () => view.heat, (name) => { view.heat = name; }),
      el("span", { class: "joined" }, select("Sort", { trial: "as planned", ...Object.fromEntries(Object.entries(values).filter(([name]) => name !== "trial")) }, () => view.sort, (name) => { view.sort = name; }), down),
      el("span", { class: "divider" }),
      Object.keys(only).length > 1 ? select("Show", only, () => view.only, (name) => { view.only = name; }) : null,
      q, Object.keys(numeric).length > 1 ? menu(ranged, "filter by ranges of values", el("div", { class: "ranges" }, ...rangeFields())) : null, clear));
}

function transpose() {
  change(() => { [view.rows, view.cols] = [view.cols, view.rows]; });
}

// A line per axis that shows one value at a time.
function drawSteps() {
  const shown = view.mode === "grid" ? view.pages : [];
  if (!shown.includes(stepped)) { stepped = shown.at(-1) ?? null; play(false); }
  steps.hidden = !shown.length;
  const holds = steps.querySelector(":focus")?.dataset.hold;
  steps.replaceChildren(...shown.map((axis) => {
    const left = leftOf(axis), at = Math.max(0, left.indexOf(view.at[axis])), { name, labels } = AXES[axis];
    const slide = el("input", { type: "range", min: 0, max: Math.max(0, left.length - 1), value: at, "aria-label": name, "data-hold": `${axis} slide`,
      "aria-valuetext": labels[view.at[axis]], input: () => change(() => { stepped = axis; view.at[axis] = left[Number(slide.value)]; }) });
    const go = (words, by, told) => button(words, told, () => step(by, axis), { "aria-label": told, "data-hold": `${axis} ${by}` });
    const playing = timer !== null && stepped === axis;
    return el("div", { class: `step${stepped === axis ? " active" : ""}`, role: "group", "aria-label": name },
      el("b", {}, name), go("‹", -1, `previous ${name} (,)`), slide, go("›", 1, `next ${name} (.)`),
      button(playing ? "❚❚" : "▶", playing ? "Stop (a)" : "One after the other (a)", () => { stepped = axis; play(!playing); drawSteps(); }, { "aria-label": playing ? "stop" : "play", "data-hold": `${axis} play` }),
      el("span", { class: "now", dir: "auto" }, labels[view.at[axis]]), el("small", {}, `${at + 1} of ${left.length}`));
  }));
  if (holds) [...steps.querySelectorAll("[data-hold]")].find((one) => one.dataset.hold === holds)?.focus();
}

function step(by, axis = stepped) {
  if (axis === null || !view.pages.includes(axis)) return false;
  const left = leftOf(axis);
  if (left.length < 2) return false;
  stepped = axis;
  view.at[axis] = left[(left.indexOf(view.at[axis]) + by + left.length) % left.length];
  draw();
  return true;
}

function play(on) {
  clearInterval(timer);
  timer = on && stepped !== null ? setInterval(() => { if (!step(1)) play(false); }, 1000) : null;
}

function drawLegend() {
  legend.hidden = !heat;
  if (!heat) return legend.replaceChildren();
  const ends = heat.map(VALUES.get(view.heat).write);
  const bar = el("span", { class: "bar", "aria-hidden": "true" });
  bar.style.background = `linear-gradient(90deg, ${SCALE.map((rgb) => `rgb(${rgb.join()})`).join()})`;
  const without = layout.passing.filter((i) => typeof VALUES.get(view.heat).of(CELLS[i]) !== "number").length;
  legend.replaceChildren(el("b", { dir: "auto" }, view.heat), el("span", {}, ends[0]), bar, el("span", {}, ends[1]), el("small", {}, without ? `${without} without a value` : ""));
}

function syncTools() {
  synced.forEach((bring) => bring());
  drawSteps();
  drawLegend();
  const shown = layout.cells.length, all = CELLS.length;
  const told = shown === all ? "" : `${shown} of ${all} cells shown`;
  byId("shown").textContent = told;
  tools.setAttribute("data-shown", String(shown));
}

// What there is in all, beside the title.
function buildCounts() {
  const trials = new Map(CELLS.map((cell) => [cell.n, cell]));
  const count = (test) => CELLS.filter(test).length;
  const cost = DATA.columns.includes("cost_usd") ? [...trials.values()].reduce((sum, cell) => sum + (VALUES.get("cost_usd").of(cell) || 0), 0) : 0;
  const drawn = count(hasPicture), bad = count(failed), gone = CELLS.length - drawn - bad;
  const words = [`${drawn} picture${drawn === 1 ? "" : "s"}`, bad ? `${bad} failed` : "", gone ? `${gone} not drawn` : "",
    count((cell) => cell.s === "REUSED") ? `${count((cell) => cell.s === "REUSED")} reused` : "", count((cell) => cell.f) ? `${count((cell) => cell.f)} flagged` : "",
    cost ? `${amount("_usd", cost, decimals([cost]))}${DATA.simulated ? " if it were a GPU" : ""}` : ""];
  byId("counts").append(words.filter(Boolean).join(" · "), el("span", { id: "shown" }));
}
