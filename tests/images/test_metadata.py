"""Metadata: what goes into a picture and comes back, what stays, and what is told of a file."""

from __future__ import annotations

import contextlib
import io
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

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
FORMS = ("png", "jpeg", "webp")
C2PA = b"\0\0\0\x20jumb\0\0\0\x18jumdc2pa"


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pixel_chunks(data: bytes) -> list[bytes]:
    return [
        data[part.start : part.end] for part in containers.png_chunks(data) if part.kind in (b"IHDR", b"IDAT", b"IEND")
    ]


@pytest.mark.parametrize("form", FORMS)
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


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_pillow_finds_the_text_and_the_mark_in_exif_and_xmp(form, picture):
    image = opened(metadata.embed(picture(form), PARAMS, SENT, {}))

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


@pytest.mark.parametrize("form", FORMS)
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


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_a_comment_of_the_worker_stays_and_so_does_all_its_exif(form):
    exif = Image.Exif()
    exif[0x010E] = "theirs"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "x\nSteps: 1, Sampler: E, Model hash: abc".encode("utf-16-be")
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, form.upper(), exif=exif)

    changed = metadata.embed(metadata.embed(out.getvalue(), PARAMS, SENT, {}), PARAMS, SENT, {})

    found = opened(changed).getexif()
    assert found[0x010E] == "theirs"
    assert found.get_ifd(0x8769)[0x9286].decode("utf-16-be").endswith("Model hash: abc")
    assert metadata.read_metadata(changed) == PARAMS


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_exif_of_the_worker_without_a_comment_gets_ours_beside_it(form):
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "theirs", 6
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, form.upper(), exif=exif)

    once = metadata.embed(out.getvalue(), PARAMS, SENT, {})
    twice = metadata.embed(once, PARAMS.with_values({"seed": 5}), SENT, {})

    for data, seed in ((once, 99), (twice, 5)):
        found = opened(data).getexif()
        assert (found[0x010E], found[0x0112]) == ("theirs", 6)
        assert f"Seed: {seed}," in found.get_ifd(0x8769)[0x9286].decode("utf-16-be")
    assert "Seed: 99".encode("utf-16-be") not in twice
    assert metadata.embed(twice, PARAMS, SENT, {}) == once


@pytest.mark.parametrize("form", FORMS)
def test_an_xmp_packet_of_theirs_is_added_to(form):
    theirs = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><rdf:Description a="1"/></rdf:RDF></x:xmpmeta>'
    out = io.BytesIO()
    if form == "png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", theirs)
        Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=texts)
    else:
        Image.new("RGB", (8, 8)).save(out, form.upper(), xmp=theirs.encode())

    image = opened(metadata.embed(out.getvalue(), PARAMS, SENT, {}))
    xmp = image.info["XML:com.adobe.xmp"] if form == "png" else image.info["xmp"].decode()

    assert xmp.startswith(theirs[:80])
    assert 'a="1"' in xmp and xmp.count("trainedAlgorithmicMedia") == 1 and xmp.count("<x:xmpmeta") == 1


@pytest.mark.parametrize("form", ["gif", "avif"])
def test_formats_without_our_text_are_left_as_they_are(form, picture):
    data = picture(form)

    assert metadata.embed(data, PARAMS, SENT, {}) == data
    with pytest.raises(ValueError, match="carries no parameters"):
        metadata.read_metadata(data)


def test_a_signed_picture_is_left_as_it_is(picture):
    png, jpeg, webp = picture("png"), picture("jpeg"), picture("webp")
    signed_png = png[:33] + containers.png_chunk(b"caBX", C2PA) + png[33:]
    signed_jpeg = jpeg[:20] + containers.jpeg_segment(0xEB, b"JP\0\1\0\0\0\1" + C2PA) + jpeg[20:]

    signed_webp = webp + containers.webp_chunk(b"C2PA", C2PA)
    signed_webp = b"RIFF" + (len(signed_webp) - 8).to_bytes(4, "little") + signed_webp[8:]

    assert metadata.embed(signed_webp, PARAMS, SENT, {}) == signed_webp
    assert metadata.embed(signed_png, PARAMS, SENT, {}) == signed_png
    assert metadata.embed(signed_jpeg, PARAMS, SENT, {}) == signed_jpeg


@pytest.mark.parametrize("form", FORMS)
def test_a_record_larger_than_a_jpeg_segment_reads_back(form, picture):
    params = PARAMS.with_values({"extra": {"workflow": "маяк" * 60_000}})
    data = metadata.embed(picture(form), params, SENT, {})

    assert metadata.read_metadata(data) == params
    assert opened(data).size == (40, 24)


@pytest.mark.parametrize("form", FORMS)
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
@given(st.integers(2, 4000), st.integers(0, 255), st.sampled_from(FORMS))
def test_a_changed_byte_ends_in_parameters_or_one_of_two_errors(picture, at, value, form):
    data = bytearray(metadata.embed(picture(form), PARAMS, SENT, {}))
    data[at % len(data)] = value
    with contextlib.suppress(ValueError, OutputError):
        metadata.read_metadata(bytes(data))


# the mark


@pytest.mark.parametrize("form", FORMS)
def test_the_mark_says_made_by_a_model_or_in_part_where_it_is_an_edit(form, picture):
    edit = PARAMS.with_values({"input_image": "inputs/ab.png", "strength": 0.5})

    drawn = metadata.embed(picture(form), PARAMS, SENT, {})
    edited = metadata.embed(picture(form), edit, SENT, {})

    assert metadata.read_facts(drawn).source_type == "trainedAlgorithmicMedia"
    assert metadata.read_facts(edited).source_type == "compositeWithTrainedAlgorithmicMedia"
    assert metadata.read_facts(metadata.embed(drawn, edit, SENT, {})).source_type == (
        "compositeWithTrainedAlgorithmicMedia"
    )


@pytest.mark.parametrize("form", FORMS)
def test_without_the_mark_there_is_no_packet_and_all_else_is_there(form, picture):
    data = metadata.embed(picture(form), PARAMS, SENT, {}, ai_mark=False)

    assert b"DigitalSourceType" not in data and b"xmpmeta" not in data
    assert metadata.read_metadata(data) == PARAMS
    marked = metadata.embed(picture(form), PARAMS, SENT, {})
    assert metadata.embed(marked, PARAMS, SENT, {}, ai_mark=False) == data


@pytest.mark.parametrize("form", FORMS)
def test_a_source_type_of_the_worker_stays(form):
    theirs = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    out = io.BytesIO()
    if form == "png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", theirs)
        Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=texts)
    else:
        Image.new("RGB", (8, 8)).save(out, form.upper(), xmp=theirs.encode())

    for ai_mark in (True, False):
        data = metadata.embed(out.getvalue(), PARAMS, SENT, {}, ai_mark=ai_mark)
        assert metadata.read_facts(data).source_type == "algorithmicMedia"
        assert theirs.encode() in data and b"trainedAlgorithmicMedia" not in data


def test_a_packet_too_large_for_another_word_stays_whole_in_a_jpeg():
    theirs = f'<x:xmpmeta><rdf:RDF xmlns:rdf="r"><a>{"y" * 64_800}</a></rdf:RDF></x:xmpmeta>'.encode()
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", xmp=theirs)

    assert theirs in metadata.embed(out.getvalue(), PARAMS, SENT, {})


# everything a file says


def test_the_facts_of_a_picture_of_ours_are_all_there(picture):
    info = {"run": "mill", "trial": 3, "model": "m", "simulated": True, "job_id": "a-1"}
    params = PARAMS.with_values({"input_image": "data:image/png;base64,AAAA"})

    facts = metadata.read_facts(metadata.embed(picture("webp"), params, SENT, info))

    assert (facts.format, facts.width, facts.height, facts.tool) == ("webp", 40, 24, "runpodkit")
    assert facts.params == params.with_values({"input_image": None})
    assert (facts.sent, facts.info, facts.problem) == (SENT, info, None)
    # sha256 of the data URI, by sha256sum
    assert facts.input_image_sha256 == "bde6da8e9d3902a86a1452ec62648cd07cb1cfbae0ec8dd5142ad881c7aa2ba0"
    assert set(facts.texts) == {"Software", "parameters", "runpodkit", "XML:com.adobe.xmp"}
    assert repr(facts).startswith("PictureFacts(format='webp', width=40, height=24, tool='runpodkit'")
    assert len(repr(facts)) < 600
    assert json.loads(json.dumps(facts.as_json()))["params"]["seed"] == 99


def test_the_facts_of_a_bare_picture_say_that_there_is_nothing(picture):
    facts = metadata.read_facts(picture("avif"))

    assert (facts.tool, facts.params, facts.source_type, dict(facts.texts)) == (None, None, None, {})
    assert facts.problem == "the picture carries no parameters: it was saved without them, or a site removed them"


def test_a_photographs_comment_is_no_prompt():
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0at the lake, 2019"
    for form in ("JPEG", "WEBP", "GIF"):
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(
            out, form, **({"comment": "Created with GIMP"} if form == "GIF" else {"exif": exif})
        )
        facts = metadata.read_facts(out.getvalue())

        assert facts.params is None
        assert set(facts.texts.values()) <= {"at the lake, 2019", "Created with GIMP"}
        assert facts.texts


def test_a_jpeg_whose_end_is_missing_still_says_its_parameters(picture):
    data = metadata.embed(picture("jpeg"), PARAMS, SENT, {})[:-10]

    assert metadata.read_metadata(data) == PARAMS
    assert metadata.read_facts(data).width is None


def test_a_value_outside_our_bounds_is_named_and_the_rest_can_be_had(picture):
    data = picture()
    text = b"parameters\0a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 156680208700286, Size: 512x512"
    data = data[:33] + containers.png_chunk(b"tEXt", text) + data[33:]

    with pytest.raises(ValueError, match=r"seed='?156680208700286'?: input should be less than or equal to 4294967295"):
        metadata.read_metadata(data)
    facts = metadata.read_facts(data)
    assert ImageParams(**{**facts.values, "seed": 1}).sampler_name == "Euler a"


# whatever is asked for comes back

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
words = st.text(max_size=30)
values = st.recursive(
    scalars | words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)
)


@settings(deadline=None)
@given(
    fields=st.fixed_dictionaries(
        {"user_prompt": st.text(min_size=1, max_size=300), "seed": st.integers(0, 2**32 - 1)},
        optional={
            "negative_prompt": st.none() | st.text(max_size=300),
            "use_enhanced_prompts": st.booleans(),
            "width": st.integers(8, 512).map(lambda eighth: eighth * 8),
            "height": st.integers(8, 512).map(lambda eighth: eighth * 8),
            "steps": st.integers(1, 150),
            "cfg_scale": st.floats(0, 30),
            "sampler_name": st.text(min_size=1, max_size=100),
            "scheduler": st.text(min_size=1, max_size=100),
            "num_images": st.integers(1, 8),
            "input_image": st.none() | st.from_regex(r"inputs/[0-9a-f]{64}\.png", fullmatch=True),
            "strength": st.none() | st.floats(0, 1),
            "extra": st.dictionaries(words, values, max_size=3),
            "timeout": st.integers(1, 86_400),
        },
    ),
    form=st.sampled_from(FORMS),
)
def test_any_parameters_read_back_as_they_are_and_as_they_were_set(picture, fields, form):
    try:
        params = ImageParams(**fields)
    except ValueError:
        return
    sent = SentPrompt(params.user_prompt, params.negative_prompt or "")
    again = metadata.read_metadata(metadata.embed(picture(form), params, sent, {}))

    assert again == params
    assert again.model_fields_set == params.model_fields_set


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "prompt",
    [
        "a\0b",
        "\u202eright to left\u202c שלום",
        "👩‍🚀" * 800,
        "я" * 4000,
        "Steps: 3, Sampler: x, Seed: 4",
        "a\nSteps: 3, Sampler: x, Seed: 4",
        "Negative prompt: nothing",
        "a\n\nNegative prompt: nothing\nNegative prompt: more",
        '{"json": [1]}',
        "\r\n\t\x1b[31m\x7f",
        "</rdf:RDF> <!-- & ]]>",
    ],
)
def test_prompts_that_look_like_something_else_read_back(form, prompt, picture):
    params = ImageParams(user_prompt=prompt, negative_prompt=prompt, seed=1)
    data = metadata.embed(picture(form), params, SentPrompt(prompt, prompt), {})

    assert metadata.read_metadata(data) == params
    assert opened(data).tobytes() == opened(picture(form)).tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_halves_of_characters_from_a_worker_do_not_stop_a_picture(form, picture):
    data = metadata.embed(picture(form), PARAMS, SentPrompt("a \ud83d b", ""), {"job_id": "\udc00"})

    assert metadata.read_facts(data).info == {"job_id": "?"}


def test_extra_values_without_a_json_form_do_not_stop_a_picture(picture):
    params = PARAMS.with_values({"extra": {"a": {1, 2}, "b": b"x", "c": "\ud800"}})

    assert metadata.read_metadata(metadata.embed(picture(), params, SENT, {})).extra["c"] == "?"


def test_pictures_and_keys_of_links_within_extra_do_not_travel(picture):
    extra = {"mask": "data:image/png;base64," + "A" * 5000, "lora": ["https://me:pw@host.example/l?token=abc"], "n": 1}

    data = metadata.embed(picture(), PARAMS.with_values({"extra": extra}), SENT, {})

    for secret in (b"AAAAAAAA", b"me:pw", b"token=abc"):
        assert secret not in data
    again = metadata.read_metadata(data).extra
    assert again["lora"] == ["https://host.example/l"] and again["n"] == 1
    assert again["mask"].startswith("sha256:") and len(again["mask"]) == 71


def test_what_opens_doors_by_its_name_does_not_travel(picture):
    key = "rpa_ABCDEFGHIJKLMNOPQRSTUVWX"
    extra = {"hf_token": "canary-of-mine", "nested": {"api_key": "canary-too"}, "key": key, "lora": "ink"}

    data = metadata.embed(picture(), PARAMS.with_values({"extra": extra}), SENT, {})

    assert b"canary" not in data and b"ABCDEFGHIJKLMNOPQRSTUVWX" not in data
    assert metadata.read_metadata(data).extra["lora"] == "ink"


@pytest.mark.parametrize("form", FORMS)
def test_an_extra_too_large_to_be_read_back_is_left_out_and_its_size_told(form, picture):
    params = PARAMS.with_values({"extra": {"blob": "x" * 5_000_000}})
    data = metadata.embed(picture(form), params, SENT, {})

    assert len(data) < 20_000
    assert metadata.read_metadata(data) == params.with_values({"extra": {}})
    assert json.loads(metadata.read_texts(data)["runpodkit"])["extra_characters"] == 5_000_011
