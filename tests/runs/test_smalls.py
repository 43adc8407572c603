"""Small versions for measuring: in order, each read once, and never many ahead of what is used."""

from __future__ import annotations

import io
import threading

from PIL import Image

from runpodkit.errors import StoreError
from runpodkit.runs.comparing.smalls import small, smalls
from tests.runs.made_up import record


def png(level: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (600, 300), (level,) * 3).save(out, "PNG")
    return out.getvalue()


def test_they_come_in_the_order_asked_as_large_as_asked() -> None:
    records = [record(number) for number in (3, 1, 2)]
    made = list(smalls(lambda key: png(int(key[10:74], 16)), records, 120))

    assert [one.trial for one, _ in made] == [3, 1, 2]
    assert [image.getpixel((5, 5)) for _, image in made if image] == [(3,) * 3, (1,) * 3, (2,) * 3]
    assert {image.size for _, image in made if image} == {(120, 60)}


def test_what_is_held_does_not_grow_with_the_run() -> None:
    lock, seen = threading.Lock(), [0]
    most = 0

    def read(key: str) -> bytes:
        with lock:
            seen[0] += 1
        return png(9)

    for used, _ in enumerate(smalls(read, [record(number) for number in range(150)], 32)):
        most = max(most, seen[0] - used)

    assert seen[0] == 150
    assert most < 75


def test_whoever_stops_looking_stops_the_reading() -> None:
    seen: list[str] = []
    pictures = smalls(lambda key: seen.append(key) or png(1), [record(number) for number in range(150)], 32)
    next(pictures)
    pictures.close()

    assert len(seen) < 75


def test_what_cannot_be_read_is_none_and_the_others_come() -> None:
    def read(key: str) -> bytes:
        if key == record(1).images[0].key:
            raise StoreError("gone")
        return b"no picture" if key == record(2).images[0].key else png(7)

    made = [image for _, image in smalls(read, [record(number) for number in range(4)])]

    assert [image is None for image in made] == [False, True, True, False]
    assert small(read, record(5, images=())) is None
