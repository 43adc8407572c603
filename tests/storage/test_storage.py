"""What holds for every store: one suite over a folder, two S3 servers and a zip file; keys; which store is opened."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from runpodkit.errors import ConfigError, NoSuchKeyError, StoreError
from runpodkit.settings import Settings
from runpodkit.storage import Store, check_key, open_store
from runpodkit.storage.local import LocalStore
from runpodkit.storage.s3 import S3Store
from tests.storage.conftest import Backend, Filled

ODD_KEYS = [
    "a b.txt",
    "a+b.txt",
    "100%.txt",
    "a%20b.txt",
    "what?.txt",
    "a#b&c=d;e.txt",
    "маяк в сумерках/1.png",
    "灯台.png",
    "🗼/'quoted\".txt",
    "-rf",
    "~",
    "x" * 200,
    "deep/" * 40 + "end",
]


def test_what_was_put_is_got(filled: Filled) -> None:
    store = filled.fill({"images/3f/3f9c-0.png": b"\x89PNG\r\n\x00\xff"})

    assert store.get("images/3f/3f9c-0.png") == b"\x89PNG\r\n\x00\xff"


def test_a_second_put_replaces_the_first(store: Store) -> None:
    store.put("plan.json", b"a longer first version")
    store.put("plan.json", b"second")

    assert store.get("plan.json") == b"second"
    assert list(store.keys()) == ["plan.json"]


def test_nothing_is_a_value_too(filled: Filled) -> None:
    store = filled.fill({"empty": b"", "empty.png": b""})

    assert store.get("empty") == store.get("empty.png") == b""


def test_some_megabytes_come_back_whole(filled: Filled) -> None:
    data = bytes(range(256)) * 4096 * 6  # 6 MiB
    store = filled.fill({"big.bin": data, "big.png": data})

    assert store.get("big.bin") == store.get("big.png") == data


def test_a_missing_key_is_a_store_error_that_names_it(filled: Filled) -> None:
    store = filled.fill({"runs/some/plan.json": b""})

    with pytest.raises(NoSuchKeyError, match=r"cannot read key 'runs/none/plan\.json'.*there is no such key"):
        store.get("runs/none/plan.json")


def test_the_folder_of_a_key_is_no_key(filled: Filled) -> None:
    store = filled.fill({"runs/a/plan.json": b"{}"})

    for near in ("runs", "runs/a", "runs/a/plan.json/x"):
        with pytest.raises(NoSuchKeyError, match="no such key"):
            store.get(near)


def test_deleting_removes_one_key_and_may_be_repeated(store: Store) -> None:
    store.put("runs/a/plan.json", b"1")
    store.put("runs/a/plan.json.bak", b"2")
    store.delete("runs/a/plan.json")
    store.delete("runs/a/plan.json")

    assert list(store.keys()) == ["runs/a/plan.json.bak"]


def test_keys_are_sorted_by_code_point_whatever_the_folders(filled: Filled) -> None:
    # "-" < "." < "/" < "0" < "A" < "a" < "é", so a folder's keys lie between its neighbours.
    in_order = ["a-b", "a.png", "a/a", "a/a.b/c", "a/b", "a0", "aA", "aa", "aé", "b"]
    store = filled.fill(dict.fromkeys(reversed(in_order), b"."))

    assert list(store.keys()) == in_order


def test_a_prefix_is_any_beginning_of_a_key(filled: Filled) -> None:
    names = ("images/3f/3f9c-0.png", "images/3f/3f9c-1.png", "images/3f/3fa0-0.png", "images/40/40-0.png", "runs/x")
    store = filled.fill(dict.fromkeys(names, b"."))

    assert list(store.keys("images/3f/3f9c")) == ["images/3f/3f9c-0.png", "images/3f/3f9c-1.png"]
    assert len(list(store.keys("images/3f/"))) == 3
    assert len(list(store.keys("images/3"))) == 3
    assert len(list(store.keys("im"))) == 4
    assert list(store.keys("images/40/40-0.png")) == ["images/40/40-0.png"]
    assert list(store.keys("images/40/40-0.png/")) == []
    assert list(store.keys("nothing/here")) == []


def test_an_empty_store_has_no_keys(filled: Filled) -> None:
    store = filled.fill({})

    assert list(store.keys()) == []
    assert list(store.keys("runs/")) == []


def test_odd_but_honest_keys_are_kept_as_they_are(filled: Filled) -> None:
    odd = [key for key in ODD_KEYS if not (filled.name == "nanio" and "%" in key)]  # it decodes them twice
    store = filled.fill({key: key.encode() for key in odd})

    assert list(store.keys()) == sorted(odd)
    for key in odd:
        assert store.get(key) == key.encode()
        assert list(store.keys(key)) == [key]


def test_odd_keys_can_be_deleted_too(backend: Backend, store: Store) -> None:
    for key in ODD_KEYS:
        if not (backend.name == "nanio" and "%" in key):
            store.put(key, b"x")
            store.delete(key)

    assert list(store.keys()) == []


@pytest.mark.parametrize(
    "key",
    [
        *("", "/etc/passwd", "..", "a/../../b", "a/./b", ".env", "a/.git/x", "a//b", "a/", "a\\b", "a\nb", "a\0b"),
        *("\ud800", "a\ufffe", "é" * 101, "a/" * 450 + "b"),
    ],
)
def test_keys_that_could_leave_the_store_are_refused_by_every_call(filled: Filled, key: str) -> None:
    store = filled.fill({})
    for call in (
        lambda: store.put(key, b""),
        lambda: store.get(key),
        lambda: store.delete(key),
        lambda: store.url(key),
    ):
        with pytest.raises(StoreError, match="is refused: "):
            call()
    if key not in ("", "a/"):
        with pytest.raises(StoreError, match="is refused: "):
            store.keys(key)


def test_threads_may_share_a_store(store: Store) -> None:
    def there_and_back(number: int) -> bytes:
        store.put(f"images/{number % 3}/{number}", str(number).encode())
        return store.get(f"images/{number % 3}/{number}")

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(there_and_back, range(40))) == [str(number).encode() for number in range(40)]
    assert len(list(store.keys("images/"))) == 40


def test_threads_may_read_from_a_store_that_they_share(filled: Filled) -> None:
    values = {f"images/{number % 3}/{number}.png": bytes([number]) * 5000 for number in range(40)}
    store = filled.fill(values)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(store.get, values)) == list(values.values())


def test_the_last_of_many_writers_wins_whole(store: Store) -> None:
    versions = [bytes([65 + number]) * 200_000 for number in range(6)]

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda data: store.put("same", data), versions))

    assert store.get("same") in versions
    assert list(store.keys()) == ["same"]


def test_a_link_opens_without_the_store(backend: Backend, store: Store) -> None:
    if not backend.opens_links:
        pytest.skip("moto cannot read signed links while it checks signatures")
    store.put("маяк/a b.png", b"picture")

    with urllib.request.urlopen(store.url("маяк/a b.png")) as answer:
        assert answer.read() == b"picture"


def test_a_store_opened_later_sees_the_same(filled: Filled) -> None:
    filled.fill({"runs/a/plan.json": b"{}"})

    assert list(filled.again().keys()) == ["runs/a/plan.json"]
    assert filled.again().get("runs/a/plan.json") == b"{}"


@pytest.mark.parametrize("lasts_s", [0, -1, 604_801, 3600.0, True, "1 day", float("nan"), None])
def test_a_link_that_cannot_last_so_long_is_a_callers_mistake_in_every_store(filled: Filled, lasts_s: object) -> None:
    store = filled.fill({"a.png": b"picture"})

    with pytest.raises(ValueError, match="lasts_s="):
        store.url("a.png", lasts_s)  # type: ignore[arg-type]


def test_a_link_may_last_a_second_and_a_week(backend: Backend, store: Store) -> None:
    links = {store.url("a.png", lasts_s=1), store.url("a.png", lasts_s=604_800)}

    assert len(links) == (1 if backend.name == "folder" else 2)  # a folder's link never ends


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/\\\ufffe\uffff")))
def test_any_name_without_a_leading_dot_is_a_key(name: str) -> None:
    if not name or name.startswith(".") or len(name.encode()) > 200:
        with pytest.raises(StoreError):
            check_key(name)
    else:
        assert check_key(f"runs/{name}/plan.json") == f"runs/{name}/plan.json"


def test_a_long_refused_key_is_not_repeated_in_full() -> None:
    with pytest.raises(StoreError) as caught:
        check_key("a/" * 5000 + "b")

    assert len(str(caught.value)) < 200


def test_without_a_bucket_a_folder_in_the_home_is_opened(tmp_path: Path) -> None:
    store = open_store(Settings(RUNPODKIT_HOME=tmp_path / "home"))

    assert isinstance(store, LocalStore)
    assert store.describe == "folder"
    assert store.folder == tmp_path / "home" / "store"
    assert not store.folder.exists()


def test_with_a_bucket_it_is_opened_without_connecting() -> None:
    store = open_store(
        Settings(
            YANDEX_BUCKET_NAME="pictures",
            YANDEX_ACCESS_KEY="access-key",
            YANDEX_SECRET_KEY="secret-key",
            YANDEX_ENDPOINT_URL="https://storage.yandexcloud.net",
            S3_PREFIX="/team/anna/",
        )
    )

    assert isinstance(store, S3Store)
    assert (store.describe, store.bucket, store.prefix) == ("S3", "pictures", "team/anna/")
    assert store.region == "ru-central1"


def test_a_bucket_without_keys_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="set YANDEX_ACCESS_KEY and YANDEX_SECRET_KEY"):
        open_store(Settings(S3_BUCKET_NAME="pictures", S3_ACCESS_KEY=SecretStr("a")))


def test_a_folder_is_opened_without_loading_boto3(tmp_path: Path) -> None:
    code = (
        "import sys; from runpodkit.settings import Settings; from runpodkit.storage import open_store; "
        f"open_store(Settings(RUNPODKIT_HOME={str(tmp_path)!r})); print('boto3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
