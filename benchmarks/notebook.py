"""What forms and live views cost, in a real JupyterLab and a real browser: python benchmarks/notebook.py

Beside each figure stands a yardstick from the same session: a bare ipywidgets slider for the form,
the same kernel and page with nothing shown for the idle view.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from runpodkit import stack
from runpodkit.settings import Settings
from tests.browser.conftest import CHROMIUM, FLAGS, Lab
from tests.browser.pages import write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONNECT = "import os\nimport runpodkit as rk\nkit = rk.connect()\nprint('pid', os.getpid())"
SLIDER = "import ipywidgets\nipywidgets.IntSlider()"
RUN = (
    "sweep = rk.sweep('a lighthouse at dusk', steps=range(1, 11), seed=range(10), width=256, height=256)\n"
    "run = kit.submit(sweep, name='hundred')\nrun"
)
ENDED = "import json\nprint(json.dumps({record.trial: record.ended_at for record in run.records()}))"
SEEN = """async () => {
  const view = document.querySelector('.rk-run'), first = new Map();
  const look = () => {
    for (const cell of view.querySelectorAll('.rk-cell'))
      if (cell.querySelector('img') && !first.has(+cell.dataset.trial)) first.set(+cell.dataset.trial, Date.now() / 1000);
  };
  new MutationObserver(look).observe(view, { childList: true, subtree: true });
  while (document.querySelector('.rk-state').textContent !== 'DONE') await new Promise(go => setTimeout(go, 100));
  await new Promise(go => setTimeout(go, 2000));
  return [...first];
}"""


def run_cell(page: Page, number: int) -> float:
    """Run a cell; gives when, in seconds of the page's clock."""
    page.locator(".jp-CodeCell").nth(number).locator(".cm-content").click()
    began = time.perf_counter()
    page.keyboard.press("Control+Enter")
    return began


def shown(page: Page, number: int, what: str) -> float:
    """Seconds from running a cell to seeing what it shows."""
    began = run_cell(page, number)
    page.locator(what).first.wait_for(state="visible")
    return time.perf_counter() - began


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def idle(page: Page, pid: int, metrics: Any, seconds: float) -> tuple[float, float]:
    """Share of a core that kernel and page take while nothing happens."""

    def tasks() -> float:
        found = metrics.send("Performance.getMetrics")["metrics"]
        return float(next(item["value"] for item in found if item["name"] == "TaskDuration"))

    before = cpu_s(pid), tasks()
    page.wait_for_timeout(seconds * 1000)
    return (cpu_s(pid) - before[0]) / seconds, (tasks() - before[1]) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to watch an idle view")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as box:
        work = Path(box)
        lab = Lab(work)
        try:
            lab.wait()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                measure(lab, browser, asked.seconds)
                browser.close()
        finally:
            lab.ask("/api/shutdown", "POST")
            lab.process.wait(15)
            stack.down(Settings.load(work, RUNPODKIT_HOME=work / "home"))


def measure(lab: Lab, browser: Any, seconds: float) -> None:
    """One notebook, cell by cell."""
    cells = (SLIDER, CONNECT, "kit.form()", "kit.sweep_form()", RUN, ENDED)
    name = write_notebook(lab, "speed.ipynb", *cells)
    page = browser.new_page(viewport={"width": 1480, "height": 1400})
    page.goto(f"{lab.url}/lab/tree/{name}?token={lab.token}&reset")
    page.wait_for_selector(".jp-NotebookPanel:visible .jp-Notebook", timeout=60_000)
    page.evaluate(
        """async () => { const app = window.jupyterapp; await app.restored;
           const panel = app.shell.currentWidget; await panel.context.ready;
           await panel.sessionContext.ready; await panel.sessionContext.session.kernel.info; }"""
    )
    output = page.locator(".jp-OutputArea-output")
    connected = run_cell(page, 1)
    output.filter(has_text="pid ").wait_for()
    pid = int(output.filter(has_text="pid ").inner_text().rpartition("pid ")[2])
    print(f"connect(), with the stand-ins started:    {time.perf_counter() - connected:5.2f} s")
    form = shown(page, 2, ".rk-form")
    again = shown(page, 2, ".rk-form:visible")
    sweep_form = shown(page, 3, ".rk-form:has(.rk-plan)")
    slider = shown(page, 0, ".widget-hslider:visible")
    print(f"form for one picture, first and again:    {form:5.2f} s, {again:.2f} s   (target 0.3 s)")
    print(f"form for a sweep:                         {sweep_form:5.2f} s")
    print(f"a bare slider:                            {slider:5.2f} s")

    metrics = page.context.new_cdp_session(page)
    metrics.send("Performance.enable")
    page.wait_for_timeout(3000)
    bare = idle(page, pid, metrics, seconds)
    run_cell(page, 4)
    page.locator(".rk-run").wait_for()
    page.locator(".rk-run").scroll_into_view_if_needed()
    seen = dict(page.evaluate(SEEN))
    run_cell(page, 5)
    told = output.filter(has_text='{"0": "20')
    told.wait_for()
    ended = {
        int(trial): datetime.fromisoformat(when).timestamp() for trial, when in json.loads(told.inner_text()).items()
    }
    late = sorted(moment - ended[trial] for trial, moment in seen.items())
    page.locator(".rk-run").scroll_into_view_if_needed()
    page.wait_for_timeout(8000)
    busy = idle(page, pid, metrics, seconds)
    print(
        f"collected -> picture on the screen:       {statistics.median(late):5.2f} s, at most {late[-1]:.2f} s, {len(late)} seen   (target 1 s)"
    )
    print(f"idle, nothing shown: kernel, page:        {bare[0]:5.1%} {bare[1]:.1%} of a core")
    print(f"idle, a view of 100 cells: kernel, page:  {busy[0]:5.1%} {busy[1]:.1%} of a core   (target 5 %)")


if __name__ == "__main__":
    main()
