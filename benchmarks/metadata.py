"""What it costs to put parameters into a picture, beside Pillow's opening and saving it with the same text.

    python benchmarks/metadata.py [--times 200]

A picture of 832×1216 (one megapixel) in each container; both are measured by turns in this process, medians are told.
The target is 0.02 of Pillow's time for PNG.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable

from PIL import Image, ImageChops, PngImagePlugin

from runpodkit.images.metadata import embed, read_metadata, read_texts
from runpodkit.params import ImageParams
from runpodkit.prompts import SentPrompt

SIZE = (832, 1216)
PARAMS = ImageParams(
    user_prompt="a lighthouse at dusk, " * 12, seed=7, steps=30, sampler_name="Heun", scheduler="karras"
)
SENT = SentPrompt(f"{PARAMS.user_prompt}highly detailed, sharp focus", "blurry, low quality, deformed")
INFO = {
    "run": "lighthouse",
    "trial": 3,
    "endpoint": "simulator",
    "model": "sketch-1",
    "simulated": True,
    "job_id": "a-1",
}
PILLOW_TIMES = 7
"""Pillow takes a third of a second for a PNG."""


def picture() -> Image.Image:
    """Soft shapes with some grain, about as large as a PNG of a drawn picture: 1.5 MB."""
    soft = [Image.radial_gradient("L").resize(SIZE).rotate(turn) for turn in (0, 40, 80)]
    grain = Image.effect_noise(SIZE, 6)
    return Image.merge("RGB", [ImageChops.add(band, grain, scale=1.4) for band in soft])


def pillows_way(data: bytes, texts: dict[str, str], form: str) -> Callable[[], object]:
    """Open the picture, decode it, and save it with the same texts."""

    def work() -> object:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            out = io.BytesIO()
            if form == "PNG":
                info = PngImagePlugin.PngInfo()
                for keyword, text in texts.items():
                    info.add_text(keyword, text)
                image.save(out, "PNG", pnginfo=info)
            else:
                exif = Image.Exif()
                exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + texts["parameters"].encode("utf-16-be")
                image.save(out, form, exif=exif, xmp=texts["XML:com.adobe.xmp"].encode(), quality=90)
            return out

    return work


def median_ms(work: Callable[[], object], times: int) -> float:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1000


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--times", type=int, default=200)
    times = words.parse_args().times
    image = picture()
    for form in ("PNG", "JPEG", "WEBP"):
        out = io.BytesIO()
        image.save(out, form, quality=90)
        data = out.getvalue()
        embedded = embed(data, PARAMS, SENT, INFO)
        theirs = median_ms(pillows_way(data, read_texts(embedded), form), PILLOW_TIMES)
        ours = median_ms(lambda data=data: embed(data, PARAMS, SENT, INFO), times)  # type: ignore[misc]
        read = median_ms(lambda data=embedded: read_metadata(data), times)  # type: ignore[misc]
        print(
            f"{form:5} of {len(data) / 1e6:.2f} MB: put in {ours:.2f} ms, Pillow's open and save {theirs:.0f} ms: "
            f"{ours / theirs:.4f} ×; read back {read:.2f} ms"
        )


if __name__ == "__main__":
    main()
