"""The tolerant reader over the outputs that workers really return, and over anything else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.endpoint.dialects.reading import MAX_IMAGES, read_output

B64 = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(120)).decode()
URI = f"data:image/png;base64,{B64}"
URL = "https://example.org/a.png"


@pytest.mark.parametrize(
    ("output", "kinds"),
    [
        ({"image": B64, "seed": 7}, ["base64"]),
        ({"images": [{"filename": "a.png", "type": "base64", "data": B64}]}, ["base64"]),
        ({"images": [{"filename": "a.png", "type": "s3_url", "data": URL}]}, ["url"]),
        ({"message": B64, "status": "success"}, ["base64"]),
        ({"images": [URI, URI], "image_url": URI, "seed": 3}, ["base64", "base64"]),
        ({"images": [{"image": B64, "seed": 4}], "generation_time": 1.2, "parameters": {}}, ["base64"]),
        ({"images": [B64], "parameters": {}, "info": "{}"}, ["base64"]),
        ([{"image": URL, "seed": 1}, {"image": URL, "seed": 2}], ["url", "url"]),
        ({"image_url": URL}, ["url"]),
        (URL, ["url"]),
        ([{"base64": B64, "url": None, "seed": "5", "finish_reason": "SUCCESS"}], ["base64"]),
        ([{"data": [{"b64_json": B64}]}], ["base64"]),
        ({"image_url": URL, "cost": 0.012}, ["url"]),
        ({"result": URL, "cost": 0.012}, ["url"]),
        ({"data_b64": B64, "content_type": "image/png", "size_bytes": 128}, ["base64"]),
        ([URL, URL], ["url", "url"]),
        ({"image": B64, "format": "png", "width": 64, "height": 64, "gen_time_ms": 900}, ["base64"]),
        ({"output": {"images": [B64]}}, ["base64"]),
        ({"image": f"data:application/octet-stream;base64,{B64}"}, ["base64"]),
        ({"image": f"DATA:;base64,{B64}"}, ["base64"]),
        ({"image": "\n".join(B64[at : at + 60] for at in range(0, len(B64), 60))}, ["base64"]),
    ],
)
def test_pictures_are_found_in_the_output_of_every_known_worker(output: Any, kinds: list[str]) -> None:
    reading = read_output(output)

    assert reading.error is None
    assert [image.kind for image in reading.images] == kinds


def test_seeds_and_costs_come_along() -> None:
    assert read_output({"image_url": URL, "cost": 0.012}).cost_usd == 0.012
    assert read_output({"image": B64, "seed": 7}).seed == 7
    assert [image.seed for image in read_output([{"image": URL, "seed": 1}, {"image": URL, "seed": "2"}]).images] == [
        1,
        2,
    ]


def test_a1111_tells_its_seeds_in_a_text_and_may_put_a_sheet_first() -> None:
    info = json.dumps({"seed": 5, "all_seeds": [5, 6], "index_of_first_image": 1})
    reading = read_output({"images": [URI, B64, B64], "parameters": {}, "info": info})

    assert reading.seed == 5
    assert [image.seed for image in reading.images] == [5, 6]
    assert read_output({"images": [B64], "info": "{not json"}).seed is None
    assert read_output({"images": [B64], "info": "[" * 100_000}).seed is None


@pytest.mark.parametrize(
    ("told", "read"),
    [(7, 7), ("7", 7), (7.0, 7), (7.5, None), (-1, None), (True, None), ("x", None), ("٧", None), (2**64, None)],
)
def test_only_a_whole_seed_is_believed(told: object, read: int | None) -> None:
    assert read_output({"image": B64, "seed": told}).seed == read


def test_complaints_beside_pictures_are_remarks() -> None:
    reading = read_output({"images": [{"data": B64}], "errors": ["node 7 made nothing"]})

    assert (len(reading.images), reading.error, reading.remark) == (1, None, '["node 7 made nothing"]')


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"error": "CUDA out of memory", "image": B64}, "CUDA out of memory"),
        ({"status": "error", "message": "bad size"}, "bad size"),
        ({"detail": [{"msg": "field required"}]}, "field required"),
        ({"errors": ["node 3"], "images": []}, "node 3"),
        ({"images": [], "status": "success_no_images"}, "the output holds no picture"),
        ({}, "the output holds no picture"),
        ("simulated_uploaded/0.png", "give it a bucket"),
        ([{"image": "simulated_uploaded/0.png", "seed": 1}], "give it a bucket"),
        (None, "the output holds no picture"),
        (["only", "words"], "the output holds no picture"),
        ({"video": "https://example.org/a.mp4?sig=s3cr3t"}, 'no picture: {"video": "https://example.org/a.mp4?…"}'),
        ("file:///etc/passwd", "the output holds no picture: file:///etc/passwd"),
        ({"image": "../../etc/passwd"}, "the output holds no picture"),
        ({"image": "data:text/html;base64," + B64}, "the output holds no picture"),
        ({"status": [["error"]], "message": "x"}, "the output holds no picture"),
        ({"status": "FAILED"}, "without a text"),
        ([{"base64": None, "url": None, "seed": "5", "finish_reason": "FILTERED"}], "FILTERED"),
    ],
)
def test_an_error_inside_a_completed_job_is_an_error(output: Any, said: str) -> None:
    reading = read_output(output)

    assert reading.images == ()
    assert said in (reading.error or "")


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=80)
        | st.sampled_from([B64, URL, URI]),
        lambda inner: (
            st.lists(inner, max_size=6)
            | st.dictionaries(
                st.sampled_from(["images", "image", "data", "error", "seed", "cost", "status", "message", "x"]),
                inner,
                max_size=6,
            )
        ),
        max_leaves=30,
    )
)
def test_nothing_that_json_can_hold_breaks_the_reader(output: Any) -> None:
    reading = read_output(output)

    assert len(reading.images) <= MAX_IMAGES
    assert bool(reading.images) != bool(reading.error)


def test_an_output_of_any_depth_or_size_is_read_within_bounds() -> None:
    deep: Any = B64
    for _ in range(5000):
        deep = [deep, 1]

    assert read_output(deep).error
    wide: Any = "no picture"
    for _ in range(4):
        wide = [wide] * MAX_IMAGES  # 16 million leaves, of which few are looked at
    assert read_output(wide).error
    assert read_output({"status": deep, "error": deep, "seed": deep, "cost": deep, "info": deep}).error
    assert read_output({"images": B64}, path="images." + "9" * 5000).images
    assert len(read_output({"images": [URL] * 10_000}).images) == MAX_IMAGES
