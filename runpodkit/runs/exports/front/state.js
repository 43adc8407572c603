// What the page knows, and how it is looked at.  The view is kept in the address, so that a link opens it again.

const DATA = JSON.parse(document.getElementById("data").textContent);
const { axes: AXES, cells: CELLS, texts: TEXTS } = DATA;
const STATES = {
  PLANNED: "not drawn yet", WAITING: "not drawn yet", RESERVED: "being drawn", SUBMITTED: "being drawn", COLLECTED: "drawn",
  REUSED: "reused", FAILED: "failed", CANCELLED: "cancelled", EXPIRED: "expired",
};
const MODES = { grid: "Grid", gallery: "Gallery", table: "Table" };
const ONLY = { all: "all", drawn: "with a picture", flagged: "flagged", failed: "failed", missing: "not drawn" };
const LEAST_PX = 32, MOST_PX = 900;

const byId = (id) => document.getElementById(id);

// An element; properties that are functions are listeners, strings among the children are text and nothing else.
function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Values by name: what can be written under a cell, sorted by, filtered by and turned into colours.
const VALUES = new Map();
VALUES.set("trial", { of: (cell) => cell.n, text: (cell) => String(cell.n), write: String, numeric: true });
AXES.forEach((axis, i) => VALUES.set(axis.name, {
  axis: i, numeric: Boolean(axis.numbers), text: (cell) => axis.labels[cell.a[i]], write: (value) => axis.labels[axis.numbers.indexOf(value)],
  of: axis.numbers ? (cell) => axis.numbers[cell.a[i]] : (cell) => cell.a[i],
}));
DATA.columns.forEach((name, i) => {
  const of = (cell) => (cell.v ? cell.v[i] : null);
  const numbers = CELLS.map(of).filter((value) => typeof value === "number");
  const digits = decimals(numbers), write = (value) => amount(name, value, digits);
  VALUES.set(name, { of, numeric: numbers.length > 0, write, text: (cell) => write(of(cell)) });
});

// So many decimals that the largest shows three digits: numbers of one column look alike.
function decimals(numbers) {
  if (numbers.every(Number.isInteger)) return 0;
  const most = numbers.reduce((so, one) => Math.max(so, Math.abs(one)), 0);
  return Math.min(9, Math.max(most < 100 ? 2 : 1, 2 - Math.floor(Math.log10(most))));
}

// A number as people read it, with the unit that its name carries.
function amount(name, value, digits) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return value;
  const fixed = value.toFixed(digits);
  const plain = Math.abs(value) >= 1e9 && digits || (value && !Number(fixed)) ? value.toPrecision(3) : fixed;
  if (name.endsWith("_usd")) return value < 0 ? `-$${plain.slice(1)}` : `$${plain}`;
  return name.endsWith("_s") ? `${plain} s` : plain;
}

function fresh() {
  return {
    mode: DATA.view, rows: [...DATA.place.rows], cols: [...DATA.place.cols], pages: [...DATA.place.pages],
    at: AXES.map(() => 0), off: AXES.map(() => new Set()), under: DATA.under, heat: "", sort: "trial", down: false,
    only: "all", q: "", ranges: new Map(), px: 0, open: null, pin: null, compare: "beside",
  };
}

let view = fresh();

const named = (list) => list.map((i) => i).join(".");

function written() {
  const first = fresh(), out = new URLSearchParams();
  if (view.mode !== first.mode) out.set("view", view.mode);
  for (const role of ["rows", "cols", "pages"]) if (named(view[role]) !== named(first[role])) out.set(role, named(view[role]));
  const at = view.pages.filter((i) => view.at[i]).map((i) => `${i}-${view.at[i]}`);
  if (at.length) out.set("at", at.join("."));
  view.off.forEach((off, i) => { if (off.size) out.set(`off${i}`, [...off].sort((a, b) => a - b).join(".")); });
  for (const name of ["under", "heat", "sort", "only", "q", "compare"]) if (view[name] !== first[name]) out.set(name, view[name]);
  if (view.down) out.set("down", "1");
  for (const [name, [low, high]] of view.ranges) out.append("range", JSON.stringify([name, low, high]));
  if (view.px) out.set("px", String(view.px));
  for (const name of ["open", "pin"]) if (view[name] !== null) out.set(name, String(view[name]));
  return out.toString();
}

// The view that an address asks for; what it asks wrongly stays as it was at first.
function readAddress(hash) {
  const out = fresh(), given = new URLSearchParams(hash.replace(/^#/, ""));
  const whole = (text) => (/^\d{1,6}$/.test(text) ? Number(text) : -1);
  const list = (text, below) => [...new Set((text || "").split(".").map(whole))].filter((i) => i >= 0 && i < below);
  if (given.get("view") in MODES) out.mode = given.get("view");
  if (["rows", "cols", "pages"].some((role) => given.has(role))) {
    const taken = new Set();
    for (const role of ["rows", "cols", "pages"]) {
      const asked = given.has(role) ? list(given.get(role), AXES.length) : out[role];
      out[role] = asked.filter((i) => !taken.has(i));
      out[role].forEach((i) => taken.add(i));
    }
    out.cols.push(...[...AXES.keys()].filter((i) => !taken.has(i)));
  }
  for (const pair of (given.get("at") || "").split(".")) {
    const [i, value] = pair.split("-").map(whole);
    if (i >= 0 && i < AXES.length && value >= 0 && value < AXES[i].labels.length) out.at[i] = value;
  }
  AXES.forEach((axis, i) => { out.off[i] = new Set(list(given.get(`off${i}`), axis.labels.length)); });
  if (VALUES.has(given.get("under")) || given.get("under") === "*" || given.get("under") === "") out.under = given.get("under");
  for (const name of ["heat", "sort"]) if (VALUES.has(given.get(name))) out[name] = given.get(name);
  if (out.heat && !VALUES.get(out.heat).numeric) out.heat = "";
  if (given.get("only") in ONLY) out.only = given.get("only");
  out.q = given.get("q") || "";
  out.down = given.has("down");
  for (const text of given.getAll("range")) {
    try {
      const [name, low, high] = JSON.parse(text);
      const ends = [low, high].map((end) => (typeof end === "number" ? end : null));
      if (VALUES.has(name) && VALUES.get(name).numeric) out.ranges.set(name, ends);
    } catch { /* not a range */ }
  }
  const px = whole(given.get("px") || "");
  if (px >= LEAST_PX && px <= MOST_PX) out.px = px;
  for (const name of ["open", "pin"]) { const i = whole(given.get(name) || ""); if (i >= 0 && i < CELLS.length) out[name] = i; }
  if (given.get("compare") in COMPARE) out.compare = given.get("compare");
  return out;
}

const COMPARE = { beside: "Side by side", slide: "Slider", flip: "Flip" };
let lastWritten = null;

function keepAddress() {
  const text = written();
  if (text === lastWritten) return;
  lastWritten = text;
  try {
    history.replaceState(null, "", `#${text}`);
  } catch {
    try { location.replace(`#${text}`); } catch { /* a frame that may not: the view lives here alone */ }
  }
}
