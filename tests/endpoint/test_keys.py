"""A trial's key: the same picture has one key, whatever order, spelling of numbers or version."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.endpoint.keys import trial_key

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def test_the_key_is_the_hash_of_the_canonical_json() -> None:
    by_hand = '["sketch-1",{"cfg_scale":4,"prompt":"a café"},0]'

    key = trial_key("sketch-1", {"prompt": "a café", "cfg_scale": 4.0})

    assert key == hashlib.sha256(by_hand.encode()).hexdigest()


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_order_does_not_matter(input: dict[str, object]) -> None:
    backwards = dict(reversed(input.items()))

    assert trial_key("m", input) == trial_key("m", backwards)


def test_model_repeat_and_every_value_matter() -> None:
    base = {"prompt": "a pier", "steps": 4}
    keys = {
        trial_key("m", base),
        trial_key("n", base),
        trial_key("m", base, 1),
        trial_key("m", {**base, "steps": 5}),
        trial_key("m", {**base, "steps": "4"}),
        trial_key("m", {**base, "steps": 4.5}),
    }

    assert len(keys) == 6


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_hold_has_no_key(value: object) -> None:
    with pytest.raises(ValueError, match="input holds"):
        trial_key("m", {"x": [value]})
