"""Shares of a variance: analyses of variance by hand, and the laws that hold for any grid."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.stats.effects import LEAST_REPLICATES, Effects, follows, inner_products, main_effects, together


def products_of(numbers: Any) -> Any:
    """Of outcomes of shape (replicates, cells)."""
    given = np.asarray(numbers, float)
    return inner_products(given.reshape(-1, 1)).reshape(given.shape * 2)


def shares_of(effects: Effects) -> list[float]:
    left = [one.share for one in (effects.replicates, effects.interactions, effects.rest) if one]
    return [one.share for one in effects.factors.values()] + left


def test_two_factors_that_add_up_share_the_variance_as_their_squares() -> None:
    """0 1 / 2 3: the mean is 1.5, squares sum to 5; rows are ±1 off (4 of 5), columns ±0.5 (1 of 5)."""
    effects = main_effects(products_of([[0, 1, 2, 3]]), {"row": [0, 0, 1, 1], "col": [0, 1, 0, 1]})

    assert effects is not None
    assert effects.factors["row"].share == pytest.approx(0.8)
    assert effects.factors["col"].share == pytest.approx(0.2)
    assert effects.rest.share == pytest.approx(0)
    assert effects.total == pytest.approx(5 / 4)
    assert (effects.replicates, effects.interactions, effects.factors["row"].interval) == (None, None, None)


def test_what_is_only_there_in_combination_is_interaction_and_seeds_are_apart() -> None:
    """Cells +1 −1 / −1 +1, the second seed 2 higher: squares are 8 of cells and 8 of seeds."""
    cells = np.array([1, -1, -1, 1])
    effects = main_effects(products_of([cells, cells + 2]), {"row": [0, 0, 1, 1], "col": [0, 1, 0, 1]})

    assert effects is not None and effects.interactions and effects.replicates
    assert [one.share for one in effects.factors.values()] == pytest.approx([0, 0])
    assert effects.interactions.share == pytest.approx(0.5)
    assert effects.replicates.share == pytest.approx(0.5)
    assert effects.rest.share == pytest.approx(0)


def test_what_changes_with_the_seed_in_no_common_way_is_the_rest() -> None:
    effects = main_effects(products_of([[1, -1], [-1, 1]]), {"row": [0, 1]})

    assert effects is not None
    assert (effects.factors["row"].share, effects.rest.share) == pytest.approx((0, 1))


def test_factors_that_overlap_share_what_both_would_explain() -> None:
    """Cells (0,0), (0,1), (1,1) of outcomes 0, 0, 3.  Squares: 6.  Alone the row explains 6 and the column 1.5;
    together 6.  Of both orders the row adds 6 and 4.5, the column 0 and 1.5: 5.25 and 0.75 on average."""
    effects = main_effects(products_of([[0, 0, 3]]), {"row": [0, 0, 1], "col": [0, 1, 1]})

    assert effects is not None
    assert effects.factors["row"].share == pytest.approx(5.25 / 6)
    assert effects.factors["col"].share == pytest.approx(0.75 / 6)


def test_a_factor_that_does_nothing_has_its_degrees_of_freedom_by_chance() -> None:
    chance = np.random.default_rng(3)
    names = {"a": [0, 0, 0, 1, 1, 1], "b": [0, 1, 2, 0, 1, 2]}
    found = [main_effects(products_of(chance.normal(size=(4, 6))), names) for _ in range(60)]

    assert found[0] is not None
    assert found[0].factors["b"].by_chance == pytest.approx(2 / 23)
    assert np.mean([one.factors["b"].share for one in found if one]) == pytest.approx(2 / 23, abs=0.03)


def test_many_numbers_at_once_are_taken_apart_as_the_sum_of_each() -> None:
    chance = np.random.default_rng(4)
    outcomes = chance.normal(size=(3, 4, 7))
    names = {"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]}
    whole = main_effects(inner_products(outcomes.reshape(12, 7)).reshape(3, 4, 3, 4), names)
    each = [main_effects(products_of(outcomes[..., at]), names) for at in range(7)]

    assert whole is not None
    assert whole.total == pytest.approx(sum(one.total for one in each if one))
    explained = sum(one.factors["a"].share * one.total for one in each if one)
    assert whole.factors["a"].share * whole.total == pytest.approx(explained)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_shares_sum_to_one_lie_within_their_intervals_and_know_no_order(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(2, 3), min_size=1, max_size=3))
    cells = list(product(*map(range, counts)))
    kept = (
        data.draw(st.lists(st.sampled_from(cells), min_size=3, max_size=len(cells), unique=True))
        if len(cells) > 2
        else cells
    )
    seeds = data.draw(st.integers(1, 5))
    numbers = np.array(data.draw(st.lists(st.integers(-9, 9), min_size=seeds * len(kept), max_size=seeds * len(kept))))
    table = numbers.reshape(seeds, len(kept))
    levels = {f"axis {at}": [cell[at] for cell in kept] for at in range(len(counts))}
    effects = main_effects(products_of(table), levels)

    if effects is None:
        assert len(set(numbers.tolist())) == 1
        return
    assert sum(shares_of(effects)) == pytest.approx(1)
    for one in (*effects.factors.values(), effects.rest):
        assert 0 <= one.share <= 1
        assert (one.interval is None) == (seeds < LEAST_REPLICATES)
        assert one.interval is None or one.interval.holds(one.share)
    order = data.draw(st.permutations(range(len(kept))))
    mixed = main_effects(
        products_of(table[:, order]), {name: [each[at] for at in order] for name, each in levels.items()}
    )
    assert mixed is not None
    assert shares_of(mixed) == pytest.approx(shares_of(effects), abs=1e-9)


def test_the_interval_is_narrow_where_all_seeds_say_the_same() -> None:
    cells = np.array([0.0, 1, 2, 10, 11, 12])
    names = {"a": [0, 0, 0, 1, 1, 1], "b": [0, 1, 2, 0, 1, 2]}
    effects = main_effects(products_of([cells] * 5), names)

    assert effects is not None and effects.factors["a"].interval
    assert effects.factors["a"].interval.high - effects.factors["a"].interval.low < 1e-9


def test_where_nothing_varies_there_are_no_shares() -> None:
    assert main_effects(products_of([[2, 2], [2, 2]]), {"a": [0, 1]}) is None


def test_more_factors_than_can_be_ordered_are_refused() -> None:
    with pytest.raises(ValueError, match="9 axes at once: at most 8"):
        main_effects(products_of([[0, 1]]), {str(at): [0, 1] for at in range(9)})


def test_factors_that_tell_each_other_are_one() -> None:
    levels = {"sampler": [0, 1, 2], "steps": [1, 0, 2], "size": [0, 0, 1]}

    assert together(levels) == [["sampler", "steps"], ["size"]]
    assert follows({"sampler": [0, 1, 2], "size": [0, 0, 1]}) == [("size", "sampler")]


def test_inner_products_of_bytes_are_those_of_their_numbers() -> None:
    given = np.array([[0, 255], [255, 0], [30, 60]], np.uint8)
    off = given.astype(float) - given.astype(float).mean(axis=0)

    assert inner_products(given) == pytest.approx(off @ off.T, rel=1e-5)


def test_replicates_that_plainly_differ_are_never_said_to_be_none() -> None:
    """Replicates are ten levels apart, cells one: no interval may reach down to nought."""
    cells = np.array([0.0, 1, 0, 1])
    names = {"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]}
    three, four = (main_effects(products_of([cells + 10 * at for at in range(count)]), names) for count in (3, 4))

    assert three and three.replicates and three.replicates.interval is None
    assert four and four.replicates and four.replicates.interval
    assert four.replicates.interval.low > 0.5


def test_about_nineteen_of_twenty_intervals_hold_what_many_replicates_have() -> None:
    """Variances: of factor a 0.36, of b 0.027, of replicates 0.36, of the rest 0.49; of 100 samples some 93 hold each."""
    chance = np.random.default_rng(5)
    names = {"a": [0, 0, 0, 1, 1, 1], "b": [0, 1, 2] * 2}
    cells = np.array([0.0, 0.2, 0.4, 1.2, 1.4, 1.6])

    def drawn(count: int) -> Effects:
        noise = 0.6 * chance.normal(size=(count, 1)) + 0.7 * chance.normal(size=(count, 6))
        found = main_effects(products_of(cells + noise), names)
        assert found and found.replicates
        return found

    def parts(one: Effects) -> list[Any]:
        return [one.factors["a"], one.factors["b"], one.replicates, one.rest]

    truth = np.array([[each.share for each in parts(drawn(120))] for _ in range(4)]).mean(axis=0)
    held = np.zeros(4)
    for _ in range(100):
        held += [each.interval.holds(share) for each, share in zip(parts(drawn(5)), truth, strict=True)]

    assert all(held >= 84), held
