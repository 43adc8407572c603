"""Files made to do harm: they end in parameters, a ValueError or an OutputError, soon and within bounds."""

from __future__ import annotations

import contextlib
import io
import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runpodkit.errors import OutputError
from runpodkit.images import containers, metadata
from runpodkit.images.bounded_json import read_json
from runpodkit.params import ImageParams
from runpodkit.prompts import SentPrompt

FORMS = ("png", "jpeg", "webp")
PARAMS = ImageParams(user_prompt="a mill", seed=3)
SENT = SentPrompt("a mill", "")
TEXT = b"parameters\0a cat\nSteps: 9, Sampler: E, Seed: 4"


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks behind its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def riff(data: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(data) - 8) + data[8:]


def outcome(data: bytes) -> None:
    """Whatever the file is, nothing but the two errors leaves."""
    with contextlib.suppress(ValueError, OutputError):
        metadata.read_metadata(data)
    with contextlib.suppress(OutputError):
        facts = metadata.read_facts(data)
        assert (facts.params is None) == bool(facts.problem)
        json.dumps(facts.as_json(), allow_nan=False)
    with contextlib.suppress(OutputError):
        metadata.embed(data, PARAMS, SENT, {})


def worked(work: Callable[[], object]) -> int:
    """Bytes that were held at the worst moment."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_ten_thousand_chunks_of_text_are_walked_and_only_the_known_read(picture):
    bomb = zlib.compress(bytes(3_000_000))
    chunks = [containers.png_chunk(b"zTXt", f"key{number}".encode() + b"\0\0" + bomb) for number in range(10_000)]
    data = with_chunks(picture(), *chunks, containers.png_chunk(b"tEXt", TEXT))

    assert metadata.read_metadata(data).steps == 9
    assert worked(lambda: metadata.read_texts(data)) < 100_000_000
    assert sum(map(len, metadata.read_texts(data).values())) <= 16 * 2**20
    embedded = metadata.embed(data, PARAMS, SENT, {})
    assert metadata.read_metadata(embedded) == PARAMS
    assert len(embedded) < len(data) + 2000


def test_two_thousand_bombs_under_our_own_keywords_are_no_work_either(picture):
    bomb = zlib.compress(bytes(3_000_000))
    for keyword in (b"parameters", b"runpodkit", b"XML:com.adobe.xmp"):
        data = with_chunks(picture(), *[containers.png_chunk(b"zTXt", keyword + b"\0\0" + bomb)] * 2000)
        assert worked(lambda data=data: outcome(data)) < 200_000_000


def test_the_last_of_texts_under_one_keyword_counts_as_in_pillow(picture):
    other = TEXT.replace(b"Steps: 9", b"Steps: 7")
    data = with_chunks(picture(), containers.png_chunk(b"tEXt", TEXT), containers.png_chunk(b"tEXt", other))

    assert metadata.read_metadata(data).steps == 7
    assert "Steps: 7" in Image.open(io.BytesIO(data)).info["parameters"]


@pytest.mark.parametrize("length", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_lengths_that_lie_are_told(length, picture):
    png, webp = picture("png"), picture("webp")
    lying = with_chunks(png, struct.pack(">I4s", length, b"tEXt") + TEXT)
    with pytest.raises(OutputError, match="cut short or broken"):
        metadata.read_metadata(lying)
    with pytest.raises(OutputError, match="cut short or broken"):
        metadata.embed(lying, PARAMS, SENT, {})

    if length > 2:
        lying = riff(webp + b"EXIF" + struct.pack("<I", length))
        with pytest.raises(OutputError, match="cut short or broken"):
            metadata.embed(lying, PARAMS, SENT, {})
        with pytest.raises(OutputError, match="cut short or broken"):
            metadata.read_metadata(lying)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_anywhere_is_one_of_two_errors_or_read(form, picture):
    data = metadata.embed(picture(form), PARAMS, SENT, {})

    for cut in range(0, len(data), 7):
        outcome(data[:cut])


@pytest.mark.parametrize("kind", [b"VP8 ", b"VP8L", b"VP8X", b"EXIF", b"abcd"])
def test_a_webp_of_one_empty_chunk_is_broken(kind):
    data = riff(b"RIFF\0\0\0\0WEBP" + containers.webp_chunk(kind, b""))

    with pytest.raises(OutputError, match="broken"):
        metadata.embed(data, PARAMS, SENT, {})


def test_a_webp_without_any_chunk_is_broken():
    with pytest.raises(OutputError, match="broken"):
        metadata.embed(b"RIFF\x04\0\0\0WEBP", PARAMS, SENT, {})


def test_seventy_thousand_chunks_of_webp_are_not_walked(picture):
    data = riff(picture("webp") + containers.webp_chunk(b"abcd", b"") * 70_000)

    with pytest.raises(OutputError, match="broken"):
        metadata.embed(data, PARAMS, SENT, {})


def test_pieces_of_our_json_that_are_missing_or_doubled_are_a_broken_record(picture):
    params = PARAMS.with_values({"extra": {"workflow": "x" * 150_000}})
    data = metadata.embed(picture("jpeg"), params, SENT, {})
    pieces = [part for part in containers.jpeg_segments(data) if part.kind == b"\xef"]
    assert len(pieces) == 3
    without = data[: pieces[1].start] + data[pieces[1].end :]
    doubled = data[: pieces[1].start] + data[pieces[0].start : pieces[0].end] + data[pieces[1].start :]

    assert metadata.read_facts(without).problem == "the picture's runpodkit record is broken"
    assert metadata.read_metadata(doubled) == params


@pytest.mark.parametrize(
    "record",
    [
        "[]",
        "3",
        "null",
        '{"version": true, "params": {}, "set": []}',
        '{"version": "1", "params": {}, "set": []}',
        '{"version": 1, "params": [[1, 2]], "set": []}',
        '{"version": 1, "params": {"user_prompt": "x"}, "set": 5}',
        '{"version": 1, "params": {"self": 1}, "set": []}',
        '{"version": 1, "params": {"user_prompt": "x", "extra": 3}, "set": []}',
        '{"version": 1, "params": {"user_prompt": "x", "cfg_scale": NaN}, "set": []}',
        '{"version": 1, "params": {"user_prompt": "x", "seed": ' + "9" * 5000 + '}, "set": []}',
        '{"version": 1, "params": {"user_prompt": "x", "extra": ' + '{"a":' * 200 + "1" + "}" * 200 + '}, "set": []}',
        '{"version": 1, "params": ' + "[" * 100_000,
    ],
)
def test_a_record_that_is_not_as_we_write_it_is_a_value_error(record, picture):
    data = with_chunks(picture(), containers.png_chunk(b"iTXt", b"runpodkit\0\0\0\0\0" + record.encode()))

    with pytest.raises(ValueError) as caught:
        metadata.read_metadata(data)
    assert type(caught.value) is ValueError and "\n" not in str(caught.value)
    outcome(data)


def test_a_record_with_odd_things_beside_the_parameters_is_read(picture):
    record = (
        '{"version": 1, "params": {"user_prompt": "x"}, "set": ["y"], "sent": [1], "info": 3, "input_image_sha256": []}'
    )
    facts = metadata.read_facts(with_chunks(picture(), containers.png_chunk(b"tEXt", b"runpodkit\0" + record.encode())))

    assert facts.params == ImageParams(user_prompt="x")
    assert (facts.sent, facts.info, facts.input_image_sha256) == (None, {}, None)


@pytest.mark.parametrize("text", ["[" * 100_001, '{"a":' * 5000 + "1" + "}" * 5000, "1" * 5000, "{", "", "nan", "[1,]"])
def test_json_beyond_its_bounds_is_a_value_error(text):
    with pytest.raises(ValueError):
        read_json(text)


def test_json_holds_finite_numbers_only():
    assert read_json("[NaN, -Infinity, 1e999, 1.5, 2]") == ["NaN", "-Infinity", "1e999", 1.5, 2]
    with pytest.raises(ValueError, match="over 4,194,304"):
        read_json('"' + "x" * 5_000_000 + '"')


def test_a_megabyte_of_headings_is_read_at_once(picture):
    text = "p\n" + "Steps: 1, Sampler: x\n" * 50_000
    data = with_chunks(picture(), containers.png_chunk(b"tEXt", b"parameters\0" + text.encode()))

    with pytest.raises(ValueError, match="at most 4000 characters"):
        metadata.read_metadata(data)


def test_a_gif_of_a_million_empty_extensions_ends(picture):
    data = picture("gif")
    first = 13 + 3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 13
    outcome(data[:first] + b"\x21\xfe\x00" * 100_000 + data[first:])
    outcome(data[:first] + b"\x21\xff" + b"\x01a" * 1_000_000 + b"\x00" + data[first:])
    outcome(data[:first] + b"\x21")


def test_a_folder_or_a_missing_file_is_the_systems_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        metadata.read_metadata(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        metadata.read_metadata(tmp_path)


def test_a_large_file_that_is_no_picture_is_not_read_whole(tmp_path):
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(2 * 2**40)

    with pytest.raises(OutputError, match="512 zero bytes"):
        metadata.read_metadata(path)


@settings(deadline=None, max_examples=400)
@given(
    form=st.sampled_from((*FORMS, "gif", "avif")),
    damage=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 200),
)
def test_any_damage_is_survived(picture, form, damage, cut):
    data = bytearray(metadata.embed(picture(form), PARAMS, SENT, {"job_id": "a"}))
    for at, value in damage:
        data[at % len(data)] = value
    outcome(bytes(data[: len(data) - cut]))


keywords = st.sampled_from(
    ["parameters", "runpodkit", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Dream", "Comment", "Software",
     "Description", "fooocus_scheme", "num_inference_steps", "Prompt", "Guidance Scale", "XML:com.adobe.xmp"]
)  # fmt: skip
names = st.sampled_from(
    ["sui_image_params", "prompt", "uc", "steps", "seed", "base_model", "resolution", "image", "positive_prompt", "scheduler",
     "sampler", "width", "1", "class_type", "inputs", "version", "params", "set", "c", "size", "guidance", "num_inference_steps"]
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=3), inner, max_size=6),
    max_leaves=25,
)


@settings(deadline=None, max_examples=400)
@given(st.dictionaries(keywords, anything.map(json.dumps) | st.text(max_size=60) | st.just("NovelAI"), max_size=5))
def test_any_texts_under_any_tools_keywords_are_survived(picture, texts):
    chunks = [
        containers.png_chunk(b"iTXt", keyword.encode() + b"\0\0\0\0\0" + text.encode())
        for keyword, text in texts.items()
    ]
    outcome(with_chunks(picture(), *chunks))
