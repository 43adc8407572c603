"""Outputs as text that fits: nothing big, deep or secret gets through, and what matters stays."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit import logs
from runpodkit.endpoint.dialects.abridging import KEPT_CHARS, abridged, as_text

PAYLOAD = base64.b64encode(bytes(range(256)) * 12).decode()


def test_a_picture_becomes_its_length_and_hash() -> None:
    digest = hashlib.sha256(PAYLOAD.encode()).hexdigest()

    short = abridged({"images": [{"filename": "a.png", "type": "base64", "data": PAYLOAD}]})

    told = f"<4,096 characters that begin AAECAwQFBgcICQoLDA0ODxAR, sha256 {digest}>"
    assert short == {"images": [{"filename": "a.png", "type": "base64", "data": told}]}


def test_a_data_uri_keeps_its_head() -> None:
    short = abridged(f"data:image/png;base64,{PAYLOAD}")

    assert short.startswith("<4,118 characters that begin data:image/png;base64,AAECAwQF")


def test_words_stay_as_they_are() -> None:
    said = {"status": "error", "message": "NSFW content detected", "n": [1, 2.5, None, True], "кот": "🐈"}

    assert abridged(said) == said
    assert as_text("plain words", 100) == "plain words"


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://b.s3.example/x.png?X-Amz-Signature=s3cr3t", "https://b.s3.example/x.png?…"),
        ("see https://user:s3cr3t@host/x#s3cr3t now", "see https://host/x?… now"),
        ("s3://key:s3cr3t@bucket/x", "s3://bucket/x"),
        ("https://host/x.png", "https://host/x.png"),
        ("https://host?token=s3cr3t", "https://host?…"),
    ],
)
def test_links_lose_what_may_be_a_key(link: str, kept: str) -> None:
    assert abridged([link]) == [kept]


@pytest.mark.parametrize("name", ["api_key", "comfy_org_api_key", "API-Key", "password", "secretKey", "access_token"])
def test_what_is_called_a_secret_is_not_kept(name: str) -> None:
    assert abridged({name: "s3cr3t", "tokens": "12"}) == {name: "•••", "tokens": "12"}


def test_registered_secrets_are_not_kept_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_hidden", set())
    logs.hide("rpa_made_up_for_tests")

    text = json.dumps(
        abridged({"rpa_made_up_for_tests": ["said rpa_made_up_for_tests twice"], "x": "rpa_made_up_for_tests"})
    )

    assert "rpa_made" not in text
    # not even in part, where a long text is cut
    assert "rpa" not in as_text("x" * 90 + "rpa_made_up_for_tests", 100)


def test_a_million_items_cost_no_more_than_is_kept() -> None:
    output = {"images": [{"x": "word"}] * 1_000_000}

    tracemalloc.start()
    text = as_text(output, 500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(text) <= 500
    assert peak < 200_000
    assert abridged([7] * 1000, most=100)[-1].endswith(" more")


def test_depth_is_bounded() -> None:
    deep: Any = "bottom"
    for _ in range(10_000):
        deep = [{"x": deep}]

    assert "too deep" in as_text(deep, 2000)


def test_half_characters_and_odd_numbers_can_be_written() -> None:
    short = as_text({"a": "\ud800", "b": math.nan, "c": -math.inf, "d": 10**5000}, 500)

    assert short.encode()
    assert json.loads(short) == {"a": "?", "b": "nan", "c": "-inf", "d": "<a number of 16,610 bits>"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3000),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=20), inner, max_size=8),
    max_leaves=40,
)


@given(json_values, st.integers(20, 3000))
def test_any_output_fits_and_is_json(output: Any, most: int) -> None:
    assert len(as_text(output, most)) <= most
    kept = json.dumps(abridged(output, most), ensure_ascii=False, allow_nan=False)
    # what is told of the rest, a mark in each list and object that was begun, is beside what is kept
    assert len(kept) <= 2 * most + 24 * 60 + 600


def test_a_whole_output_that_fits_is_kept_whole() -> None:
    output = {"images": [], "log": [f"line {n}" for n in range(20_000)]}

    assert len(json.dumps(output)) < KEPT_CHARS
    assert abridged(output) == output
