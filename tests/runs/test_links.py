"""Links of tables: public addresses joined and quoted, signed ones with bounds, and none that nobody asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from runpodkit.runs.tables import linker
from runpodkit.storage.local import LocalStore
from runpodkit.storage.s3 import S3Store
from tests.runs.made_up import image_file

KEY = image_file(7).key


def test_nobody_asks_and_there_is_none(tmp_path: Path) -> None:
    assert linker(LocalStore(tmp_path)) is None


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("https://cdn.example.org", "https://cdn.example.org/"),
        ("https://cdn.example.org/", "https://cdn.example.org/"),
        ("https://cdn.example.org/a/b", "https://cdn.example.org/a/b/"),
        ("http://127.0.0.1:9000/bucket//", "http://127.0.0.1:9000/bucket/"),
        ("HTTPS://[::1]:8443/x%20y", "HTTPS://[::1]:8443/x%20y/"),
        ("https://картинки.example/", "https://картинки.example/"),
    ],
)
def test_a_public_address_and_a_key_are_joined_by_one_slash(tmp_path: Path, base: str, address: str) -> None:
    link = linker(LocalStore(tmp_path), public_base_url=base)

    assert link is not None
    assert link(KEY) == address + KEY


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_key_is_one_path_and_nothing_of_it_a_question_or_fragment(key: str) -> None:
    link = linker(LocalStore(Path("unused")), public_base_url="https://cdn.example.org/")

    assert link is not None
    parts = urlsplit(link(key))
    assert (parts.netloc, parts.query, parts.fragment) == ("cdn.example.org", "", "")
    assert unquote(parts.path) == f"/{key}"
    assert link(key).isascii()


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("cdn.example.org", "give an address such as"),
        ("ftp://cdn.example.org/", "give an address such as"),
        ("s3://bucket/", "give an address such as"),
        ("javascript:alert(1)", "give an address such as"),
        ("file:///home/me/", "give an address such as"),
        ("https://", "give an address such as"),
        ("https:///path", "give an address such as"),
        ("https://host:99999/", "give an address such as"),
        ("https://[::1/", "give an address such as"),
        ("https://cdn.example.org/a b/", "give an address such as"),
        ('https://cdn.example.org/"><script>', "give an address such as"),
        ("https://cdn.example.org/\n", "give an address such as"),
        ("", "give an address such as"),
        ("https://cdn.example.org/?token=1", "holds \\? or #"),
        ("https://cdn.example.org/?", "holds \\? or #"),
        ("https://cdn.example.org/#top", "holds \\? or #"),
        ("https://me:hunter2@cdn.example.org/", "name or password"),
    ],
)
def test_what_no_key_can_follow_is_refused(tmp_path: Path, base: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        linker(LocalStore(tmp_path), public_base_url=base)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("days", [0, -1, 8, True, 1.5, "3", float("nan")])
def test_days_out_of_bounds_are_refused(tmp_path: Path, days: Any) -> None:
    with pytest.raises(ValueError, match=r"links=.*: signed links last 1 to 7 days"):
        linker(LocalStore(tmp_path), links=days)


def test_both_kinds_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give one of them"):
        linker(LocalStore(tmp_path), links=1, public_base_url="https://cdn.example.org/")


def test_a_bucket_signs_links_for_so_many_days() -> None:
    store = S3Store(
        "pictures", SecretStr("made-up"), SecretStr("made-up-too"), "http://127.0.0.1:9", "ru-central1", "mine/"
    )
    link = linker(store, links=7)

    assert link is not None
    parts = urlsplit(link(KEY))
    assert parts.path == f"/pictures/mine/{KEY}"
    assert parse_qs(parts.query)["X-Amz-Expires"] == ["604800"]


def test_a_folder_gives_file_addresses(tmp_path: Path) -> None:
    link = linker(LocalStore(tmp_path), links=1)

    assert link is not None
    assert link(KEY) == (tmp_path / KEY).as_uri()
