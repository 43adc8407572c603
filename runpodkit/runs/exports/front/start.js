// Keys, and the first look.

const KEYS = [
  ["← ↑ → ↓", "to the next cell; in a large picture: to its neighbour"], ["Enter", "the picture large"], ["Esc", "close"],
  [", .", "previous and next value of an axis that is shown one at a time"], ["a", "play that axis, or stop"], ["x", "swap rows and columns"],
  ["1 2 3", "grid, gallery, table"], ["+ − 0", "larger, smaller, all columns in sight"], ["/", "search"],
  ["p", "pin a picture, to compare the others with it"], ["m", "next way to compare: side by side, slider, flip"],
  ["Space", "held: the pinned picture in place of the other"], ["c j", "copy the parameters, as text or as JSON"], ["wheel drag", "zoom into a large picture, and move it; two clicks: whole again"],
];

function showHelp() {
  const help = byId("help");
  help.replaceChildren(el("div", { class: "bar" }, el("h2", {}, "Keys"), button("✕", "Close (Esc)", () => help.close(), { "aria-label": "close", autofocus: true })),
    el("dl", {}, ...KEYS.flatMap(([keys, words]) => [el("dt", {}, ...keys.split(" ").map((key) => el("kbd", {}, key))), el("dd", {}, words)])),
    el("p", {}, "The address of the page holds the view: keep it or send it along with the file, and it opens as it is now."));
  if (!help.open) help.showModal();
}

function pageKey(event) {
  const { key } = event, at = event.target.closest?.(".cell");
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (moves[key] && (at || event.target === main || event.target === document.body)) {
    const next = at ? neighbour(Number(at.dataset.i), ...moves[key]) : focused;
    if (next === null) return;
    focusOn(next);
  } else if (key === "," || key === ".") step(key === "." ? 1 : -1);
  else if (key === "a") { play(timer === null); drawSteps(); }
  else if (key === "x" && view.mode === "grid") transpose();
  else if (key === "1" || key === "2" || key === "3") change(() => { view.mode = Object.keys(MODES)[Number(key) - 1]; });
  else if (key === "+" || key === "=") setPx(view.shownPx * 1.2);
  else if (key === "-") setPx(view.shownPx / 1.2);
  else if (key === "0") setPx(0);
  else if (key === "/") byId("q").focus();
  else if (key === "p" && at) pin(Number(at.dataset.i));
  else if (key === "?") showHelp();
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (byId("help").open) return;
  if (light.open) return lightKey(event);
  const typing = event.target.closest?.("input, select, textarea, summary");
  if (event.key === "Escape") { document.querySelectorAll("details[open]").forEach((one) => { one.open = false; }); event.target.blur?.(); return; }
  if (!typing || (typing.type === "checkbox" && event.key !== " ")) pageKey(event);
});
document.addEventListener("keyup", (event) => { if (event.key === " ") flip(false); });
window.addEventListener("blur", () => flip(false));
document.addEventListener("click", (event) => {
  document.querySelectorAll("details[open]").forEach((one) => { if (!one.contains(event.target)) one.open = false; });
});
main.addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (!cell) return;
  focusOn(Number(cell.dataset.i), false);
  open(Number(cell.dataset.i));
});
light.addEventListener("click", (event) => { if (event.target === light) light.close(); });
light.addEventListener("close", () => {
  document.body.append(byId("said"));
  view.open = null;
  flip(false);
  Object.assign(lens, { zoom: 1, x: 0, y: 0 });
  keepAddress();
  if (focused !== null) focusOn(focused);
});
window.addEventListener("hashchange", () => {
  if (location.hash.replace(/^#/, "") === lastWritten) return;
  show(location.hash);
});
window.addEventListener("resize", () => { if (!view.px) { size(); syncTools(); } });
window.addEventListener("beforeprint", () => { document.querySelectorAll("#main .cell").forEach((cell) => load(Number(cell.dataset.i))); });
document.addEventListener("DOMContentLoaded", () => {
  for (const i of [...waiting]) load(i);
  if (light.open) showLight();
});

function show(hash) {
  view = readAddress(hash);
  draw();
  if (view.open !== null) open(view.open);
  else if (light.open) light.close();
}

buildTools();
buildCounts();
show(location.hash);
