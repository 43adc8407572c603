"""How two pictures differ: a number, and a picture of it.

Both get small versions; which pictures belong together is somebody else's business.
"""

from __future__ import annotations

from PIL import Image, ImageChops, ImageStat

COMPARED_PX = 256
"""The longest side at which pictures are measured against each other."""
STRENGTH = 4
"""A difference is drawn so many times as strong as it is."""
ALIKE = 0.02
"""By how much of itself the proportion of two pictures may differ that are laid on each other."""


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference over all pixels and channels, in [0, 1]; the second is brought to the first one's size."""
    other = other if other.size == one.size else other.resize(one.size)
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3 / 255


def difference(one: Image.Image, other: Image.Image) -> Image.Image:
    """Black where both agree; what differs `STRENGTH` times as strong, channel by channel."""
    other = other if other.size == one.size else other.resize(one.size, Image.Resampling.LANCZOS)
    return ImageChops.difference(one, other).point(lambda level: min(255, level * STRENGTH))


def comparable(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two pictures of these sizes have the same proportion."""
    return abs(one[0] * other[1] - other[0] * one[1]) <= ALIKE * one[0] * other[1]
