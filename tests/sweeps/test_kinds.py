"""Kinds of axes: names that tables need for themselves, parts and changes of axes, tables in tables."""

from __future__ import annotations

import pytest

from runpodkit.params import ImageParams
from runpodkit.runs.beside import ANSWERS
from runpodkit.runs.records import Record
from runpodkit.runs.tables.columns import FACTS
from runpodkit.sweeps.kinds import RESERVED, nested, put, read, size_label
from runpodkit.sweeps.prompting import replace

GIVEN = {
    "steps": [5, 10, 20],
    "width+height": [[64, 128], [128, 64], [64, 64]],
    "cfg_scale": {"a": 1.0, "b": 2.0, "c": 3.0},
    "size": {"a": {"width": 64}, "b": {"width": 128}, "c": {"width": 192, "steps": 5}},
    "batch": {"labels": ["x", None, 3]},
    "strength": {"rows": [0.5, None, 0.25]},
}


def test_no_axis_may_have_a_name_that_records_tables_or_answers_need():
    known = {*Record.__slots__, *FACTS, *ANSWERS, "run", "image"} - {*ImageParams.model_fields}

    assert known <= RESERVED
    for name in ("state", "image", "run", "repeat"):
        assert read(name, {"a": {"steps": 5}})[1] == [
            f"{name} means something else in tables and pages: call it something else"
        ]


@pytest.mark.parametrize("name", GIVEN)
def test_what_an_axis_says_in_a_plan_reads_back(name):
    axis, problems = read(name, GIVEN[name])

    assert problems == []
    assert axis is not None
    assert read(name, axis.plan)[0] == axis


@pytest.mark.parametrize("name", GIVEN)
def test_a_part_of_an_axis_has_those_values_and_is_an_axis(name):
    axis, _ = read(name, GIVEN[name])
    assert axis is not None
    part = axis.part([0, 2])

    assert list(part.values) == [axis.values[0], axis.values[2]]
    assert list(part.sets) == [axis.sets[0], axis.sets[2]]
    again = read(name, part.plan)[0]
    assert again is not None
    assert (list(again.values), list(again.sets)) == (list(part.values), list(part.sets))


def test_an_edit_of_prompts_cannot_be_taken_apart():
    axis, _ = read("time", replace("dusk", ["dawn"]))
    assert axis is not None
    with pytest.raises(ValueError, match="cannot be taken apart"):
        axis.part([0])


def test_every_value_of_a_field_may_be_changed():
    def doubled(name: str, field: str) -> list[object]:
        axis, _ = read(name, GIVEN[name])
        assert axis is not None
        changed = axis.changed(field, lambda value: value * 2)
        assert read(name, changed.plan)[0] == changed
        return list(changed.sets)

    assert doubled("steps", "steps") == [{"steps": 10}, {"steps": 20}, {"steps": 40}]
    assert doubled("width+height", "width")[0] == {"width": 128, "height": 128}
    assert doubled("cfg_scale", "cfg_scale")[2] == {"cfg_scale": 6.0}
    assert doubled("size", "width")[2] == {"width": 384, "steps": 5}


def test_tables_in_tables_share_what_is_not_on_the_way():
    extra = {"lora": {"name": "ink", "scale": 1}, "other": {"a": 1}}
    changed = put(extra, ["lora", "scale"], 2)

    assert changed == {"lora": {"name": "ink", "scale": 2}, "other": {"a": 1}}
    assert extra["lora"] == {"name": "ink", "scale": 1}
    assert nested({"steps": 5, "extra.a.b": 1, "extra.a.c": 2}) == {"steps": 5, "extra": {"a": {"b": 1, "c": 2}}}


def test_labels_of_numbers_are_sizes_and_others_lists():
    assert size_label([832, 1216]) == "832×1216"
    assert size_label([4.0, 0.123456789]) == "4×0.123456789"
    assert size_label(["Euler", 20]) == "Euler · 20"
    assert size_label([True, 20]) == "True · 20"


def test_values_that_are_equal_and_set_the_same_are_alike():
    def alike(name: str, given: object) -> list[int]:
        axis, _ = read(name, given, unique=False)
        assert axis is not None
        return axis.alike()

    assert alike("extra.k", [1, 1.0, True, "1", None, 1]) == [0, 0, 1, 2, 3, 0]
    assert alike("extra.k", [[1], {"a": 1}, [1.0], {"a": 1}]) == [0, 1, 0, 1]
    assert alike("cfg_scale", {"rows": [4, None, 4.0, None]}) == [0, 1, 0, 1]
    assert alike("width+height", [[64, 128], [128, 64], [64, 128]]) == [0, 1, 0]
    assert alike("sampler_name+scheduler", [["a · b", "c"], ["a", "b · c"]]) == [0, 1]
