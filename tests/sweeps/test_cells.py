"""Cells: numbers and places, the order of trials, what a change costs."""

from __future__ import annotations

import math
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from runpodkit.sweeps.cells import Cells, by_cost

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@given(SIZES, st.data())
def test_a_cells_number_and_its_places_are_inverse(sizes, data):
    cells = Cells(sizes, tuple(range(len(sizes))))
    number = data.draw(st.integers(0, math.prod(sizes) - 1))

    assert cells.number(cells.places(number)) == number
    assert list(product(*map(range, sizes)))[number] == cells.places(number)


@given(SIZES, st.data())
def test_trials_come_in_the_order_of_the_dimensions_and_each_knows_its_rank_in_the_layout(sizes, data):
    order = tuple(data.draw(st.permutations(range(len(sizes)))))
    kept = data.draw(st.none() | st.sets(st.integers(0, math.prod(sizes) - 1), min_size=1).map(sorted).map(tuple))
    cells = Cells(sizes, order, kept)

    walked = list(cells.walk())

    in_order = [tuple(places[at] for at in order) for _, places in walked]
    assert in_order == sorted(in_order)
    assert len(walked) == len(cells)
    numbers = range(math.prod(sizes)) if kept is None else kept
    assert sorted(walked) == [(rank, cells.places(number)) for rank, number in enumerate(numbers)]


def test_what_a_worker_changes_slowly_comes_first_and_the_rest_stays_as_written():
    dimensions = [
        [("steps", frozenset({"steps"}))],
        [("size", frozenset({"width", "height"}))],
        [("seed", frozenset({"seed"})), ("lora", frozenset({"extra.lora.name"}))],
        [("time", frozenset())],
        [("endpoint", frozenset())],
    ]

    assert by_cost(dimensions) == (4, 2, 1, 0, 3)
