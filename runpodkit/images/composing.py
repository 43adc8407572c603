"""From what was read of each picture to what its cell shows: fitted, set against another, with inset and mark.

Gets small pictures and gives small pictures; knows neither bytes nor where on a sheet they go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PIL import Image

from runpodkit.images import differences, insets, thumbnails
from runpodkit.images.cells import Cell, Labels, Shot
from runpodkit.images.regions import View
from runpodkit.images.sheet import Problem

Key = tuple[int, Labels, Labels]
"""Page, row, column."""


def compared(cells: Mapping[Key, Cell]) -> frozenset[Key]:
    """The cells that are measured: those drawn against another, and these others."""
    against = {key: (key[0], *cell.against) for key, cell in cells.items() if cell.against}
    return frozenset([*against, *against.values()])


def check_regions(view: View, shots: Mapping[Key, Shot | Problem]) -> None:
    """A region that no picture has is the caller's mistake, not the pictures'."""
    if view == View() or any(isinstance(shot, Shot) for shot in shots.values()):
        return
    reasons = [shot.reason for shot in shots.values() if isinstance(shot, Problem)]
    if wrong := [reason for reason in reasons if reason.startswith(("crop", "inset"))]:
        raise ValueError(wrong[0])


def set_against(
    cells: Mapping[Key, Cell], shots: Mapping[Key, Shot | Problem]
) -> tuple[dict[Key, Shot | Problem], dict[Key, str]]:
    """The shots, those that are compared as differences; and what is written under each cell."""
    made = dict(shots)
    notes = {key: cell.note for key, cell in cells.items() if cell.note}
    for key, shot in shots.items():
        if (against := cells[key].against) and isinstance(shot, Shot):
            made[key], measured = _difference(shots.get((key[0], *against)), shot)
            notes[key] = "\n".join(filter(None, (cells[key].note, measured)))
    return made, notes


def finished(shot: Shot, view: View, box: tuple[int, int], *, marked: bool) -> Image.Image:
    """What the cell shows: fitted into it, with inset and mark."""
    shot = _sized(shot, view, box)
    picture = shot.main
    if shot.closeup and shot.frame:
        picture = insets.with_inset(picture, shot.closeup, shot.frame)
    return insets.with_mark(picture) if marked else picture


def _sized(shot: Shot, view: View, box: tuple[int, int]) -> Shot:
    """A shot as large as its cell, which only shrinks it."""
    main = thumbnails.fitted(shot.main.size, box)
    closeup = view.enlarged(main, shot.frame) if shot.frame else None

    def at(image: Image.Image, size: tuple[int, int]) -> Image.Image:
        return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)

    return replace(
        shot,
        main=at(shot.main, main),
        closeup=at(shot.closeup, closeup) if shot.closeup and closeup else None,
    )


def _difference(base: Shot | Problem | None, shot: Shot) -> tuple[Shot | Problem, str]:
    """How a shot differs from another, and by how much in words."""
    if not isinstance(base, Shot) or base.measured is None or shot.measured is None:
        return Problem("nothing to compare with: the baseline has no picture here"), ""
    if not differences.comparable(base.size, shot.size):
        sizes = "{}×{} cannot be laid on {}×{}".format(*shot.size, *base.size)
        return Problem(f"nothing to compare: {sizes}"), ""
    far = differences.distance(base.measured, shot.measured)
    closeup = differences.difference(base.closeup, shot.closeup) if base.closeup and shot.closeup else None
    main = differences.difference(base.main, shot.main)
    return replace(shot, main=main, closeup=closeup), _told(far)


def _told(far: float) -> str:
    if not far:
        return "no difference"
    return f"differs by {far:.3f}" if far >= 0.0005 else "differs by < 0.001"
