"""The hostile corpus through everything that reads pictures: one kind of error, bounded memory, no local file."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from runpodkit.endpoint.dialects.reading import read_output
from runpodkit.errors import OutputError
from runpodkit.images import outputs, thumbnails
from runpodkit.jobs import ImageRef
from runpodkit.runs.collecting import fetch_all
from tests.images import hostile
from tests.images.test_downloads import answering, serving

MOST_KB = 700_000
"""A picture of 64 megapixels, decoded and reduced, takes most of it."""


@pytest.mark.parametrize("case", hostile.FILES, ids=lambda case: case.name)
async def test_a_file_is_a_picture_or_an_output_error(case: hostile.File) -> None:
    data = case.make()
    ref = ImageRef("base64", "data:text/html;base64," + base64.b64encode(data).decode())
    if case.refused is not None:
        for read in (outputs.inspect, lambda given: thumbnails.shrink(given, (64, 64))):
            with pytest.raises(OutputError, match=case.refused):
                read(data)
        with pytest.raises(OutputError, match=f"{case.refused}|base64 characters"):
            await outputs.fetch_image(ref, endpoint_host="")
        return
    fetched = await outputs.fetch_image(ref, endpoint_host="")
    assert ((fetched.width, fetched.height), fetched.data) == (case.size, data)
    if case.decodes:
        assert max(thumbnails.shrink(data, (64, 64)).size) == 64 or case.size == (1, 1)
        assert thumbnails.thumbnail(data, 64)[:3] == b"\xff\xd8\xff"
    else:
        with pytest.raises(OutputError, match="cannot be decoded"):
            thumbnails.shrink(data, (64, 64))


@pytest.mark.parametrize("case", hostile.FILES, ids=lambda case: case.name)
async def test_the_same_comes_of_it_under_a_wrong_name_and_type_with_status_200(case: hostile.File) -> None:
    said = "text/html" if case.refused is None else "image/png"
    async with serving(answering(case.make(), "200 OK", f"Content-Type: {said}")) as server:
        ref = ImageRef("url", server.url("/picture.jpg"))
        if case.refused is None:
            fetched = await outputs.fetch_image(ref, endpoint_host=server.host)
            assert (fetched.width, fetched.height) == case.size
        else:
            with pytest.raises(OutputError, match=case.refused):
                await outputs.fetch_image(ref, endpoint_host=server.host)


@pytest.mark.parametrize("case", hostile.OUTPUTS, ids=lambda case: case.name)
async def test_an_output_names_pictures_or_says_why_not(case: hostile.Output) -> None:
    reading = read_output(case.make())

    if reading.error is not None:
        assert len(reading.error) <= 2100
        said = reading.error
    else:
        haul = await fetch_all(reading.images, "api.runpod.ai")
        said = "; ".join(haul.problems)
        assert len(haul.fetched) + len(haul.problems) == len(reading.images)
    if case.said is None:
        assert not said
    else:
        assert re.search(case.said, said)
        assert "root:" not in said


@pytest.mark.parametrize("case", hostile.ADDRESSES, ids=lambda case: case.name)
async def test_an_address_is_not_followed(case: hostile.Address) -> None:
    with pytest.raises(OutputError, match=case.said) as caught:
        await outputs.fetch_image(ImageRef("url", case.url), endpoint_host="api.runpod.ai")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_a_file_cut_at_any_offset_is_refused(form: str) -> None:
    data = hostile.picture(form)

    # the last two bytes of a JPEG are its end mark, the last one of a GIF; AVIF and WebP may be padded
    for cut in [*range(0, 64), *range(64, len(data) - 2, max(1, len(data) // 40))]:
        with pytest.raises(OutputError):
            thumbnails.shrink(data[:cut], (32, 32))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_counts(form: str) -> None:
    small = thumbnails.shrink(hostile._animation(form), (8, 8))

    red, green, blue = small.getpixel((4, 4))  # type: ignore[misc]
    assert red > 240 > 20 > max(green, blue)


def test_odd_kinds_of_pixels_keep_their_colours() -> None:
    cmyk = hostile.saved(Image.new("CMYK", (40, 24), (255, 0, 0, 0)), "JPEG")
    clear = hostile.saved(Image.new("RGBA", (40, 24), (255, 0, 0, 0)))

    assert thumbnails.shrink(hostile._sixteen_bits(2, 3), (4, 4)).getpixel((1, 1)) == (128, 128, 128)
    assert thumbnails.shrink(hostile._sixteen_bits(0, 1), (4, 4)).getpixel((1, 1)) == (128, 128, 128)
    assert thumbnails.shrink(clear, (4, 4)).getpixel((1, 1)) == (255, 255, 255)
    red, green, blue = thumbnails.shrink(cmyk, (4, 4)).getpixel((1, 1))  # type: ignore[misc]
    assert red < 20 < 200 < min(green, blue)


def test_the_whole_corpus_takes_bounded_memory_and_opens_no_file() -> None:
    root = Path(__file__).parents[2]
    words = [sys.executable, "-m", "tests.images.hostile"]

    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["peak_kb"] < MOST_KB
    # names that Python's own machinery opens while modules are imported and names are resolved
    harmless = re.compile(
        r"\.pyc?$|\.so(\.\d+)*$|__pycache__|^/etc/(hosts|resolv\.conf|nsswitch\.conf|host\.conf|gai\.conf)|^\d+$|site-packages|/lib/python|^/proc/|^/sys/|^/dev/"
    )
    assert [name for name in told["opened"] if not harmless.search(name)] == []


async def test_a_redirect_from_a_public_looking_link_inwards_is_not_followed() -> None:
    async with (
        serving(answering(b"secret")) as inside,
        serving(answering(b"", "302 Found", f"Location: {inside.url('/admin')}")) as server,
    ):
        with pytest.raises(OutputError, match="private address"):
            await outputs.fetch_image(ImageRef("url", server.url()), endpoint_host=server.host)

    assert inside.heads == []


async def test_pictures_of_one_job_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from runpodkit.runs import collecting

    data = hostile.picture(size=(64, 64))
    monkeypatch.setattr(collecting, "MAX_TOGETHER", len(data) * 2)
    refs = [ImageRef("base64", base64.b64encode(data).decode())] * 4

    haul = await asyncio.wait_for(collecting.fetch_all(refs, ""), 20)

    assert len(haul.fetched) == 2
    assert [problem[:34] for problem in haul.problems] == [
        "picture 3 of 4 could not be read: ",
        "picture 4 of 4 could not be read: ",
    ]


async def test_downloads_of_one_job_are_bounded_in_time_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from runpodkit.runs import collecting

    async def silent(writer: asyncio.StreamWriter, path: str) -> None:
        await asyncio.sleep(1)

    monkeypatch.setattr(collecting, "TOGETHER_S", 0.2)
    async with serving(silent) as server:
        haul = await collecting.fetch_all([ImageRef("url", server.url())] * 3, server.host)

    first, second, third = haul.problems
    assert first.endswith("/x.png: not here after 0.2 s")
    assert second == "picture 2 of 3 could not be read: the pictures before it took 0.2 s"
    assert third.startswith("picture 3 of 3")
