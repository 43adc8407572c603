"""Disagreement: where in the picture the values of an axis differ, over all that is equal otherwise.

Per pixel and channel the standard deviation over the axis' values, its square averaged over channels and over
groups of trials that are equal in everything else.  Says where, not which value is right.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runpodkit.images import differences, heat
from runpodkit.images.grids import Grid
from runpodkit.images.heat import Fractions
from runpodkit.images.regions import INSET_SHARE, LEAST_ENLARGED
from runpodkit.runs.comparing.measures import REPEAT, values_along
from runpodkit.runs.comparing.smalls import LATE_S, smalls
from runpodkit.runs.items import key_of
from runpodkit.runs.layout import shown
from runpodkit.runs.pairing import rest_of
from runpodkit.runs.records import Record
from runpodkit.runs.watch import progress

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

HEAT_PX = 384
"""Longest side at which pictures are laid on each other."""
CROP_SHARE = 0.3
MOST_SHARE = math.floor(100 * INSET_SHARE / LEAST_ENLARGED) / 100
"""An inset of a larger part would not enlarge it."""
BRIGHT = 0.995
"""Share of the pixels that the legend reaches: a few that stand out do not darken all others."""


class Disagreement:
    """`spread`: how far values differ at each pixel; `picture` shows it, `crop` is the region of most of it for `run.grid(inset=…)`."""

    def __init__(
        self, axis: str, spread: NDArray[np.float64], crop: Fractions, example: Image.Image, caption: str, *,
        values: int, groups: int, simulated: bool,
    ) -> None:  # fmt: skip
        self.axis, self.spread, self.crop = axis, spread, crop
        self._example, self._caption, self._simulated = example, caption, simulated
        self._values, self._groups = values, groups

    @property
    def share(self) -> float:
        """Of all squared disagreement, what lies within `crop`, in [0, 1]."""
        high, wide = self.spread.shape
        x, y, width, height = self.crop
        part = self.spread[round(y * high) : round((y + height) * high), round(x * wide) : round((x + width) * wide)]
        whole = float((self.spread**2).sum())
        return min(1.0, float((part**2).sum()) / whole) if whole else 0.0

    @cached_property
    def heat(self) -> Image.Image:
        """The disagreement alone, dark where values agree, of as many pixels as `spread`."""
        return heat.heat(self.spread, self._top)

    @cached_property
    def picture(self) -> Grid:
        """One of the pictures and the disagreement side by side, with legend, `crop` framed in both."""
        words = f"standard deviation over {self._values} values of {self.axis}"
        image = heat.beside(
            [(self._caption, self._example), (f"where {self.axis} disagrees", self.heat)],
            self.crop,
            (words, self._top),
            "SIMULATOR" if self._simulated else "",
        )
        return Grid(image, repr(self), f"where {self.axis} disagrees", words)

    @property
    def _top(self) -> float:
        """What is brightest: nearly the largest, and at least one level of 255."""
        return max(1 / 255, float(np.quantile(self.spread, BRIGHT)))

    def __repr__(self) -> str:
        x, y, width, height = self.crop
        many = f"{self._groups} group{'' if self._groups == 1 else 's'} of {self._values} values"
        return (
            f"Disagreement over {self.axis}, {many}: {self.share:.0%} of it within "
            f"crop=({x:.3f}, {y:.3f}, {width:.3f}, {height:.3f})"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.picture._repr_mimebundle_()


def disagreement(
    run: Results,
    axis: str,
    *,
    where: Mapping[str, Any] | None = None,
    share: float = CROP_SHARE,
    quiet: bool = False,
) -> Disagreement:
    """See `Results.disagreement`."""
    if not 0 < share <= MOST_SHARE:
        raise ValueError(
            f"share={share!r}: of width and height, above 0 and at most {MOST_SHARE}, or it is no close-up"
        )
    records = run.where(**where or {})
    values_along(records, axis)
    groups: dict[Hashable, list[Record]] = {}
    for record in records:
        if record.images:
            groups.setdefault(rest_of(record.values, (axis, REPEAT)), []).append(record)
    several = [each for each in groups.values() if len({key_of(one.values.get(axis)) for one in each}) > 1]
    if not several:
        raise ValueError(f"no two finished pictures differ in {axis} alone")
    total = sum(map(len, several))
    variances: list[NDArray[np.float64]] = []
    most = 0
    size: tuple[int, int] | None = None
    example: tuple[Image.Image, str] | None = None
    with progress("disagreement", total, shown=not quiet, late_s=LATE_S) as step:
        pictures = smalls(run.bytes_of, (one for each in several for one in each), HEAT_PX, advance=step)
        for each in several:
            sums: dict[Hashable, tuple[NDArray[np.float64], int]] = {}
            for record, image in (next(pictures) for _ in each):
                size = size or (image.size if image else None)
                if image is None or size is None or not differences.comparable(image.size, size):
                    continue
                image = image if image.size == size else image.resize(size)
                value = key_of(record.values.get(axis))
                before, count = sums.get(value, (np.zeros((size[1], size[0], 3)), 0))
                sums[value] = (before + np.asarray(image, np.float64) / 255, count + 1)
                example = example or (image, f"{axis} {shown(record.values.get(axis))}")
            if len(sums) > 1:
                means = np.stack([total_of / count for total_of, count in sums.values()])
                variances.append(means.var(axis=0, ddof=1).mean(axis=-1))
                most = max(most, len(sums))
    if not variances or example is None:
        raise ValueError(f"no two readable pictures of one proportion differ in {axis} alone")
    variance = np.mean(variances, axis=0)
    crop = heat.densest(variance, share)
    return Disagreement(
        axis,
        np.sqrt(variance),
        crop,
        example[0],
        example[1],
        values=most,
        groups=len(variances),
        simulated=all(record.simulated for record in records),
    )
