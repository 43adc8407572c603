"""Many values at once: bounds, order, the first failure, and servers that die while hundreds are under way."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.errors import StoreError
from runpodkit.storage import Store
from runpodkit.storage.local import LocalStore
from runpodkit.storage.many import copy_all, get_all, in_order, put_all
from tests.storage.conftest import (
    NANIO_ENV,
    Backend,
    Filled,
    Server,
    free_port,
    make_bucket,
    nanio_command,
    start,
    stop,
)


def picture(number: int) -> bytes:
    """20 kB that no other number has."""
    return number.to_bytes(4, "big") * 5000


PICTURES = {f"images/{number % 7}/{number:03}.png": picture(number) for number in range(200)}


class Remembered:
    """A store in memory that does as told."""

    describe = "memory"

    def __init__(self, refuses: frozenset[str] = frozenset()) -> None:
        self.values: dict[str, bytes] = {}
        self.refuses = refuses

    def put(self, key: str, data: bytes, content_type: str | None = None) -> None:
        if key in self.refuses:
            raise StoreError(f"cannot store key {key!r}: no")
        self.values[key] = data

    def get(self, key: str) -> bytes:
        return self.values[key]

    def keys(self, prefix: str = "") -> Iterator[str]:
        return iter(sorted(self.values))

    def delete(self, key: str) -> None: ...

    def url(self, key: str, lasts_s: int = 3600) -> str:
        return ""


def test_two_hundred_values_arrive_whole_and_each_is_told(backend: Backend, store: Store) -> None:
    told: list[str] = []

    assert put_all(store, PICTURES.items(), advance=lambda: told.append(threading.current_thread().name)) == 200

    assert told == [threading.current_thread().name] * 200  # a bar is moved where it was made
    assert list(store.keys("images/")) == sorted(PICTURES)
    assert dict(get_all(store, PICTURES)) == PICTURES


def test_values_come_in_the_order_asked_for(filled: Filled) -> None:
    store = filled.fill(PICTURES)
    backwards = sorted(PICTURES, reverse=True)

    assert [key for key, _ in get_all(store, backwards)] == backwards


def test_a_run_moves_from_a_bucket_to_another_and_into_a_folder(moto: Server, nanio: Server, tmp_path: Path) -> None:
    one, two = moto.store(prefix=f"copy/{tmp_path.name}"), nanio.store(prefix=f"copy/{tmp_path.name}")
    three = LocalStore(tmp_path / "store")
    put_all(one, PICTURES.items())

    assert copy_all(one, one.keys("images/"), two) == copy_all(two, two.keys(), three) == 200
    assert {key: three.get(key) for key in PICTURES} == PICTURES


def test_a_bound_of_threads_is_a_bound_of_values_in_memory() -> None:
    lock, out, most = threading.Lock(), 0, 0
    store = Remembered()

    def values() -> Iterator[tuple[str, bytes]]:
        nonlocal out, most
        for number in range(100):
            with lock:
                out += 1
                most = max(most, out)
            yield f"{number}", b""

    def put(key: str, data: bytes, content_type: str | None = None) -> None:
        nonlocal out
        with lock:
            out -= 1

    store.put = put  # type: ignore[method-assign]

    assert put_all(store, values(), threads=4) == 100
    assert most <= 4


def test_reading_ahead_is_bounded_too_and_ends_with_the_reader() -> None:
    asked: list[int] = []
    results = in_order(lambda number: number * 2, (asked.append(number) or number for number in range(100)), threads=4)

    assert [next(results), next(results)] == [0, 2]
    assert len(asked) == 5  # two taken, and never more than four begun
    results.close()  # type: ignore[attr-defined]
    assert len(asked) == 5


def test_as_many_run_at_once_as_there_are_threads() -> None:
    together = threading.Barrier(8, timeout=20)  # breaks if fewer than eight are in it

    assert list(in_order(lambda number: (together.wait(), number)[1], range(16), threads=8)) == list(range(16))
    store = Remembered()
    store.put = lambda key, data, content_type=None: together.wait()  # type: ignore[method-assign,misc,return-value]
    assert put_all(store, [(f"{number}", b"") for number in range(16)], threads=8) == 16


def test_the_first_failure_stops_the_rest_and_is_named() -> None:
    asked: list[int] = []

    def values() -> Iterator[tuple[str, bytes]]:
        for number in range(100):
            asked.append(number)
            yield f"{number}", b""

    store = Remembered(refuses=frozenset({"10"}))
    with pytest.raises(
        StoreError, match=r"cannot store key '10': no \(10 are stored, others may not be; it is safe to"
    ):
        put_all(store, values(), threads=1)
    assert asked == list(range(11))


def test_what_the_source_of_the_values_raises_comes_through() -> None:
    def values() -> Iterator[tuple[str, bytes]]:
        yield "a", b""
        raise ValueError("not a picture")

    with pytest.raises(ValueError, match="not a picture"):
        put_all(Remembered(), values())


@settings(max_examples=50, deadline=None)
@given(refused=st.frozensets(st.integers(0, 29).map(str)), threads=st.integers(1, 9))
def test_whatever_fails_what_is_counted_is_there_and_repeating_completes(refused: frozenset[str], threads: int) -> None:
    store = Remembered(refuses=refused)
    values = {f"{number}": f"{number}".encode() for number in range(30)}

    if refused:
        with pytest.raises(StoreError) as caught:
            put_all(store, values.items(), threads=threads)
        count = len(store.values)
        assert f"({count} {'is' if count == 1 else 'are'} stored" in str(caught.value)
        assert str(caught.value).split("'")[1] in refused
    assert store.values.items() <= values.items()
    store.refuses = frozenset()
    assert put_all(store, values.items(), threads=threads) == 30
    assert store.values == values


class Mortal:
    """nanio on a port of its own, which a test may kill and start again over the same files."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = start(self._command(), NANIO_ENV, self.url, folder / "log")
        self.server = Server(self.url, *NANIO_ENV.values(), signed_links=True)
        make_bucket(self.server)

    def _command(self) -> list[str]:
        return nanio_command(self.port, self._folder / "data")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        # What nanio was writing when it was killed it never takes again: it trips over its own draft.
        for draft in (self._folder / "data").rglob("*.tmp"):
            draft.unlink()
        self.process = start(self._command(), NANIO_ENV, self.url, self._folder / "log2")

    def stop(self) -> None:
        if self.process.poll() is None:
            stop(self.process)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    server = Mortal(tmp_path)
    yield server
    server.stop()


def test_a_server_killed_and_restarted_under_two_hundred_uploads_has_them_all_whole(mortal: Mortal) -> None:
    store = mortal.server.store(max_attempts=12)
    written = 0

    with ThreadPoolExecutor(1) as elsewhere:

        def kill_at_sixty() -> None:
            nonlocal written
            written += 1
            if written == 60:
                mortal.kill()
                elsewhere.submit(mortal.restart)  # meanwhile the threads that upload meet a dead port

        assert put_all(store, PICTURES.items(), advance=kill_at_sixty) == 200

    assert list(store.keys("images/")) == sorted(PICTURES)
    assert dict(get_all(store, PICTURES)) == PICTURES


def test_a_server_that_stays_dead_under_uploads_is_told_and_a_second_go_completes(mortal: Mortal) -> None:
    store = mortal.server.store(max_attempts=2)
    written = 0

    def kill_at_sixty() -> None:
        nonlocal written
        written += 1
        if written == 60:
            mortal.kill()

    with pytest.raises(
        StoreError, match=rf"cannot store key 'images/.*: no answer from 127\.0\.0\.1:{mortal.port} .* are stored, o"
    ):
        put_all(store, PICTURES.items(), advance=kill_at_sixty)
    mortal.restart()

    there = list(store.keys("images/"))
    assert 60 <= len(there) < 200
    assert dict(get_all(store, there)) == {key: PICTURES[key] for key in there}  # none is half there
    assert put_all(store, PICTURES.items()) == 200
    assert dict(get_all(store, PICTURES)) == PICTURES


def test_an_upload_whose_program_is_killed_leaves_whole_values_only(nanio: Server, tmp_path: Path) -> None:
    store = nanio.store(prefix=f"killed/{tmp_path.name}")
    code = (
        "import os, signal, sys\n"
        "from pydantic import SecretStr\n"
        "from runpodkit.storage.many import put_all\n"
        "from runpodkit.storage.s3 import S3Store\n"
        "url, access, secret, prefix = sys.argv[1:]\n"
        "store = S3Store('pictures', SecretStr(access), SecretStr(secret), url, 'ru-central1', prefix)\n"
        "seen = []\n"
        "def die():\n"
        "    seen.append(1)\n"
        "    if len(seen) == 30: os.kill(os.getpid(), signal.SIGKILL)\n"
        "put_all(store, ((f'images/{n % 7}/{n:03}.png', n.to_bytes(4, 'big') * 5000) for n in range(200)), advance=die)\n"
    )
    words = [nanio.url, nanio.access_key, nanio.secret_key, f"killed/{tmp_path.name}"]

    assert subprocess.run([sys.executable, "-c", code, *words]).returncode == -signal.SIGKILL

    there = list(store.keys())
    assert 30 <= len(there) <= 30 + 8
    assert {key: store.get(key) for key in there} == {key: PICTURES[key] for key in there}
