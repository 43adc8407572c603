"""The exported page as its reader has it: opened from the file, without a network, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpodkit.params import ImageParams
from runpodkit.runs.rows import TrialState
from runpodkit.sweeps.sweep import Sweep, Trial, sweep
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.pages import shoot
from tests.runs.by_hand import coloured, kept_run, plain_png

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLAN = sweep("a mill", sampler_name=["Euler", "Heun"], steps=[5, 10, 20], seed=[7, 8], extra={"lora": 0.5})
FAILED, MISSING, FLAGGED = 3, 4, 7
Opened = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium on the PATH: browser tests did not run (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """Opens a file without a network; fails the test on anything in the console and on any request but the file's."""
    contexts, said, asked = [], [], []

    def open_file(path: Path, hash_: str = "", **how: Any) -> Page:
        context = browser.new_context(
            offline=True,
            viewport={"width": 1440, "height": 900},
            permissions=["clipboard-read", "clipboard-write"],
            **how,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri() + hash_)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert said == []
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []


def known(trial: Trial) -> dict[str, Any]:
    if trial.number == MISSING:
        return {"state": TrialState.PLANNED, "reason": None}
    fields: dict[str, Any] = {
        "execution_time_s": [4.0, 2.0, 9.0][trial.number % 3] + trial.number / 100,
        "cost_usd": 0.001,
    }
    return fields | ({"flags": ("blank",)} if trial.number == FLAGGED else {})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    run = kept_run(folder, PLAN, lambda trial: None if trial.number in (FAILED, MISSING) else coloured(trial), known)
    return run.to_html(folder / "a page.html", columns={"score": {number: number % 5 for number in range(12)}})


def heads(page: Page, scope: str) -> list[str]:
    return page.locator(f"#main th[scope={scope}]").all_inner_texts()


def numbers(page: Page) -> list[int]:
    """The cells in sight of the arrangement, in the order of the page."""
    return [
        int(found) for found in page.locator("#main .cell").evaluate_all("cells => cells.map(cell => cell.dataset.i)")
    ]


def drawn(page: Page) -> None:
    """Wait until every picture in the window is decoded."""
    page.wait_for_function(
        """() => [...document.querySelectorAll('#main img')].map(img => [img, img.getBoundingClientRect()])
           .filter(([, box]) => box.top < innerHeight && box.left < innerWidth)
           .every(([img]) => img.complete && img.naturalWidth)"""
    )


def cell(page: Page, number: int) -> Locator:
    return page.locator(f"#main .cell[data-i='{number}']")


def title(page: Page) -> str:
    return page.locator("#light h2").inner_text()


def test_it_opens_as_the_grid_lays_it_out_with_failed_and_missing_cells(
    opened: Opened, file: Path, tmp_path: Path
) -> None:
    page = opened(file)

    drawn(page)
    assert heads(page, "row") == ["Euler", "Heun"]
    assert heads(page, "colgroup") == ["5", "10", "20"]
    assert heads(page, "col") == ["7", "8"] * 3
    assert numbers(page) == list(range(12))
    assert cell(page, FAILED).inner_text() == "failed\nthe worker ran out of memory"
    assert cell(page, MISSING).inner_text() == "not drawn yet"
    assert page.locator("h1").inner_text() == "a mill"
    assert page.locator("#same").inner_text() == "832×1216 · cfg scale 4 · extra.lora 0.5"
    assert (
        page.locator("#counts").inner_text()
        == "10 pictures · 1 failed · 1 not drawn · 1 flagged · $0.0110 if it were a GPU"
    )
    assert page.get_by_text("SIMULATOR", exact=True).is_visible()
    assert page.locator(".flag").count() == 1
    shoot(page, "page-grid.png", tmp_path)


def test_axes_change_places_by_mouse(opened: Opened, file: Path) -> None:
    page = opened(file)

    page.get_by_label("where seed goes").select_option("rows")
    assert heads(page, "rowgroup") == ["Euler", "Heun"]
    assert heads(page, "row") == ["7", "8"] * 2
    assert heads(page, "col") == ["5", "10", "20"]
    assert numbers(page) == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]

    page.get_by_role("button", name="swap rows and columns").click()
    assert heads(page, "row") == ["5", "10", "20"]
    assert heads(page, "col") == ["7", "8"] * 2

    page.get_by_label("where seed goes").select_option("pages")
    assert numbers(page) == [0, 6, 2, 8, 4, 10]
    page.get_by_role("button", name="next seed").click()
    assert numbers(page) == [1, 7, 3, 9, 5, 11]
    assert page.locator(".step:visible .now").inner_text() == "8"
    page.locator(".step:visible input[type=range]").fill("0")
    assert numbers(page) == [0, 6, 2, 8, 4, 10]
    slider = page.locator(".step:visible input[type=range]").bounding_box()
    assert slider
    page.mouse.move(slider["x"] + 8, slider["y"] + slider["height"] / 2)
    page.mouse.down()
    page.mouse.move(slider["x"] + slider["width"] - 8, slider["y"] + slider["height"] / 2, steps=5)
    assert page.locator(".step:visible .now").inner_text() == "8"
    page.mouse.move(slider["x"] + 8, slider["y"] + slider["height"] / 2, steps=5)  # still held
    page.mouse.up()
    assert page.locator(".step:visible .now").inner_text() == "7"
    page.keyboard.press("Escape")
    page.keyboard.press(".")
    assert page.locator(".step:visible .now").inner_text() == "8"
    page.keyboard.press(".")  # round and round
    assert page.locator(".step:visible .now").inner_text() == "7"


def test_an_axis_plays_by_itself_until_it_is_stopped(opened: Opened, file: Path) -> None:
    page = opened(file, "#rows=0&cols=1&pages=2")
    page.clock.install()

    page.get_by_role("button", name="play").click()
    page.clock.run_for(1000)
    assert page.locator(".step:visible .now").inner_text() == "8"
    page.clock.run_for(1000)
    assert page.locator(".step:visible .now").inner_text() == "7"
    page.get_by_role("button", name="stop").click()
    page.clock.run_for(5000)
    assert page.locator(".step:visible .now").inner_text() == "7"


def test_values_texts_ranges_and_states_filter(opened: Opened, file: Path) -> None:
    page = opened(file)

    page.get_by_label("values of steps").click()
    page.get_by_role("checkbox", name="10").uncheck()
    assert heads(page, "colgroup") == ["5", "20"]
    assert page.locator("#shown").inner_text() == "8 of 12 cells shown"
    page.get_by_role("button", name="only 20").click()
    assert numbers(page) == [4, 5, 10, 11]
    page.get_by_role("button", name="Clear filters").first.click()
    assert numbers(page) == list(range(12))

    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("heun MEMORY")
    assert page.locator("#main").inner_text().startswith("No cell passes the filters.")
    page.get_by_role("searchbox").fill("out of memory")
    assert numbers(page) == [FAILED]
    page.get_by_role("searchbox").fill("")

    page.get_by_label("Show", exact=True).select_option("flagged")
    assert numbers(page) == [FLAGGED]
    page.get_by_label("Show", exact=True).select_option("failed")
    assert numbers(page) == [FAILED]
    page.get_by_label("Show", exact=True).select_option("missing")
    assert numbers(page) == [MISSING]
    page.get_by_label("Show", exact=True).select_option("all")

    page.get_by_label("filter by ranges of values").click()
    page.get_by_label("execution_time_s from").fill("9")
    page.keyboard.press("Tab")
    assert numbers(page) == [2, 5, 8, 11]
    page.get_by_label("execution_time_s to").fill("9.05")
    page.keyboard.press("Enter")
    assert numbers(page) == [2, 5]


def test_a_gallery_and_a_table_sort_by_any_value(opened: Opened, file: Path) -> None:
    page = opened(file)

    page.get_by_role("button", name="Gallery").click()
    page.get_by_label("Sort", exact=True).select_option("score")
    assert numbers(page) == [0, 5, 10, 1, 6, 11, 2, 7, 3, 8, 4, 9]
    page.get_by_role("button", name="ascending").click()
    assert numbers(page) == [4, 9, 3, 8, 2, 7, 1, 6, 11, 0, 5, 10]
    page.get_by_label("Under", exact=True).select_option("score")
    assert cell(page, 9).locator(".cap").inner_text() == "Heun · 10 · 8\n4"

    page.get_by_role("button", name="Table").click()
    page.get_by_role("button", name="execution_time_s").click()
    assert numbers(page) == [1, 7, 10, 0, 3, 6, 9, 2, 5, 8, 11, MISSING]  # what has no value comes last
    page.get_by_role("button", name="execution_time_s").click()
    assert numbers(page) == [11, 8, 5, 2, 9, 6, 3, 0, 10, 7, 1, MISSING]
    assert page.locator("th[aria-sort=descending]").inner_text() == "execution_time_s ↓"


def test_a_grid_sorts_its_axes_by_the_mean_of_a_value(opened: Opened, file: Path) -> None:
    page = opened(file, "#rows=1&cols=0.2")

    page.get_by_label("Sort", exact=True).select_option("execution_time_s")

    # steps 5: trials 0, 1, 6, 7: 3.04; 10: 2, 3, 8, 9: 6.55; 20: 5, 10, 11 (4 is missing): 6.75…
    assert heads(page, "row") == ["5", "10", "20"]
    page.get_by_role("button", name="ascending").click()
    assert heads(page, "row") == ["20", "10", "5"]


def test_values_colour_the_cells_under_a_legend(opened: Opened, file: Path, tmp_path: Path) -> None:
    page = opened(file)

    page.get_by_label("Colour", exact=True).select_option("score")

    assert page.locator("#legend").inner_text().split() == ["score", "0", "4"]
    colour = "el => getComputedStyle(el.querySelector('.pic'), '::after').borderTopColor"
    assert cell(page, 0).evaluate(colour) == cell(page, 5).evaluate(colour) == "rgb(68, 1, 84)"
    assert cell(page, 9).evaluate(colour) == "rgb(253, 231, 37)"
    assert cell(page, 9).locator(".cap").inner_text() == "4"
    shoot(page, "page-heat.png", tmp_path)


def test_a_picture_opens_large_with_all_that_is_known_and_arrows_walk(
    opened: Opened, file: Path, tmp_path: Path
) -> None:
    page = opened(file)

    cell(page, 1).click()
    assert title(page) == "sampler_name Euler, steps 5, seed 8"
    facts = dict(
        zip(page.locator(".about th").all_inner_texts(), page.locator(".about td").all_inner_texts(), strict=True)
    )
    assert facts["steps"] == "5"
    assert facts["score"] == "1"
    assert facts["execution_time_s"] == "2.01 s"
    assert facts["cost_usd"] == "$0.00100 if it were a GPU"
    assert facts["user_prompt"] == "a mill"
    assert facts["extra.lora"] == "0.5"
    assert facts["size"] == "64 × 96"
    assert facts["key"] == "1".zfill(64)
    assert page.locator(".stage img").evaluate(
        "img => img.decode().then(() => [img.naturalWidth, img.naturalHeight])"
    ) == [64, 96]
    shoot(page, "page-light.png", tmp_path)

    page.keyboard.press("ArrowRight")
    assert title(page) == "sampler_name Euler, steps 10, seed 7"
    page.keyboard.press("ArrowDown")
    assert title(page) == "sampler_name Heun, steps 10, seed 7"
    page.keyboard.press("ArrowDown")  # the last row
    assert title(page) == "sampler_name Heun, steps 10, seed 7"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert page.locator(".why").inner_text() == "failed\nthe worker ran out of memory"
    page.keyboard.press("Escape")
    assert page.locator("#light").is_hidden()
    assert page.evaluate("document.activeElement.dataset.i") == str(FAILED)


def test_all_of_it_works_by_keyboard(opened: Opened, file: Path) -> None:
    page = opened(file)

    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('cell')"):
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert (
        page.evaluate("document.activeElement.getAttribute('aria-label')")
        == "sampler_name Heun, steps 5, seed 8; blank"
    )
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert title(page) == "sampler_name Heun, steps 5, seed 8"
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    assert heads(page, "row")[0] == "7"
    page.keyboard.press("3")
    assert page.locator("table.facts").is_visible()
    page.keyboard.press("1")
    before = page.evaluate("document.querySelector('#main .cell').offsetWidth")
    page.keyboard.press("-")
    assert page.evaluate("document.querySelector('#main .cell').offsetWidth") < before
    page.keyboard.press("0")
    assert page.evaluate("document.querySelector('#main .cell').offsetWidth") == before
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()


def test_two_pictures_are_compared_side_by_side_under_a_slider_and_by_flipping(opened: Opened, file: Path) -> None:
    page = opened(file)

    cell(page, 0).click()
    page.keyboard.press("p")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator(".stage .pane").count() == 2
    differing = page.locator(".about .differs th").all_inner_texts()
    assert differing == ["steps", "trial", "execution_time_s", "score", "key"]
    first, second = page.locator(".pane.first"), page.locator(".pane.second")
    left, right = first.bounding_box(), second.bounding_box()
    assert left and right and left["x"] + left["width"] <= right["x"]

    page.keyboard.press("m")
    page.get_by_label("where the pictures meet").fill("25")
    assert second.evaluate("el => getComputedStyle(el).clipPath") == "inset(0px 0px 0px 25%)"
    page.keyboard.press("m")
    assert first.is_hidden() and second.is_visible()
    for held in ("f", " "):
        page.keyboard.down(held)
        assert first.is_visible() and second.is_hidden()
        page.keyboard.up(held)
    assert first.is_hidden() and second.is_visible()

    page.keyboard.press("Escape")
    assert "pinned" in (cell(page, 0).get_attribute("class") or "")


def test_the_wheel_enlarges_both_pictures_alike(opened: Opened, file: Path) -> None:
    page = opened(file, "#pin=0&open=1")
    shape = "imgs => imgs.map(img => getComputedStyle(img).transform)"

    page.locator(".pane.second").hover()
    page.mouse.wheel(0, -600)
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.pane.first img')).transform !== 'matrix(1, 0, 0, 1, 0, 0)'"
    )
    one, other = page.locator(".pane img").evaluate_all(shape)
    assert one == other and float(one.split("(")[1].split(",")[0]) > 2
    page.keyboard.press("0")
    assert page.locator(".pane img").evaluate_all(shape) == ["matrix(1, 0, 0, 1, 0, 0)"] * 2


def test_what_is_copied_makes_the_picture_again(opened: Opened, file: Path) -> None:
    import json

    page = opened(file)
    clipboard = "navigator.clipboard.readText()"

    cell(page, 8).click()
    page.get_by_role("button", name="Copy JSON").click()
    page.get_by_text("Copied: the parameters as JSON.").wait_for()
    assert ImageParams(**json.loads(page.evaluate(clipboard))) == PLAN.trials("made-by-hand")[8].params
    page.keyboard.press("c")
    page.get_by_text("Copied: the parameters as text.").wait_for()
    assert page.evaluate(clipboard).startswith(
        "a mill\nSteps: 10, Sampler: Heun, CFG scale: 4, Seed: 7, Size: 832x1216"
    )


def test_the_address_holds_the_view_over_a_reload(opened: Opened, file: Path) -> None:
    page = opened(file)

    page.get_by_label("where seed goes").select_option("pages")
    page.get_by_role("button", name="next seed").click()
    page.get_by_label("Under", exact=True).select_option("score")
    page.get_by_label("values of steps").click()
    page.get_by_role("checkbox", name="10").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("+")
    cell(page, 5).click()
    before = page.evaluate("location.hash"), page.locator("#main").inner_text(), cell(page, 5).bounding_box()

    page.reload()

    assert title(page) == "sampler_name Euler, steps 20, seed 8"
    assert (page.evaluate("location.hash"), page.locator("#main").inner_text(), cell(page, 5).bounding_box()) == before
    assert re.fullmatch(r"#cols=1&pages=2&at=2-1&off1=1&under=score&px=\d+&open=5", before[0])
    assert numbers(page) == [1, 5, 7, 11]

    page.evaluate("location.hash = ''")  # as when a plain link is followed
    page.wait_for_function("() => !document.querySelector('#light').open")
    assert numbers(page) == list(range(12))


@pytest.mark.parametrize(
    "wrong",
    ["#rows=9&cols=0.0.1&at=1-99.x&off0=7&under=nothing&heat=sampler_name&sort=__proto__&px=99999&open=500&view=cube",
     "#view=constructor&only=toString&compare=valueOf&range=[1]&range={}&range=[%22steps%22,null,null]", "#%E0%A4%A", "#off0=0.1&off1=0.1.2"],
)  # fmt: skip
def test_a_wrong_address_opens_what_can_be_opened(opened: Opened, file: Path, wrong: str) -> None:
    page = opened(file, wrong)

    assert page.locator("#main").inner_text() != ""
    assert page.locator("#light").is_hidden()
    if "off0=0.1" not in wrong:
        assert sorted(numbers(page)) == list(range(12))


def test_where_history_is_forbidden_the_page_works_all_the_same(opened: Opened, file: Path, tmp_path: Path) -> None:
    frame = tmp_path / "frame.html"
    text = file.read_text("utf-8").replace("&", "&amp;").replace('"', "&quot;")
    frame.write_text(
        f'<!doctype html><meta charset="utf-8"><iframe sandbox="allow-scripts" width=1300 height=800 srcdoc="{text}"></iframe>'
    )
    page = opened(frame)

    inner = page.frame_locator("iframe")
    inner.get_by_label("where seed goes").select_option("pages")
    inner.get_by_role("button", name="next seed").click()

    assert inner.locator("#main .cell").count() == 6
    assert inner.locator(".step:visible .now").inner_text() == "8"


EVIL = [
    "</script><script>document.title='run'</script>",
    "<img src=x onerror=\"document.title='run'\">",
    "<!--<script>document.title='run'//",
    "'\"><svg onload=\"document.title='run'\">",
    "{{SCRIPT}}\u2028\u2029 javascript:alert(1) \u202eabc",
]


def test_hostile_prompts_names_and_reasons_are_text_and_nothing_else(opened: Opened, tmp_path: Path) -> None:
    plan = Sweep(ImageParams(user_prompt="x", extra={EVIL[1]: EVIL[0]}), {"user_prompt": EVIL, "steps": [1, 2]})
    run = kept_run(
        tmp_path, plan, lambda trial: None if trial.number % 2 else coloured(trial),
        lambda trial: {"reason": EVIL[trial.number // 2] if trial.number % 2 else None, "flags": tuple(EVIL), "prompt": EVIL[1], "endpoint": EVIL[0]},
        endpoint=EVIL[0],
    )  # fmt: skip
    page = opened(
        run.to_html(tmp_path / "evil.html", title=EVIL[0], columns={name: {0: name} for name in EVIL}, under=EVIL[1])
    )

    drawn(page)
    assert page.title() == EVIL[0]
    assert heads(page, "row") == EVIL
    for view in ("Gallery", "Table", "Grid"):
        page.get_by_role("button", name=view).click()
    page.get_by_label("Colour", exact=True).select_option("steps")
    cell(page, 1).click()
    page.keyboard.press("p")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".about .differs").count() > 0
    page.keyboard.press("Escape")
    for menu in page.locator("summary").all():
        menu.click()
    assert page.title() == EVIL[0]
    assert page.locator("img:not([src^='data:image/webp']), svg, iframe, main script").count() == 0


def test_labels_are_never_cut(opened: Opened, tmp_path: Path) -> None:
    prompts = ["a mill " * 60 + "END", "ж" * 300 + "END", "短い"]
    axes = {"user_prompt": prompts, "extra.style": ["a" * 200 + "END", "b"]}
    plan = Sweep(ImageParams(user_prompt="x"), axes)
    page = opened(kept_run(tmp_path, plan).to_html(tmp_path / "page.html"))

    boxes = page.locator("#main th div").evaluate_all(
        "divs => divs.map(div => [div.scrollWidth <= div.clientWidth + 1, div.scrollHeight <= div.clientHeight + 1 || getComputedStyle(div).overflowY === 'auto'])"
    )
    assert boxes == [[True, True]] * 5
    page.get_by_label("where user_prompt goes").select_option("cols")
    assert page.locator("#main th[scope=colgroup] span, #main th[scope=col] span").evaluate_all(
        "spans => spans.every(span => span.scrollWidth <= span.clientWidth + 1 || getComputedStyle(span).display === 'inline')"
    )
    shoot(page, "page-labels.png", tmp_path)


def test_headers_stay_in_sight_when_the_grid_is_scrolled(opened: Opened, tmp_path: Path) -> None:
    plan = sweep("a mill", steps=list(range(1, 13)), seed=list(range(12)))
    page = opened(kept_run(tmp_path, plan).to_html(tmp_path / "page.html"), "#px=200")

    page.evaluate("document.querySelector('#main').scrollTo(900, 1200)")
    page.wait_for_function("() => document.querySelector('#main').scrollTop === 1200")

    box = page.locator("#main").bounding_box()
    top, left = (
        page.locator("#main th[scope=col]").nth(7).bounding_box(),
        page.locator("#main th[scope=row]").nth(6).bounding_box(),
    )
    assert box and top and left
    assert abs(top["y"] - box["y"]) <= 1
    assert abs(left["x"] - box["x"]) <= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 800, 390])
def test_nothing_sticks_out_of_the_window(opened: Opened, file: Path, tmp_path: Path, scheme: str, width: int) -> None:
    page = opened(file, "#pages=2&under=score", color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})

    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("#top *", "#light *"):
        if selector.startswith("#light"):
            cell(page, 0).click()
        outside = page.locator(selector).evaluate_all(
            "(all, width) => all.filter(one => one.checkVisibility() && !one.closest('.panel')).filter(one => { const box = one.getBoundingClientRect(); return box.width && (box.right > width + 1 || box.left < -1); }).map(one => one.outerHTML.slice(0, 80))",
            width,
        )
        assert outside == []
    shoot(page, f"page-{scheme}-{width}.png", tmp_path)
    white = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert white == (scheme == "light")


def test_on_paper_there_is_the_grid_alone_and_whole(opened: Opened, file: Path) -> None:
    page = opened(file, color_scheme="dark")

    page.emulate_media(media="print")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert cell(page, FAILED).locator(".pic").evaluate("pic => getComputedStyle(pic).color") == "rgb(150, 48, 31)"

    assert page.locator("#tools").is_hidden()
    assert page.locator("#main").evaluate("main => main.scrollHeight <= main.clientHeight + 1")
    assert page.locator("h1").is_visible()


def test_two_thousand_cells_are_there_and_only_those_in_sight_are_decoded(opened: Opened, tmp_path: Path) -> None:
    plan = sweep("a mill", steps=list(range(1, 41)), seed=list(range(50)))
    run = kept_run(tmp_path, plan, lambda trial: plain_png((trial.number % 50, 90, trial.number // 50)))
    page = opened(run.to_html(tmp_path / "page.html"))

    drawn(page)
    assert page.locator("#main .cell").count() == 2000
    loaded = "document.querySelectorAll('#main img[src]').length"
    assert 0 < page.evaluate(loaded) < 1500
    page.get_by_label("where seed goes").select_option("pages")
    assert page.locator("#main .cell").count() == 40
    page.get_by_role("button", name="Gallery").click()
    page.get_by_role("searchbox").fill('"steps 40"')
    page.wait_for_function("() => document.querySelectorAll('#main .cell').length === 50")
    drawn(page)
