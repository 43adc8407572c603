"""Pairs: for any part of any grid each pair is equal in everything but the axis, and none is missing."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runpodkit.runs.comparing.measures import REPEAT
from runpodkit.runs.comparing.pairs import matched, measured
from runpodkit.runs.records import Record
from tests.runs.made_up import record

PLACES = list(product(["Euler", "Heun", "DDIM"], [5, 10], [1, 2, 3], [1, 2]))
NAMES = ("sampler_name", "steps", "seed", REPEAT)


def at(places: list[tuple[Any, ...]]) -> list[Record]:
    return [record(number, values=dict(zip(NAMES, place, strict=True))) for number, place in enumerate(places)]


def png(key: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (int(key[10:74], 16) * 5,) * 3).save(out, "PNG")
    return out.getvalue()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(PLACES), min_size=1, unique=True),
    st.sampled_from(NAMES),
    st.randoms(use_true_random=False),
)
def test_pairs_are_exact_and_complete(places: list[tuple[Any, ...]], axis: str, chance: Any) -> None:
    records = at(places)
    where = NAMES.index(axis)
    baseline = records[0].values[axis]
    found = matched(records, axis, baseline)
    apart = [place for place in range(4) if place != where and (axis == REPEAT or NAMES[place] != REPEAT)]
    rest = {tuple(place[each] for each in apart) for place in places if place[where] == baseline}
    others = {(place[where], *(place[each] for each in apart)) for place in places if place[where] != baseline}

    for base, cells in found.groups:
        assert base.values[axis] == baseline
        for cell in cells:
            assert cell.values[axis] != baseline
            assert {name: value for name, value in cell.values.items() if name != axis} == {
                name: value for name, value in base.values.items() if name != axis
            }
    assert len(found.groups) == len(rest)
    assert sum(len(cells) for _, cells in found.groups) == sum(each[1:] in rest for each in others)
    mixed = list(records)
    chance.shuffle(mixed)
    assert matched(mixed, axis, baseline).groups == found.groups


def test_the_distance_of_a_pair_is_the_mean_over_its_repeats_and_a_baseline_has_none_to_itself() -> None:
    """Euler is 0 and 5 levels, Heun 10 and 15: 10, 15, 5 and 10 apart."""
    records = at([("Euler", 5, 1, 1), ("Euler", 5, 1, 2), ("Heun", 5, 1, 1), ("Heun", 5, 1, 2)])
    pairs, repeats = measured(matched(records, "sampler_name", "Euler"), "sampler_name", png)

    assert [pair.distance for pair in pairs["Euler"]] == [0.0]
    assert [round(255 * (pair.distance or 0), 6) for pair in pairs["Heun"]] == [10.0]
    assert [round(255 * each, 6) for each in repeats] == [5.0, 5.0]


def test_what_has_no_partner_or_no_picture_is_in_no_pair() -> None:
    records = at([("Euler", 5, 1, 1), ("Heun", 5, 1, 1), ("Heun", 5, 2, 1), ("Euler", 10, 1, 1), ("Heun", 10, 1, 1)])
    records[4] = replace(records[4], images=())
    found = matched(records, "sampler_name", "Euler")

    assert [(base.records[0].trial, [cell.records[0].trial for cell in cells]) for base, cells in found.groups] == [
        (0, [1]),
        (3, []),
    ]
