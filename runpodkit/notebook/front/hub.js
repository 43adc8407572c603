// The hub: finds the places that cells show, fills them while their kernel lives, and talks to it.
//
// A cell's output is plain HTML with a place in it, `<div data-runpodkit="KEY">`, and a static picture
// inside.  Whoever has no kernel sees that.  Where this hub runs, the place is taken over by a live
// view; when the kernel goes, the view says so and stays as it is.

const ACK_S = 3;      // a click that nobody answered by then: the kernel is busy
const LOST_S = 16;    // silence that long: the kernel is gone (it pulses every 5 s)
const PROBE_S = 2;    // to prove that the kernel is there
const AWAY_S = 2;     // a place that left the page for longer is closed

function el(tag, about = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

class Hub {
  constructor(model) {
    this.model = model;
    this.alive = true;
    this.count = 0;
    this.asked = new Map();   // message number -> timer and view
    this.heard = performance.now();
    this.away = new Map();    // view -> timer
    this.onMessage = (message, buffers) => this.receive(message, buffers || []);
    this.onPlaces = () => this.scan();
    model.on("msg:custom", this.onMessage);
    model.on("change:places", this.onPlaces);
    this.views = new Set();
    this.observer = new MutationObserver((changes) => {
      const ours = (change) => change.target.closest && change.target.closest(".rk-root");
      if (changes.some((change) => !ours(change))) this.scan();
    });
    this.observer.observe(document.body, { childList: true, subtree: true });
    this.clock = setInterval(() => this.listen(), 2000);
    // a restarted kernel brings a hub of its own: whoever is still here must prove to be alive
    this.onRival = (event) => { if (event.detail !== this) this.probe(); };
    this.onCut = () => this.probe();
    document.addEventListener("runpodkit-hub", this.onRival);
    model.on("comm_live_update", this.onCut);
    model.on("comm:close", this.onCut);
    document.dispatchEvent(new CustomEvent("runpodkit-hub", { detail: this }));
    this.say({ kind: "hello" });
    this.scan();
  }

  // places

  scan() {
    if (!this.alive) return;
    const places = this.model.get("places") || {};
    const free = [];
    for (const place of document.querySelectorAll("[data-runpodkit]")) {
      const about = places[place.dataset.runpodkit];
      if (!about || (place.rkView && place.rkView.hub.alive)) continue;
      // a form's static twin holds one of its run: the live one comes with the form
      const outer = place.parentElement?.closest("[data-runpodkit], .rk-root");
      if (outer && !outer.classList.contains("rk-root")) continue;
      free.push([place, about]);
    }
    for (const view of this.views) {
      if (view.place.rkView && view.place.rkView !== view) this.views.delete(view);  // another kernel has it now
      else if (view.place.isConnected) this.back(view);
      else this.leave(view);
    }
    for (const [place, about] of free) this.fill(place, about);
  }

  fill(place, about) {
    const key = place.dataset.runpodkit;
    // an output that was drawn anew gets the view that was in the old one, as it stands
    const moved = [...this.views].find((view) => view.key === key && (!view.place.isConnected || view.place === place));
    if (moved) {
      moved.place = place;
      place.rkView = moved;
      const focused = moved.focused;
      place.replaceChildren(moved.root);
      moved.rescroll();
      if (focused) focused.focus({ preventScroll: true });
      this.back(moved);
      return;
    }
    const view = about.kind === "run" ? new RunView(this, key, place) : new FormView(this, key, place, about.model);
    place.rkView = view;
    this.views.add(view);
    // what leaves the page loses the focus without a word
    view.root.addEventListener("focusin", (event) => { view.focused = event.target; });
    view.root.addEventListener("focusout", () => { if (view.place.isConnected) view.focused = null; });
    view.open();
  }

  leave(view) {
    if (this.away.has(view)) return;
    this.away.set(view, setTimeout(() => {
      this.away.delete(view);
      if (view.place.isConnected) return;  // it moved, with the form that it is in
      let top = view.place;
      while (top.parentNode && top.parentNode.nodeType === 1) top = top.parentNode;
      // JupyterLab takes cells that are out of sight off the page, whole; an output that was cleared goes alone
      const cell = top.classList.contains("jp-Cell") || top.querySelector(".jp-Cell") !== null;
      if (!cell) this.views.delete(view);
      const others = [...this.views].some((other) => other !== view && other.key === view.key && !other.closed);
      const kept = [...this.views].some((other) => other !== view && other.key === view.key);
      view.away(!cell && !kept, others);
    }, AWAY_S * 1000));
  }

  back(view) {
    if (this.away.has(view)) {
      clearTimeout(this.away.get(view));
      this.away.delete(view);
    }
    if (view.closed) view.open();
  }

  // messages

  say(message, view = null) {
    if (!this.alive) return;
    const id = ++this.count;
    try {
      this.model.send({ ...message, id });
    } catch {
      this.sleep();
      return;
    }
    if (view) this.asked.set(id, [view, setTimeout(() => view.unanswered(), ACK_S * 1000)]);
  }

  receive(message, buffers) {
    this.heard = performance.now();
    if (!this.alive) {
      this.alive = true;
      this.scan();
    }
    for (const view of this.views) view.reached();
    if (message.kind === "ack") {
      const waiting = this.asked.get(message.id);
      if (!waiting) return;
      clearTimeout(waiting[1]);
      this.asked.delete(message.id);
      waiting[0].answered();
      return;
    }
    for (const view of this.views) if (view.key === message.key) view.receive(message, buffers);
  }

  listen() {
    const open = [...this.views].filter((view) => !view.closed);
    if (open.length && performance.now() - this.heard > LOST_S * 1000) this.sleep();
  }

  // Whether the kernel still answers; if not, another one's hub may have the places.
  probe() {
    if (!this.alive) return;
    const asked = performance.now();
    this.say({ kind: "hello" });
    setTimeout(() => { if (this.heard < asked) this.sleep(); }, PROBE_S * 1000);
  }

  sleep() {
    if (!this.alive) return;
    this.alive = false;
    for (const view of this.views) view.lost();
    for (const hub of hubs()) hub.scan();
  }

  end() {
    this.sleep();
    this.observer.disconnect();
    clearInterval(this.clock);
    document.removeEventListener("runpodkit-hub", this.onRival);
  }
}

class FormView {
  // A form is made of widgets: their own views go into the place.
  constructor(hub, key, place, model) {
    Object.assign(this, { hub, key, place, model, closed: true, root: el("div", { class: "rk-root rk-formplace" }) });
  }

  async open() {
    this.closed = false;
    if (this.view) return;
    this.view = true;
    const manager = this.hub.model.widget_manager;
    const model = await manager.get_model(this.model);
    const view = await manager.create_view(model, {});
    this.place.replaceChildren(this.root);
    const widget = view.luminoWidget || view.pWidget;
    widget.constructor.attach(widget, this.root);
    // a browser offers only the choices that match what is typed: an empty box offers all
    this.root.addEventListener("focusin", ({ target }) => {
      if (!target.list || !target.value) return;
      target.dataset.rkBefore = target.placeholder = target.value;
      target.value = "";
    });
    this.root.addEventListener("focusout", ({ target }) => {
      if (target.list && !target.value && target.dataset.rkBefore) target.value = target.dataset.rkBefore;
    });
  }

  away() { this.closed = true; }
  receive(message) {
    if (message.kind === "clip") clip(message.text);
    // the run is below the fold of most screens
    if (message.kind === "started") setTimeout(() => this.root.querySelector(".rk-live-place")?.scrollIntoView({ behavior: "smooth", block: "start" }), 300);
  }
  reached() { this.root.classList.remove("rk-lost"); }
  answered() {}
  unanswered() {}
  rescroll() {}
  lost() {
    this.root.classList.add("rk-lost");
  }
}

// Of all kernels: each loads a module of its own, so they meet in the page.
function hubs() {
  return (window.runpodkitHubs ??= new Set());
}

function style() {
  const id = "runpodkit-style";
  document.getElementById(id)?.remove();
  document.head.append(el("style", { id, textContent: CSS }));
}

export default {
  initialize({ model }) {
    style();
    const hub = new Hub(model);
    hubs().add(hub);
    return () => { hub.end(); hubs().delete(hub); };
  },
  // Where outputs are shown apart from each other, a view of its own carries the place.
  async render({ model, el: host }) {
    const about = model.get("place");
    if (!about) return;
    await model.widget_manager.get_model(about.hub);
    host.append(el("div", { "data-runpodkit": about.key }));
  },
};
