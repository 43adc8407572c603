"""Scorers: what tells a function's code from another's, and what is a number."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from runpodkit.runs.scorers import Scorer, as_number, fingerprint, name_of


class Model:
    """A scorer with a setting."""

    name = "clip"

    def __init__(self, batch_size: int = 4, bad: int = -1) -> None:
        self.batch_size, self.bad = batch_size, bad
        self._seen = 0

    def score(self, images: Sequence[object], params: Sequence[object]) -> list[float]:
        self._seen += 1
        return [0.0] * len(images)


def test_what_a_function_closes_over_and_its_helpers_belong_to_its_code() -> None:
    def make(weight: float, helper: Callable[[float], float]) -> Callable[..., float]:
        def scored(image: object, params: object) -> float:
            return helper(weight)

        return scored

    def plus(value: float) -> float:
        return value + 1

    def minus(value: float) -> float:
        return value - 1

    assert fingerprint(make(1, plus)) == fingerprint(make(1, plus))
    assert len({fingerprint(make(1, plus)), fingerprint(make(2, plus)), fingerprint(make(1, minus))}) == 3
    assert fingerprint(functools.partial(plus, 1)) != fingerprint(functools.partial(plus, 2))


def test_words_about_a_function_do_not_change_its_code_and_settings_of_a_model_do() -> None:
    def documented(image: object, params: object) -> float:
        """One."""
        return 1.0

    one = fingerprint(documented)

    def documented(image: object, params: object) -> float:  # type: ignore[no-redef]
        """Another."""
        # and a remark
        return 1.0

    assert fingerprint(documented) == one
    assert fingerprint(Model(4)) == fingerprint(Model(8))  # how many at once changes no number
    assert fingerprint(Model(bad=3)) != fingerprint(Model(bad=4))
    assert fingerprint(len) is None


def test_lists_and_mappings_that_a_function_reads_belong_to_its_code() -> None:
    def make(given: object) -> Callable[..., object]:
        return lambda image, params: given

    assert fingerprint(make({"a": [1, {2, 3}]})) == fingerprint(make({"a": [1, {3, 2}]}))
    different = [{"a": [1, {2, 3}]}, {"a": [1, {2, 4}]}, [1, 2], (1, 2), [1.0, 2.0], None, "None", np.zeros(3)]
    assert len({fingerprint(make(given)) for given in different}) == len(different)


@pytest.mark.parametrize("value", [3, 3.0, True, np.float32(3), np.int64(3), np.array([3.0])])
def test_numbers_of_any_library_are_numbers(value: Any) -> None:
    assert as_number(value) in (3.0, 1.0)


def test_several_values_are_no_number() -> None:
    with pytest.raises(ValueError, match="several values"):
        as_number(np.zeros(3))


def test_what_a_scorer_did_and_how_many_at_once_is_not_in_its_code_and_its_version_is() -> None:
    model = Model()
    before = fingerprint(model)
    model.score([], [])

    assert fingerprint(model) == before
    model.version = "other weights"  # type: ignore[attr-defined]
    assert fingerprint(model) != before


def test_a_function_that_calls_itself_has_a_code() -> None:
    def down(image: object, params: int) -> float:
        return 0.0 if not params else down(image, params - 1)

    assert fingerprint(down) == fingerprint(down) is not None


def test_scorers_are_known_by_what_they_have_and_by_their_names() -> None:
    assert isinstance(Model(), Scorer)
    assert not isinstance(len, Scorer)
    assert (name_of(Model()), name_of(functools.partial(name_of)), name_of(lambda: 1)) == ("clip", "name_of", None)


def test_methods_that_a_scorer_calls_and_settings_of_a_methods_object_belong_to_its_code() -> None:
    def made(amount: int, base: type) -> object:
        class Own(base):  # type: ignore[misc]
            name, batch_size = "own", 2

            def __init__(self) -> None:
                self.amount = amount

            def score(self, images: Sequence[object], params: Sequence[object]) -> list[float]:
                return [self.one(image) for image in images]

            def single(self, image: object, params: object) -> float:
                return self.one(image)

        return Own()

    class Plus:
        def one(self, image: object) -> float:
            return self.least + 1

        @property
        def least(self) -> float:
            return 1.0

    class Minus(Plus):
        @property
        def least(self) -> float:
            return -1.0

    assert fingerprint(made(1, Plus)) == fingerprint(made(1, Plus))
    assert fingerprint(made(1, Plus)) != fingerprint(made(1, Minus))
    assert fingerprint(made(1, Plus)) != fingerprint(made(2, Plus))
    singles = [fingerprint(made(amount, base).single) for amount, base in ((1, Plus), (1, Minus), (2, Plus))]  # type: ignore[attr-defined]
    assert len(set(singles)) == 3
