"""A person in a scene: head and shoulders, facing us, in soft light."""

from __future__ import annotations

from runpodkit.simulator.canvas import smooth
from runpodkit.simulator.palettes import WHITE, mix, scaled
from runpodkit.simulator.pen import Pen
from runpodkit.simulator.stage import Stage
from runpodkit.simulator.vocabulary import Colour

_HAIR: tuple[Colour, ...] = ((66, 44, 40), (124, 72, 46), (40, 36, 48), (222, 184, 116), (160, 74, 44))
_SKIN: tuple[Colour, ...] = ((250, 220, 200), (242, 204, 176), (226, 178, 144), (178, 124, 92))
_CLOTHES: tuple[Colour, ...] = ((62, 84, 120), (168, 64, 70), (84, 118, 96), (226, 208, 184), (108, 84, 132))
_EYES: tuple[Colour, ...] = ((84, 128, 170), (92, 132, 92), (116, 78, 50), (110, 92, 160))
_BLOOMS: tuple[Colour, ...] = ((236, 120, 140), (250, 240, 230), (244, 190, 90))

_FACE = [(0, -1.06), (0.62, -0.86), (0.9, -0.25), (0.84, 0.26), (0.52, 0.76), (0.16, 1.05)]


def portrait(stage: Stage) -> None:
    """Draw the person the prompt asks for; hair, eyes and dress take the prompt's colours."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    boy = stage.asks("boy") and not stage.asks("girl")
    light = mix(palette.ambient, WHITE, 0.55)

    def lit(colour: Colour) -> Colour:
        a, b, c = (round(part * bright / 255) for part, bright in zip(colour, light, strict=True))
        return (a, b, c)

    # What the prompt leaves open is the same person in every variant: chance of its own, not the variant's.
    person = stage.person
    hair = lit(stage.colour("hair", person.pick(_HAIR)))
    eyes = lit(stage.colour("eyes", person.pick(_EYES)))
    clothes = lit(stage.colour("dress", person.pick(_CLOTHES)))
    skin = lit(person.pick(_SKIN))
    length = 0.9 if boy else person.pick((1.25, 2.2, 3.1))
    line = mix(scaled(hair, 0.35), (54, 30, 34), 0.55)
    shade = mix(skin, (150, 76, 84), 0.3)
    size = 0.235 * min(1.0, canvas.tall / 1.2) * chance.between(0.94, 1.1)
    pen = Pen(
        canvas, 0.5 + chance.between(-0.07, 0.07), 0.44 + chance.between(-0.02, 0.03), size,
        flip=chance.happens(0.5), lean=chance.between(-0.07, 0.07),
    )  # fmt: skip
    turn = chance.between(0.02, 0.16)  # the face looks a little to one side: its features move, its outline does not

    # Hair behind, then body, face, and hair in front: each covers the edge of the one before.
    if not boy:
        _hair_behind(pen, hair, length)
    _body(pen, clothes, skin, shade, 2.05 if boy else 1.72)
    if not boy and length > 1.5:
        _strands(pen, hair, length)
    for side in (-1, 1):
        pen.dab(side * 0.89, 0.12, 0.13, 0.21, shade)
    half = [(px * (1.1 if boy and py > 0.5 else 1.0), py) for px, py in _FACE]
    pen.blob([*half, *[(-px, py) for px, py in reversed(half[1:])]], [mix(skin, shade, 0.35), skin, skin])
    _features(pen, turn, skin, shade, eyes, line, hair, boy)
    _hair_in_front(pen, hair, boy)
    if not boy and (stage.asks("flowers") or person.happens(0.3)):
        petal = lit(stage.colour("flowers", person.pick(_BLOOMS)))
        for dx, dy in ((0.17, 0), (0.05, 0.16), (-0.14, 0.1), (-0.14, -0.1), (0.05, -0.16)):
            pen.dab(0.86 + dx, -0.66 + dy, 0.13, 0.13, petal)
        pen.dab(0.86, -0.66, 0.08, 0.08, (250, 210, 110))


def _hair_behind(pen: Pen, hair: Colour, length: float) -> None:
    wave = 0.14 if length > 1.5 else 0.04
    pen.blob(
        [
            (0, -1.46), (0.68, -1.32), (1.1, -0.72), (1.16 + wave, 0.1), (1.1, 0.7), (1.24 + wave, length * 0.85), (0.9, length * 1.02),
            (0.3, length * 0.98), (-0.3, length * 0.98), (-0.9, length * 1.04), (-1.26 - wave, length * 0.8), (-1.08, 0.7), (-1.16 - wave, 0.1),
            (-1.1, -0.72), (-0.68, -1.32),
        ],
        [scaled(hair, 0.9), scaled(hair, 0.68), scaled(hair, 0.52)],
    )  # fmt: skip
    for at in (-0.85, -0.45, 0.4, 0.8):
        pen.stroke(
            [(at, 0.9), (at * 1.1, length * 0.6 + 0.4), (at * 0.98, length * 0.94)], 0.035, mix(hair, WHITE, 0.16), 0.4
        )


def _body(pen: Pen, clothes: Colour, skin: Colour, shade: Colour, broad: float) -> None:
    pen.blob(
        [(-0.34, 0.7), (-0.33, 1.25), (-0.66, 1.62), (0, 2.05), (0.66, 1.62), (0.33, 1.25), (0.34, 0.7)],
        [scaled(shade, 0.95), skin],
    )
    pen.dab(0.0, 1.06, 0.36, 0.2, scaled(shade, 0.86), 0.8, soft=0.07)
    half = [(0.42, 1.42), (1.05, 1.62), (broad, 1.98), (broad + 0.25, 2.9), (broad + 0.35, 5.4)]
    neckline = [(-0.32, 1.8), (0, 2.02), (0.32, 1.8)]
    pen.blob(
        [*half, *[(-px, py) for px, py in reversed(half)], *neckline],
        [mix(clothes, WHITE, 0.12), clothes, scaled(clothes, 0.66)],
    )
    pen.stroke([(-0.44, 1.46), *neckline, (0.44, 1.46)], 0.1, mix(clothes, WHITE, 0.5))
    for fold in (-1.1, 0.95):
        pen.stroke([(fold, 2.0), (fold * 0.95, 2.6), (fold * 1.02, 3.4)], 0.05, scaled(clothes, 0.8), 0.6)


def _strands(pen: Pen, hair: Colour, length: float) -> None:
    """Hair that falls over the shoulders."""
    for side in (-1, 1):
        pen.blob(
            [
                (side * 0.98, -0.3),
                (side * 1.18, 0.9),
                (side * 1.34, 1.8),
                (side * 1.0, length),
                (side * 0.7, 1.8),
                (side * 0.84, 0.8),
            ],
            [hair, scaled(hair, 0.8), scaled(hair, 0.66)],
        )
        for shift in (0.0, 0.16):
            pen.stroke(
                [(side * (1.0 + shift), 0.3), (side * (1.04 + shift), 1.2), (side * (0.96 + shift / 2), length * 0.85)],
                0.03,
                mix(hair, WHITE, 0.3),
                0.45,
            )


def _features(
    pen: Pen, turn: float, skin: Colour, shade: Colour, eyes: Colour, line: Colour, hair: Colour, boy: bool
) -> None:
    pen.dab(-0.66, 0.3, 0.18, 0.55, shade, 0.4, soft=0.12)
    pen.dab(0, -0.56, 0.74, 0.2, shade, 0.55, soft=0.1)
    for side in (-1, 1):
        pen.dab(side * 0.5 + turn, 0.43, 0.22, 0.13, mix(skin, (230, 96, 92), 0.4), 0.7, soft=0.07)
        x = side * 0.4 + turn
        narrow = 1.0 - 0.7 * turn if side > 0 else 1.0
        pen.dab(x, 0.1, 0.205 * narrow, 0.185, (252, 250, 248))
        pen.dab(x, 0.02, 0.205 * narrow, 0.09, mix(shade, (252, 250, 248), 0.4), 0.7, soft=0.03)
        pen.dab(x + 0.02, 0.105, 0.14 * narrow, 0.178, [scaled(eyes, 0.5), eyes, mix(eyes, WHITE, 0.35)])
        pen.dab(x + 0.02, 0.10, 0.065 * narrow, 0.085, scaled(eyes, 0.22))
        pen.dab(x + 0.075, 0.03, 0.05, 0.055, WHITE)
        pen.dab(x - 0.04, 0.19, 0.028, 0.028, WHITE, 0.8)
        lash = [
            (x - side * 0.2 * narrow, 0.04),
            (x - side * 0.06, -0.085),
            (x + side * 0.13 * narrow, -0.06),
            (x + side * 0.245 * narrow, 0.06),
        ]
        pen.stroke(lash, 0.05 if boy else 0.075, line)
        pen.stroke(
            [(x - side * 0.12, 0.285), (x + side * 0.08, 0.295), (x + side * 0.17, 0.25)],
            0.022,
            mix(shade, line, 0.4),
            0.8,
        )
        pen.stroke(
            [(x - side * 0.2, -0.25), (x + side * 0.02, -0.33), (x + side * 0.24, -0.26)],
            0.08 if boy else 0.05,
            mix(scaled(hair, 0.55), line, 0.4),
            0.85,
        )
    pen.stroke(
        [(turn * 1.3 + 0.05, 0.36), (turn * 1.3 + 0.075, 0.45), (turn * 1.3 - 0.01, 0.475)],
        0.034,
        mix(shade, line, 0.25),
        0.9,
    )
    lips = mix(skin, (200, 56, 66), 0.35 if boy else 0.62)
    mouth = [(-0.17, 0.69), (-0.06, 0.66), (0, 0.675), (0.06, 0.66), (0.17, 0.69), (0.08, 0.775), (-0.08, 0.775)]
    pen.blob([(px + turn, py) for px, py in mouth], lips)
    pen.stroke(
        [(turn - 0.19, 0.685), (turn - 0.06, 0.715), (turn + 0.06, 0.715), (turn + 0.19, 0.68)],
        0.026,
        mix(lips, line, 0.6),
        0.9,
    )


def _hair_in_front(pen: Pen, hair: Colour, boy: bool) -> None:
    """The crown, a fringe in locks, and the light on it."""
    crown = [(-1.0, 0.1), (-1.1, -0.5), (-0.78, -1.18), (0, -1.45), (0.78, -1.18), (1.1, -0.5), (1.0, 0.1)]
    if boy:
        crown = [
            (-0.95, -0.1),
            (-1.06, -0.6),
            (-0.8, -1.3),
            (-0.2, -1.52),
            (0.5, -1.5),
            (1.0, -1.0),
            (1.02, -0.5),
            (0.95, -0.1),
        ]
    locks = [
        (0.86, -0.42),
        (0.72, -0.06),
        (0.6, -0.5),
        (0.42, -0.2),
        (0.2, -0.62),
        (0.0, -0.22),
        (-0.22, -0.62),
        (-0.42, -0.16),
        (-0.62, -0.5),
        (-0.78, -0.02),
        (-0.86, -0.4),
    ]
    pen.shape([*smooth(crown, closed=False), *locks], [mix(hair, WHITE, 0.08), hair, scaled(hair, 0.86)])
    shine = mix(hair, WHITE, 0.5)
    for left, right, height in ((-0.66, -0.3, -0.92), (-0.2, 0.24, -1.0), (0.36, 0.62, -0.92)):
        pen.stroke(
            [(left, height + 0.05), ((left + right) / 2, height - 0.02), (right, height + 0.04)], 0.075, shine, 0.5
        )
    for px, py in ((0.6, -0.5), (0.2, -0.62), (-0.22, -0.62), (-0.62, -0.5)):
        pen.stroke([(px, py), (px * 0.8, py - 0.3), (px * 0.45, py - 0.62)], 0.028, scaled(hair, 0.62), 0.55)
