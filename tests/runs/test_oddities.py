"""Oddities: sizes and seeds that were not asked for, blank and equal pictures, axes that change nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.endpoint.dialects import get_dialect
from runpodkit.params import ImageParams
from runpodkit.runs.oddities import (
    EqualPictures,
    axes_without_effect,
    is_blank,
    is_equal,
    of_trial,
    remarks,
    with_oddities,
)
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, TrialState

NATIVE = get_dialect("native")


def file(pixels: str = "", size: tuple[int, int] = (64, 64), **about: Any) -> ImageFile:
    return ImageFile("images/x.png", *size, 99, pixels, **about)


def record(trial: int, *pixels: str, key: str | None = None, blank: bool = False, **values: Any) -> Record:
    return Record(
        trial=trial,
        state=TrialState.COLLECTED if pixels else TrialState.FAILED,
        values=values,
        params=ImageParams(user_prompt="a fox"),
        prompt="",
        negative_prompt="",
        run="r",
        endpoint="e",
        simulated=True,
        key=f"key {trial}" if key is None else key,
        images=tuple(file(one, blank=blank) for one in pixels),
    )


# of one trial


def odd(*images: ImageFile, seed: int | None = None, dialect: str = "native", **asked: Any) -> list[str]:
    row = get_dialect(dialect)
    return of_trial(images, seed, row.resolve(ImageParams(**{"user_prompt": "a fox", "seed": 7, **asked})), row)


def test_each_size_is_compared_with_the_size_asked_for() -> None:
    asked = {"width": 64, "height": 64}

    assert odd(file(), file(), **asked) == []
    assert odd(file(size=(32, 64)), **asked) == ["size delivered 32×64"]
    assert odd(file(), file(size=(32, 32)), file(size=(32, 32)), **asked) == ["sizes delivered 64×64, 32×32"]


def test_a_size_that_was_not_asked_for_is_not_missed() -> None:
    assert odd(file(size=(1024, 1024)), dialect="qwen-image-edit") == []
    # asked for as a shape, which leaves the pixels to the model
    assert odd(file(size=(1024, 1024)), dialect="p-image-t2i") == []
    assert odd(file(size=(1024, 1024)), dialect="a1111") == ["size delivered 1024×1024"]


def test_a_seed_that_a_worker_cannot_be_given_is_not_missed() -> None:
    assert odd(file(), seed=99, dialect="nano-banana-edit") == []


@pytest.mark.parametrize(
    ("seed", "own", "said"),
    [
        (7, [], []),
        (None, [], []),
        (9, [], ["seed delivered 9"]),
        (7, [7, 8, 9], []),
        (7, [7, 7, 7], []),
        (7, [7, 8, 8], ["seeds delivered 7, 8, 8"]),
        (7, [7, 8, None], ["seeds delivered 7, 8"]),
        (5, [5, 6], ["seeds delivered 5, 6"]),
        (0, [], ["seed delivered 0"]),
        (3, [3, 1, 4, 1, 5, 9, 2], ["seeds delivered 3, 1, 4, 1, 5 and 2 more"]),
    ],
)
def test_seeds_may_be_one_for_all_or_count_up_from_the_one_asked_for(
    seed: int | None, own: list[int | None], said: list[str]
) -> None:
    images = [file(size=(832, 1216), seed=one) for one in own] or [file(size=(832, 1216))]

    assert odd(*images, seed=seed) == said


def test_fewer_pictures_than_were_asked_for_are_missed() -> None:
    size = (1024, 1024)
    asked = {"dialect": "a1111", "num_images": 3, "width": 1024, "height": 1024}

    assert odd(file(size=size), file(size=size), **asked) == ["2 of 3 pictures"]
    assert odd(file(size=size), file(size=size), file(size=size), **asked) == []
    assert odd(**asked) == [], "the reason says why there is none"


def test_a_blank_picture_is_named_among_several() -> None:
    size = (832, 1216)

    assert odd(file(size=size, blank=True)) == ["blank picture"]
    assert odd(file(size=size), file(size=size, blank=True)) == ["picture 2 of 2 is blank"]


# of several


def test_the_first_trial_with_the_same_pixels_is_named() -> None:
    records = [record(0, "a"), record(1, "b"), record(2, "a"), record(3, "a"), record(4, ""), record(5, ""), record(6)]

    flags = [one.flags for one in with_oddities(records)]

    assert flags == [(), (), ("same pixels as trial 0",), ("same pixels as trial 0",), (), (), ()]
    assert list(map(is_equal, with_oddities(records))) == [False, False, True, True, False, False, False]


def test_what_asked_for_the_same_picture_is_equal_on_purpose() -> None:
    records = [record(0, "a", key="k"), record(1, "a", key="k"), record(2, "a"), record(3, "a", key="k")]

    assert [one.flags for one in with_oddities(records)] == [
        (),
        (),
        ("same pixels as trial 0",),
        ("same pixels as trial 2",),
    ]


def test_one_of_several_pictures_is_named() -> None:
    records = [record(0, "a", "b"), record(1, "c", "b"), record(2, "c")]

    assert [one.flags for one in with_oddities(records)] == [
        (),
        ("picture 2: same pixels as trial 0",),
        ("same pixels as trial 1",),
    ]


def test_saying_it_twice_says_it_once() -> None:
    records = with_oddities([record(0, "a"), record(1, "a")])

    assert with_oddities(records) == records


changes = st.lists(
    st.tuples(st.integers(0, 7), st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=2), st.sampled_from("kl")),
    max_size=30,
)


@given(changes, st.integers(1, 5))
def test_records_one_by_one_and_all_at_once_say_the_same(given_: list[tuple[int, list[str], str]], step: int) -> None:
    equal, known, said = EqualPictures(), dict[int, Record](), dict[int, str | None]()
    news = [record(trial, *pixels, key=key) for trial, pixels, key in given_]

    for at in range(0, len(news), step):
        part = news[at : at + step]
        known.update((one.trial, one) for one in part)
        for trial in equal.take(part):
            said[trial] = equal.remark(trial)

    whole = with_oddities(known[trial] for trial in sorted(known))
    assert {one.trial: list(one.flags) for one in whole} == {
        trial: [words] if (words := equal.remark(trial)) else [] for trial in known
    }
    # what was told as changed, and nothing else, is what stands in the end
    assert {trial: words for trial, words in said.items() if words} == {
        one.trial: one.flags[0] for one in whole if one.flags
    }


# of an axis


def grid(pixels_of: Any, rows: int = 3, cols: int = 2) -> list[Record]:
    return [
        record(row * cols + col, pixels_of(row, col), steps=4 + row, sampler_name="ab"[col])
        for row in range(rows)
        for col in range(cols)
    ]


def test_an_axis_that_changes_nothing_is_found() -> None:
    assert axes_without_effect(grid(lambda row, col: f"{row}")) == ["sampler_name"]
    assert axes_without_effect(grid(lambda row, col: f"{col}")) == ["steps"]
    assert axes_without_effect(grid(lambda row, col: f"{row} {col}")) == []
    assert axes_without_effect(grid(lambda row, col: "same")) == ["steps", "sampler_name"]


def test_one_cell_that_differs_is_an_effect() -> None:
    assert axes_without_effect(grid(lambda row, col: "x" if (row, col) == (2, 1) else f"{row}")) == []


def test_nothing_is_said_before_every_cell_has_its_picture() -> None:
    whole = grid(lambda row, col: f"{row}")

    assert axes_without_effect([*whole[:-1], record(5, steps=6, sampler_name="b")]) == []
    assert axes_without_effect([*whole[:-1], record(5, "", steps=6, sampler_name="b")]) == []
    assert axes_without_effect(whole[:-1]) == []
    assert axes_without_effect([]) == []
    assert axes_without_effect([record(0, "a")]) == []
    assert axes_without_effect([record(0, "a", steps=4)]) == [], "one value is no axis"


def test_values_that_ask_for_the_same_picture_prove_nothing() -> None:
    records = [record(n, "a", key="k", timeout=60 + n) for n in range(3)]

    assert axes_without_effect(records) == []


def test_blank_pictures_prove_nothing() -> None:
    records = [record(n, "black", blank=True, steps=n) for n in range(3)]

    assert axes_without_effect(records) == []
    assert remarks(records) == ["3 pictures are blank, one colour all over: trial 0, 1, 2"]
    assert all(map(is_blank, records))


def test_axes_that_are_zipped_are_never_alone_so_nothing_is_said_of_one() -> None:
    records = [record(n, "a", steps=n, seed=n) for n in range(3)]

    assert axes_without_effect(records) == []


def test_values_may_be_nested() -> None:
    records = [record(n, "a", **{"extra.loras": [{"path": f"{n}"}], "seed": 1}) for n in range(2)]

    assert axes_without_effect(records) == ["extra.loras"]


def test_a_person_hears_one_sentence() -> None:
    (said,) = remarks(grid(lambda row, col: f"{row}"))

    assert said == (
        "sampler_name (2 values) made no difference: with all else equal, each value gave the same pixels; "
        "the worker may not know this parameter, or ignore it"
    )
    assert remarks(grid(lambda row, col: f"{row} {col}")) == []


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4), st.sets(st.sampled_from(["steps", "sampler_name"])))
def test_an_axis_is_without_effect_exactly_where_pictures_ignore_it(
    seed: int, rows: int, cols: int, ignored: set[str]
) -> None:
    def pixels(row: int, col: int) -> str:
        return f"{0 if 'steps' in ignored else row} {0 if 'sampler_name' in ignored else col}"

    records = [
        record(row * cols + col, pixels(row, col), steps=row, sampler_name=f"{col}")
        for row in range(rows)
        for col in range(cols)
    ]
    random.Random(seed).shuffle(records)

    several = {"steps": rows > 1, "sampler_name": cols > 1}
    assert set(axes_without_effect(records)) == {name for name in ignored if several[name]}


# repeats


def test_repeats_of_a_cell_may_be_equal_and_another_cell_may_not() -> None:
    repeats = [record(trial, "same", repeat=trial + 1, steps=5) for trial in range(3)]
    other = replace(record(3, "same", repeat=1, steps=9), params=ImageParams(user_prompt="a fox", steps=9))

    flags = [one.flags for one in with_oddities([*repeats, other])]

    assert flags == [(), (), (), ("same pixels as trial 0",)]
    assert axes_without_effect(repeats) == []
