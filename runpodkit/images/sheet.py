"""The drawing of a grid: where everything goes, then the ink.

Gets pictures that are already as small as their cells, and labels; knows no bytes, paths or
outputs, nor what the canvas is made of.  All lengths are pixels.  On a screen type is sized from the
cells and the sheet's width, so that labels stay readable when a wide sheet is shown smaller; in
print it has the size that print needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from runpodkit.images import lettering
from runpodkit.images.canvas import Canvas
from runpodkit.images.headline import GREY, INK, Headline
from runpodkit.images.lettering import Block, Colour
from runpodkit.images.places import EDGE, FAILED, NOTHING, PALE, Content, Places, Problem
from runpodkit.images.raster import Raster
from runpodkit.images.style import Style
from runpodkit.images.typeface import font

__all__ = ["EDGE", "FAILED", "NOTHING", "PALE", "RULE", "Labels", "Problem", "Sheet", "Words"]

Labels = tuple[str, ...]

LONGEST_TEXT = 20_000
"""Characters; nobody reads as many in a picture, and laying them out takes long."""
RULE: Colour = (188, 190, 195)


@dataclass(frozen=True)
class Words:
    """The texts around the cells; an empty one takes no room."""

    title: str = ""
    subtitle: str = ""
    row_title: str = ""
    col_title: str = ""
    badge: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring rows or columns under one label: first and last position, and the label's text."""

    first: int
    last: int
    text: Block


class Sheet:
    """A grid laid out: its `size` is known before anything is drawn.

    `widths` and `heights` are those of the columns' and rows' places, without notes.

    Raises:
        ValueError: a label, note or title of over 20,000 characters.
    """

    def __init__(
        self,
        rows: Sequence[Labels],
        cols: Sequence[Labels],
        widths: Sequence[int],
        heights: Sequence[int],
        words: Words,
        notes: Mapping[tuple[Labels, Labels], str],
        style: Style = Style(),
    ) -> None:
        _check_lengths([*vars(words).values(), *notes.values(), *(text for key in (*rows, *cols) for text in key)])
        self._rows, self._cols, self.style = rows, cols, style
        self.words = words if style.legend else Words(badge=words.badge)
        self._notes = notes if style.legend else {}
        self._widths, self._places = widths, heights
        widest = max(widths)
        self.px, self._small = style.type_sizes(widest, sum(widths))
        self._gap = max(4, round(widest * 0.03)) if style.gap_px is None else style.gap_px
        padding = round(self.px * 1.6) if style.legend else 0
        self._margin = padding if style.padding_px is None else style.padding_px
        self._hairline = max(1, round(self.px / 26))
        words = self.words
        self._headline = Headline(words.title, words.subtitle, words.badge, self.px, self._small, style.least_px)
        self._lay_columns()
        self._lay_rows(widest, max(heights))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole sheet."""
        tall = max(self._span_y(0, len(self._rows) - 1), self._row_title.width)
        bottom = self._top + tall + self._margin
        if self.style.width_px is not None:
            return self.style.width_px, max(bottom, self.style.height_px)
        least = max(self._headline.least_width, self._col_title.width) + 2 * self._margin
        return max(self._right + self._margin, least), bottom

    @property
    def needed_width(self) -> int:
        """The least width that cuts nothing; a sheet of fixed width must not be narrower."""
        words = max(self._headline.badge_width, self._col_title.width, round(font(self.px).getlength("MM")))
        return max(self._right, self._margin + words) + self._margin

    @property
    def row_spans(self) -> list[tuple[int, int]]:
        """Where each row begins and ends, its notes included."""
        return [
            (self._top + start, self._top + start + height)
            for start, height in zip(self._starts_y, self._heights, strict=True)
        ]

    def draw(self, pictures: Mapping[tuple[Labels, Labels], Content]) -> Image.Image:
        """The sheet with these pictures in their places, as pixels."""
        raster = Raster(self.size)
        self.draw_on(raster, pictures)
        return raster.image

    def draw_on(self, canvas: Canvas, pictures: Mapping[tuple[Labels, Labels], Content]) -> None:
        """The same on any canvas; a place without a picture is marked as missing."""
        # a hairline needs room outside its picture
        hairline = self._hairline if self._gap >= 2 * self._hairline and self._margin >= self._hairline else 0
        cells = Places(self.px, self._small, self.style.least_px, self._hairline, hairline)
        self._headline.draw(canvas, self._margin)
        self._draw_column_labels(canvas)
        self._draw_row_labels(canvas)
        for row, y, height in zip(self._rows, self._starts_y, self._places, strict=True):
            for col, x, width in zip(self._cols, self._starts_x, self._widths, strict=True):
                place = (self._left + x, self._top + y, width, height)
                cells.draw(canvas, place, pictures.get((row, col)))
                note = self._note(row, col, width)
                canvas.text(note, place[0] + width / 2, place[1] + height + self._under, GREY, "centre")

    # layout

    def _lay_columns(self) -> None:
        self._starts_x = _starts(self._cols, self._widths, self._gap, self._nesting)
        self._col_levels = [
            [
                _Group(first, last, lettering.block(text, self.px, width=self._label_room(first, last)))
                for first, last, text in self._groups(self._cols, level)
            ]
            for level in range(len(self._cols[0]))
        ]
        self._col_heights = [max(group.text.height for group in level) for level in self._col_levels]
        self._turn_narrow_labels()
        whole = self._span_x(0, len(self._cols) - 1)
        self._col_title = lettering.block(self.words.col_title, self._small, width=max(whole, 12 * self._small))

    def _turn_narrow_labels(self) -> None:
        """The innermost column labels stand upright where words would have to be broken and there is room to."""
        groups = self._col_levels[-1]
        room = [self._label_room(group.first, group.last) for group in groups]
        texts = [text for _, _, text in self._groups(self._cols, len(self._cols[0]) - 1)]
        broken = any(
            lettering.least_width(text, self.px) > width
            for text, width in zip(texts, room, strict=True)
            if text.strip()
        )
        turned = [lettering.block(text, self.px, width=24 * self.px) for text in texts] if broken else []
        self._upright = broken and all(text.height <= width for text, width in zip(turned, room, strict=True))
        if self._upright:
            self._col_levels[-1] = [
                _Group(group.first, group.last, text) for group, text in zip(groups, turned, strict=True)
            ]
            self._col_heights[-1] = max(text.width for text in turned)

    def _lay_rows(self, width: int, height: int) -> None:
        self._under = round(self._small * 0.25)
        columns = list(zip(self._cols, self._widths, strict=True))
        note_heights = [max(self._note(row, col, wide).height for col, wide in columns) for row in self._rows]
        heights = [
            place + (note + self._under if note else 0) for place, note in zip(self._places, note_heights, strict=True)
        ]
        self._row_levels: list[list[_Group]] = []
        for level in range(len(self._rows[0])):
            groups = self._groups(self._rows, level)
            texts = self._row_texts([text for _, _, text in groups], width, height)
            self._row_levels.append(
                [_Group(first, last, text) for (first, last, _), text in zip(groups, texts, strict=True)]
            )
        for groups_of_level in self._row_levels:  # a label taller than its rows makes the last of them taller
            for group in groups_of_level:
                lacking = group.text.height - sum(heights[group.first : group.last + 1])
                heights[group.last] += max(0, lacking)
        self._heights = heights
        gap = self._gap + (self._under if any(note_heights) else 0)
        self._starts_y = _starts(self._rows, heights, gap, self._nesting)
        self._row_widths = [max(group.text.width for group in level) for level in self._row_levels]
        tall = self._span_y(0, len(self._rows) - 1)
        self._row_title = lettering.block(self.words.row_title, self._small, width=max(tall, 12 * self._small))

    def _row_texts(self, labels: list[str], width: int, height: int) -> list[Block]:
        """Row labels on one line if they are short, else at the narrowest width that is not taller than a cell."""
        plain = [lettering.block(text, self.px) for text in labels]
        if max(text.width for text in plain) <= max(0.75 * width, 9 * self.px):
            return plain
        made = plain
        for share in (0.6, 0.9, 1.3, 2.0):
            limit = max(share * width, 9 * self.px)
            made = [lettering.block(text, self.px, width=limit) for text in labels]
            if max(text.height for text in made) <= height:
                break
        return made

    def _groups(self, labels: Sequence[Labels], level: int) -> list[tuple[int, int, str]]:
        groups = _groups(labels, level)
        return groups if self.style.legend else [(first, last, "") for first, last, _ in groups]

    @property
    def _nesting(self) -> int:
        """How much wider a gap is for each outer label that changes there."""
        return round(0.8 * self.px) if self.style.legend else 0

    def _label_room(self, first: int, last: int) -> int:
        """How wide a column label may be."""
        return self._span_x(first, last)

    def _span_x(self, first: int, last: int) -> int:
        return self._starts_x[last] + self._widths[last] - self._starts_x[first]

    def _span_y(self, first: int, last: int) -> int:
        return self._starts_y[last] + self._heights[last] - self._starts_y[first]

    def _note(self, row: Labels, col: Labels, width: int) -> Block:
        return lettering.block(self._notes.get((row, col), ""), self._small, width=width)

    @property
    def _pad(self) -> int:
        """Between a label and what it labels."""
        return round(self.px * 0.7)

    @cached_property
    def _left(self) -> int:
        """Where the first column begins; what is left over in a sheet of fixed width is shared by both sides."""
        return self._least_left + (
            max(0, self.style.width_px - self._right - self._margin) // 2 if self.style.width_px else 0
        )

    @property
    def _least_left(self) -> int:
        labels = sum(width + self._pad + (self._pad if level else 0) for level, width in self._row_x_widths)
        title = self._row_title.height + self._pad if self._row_title.lines else 0
        return self._margin + max(title + labels, self._overhang)

    @property
    def _right(self) -> int:
        """Where the last column and what hangs over it end, if nothing is left over."""
        return self._least_left + self._span_x(0, len(self._cols) - 1) + self._overhang

    @cached_property
    def _overhang(self) -> int:
        """How far a letter wider than its narrow column would reach into the margin and beyond."""
        wide = [
            ((group.text.height if level is self._col_levels[-1] and self._upright else group.text.width), group)
            for level in self._col_levels
            for group in (level[0], level[-1])
        ]
        over = [width - self._span_x(group.first, group.last) for width, group in wide]
        for edge in (0, -1):
            over += [
                self._note(row, self._cols[edge], self._widths[edge]).width - self._widths[edge] for row in self._rows
            ]
        return max(0, round(max(over) / 2 + 0.5) - self._margin)

    @property
    def _row_x_widths(self) -> list[tuple[int, int]]:
        """Levels of row labels that take room, innermost as 0, with their widths."""
        innermost = len(self._row_widths) - 1
        return [(innermost - level, width) for level, width in enumerate(self._row_widths) if width]

    @cached_property
    def _head_height(self) -> int:
        """What title, subtitle and badge take, with the room below them."""
        fixed = self.style.width_px
        room = fixed - 2 * self._margin if fixed else max(self._right - self._margin, self._headline.least_width)
        height = self._headline.lay(room)
        return height + round(self.px * 0.9) if height else 0

    @cached_property
    def _labels_top(self) -> int:
        """Where the column labels begin, below title, subtitle and the columns' own title."""
        head = self._head_height
        title = self._col_title.height + round(self._pad * 0.4) if self._col_title.lines else 0
        return self._margin + head + title

    @cached_property
    def _top(self) -> int:
        """Where the first row of pictures begins."""
        levels = len(self._col_heights)
        taken = [height + (self._pad if level < levels - 1 else 0) for level, height in enumerate(self._col_heights)]
        return self._labels_top + sum(taken) + (round(self._pad * 0.6) if any(self._col_heights) else 0)

    # labels

    def _draw_column_labels(self, canvas: Canvas) -> None:
        # above the columns' middle, unless it is so much wider than they that it would leave the sheet
        half = self._col_title.width / 2
        middle = self._left + self._span_x(0, len(self._cols) - 1) / 2
        middle = min(max(middle, self._margin + half), canvas.size[0] - self._margin - half)
        canvas.text(self._col_title, middle, self._margin + self._head_height, GREY, "centre")
        y = self._labels_top
        innermost = len(self._col_levels) - 1
        for level, (groups, height) in enumerate(zip(self._col_levels, self._col_heights, strict=True)):
            for group in groups:
                x, span = self._left + self._starts_x[group.first], self._span_x(group.first, group.last)
                if level == innermost and self._upright:
                    left = x + (span - group.text.height) // 2
                    canvas.upright(group.text, left, y + height - group.text.width, INK, "left")
                    continue
                # an outer label stands on its rule, an inner one on its pictures
                canvas.text(group.text, x + span / 2, y + height - group.text.height, INK, "centre")
                if level < innermost and group.text.lines:
                    canvas.line(x, y + height + self._pad // 3, span, RULE, _stroke(self.px))
            y += height + (self._pad if level < innermost else 0)

    def _draw_row_labels(self, canvas: Canvas) -> None:
        if self._row_title.lines:
            tall = self._span_y(0, len(self._rows) - 1)
            y = self._top + max(0, (tall - self._row_title.width) // 2)
            canvas.upright(self._row_title, self._margin, y, GREY)
        right = self._left
        innermost = len(self._row_levels) - 1
        for level in range(innermost, -1, -1):
            if not self._row_widths[level]:
                continue
            right -= self._pad
            for group in self._row_levels[level]:
                y = self._top + self._starts_y[group.first]
                span = self._span_y(group.first, group.last)
                if level < innermost and group.text.lines:
                    canvas.line(right, y, span, RULE, _stroke(self.px), down=True)
                edge = right - (self._pad if level < innermost else 0)
                # beside one picture a label sits in the picture's middle, not the note's
                within = max(self._places[group.first], group.text.height) if group.first == group.last else span
                canvas.text(group.text, edge, y + (within - group.text.height) / 2, INK, "right")
            right -= self._row_widths[level] + (self._pad if level < innermost else 0)


def _check_lengths(texts: Sequence[str]) -> None:
    longest = max(texts, key=len)
    if len(longest) > LONGEST_TEXT:
        raise ValueError(
            f"{longest[:40]!r}… is {len(longest):,} characters long: a label, note or title has at most {LONGEST_TEXT:,}"
        )


def _starts(labels: Sequence[Labels], sizes: Sequence[int], gap: int, nesting: int) -> list[int]:
    """Where each row or column begins; where an outer label changes, the gap is wider by `nesting` per level."""
    starts = [0]
    for before, after, size in zip(labels, labels[1:], sizes, strict=False):
        same = next(level for level in range(len(after)) if before[level] != after[level])
        starts.append(starts[-1] + size + gap + nesting * (len(after) - 1 - same))
    return starts


def _groups(labels: Sequence[Labels], level: int) -> list[tuple[int, int, str]]:
    """Runs of neighbours that agree down to `level`: first position, last position, label."""
    groups: list[tuple[int, int, str]] = []
    for at, label in enumerate(labels):
        if groups and labels[groups[-1][0]][: level + 1] == label[: level + 1]:
            groups[-1] = (groups[-1][0], at, label[level])
        else:
            groups.append((at, at, label[level]))
    return groups


def _stroke(px: int) -> int:
    return max(1, round(px / 14))
