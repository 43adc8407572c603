// Cells, and their three arrangements: a grid under its axes, a gallery that wraps, a table.

const main = byId("main");
const nodes = new Map();      // cell → its element, made once: a picture that was decoded stays so
const waiting = new Set();    // cells in sight whose picture has not been read from the file yet
let layout = arrange();
let focused = null;
let heat = null;

// What tells a cell apart, in words.
const called = (i) => AXES.map((axis, at) => `${axis.name} ${axis.labels[CELLS[i].a[at]]}`).join(", ") || `trial ${CELLS[i].n}`;
const brief = (i) => AXES.map((axis, at) => axis.labels[CELLS[i].a[at]]).join(" · ") || `trial ${CELLS[i].n}`;

function source(p) {
  const block = byId(`p${p}`);
  return block && block.nextSibling ? `data:${DATA.mime};base64,${block.textContent}` : "";
}

function load(i) {
  const img = nodes.get(i)?.img;
  if (!img || img.hasAttribute("src")) return;
  const data = source(CELLS[i].p);
  if (data) { img.src = data; waiting.delete(i); } else waiting.add(i);
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    load(Number(entry.target.dataset.i));
    seen.unobserve(entry.target);
  }
}, { root: main, rootMargin: "800px" });

function node(i) {
  if (nodes.has(i)) return nodes.get(i);
  const cell = CELLS[i], made = { img: null };
  const pic = el("span", { class: "pic" });
  if (hasPicture(cell)) {
    const [width, height] = DATA.sizes[cell.p];
    made.img = el("img", { alt: "", decoding: "async", width, height });
    pic.append(made.img);
  } else {
    pic.classList.add(kind(cell));
    pic.append(el("b", {}, STATES[cell.s] === "drawn" || STATES[cell.s] === "reused" ? "no picture" : STATES[cell.s]));
    if (cell.r) pic.append(el("span", { dir: "auto" }, cell.r));
  }
  if (cell.f) pic.append(el("i", { class: "flag", title: cell.f.join("\n"), "aria-hidden": "true" }, "!"));
  made.caption = el("span", { class: "cap", dir: "auto" });
  made.cell = el("button", { class: "cell", type: "button", tabindex: "-1", "data-i": i }, pic, made.caption);
  nodes.set(i, made);
  if (made.img) seen.observe(made.cell);
  return made;
}

function underText(i) {
  const name = view.under || view.heat;
  if (view.under === "*" || (view.mode === "gallery" && !name)) return brief(i);
  if (!name) return "";
  const text = VALUES.get(name).text(CELLS[i]);
  return view.mode === "gallery" && VALUES.get(name).axis === undefined ? `${brief(i)}\n${text}` : text;
}

// What the view says of a cell: caption, colour, pin, and its name for those who hear the page.
function dress(i) {
  const made = node(i), cell = CELLS[i], text = underText(i);
  if (made.caption.textContent !== text) made.caption.textContent = text;
  const value = heat ? VALUES.get(view.heat).of(cell) : null;
  const hot = typeof value === "number";
  if (hot) {
    const [paper, ink] = colour(heat[1] > heat[0] ? (value - heat[0]) / (heat[1] - heat[0]) : 0.5);
    made.cell.style.setProperty("--heat", paper);
    made.cell.style.setProperty("--heat-ink", ink);
  }
  made.cell.classList.toggle("hot", hot);
  made.cell.classList.toggle("pinned", view.pin === i);
  const told = [called(i), kind(cell) === "drawn" ? "" : STATES[cell.s], text, ...(cell.f || [])].filter(Boolean).join("; ");
  made.cell.setAttribute("aria-label", told);
  made.cell.title = kind(cell) === "drawn" ? "" : cell.r || "";
  return made.cell;
}

function draw() {
  settlePages();
  const had = main.contains(document.activeElement) ? focused : null;
  layout = arrange();
  heat = view.heat ? extent(view.heat, layout.passing) : null;
  main.className = view.mode;
  if (!layout.passing.length) main.replaceChildren(el("p", { class: "empty" }, "No cell passes the filters. ", el("button", { class: "button", click: clearFilters }, "Clear filters")));
  else if (view.mode === "grid") main.replaceChildren(grid());
  else if (view.mode === "gallery") main.replaceChildren(el("div", { class: "flow" }, ...layout.cells.map(dress)));
  else main.replaceChildren(table());
  main.append(footer());
  size();
  const first = layout.cells.includes(had) ? had : layout.cells.includes(focused) ? focused : layout.cells[0];
  focusOn(first ?? null, had !== null);
  syncTools();
  keepAddress();
}

// One cell can be reached by Tab; the arrows lead to the others.
function focusOn(i, really = true) {
  if (focused !== null && nodes.has(focused)) nodes.get(focused).cell.tabIndex = -1;
  focused = i;
  if (i === null || !nodes.has(i)) return;
  nodes.get(i).cell.tabIndex = 0;
  if (really) nodes.get(i).cell.focus({ preventScroll: false });
}

function grid() {
  const { rows, cols, table: places } = layout;
  const levels = Math.max(1, view.cols.length), sides = view.rows.length;
  const head = el("thead");
  for (let level = 0; level < levels; level += 1) {
    const line = el("tr"), axis = view.cols[level], last = level === levels - 1;
    const name = axis === undefined ? "" : AXES[axis].name;
    for (let side = 0; side < sides; side += 1) {
      const words = last ? [el("span", { class: "axis" }, AXES[view.rows[side]].name)] : [];
      if (side === sides - 1 && name) words.push(el("span", { class: "axis across" }, name));
      line.append(el("td", { class: "corner", "data-side": side }, el("div", {}, ...words)));
    }
    if (axis !== undefined) groups(cols, level, (from, to) => {
      const label = AXES[axis].labels[cols[from][level]];
      line.append(el("th", { scope: to - from > 1 ? "colgroup" : "col", colspan: to - from, class: last ? "col" : "col outer" },
        el("div", { dir: "auto" }, el("span", { title: `${AXES[axis].name} ${label}` }, label))));
    });
    if (axis !== undefined || sides) head.append(line);
  }
  if (!sides && view.cols.length) head.prepend(el("tr", {}, el("td", { class: "above", colspan: cols.length }, el("span", { class: "axis" }, view.cols.map((axis) => AXES[axis].name).join(" / ")))));
  const body = el("tbody"), lines = rows.map(() => el("tr"));
  for (let side = 0; side < sides; side += 1) groups(rows, side, (from, to) => {
    const axis = view.rows[side], label = AXES[axis].labels[rows[from][side]];
    lines[from].append(el("th", { scope: to - from > 1 ? "rowgroup" : "row", rowspan: to - from, class: side < sides - 1 ? "row outer" : "row", "data-side": side },
      el("div", { dir: "auto" }, el("span", { title: `${AXES[axis].name} ${label}` }, label))));
  });
  const starts = breaks(cols);
  rows.forEach((_, r) => {
    places[r].forEach((i, c) => {
      const inside = i === null ? el("span", { class: "none", title: "no cell here" }) : dress(i);
      lines[r].append(el("td", { class: starts.has(c) ? "starts" : null }, inside));
    });
    if (r && rows[r].length > 1 && rows[r][0] !== rows[r - 1][0]) lines[r].className = "starts";
  });
  body.append(...lines);
  return el("table", { class: "places" }, head, body);
}

// Neighbours under one label: equal at this level and all outer ones.
function groups(list, level, told) {
  for (let from = 0; from < list.length;) {
    let to = from + 1;
    while (to < list.length && list[to].slice(0, level + 1).join() === list[from].slice(0, level + 1).join()) to += 1;
    told(from, to);
    from = to;
  }
}

// Columns at which an outer label changes.
function breaks(cols) {
  return new Set([...cols.keys()].filter((c) => c && cols[c].length > 1 && cols[c][0] !== cols[c - 1][0]));
}

function table() {
  const names = [...VALUES.keys()];
  const heading = (name) => el("th", { scope: "col", "aria-sort": view.sort === name ? (view.down ? "descending" : "ascending") : null },
    el("button", { type: "button", class: "sorts", click: () => { view.down = view.sort === name && !view.down; view.sort = name; draw(); } },
      name, el("span", { "aria-hidden": "true" }, view.sort === name ? (view.down ? " ↓" : " ↑") : "")));
  const rows = layout.cells.map((i) => {
    const cell = CELLS[i], remarks = [kind(cell) === "drawn" ? "" : STATES[cell.s], cell.r, ...(cell.f || [])].filter(Boolean).join("; ");
    return el("tr", {}, el("td", {}, dress(i)),
      ...names.map((name) => el("td", { class: VALUES.get(name).numeric ? "number" : null, dir: "auto" }, el("div", {}, VALUES.get(name).text(cell)))),
      el("td", { dir: "auto" }, el("div", {}, remarks)));
  });
  return el("table", { class: "facts" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, el("span", { class: "unseen" }, "picture")), ...names.map(heading), el("th", { scope: "col" }, "remarks"))),
    el("tbody", {}, ...rows));
}

// Width and height of a cell: what was chosen, or what lets the columns fit into the window.
function size() {
  const sizes = CELLS.filter(hasPicture).map((cell) => DATA.sizes[cell.p]);
  const ratio = Math.min(2.4, Math.max(0.42, ...new Set(sizes.map(([width, height]) => Math.round((height / width) * 1000) / 1000))));
  const widest = Math.max(160, ...sizes.map(([width]) => width));
  // all that is measured is read before anything is set: each change of heart costs a layout of every cell
  const sides = view.mode === "grid" ? [...main.querySelectorAll("thead tr:last-child .corner")].map((corner) => corner.offsetWidth) : [];
  const head = view.px || view.mode !== "grid" ? 0 : main.querySelector("thead")?.offsetHeight || 0;
  let px = view.px;
  if (!px && view.mode === "grid" && layout.cols) {
    const beside = sides.reduce((sum, width) => sum + width, 0);
    const room = (main.clientWidth - beside - 28) / Math.max(1, layout.cols.length) - 9;
    const tall = (main.clientHeight - head - 40) * (layout.rows.length > 1 ? 0.78 : 0.92);
    px = Math.max(72, Math.min(room, tall / ratio, widest, 480));
  } else if (!px) px = view.mode === "table" ? 48 : Math.min(220, widest);
  px = Math.floor(px);
  main.style.setProperty("--w", `${px}px`);
  main.style.setProperty("--h", `${Math.round(px * ratio)}px`);
  main.style.setProperty("--lines", String(Math.max(1, Math.floor((px * ratio - 34) / (px < 90 ? 12.4 : 14.4)))));
  main.classList.toggle("tiny", px < 90);
  sides.forEach((_, side) => main.style.setProperty(`--left${side}`, `${sides.slice(0, side).reduce((sum, width) => sum + width, 0)}px`));
  main.style.setProperty("--left", `${sides.reduce((sum, width) => sum + width, 0)}px`);
  view.shownPx = px;
}

function footer() {
  const shown = DATA.sizes.filter(Boolean);
  if (!shown.length) return el("footer", {}, "No picture is in this page.");
  const range = (list) => { const most = list.reduce((a, b) => (a[0] * a[1] >= b[0] * b[1] ? a : b)); return `${most[0]} × ${most[1]}`; };
  const originals = CELLS.filter(hasPicture).map((cell) => cell.d);
  const reduced = range(shown) === range(originals) ? "in their own size" : `of at most ${range(shown)} pixels; the originals, up to ${range(originals)}, are in the run's store`;
  const once = CELLS.filter(hasPicture).length;
  const equal = once > shown.length ? `; ${once - shown.length} of ${once} are equal to another and stored once` : "";
  return el("footer", {}, `Pictures are WebP ${reduced}${equal}. ${DATA.simulated ? "Drawn by a simulator, not by a model. " : ""}Run ${DATA.name} on ${DATA.endpoint}.`);
}
