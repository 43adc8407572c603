"""Rejected values in words."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field, ValidationError

from runpodkit.notebook.wording import facts_of, in_words
from runpodkit.params import ImageParams
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, TrialState


class Model(BaseModel):
    least: int = Field(5, ge=1_000)
    most: float = Field(5, le=2.5)
    over: int = Field(5, gt=3)
    under: int = Field(5, lt=3)
    part: float = Field(0.5, multiple_of=0.5)
    size: int = Field(64, ge=64, le=4096, multiple_of=8)
    short: str = Field("-", min_length=1)
    long: str = Field("-", max_length=3)
    whole: int = 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("least", 3, "must be 1,000 or more"),
        ("most", 3, "must be 2.5 or less"),
        ("over", 3, "must be over 3"),
        ("under", 3, "must be under 3"),
        ("part", 0.7, "must be a multiple of 0.5, such as 0.5 or 1"),
        ("size", 500, "must be a multiple of 8, such as 496 or 504"),
        ("size", 63, "must be a multiple of 8, such as 64"),
        ("size", 4097, "must be a multiple of 8, such as 4,096"),
        ("short", "", "must not be empty"),
        ("long", "four", "is too long: 4 letters, 3 at most"),
        ("whole", "x", "input should be a valid integer, unable to parse string as an integer"),
    ],
)
def test_each_kind_of_refusal_has_words(name: str, value: object, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Model.model_validate({name: value})

    assert [in_words(item, Model.model_json_schema()["properties"][name]) for item in refused.value.errors()] == [words]


def record(**about: object) -> Record:
    plain = {"trial": 0, "state": TrialState.FAILED, "values": {}, "params": ImageParams(user_prompt="a fox")}
    words = {"prompt": "a fox", "negative_prompt": "", "run": "r", "endpoint": "e", "simulated": True}
    return Record(**{**plain, **words, **about})  # type: ignore[arg-type]


def test_what_a_failed_trial_returned_is_among_its_facts() -> None:
    facts = facts_of(record(reason="the output holds no picture", unread="unread/ab/x.json", excerpt='{"log": "NaN"}'))

    assert facts[-3:] == [
        ("reason", "the output holds no picture"),
        ("returned", '{"log": "NaN"}'),
        ("kept as", "unread/ab/x.json"),
    ]


def test_flags_are_remarks_but_for_where_the_cost_is_from() -> None:
    image = ImageFile("images/x.png", 64, 64, 99)
    facts = dict(
        facts_of(record(images=(image,), flags=("cost from worker", "blank picture", "same pixels as trial 3")))
    )

    assert facts["remarks"] == "blank picture; same pixels as trial 3"
    assert not {"reason", "returned", "kept as"} & facts.keys()
    assert "remarks" not in dict(facts_of(record(flags=("cost from worker",))))
