"""Contact sheets: order, pages, captions, what is read when, and every odd page that may be asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from runpodkit.errors import StoreError
from runpodkit.images.contact import ContactSheet, Entry
from runpodkit.images.sheet import NOTHING, Problem


@pytest.fixture
def entries(picture: Callable[..., bytes]) -> Callable[..., list[Entry]]:
    data = picture("jpeg", (200, 300))

    def make(count: int, **words: Any) -> list[Entry]:
        return [
            Entry(**{"caption": f"number {n}", "size": (200, 300), "image": lambda: data, **words})
            for n in range(count)
        ]

    return make


def captions(sheet: ContactSheet) -> list[list[str]]:
    return [list(figure.sheet._notes.values()) for figure in sheet.figures()]


@pytest.mark.parametrize(("columns", "count"), [(1, 1), (1, 5), (6, 6), (6, 7), (6, 100), (17, 300)])
def test_every_entry_is_on_a_page_once_and_in_order(entries, columns, count):
    sheet = ContactSheet(entries(count), title="run", columns=columns, dpi=72)

    pages = captions(sheet)
    assert [one for page in pages for one in page] == [f"number {n}" for n in range(count)]
    assert len(pages) == len(sheet)


@pytest.mark.parametrize(("page", "size"), [("A4", (827, 1169)), ("letter", (850, 1100))])
def test_a_page_is_as_large_as_the_paper(entries, page, size):
    figures = list(ContactSheet(entries(60), title="run", page=page, dpi=100).figures())

    assert {figure.sheet.size for figure in figures} == {size}  # 210 × 297 mm, 8.5 × 11 inches


def test_pages_are_full_before_the_next_begins(entries):
    # 1 column of cells 190 mm wide and 285 high would not fit under the headline: each page still has one
    assert len(ContactSheet(entries(3), title="run", columns=1, dpi=72)) == 3
    # 6 columns: 29 mm wide, 44 high, so five rows with captions and gaps stay under 277 mm and six do not
    assert [len(page) for page in captions(ContactSheet(entries(40), title="run", columns=6, dpi=72))] == [30, 10]


def test_places_beyond_the_last_entry_stay_empty_and_a_missing_picture_is_marked(entries):
    (figure,) = ContactSheet([*entries(6), *entries(1, image=None, caption="later")], title="run", dpi=72).figures()

    assert sum(each is NOTHING for each in figure.pictures.values()) == 5
    assert sum(isinstance(each, Image.Image) for each in figure.pictures.values()) == 6
    assert "later" in figure.sheet._notes.values()


def test_a_picture_that_cannot_be_read_is_a_failed_cell_with_the_reason(entries):
    def lost() -> bytes:
        raise StoreError("images/3f/x.png: no such key")

    bad = [Entry("a", image=lost), Entry("b", image=lambda: b"<html>"), Entry("c", problem="out of memory")]
    (figure,) = ContactSheet([*entries(1), *bad], title="run", dpi=72).figures()

    problems = [each.reason for each in figure.pictures.values() if isinstance(each, Problem) and each is not NOTHING]
    assert problems[0].endswith("no such key") and problems[2] == "out of memory" and len(problems) == 3


def test_a_page_is_read_when_it_is_asked_for_and_each_picture_once(picture):
    data, read, steps = picture("jpeg", (200, 300)), [], []
    lock = threading.Lock()

    def load() -> bytes:
        with lock:
            read.append(threading.current_thread().name)
        return data

    sheet = ContactSheet([Entry(str(n), (200, 300), load) for n in range(70)], title="run", dpi=72)
    assert read == []
    pages = sheet.figures(lambda: steps.append(1))
    next(pages)
    assert len(read) == 30
    list(pages)
    assert len(read) == len(steps) == 70 and all(name.startswith("runpodkit-contact") for name in read)


def test_every_page_has_the_name_the_counts_and_the_mark(entries):
    figures = list(ContactSheet(entries(40), title="run", subtitle="40 trials", badge="SIMULATOR", dpi=72).figures())

    assert [figure.sheet.words.subtitle for figure in figures] == ["40 trials · page 1 of 2", "40 trials · page 2 of 2"]
    assert {(figure.sheet.words.title, figure.sheet.words.badge) for figure in figures} == {("run", "SIMULATOR")}


@pytest.mark.parametrize("size", [(1, 4096), (4096, 1), (0, 0), None])
def test_pictures_of_any_shape_take_a_sensible_place(entries, size):
    figures = list(ContactSheet(entries(12, size=size), title="run", dpi=72).figures())

    assert len(figures) == 1 and figures[0].sheet.size == (595, 842)


def test_a_caption_longer_than_a_page_makes_that_page_longer_rather_than_cutting_it(entries):
    figures = list(
        ContactSheet([*entries(6), *entries(1, caption="word " * 900), *entries(6)], title="run", dpi=72).figures()
    )

    heights = [figure.sheet.size[1] for figure in figures]
    assert max(heights) > 842 and heights.count(842) == len(heights) - 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"columns": 0}, "columns=0: 1 to 17 on a page of A4"),
        ({"columns": 18}, "columns=18: 1 to 17"),
        ({"columns": 2.5}, r"columns=2\.5"),
        ({"columns": True}, "columns=True"),
        ({"page": "a5"}, "page='a5': A4 or letter"),
        ({"dpi": 10_000}, "dpi=10000: dots per inch from 50 to 600"),
        ({"dpi": float("nan")}, "dpi=nan"),
        ({"dpi": "200"}, "dpi='200'"),
    ],
)
def test_a_callers_mistake_is_named_with_its_bounds(entries, words, message):
    with pytest.raises(ValueError, match=message):
        ContactSheet(entries(1), title="run", **words)


def test_nothing_makes_no_sheet():
    with pytest.raises(ValueError, match="there is no picture"):
        ContactSheet([], title="run")
