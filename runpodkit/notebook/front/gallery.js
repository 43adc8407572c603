// Pictures at full size: one with all that is known of it, several side by side or under a slider, two
// in unknown order.

const FULL = 12;   // full pictures kept in the page
const ALL = -1;    // of the values of an axis

class Dialog {
  constructor(view, title) {
    this.view = view;
    this.heading = el("b", {}, title);
    this.body = el("div", { class: "rk-body" });
    this.tools = el("span", { class: "rk-tools" });
    this.dialog = el("dialog", { class: "rk-gallery", "aria-label": title },
      el("header", {}, this.heading, el("span", { class: `rk-badge rk-${view.head.simulated ? "simulator" : "live"}` }, view.head.simulated ? "SIMULATOR" : "LIVE"),
        this.tools, el("span", { class: "rk-gap" }), el("button", { class: "rk-button rk-close", "aria-label": "close", onclick: () => this.close() }, "✕")),
      this.body);
    // keys are the dialog's alone while it is open: the notebook has commands on most of them
    this.dialog.addEventListener("keydown", (event) => { event.stopPropagation(); if (!event.target.matches("input[type=text]")) this.key(event); });
    this.dialog.addEventListener("close", () => this.closed());
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.waiting = new Map();
    view.fulls ??= new Map();
  }

  close() { this.dialog.close(); }

  closed() {
    this.dialog.remove();
    if (this.view.gallery === this) this.view.gallery = null;
  }

  key() {}
  changed() {}
  preferred() {}

  // The full picture of a trial: { url, facts, code }, or { problem }.
  full(number) {
    const known = this.view.fulls.get(number);
    if (known) return Promise.resolve(known);
    return new Promise((told) => {
      const all = this.waiting.get(number) || [];
      this.waiting.set(number, [...all, told]);
      if (!all.length) this.view.hub.say({ kind: "picture", key: this.view.key, number }, this.view);
    });
  }

  arrived(message, buffers) {
    const { number, mime, facts, code, problem } = message;
    const about = { facts, code, problem, url: buffers.length ? URL.createObjectURL(new Blob([buffers[0]], { type: mime })) : null };
    if (about.url) this.view.fulls.set(number, about);
    for (const told of this.waiting.get(number) || []) told(about);
    this.waiting.delete(number);
    for (const [old, { url }] of this.view.fulls) {
      if (this.view.fulls.size <= FULL) break;
      if (old === number || this.uses?.(old)) continue;
      URL.revokeObjectURL(url);
      this.view.fulls.delete(old);
    }
  }
}

class Gallery extends Dialog {
  constructor(view) {
    super(view, "Picture");
    this.picture = el("div", { class: "rk-stage" });
    this.side = el("div", { class: "rk-side" });
    this.body.append(this.picture, this.side);
    this.body.classList.add("rk-one");
    const button = (words, told, title) => el("button", { class: "rk-button", onclick: told, title }, words);
    this.starring = button("☆", () => this.star(), "star (s)");
    this.starring.classList.add("rk-star");
    this.words = el("input", { type: "text", class: "rk-words", maxLength: 1000, placeholder: "a note", "aria-label": "note", onchange: () => this.note() });
    this.tools.append(
      this.starring,
      button("‹", () => this.turn(-1), "previous (←)"), button("›", () => this.turn(1), "next (→)"),
      button("Use these", () => this.use(), "Fill the form with these parameters, or copy them as code"),
      button("Copy as code", () => this.copy(), "A cell that makes the same picture"),
      button("Choose", () => { this.view.choose(this.number); this.mark(); }, "Choose it for comparison (space)"));
  }

  async show(number) {
    this.number = number;
    this.heading.textContent = this.view.label(number);
    this.mark();
    const cell = this.view.cells.get(number);
    const small = this.view.thumbs.get(number);
    this.picture.replaceChildren(small ? el("img", { src: small, class: "rk-small" }) : el("span", { class: "rk-spin" }));
    const about = await this.full(number);
    if (this.number !== number) return;
    this.words.value = cell.n || "";
    this.code = about.code;
    if (about.url) this.zoomable(about.url);
    else this.picture.replaceChildren(el("div", { class: "rk-why" }, el("b", {}, STATES[cell.s]), about.problem || cell.r || "no picture"));
    this.side.replaceChildren(this.words, el("dl", { class: "rk-about" }, ...(about.facts || []).flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)])));
  }

  zoomable(url) {
    const pane = new Pane(el("img", { src: url, alt: this.view.label(this.number), draggable: false }));
    this.picture.replaceChildren(pane.node);
  }

  mark() {
    const chosen = this.view.chosen.has(this.number);
    this.tools.lastChild.textContent = chosen ? "Chosen" : "Choose";
    this.tools.lastChild.classList.toggle("rk-on", chosen);
    const starred = Boolean(this.view.cells.get(this.number)?.k);
    this.starring.textContent = starred ? "★" : "☆";
    this.starring.classList.toggle("rk-on", starred);
    this.starring.setAttribute("aria-pressed", starred);
    this.starring.setAttribute("aria-label", starred ? "take the star away" : "give it a star");
  }

  // What the kernel has kept by now.
  changed() {
    this.mark();
    if (document.activeElement !== this.words) this.words.value = this.view.cells.get(this.number)?.n || "";
  }

  star() {
    this.view.hub.say({ kind: "star", key: this.view.key, number: this.number, starred: !this.view.cells.get(this.number)?.k }, this.view);
  }

  note() {
    this.view.hub.say({ kind: "note", key: this.view.key, number: this.number, text: this.words.value }, this.view);
  }

  turn(by) {
    const all = [...this.view.nodes.keys()].filter((number) => this.view.cells.has(number) && !"PWF".includes(this.view.cells.get(number).s));
    const at = all.indexOf(this.number);
    if (all.length) this.show(all[(at + by + all.length) % all.length]);
  }

  key(event) {
    if (event.key === "ArrowRight") this.turn(1);
    else if (event.key === "ArrowLeft") this.turn(-1);
    else if (event.key === "ArrowDown" && !this.view.flow && this.view.cols !== null) this.turn(this.view.head.axes[this.view.cols].labels.length);
    else if (event.key === "ArrowUp" && !this.view.flow && this.view.cols !== null) this.turn(-this.view.head.axes[this.view.cols].labels.length);
    else if ((event.key === "s" || event.code === "KeyS") && !event.ctrlKey && !event.metaKey && !event.altKey) this.star();
    else if (event.key === " " && event.target.tagName !== "BUTTON") { this.view.choose(this.number); this.mark(); }
    else return;
    event.preventDefault();
  }

  async copy() {
    await clip(this.code);
    this.view.toast("Copied: a cell that makes the same picture.");
  }

  async use() {
    await clip(this.code);
    this.view.hub.say({ kind: "use", key: this.view.key, number: this.number }, this.view);
  }
}

async function clip(text) {
  try {
    await navigator.clipboard.writeText(text || "");
  } catch {
    const area = el("textarea", { value: text || "", style: "position:fixed;opacity:0" });
    (document.querySelector("dialog.rk-gallery[open]") || document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

// A picture that can be magnified and moved; panes that share a `lens` move together.
class Pane {
  constructor(image, lens = { zoom: 1, x: 0, y: 0, panes: [] }) {
    this.lens = lens;
    this.image = image;
    this.node = el("div", { class: "rk-pane" }, image);
    lens.panes.push(this);
    this.node.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = this.node.getBoundingClientRect();
      this.zoom(lens.zoom * Math.exp(-event.deltaY / 400), (event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5);
    }, { passive: false });
    this.node.addEventListener("dblclick", () => this.zoom(lens.zoom > 1 ? 1 : 3, 0, 0));
    this.node.addEventListener("pointerdown", (event) => {
      if (lens.zoom <= 1) return;
      this.node.setPointerCapture(event.pointerId);
      this.from = [event.clientX, event.clientY, lens.x, lens.y];
    });
    this.node.addEventListener("pointermove", (event) => {
      if (!this.from) return;
      const box = this.node.getBoundingClientRect();
      lens.x = this.from[2] + (event.clientX - this.from[0]) / box.width;
      lens.y = this.from[3] + (event.clientY - this.from[1]) / box.height;
      this.draw();
    });
    this.node.addEventListener("pointerup", () => { this.from = null; });
    this.place();
  }

  zoom(to, x, y) {
    const { lens } = this, zoom = Math.min(16, Math.max(1, to));
    lens.x = zoom === 1 ? 0 : x - ((x - lens.x) * zoom) / lens.zoom;
    lens.y = zoom === 1 ? 0 : y - ((y - lens.y) * zoom) / lens.zoom;
    lens.zoom = zoom;
    this.draw();
  }

  draw() {
    for (const pane of this.lens.panes) pane.place();
  }

  place() {
    const { zoom, x, y } = this.lens;
    this.image.style.transform = `translate(${100 * x}%, ${100 * y}%) scale(${zoom})`;
    this.image.classList.toggle("rk-crisp", zoom > 3);
  }
}

class Comparison extends Dialog {
  constructor(view, numbers) {
    super(view, "Compare");
    this.numbers = numbers;
    this.uses = (number) => this.numbers.includes(number);
    this.pair = [numbers[0], numbers[1]];
    this.modes = {};
    for (const [mode, words] of [["slider", "Slider"], ["beside", "Side by side"], ["difference", "Difference"]]) {
      this.modes[mode] = el("button", { class: "rk-button", onclick: () => this.show(mode) }, words);
      this.tools.append(this.modes[mode]);
    }
    this.picks = [0, 1].map((side) => {
      const select = el("select", { "aria-label": side ? "right" : "left", onchange: () => { this.pair[side] = Number(select.value); this.show(this.mode); } },
        ...numbers.map((number) => el("option", { value: number }, view.label(number))));
      select.value = this.pair[side];
      return select;
    });
    this.tools.append(...this.picks);
    this.show("slider");
  }

  async show(mode) {
    this.mode = mode;
    for (const [name, button] of Object.entries(this.modes)) button.classList.toggle("rk-on", name === mode);
    for (const pick of this.picks) pick.hidden = mode === "beside" || this.numbers.length < 3;
    const wanted = mode === "beside" ? this.numbers : this.pair;
    this.body.className = `rk-body rk-${mode}`;
    this.body.replaceChildren(el("span", { class: "rk-spin" }));
    const abouts = await Promise.all(wanted.map((number) => this.full(number)));
    if (this.mode !== mode || (mode !== "beside" && wanted.some((number, i) => number !== this.pair[i]))) return;
    const images = await Promise.all(abouts.map(async (about) => {
      const image = el("img", { src: about.url || "", draggable: false });
      await image.decode().catch(() => {});
      return image;
    }));
    this[mode](images, wanted.map((number) => this.view.label(number)));
  }

  slider([left, right], names) {
    const lens = { zoom: 1, x: 0, y: 0, panes: [] };
    const under = new Pane(right, lens), over = new Pane(left, lens);
    over.node.classList.add("rk-over");
    const knob = el("input", { type: "range", min: 0, max: 100, value: 50, step: 0.1, "aria-label": "left and right", oninput: () => cut() });
    const line = el("i", { class: "rk-cut" });
    const stage = el("div", { class: "rk-stage rk-slide" }, under.node, over.node, line, el("span", { class: "rk-name rk-left" }, names[0]), el("span", { class: "rk-name rk-right" }, names[1]));
    const cut = () => {
      over.node.style.clipPath = `inset(0 ${100 - knob.value}% 0 0)`;
      line.style.left = `${knob.value}%`;
    };
    stage.addEventListener("pointermove", (event) => {
      if (lens.zoom > 1 || event.buttons !== 1) return;
      const box = stage.getBoundingClientRect();
      knob.value = (100 * (event.clientX - box.left)) / box.width;
      cut();
    });
    const ratio = left.naturalWidth / Math.max(1, left.naturalHeight) || 1;
    stage.style.aspectRatio = ratio;
    stage.style.width = `min(96%, calc((88vh - 150px) * ${ratio}))`;
    this.body.replaceChildren(stage, knob, el("p", { class: "rk-hint" }, "Drag, or move the slider with ← →. Wheel and double click magnify both."));
    this.knob = knob;
    cut();
    knob.focus();
  }

  beside(images, names) {
    const lens = { zoom: 1, x: 0, y: 0, panes: [] };
    this.body.replaceChildren(
      el("div", { class: "rk-row" }, ...images.map((image, i) => el("figure", {}, new Pane(image, lens).node, el("figcaption", {}, names[i])))),
      el("p", { class: "rk-hint" }, "Wheel and double click magnify all of them at the same place; drag to move."));
  }

  difference([left, right], names) {
    const width = left.naturalWidth, height = left.naturalHeight;
    const pixels = (image) => {
      const canvas = el("canvas", { width, height });
      const pen = canvas.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0, width, height);
      return [canvas, pen, pen.getImageData(0, 0, width, height)];
    };
    const [, , a] = pixels(left), [canvas, pen, b] = pixels(right);
    let total = 0, changed = 0;
    for (let i = 0; i < a.data.length; i += 4) {
      let most = 0;
      for (let c = 0; c < 3; c++) {
        const by = Math.abs(a.data[i + c] - b.data[i + c]);
        total += by;
        most = Math.max(most, by);
        b.data[i + c] = Math.min(255, by * 4);
      }
      if (most > 8) changed++;
    }
    pen.putImageData(b, 0, 0);
    const count = a.data.length / 4;
    const lens = { zoom: 1, x: 0, y: 0, panes: [] };
    this.body.replaceChildren(
      el("div", { class: "rk-row" }, ...[[left, names[0]], [canvas, "difference, four times as strong"], [right, names[1]]].map(([image, name]) => el("figure", {}, new Pane(image, lens).node, el("figcaption", {}, name)))),
      el("p", { class: "rk-hint" }, `Mean pixel distance ${(total / (count * 3) / 255).toFixed(4)} of 1; ${((100 * changed) / count).toFixed(1)} % of the pixels differ visibly.`));
  }

  key(event) {
    const mode = { 1: "slider", 2: "beside", 3: "difference" }[event.key];
    if (mode) this.show(mode);
  }
}

class Blind extends Dialog {
  constructor(view) {
    super(view, "Blind A/B");
    const axes = view.head.axes.map((axis, at) => at).filter((at) => view.head.axes[at].labels.length > 1);
    this.axis = axes.includes(view.rows) ? view.rows : axes[0];
    const pick = (label, options, value, told) => {
      const select = el("select", { "aria-label": label, onchange: () => told(Number(select.value)) }, ...options.map(([at, words]) => el("option", { value: at }, words)));
      select.value = value;
      return select;
    };
    this.fresh = () => { this.sides = view.head.axes[this.axis].labels.length > 2 ? [ALL, 1] : [0, 1]; };
    this.setup = () => {
      const labels = view.head.axes[this.axis].labels.map((words, at) => [at, words]);
      const several = labels.length > 2 ? [[ALL, "all values"]] : [];
      const told = (side) => (at) => { this.sides[side] = at; this.setup(); };
      this.tools.replaceChildren(
        pick("axis", axes.map((at) => [at, view.head.axes[at].name]), this.axis, (at) => { this.axis = at; this.fresh(); this.setup(); }),
        pick("first value", [...several, ...labels], this.sides[0], told(0)),
        ...(this.sides[0] === ALL ? [] : [pick("second value", labels, this.sides[1], told(1))]));
      this.begin();
    };
    this.uses = (number) => this.now?.includes(number);
    this.fresh();
    this.setup();
  }

  // Pairs of trials that are equal in everything but the axis, in an order nobody knows.
  begin() {
    const { view } = this, has = (number) => DONE.includes(view.cells.get(number)?.s);
    const zip = view.head.mode === "zip", [one, other] = this.sides;
    this.pairs = [];
    for (const first of zip ? [] : view.cells.keys()) {
      const from = view.indexes(first)[this.axis];
      if (!has(first) || (one !== ALL && from !== one)) continue;
      for (let to = 0; to < view.head.axes[this.axis].labels.length; to++) {
        if (one === ALL ? to <= from : to !== other || to === from) continue;
        const at = view.indexes(first);
        at[this.axis] = to;
        const second = view.number(at);
        if (has(second)) this.pairs.push([first, second]);
      }
    }
    for (let i = this.pairs.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [this.pairs[i], this.pairs[j]] = [this.pairs[j], this.pairs[i]];
    }
    this.at = 0;
    this.next();
  }

  async next() {
    if (!this.pairs.length) {
      this.now = null;
      this.body.className = "rk-body rk-blind";
      this.body.replaceChildren(el("p", { class: "rk-result" }, "No two finished pictures differ in this alone: choose two values that both have pictures."));
      return;
    }
    if (this.at >= this.pairs.length) return this.finish();
    const pair = this.pairs[this.at], turned = Math.random() < 0.5;
    this.now = turned ? [pair[1], pair[0]] : pair;
    const [left, right] = await Promise.all(this.now.map((number) => this.full(number)));
    if (this.now[0] !== (turned ? pair[1] : pair[0])) return;
    const lens = { zoom: 1, x: 0, y: 0, panes: [] };
    const side = (about, word, digit) => el("figure", { onclick: () => this.choose(digit) }, new Pane(el("img", { src: about.url || "", draggable: false, alt: word }), lens).node, el("figcaption", {}, `${word} · key ${digit}`));
    this.body.className = "rk-body rk-blind";
    this.body.replaceChildren(
      el("div", { class: "rk-row" }, side(left, "A", 1), side(right, "B", 2)),
      el("p", { class: "rk-hint" }, `${this.at + 1} of ${this.pairs.length}. Which is better? 1 the left one, 2 the right one, 0 no difference.`),
      el("p", {}, ...[["1", "Left"], ["0", "No difference"], ["2", "Right"]].map(([digit, words]) => el("button", { class: "rk-button", onclick: () => this.choose(Number(digit)) }, `${words} (${digit})`)),
        el("button", { class: "rk-button", onclick: () => this.finish() }, "Stop here")));
    this.dialog.focus();
  }

  choose(digit) {
    if (!this.now || this.at >= this.pairs.length) return;
    const winner = digit === 0 ? null : this.now[digit - 1];
    const [first, second] = this.pairs[this.at];
    this.view.hub.say({ kind: "prefer", key: this.view.key, axis: this.view.head.axes[this.axis].name, first, second, winner, left: this.now[0] }, this.view);
    this.at++;
    this.next();
  }

  finish() {
    this.now = null;
    this.view.hub.say({ kind: "preferences", key: this.view.key, axis: this.view.head.axes[this.axis].name }, this.view);
  }

  // All answers about the axis so far: who comes first, and a line per value with its interval.
  preferred(message) {
    const percent = (share) => `${Math.round(100 * share)}%`;
    const line = ([value, chance, low, high, answers, best, worst]) => {
      const bar = el("span", { class: "rk-span" }, el("i"), el("b"));
      Object.assign(bar.firstChild.style, { left: percent(low), right: percent(1 - high) });
      bar.lastChild.style.left = percent(chance);
      return [el("span", {}, value), bar, el("span", { class: "rk-number" }, percent(chance)),
        el("small", {}, `${percent(low)} to ${percent(high)}`), el("small", {}, best === worst ? `rank ${best}` : `rank ${best} to ${worst}`),
        el("small", {}, `${answers} answer${answers === 1 ? "" : "s"}`)];
    };
    this.body.replaceChildren(
      el("p", { class: "rk-result" }, message.text),
      ...(message.ranks.length ? [
        el("div", { class: "rk-ranks" }, ...message.ranks.flatMap(line)),
        el("p", { class: "rk-hint" }, "How often each is preferred to another value, with its 95% interval; the dashed line is one half."),
        el("p", { class: "rk-hint" }, "All answers are kept with the run: run.ranking() and run.preferences() have them, and run.to_csv() counts them for each picture.")] : []),
      el("p", {}, el("button", { class: "rk-button", onclick: () => this.begin() }, "Again")));
  }

  key(event) {
    if (event.target.tagName === "SELECT") return;
    if ("120".includes(event.key)) this.choose(Number(event.key));
    else if (event.key === "ArrowLeft") this.choose(1);
    else if (event.key === "ArrowRight") this.choose(2);
  }
}
