"""Charts: numbers along an axis as lines with bands, or as points with whiskers, fit for a page of a paper.

Gets names and numbers and gives back a figure of matplotlib (the extra `plot`), drawn without its global state; what
the numbers mean, and how an interval was found, is known to the caller.  Text is drawn as it is given, never as
mathematics; only long words along x lose their middle.  No line is told from another by its colour alone.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpodkit.errors import ConfigError
from runpodkit.images import saving
from runpodkit.reprs import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""That people with any colour vision tell apart.  Source: Okabe and Ito (2008), Color universal design; its yellow is
too light for a line on white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.6)))
MOST_LINES = len(COLOURS) * len(DASHES)
DIRECT, DIRECT_SHARE = 7, 0.3
"""Lines up to which each is named where it ends, if no name is longer than this share of the width; else they are listed."""
BESIDE_MM = 16.0
"""Above and below the axes: small print, ticks and the name of x."""
ROW_MM = 3.9
"""Of such a list."""
INK, QUIET, GRID = "#1a1a1a", "#6b6b6b", "#e3e3e3"
MM_PER_INCH = 25.4
NARROWEST_MM, WIDEST_MM = 50.0, 600.0
SHAPE = 0.62
"""Height over width."""
LETTER_MM, SMALL_LETTER_MM = 1.6, 1.25
"""Of 8 and of 6.5 points, on average."""
MOST_ROWS, NARROWEST_ROW, LONGEST_TURNED = 4, 12, 28
"""Of a word along x: its rows, and letters of a row; letters of one that stands aslant."""
INLINE_DPI = 150
SUFFIXES = (".pdf", ".png", ".svg")
DPI = 300


@dataclass(frozen=True, slots=True)
class Point:
    """A mean at one place of the x axis."""

    x: float | str
    y: float
    low: float | None = None
    """Of its interval; None where it has none."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What one colour stands for."""

    name: str
    points: Sequence[Point]


class Chart:
    """A figure: `figure` is matplotlib's, `save` writes it; as the last line of a cell it is shown once."""

    def __init__(self, figure: Figure, text: str) -> None:
        self.figure, self._text = figure, text

    def save(self, path: Path | str, *, dpi: float = DPI) -> Path:
        """Write it as .pdf, .png or .svg, by the suffix; text stays text, and equal figures give equal files.

        Args:
            dpi: Pixels an inch of a .png.

        Raises:
            ValueError: another suffix.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ValueError(f"{path.name}: a plot is saved as {', '.join(SUFFIXES)}, not {suffix or 'no suffix'}")
        return saving.written(path, lambda draft: draft.write_bytes(self._bytes(suffix[1:], dpi)))

    def _bytes(self, form: str, dpi: float) -> bytes:
        import matplotlib

        out = io.BytesIO()
        when: dict[str, dict[str, Any]] = {
            "pdf": {"CreationDate": None},
            "svg": {"Date": None},
            "png": {"Software": "runpodkit"},
        }
        steady: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "runpodkit", "pdf.fonttype": 42}
        with matplotlib.rc_context(steady):
            self.figure.savefig(out, format=form, dpi=dpi, metadata=when[form])
        return out.getvalue()

    def __repr__(self) -> str:
        return self._text

    def _repr_png_(self) -> bytes:
        return self._bytes("png", INLINE_DPI)


def chart(
    lines: Sequence[Line],
    *,
    x_title: str,
    y_title: str,
    hue_title: str = "",
    title: str = "",
    note: str = "",
    badge: str = "",
    level: tuple[float, str] | None = None,
    width_mm: float = 170.0,
    height_mm: float | None = None,
    log_x: bool = False,
    log_y: bool = False,
    text: str = "",
) -> Chart:
    """Draw lines over numbers, or points with whiskers over words.

    Args:
        lines: n >= 1, each with a point or more; x is numbers in all of them, or words in any.
        x_title, y_title: With units.
        hue_title: What the lines vary, over their names.
        note, badge: Small print above the axes: what a band is, "simulated".
        level: A height to be marked, and its name.
        width_mm, height_mm: Of the figure; type has 6.5 to 8 points at any size.
        log_x, log_y: Logarithmic axes.
        text: What it is called where it cannot be seen.

    Raises:
        ConfigError: matplotlib is not installed.
        ValueError: no point, too many lines, a logarithm of what is not above 0, or a size out of bounds.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("a plot needs matplotlib: pip install 'runpodkit[plot]'") from None
    _check(lines, width_mm, height_mm, log_x, log_y)
    words = any(isinstance(point.x, str) for line in lines for point in line.points)
    longest = max(len(line.name) for line in lines)
    direct = not words and len(lines) <= DIRECT and LETTER_MM * longest <= DIRECT_SHARE * width_mm
    columns = 0 if direct or len(lines) == 1 else _columns(longest, len(lines), width_mm)
    listed = ROW_MM * (1 - len(lines) // -columns) if columns else 0.0
    high = height_mm or max(45.0, SHAPE * width_mm if width_mm < 120 else 0.5 * width_mm) + listed
    figure = Figure(figsize=(width_mm / MM_PER_INCH, high / MM_PER_INCH), dpi=INLINE_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _dress(axes, x_title, y_title, note, badge, width_mm, (height_mm or high) - listed)
    if title:
        figure.suptitle(_literal(title), fontsize=9, color=INK, fontweight="bold")
    if words:
        _draw_points(axes, lines, width_mm)
    else:
        _draw_lines(axes, lines)
    if log_x and not words:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    else:
        _from_zero(axes, lines)
    if level:
        axes.axhline(level[0], color=QUIET, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
        _name_level(axes, lines, *level)
    if not words:
        _mark_tried(axes, lines, log_x)
    if columns:
        _list_names(figure, lines, hue_title, columns, width_mm, words=words)
    elif len(lines) > 1:
        _name_at_ends(figure, axes, lines, hue_title)
    if words:
        _turn_if_crowded(figure, axes)
    return Chart(figure, text or f"Plot of {y_title} by {x_title}, {len(lines)} line{'' if len(lines) == 1 else 's'}")


def _check(lines: Sequence[Line], width_mm: float, height_mm: float | None, log_x: bool, log_y: bool) -> None:
    points = [point for line in lines for point in line.points]
    if not points:
        raise ValueError("there is nothing to plot: no trial has a number here")
    if len(lines) > MOST_LINES:
        raise ValueError(f"{len(lines)} lines cannot be told apart: at most {MOST_LINES}; choose some with where=")
    for name, value in (("width_mm", width_mm), ("height_mm", height_mm)):
        if value is not None and not NARROWEST_MM * (name == "width_mm" or 0.6) <= value <= WIDEST_MM:
            least = NARROWEST_MM * (1 if name == "width_mm" else 0.6)
            raise ValueError(f"{name}={value!r}: millimetres from {least:.0f} to {WIDEST_MM:.0f}")
    if log_x and any(isinstance(point.x, str) or point.x <= 0 for point in points):
        raise ValueError("log_x: the values along x are not all numbers above 0")
    if log_y and any(min(point.y, point.y if point.low is None else point.low) <= 0 for point in points):
        raise ValueError("log_y: not all numbers, with their intervals, are above 0")


def _dress(axes: Axes, x_title: str, y_title: str, note: str, badge: str, width_mm: float, high_mm: float) -> None:
    axes.set_xlabel(_literal(x_title), fontsize=8, color=INK)
    wide = max(12, round((high_mm - BESIDE_MM) / LETTER_MM))
    axes.set_ylabel(_wrapped(y_title, wide), fontsize=8, color=INK)
    axes.tick_params(labelsize=7.5, colors=INK, length=2.5, width=0.6, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)
        spine.set_color(QUIET)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    most = max(20, round(0.68 * width_mm / SMALL_LETTER_MM))
    small = " · ".join(filter(None, (note, badge)))
    if small:
        lines = (
            [small] if len(small) <= most else [line for each in (note, badge) for line in textwrap.wrap(each, most)]
        )
        axes.set_title("\n".join(map(_literal, lines)), loc="left", fontsize=6.5, color=QUIET, pad=4)


def _literal(text: str) -> str:
    """Text that means itself: a pair of dollars would start mathematics, and a control character has no letter."""
    return plain(text).replace("$", r"\$")


def _wrapped(text: str, letters: int) -> str:
    return "\n".join(map(_literal, textwrap.wrap(text, letters)))


def _name_level(axes: Axes, lines: Sequence[Line], height: float, name: str) -> None:
    """At that end of the level from which lines are farther, on a pale ground: lines may well cross it."""
    ends = []
    for pick in (min, max):
        at = [
            pick(line.points, key=lambda point: point.x if isinstance(point.x, int | float) else 0.0) for line in lines
        ]
        ends.append(min(abs(point.y - height) for point in at))
    left = ends[0] > ends[1]
    axes.annotate(_literal(name), (0 if left else 1, height), xycoords=("axes fraction", "data"),
                  xytext=(2 if left else -2, 2), textcoords="offset points", fontsize=6.5, color=QUIET,
                  ha="left" if left else "right", va="bottom", zorder=20,
                  bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.6})  # fmt: skip


def _style(number: int) -> tuple[str, str, Any]:
    """Colour, mark and dashes."""
    count = len(COLOURS)
    return COLOURS[number % count], MARKERS[number % count], DASHES[number // count % len(DASHES)]


def _draw_lines(axes: Axes, lines: Sequence[Line]) -> None:
    for number, line in enumerate(lines):
        colour, mark, dashes = _style(number)
        points = sorted(line.points, key=lambda point: float(point.x))
        xs, ys = [float(point.x) for point in points], [point.y for point in points]
        axes.plot(xs, ys, color=colour, marker=mark, markersize=3.6, linewidth=1.4, linestyle=dashes,
                  markeredgecolor="white", markeredgewidth=0.4, zorder=3 + number, clip_on=False)  # fmt: skip
        banded = [point for point in points if point.low is not None and point.high is not None]
        if len(banded) > 1:
            axes.fill_between([float(point.x) for point in banded], [float(point.low or 0) for point in banded],
                              [float(point.high or 0) for point in banded], color=colour, alpha=0.16,
                              linewidth=0, zorder=2)  # fmt: skip
        elif banded:
            _whisker(axes, float(banded[0].x), banded[0], colour)


def _draw_points(axes: Axes, lines: Sequence[Line], width_mm: float) -> None:
    """Side by side over each word, so that no whisker hides another."""
    words = list(dict.fromkeys(str(point.x) for line in lines for point in line.points))
    apart = min(0.16, 0.7 / len(lines))
    for number, line in enumerate(lines):
        colour, mark, _ = _style(number)
        shift = (number - (len(lines) - 1) / 2) * apart
        for point in line.points:
            x = words.index(str(point.x)) + shift
            _whisker(axes, x, point, colour)
            axes.plot([x], [point.y], color=colour, marker=mark, markersize=4.6, linestyle="none",
                      markeredgecolor="white", markeredgewidth=0.4, zorder=4, clip_on=False)  # fmt: skip
    room = round(0.8 * width_mm / len(words) / LETTER_MM)
    axes.set_xticks(range(len(words)), [_fitted(word, room) for word in words])
    axes.set_xlim(-0.5, len(words) - 0.5)


def _fitted(word: str, letters: int) -> str:
    """A word in rows of so many letters, or where those are too few in one row that can be turned; of one that is
    longer, beginning and end."""
    if letters < NARROWEST_ROW:
        half = LONGEST_TURNED // 2
        return _literal(word if len(word) <= LONGEST_TURNED else f"{word[:half].rstrip()}…{word[-half:].lstrip()}")
    rows = textwrap.wrap(word, letters)
    if len(rows) > MOST_ROWS:
        rows = [*rows[: MOST_ROWS // 2], "…", *rows[-(MOST_ROWS // 2) :]]
    return "\n".join(map(_literal, rows))


def _whisker(axes: Axes, x: float, point: Point, colour: str) -> None:
    if point.low is not None and point.high is not None:
        axes.plot([x, x], [point.low, point.high], color=colour, linewidth=1.1, marker="_", markersize=5,
                  markeredgewidth=1.1, zorder=3, clip_on=False)  # fmt: skip


def _from_zero(axes: Axes, lines: Sequence[Line]) -> None:
    """The y axis starts at 0 where that leaves most of it used: a difference then looks as large as it is."""
    ends = [
        end for line in lines for point in line.points for end in (point.y, point.low, point.high) if end is not None
    ]
    low, high = min(ends), max(ends)
    if high > 0 and 0 <= low <= 0.6 * high:
        axes.set_ylim(0, high * 1.06)


def _mark_tried(axes: Axes, lines: Sequence[Line], log: bool) -> None:
    """Ticks at the values that were tried, as far as their labels have room."""
    from matplotlib.ticker import FixedLocator, NullLocator

    tried = sorted({float(point.x) for line in lines for point in line.points})
    if len(tried) < 2:
        axes.set_xticks(tried, [f"{tried[0]:g}"])
        return
    place = (lambda value: math.log(value)) if log else (lambda value: value)
    room = place(tried[-1]) - place(tried[0])
    kept: list[float] = []
    for value in reversed(tried):  # the largest is always named
        if not kept or place(kept[-1]) - place(value) >= 0.055 * room:
            kept.append(value)
    axes.xaxis.set_major_locator(FixedLocator(sorted(kept)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _name_at_ends(figure: Figure, axes: Axes, lines: Sequence[Line], hue_title: str) -> None:
    """Each line's name beside its last point, moved apart where they would touch."""
    ends = []
    for number, line in enumerate(lines):
        last = max(line.points, key=lambda point: float(point.x))
        colour, _, _ = _style(number)
        label = axes.annotate(
            _literal(line.name), (1, last.y), xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points",
            fontsize=7.5, color=colour, va="center", annotation_clip=False,
        )  # fmt: skip
        ends.append((label, last.y))
    if hue_title:
        axes.annotate(_literal(hue_title), (1, 1), xycoords="axes fraction", xytext=(6, 4), textcoords="offset points",
                      fontsize=6.5, color=QUIET, va="bottom", annotation_clip=False)  # fmt: skip
    figure.draw_without_rendering()
    _spread(axes, ends)


def _spread(axes: Axes, ends: Sequence[tuple[Text, float]]) -> None:
    """Move labels up and down, in their order, until none touches the next; as little as that takes."""
    figure = axes.figure
    pixel = 72 / figure.dpi
    high = max(label.get_window_extent().height for label, _ in ends) * 1.12
    placed = sorted(
        ((float(axes.transData.transform((0, y))[1]), label) for label, y in ends), key=lambda each: each[0]
    )
    wanted = [y for y, _ in placed]
    spots = list(wanted)
    box = axes.get_window_extent()
    floor, ceiling = box.y0 + high / 2, box.y1 - high / 2  # what the lines vary stands above
    for _ in range(200):  # neighbours that touch part evenly, until none does
        spots[0], spots[-1] = max(spots[0], floor), min(spots[-1], ceiling)
        touching = [at for at in range(len(spots) - 1) if high - (spots[at + 1] - spots[at]) > 0.01]
        for at in touching:
            overlap = high - (spots[at + 1] - spots[at])
            spots[at] -= overlap / 2
            spots[at + 1] += overlap / 2
        if not touching and spots[0] >= floor - 0.01 and spots[-1] <= ceiling + 0.01:
            break
    for (_, label), spot, was in zip(placed, spots, wanted, strict=True):
        label.set_position((6, (spot - was) * pixel))


def _columns(longest: int, lines: int, width_mm: float) -> int:
    """In which the names of lines stand, beside their marks."""
    return max(1, min(lines, int(width_mm / (LETTER_MM * longest + 9))))


def _list_names(
    figure: Figure, lines: Sequence[Line], hue_title: str, columns: int, width_mm: float, *, words: bool
) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for number, line in enumerate(lines):
        colour, mark, dashes = _style(number)
        stroke: Any = "none" if words else dashes
        handles.append(
            Line2D(
                [],
                [],
                color=colour,
                marker=mark,
                linestyle=stroke,
                markersize=4,
                linewidth=1.4,
                label=_wrapped(line.name, max(12, round((width_mm - 10) / LETTER_MM))),
            )
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=7.5, frameon=False,
                  title=_literal(hue_title) or None, title_fontsize=6.5, labelcolor=INK, handlelength=1.0 if words else 2.2, columnspacing=1.4)  # fmt: skip


def _turn_if_crowded(figure: Figure, axes: Axes) -> None:
    figure.draw_without_rendering()
    labels = axes.get_xticklabels()
    boxes = [label.get_window_extent() for label in labels]
    if any(one.x1 + 3 > other.x0 for one, other in pairwise(boxes)):
        for label in labels:
            label.set_rotation(35)
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
