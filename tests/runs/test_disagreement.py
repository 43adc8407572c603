"""Disagreement: where pictures differ along an axis, by hand."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runpodkit.images.regions import View
from runpodkit.params import ImageParams
from runpodkit.runs.run import Run
from runpodkit.sweeps.sweep import Sweep, Trial
from tests.runs.drawn import greys
from tests.runs.finished import finished


def patched(trial: Trial, _: int) -> bytes:
    """Black, with a patch of 10×10 in the lower right that is 0, 100 or 200 by the cfg scale."""
    out = io.BytesIO()
    made = Image.new("RGB", (40, 40))
    made.paste((round(100 * (trial.params.cfg_scale - 1)),) * 3, (25, 25, 35, 35))
    made.save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    plan = Sweep(ImageParams(user_prompt="a mill"), {"cfg_scale": [1, 2, 3], "seed": [1, 2]})
    return finished(tmp_path, plan, draw=patched)


def test_the_spread_is_the_standard_deviation_over_the_values(run: Run) -> None:
    """0, 100 and 200 of 255 deviate from 100 by 100, 0, 100: √(20000 / 2) = 100."""
    found = run.disagreement("cfg_scale")

    assert found.spread.shape == (40, 40)
    assert found.spread[30, 30] == pytest.approx(100 / 255)
    assert found.spread[5, 5] == 0
    assert (found.spread > 0).sum() == 100


def test_the_crop_holds_it_and_fits_a_grid(run: Run) -> None:
    found = run.disagreement("cfg_scale")
    x, y, width, height = found.crop

    assert x * 40 <= 25 and (x + width) * 40 >= 35
    assert y * 40 <= 25 and (y + height) * 40 >= 35
    assert found.share == pytest.approx(1)
    assert View.read(found.crop, None).shown((40, 40))
    assert repr(run.grid(cols="cfg_scale", rows="seed", inset=found.crop, cell_px=64)) == "Grid 2 × 3, 6 pictures"
    assert repr(found).startswith("Disagreement over cfg_scale, 2 groups of 3 values: 100% of it within crop=(0.")


def test_it_is_shown_as_one_picture_with_a_legend(run: Run) -> None:
    found = run.disagreement("cfg_scale")
    shown = found._repr_mimebundle_()

    assert set(shown) == {"image/jpeg", "text/plain"}
    assert found.heat.size == (40, 40)
    assert found.picture.image.width > 2 * 40


def test_one_group_may_be_chosen_and_a_group_of_one_value_says_nothing(run: Run) -> None:
    assert "1 group of 3 values" in repr(run.disagreement("cfg_scale", where={"seed": 1}))
    with pytest.raises(ValueError, match="no two finished pictures differ in cfg_scale alone"):
        run.disagreement("cfg_scale", where={"cfg_scale": 1})


def test_equal_pictures_disagree_nowhere(tmp_path: Path) -> None:
    found = greys(tmp_path, {"steps": [1, 2]}, lambda values: 7).disagreement("steps")

    assert not found.spread.any()
    assert found.share == 0
    assert found.picture.image.width > 0


def test_repeats_are_averaged_first(tmp_path: Path) -> None:
    """Of each value the repeats are 10 and 30 levels over it: their means are 50 apart."""
    axes = {"steps": [50, 100], "extra.repeat": [1, 2]}
    found = greys(tmp_path, axes, lambda values: values["steps"] + 20 * values["repeat"] - 10).disagreement("steps")

    assert np.allclose(found.spread, np.sqrt(2 * 25**2) / 255)


@pytest.mark.parametrize(("how", "said"), [({"share": 0.5}, "at most 0.36"), ({"axis": "width"}, "is no axis")])
def test_what_cannot_be_is_refused(run: Run, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run.disagreement(**{"axis": "cfg_scale", **how})


def test_trials_without_a_picture_are_gaps(tmp_path: Path) -> None:
    def fails(one: Any) -> Any:
        return replace(one, images=()) if one.values == {"steps": 3, "seed": 1} else one

    run = greys(tmp_path, {"steps": [1, 2, 3], "seed": [1, 2]}, lambda values: values["steps"], edit=fails)

    assert "2 groups of 3 values" in repr(run.disagreement("steps"))
