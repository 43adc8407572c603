"""Ranked: what a table, a sentence and a chart say of answers whose counts are known."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import runpodkit as rk
from runpodkit.runs.preferences import Preference
from runpodkit.runs.ranked import Ranking, answers_of, rank
from tests.runs.finished import finished

SAMPLERS = ["Euler", "Heun", "DDIM", "LMS"]
Said = tuple[str, str, float]


def run_of(folder: Path, name: str = "mill", samplers: list[str] = SAMPLERS) -> rk.Run:
    """Two seeds of each sampler: trials 0 and 1 are the first sampler's, 2 and 3 the second's, and so on."""
    return finished(folder / name, rk.sweep("a mill", sampler_name=samplers, seed=[1, 2]), name)


def answered(run: rk.Run, *said: Said, rater: str = "anna", seed: int = 1) -> None:
    """Answers about pictures of one seed: who was preferred to whom, 1, or 0.5 for no difference."""
    place = {name: at for at, name in enumerate(run.sweep.axes["sampler_name"])}
    given = []
    for value, against, share in said:
        first, second = (2 * place[name] + seed - 1 for name in (value, against))
        given.append(Preference("sampler_name", first, second, None if share == 0.5 else first, left=first))
    run.prefer(rater, given)


def test_two_values_are_told_as_a_share_with_its_interval(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    answered(run, *[("Heun", "Euler", 1)] * 16, *[("Euler", "Heun", 1)] * 4, *[("Heun", "Euler", 0.5)] * 4)
    ranking = run.ranking()

    # 16 and half of 4 of 24 answers, and half of the one that is added: 18.5 of 25
    assert str(ranking).startswith("Heun is preferred to Euler with 74% (95% interval ")
    assert "), 24 answers, 4 without a difference. Nobody was asked about DDIM, LMS." in str(ranking)
    assert ranking.pair("Heun", "Euler")[0] == pytest.approx(18.5 / 25)
    assert ranking.pair("Euler", "Heun")[0] == pytest.approx(6.5 / 25)


def test_a_row_per_value_counts_its_answers_and_says_which_ranks_it_may_have(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    answered(
        run,
        *[("LMS", "Euler", 1)] * 20,
        *[("Heun", "Euler", 1)] * 15, *[("Euler", "Heun", 1)] * 5,
        *[("LMS", "Heun", 1)] * 10, *[("Heun", "LMS", 1)] * 9, ("LMS", "Heun", 0.5),
    )  # fmt: skip
    table = run.ranking("sampler_name").table

    assert table.index.tolist() == ["LMS", "Heun", "Euler"]
    assert table.index.name == "sampler_name"
    assert table[["rank", "answers", "wins", "losses", "ties"]].to_numpy().tolist() == [
        [1, 40, 30, 9, 1], [2, 40, 24, 15, 1], [3, 40, 5, 35, 0],
    ]  # fmt: skip
    assert table[["best", "worst"]].to_numpy().tolist() == [[1, 2], [1, 2], [3, 3]]
    assert ((table.low < table.chance) & (table.chance < table.high)).all()
    assert table.chance.mean() == pytest.approx(0.5)


def test_the_matrix_has_how_each_stood_against_each(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    answered(run, *[("Heun", "Euler", 1)] * 3, ("Euler", "Heun", 1), ("Heun", "DDIM", 0.5))
    matrix = run.ranking().matrix

    assert matrix.loc["Heun", "Euler"] == 0.75
    assert matrix.loc["Euler", "Heun"] == 0.25
    assert matrix.loc["Heun", "DDIM"] == 0.5
    assert matrix.isna().loc["Euler", "DDIM"]
    assert matrix.isna().loc["Heun", "Heun"]


def test_the_order_of_answers_changes_nothing(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    answered(run, *[("Heun", "Euler", 1)] * 5, *[("Euler", "LMS", 1)] * 3, *[("LMS", "Heun", 1)] * 4)
    (given,) = answers_of(run.answers(), run.records()).values()
    turned = random.Random(1).sample(given, len(given))

    assert Ranking("sampler_name", turned, SAMPLERS).table.equals(run.ranking().table)


def test_what_the_answers_cannot_tell_is_said(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    answered(run, *[("Heun", "Euler", 1)] * 5, *[("LMS", "DDIM", 1)] * 4, *[("DDIM", "LMS", 1)] * 2)
    said = str(run.ranking())

    assert "Heun never lost: the answers say that it is ahead, not how far." in said
    assert (
        "No path of comparisons connects Euler and Heun or DDIM and LMS: how they stand to each other is not known."
        in said
    )
    assert "too close to call" in said


def test_nobody_was_asked_yet(tmp_path: Path) -> None:
    ranking = run_of(tmp_path).ranking()

    assert str(ranking) == repr(ranking)
    assert str(ranking).startswith("Nobody was asked yet.")
    assert (ranking.axis, len(ranking.table), ranking.matrix.shape) == ("sampler_name", 0, (0, 0))
    assert ranking.by("seed").empty
    assert "<table" not in ranking._repr_html_()


def test_each_seed_may_have_an_order_of_its_own(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    answered(run, *[("Heun", "Euler", 1)] * 6, rater="anna", seed=1)
    answered(run, *[("Euler", "Heun", 1)] * 8, rater="ben", seed=2)
    by_seed = run.ranking().by("seed")

    assert by_seed.index.tolist() == [("1", "Heun"), ("1", "Euler"), ("2", "Euler"), ("2", "Heun")]
    assert by_seed.answers.tolist() == [6, 6, 8, 8]
    assert run.ranking().by("rater").loc["ben", "rank"].to_dict() == {"Euler": 1, "Heun": 2}
    assert "14 answers of 2 raters" in str(run.ranking())


def test_whether_it_depends_on_the_seed_is_told_with_its_evidence(tmp_path: Path) -> None:
    split, alike = run_of(tmp_path, "split"), run_of(tmp_path, "alike")
    for run, second in ((split, [("Euler", "Heun", 1)] * 8), (alike, [("Heun", "Euler", 1)] * 8)):
        answered(run, *[("Heun", "Euler", 1)] * 8, rater="anna", seed=1)
        answered(run, *second, rater="ben", seed=2)  # type: ignore[arg-type]

    # all 8 answers of each seed opposed: of the 12,870 ways to deal 16 answers two do as well, which 500 draws hardly meet
    assert split.ranking().depends_on("seed") == (
        "The preference depends on seed: dealt to its 2 values at random, 16 answers would differ as much in 0.2% of the cases."
    )
    assert alike.ranking().depends_on("seed").endswith("16 answers would differ as much in 100.0% of the cases.")
    assert alike.ranking().depends_on("seed").startswith("The preference is not seen to depend on seed")
    assert alike.ranking().depends_on("steps") == "All answers have the same steps: nothing to compare."
    assert run_of(tmp_path, "new").ranking().depends_on("seed") == "All answers have the same seed: nothing to compare."


@pytest.mark.parametrize("name", ["sampler_name", "sead"])
def test_what_two_pictures_do_not_share_makes_no_groups(tmp_path: Path, name: str) -> None:
    run = run_of(tmp_path)
    answered(run, ("Heun", "Euler", 1))

    for ask in (run.ranking().by, run.ranking().depends_on):
        with pytest.raises(
            ValueError, match=f"{name} is nothing that both pictures of an answer share; give seed, rater, run or"
        ):
            ask(name)


def test_answers_of_several_runs_make_one_ranking(tmp_path: Path) -> None:
    one, other = run_of(tmp_path, "one"), run_of(tmp_path, "other", ["Heun", "Euler", "DPM2"])
    answered(one, *[("Heun", "Euler", 1)] * 6)
    answered(other, *[("Heun", "DPM2", 1)] * 3, *[("DPM2", "Heun", 1)] * 2)
    ranking = rk.rank([one, other])

    assert ranking.table.answers.to_dict() == {"Heun": 11, "DPM2": 5, "Euler": 6}
    assert ranking.by("run").loc["other"].index.tolist() == ["Heun", "DPM2"]


def test_an_axis_is_named_where_several_were_asked_about(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.prefer("anna", [Preference("sampler_name", 0, 2, 0, 0), *[Preference("seed", 0, 1, 0, 0)] * 2])

    with pytest.raises(ValueError, match=r"sampler_name \(1 answer\), seed \(2 answers\); name one of them"):
        run.ranking()
    assert run.ranking("seed").values == ["1", "2"]
    with pytest.raises(ValueError, match="steps is no axis here; axes: sampler_name, seed"):
        run.ranking("steps")
    with pytest.raises(ValueError, match="no answer is about DDIM; values: 1, 2"):
        run.ranking("seed").pair("DDIM", 1)


def test_answers_about_trials_that_are_gone_do_not_count(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.prefer("anna", [Preference("sampler_name", 0, 2, 0, 0), Preference("sampler_name", 0, 99, 0, 0)])

    assert run.ranking().answers == 1


def test_its_html_escapes_the_values_and_names_every_number(tmp_path: Path) -> None:
    run = finished(tmp_path, rk.sweep(["<b>fox</b>", "a mill"], seed=[1, 2]))
    run.prefer("anna", [Preference("user_prompt", 0, 2, 0, 0)] * 7)
    html = run.ranking()._repr_html_()

    assert "&lt;b&gt;fox&lt;/b&gt;" in html
    assert "<b>" not in html
    assert html.count("<svg") == html.count("</svg>") == 2
    assert "94%" in html  # 7.5 of 8


def test_a_long_prompt_is_cut_where_it_is_said_and_whole_in_the_table(tmp_path: Path) -> None:
    long = "a mill " * 100
    run = finished(tmp_path, rk.sweep([long, "a fox"], seed=[1, 2]))
    run.prefer("anna", [Preference("user_prompt", 0, 2, 0, 0)] * 7)

    assert len(str(run.ranking())) < 300
    assert run.ranking().table.index[0] == run.records()[0].params.user_prompt


def test_its_plot_has_a_whisker_per_value_and_says_that_it_is_simulated(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    answered(run, *[("Heun", "Euler", 1)] * 5, *[("Euler", "DDIM", 1)] * 3)
    plot = run.ranking().plot(width_mm=85)
    (axes,) = plot.figure.axes

    assert [text.get_text() for text in axes.get_xticklabels()] == ["Heun", "Euler", "DDIM"]
    assert axes.get_title("left") == "8 answers; 95 % intervals · simulated"
    assert repr(plot) == "Plot of preference by sampler_name, 3 values"
    with pytest.raises(ValueError, match="nothing to plot"):
        run_of(tmp_path, "new").ranking().plot()


def test_rank_takes_no_run_as_nothing_asked() -> None:
    assert str(rank([])).startswith("Nobody was asked yet.")
