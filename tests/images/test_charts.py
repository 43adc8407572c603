"""Charts: files of each kind, words that are never cut, and lines that are told apart by more than their colour."""

from __future__ import annotations

import io
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from runpodkit.errors import ConfigError
from runpodkit.images.charts import MARKERS, Chart, Line, Point, chart

NAMES = ["Euler", "Euler a", "Heun", "DPM++ 2M Karras with a long name"]


def lines(count: int = 4) -> list[Line]:
    points = [
        [Point(x, at + x / 10, at + x / 10 - 0.5, at + x / 10 + 0.5) for x in (4, 8, 16, 32)] for at in range(count)
    ]
    return [Line(NAMES[at % 4] + "!" * (at // 4), each) for at, each in enumerate(points)]


def drawn(**look: object) -> Chart:
    given = {"x_title": "steps", "y_title": "execution time (s)", "hue_title": "sampler", "note": "mean over 4 seeds", "badge": "simulated"}  # fmt: skip
    return chart(lines(), **{**given, **look})  # type: ignore[arg-type]


@pytest.mark.parametrize("width_mm", [60, 85, 170])
@pytest.mark.parametrize("count", [1, 4, 9])
def test_all_words_stay_within_the_figure_and_names_do_not_touch(width_mm: float, count: int) -> None:
    figure = chart(lines(count), x_title="steps", y_title="picture distance to the most steps (0 to 1)", hue_title="sampler",
                   note="mean and 95 % interval over 4 seeds, cfg scale averaged", badge="simulated", width_mm=width_mm).figure  # fmt: skip
    figure.draw_without_rendering()
    axes = figure.axes[0]
    edge = figure.bbox
    texts = [text for text in (*axes.texts, axes.xaxis.label, axes.yaxis.label, axes._left_title) if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]

    for text, box in zip(texts, boxes, strict=True):
        within = box.x0 >= edge.x0 - 1 and box.x1 <= edge.x1 + 1 and box.y0 >= edge.y0 - 1 and box.y1 <= edge.y1 + 1
        assert within, text.get_text()
    names = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(names))


def test_lines_differ_in_their_marks_too() -> None:
    marks = [line.get_marker() for line in drawn().figure.axes[0].get_lines()]

    assert marks == list(MARKERS[:4])


@pytest.mark.parametrize(("name", "starts"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")])
def test_a_file_is_of_the_kind_its_name_says_and_the_same_each_time(tmp_path: Path, name: str, starts: bytes) -> None:
    one, other = (drawn().save(tmp_path / place / name).read_bytes() for place in ("a", "b"))

    assert one.startswith(starts)
    assert one == other


def test_text_of_an_svg_stays_text(tmp_path: Path) -> None:
    assert "DPM++ 2M Karras with a long name" in drawn().save(tmp_path / "a.svg").read_text()


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.docx: a plot is saved as .pdf, .png, .svg, not .docx"):
        drawn().save(tmp_path / "a.docx")


def test_in_a_notebook_it_is_one_png_as_wide_as_the_figure() -> None:
    shown = Image.open(io.BytesIO(drawn(width_mm=127, text="Plot")._repr_png_()))

    assert shown.width == pytest.approx(750, abs=1)  # 5 inches of 150 pixels
    assert repr(drawn(text="Plot")) == "Plot"
    assert "matplotlib.pyplot" not in sys.modules


def test_the_axis_starts_at_nought_where_that_shows_differences_as_large_as_they_are() -> None:
    near = chart([Line("", [Point(1, 100), Point(2, 101)])], x_title="x", y_title="y")

    assert drawn().figure.axes[0].get_ylim()[0] <= 0
    assert near.figure.axes[0].get_ylim()[0] > 90


@pytest.mark.parametrize(
    ("look", "said"),
    [
        ({"width_mm": 10}, "width_mm=10: millimetres from 50"),
        ({"height_mm": 1}, "height_mm=1: millimetres from 30"),
        ({"log_y": True}, "log_y: not all numbers"),
    ],
)
def test_a_look_that_cannot_be_is_refused(look: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        drawn(**look)


def test_nothing_and_too_much_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to plot"):
        chart([], x_title="x", y_title="y")
    with pytest.raises(ValueError, match="15 lines cannot be told apart: at most 14"):
        chart(lines(15), x_title="x", y_title="y")
    with pytest.raises(ValueError, match="log_x"):
        chart([Line("", [Point("a", 1)])], x_title="x", y_title="y", log_x=True)


def test_words_along_x_turn_where_they_would_touch() -> None:
    words = [Point(f"a rather long prompt {at}", at, at - 1, at + 1) for at in range(8)]
    axes = chart([Line("", words)], x_title="prompt", y_title="y", width_mm=85).figure.axes[0]

    assert {label.get_rotation() for label in axes.get_xticklabels()} == {35}


def test_without_matplotlib_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(ConfigError, match=r"pip install 'runpodkit\[plot\]'"):
        drawn()


def test_dollars_and_control_characters_of_a_prompt_are_text_and_no_mathematics(tmp_path: Path) -> None:
    """matplotlib takes what stands between two dollars for TeX, and fails on what is none."""
    prompt = "pay $5_{ or $6^\x07"
    looks = {name: f"{name} $a_{{ $" for name in ("x_title", "y_title", "hue_title", "note", "badge", "title")}
    of_words = [Line("one", [Point(prompt, 1.0, 0.5, 1.5)]), Line(prompt, [Point("b", 2.0)])]
    of_numbers = [Line("one", [Point(1, 1.0), Point(2, 1.0)]), Line(prompt, [Point(1, 2.0), Point(2, 3.0)])]

    for number, given in enumerate((of_words, of_numbers)):
        made = chart(given, **looks, level=(1.5, "half $x_{ $")).save(tmp_path / f"{number}.svg").read_text("utf-8")  # type: ignore[arg-type]
        assert "pay $5_{ or $6^\ufffd" in made
        assert all(text in made for text in looks.values())
        assert "half $x_{ $" in made


@pytest.mark.parametrize("count", [2, 9])
def test_long_prompts_along_x_leave_room_for_the_points(count: int) -> None:
    words = [
        Point(f"{at} a lighthouse at dusk, " + "with waves and wind, " * 12 + f"take {at}", at) for at in range(count)
    ]
    axes = chart([Line("", words)], x_title="prompt", y_title="y", width_mm=85).figure.axes[0]
    texts = [label.get_text() for label in axes.get_xticklabels()]

    assert axes.get_window_extent().height > 0.25 * axes.figure.bbox.height
    assert len(set(texts)) == count
    assert all("…" in text for text in texts)


def test_numbers_that_are_all_nought_are_drawn_without_a_warning() -> None:
    low, high = chart([Line("", [Point(1, 0.0), Point(2, 0.0)])], x_title="x", y_title="y").figure.axes[0].get_ylim()

    assert low < 0 < high


@pytest.mark.parametrize(("heights", "side"), [((0.5, 0.011), "left"), ((0.011, 0.5), "right")])
def test_a_level_is_named_at_the_end_from_which_lines_are_farther(heights: tuple[float, float], side: str) -> None:
    points = [Point(x, y) for x, y in zip((4, 8), heights, strict=True)]
    axes = chart([Line("", points)], x_title="x", y_title="y", level=(0.01, "enough")).figure.axes[0]

    assert next(text for text in axes.texts if text.get_text() == "enough").get_horizontalalignment() == side
