"""Figures opened in a browser: an SVG's text has the width it was measured with, and no label is obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from runpodkit.images.grids import Cell, grid
from tests.browser.conftest import CHROMIUM, FLAGS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LABELS = [
    "Euler a",
    "маяк",
    "Ωμέγα",
    "منارة عند الغروب",
    "שלום (abc) 12",
    "灯台 at dusk",
    "</text><script>window.hit = 1</script>",
]
MEASURES = """() => [...document.querySelectorAll('text')].map(node => {
    const box = node.getBBox();
    return {text: node.textContent, asked: +node.getAttribute('textLength'), wide: box.width,
            left: box.x, at: +node.getAttribute('x')};
})"""


def test_an_svg_shows_every_label_where_and_as_wide_as_it_was_measured(tmp_path: Path) -> None:
    if not CHROMIUM:
        pytest.skip("no Chromium on the PATH: browser tests did not run (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    cols = [(label,) for label in LABELS]
    cells = {(("",), col): Cell(Image.new("RGB", (64, 96), (40, 90, 160)), note=col[0]) for col in cols}
    made = grid(cells, rows=[("",)], cols=cols, title="Свет маяка", row_title="ось", badge="SIMULATOR", cell_px=200)
    path = made.save(tmp_path / "fig.svg")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": made.image.width, "height": made.image.height})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        texts = page.evaluate(MEASURES)
        page.screenshot(path=tmp_path / "fig.png")
        assert page.evaluate("window.hit") is None
        browser.close()

    assert not errors
    shown = [one["text"] for one in texts]
    assert {"Euler a", "маяк", "Ωμέγα", "منارة عند الغروب", "at dusk", "SIMULATOR", "Свет маяка"} <= set(shown)
    for one in texts:
        assert one["wide"] == pytest.approx(one["asked"], abs=1.5), one
        assert one["left"] == pytest.approx(one["at"], abs=1.5), one
    with Image.open(tmp_path / "fig.png") as seen:
        assert seen.size == made.image.size
        same = seen.convert("RGB").resize((200, 60)).tobytes()
        drawn = made.image.resize((200, 60)).tobytes()
    assert sum(abs(a - b) for a, b in zip(same, drawn, strict=True)) / len(same) < 3, "as the PNG"
