"""Ranking: strengths and intervals of values, against published figures, laws and answers drawn by a known model."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.stats.ranking import (
    MIN_RATERS,
    against,
    against_others,
    drawn,
    islands,
    ranks,
    regrouped,
    strengths,
    with_prior,
)

# American League 1987, games won by the row: Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore.
# Agresti (2002), Categorical Data Analysis, table 10.10; the estimates are those of its section 10.6.
BASEBALL = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]
ABOVE_BALTIMORE = [1.581, 1.436, 1.294, 1.248, 1.108, 0.684, 0.0]

Matrix = list[list[int]]


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Wins and ties of 2 to 6 values, in any way, one-sided and unconnected ones included."""
    count = draw(st.integers(2, 6))
    wins, ties = np.zeros((2, count, count))
    for one, two in itertools.combinations(range(count), 2):
        wins[one, two], wins[two, one] = draw(st.integers(0, 30)), draw(st.integers(0, 30))
        ties[one, two] = ties[two, one] = draw(st.integers(0, 30))
    return wins, ties


def test_it_finds_the_published_strengths_of_seven_baseball_teams() -> None:
    found = strengths(np.array(BASEBALL, float))

    assert found - found[-1] == pytest.approx(ABOVE_BALTIMORE, abs=6e-4)
    assert found.mean() == pytest.approx(0)


def test_two_values_have_the_odds_of_their_answers() -> None:
    found = strengths(np.array([[0.0, 16], [8, 0]]))

    assert against(found)[0, 1] == pytest.approx(16 / 24)
    assert against_others(found) == pytest.approx([16 / 24, 8 / 24])


def test_no_difference_is_half_an_answer_for_each() -> None:
    wins, ties = np.array([[0.0, 6], [2, 0]]), np.array([[0.0, 12], [12, 0]])

    # 6 + 12 / 2 of 20 answers, and of the one that is added half for each
    assert against(strengths(with_prior(wins, ties)))[0, 1] == pytest.approx(12.5 / 21)


@given(answers())
def test_they_are_the_strengths_under_which_the_answers_are_most_probable(given: tuple[np.ndarray, np.ndarray]) -> None:
    won = with_prior(*given)
    expected = (won + won.T) * against(strengths(won))

    # where the likelihood is greatest, every value wins as often as it is expected to
    assert won.sum(1) == pytest.approx(expected.sum(1), abs=1e-6)


@given(answers(), st.randoms(use_true_random=False))
def test_other_names_change_nothing(given: tuple[np.ndarray, np.ndarray], chance: object) -> None:
    won = with_prior(*given)
    order = list(range(len(won)))
    chance.shuffle(order)  # type: ignore[attr-defined]

    assert strengths(won[np.ix_(order, order)]) == pytest.approx(strengths(won)[order], abs=1e-9)


@given(answers())
def test_answers_turned_round_turn_the_strengths_round(given: tuple[np.ndarray, np.ndarray]) -> None:
    wins, ties = given

    assert strengths(with_prior(wins.T, ties)) == pytest.approx(-strengths(with_prior(wins, ties)), abs=1e-6)


@given(st.integers(2, 6), st.integers(1, 20), st.data())
def test_where_all_met_equally_often_the_order_is_that_of_the_answers_won(
    count: int, each: int, data: st.DataObject
) -> None:
    wins = np.zeros((count, count))
    for one, two in itertools.combinations(range(count), 2):
        wins[one, two] = data.draw(st.integers(0, each))
        wins[two, one] = each - wins[one, two]
    found, share = strengths(with_prior(wins, np.zeros_like(wins))), wins.sum(1)

    for one, two in itertools.permutations(range(count), 2):
        if share[one] > share[two]:
            assert found[one] > found[two]


@settings(deadline=None, max_examples=20)
@given(answers())
def test_chances_and_intervals_stay_within_0_and_1_whatever_was_answered(given: tuple[np.ndarray, np.ndarray]) -> None:
    wins, ties = given
    chances = against_others(drawn(wins[None], ties[None], draws=200))

    assert np.isfinite(chances).all()
    assert chances.min() >= 0
    assert chances.max() <= 1
    assert chances.sum(1) == pytest.approx(len(wins) / 2)  # the mean chance is one half, by symmetry


@pytest.mark.parametrize(
    ("wins", "losses", "low", "high"),
    # quantiles of Beta(wins + 1/2, losses + 1/2), by integrating its density
    [(10, 0, 0.783, 1.0), (8, 2, 0.497, 0.956), (16, 8, 0.468, 0.828)],
)
def test_of_two_values_the_interval_is_jeffreys(wins: int, losses: int, low: float, high: float) -> None:
    chances = against(drawn(np.array([[[0.0, wins], [losses, 0]]]), np.zeros((1, 2, 2)), draws=40_000))[:, 0, 1]

    assert np.quantile(chances, [0.025, 0.975]) == pytest.approx([low, high], abs=0.006)


def test_a_value_that_won_all_stays_finite_and_its_interval_open() -> None:
    wins = np.array([[0.0, 5, 5], [0, 0, 3], [0, 2, 0]])
    found = strengths(with_prior(wins, np.zeros((3, 3))))
    chance = against_others(drawn(wins[None], np.zeros((1, 3, 3))))[:, 0]

    assert np.isfinite(found).all()
    assert ranks(found).tolist() == [1, 2, 3]
    assert 0.5 < np.quantile(chance, 0.025) < np.quantile(chance, 0.5) < 1


def test_intervals_hold_the_truth_about_95_times_of_100() -> None:
    chance = np.random.default_rng(7)
    held: list[bool] = []
    for _ in range(150):
        truth = chance.normal(0, 1, 4)
        wins = np.zeros((4, 4))
        for one, two in itertools.combinations(range(4), 2):
            wins[one, two] = chance.binomial(10, against(truth)[one, two])
            wins[two, one] = 10 - wins[one, two]
        low, high = np.quantile(against_others(drawn(wins[None], np.zeros((1, 4, 4)), draws=500)), [0.025, 0.975], 0)
        held += list((low <= against_others(truth)) & (against_others(truth) <= high))

    # four standard errors around 0.95, were the 600 apart from each other
    assert 0.914 <= np.mean(held) <= 0.986


def test_raters_who_disagree_make_it_less_certain_than_as_many_answers_that_are_alike() -> None:
    ties = np.zeros((MIN_RATERS, 2, 2))
    split = np.array([[[0.0, 10], [0, 0]] if at % 2 else [[0.0, 0], [10, 0]] for at in range(MIN_RATERS)])
    even = np.array([[[0.0, 5], [5, 0]]] * MIN_RATERS)

    def width(wins: np.ndarray) -> float:
        low, high = np.quantile(against(drawn(wins, ties[: len(wins)]))[:, 0, 1], [0.025, 0.975])
        return float(high - low)

    assert width(split) > 2 * width(even)
    assert width(split[:-1]) < width(split)  # one rater fewer, and answers are drawn in place of raters


def test_groups_that_do_not_differ_are_called_different_about_5_times_of_100() -> None:
    chance = np.random.default_rng(3)
    small = []
    for _ in range(120):
        one, two = np.array(list(itertools.permutations(range(3), 2)) * 8).T
        shares = (chance.random(len(one)) < against(np.array([0.0, 0.5, 1.0]))[one, two]).astype(float)
        groups = chance.integers(0, 3, len(one))
        small.append(regrouped(one, two, shares, groups, 3, draws=100) < 0.05)

    assert np.mean(small) <= 0.05 + 4 * (0.05 * 0.95 / 120) ** 0.5


def test_the_same_seed_gives_the_same_draws() -> None:
    wins = np.array([BASEBALL], float)

    assert (drawn(wins, 0 * wins, draws=50) == drawn(wins, 0 * wins, draws=50)).all()
    assert (drawn(wins, 0 * wins, draws=50) != drawn(wins, 0 * wins, draws=50, seed=1)).all()


def test_the_strongest_has_rank_1_and_equal_ones_their_order() -> None:
    assert ranks(np.array([[0.0, 2, 1], [1, 1, 3]])).tolist() == [[3, 1, 2], [2, 3, 1]]


def test_values_are_connected_over_others_but_not_without_a_comparison() -> None:
    met = np.zeros((5, 5))
    met[0, 3] = met[3, 4] = met[2, 1] = 1

    assert islands(met) == [[0, 3, 4], [1, 2]]
