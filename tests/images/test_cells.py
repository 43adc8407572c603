"""Reading a grid's pictures: small versions that are kept, broken ones, interrupts, memory."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from runpodkit.images.grids import Cell, Grid, grid
from runpodkit.images.thumbnails import encoded
from tests.images.test_grids import BLUE, GREEN, ONE, RED, box_of, patch, simple


def png(colour: Any, size: tuple[int, int] = (900, 600)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


class Shelf:
    """Small versions in a dict, and what was asked of it."""

    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.asked: list[int] = []

    def get(self, px: int) -> bytes | None:
        self.asked.append(px)
        return self.held.get(px)

    def put(self, px: int, data: bytes) -> None:
        self.held[px] = data


class Source:
    """Counts how often its bytes are read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.reads = data, 0

    def __call__(self) -> bytes:
        self.reads += 1
        return self.data


def drawn(
    shelf: Shelf, source: Callable[[], bytes], cell_px: int = 200, size: tuple[int, int] = (900, 600), **look: Any
) -> Grid:
    return simple({"a": Cell(source, size=size, kept=shelf)}, cell_px=cell_px, **look)


def test_the_second_grid_reads_no_picture_and_has_the_same_pixels():
    shelf, source = Shelf(), Source(png(RED))
    first = drawn(shelf, source)
    second = drawn(shelf, source)

    assert source.reads == 1 and list(shelf.held) == [320]
    assert first.image.tobytes() == second.image.tobytes()
    with Image.open(io.BytesIO(shelf.held[320])) as small:
        assert (small.format, small.size) == ("JPEG", (320, 213))


def test_grids_of_different_cells_share_the_small_versions():
    shelf, source = Shelf(), Source(png(RED))
    for cell_px in (100, 160, 321, 200, 640, 320):
        drawn(shelf, source, cell_px)

    assert source.reads == 2 and sorted(shelf.held) == [320, 640]


@pytest.mark.parametrize(
    ("cell_px", "size"), [(200, (390, 260)), (641, (2000, 1333)), (640, (790, 526))], ids=["small", "beyond", "near"]
)
def test_where_a_small_version_would_save_nothing_none_is_kept(cell_px, size):
    shelf, source = Shelf(), Source(png(RED, size))
    drawn(shelf, source, cell_px, size)

    assert not shelf.held and not shelf.asked


@pytest.mark.parametrize("look", [{"crop": (0, 0, 0.5, 0.5)}, {"inset": (0.1, 0.1, 0.2, 0.2)}])
def test_where_detail_counts_the_picture_itself_is_read(look):
    shelf, source = Shelf(), Source(png(RED))
    drawn(shelf, source, **look)

    assert source.reads == 1 and not shelf.held


@pytest.mark.parametrize(
    "broken",
    [b"", b"<html>", encoded(patch(GREEN, (320, 213)))[:-200], encoded(patch(GREEN, (10, 10))), png(GREEN, (1, 1))],
)
def test_a_broken_small_version_is_made_again(broken):
    shelf, source = Shelf(), Source(png(BLUE))
    shelf.held[320] = broken
    made = drawn(shelf, source)

    assert repr(made) == "Grid 1 × 1, 1 picture" and source.reads == 1
    assert shelf.held[320] != broken


def test_a_picture_of_another_size_than_was_said_is_drawn_as_it_is_and_not_kept():
    shelf, source = Shelf(), Source(png(RED, (600, 900)))
    made = drawn(shelf, source)

    left, top, right, bottom = box_of(made.image, RED)
    assert (right - left, bottom - top) == (200, 300) and not shelf.held


def test_a_picture_that_is_gone_is_drawn_from_its_small_version():
    shelf = Shelf()
    drawn(shelf, Source(png(RED)))

    def gone() -> bytes:
        raise OSError("no such file")

    assert repr(drawn(shelf, gone)) == "Grid 1 × 1, 1 picture"


def test_the_shape_is_known_without_reading_where_the_size_is():
    asked: list[str] = []

    def load() -> bytes:
        asked.append(threading.current_thread().name)
        return png(RED, (90, 60))

    simple({str(number): Cell(load, size=(90, 60)) for number in range(4)})

    assert len(asked) == 4 and all(name.startswith("runpodkit-grid") for name in asked)


def test_what_stops_a_grid_stops_its_threads_before_the_rest_is_read():
    reads: list[int] = []
    lock = threading.Lock()

    def load() -> bytes:
        with lock:
            reads.append(1)
        return png(RED, (64, 64))

    def stop() -> None:
        raise KeyboardInterrupt

    cells = {(ONE, (str(number),)): Cell(load, size=(64, 64)) for number in range(400)}
    with pytest.raises(KeyboardInterrupt):
        grid(cells, rows=[ONE], cols=[(str(number),) for number in range(400)], cell_px=16, advance=stop)

    assert len(reads) < 400
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("runpodkit-grid")]


def test_advance_is_called_once_for_each_picture_and_failure():
    steps: list[int] = []
    cells = {"a": Cell(patch(RED)), "b": Cell(problem="no"), "c": Cell(), "d": Cell(b"x")}
    simple(cells, advance=lambda: steps.append(1))

    assert len(steps) == 3
