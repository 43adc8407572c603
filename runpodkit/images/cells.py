"""What stands in the places of a grid, and how its pictures are read: in threads, to what their cells need of them.

Memory is bounded by the cells, not by the pictures: of each no more is kept than is drawn.  Where a
picture's small version was kept before, the picture itself is not read at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from PIL import Image

from runpodkit.errors import RunpodkitError
from runpodkit.images import differences, thumbnails
from runpodkit.images.regions import Box, View
from runpodkit.images.sheet import Problem

Labels = tuple[str, ...]
"""A row's or column's labels, outermost first; equal neighbours share an outer label."""
Place = tuple[Labels, Labels]
"""Row and column."""
K = TypeVar("K", bound=Hashable)

MAX_ASPECT = 3.0
"""The cells' longest proportion; a picture beyond it is fitted in between."""
USUAL_ASPECT = 1.46
"""Where nothing can be read: portrait."""
BUCKETS = (320, 640)
"""Widths in pixels at which small versions are kept: few, so that grids of different cells share them."""
_WORTH_KEEPING = 1.25
"""A picture that is not this much wider than a bucket is read as quickly itself."""
UNREADABLE = (RunpodkitError, OSError, ValueError)


class Kept(Protocol):
    """Where small versions of one picture are kept between grids.  Called in threads; neither method raises."""

    def get(self, px: int) -> bytes | None:
        """The one that is `px` wide, if it is there."""

    def put(self, px: int, data: bytes) -> None:
        """Keep one; failing to is no loss."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a grid."""

    image: bytes | Path | Image.Image | Callable[[], bytes] | None = None
    """The picture, or how to get its bytes (called in a thread); None is drawn as missing."""
    note: str = ""
    """A value written under the picture."""
    problem: str | None = None
    """Why there is no picture; drawn in its place."""
    size: tuple[int, int] | None = None
    """Of the picture in pixels, where that is known without reading it."""
    kept: Kept | None = None
    """Its small versions, where such are kept."""
    against: Place | None = None
    """Draw not the picture but how it differs from the one at this place, and write under it by how much."""
    marked: bool = False
    """Something about the picture is odd."""
    blank: bool = False
    """The place stays empty: nothing was to be there."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What is needed of one picture."""

    size: tuple[int, int]
    """Of what it shows of the picture, in the picture's pixels."""
    main: Image.Image
    frame: Box | None = None
    """The part that is enlarged, in fractions of `main`."""
    closeup: Image.Image | None = None
    measured: Image.Image | None = None


class Loading(Generic[K]):
    """The pictures of some cells."""

    def __init__(
        self,
        cells: Mapping[K, Cell],
        view: View,
        compared: frozenset[K],
        advance: Callable[[], object] | None = None,
    ) -> None:
        """Args: `compared` are cells whose pictures are measured; `advance` is called after each picture."""
        self._cells = {key: cell for key, cell in cells.items() if cell.problem or cell.image is not None}
        self._view, self._compared, self._advance = view, compared, advance
        self._first: tuple[K, bytes | Image.Image] | None = None
        self._aspect: float | None = None

    def first_aspect(self) -> float:
        """Height over width of what is shown of the first picture that can be read; portrait where there is none."""
        if self._aspect is None:
            self._aspect = self._known_aspect() or self._read_aspect()
        return self._aspect

    def shots(self, cell_px: int) -> dict[K, Shot | Problem]:
        """What is needed of each picture in a cell so wide, or why there is none."""
        shots: dict[K, Shot | Problem] = {}
        # reading from a bucket waits, decoding works: a few threads more than cores serve both
        pool = ThreadPoolExecutor((os.cpu_count() or 2) + 4, thread_name_prefix="runpodkit-grid")
        try:
            for key, shot in zip(self._cells, pool.map(lambda key: self._load(key, cell_px), self._cells), strict=True):
                shots[key] = shot
                if self._advance:
                    self._advance()
        finally:  # an interrupt does not wait for pictures that nobody will see
            pool.shutdown(cancel_futures=True)
        return shots

    def _known_aspect(self) -> float | None:
        sizes = (cell.size for cell in self._cells.values() if cell.size and not cell.problem)
        return next((aspect for size in sizes if (aspect := self._aspect_of(size))), None)

    def _read_aspect(self) -> float:
        # a few looks, one after the other: where a store is down, each may wait long
        for key, cell in islice(self._cells.items(), 3):
            try:
                picture = _read(cell)
                size = picture.size if isinstance(picture, Image.Image) else thumbnails.size_of(picture)
            except UNREADABLE:
                continue
            self._first = (key, picture)
            if aspect := self._aspect_of(size):
                return aspect
        return USUAL_ASPECT

    def _aspect_of(self, size: tuple[int, int]) -> float | None:
        try:
            box = self._view.shown(size)
        except ValueError:
            return None
        return min(max((box[3] - box[1]) / (box[2] - box[0]), 1 / MAX_ASPECT), MAX_ASPECT)

    def _load(self, key: K, cell_px: int) -> Shot | Problem:
        cell = self._cells[key]
        if cell.problem:
            return Problem(cell.problem)
        try:
            if small := self._from_kept(cell, key, cell_px):
                return small
            known = self._first[1] if self._first and self._first[0] == key else None
            return self._shot(known or _read(cell), cell_px, key in self._compared)
        except UNREADABLE as exc:
            return Problem(str(exc) or type(exc).__name__)

    def _shot(self, picture: bytes | Image.Image, cell_px: int, compared: bool) -> Shot:
        # as wide as a cell: no cell can turn out wider, and a mixed grid only shrinks them further
        size = picture.size if isinstance(picture, Image.Image) else thumbnails.size_of(picture)
        shown, frame = self._view.shown(size), self._view.frame(size)
        inner = max(1, round(shown[2] - shown[0])), max(1, round(shown[3] - shown[1]))
        main = thumbnails.fitted(inner, (cell_px, round(cell_px * MAX_ASPECT)))
        wanted = [(shown, main)]
        if frame and self._view.inset:
            wanted.append((self._view.inset.box(size), self._view.enlarged(main, frame)))
        if compared:
            most = differences.COMPARED_PX
            wanted.append((shown, thumbnails.fitted(inner, (most, most), enlarge=False)))
        if isinstance(picture, Image.Image):
            made = [thumbnails.scaled(picture, pixels, box) for box, pixels in wanted]
        else:
            made = thumbnails.pieces(picture, wanted)
        return Shot(inner, made[0], frame, made[1] if frame else None, made[-1] if compared else None)

    def _from_kept(self, cell: Cell, key: K, cell_px: int) -> Shot | None:
        """By way of a kept small version, which is made if it is not there; None where that is no way."""
        bucket = next((px for px in BUCKETS if px >= cell_px), None)
        if cell.kept is None or cell.size is None or bucket is None or cell.size[0] < bucket * _WORTH_KEEPING:
            return None
        if self._view != View() or key in self._compared:  # all detail counts, and what JPEG makes of it would too
            return None
        box = bucket, round(bucket * MAX_ASPECT)
        fits = thumbnails.fitted(cell.size, box)
        data = cell.kept.get(bucket)
        if data is not None:
            try:
                if thumbnails.size_of(data) == fits:
                    return _of_small(data, cell.size, cell_px)
            except RunpodkitError:  # a broken one is made again
                pass
        picture = _read(cell)
        whole = picture.size if isinstance(picture, Image.Image) else thumbnails.size_of(picture)
        if whole != cell.size or isinstance(picture, Image.Image):
            return self._shot(picture, cell_px, compared=False)
        data = thumbnails.encoded(thumbnails.shrink(picture, box, quick=True))
        cell.kept.put(bucket, data)
        # from what is kept even now, so that a grid drawn twice has the same pixels
        return _of_small(data, cell.size, cell_px)


def _of_small(data: bytes, whole: tuple[int, int], cell_px: int) -> Shot:
    """From a small version of a picture of `whole` pixels."""
    size = thumbnails.fitted(whole, (cell_px, round(cell_px * MAX_ASPECT)))
    small = thumbnails.shrink(data, size, quick=True)
    return Shot(whole, small if small.size == size else small.resize(size))


def _read(cell: Cell) -> bytes | Image.Image:
    image = cell.image
    if cell.problem or image is None:
        raise ValueError("no picture")
    if isinstance(image, bytes | Image.Image):
        return image
    return image.read_bytes() if isinstance(image, Path) else image()
