"""Variables of a Compose file: what Compose puts in their place, by the examples of its specification."""

from __future__ import annotations

import pytest

from tests.compose.variables import MissingVariableError, filled, named

ENV = {"SET": "yes", "EMPTY": "", "OTHER": "b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$SET-${SET}", "yes-yes"),
        ("${UNSET}|$UNSET", "|"),
        ("${UNSET:-a}${EMPTY:-b}${SET:-c}", "abyes"),
        ("${UNSET-a}${EMPTY-b}${SET-c}", "ayes"),
        ("${UNSET:+a}${EMPTY:+b}${SET:+c}", "c"),
        ("${UNSET+a}${EMPTY+b}${SET+c}", "bc"),
        ("${SET:?must be set}${EMPTY?must be set}", "yes"),
        ("${UNSET:-${OTHER:-z}}:${UNSET:-http://$OTHER:1}", "b:http://b:1"),
        ("${UNSET:+${NEITHER:?never asked}}", ""),
        ("$$SET and $${SET}", "$SET and ${SET}"),
        ("${UNSET:-a-b:c?d+e}", "a-b:c?d+e"),
    ],
)
def test_a_variable_is_filled_as_compose_fills_it(text: str, expected: str) -> None:
    assert filled(text, ENV) == expected


@pytest.mark.parametrize(
    "text", ["${UNSET:?say so}", "${EMPTY:?say so}", "${UNSET?say so}", "${SET:+${UNSET:?say so}}"]
)
def test_what_must_be_set_is_told_in_the_words_of_the_file(text: str) -> None:
    with pytest.raises(MissingVariableError, match=r"^say so$"):
        filled(text, ENV)


@pytest.mark.parametrize("text", ["costs 5$", "${}", "${1A}", "${A", "${A*b}"])
def test_a_dollar_sign_that_begins_no_variable_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\$"):
        filled(text, ENV)


def test_lists_and_mappings_are_filled_in_their_values_alone() -> None:
    assert filled({"$SET": ["$SET", 3, None, {"a": "${OTHER}"}]}, ENV) == {"$SET": ["yes", 3, None, {"a": "b"}]}


def test_every_name_is_found_also_within_another() -> None:
    assert named({"a": ["${A:+${B:-${C}}}", "$${D}"], "b": 1}) == {"A", "B", "C"}
