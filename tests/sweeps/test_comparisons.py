"""Signs between two values: kinds are kept apart, everything else is Python's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.sweeps.comparisons import MixError, comparison, is_number, kind_of

plain = st.one_of(st.integers(-3, 3), st.floats(-3, 3), st.text("ab", max_size=2), st.booleans(), st.none())


@given(plain, plain)
def test_equal_is_an_error_across_kinds_and_never_beside_none(left, right):
    equal, differ = comparison("==", "a == b"), comparison("!=", "a != b")
    if kind_of(left) == kind_of(right) or None in (left, right):
        assert equal(left, right) is (left == right) is not differ(left, right)
    else:
        with pytest.raises(MixError, match="a == b compares"):
            equal(left, right)


@given(plain, plain)
def test_less_is_for_numbers_and_for_text(left, right):
    less, more = comparison("<", "a < b"), comparison(">", "b > a")
    if kind_of(left) == kind_of(right) and kind_of(left) in ("a number", "text"):
        assert less(left, right) is (left < right) is more(right, left)
    else:
        with pytest.raises(MixError, match="a < b"):
            less(left, right)


@given(plain.filter(lambda value: value is not None), st.lists(plain))
def test_within_a_list_only_values_of_its_kind_count(value, several):
    alike = [each for each in several if kind_of(each) == kind_of(value)]
    within, without = comparison("in", "a in b"), comparison("not in", "a not in b")
    if alike or all(each is None for each in several):
        assert within(value, several) is (value in alike) is not without(value, several)
    else:
        with pytest.raises(MixError, match="a in b compares"):
            within(value, several)


def test_yes_and_no_are_no_numbers():
    assert [is_number(value) for value in (1, 1.5, True, "1", None)] == [True, True, False, False, False]
