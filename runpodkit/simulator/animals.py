"""A cat or a dog in a scene, sitting and looking at us."""

from __future__ import annotations

from runpodkit.simulator.palettes import WHITE, mix, scaled
from runpodkit.simulator.pen import Pen
from runpodkit.simulator.stage import Stage
from runpodkit.simulator.vocabulary import Colour

_CATS: tuple[Colour, ...] = ((224, 146, 80), (120, 116, 122), (64, 58, 66), (238, 226, 208))
_DOGS: tuple[Colour, ...] = ((200, 142, 86), (132, 92, 64), (236, 214, 178), (92, 84, 86))


def cat(stage: Stage) -> None:
    pen = _pen(stage)
    asked = stage.colour("cat", stage.person.pick(_CATS))
    fur = stage.palette.lit(asked)
    dark, pale, line = scaled(fur, 0.72), mix(fur, stage.palette.lit(WHITE), 0.72), scaled(fur, 0.32)
    _shadow(stage, pen)
    pen.stroke([(0.5, -0.12), (1.0, -0.1), (1.22, -0.5), (1.02, -0.95), (1.2, -1.25)], 0.2, dark)
    pen.stroke([(1.02, -0.95), (1.2, -1.25)], 0.2, fur)
    pen.blob(
        [
            (0, -1.5),
            (0.42, -1.25),
            (0.66, -0.55),
            (0.62, -0.06),
            (0, 0.02),
            (-0.62, -0.06),
            (-0.66, -0.55),
            (-0.42, -1.25),
        ],
        [fur, scaled(fur, 0.84)],
    )
    pen.blob([(0, -1.25), (0.26, -0.9), (0.2, -0.4), (-0.2, -0.4), (-0.26, -0.9)], pale, 0.9, soft=0.03)
    for side in (-1, 1):
        pen.blob(
            [
                (side * 0.1, -0.75),
                (side * 0.3, -0.7),
                (side * 0.29, -0.1),
                (side * 0.32, 0.04),
                (side * 0.06, 0.04),
                (side * 0.08, -0.2),
            ],
            mix(fur, pale, 0.25),
        )
        pen.dab(side * 0.19, 0.0, 0.16, 0.09, pale)
        pen.stroke([(side * 0.62, -0.5), (side * 0.42, -0.42), (side * 0.38, -0.05)], 0.035, dark, 0.8)
        pen.shape([(side * 0.14, -2.2), (side * 0.56, -2.62), (side * 0.66, -1.86)], fur)
        pen.shape([(side * 0.26, -2.2), (side * 0.51, -2.46), (side * 0.56, -2.0)], mix(fur, (236, 150, 150), 0.55))
    pen.blob(
        [
            (0, -2.36),
            (0.44, -2.24),
            (0.68, -1.82),
            (0.56, -1.46),
            (0.2, -1.3),
            (-0.2, -1.3),
            (-0.56, -1.46),
            (-0.68, -1.82),
            (-0.44, -2.24),
        ],
        [fur, scaled(fur, 0.95)],
    )
    for px in (-0.16, 0.0, 0.16):  # the marks of a tabby
        pen.stroke([(px, -2.32), (px * 0.9, -2.1)], 0.055, dark, 0.75)
    for side in (-1, 1):
        pen.stroke([(side * 0.62, -1.78), (side * 0.46, -1.72)], 0.045, dark, 0.7)
        pen.stroke([(side * 0.6, -0.95), (side * 0.4, -0.9)], 0.06, dark, 0.55)
        pen.stroke([(side * 0.64, -0.66), (side * 0.44, -0.62)], 0.06, dark, 0.55)
    pen.blob([(0, -1.72), (0.26, -1.6), (0.24, -1.42), (0, -1.36), (-0.24, -1.42), (-0.26, -1.6)], pale)
    for side in (-1, 1):
        pen.dab(side * 0.29, -1.83, 0.145, 0.135, line)
        pen.dab(side * 0.29, -1.825, 0.125, 0.118, (196, 204, 96) if asked != (64, 58, 66) else (242, 200, 84))
        pen.dab(side * 0.29, -1.825, 0.048, 0.108, (22, 20, 26))
        pen.dab(side * 0.29 + 0.045, -1.875, 0.032, 0.032, WHITE)
        for rise in (-0.07, 0.0, 0.07):
            pen.stroke(
                [(side * 0.2, -1.52 + rise / 2), (side * 0.55, -1.55 + rise), (side * 0.86, -1.5 + rise * 1.6)],
                0.014,
                mix(pale, WHITE, 0.5),
                0.75,
            )
    pen.shape([(-0.065, -1.66), (0.065, -1.66), (0, -1.585)], (206, 116, 116))
    pen.stroke([(-0.15, -1.53), (-0.07, -1.46), (0, -1.54), (0.07, -1.46), (0.15, -1.53)], 0.026, line)


def dog(stage: Stage) -> None:
    pen = _pen(stage)
    fur = stage.palette.lit(stage.colour("dog", stage.person.pick(_DOGS)))
    dark, pale, line = scaled(fur, 0.66), mix(fur, stage.palette.lit(WHITE), 0.75), scaled(fur, 0.25)
    _shadow(stage, pen)
    pen.stroke([(0.5, -0.2), (0.95, -0.4), (1.1, -0.8), (0.95, -1.1)], 0.19, fur)
    pen.blob(
        [(0, -1.55), (0.44, -1.3), (0.7, -0.6), (0.66, -0.06), (0, 0.02), (-0.66, -0.06), (-0.7, -0.6), (-0.44, -1.3)],
        [fur, scaled(fur, 0.84)],
    )
    pen.blob([(0, -1.35), (0.32, -1.0), (0.24, -0.4), (-0.24, -0.4), (-0.32, -1.0)], pale, 0.95, soft=0.03)
    for side in (-1, 1):
        pen.blob(
            [
                (side * 0.1, -0.8),
                (side * 0.36, -0.7),
                (side * 0.34, -0.1),
                (side * 0.38, 0.04),
                (side * 0.06, 0.04),
                (side * 0.08, -0.2),
            ],
            mix(fur, pale, 0.2),
        )
        pen.dab(side * 0.22, 0.0, 0.19, 0.1, pale)
        pen.stroke([(side * 0.66, -0.5), (side * 0.46, -0.42), (side * 0.42, -0.05)], 0.035, dark, 0.8)
    pen.blob(
        [
            (0, -2.4),
            (0.42, -2.3),
            (0.62, -1.9),
            (0.5, -1.5),
            (0.24, -1.28),
            (-0.24, -1.28),
            (-0.5, -1.5),
            (-0.62, -1.9),
            (-0.42, -2.3),
        ],
        [fur, scaled(fur, 0.96)],
    )
    for side in (-1, 1):
        pen.blob(
            [
                (side * 0.36, -2.36),
                (side * 0.6, -2.32),
                (side * 0.86, -1.8),
                (side * 0.72, -1.4),
                (side * 0.56, -1.6),
                (side * 0.5, -2.0),
            ],
            [dark, scaled(dark, 0.85)],
        )
    pen.blob(
        [(0, -2.2), (0.13, -1.95), (0.34, -1.6), (0.22, -1.34), (-0.22, -1.34), (-0.34, -1.6), (-0.13, -1.95)], pale
    )
    for side in (-1, 1):
        pen.dab(side * 0.27, -1.9, 0.1, 0.11, line)
        pen.dab(side * 0.27 + 0.035, -1.94, 0.034, 0.034, WHITE)
        pen.stroke([(side * 0.16, -2.09), (side * 0.28, -2.13), (side * 0.38, -2.08)], 0.035, dark)
    pen.blob([(0, -1.72), (0.14, -1.69), (0.1, -1.59), (0, -1.55), (-0.1, -1.59), (-0.14, -1.69)], (40, 34, 38))
    pen.dab(0.03, -1.685, 0.045, 0.02, WHITE, 0.6)
    pen.blob([(-0.1, -1.43), (0.1, -1.43), (0.08, -1.24), (0, -1.19), (-0.08, -1.24)], (226, 116, 122))
    pen.stroke([(-0.2, -1.47), (-0.08, -1.42), (0, -1.5), (0.08, -1.42), (0.2, -1.47)], 0.03, line)
    collar = stage.palette.lit((190, 60, 58))
    pen.stroke([(-0.36, -1.27), (0, -1.15), (0.36, -1.27)], 0.09, collar)
    pen.dab(0, -1.08, 0.07, 0.07, stage.palette.lit((240, 200, 96)))


def _pen(stage: Stage) -> Pen:
    canvas, chance = stage.canvas, stage.chance
    size = 0.2 * min(1.0, canvas.tall / 1.15) * chance.between(0.95, 1.15)
    x = 0.5 + (stage.pet_shift or chance.between(-0.12, 0.12))
    return Pen(canvas, x, 0.9, size * (0.72 if stage.pet_shift else 1.0), flip=chance.happens(0.5))


def _shadow(stage: Stage, pen: Pen) -> None:
    pen.dab(0.1, 0.02, 1.0, 0.12, scaled(stage.palette.near, 0.6), 0.45, soft=0.08)
