"""Samples of a product: distinct, in order, the same everywhere, and Latin where it says so."""

from __future__ import annotations

import math
import time
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.sweeps.sampling import Sample, latin, random

sizes_and_counts = (
    st.lists(st.integers(1, 7), max_size=4)
    .filter(lambda sizes: math.prod(sizes) >= 1)
    .flatmap(lambda sizes: st.tuples(st.just(sizes), st.integers(1, min(math.prod(sizes), 300))))
)
makers = st.sampled_from([random, latin])
sample_seeds = st.integers(0, 2**32 - 1)


@given(makers, sizes_and_counts, sample_seeds)
def test_a_sample_has_as_many_distinct_cells_as_asked_in_ascending_order(make, asked, seed):
    sizes, count = asked

    cells = make(count, seed).pick(sizes)

    assert len(cells) == len(set(cells)) == count
    assert cells == sorted(cells)
    assert set(cells) <= set(product(*map(range, sizes)))


@given(sizes_and_counts, sample_seeds)
def test_a_latin_sample_has_every_value_of_every_axis_equally_often_give_or_take_one(asked, seed):
    sizes, count = asked

    cells = latin(count, seed).pick(sizes)

    for place, size in enumerate(sizes):
        times = Counter(cell[place] for cell in cells)
        assert {times[value] for value in range(size)} <= {count // size, -(-count // size)}


@given(makers, sizes_and_counts, sample_seeds)
def test_a_larger_sample_keeps_the_smaller_one(make, asked, seed):
    sizes, count = asked

    assert set(make(count, seed).pick(sizes)) <= set(make(math.prod(sizes), seed).pick(sizes))
    if count > 1:
        assert set(make(count - 1, seed).pick(sizes)) < set(make(count, seed).pick(sizes))


@given(makers, st.lists(st.integers(1, 6), max_size=3), sample_seeds)
def test_a_sample_of_all_cells_is_the_product(make, sizes, seed):
    total = math.prod(sizes)

    assert make(total, seed).pick(sizes) == list(product(*map(range, sizes)))


@given(makers, st.lists(st.integers(10**4, 10**6), min_size=3, max_size=12), sample_seeds)
def test_a_product_of_more_cells_than_anything_could_list_is_sampled_all_the_same(make, sizes, seed):
    cells = make(20, seed).pick(sizes)

    assert len(set(cells)) == 20
    assert all(0 <= at < size for cell in cells for at, size in zip(cell, sizes, strict=True))


def test_the_same_seed_picks_the_same_cells_on_every_platform():  # written down once: plans depend on it
    assert random(5, seed=7).pick([10, 10]) == [(1, 1), (2, 3), (3, 2), (3, 3), (5, 0)]
    assert latin(5, seed=7).pick([10, 10]) == [(1, 8), (3, 9), (6, 7), (8, 4), (9, 3)]


def test_another_seed_picks_other_cells():
    assert len({tuple(random(5, seed).pick([100, 100])) for seed in range(50)}) == 50
    assert len({tuple(latin(5, seed).pick([100, 100])) for seed in range(50)}) == 50


@pytest.mark.parametrize("make", [random, latin])
def test_every_cell_comes_as_often_as_any_other_over_many_seeds(make):
    times = Counter(cell for seed in range(3_000) for cell in make(2, seed).pick([2, 3]))

    assert len(times) == 6
    # 1,000 are expected of each; the standard deviation of a binomial of 3,000 and 1/3 is 26.
    assert all(abs(number - 1_000) < 5 * 26 for number in times.values())


def test_pairs_of_a_latin_square_are_all_drawn():
    # 4 cells of 4 x 4 are a permutation: there are 24, and 600 seeds show each about 25 times.
    times = Counter(tuple(latin(4, seed).pick([4, 4])) for seed in range(600))

    assert len(times) == 24


@pytest.mark.parametrize("make", [random, latin])
def test_ten_times_the_cells_cost_about_ten_times_the_work_whatever_the_product(make):
    def cpu_s(count: int, size: int) -> float:
        began = time.process_time()
        make(count).pick([size] * 3)
        return time.process_time() - began

    small = min(cpu_s(2_000, 1_000) for _ in range(5))

    assert min(cpu_s(20_000, 100_000) for _ in range(3)) < 40 * small  # a product of a million times as many cells


@pytest.mark.parametrize(("sizes", "cells"), [([], [()]), ([1, 1], [(0, 0)])])
def test_a_product_of_one_cell_has_one_sample(sizes, cells):
    assert random(1).pick(sizes) == latin(1).pick(sizes) == cells


@pytest.mark.parametrize("sample", [random(20), latin(7, seed=3)])
def test_a_sample_reads_back_from_its_plan(sample):
    assert Sample.from_plan(sample.to_plan()) == sample
    assert hash(Sample.from_plan(sample.to_plan())) == hash(sample)


def test_a_plan_may_leave_out_the_seed():
    assert Sample.from_plan({"method": "latin", "count": 3}) == latin(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: random(0), "count=0 is not within 1 to 100,000"),
        (lambda: random(100_001), "count=100001 is not within 1 to 100,000"),
        (lambda: latin(True), "count=True is not a whole number"),
        (lambda: latin(2.5, "x"), "count=2.5 is not a whole number; seed='x' is not a whole number"),
        (lambda: latin(2, -1), "seed=-1 is not within 0 to 4,294,967,295"),
        (lambda: random(7).pick([2, 3]), "7 cells of only 6: ask for 6 at most"),
        (lambda: random(1).pick([2, 0]), "an axis without values has no cells"),
        (lambda: Sample.from_plan({"method": "sobol", "count": 3}), "method='sobol' is neither 'random' nor 'latin'"),
        (lambda: Sample.from_plan({"cuont": 3}), "'cuont' is not known; known: count, method, seed; count is missing"),
    ],
)
def test_a_bad_sample_ends_in_one_clear_line(make, message):
    with pytest.raises(ValueError) as caught:
        make()

    assert message in str(caught.value)
    assert str(caught.value).startswith("sample: ")
