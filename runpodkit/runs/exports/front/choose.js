// Which cells are shown, in which order, and where they stand.  Reads the view, touches no element.

const collator = new Intl.Collator(undefined, { numeric: true });
const searched = new Map();

const hasPicture = (cell) => cell.p !== undefined;
const failed = (cell) => !hasPicture(cell) && (["FAILED", "EXPIRED", "CANCELLED"].includes(cell.s) || cell.r !== undefined);

function kind(cell) {
  return hasPicture(cell) ? "drawn" : failed(cell) ? "failed" : "missing";
}

// All that was written about a cell, in small letters.
function words(i) {
  if (!searched.has(i)) {
    const cell = CELLS[i];
    const told = [
      ...AXES.map((axis, at) => `${axis.name} ${axis.labels[cell.a[at]]}`), ...cell.t.map((text) => TEXTS[text]), `trial ${cell.n}`,
      cell.i, STATES[cell.s], cell.r || "", ...(cell.f || []), ...DATA.columns.map((name) => VALUES.get(name).text(cell)), cell.k,
    ];
    searched.set(i, told.join("\n").toLowerCase());
  }
  return searched.get(i);
}

// Whether the filters let a cell through; the pages' place is another matter.
function passes(i) {
  const cell = CELLS[i];
  if (cell.a.some((value, axis) => view.off[axis].has(value))) return false;
  if (view.only === "flagged" ? !cell.f : view.only !== "all" && kind(cell) !== view.only) return false;
  for (const [name, [low, high]] of view.ranges) {
    const value = VALUES.get(name).of(cell);
    if (typeof value !== "number" || (low !== null && value < low) || (high !== null && value > high)) return false;
  }
  const asked = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  return !asked.length || asked.every((word) => words(i).includes(word));
}

const onPage = (i) => view.pages.every((axis) => CELLS[i].a[axis] === view.at[axis]);

function compare(a, b) {
  const none = (value) => value === null || value === undefined;
  if (none(a) || none(b)) return none(a) - none(b);
  const way = view.down ? -1 : 1;
  if (typeof a === "number" && typeof b === "number") return way * (a - b);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return way * collator.compare(a, b);
}

// The order of an axis' values: the sweep's, or by the mean of the value that is sorted by.
function ranks(axis, cells) {
  const order = AXES[axis].labels.map((_, value) => value);
  const by = VALUES.get(view.sort);
  if (view.sort === "trial" || by.axis !== undefined) {
    const turned = view.down && (view.sort === "trial" || by.axis === axis);
    return turned ? order.map((value) => order.length - 1 - value) : order;
  }
  const sums = order.map(() => [0, 0]);
  for (const i of cells) {
    const value = by.of(CELLS[i]);
    if (typeof value === "number") { const sum = sums[CELLS[i].a[axis]]; sum[0] += value; sum[1] += 1; }
  }
  const means = sums.map(([sum, count]) => (count ? sum / count : null));
  const ranked = [...order].sort((a, b) => compare(means[a], means[b]) || a - b);
  const rank = [];
  ranked.forEach((value, place) => { rank[value] = place; });
  return rank;
}

// What is shown: `passing` cells in order, and for a grid its rows, columns and the cell at each place.
function arrange() {
  const passing = [...CELLS.keys()].filter(passes);
  if (view.mode !== "grid") {
    const by = VALUES.get(view.sort);
    const cells = [...passing].sort((a, b) => compare(by.of(CELLS[a]), by.of(CELLS[b])) || a - b);
    return { passing, cells };
  }
  const edge = (axes) => {
    const rank = axes.map((axis) => ranks(axis, passing)), found = new Map();
    for (const i of passing) found.set(placeOf(i, axes), axes.map((axis) => CELLS[i].a[axis]));
    const order = (one, other) => {
      for (let k = 0; k < axes.length; k += 1) {
        const by = rank[k][one[k]] - rank[k][other[k]];
        if (by) return by;
      }
      return 0;
    };
    return [...found.values()].sort(order);
  };
  const rows = edge(view.rows), cols = edge(view.cols);
  const at = new Map(passing.filter(onPage).map((i) => [`${placeOf(i, view.rows)}|${placeOf(i, view.cols)}`, i]));
  const table = rows.map((row) => cols.map((col) => at.get(`${row.join()}|${col.join()}`) ?? null));
  return { passing, rows, cols, table, cells: table.flat().filter((i) => i !== null) };
}

const placeOf = (i, axes) => axes.map((axis) => CELLS[i].a[axis]).join();

// The values of an axis that the filters leave.
const leftOf = (axis) => AXES[axis].labels.map((_, value) => value).filter((value) => !view.off[axis].has(value));

// A page that shows a value which is filtered away goes to one that is not.
function settlePages() {
  for (const axis of view.pages) {
    const left = leftOf(axis);
    if (left.length && !left.includes(view.at[axis])) view.at[axis] = left.find((value) => value > view.at[axis]) ?? left[0];
  }
}

// Lowest and highest of a value among the cells that pass.
function extent(name, cells) {
  const value = VALUES.get(name);
  let low = Infinity, high = -Infinity;
  for (const i of cells) {
    const one = value.of(CELLS[i]);
    if (typeof one === "number") { low = Math.min(low, one); high = Math.max(high, one); }
  }
  return low <= high ? [low, high] : null;
}

// From dark violet to yellow, equally far apart for the eye and in grey; gives colour and ink.
const SCALE = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

function colour(share) {
  const along = Math.min(1, Math.max(0, share)) * (SCALE.length - 1), from = Math.min(SCALE.length - 2, Math.floor(along));
  const rgb = SCALE[from].map((low, k) => Math.round(low + (SCALE[from + 1][k] - low) * (along - from)));
  return [`rgb(${rgb.join()})`, rgb[0] * 0.3 + rgb[1] * 0.59 + rgb[2] * 0.11 > 125 ? "#16161a" : "#fff"];
}
