"""EXIF blocks: what is read of any, and that a comment of ours joins one without moving what is there."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from runpodkit.images import exif

OURS = "a mill\nSteps: 1, Version: runpodkit"
END = "Version: runpodkit"


def comment(block: bytes) -> str | None:
    """As Pillow finds it."""
    read = Image.Exif()
    read.load(block)
    raw = read.get_ifd(0x8769).get(0x9286)
    return raw[8:].decode("utf-16-be") if raw else None


def theirs(order: str, *, inner: bool = False, thumbnail: bool = False) -> bytes:
    """A block of another tool's: a description, perhaps an inner directory, perhaps a second one with a thumbnail."""
    block = Image.Exif()
    block.endian = order
    block[0x010E], block[0x0112], block[0x011A] = "a description that is long", 6, 72.0
    if inner:
        block.get_ifd(0x8769)[0x9003] = "2024:01:01 00:00:00"
    data = block.tobytes()
    if thumbnail:  # the first directory's last four bytes lead to the next one
        tiff = bytearray(data.removeprefix(b"Exif\0\0"))
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, first)
        struct.pack_into(f"{order}I", tiff, first + 2 + 12 * count, len(tiff))
        tiff += struct.pack(f"{order}HHHII", 1, 0x0103, 3, 1, 0) + b"\0\0\0\0"
        data = b"Exif\0\0" + bytes(tiff)
    return data


def test_a_fresh_block_is_read_by_pillow_and_by_us():
    block = exif.fresh(OURS)

    assert comment(block) == OURS
    assert exif.read(block) == {"UserComment": OURS, "Software": "runpodkit"}
    assert exif.read(exif.PREFIX + block) == exif.read(block)


@pytest.mark.parametrize("thumbnail", [False, True])
@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_comment_joins_a_block_of_another_tool(order, inner, thumbnail):
    block = theirs(order, inner=inner, thumbnail=thumbnail)

    joined = exif.with_comment(block, OURS, END)

    assert comment(joined) == OURS
    read = Image.Exif()
    read.load(joined)
    assert (read[0x010E], read[0x0112], float(read[0x011A])) == ("a description that is long", 6, 72.0)
    assert read.get_ifd(0x8769).get(0x9003) == ("2024:01:01 00:00:00" if inner else None)
    assert bool(read.get_ifd(ExifTags.IFD.IFD1)) == thumbnail
    changed = [at for at in range(len(block)) if joined[at] != block[at]]
    assert len(changed) <= 4, "one pointer is led elsewhere, nothing of theirs moves"


@settings(deadline=None)
@given(
    st.sampled_from("<>"),
    st.booleans(),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=4),
)
def test_the_last_comment_of_ours_is_the_only_one(order, inner, words):
    block = theirs(order, inner=inner)
    texts = [f"{word} {END}" for word in words]

    for text in texts:
        block_now = exif.with_comment(block, text, END)
        block_again = exif.with_comment(exif.with_comment(block, "first " + END, END), text, END)
        assert block_again == block_now
        assert comment(block_now) == text


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_blank_comment_as_cameras_leave_it_is_filled(order):
    block = Image.Exif()
    block.endian = order
    block.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + b" " * 40

    assert comment(exif.with_comment(block.tobytes(), OURS, END)) == OURS


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Exif\0\0",
        b"MM\0*",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"MM\0*\0\0\0\x08\0\x01\x92\x86\0\x07\xff\xff\xff\xff\0\0\0\0\0\0\0\0",
        b"not a block at all",
    ],
)
def test_a_broken_block_says_nothing_and_what_cannot_be_joined_stays(block):
    assert exif.read(block) == {}
    joined = exif.with_comment(block, OURS, END)
    assert joined == block or comment(joined) == OURS


def test_directories_that_lead_to_each_other_end():
    # one entry: the inner directory is the outer one
    block = b"MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\0"

    assert exif.read(block) == {}


def test_many_entries_that_all_point_at_one_large_text_cost_nothing():
    text = b"x" * 1_000_000
    count, start = 4000, 8 + 2 + 12 * 4000 + 4
    rows = b"".join(struct.pack(">HHII", 0x010E, 2, len(text), start) for _ in range(count))
    block = b"MM\0*" + struct.pack(">IH", 8, count) + rows + b"\0\0\0\0" + text

    assert len(exif.read(block)["ImageDescription"]) == 1_000_000


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from("<>"),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
def test_any_damage_ends_in_a_block_and_in_texts(order, inner, damage, cut):
    block = bytearray(exif.with_comment(theirs(order, inner=inner), OURS, END))
    for at, value in damage:
        block[at % len(block)] = value
    broken = bytes(block[: len(block) - cut])

    assert isinstance(exif.with_comment(broken, "other " + END, END), bytes)
    assert all(isinstance(text, str) for text in exif.texts_by_keyword(broken).values())
