// A run as it goes: bar, buttons, and a grid of cells that carry pictures only where they are in sight.

const AT_ONCE = 24;          // thumbnails asked for in one message
const KEPT = 600;            // thumbnails kept in the page, over all cells of a view
const WIDE = 24;             // values that an axis across has at most, if the other has fewer
const CELLS = 1200;          // cells on one page of a grid
const STATES = { P: "planned", W: "waiting", F: "in flight", C: "collected", U: "reused", X: "failed", E: "expired", A: "cancelled" };
const DONE = "CU", BAD = "XEA";
const SIZES = { small: 84, medium: 148, large: 256 };

class RunView {
  constructor(hub, key, place) {
    Object.assign(this, { hub, key, place, closed: true });
    this.cells = new Map();          // trial -> what is known of it
    this.thumbs = new Map();         // trial -> object URL, least recently used first
    this.wanted = new Set();
    this.flying = 0;
    this.chosen = new Set();
    this.page = {};
    this.under = "";
    this.root = el("div", { class: "rk-root rk-run" });
    this.sight = new IntersectionObserver((seen) => this.seen(seen), { rootMargin: "240px" });
  }

  open() {
    this.closed = false;
    this.hub.say({ kind: "open", key: this.key });
  }

  // Out of the page, maybe for good; other views of the run may still need its news.
  away(gone, others) {
    this.closed = true;
    if (!others) this.hub.say({ kind: "close", key: this.key, gone });
    if (gone) for (const url of this.thumbs.values()) URL.revokeObjectURL(url);
    if (gone) this.thumbs.clear();
  }

  // A box that leaves the page forgets where it was.
  rescroll() {
    if (this.where) [this.box.scrollLeft, this.box.scrollTop] = this.where;
  }

  // what the kernel says

  receive(message, buffers) {
    if (message.kind === "run") this.start(message);
    else if (message.kind === "news") this.news(message);
    else if (message.kind === "thumbs") this.arrived(message, buffers);
    else if (message.kind === "picture") this.gallery?.arrived(message, buffers);
    else if (message.kind === "preferred") this.gallery?.preferred(message);
    else if (message.kind === "said") this.toast(message.text);
    else if (message.kind === "trouble") this.trouble(message.text);
  }

  start(message) {
    this.head = message.head;
    this.numbers = undefined;
    this.cells = new Map(message.cells);
    this.status = message.status;
    const axes = this.head.axes;
    const many = axes.map((axis, at) => at).filter((at) => axes[at].labels.length > 1);
    if (this.rows === undefined) {
      this.flow = this.head.mode === "zip" || axes.length < 2 || many.length < 2;
      this.rows = this.flow ? null : 0;
      this.cols = this.flow ? null : 1;
      // a long axis runs down: scrolling sideways is tiresome
      if (!this.flow && axes[1].labels.length > WIDE && axes[0].labels.length <= WIDE) [this.rows, this.cols] = [1, 0];
    }
    this.flying = 0;
    this.size ??= this.fitting();
    this.trouble("");
    this.draw();
    if (this.root.parentNode !== this.place) this.place.replaceChildren(this.root);
  }

  // The largest size at which the grid is in sight as a whole.
  fitting() {
    const { axes, aspect } = this.head, wide = Math.max(400, this.place.clientWidth);
    const rows = this.rows === null ? 1 : axes[this.rows].labels.length, cols = this.cols === null ? 1 : axes[this.cols].labels.length;
    const fits = (name) => {
      const width = SIZES[name] + 6, height = SIZES[name] * aspect + 24;
      if (this.flow) return Math.ceil(this.head.count / Math.max(1, Math.floor(wide / width))) * height <= 620;
      return rows * height <= 620 && cols * width + 180 <= wide;
    };
    return ["large", "medium"].find(fits) || "small";
  }

  news(message) {
    if (!this.head) return;
    for (const [number, cell] of message.cells) {
      const before = this.cells.get(number);
      if (before && DONE.includes(before.s) && !DONE.includes(cell.s)) this.drop(number);
      this.cells.set(number, cell);
    }
    this.status = message.status;
    this.drawHead();
    for (const [number] of message.cells) {
      const node = this.nodes?.get(number);
      if (node) this.fillCell(node, number);
    }
    if (message.cells.length) this.drawNumbers();
    this.gallery?.changed();
    this.trouble("");
  }

  // trouble

  trouble(text) {
    this.said = text;
    if (!this.banner) return;
    this.banner.hidden = !text;
    this.banner.textContent = text;
  }
  unanswered() {
    this.trouble("The kernel is busy and does not hear this view. Interrupt it, or use `await run` instead of `run.wait()`: then buttons work while you wait.");
  }
  answered() { this.trouble(""); }
  lost() {
    if (this.gone) return;
    this.gone = true;
    this.root.classList.add("rk-lost");
    this.trouble("The kernel of this view is gone. The run goes on in the Celery worker: run this cell again to see it.");
  }
  reached() {
    if (!this.gone) return;
    this.gone = false;
    this.root.classList.remove("rk-lost");
    this.trouble("");
    this.open();
  }

  toast(text) {
    const note = el("div", { class: "rk-toast", role: "status" }, text);
    (document.querySelector("dialog.rk-gallery[open]") || this.root).append(note);
    setTimeout(() => note.remove(), 6000);
  }

  // drawing

  draw() {
    const { name, simulated } = this.head;
    this.state = el("span", { class: "rk-state" });
    this.line = el("span", { class: "rk-line", role: "status" });
    this.bar = el("div", { class: "rk-bar", role: "progressbar" }, el("i", { class: "rk-done" }), el("i", { class: "rk-bad" }), el("i", { class: "rk-off" }), el("i", { class: "rk-fly" }));
    this.banner = el("div", { class: "rk-banner", hidden: true, role: "alert" });
    this.reason = el("div", { class: "rk-reason", hidden: true });
    this.remark = el("div", { class: "rk-reason rk-remark", hidden: true });
    const press = (action, words) => el("button", { class: "rk-button", onclick: (event) => this.press(action, event.target) }, words);
    this.buttons = {
      pause: press("pause", "Pause"), resume: press("resume", "Resume"),
      retry: press("retry", "Retry failed"), cancel: press("cancel", "Cancel"),
    };
    this.tools = el("div", { class: "rk-tools" });
    this.box = el("div", { class: "rk-box", onscroll: () => { if (this.box.isConnected) this.where = [this.box.scrollLeft, this.box.scrollTop]; } });
    this.numbers = el("details", { class: "rk-numbers", open: this.open_numbers || false, ontoggle: () => { this.open_numbers = this.numbers.open; this.drawNumbers(); } }, el("summary", {}, "Numbers"), el("div"));
    this.root.replaceChildren(
      el("div", { class: "rk-title" },
        el("b", {}, name), el("span", { class: `rk-badge rk-${simulated ? "simulator" : "live"}` }, simulated ? "SIMULATOR" : "LIVE"), this.state,
        el("span", { class: "rk-gap" }), ...Object.values(this.buttons)),
      this.bar, this.line, this.reason, this.remark, this.banner, this.tools, this.box, this.numbers);
    this.drawHead();
    this.drawTools();
    this.drawGrid();
    this.drawNumbers();
    this.trouble(this.said || "");
  }

  drawHead() {
    const { state, line, done, bad, cancelled, flight, total, reason, remark, over, changeable, retriable } = this.status;
    this.state.textContent = state;
    this.state.className = `rk-state rk-is-${state.toLowerCase()}`;
    this.line.textContent = line;
    const parts = this.bar.children, share = (n) => `${(100 * n) / Math.max(1, total)}%`;
    parts[0].style.width = share(done);
    parts[1].style.width = share(bad);
    parts[2].style.width = share(cancelled);
    parts[3].style.width = share(flight);
    this.bar.setAttribute("aria-valuenow", done + bad + cancelled);
    this.bar.setAttribute("aria-valuemax", total);
    this.reason.hidden = !reason;
    this.reason.textContent = reason;
    this.remark.hidden = !remark;
    this.remark.textContent = remark || "";
    const { pause, resume, retry, cancel } = this.buttons;
    pause.hidden = !changeable || over || state !== "RUNNING";
    resume.hidden = !changeable || over || (state !== "PAUSED" && state !== "HELD");
    cancel.hidden = !changeable || over;
    retry.hidden = !changeable || !retriable;
    retry.textContent = bad ? "Retry failed" : "Draw the rest";
  }

  press(action, button) {
    if (action === "cancel" && !button.dataset.sure) {
      button.dataset.sure = "1";
      button.textContent = "Really cancel?";
      setTimeout(() => { delete button.dataset.sure; button.textContent = "Cancel"; }, 4000);
      return;
    }
    this.hub.say({ kind: "do", key: this.key, action }, this);
  }

  drawTools() {
    const axes = this.head.axes;
    const pick = (label, value, options, told) => {
      const select = el("select", { "aria-label": label, onchange: () => told(select.value) }, ...options.map(([key, words]) => el("option", { value: key }, words)));
      select.value = value;
      return el("label", { class: "rk-pick" }, label, select);
    };
    const redraw = () => { this.drawTools(); this.drawGrid(); };
    const items = [];
    if (this.head.mode === "grid" && axes.length > 1) {
      const names = axes.map((axis, at) => [String(at), axis.name]);
      const set = (which) => (value) => {
        const other = which === "rows" ? "cols" : "rows";
        const at = value === "" ? null : Number(value);
        if (at !== null && this[other] === at) this[other] = this[which] ?? [0, 1].find((spare) => spare !== at);
        this[which] = at;
        this.flow = this.rows === null && this.cols === null;
        redraw();
      };
      items.push(pick("rows", String(this.rows ?? ""), [["", "none"], ...names], set("rows")));
      items.push(pick("columns", String(this.cols ?? ""), [["", "none"], ...names], set("cols")));
    }
    if (!this.flow)
      for (const at of this.pageAxes()) {
        const axis = axes[at], turn = (by) => () => {
          this.page[at] = ((this.page[at] || 0) + by + axis.labels.length) % axis.labels.length;
          redraw();
        };
        items.push(el("span", { class: "rk-page" }, `${axis.name} `,
          el("button", { class: "rk-button", title: "previous", "aria-label": `previous ${axis.name}`, onclick: turn(-1) }, "‹"),
          el("b", {}, axis.labels[this.page[at] || 0]),
          el("button", { class: "rk-button", title: "next", "aria-label": `next ${axis.name}`, onclick: turn(1) }, "›"),
          el("small", {}, `${(this.page[at] || 0) + 1} of ${axis.labels.length}`)));
      }
    items.push(pick("under", this.under, [["", "nothing"], ["time", "time"], ["cost", "cost"], ["trial", "number"]], (value) => { this.under = value; this.drawGrid(); }));
    items.push(pick("size", this.size, Object.keys(SIZES).map((name) => [name, name]), (value) => { this.size = value; this.drawGrid(); }));
    this.compareButton = el("button", { class: "rk-button", onclick: () => this.compare() });
    this.clearButton = el("button", { class: "rk-button", onclick: () => { this.chosen.clear(); this.drawChosen(); } }, "Clear");
    this.blindButton = el("button", { class: "rk-button", title: "Two pictures, unknown order: which is better?", onclick: () => this.blind() }, "Blind A/B");
    items.push(el("span", { class: "rk-gap" }), this.compareButton, this.clearButton, this.blindButton);
    this.tools.replaceChildren(...items);
    this.drawChosen();
  }

  drawChosen() {
    const n = this.chosen.size;
    this.compareButton.textContent = n ? `Compare ${n}` : "Compare";
    this.compareButton.disabled = n < 2;
    this.compareButton.title = n < 2 ? "Choose two pictures or more: hold Ctrl and click, or tick their corners" : "Slider, side by side, difference";
    this.clearButton.hidden = !n;
    this.blindButton.hidden = !this.head.axes.some((axis) => axis.labels.length > 1);
    for (const [number, node] of this.nodes || []) {
      node.classList.toggle("rk-chosen", this.chosen.has(number));
      const tick = node.querySelector("input");
      if (tick) tick.checked = this.chosen.has(number);
    }
  }

  // the grid

  pageAxes() {
    return this.head.axes.map((axis, at) => at).filter((at) => at !== this.rows && at !== this.cols && this.head.axes[at].labels.length > 1);
  }

  number(at) {
    if (this.head.places) {
      this.numbers ??= new Map(this.head.places.map((places, trial) => [places.join(), trial]));
      return this.numbers.get(this.head.axes.map((_, i) => at[i] || 0).join());
    }
    let number = 0;
    this.head.axes.forEach((axis, i) => { number = number * axis.labels.length + (at[i] || 0); });
    return number;
  }

  indexes(number) {
    const { axes, mode, places } = this.head;
    if (places) return [...places[number]];
    if (mode === "zip") return axes.map(() => number);
    const at = [];
    for (let i = axes.length - 1; i >= 0; i--) {
      at[i] = number % axes[i].labels.length;
      number = Math.floor(number / axes[i].labels.length);
    }
    return at;
  }

  label(number) {
    return this.head.axes.map((axis, i) => `${axis.name} ${axis.labels[this.indexes(number)[i]]}`).join(" · ") || "the picture";
  }

  drawGrid() {
    this.sight.disconnect();
    this.nodes = new Map();
    const width = SIZES[this.size], { aspect, axes } = this.head;
    const height = Math.round(width * Math.min(3, Math.max(1 / 3, aspect)));
    this.box.style.setProperty("--rk-w", `${width}px`);
    this.box.style.setProperty("--rk-h", `${height}px`);
    const grid = el("div", { class: this.flow ? "rk-flow" : "rk-grid", role: "grid" });
    const sheets = [];
    if (this.flow) {
      const all = this.head.has || [...Array(this.head.count).keys()];
      const from = Math.min(this.from || 0, Math.max(0, all.length - 1));
      for (const number of all.slice(from, from + CELLS))
        grid.append(el("figure", {}, this.cell(number), axes.length ? el("figcaption", {}, axes.map((axis, i) => axis.labels[this.indexes(number)[i]]).join(" · ")) : ""));
      sheets.push([from, CELLS, all.length, "pictures"]);
    } else {
      const rows = this.rows === null ? [""] : axes[this.rows].labels, cols = this.cols === null ? [""] : axes[this.cols].labels;
      const deep = Math.max(1, Math.floor(CELLS / cols.length)), from = Math.min(this.from || 0, rows.length - 1);
      grid.style.gridTemplateColumns = `max-content repeat(${cols.length}, max-content)`;
      const corner = [this.rows === null ? "" : axes[this.rows].name, this.cols === null ? "" : axes[this.cols].name].filter(Boolean).join(" / ");
      grid.append(el("span", { class: "rk-corner" }, corner), ...cols.map((label) => el("span", { class: "rk-col", title: label }, label)));
      const at = axes.map((axis, i) => this.page[i] || 0);
      rows.slice(from, from + deep).forEach((label, r) => {
        grid.append(el("span", { class: "rk-rowlabel", title: label }, label));
        cols.forEach((_, c) => {
          if (this.rows !== null) at[this.rows] = from + r;
          if (this.cols !== null) at[this.cols] = c;
          const number = this.number(at);
          grid.append(number === undefined ? el("div", { class: "rk-cell rk-s-none", title: "the sweep has no such cell" }) : this.cell(number));
        });
      });
      sheets.push([from, deep, rows.length, "rows"]);
    }
    const [from, step, all, word] = sheets[0];
    const turn = (to) => () => { this.from = to; this.drawGrid(); };
    const pager = all > step ? el("div", { class: "rk-pager" },
      el("button", { class: "rk-button", disabled: from === 0, onclick: turn(Math.max(0, from - step)) }, "‹ earlier"),
      `${word} ${from + 1} to ${Math.min(all, from + step)} of ${all}`,
      el("button", { class: "rk-button", disabled: from + step >= all, onclick: turn(from + step) }, "later ›")) : null;
    this.box.replaceChildren(grid);
    if (pager) this.box.append(pager);
    for (const node of this.nodes.values()) this.sight.observe(node);
    this.drawChosen();
  }

  cell(number) {
    const node = el("div", { class: "rk-cell", tabIndex: 0, role: "gridcell", title: this.label(number) });
    node.dataset.trial = number;
    node.addEventListener("click", (event) => {
      if (event.target.tagName === "INPUT") return;
      if (event.ctrlKey || event.metaKey || event.shiftKey) this.choose(number);
      else this.look(number);
    });
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.look(number);
      else if (event.key === " ") this.choose(number);
      else if (event.key.startsWith("Arrow")) this.step(node, event.key);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.nodes.set(number, node);
    this.fillCell(node, number);
    return node;
  }

  step(node, key) {
    const all = [...this.nodes.values()], at = all.indexOf(node);
    const across = this.flow ? Math.max(1, Math.floor(this.box.clientWidth / (SIZES[this.size] + 8))) : this.cols === null ? 1 : this.head.axes[this.cols].labels.length;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[key];
    all[at + by]?.focus();
  }

  fillCell(node, number) {
    const cell = this.cells.get(number) || { s: this.head.has && !this.head.has.includes(number) ? "-" : "P" };
    node.className = `rk-cell rk-s-${cell.s === "-" ? "none" : STATES[cell.s].replace(" ", "-")}${this.chosen.has(number) ? " rk-chosen" : ""}`;
    const inside = [];
    if (DONE.includes(cell.s)) {
      const url = this.thumbs.get(number);
      if (node.inSight && url) inside.push(el("img", { src: url, alt: this.label(number), draggable: false }));
      else if (node.inSight) this.want(number);
      inside.push(el("input", { type: "checkbox", checked: this.chosen.has(number), "aria-label": `choose ${this.label(number)}`, onchange: () => this.choose(number) }));
      if (cell.f) inside.push(el("span", { class: "rk-flag", title: cell.f }, "!"));
      if (cell.k || cell.n) inside.push(el("span", { class: "rk-mark", title: cell.n || "starred" }, `${cell.k ? "★" : ""}${cell.n ? "✎" : ""}`));
    } else if (BAD.includes(cell.s)) {
      inside.push(el("span", { class: "rk-why" }, el("b", {}, STATES[cell.s]), cell.r || "no reason given"));
      node.title = `${this.label(number)}: ${cell.r || STATES[cell.s]}`;
    } else if (cell.s === "F" || cell.s === "W") inside.push(el("span", { class: "rk-spin", title: STATES[cell.s] }));
    const note = { time: cell.t == null ? "" : `${cell.t.toFixed(2)} s`, cost: cell.c == null ? "" : `$${cell.c.toFixed(5)}`, trial: `#${number}` }[this.under];
    if (note) inside.push(el("span", { class: "rk-note-under" }, note));
    node.replaceChildren(...inside);
  }

  drawNumbers() {
    if (!this.numbers?.open) return;
    const axes = this.head.axes, at = this.rows ?? 0, groups = new Map();
    for (const [number, cell] of this.cells) {
      const label = axes.length ? axes[at].labels[this.indexes(number)[at]] : "all";
      const group = groups.get(label) || { trials: 0, done: 0, bad: 0, times: [], cost: 0, known: false };
      group.trials++;
      if (DONE.includes(cell.s)) group.done++;
      if (BAD.includes(cell.s)) group.bad++;
      if (cell.t != null) group.times.push(cell.t);
      if (cell.c != null) { group.cost += cell.c; group.known = true; }
      groups.set(label, group);
    }
    const order = axes.length ? axes[at].labels.filter((label) => groups.has(label)) : [...groups.keys()];
    const mean = (list) => (list.length ? `${(list.reduce((a, b) => a + b, 0) / list.length).toFixed(2)} s` : "–");
    const cells = (tag, words) => words.map((word) => el(tag, {}, String(word)));
    this.numbers.lastChild.replaceChildren(el("table", {},
      el("tr", {}, ...cells("th", [axes.length ? axes[at].name : "", "pictures", "failed", "mean time", "cost"])),
      ...order.map((label) => { const g = groups.get(label); return el("tr", {}, ...cells("td", [label, g.done, g.bad, mean(g.times), g.known ? `$${g.cost.toFixed(5)}` : "–"])); })));
  }

  // pictures

  seen(entries) {
    for (const entry of entries) {
      const node = entry.target, number = Number(node.dataset.trial);
      if (node.inSight === entry.isIntersecting) continue;
      node.inSight = entry.isIntersecting;
      if (!node.inSight) this.wanted.delete(number);
      this.fillCell(node, number);
    }
  }

  want(number) {
    this.wanted.add(number);
    if (this.asking) return;
    this.asking = setTimeout(() => { this.asking = null; this.ask(); }, 40);
  }

  ask() {
    while (this.wanted.size && this.flying < 2) {
      const numbers = [...this.wanted].slice(0, AT_ONCE);
      for (const number of numbers) this.wanted.delete(number);
      this.flying++;
      this.hub.say({ kind: "thumbs", key: this.key, numbers });
    }
  }

  arrived(message, buffers) {
    message.numbers.forEach((number, i) => {
      this.drop(number);
      this.thumbs.set(number, URL.createObjectURL(new Blob([buffers[i]], { type: "image/jpeg" })));
      const node = this.nodes.get(number);
      if (node) this.fillCell(node, number);
    });
    for (const [number, reason] of message.broken) {
      this.cells.set(number, { ...this.cells.get(number), s: "X", r: reason });
      const node = this.nodes.get(number);
      if (node) this.fillCell(node, number);
    }
    for (const number of this.thumbs.keys()) {
      if (this.thumbs.size <= KEPT) break;
      if (!this.nodes.get(number)?.inSight) this.drop(number);
    }
    this.flying = Math.max(0, this.flying - 1);
    this.ask();
  }

  drop(number) {
    const url = this.thumbs.get(number);
    if (url) URL.revokeObjectURL(url);
    this.thumbs.delete(number);
  }

  // choosing and looking

  choose(number) {
    if (!DONE.includes(this.cells.get(number)?.s)) return;
    if (this.chosen.has(number)) this.chosen.delete(number);
    else this.chosen.add(number);
    this.drawChosen();
  }

  look(number) {
    if (!this.cells.has(number) || "PWF".includes(this.cells.get(number).s)) return;
    this.gallery = new Gallery(this);
    this.gallery.show(number);
  }

  compare() {
    this.gallery = new Comparison(this, [...this.chosen]);
  }

  blind() {
    this.gallery = new Blind(this);
  }
}
