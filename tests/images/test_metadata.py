"""Metadata: what other tools find in a picture, what we read back, and that no pixel byte moves."""

from __future__ import annotations

import contextlib
import io
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runpodkit import logs
from runpodkit.errors import OutputError
from runpodkit.images import containers, metadata
from runpodkit.params import ImageParams
from runpodkit.prompts import SentPrompt

PARAMS = ImageParams(
    user_prompt="a lighthouse", steps=12, cfg_scale=7.5, seed=99, sampler_name="Heun", scheduler="karras"
)
SENT = SentPrompt("a lighthouse, sharp", "blurry")
TEXT = (
    "a lighthouse, sharp\nNegative prompt: blurry\nSteps: 12, Sampler: Heun, Schedule type: Karras, CFG scale: 7.5, "
    "Seed: 99, Size: 832x1216, Version: runpodkit"
)
C2PA = b"\0\0\0\x20jumb\0\0\0\x18jumdc2pa"


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pixel_chunks(data: bytes) -> list[bytes]:
    return [
        data[part.start : part.end] for part in containers.png_chunks(data) if part.kind in (b"IHDR", b"IDAT", b"IEND")
    ]


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_parameters_read_back_as_they_were_given(form, picture):
    again = metadata.read_metadata(metadata.embed(picture(form), PARAMS, SENT, {"job_id": "a-1"}))

    assert again == PARAMS
    assert again.model_fields_set == PARAMS.model_fields_set


def test_a_path_is_read_too(picture, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(metadata.embed(picture(), PARAMS, SENT, {}))

    assert metadata.read_metadata(path) == metadata.read_metadata(str(path)) == PARAMS


def test_pillow_finds_all_three_texts_in_a_png(picture):
    image = opened(metadata.embed(picture(), PARAMS, SENT, {"job_id": "a-1", "cost_usd": 0.002}))

    assert image.info["parameters"] == TEXT
    record = json.loads(image.info["runpodkit"])
    assert record["sent"] == {"prompt": "a lighthouse, sharp", "negative_prompt": "blurry"}
    assert record["info"] == {"job_id": "a-1", "cost_usd": 0.002}
    assert record["params"]["width"] == 832
    assert (
        "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia<"
        in image.info["XML:com.adobe.xmp"]
    )


def test_pillow_finds_the_text_and_the_mark_in_a_jpeg(picture):
    image = opened(metadata.embed(picture("jpeg"), PARAMS, SENT, {}))

    comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment[:8] == b"UNICODE\0"
    assert comment[8:].decode("utf-16-be") == TEXT
    assert b"trainedAlgorithmicMedia" in image.info["xmp"]


def test_the_mark_is_well_formed_xml(picture):
    from xml.etree import ElementTree

    xmp = opened(metadata.embed(picture(), PARAMS, SENT, {})).info["XML:com.adobe.xmp"]

    root = ElementTree.fromstring(xmp.encode())
    found = root.find(".//{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert found is not None and found.text is not None and found.text.endswith("/trainedAlgorithmicMedia")


def test_latin_text_is_in_the_oldest_chunk_and_other_text_in_the_newer(picture):
    def kinds(prompt: str) -> list[bytes]:
        data = metadata.embed(picture(), PARAMS, SentPrompt(prompt, ""), {})
        return [part.kind for part in containers.png_chunks(data)][1:4]

    assert kinds("café") == [b"tEXt", b"tEXt", b"iTXt"]
    assert kinds("маяк 灯台") == [b"iTXt", b"iTXt", b"iTXt"]


def test_no_pixel_byte_of_a_png_changes(picture):
    data = picture("png", (300, 200))

    assert pixel_chunks(metadata.embed(data, PARAMS, SENT, {})) == pixel_chunks(data)


def test_no_pixel_byte_of_a_jpeg_changes(picture):
    data = picture("jpeg", (300, 200))
    changed = metadata.embed(data, PARAMS, SENT, {})

    assert changed[changed.index(b"\xff\xdb") :] == data[data.index(b"\xff\xdb") :]
    assert changed[:20] == data[:20], "JFIF stays first"
    assert opened(changed).tobytes() == opened(data).tobytes()


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_doing_it_twice_leaves_the_second_only(form, picture):
    once = metadata.embed(picture(form), PARAMS, SENT, {})
    other = PARAMS.with_values({"seed": 5})

    assert metadata.embed(once, PARAMS, SENT, {}) == once
    twice = metadata.embed(once, other, SENT, {})
    assert metadata.read_metadata(twice).seed == 5
    assert b"Seed: 99" not in twice and "Seed: 99".encode("utf-16-be") not in twice
    assert twice.count(b"trainedAlgorithmicMedia") == 1


def test_what_the_worker_wrote_into_a_png_stays(picture):
    theirs = containers.png_chunk(b"tEXt", b"parameters\0x\nSteps: 1, Sampler: E, Seed: 2, Model hash: abc")
    data = picture()
    data = data[:33] + theirs + data[33:]

    changed = metadata.embed(metadata.embed(data, PARAMS, SENT, {}), PARAMS, SENT, {})

    assert "Model hash: abc" in opened(changed).info["parameters"]
    assert metadata.read_metadata(changed) == PARAMS


def test_what_the_worker_wrote_into_a_jpeg_stays():
    exif = Image.Exif()
    exif[0x010E] = "theirs"
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG", exif=exif)

    changed = metadata.embed(metadata.embed(out.getvalue(), PARAMS, SENT, {}), PARAMS, SENT, {})

    assert opened(changed).getexif()[0x010E] == "theirs"
    assert metadata.read_metadata(changed) == PARAMS


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_an_xmp_packet_of_theirs_is_added_to(form):
    theirs = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><rdf:Description a="1"/></rdf:RDF></x:xmpmeta>'
    out = io.BytesIO()
    if form == "png":
        from PIL import PngImagePlugin

        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", theirs)
        Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=texts)
    else:
        Image.new("RGB", (8, 8)).save(out, "JPEG", xmp=theirs.encode())

    image = opened(metadata.embed(out.getvalue(), PARAMS, SENT, {}))
    xmp = image.info["XML:com.adobe.xmp"] if form == "png" else image.info["xmp"].decode()

    assert 'a="1"' in xmp and xmp.count("trainedAlgorithmicMedia") == 1 and xmp.count("<x:xmpmeta") == 1


@pytest.mark.parametrize("form", ["webp", "gif", "avif"])
def test_formats_without_our_text_are_left_as_they_are(form, picture):
    data = picture(form)

    assert metadata.embed(data, PARAMS, SENT, {}) == data
    with pytest.raises(ValueError, match="carries no parameters"):
        metadata.read_metadata(data)


def test_a_signed_picture_is_left_as_it_is(picture):
    png, jpeg = picture("png"), picture("jpeg")
    signed_png = png[:33] + containers.png_chunk(b"caBX", C2PA) + png[33:]
    signed_jpeg = jpeg[:20] + containers.jpeg_segment(0xEB, b"JP\0\1\0\0\0\1" + C2PA) + jpeg[20:]

    assert metadata.embed(signed_png, PARAMS, SENT, {}) == signed_png
    assert metadata.embed(signed_jpeg, PARAMS, SENT, {}) == signed_jpeg


def test_a_record_larger_than_a_jpeg_segment_is_split_and_joined(picture):
    params = PARAMS.with_values({"extra": {"workflow": "маяк" * 60_000}})
    data = metadata.embed(picture("jpeg"), params, SENT, {})

    assert metadata.read_metadata(data) == params
    assert opened(data).size == (40, 24)


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_secrets_links_and_pictures_do_not_travel(form, picture, monkeypatch):
    monkeypatch.setattr(logs, "_hidden", {"rpa_topsecret"})
    params = PARAMS.with_values(
        {"input_image": "https://me:pw@bucket.example/in.png?X-Signature=abc", "extra": {"s3": "rpa_topsecret"}}
    )
    data = metadata.embed(picture(form), params, SentPrompt("x rpa_topsecret", ""), {"log": "rpa_topsecret"})

    for secret in ("rpa_topsecret", "X-Signature", "me:pw"):
        assert secret.encode() not in data and secret.encode("utf-16-be") not in data
    assert metadata.read_metadata(data).input_image == "https://bucket.example/in.png"

    inner = PARAMS.with_values({"input_image": "data:image/png;base64," + "A" * 5000})
    data = metadata.embed(picture(form), inner, SENT, {})
    assert b"AAAAAAAA" not in data and b"input_image_sha256" in data
    assert metadata.read_metadata(data).input_image is None


def test_defaults_that_nobody_set_stay_unset(picture):
    params = ImageParams(user_prompt="x", seed=3, width=832)

    again = metadata.read_metadata(metadata.embed(picture(), params, SENT, {}))

    assert again.model_fields_set == {"user_prompt", "seed", "width"}


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_another_tools_comment_is_read_in_either_byte_order(form, encoding):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "a cat\nSteps: 9, Sampler: Euler a, Seed: 4".encode(encoding)
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, form, exif=exif)

    params = metadata.read_metadata(out.getvalue())

    assert (params.user_prompt, params.steps, params.seed, params.sampler_name) == ("a cat", 9, 4, "Euler a")


@pytest.mark.parametrize(
    "chunk",
    [
        containers.png_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"a cat\nSteps: 9, Sampler: E, Seed: 4")),
        containers.png_chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(b"a cat\nSteps: 9, Sampler: E, Seed: 4")),
        containers.png_chunk(b"iTXt", b"parameters\0\0\0en\0par\0" + b"a cat\nSteps: 9, Sampler: E, Seed: 4"),
    ],
)
def test_every_kind_of_text_chunk_is_read(chunk, picture):
    data = picture()

    assert metadata.read_metadata(data[:33] + chunk + data[33:]).steps == 9


@pytest.mark.parametrize(
    "body",
    [
        b"zTXtparameters\0\0" + zlib.compress(bytes(50_000_000)),
        b"zTXtparameters\0\0not zlib",
        b"tEXtrunpodkit\0{",
        b"tEXtrunpodkit\0" + b"[" * 200_000,
        b'tEXtrunpodkit\0{"version": 1, "params": {"user_prompt": "x", "evil": 1}, "set": []}',
        b'tEXtrunpodkit\0{"version": 1, "params": {"user_prompt": "x", "steps": -4}, "set": []}',
        b'tEXtrunpodkit\0{"version": 99, "params": {"user_prompt": "x"}, "set": []}',
        b'tEXtrunpodkit\0{"version": 1, "params": 7, "set": []}',
        b'tEXtrunpodkit\0{"version": 1, "params": {"user_prompt": "x"}, "set": [[]]}',
        b"tEXtparameters\0",
    ],
)
def test_broken_texts_are_a_value_error(body, picture):
    data = picture()
    chunk = containers.png_chunk(body[:4], body[4:])

    with pytest.raises(ValueError):
        metadata.read_metadata(data[:33] + chunk + data[33:])


def test_what_is_no_picture_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="HTML"):
        metadata.read_metadata(b"<html>")
    with pytest.raises(OutputError, match="cut short"):
        metadata.read_metadata(containers.PNG_SIGNATURE + b"\0\0")
    with pytest.raises(OutputError, match="cut short"):
        metadata.embed(b"\xff\xd8\xff\xe0\0", PARAMS, SENT, {})


@settings(deadline=None)
@given(st.integers(2, 4000), st.integers(0, 255), st.sampled_from(["png", "jpeg"]))
def test_a_changed_byte_ends_in_parameters_or_one_of_two_errors(picture, at, value, form):
    data = bytearray(metadata.embed(picture(form), PARAMS, SENT, {}))
    data[at % len(data)] = value
    with contextlib.suppress(ValueError, OutputError):
        metadata.read_metadata(bytes(data))


@settings(deadline=None)
@given(prompt=st.text(min_size=1, max_size=80), negative=st.text(max_size=80), form=st.sampled_from(["png", "jpeg"]))
def test_any_prompt_reads_back(picture, prompt, negative, form):
    try:
        params = ImageParams(user_prompt=prompt, negative_prompt=negative, seed=1)
    except ValueError:
        return
    again = metadata.read_metadata(metadata.embed(picture(form), params, SentPrompt(prompt, negative), {}))

    assert again.user_prompt == prompt
    assert again.negative_prompt == negative
