"""Layout: places from names, without a picture; nothing is ever put over anything else."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.runs.items import Collection, Item
from runpodkit.runs.layout import Layout, lay_out, line_length, place_axes


def item(name: str, **facts: Any) -> Item:
    return Item(name, facts)


def planned(zipped: bool = False, **axes: list[Any]) -> Collection:
    """Every combination, as a run has them."""
    values = zip(*axes.values(), strict=True) if zipped else product(*axes.values())
    items = [
        item(f"trial {number}", **{"width": 64, **dict(zip(axes, cell, strict=True))})
        for number, cell in enumerate(values)
    ]
    units = [tuple(axes)] if zipped else []
    return Collection(items, axes, planned=True, units=units, sparse=zipped)


def loose(*items: Item, axes: dict[str, list[Any]] | None = None) -> Collection:
    return Collection(items, axes or {})


def at(plan: Layout, page: int = 0) -> dict[tuple[str, ...], str]:
    """Names of items by the texts of their row and column."""
    return {
        tuple(str.__str__(text) for text in (*row, *col)): spot.item.name
        for (row, col), spot in plan.pages[page].spots.items()
    }


def texts(labels: Any) -> list[tuple[str, ...]]:
    return [tuple(str.__str__(text) for text in each) for each in labels]


ROW = {"sampler_name": ["Euler", "Heun"], "steps": [5, 10, 20]}


# where axes go


@pytest.mark.parametrize(
    ("axes", "rows", "cols", "expected"),
    [
        ([], None, None, ((), ())),
        (["a"], None, None, ((), ("a",))),
        (["a", "b"], None, None, (("a",), ("b",))),
        (["a", "b", "c"], None, None, (("a",), ("b", "c"))),
        (["a", "b", "c"], "b", None, (("b",), ("a", "c"))),
        (["a", "b", "c"], None, "a", (("b",), ("a", "c"))),
        (["a", "b"], None, "a", (("b",), ("a",))),
        (["a", "b", "c"], ["c", "a"], "b", (("c", "a"), ("b",))),
        (["a", "b"], [], None, ((), ("a", "b"))),
    ],
)
def test_what_nobody_placed_goes_to_the_columns_and_the_first_of_several_to_the_rows(axes, rows, cols, expected):
    assert place_axes(axes, rows, cols)[:2] == expected


def test_two_axes_make_rows_and_columns_in_the_order_of_the_sweep():
    plan = lay_out(planned(sampler_name=["Heun", "Euler"], steps=[20, 5]))

    assert texts(plan.rows) == [("Heun",), ("Euler",)]
    assert texts(plan.cols) == [("20",), ("5",)]
    assert (plan.row_title, plan.col_title) == ("sampler_name", "steps")
    assert at(plan) == {
        ("Heun", "20"): "trial 0",
        ("Heun", "5"): "trial 1",
        ("Euler", "20"): "trial 2",
        ("Euler", "5"): "trial 3",
    }


def test_nested_numbers_say_their_axis_and_texts_do_not():
    plan = lay_out(planned(**ROW, seed=[1]), rows="seed", cols=["sampler_name", "steps"])

    assert texts(plan.cols)[:2] == [("Euler", "steps 5"), ("Euler", "steps 10")]
    assert plan.col_title == ""


def test_pages_have_the_same_rows_and_columns_and_a_heading_each():
    plan = lay_out(planned(**ROW, seed=[1, 2]), rows="seed", cols="sampler_name", pages="steps")

    assert plan.paged
    assert [page.heading for page in plan.pages] == ["steps 5", "steps 10", "steps 20"]
    assert at(plan, 1) == {
        ("1", "Euler"): "trial 2",
        ("2", "Euler"): "trial 3",
        ("1", "Heun"): "trial 8",
        ("2", "Heun"): "trial 9",
    }


def test_anything_known_may_be_placed_and_numbers_then_ascend():
    workers = loose(item("a", steps=5, worker="w9"), item("b", steps=10, worker="w1"), item("c", steps=2, worker="w9"))
    plan = lay_out(workers, rows="worker", cols="steps")

    assert texts(plan.rows) == [("w9",), ("w1",)]
    assert texts(plan.cols) == [("2",), ("5",), ("10",)]


def test_one_short_axis_stands_in_a_line_and_a_long_one_flows():
    short, long = lay_out(planned(seed=list(range(10)))), lay_out(planned(seed=list(range(40))))

    assert (len(short.rows), len(short.cols), short.col_title) == (1, 10, "seed")
    assert (len(long.rows), len(long.cols), long.col_title) == (5, 8, "")
    assert [spot.caption for spot in long.pages[0].spots.values()][:2] == ["seed\u00a00", "seed\u00a01"]
    assert not long.pages[0].blank


def test_who_says_where_a_long_axis_goes_is_obeyed():
    assert len(lay_out(planned(seed=list(range(40))), cols="seed").cols) == 40
    assert len(lay_out(planned(seed=list(range(40))), rows="seed").rows) == 40


def test_the_end_of_the_last_line_is_blank_not_missing():
    plan = lay_out(planned(seed=list(range(13))), aspect=1.46)

    assert (len(plan.rows), len(plan.cols), len(plan.pages[0].blank)) == (3, 5, 2)
    assert not plan.pages[0].blank & plan.pages[0].spots.keys()


@pytest.mark.parametrize(
    ("count", "aspect", "length"),
    [(40, 1.46, 8), (12, 1.0, 4), (11, 1.46, 4), (100, 1.0, 10), (2, 1.0, 2), (1, 1.46, 1)],
)
def test_lines_are_as_long_as_makes_the_whole_even_and_the_last_line_full(count, aspect, length):
    assert line_length(count, aspect) == length


@settings(deadline=None)
@given(st.integers(1, 2000), st.floats(0.33, 3))
def test_a_line_is_never_longer_than_what_is_there(count, aspect):
    assert 1 <= line_length(count, aspect) <= count


def test_axes_that_go_together_make_no_places_that_were_never_meant():
    plan = lay_out(planned(zipped=True, width=[512, 768], height=[768, 512]))

    assert texts(plan.cols) == [("width 512", "height 768"), ("width 768", "height 512")]
    assert len(plan.rows) == 1


def test_a_place_where_nothing_was_meant_to_be_is_empty_and_one_where_something_was_is_not():
    zipped = lay_out(planned(zipped=True, a=[1, 2], b=[1, 2]), rows="a", cols="b")
    part = Collection(planned(**ROW).items[:5], ROW, planned=True, lacking=True)

    assert len(zipped.pages[0].blank) == 2
    assert not lay_out(part).pages[0].blank and len(lay_out(part).pages[0].spots) == 5


def test_a_table_that_nobody_could_draw_is_laid_out_without_all_of_its_places():
    many = [item(str(number), a=number, b=-number) for number in range(3000)]
    plan = lay_out(loose(*many), rows="a", cols="b")

    assert (len(plan.rows), len(plan.cols), len(plan.pages[0].spots), len(plan.pages[0].blank)) == (3000, 3000, 3000, 0)


# several items in one place


def test_what_tells_items_apart_is_added_to_the_columns():
    plan = lay_out(
        loose(item("a", steps=5, seed=1), item("b", steps=5, seed=2), item("c", steps=9, seed=1)), rows="steps"
    )

    assert at(plan) == {("5", "1"): "a", ("5", "2"): "b", ("9", "1"): "c"}
    assert plan.col_title == "seed"


def test_what_tells_items_apart_goes_to_the_rows_if_only_columns_were_named():
    plan = lay_out(loose(item("a", steps=5, seed=1), item("b", steps=5, seed=2)), cols="steps")

    assert at(plan) == {("1", "5"): "a", ("2", "5"): "b"}


def test_items_that_nothing_tells_apart_stand_side_by_side():
    plan = lay_out(loose(item("a", steps=5), item("b", steps=5), item("c", steps=9)), rows="steps")

    assert at(plan) == {("5", "no. 1"): "a", ("5", "no. 2"): "b", ("9", "no. 1"): "c"}


def test_seeds_that_never_repeat_make_no_column_each():
    many = [item(f"{row}{number}", steps=row, seed=100 * row + number) for row in (1, 2, 3, 4) for number in range(3)]
    plan = lay_out(loose(*many), rows="steps")

    assert texts(plan.cols) == [("no. 1",), ("no. 2",), ("no. 3",)]


def test_files_without_parameters_flow_under_their_names():
    plan = lay_out(loose(*(item(name, file=name) for name in ("b", "a", "c"))))

    assert [spot.caption for spot in plan.pages[0].spots.values()] == ["b", "a", "c"]


def test_a_mostly_empty_table_is_not_made_of_rows_that_nobody_asked_to_be_one():
    odd = [item(f"t{number}", steps=number, cfg_scale=number / 2, width=64 * number) for number in range(1, 9)]
    plan = lay_out(loose(*odd, axes={"steps": [], "cfg_scale": [], "width": []}))

    assert len(plan.pages[0].spots) == 8
    assert len(plan.rows) * len(plan.cols) < 12


NAMES = ["steps", "seed", "sampler_name", "worker"]


@st.composite
def collections(draw: st.DrawFn) -> Collection:
    values = st.one_of(st.integers(-3, 3), st.sampled_from(["a", "b", ""]), st.none(), st.booleans(), st.floats(0, 1))
    facts = st.dictionaries(st.sampled_from(NAMES), values, min_size=1)
    items = [Item(f"i{number}", each) for number, each in enumerate(draw(st.lists(facts, min_size=1, max_size=30)))]
    return Collection(items, {name: [] for name in draw(st.sets(st.sampled_from(NAMES)))})


@given(collections(), st.lists(st.sampled_from([None, "rows", "cols", "pages"]), min_size=4, max_size=4))
@settings(max_examples=300, deadline=None)
def test_every_item_has_a_place_of_its_own_among_the_rows_and_columns(source, places):
    known = {name for each in source.items for name in each.facts}
    asked: dict[str, list[str]] = {}
    for name, place in zip(NAMES, places, strict=True):
        if place and name in known:
            asked.setdefault(place, []).append(name)
    plan = lay_out(source, **asked)

    placed = [spot.item.name for page in plan.pages for spot in page.spots.values()]
    assert sorted(placed) == sorted(each.name for each in source.items)
    assert len(set(plan.rows)) == len(plan.rows) and len(set(plan.cols)) == len(plan.cols)
    places_there = set(product(plan.rows, plan.cols))
    for page in plan.pages:
        assert page.spots.keys() | page.blank == places_there and not page.spots.keys() & page.blank


# values and how they read


def test_values_that_read_alike_keep_their_own_columns():
    plan = lay_out(loose(item("a", cfg_scale=0.12345671), item("b", cfg_scale=0.12345672)), cols="cfg_scale")

    assert texts(plan.cols) == [("0.12345671",), ("0.12345672",)]


def test_one_and_true_and_none_are_three_values_and_4_and_4_0_are_one():
    three = lay_out(loose(item("a", x=1), item("b", x=True), item("c", x=None)), cols="x")
    one = lay_out(loose(item("a", x=4, seed=1), item("b", x=4.0, seed=2)), cols="x", rows="seed")

    assert texts(three.cols) == [("1",), ("True",), ("none",)]
    assert texts(one.cols) == [("4",)]


def test_lists_and_mappings_may_be_values():
    plan = lay_out(loose(item("a", x=[1, 2]), item("b", x={"k": 1}), item("c", x=[1, 2])), cols="x")

    assert len({col[0] for col in plan.cols}) == 2


def test_own_texts_are_taken_for_values_and_axes():
    plan = lay_out(planned(**ROW), labels={"Euler": "Эйлер", "steps": "шагов", 5: "five"})

    assert texts(plan.rows) == [("Эйлер",), ("Heun",)]
    assert texts(plan.cols) == [("five",), ("10",), ("20",)]
    assert plan.col_title == "шагов"


def test_own_texts_by_axis_may_be_alike_and_the_columns_stay_apart():
    plan = lay_out(planned(**ROW), labels={"steps": {5: "few", 10: "few"}})

    assert texts(plan.cols) == [("few",), ("few",), ("20",)]
    assert len(at(plan)) == 4 and len(plan.pages[0].spots) == 6


def test_values_are_ordered_as_asked_and_the_others_follow():
    plan = lay_out(planned(**ROW), order={"steps": [20, "5"], "sampler_name": ["Heun"]})

    assert texts(plan.cols) == [("20",), ("5",), ("10",)]
    assert texts(plan.rows) == [("Heun",), ("Euler",)]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"rows": "stps"}, "stps is no axis.*axes: sampler_name, steps; did you mean steps"),
        ({"rows": "steps", "cols": ["steps"]}, "steps cannot be placed twice"),
        ({"rows": ["steps", "steps"]}, "steps cannot be placed twice"),
        ({"pages": "nothing"}, "nothing is no axis"),
        ({"labels": {"Eulr": "x"}}, "labels: 'Eulr' is no value.*sampler_name: Euler, Heun"),
        ({"labels": {"steps": {7: "x"}}}, "labels: 7 is no value"),
        ({"labels": {"cfg": {7: "x"}}}, "labels: 'cfg' is no value"),
        ({"order": {"steps": [5, 6, 7]}}, "order: 6, 7 is no value of steps; its values: 5, 10, 20"),
        ({"order": {"seed": [1]}}, "order: seed is not placed; placed are sampler_name, steps"),
        ({"rows": 5}, "5: rows, cols and pages take a name"),
        ({"rows": ["steps", 5]}, "take a name or a list of names"),
        ({"labels": ["x"]}, "labels=.*: give a mapping"),
        ({"order": "steps"}, "order='steps': give a mapping"),
        ({"order": {"steps": 7}}, "order: 7 is no value"),
        ({"baseline": "DDIM"}, "baseline='DDIM' is no value.*steps: 5, 10, 20"),
        ({"baseline": {"seed": 1}}, "baseline: seed runs neither down nor across"),
        ({"baseline": {"steps": 5, "seed": 1}}, "name one axis"),
    ],
)
def test_what_is_not_known_is_named_with_what_is(asked, words):
    with pytest.raises(ValueError, match=words):
        lay_out(planned(**ROW), **asked)


def test_nothing_cannot_be_laid_out():
    with pytest.raises(ValueError, match="nothing to lay out"):
        lay_out(loose())


# baselines


def against(plan: Layout) -> dict[str, str | None]:
    spots = plan.pages[0].spots
    return {spot.item.name: spots[spot.against].item.name if spot.against else None for spot in spots.values()}


def test_each_cell_is_compared_with_the_baseline_of_its_row():
    assert against(lay_out(planned(**ROW), baseline=10)) == {
        "trial 0": "trial 1", "trial 1": None, "trial 2": "trial 1",
        "trial 3": "trial 4", "trial 4": None, "trial 5": "trial 4",
    }  # fmt: skip


def test_a_baseline_among_nested_columns_keeps_all_else_alike():
    found = against(lay_out(planned(**ROW), cols=["steps", "sampler_name"], baseline="Euler"))

    assert found == {f"trial {number}": (None if number < 3 else f"trial {number - 3}") for number in range(6)}


def test_a_baseline_may_run_down_or_flow():
    down = lay_out(planned(**ROW), rows="steps", cols="sampler_name", baseline=5)
    flowing = lay_out(planned(seed=list(range(12))), baseline=3)

    assert against(down)["trial 2"] == "trial 0" and against(down)["trial 5"] == "trial 3"
    assert against(flowing)["trial 3"] is None and against(flowing)["trial 11"] == "trial 3"
    assert flowing.col_title == "difference to seed 3, × 4"


def test_a_value_of_two_axes_has_to_be_told_apart():
    both = planned(steps=[4, 8], cfg_scale=[4, 8])
    with pytest.raises(ValueError, match=r"choose baseline=\{'cfg_scale': 4\} or baseline=\{'steps': 4\}"):
        lay_out(both, baseline=4)

    assert against(lay_out(both, baseline={"steps": 4}))["trial 3"] == "trial 1"


def test_a_baseline_that_is_not_there_in_a_row_is_still_the_place_that_is_asked():
    some = loose(item("a", steps=5, seed=1), item("b", steps=9, seed=1), item("c", steps=9, seed=2))
    plan = lay_out(some, rows="seed", cols="steps", baseline=5)

    lonely = next(spot for spot in plan.pages[0].spots.values() if spot.item.name == "c")
    assert lonely.against is not None and lonely.against not in plan.pages[0].spots


def test_axes_of_which_only_some_combinations_were_meant_stay_side_by_side() -> None:
    units = [("steps", "cfg_scale"), ("seed",)]

    assert place_axes(["steps", "seed", "cfg_scale"], None, None, units=units) == (
        ("steps", "cfg_scale"),
        ("seed",),
        (),
    )
    assert place_axes(["steps", "cfg_scale"], None, None, units=units) == ((), ("steps", "cfg_scale"), ())
    assert place_axes(["steps", "seed", "cfg_scale"], "seed", None, units=units) == (
        ("seed",),
        ("steps", "cfg_scale"),
        (),
    )
