"""The zip store: what other tools see in the file, files that were cut or changed, and files made to do harm."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.errors import StoreError
from runpodkit.storage import zipped
from runpodkit.storage.local import LocalStore
from runpodkit.storage.zipped import ZipStore, write_zip

PICTURE = bytes(range(256)) * 8
VALUES = {"images/3f/3f9c-0.png": PICTURE, "runs/fig/run.json": b'{"name": "fig"}' * 40, "README.txt": b"hello"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_zip(tmp_path / "kept.zip", VALUES.items(), {"run": "fig"})
    return tmp_path / "kept.zip"


def manifest(values: Mapping[str, bytes], **changed: Any) -> bytes:
    files = {key: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for key, data in values.items()}
    return json.dumps({"format": "runpodkit store", "version": 1, "about": {}, "files": files, **changed}).encode()


def made(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]], told: bytes | None = None) -> Path:
    """A zip file as somebody else makes one; its manifest fits unless another is given."""
    values = {name.filename if isinstance(name, zipfile.ZipInfo) else name: data for name, data in members}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
        archive.writestr("manifest.json", manifest(values) if told is None else told)
    return path


# What is written


def test_any_tool_unpacks_it_into_a_folder_store(file: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(file), str(tmp_path / "out")], check=True)
    folder = LocalStore(tmp_path / "out")

    assert sorted(folder.keys()) == sorted([*VALUES, "manifest.json"])
    assert {key: folder.get(key) for key in VALUES} == VALUES


def test_pictures_lie_as_they_are_and_text_is_compressed(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        kinds = {info.filename: (info.compress_type, info.date_time) for info in archive.infolist()}

    assert kinds["images/3f/3f9c-0.png"] == (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))
    assert kinds["runs/fig/run.json"] == (zipfile.ZIP_DEFLATED, (1980, 1, 1, 0, 0, 0))
    assert file.read_bytes().count(PICTURE) == 1


def test_equal_values_give_equal_bytes_and_another_order_gives_others(file: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "again.zip", VALUES.items(), {"run": "fig"})
    write_zip(tmp_path / "other.zip", reversed(VALUES.items()), {"run": "fig"})

    assert (tmp_path / "again.zip").read_bytes() == file.read_bytes()
    assert (tmp_path / "other.zip").read_bytes() != file.read_bytes()


def test_what_the_writer_said_of_the_whole_is_found_again(file: Path) -> None:
    assert ZipStore(file).about == {"run": "fig"}
    assert repr(ZipStore(file)) == f"ZipStore({str(file)!r})"
    assert ZipStore(file).describe == "zip"


def test_nothing_can_be_changed_and_there_are_no_links(file: Path) -> None:
    before, store = file.read_bytes(), ZipStore(file)

    with pytest.raises(StoreError, match=r"cannot store key 'a': kept\.zip can only be read"):
        store.put("a", b"")
    with pytest.raises(StoreError, match=r"cannot delete key 'README\.txt': kept\.zip can only be read"):
        store.delete("README.txt")
    with pytest.raises(StoreError, match=r"no link to key 'README\.txt': it lies inside kept\.zip; unpack"):
        store.url("README.txt")
    assert file.read_bytes() == before


def test_values_are_taken_one_by_one(tmp_path: Path) -> None:
    written: list[int] = []

    def values() -> Any:
        for number in range(5):
            (draft,) = tmp_path.glob(".*.part")
            written.append(draft.stat().st_size)
            yield f"images/{number}.png", bytes(100_000)

    write_zip(tmp_path / "kept.zip", values(), {})

    assert [size // 100_000 for size in written] == [0, 1, 2, 3, 4]


def test_a_writer_that_fails_leaves_the_file_there_was_and_nothing_else(file: Path, tmp_path: Path) -> None:
    def values() -> Any:
        yield "a.png", b"x"
        raise StoreError("cannot read key 'b.png'")

    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"b\.png"):
        write_zip(file, values(), {})

    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["kept.zip"]


def test_a_file_that_may_not_grow_is_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource; from pathlib import Path; from runpodkit.storage.zipped import write_zip; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        f"write_zip(Path({str(tmp_path)!r}) / 'kept.zip', [('a.png', bytes(5000))], {{}})"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert ended.stderr.splitlines()[-1].endswith("kept.zip: the disk or quota is full: make room")
    assert "Exception ignored" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([("../a", b"")], "is refused"),
        ([("a", b""), ("a", b"")], "it is there already"),
        ([("manifest.json", b"")], "it is there already"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(
    tmp_path: Path, values: list[tuple[str, bytes]], words: str
) -> None:
    with pytest.raises(StoreError, match=words):
        write_zip(tmp_path / "kept.zip", values, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bound", ["MAX_STORED_BYTES", "MAX_PACKED_BYTES", "MAX_UNPACKED_BYTES", "MAX_FILES"])
def test_what_is_written_keeps_the_bounds_of_what_is_read(
    tmp_path: Path, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipped, bound, 3)
    values = {f"{number}.{kind}": b"four" for number in range(2) for kind in ("png", "txt")}

    with pytest.raises(StoreError, match=r"could not be read again|do not go into one file"):
        write_zip(tmp_path / "kept.zip", values.items(), {})


KEYS = st.lists(
    st.text("aé.-0", min_size=1, max_size=4).filter(lambda part: part[0] != "."), min_size=1, max_size=3
).map("/".join)


@settings(max_examples=60, deadline=None)
@given(values=st.dictionaries(KEYS.map("{}.png".format) | KEYS.map("{}.json".format), st.binary(max_size=400)))
def test_whatever_is_written_is_read_back_and_its_bytes_do_not_depend_on_the_time(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("zip")
    write_zip(folder / "a.zip", values.items(), {})
    write_zip(folder / "b.zip", values.items(), {})
    store = ZipStore(folder / "a.zip")

    keys = list(store.keys())
    assert keys == sorted(values)
    assert {key: store.get(key) for key in keys} == values
    assert (folder / "a.zip").read_bytes() == (folder / "b.zip").read_bytes()


# What was cut or changed


def test_a_cut_file_is_told_at_once_wherever_it_was_cut(file: Path) -> None:
    whole = file.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"kept\.zip is not a zip file, or was cut on its way here"):
            ZipStore(file)


def test_a_value_that_was_changed_is_told_when_it_is_read_and_the_others_are_not_hurt(file: Path) -> None:
    whole = file.read_bytes()
    place = whole.index(PICTURE) + 700
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    store = ZipStore(file)

    with pytest.raises(StoreError, match=r"cannot read key 'images/3f/3f9c-0\.png': .*kept\.zip was cut or changed"):
        store.get("images/3f/3f9c-0.png")
    assert store.get("runs/fig/run.json") == VALUES["runs/fig/run.json"]


def test_a_value_that_was_exchanged_with_care_is_told_by_its_sha256(file: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "other.zip", [("a.png", b"other")], manifest({"a.png": b"first"}))

    with pytest.raises(StoreError, match=r"cannot read key 'a\.png': it was changed since .*other\.zip was written"):
        ZipStore(other).get("a.png")


@settings(max_examples=300, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_no_single_changed_byte_gives_another_value(
    tmp_path_factory: pytest.TempPathFactory, place: float, mask: int
) -> None:
    file = tmp_path_factory.mktemp("zip") / "kept.zip"
    write_zip(file, VALUES.items(), {"run": "fig"})
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= mask
    file.write_bytes(data)

    try:
        store = ZipStore(file)
    except StoreError:
        return
    for key, value in VALUES.items():
        with contextlib.suppress(StoreError):
            assert store.get(key) == value


def test_a_file_that_was_exchanged_while_it_is_open_is_told(file: Path) -> None:
    store = ZipStore(file)
    write_zip(file, [("images/3f/3f9c-0.png", b"another")], {})

    with pytest.raises(StoreError, match="cut or changed"):
        store.get("images/3f/3f9c-0.png")
    file.unlink()
    with pytest.raises(StoreError, match=r"cannot read key 'README\.txt': No such file"):
        store.get("README.txt")


def test_noise_is_a_store_error_and_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(7)
    for size in (0, 1, 21, 22, 23, 1000):
        (tmp_path / "noise.zip").write_bytes(chance.randbytes(size))
        with pytest.raises(StoreError, match="is not a zip file"):
            ZipStore(tmp_path / "noise.zip")


# What is none of ours


def test_another_zip_is_none_of_ours(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.png", b"x")
    with pytest.raises(StoreError, match=r"photos\.zip is a zip file, but not one of ours: it holds no manifest\.json"):
        ZipStore(tmp_path / "photos.zip")


@pytest.mark.parametrize(
    "told",
    [b"", b"[]", b"1", b'{"name": "a browser extension"}', b"\xff", b"[" * 100_000, b'"manifest"', b'[["a", 1]]'],
)
def test_a_manifest_of_something_else_is_none_of_ours(tmp_path: Path, told: bytes) -> None:
    with pytest.raises(StoreError, match=r"not one of ours: its manifest\.json is of something else"):
        ZipStore(made(tmp_path / "kept.zip", [("a.png", b"x")], told))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"version": 2}, "was written by another version of runpodkit: update"),
        ({"version": None}, "was written by another version"),
        ({"files": []}, "lists no files"),
        ({"files": {"a.png": "x"}}, "lists no files"),
        ({"files": {"a.png": {"bytes": "1", "sha256": "x"}}}, "lists no files"),
        ({"about": None}, "lists no files"),
        ({"files": {}}, r"'a\.png' is not as its manifest\.json says"),
        ({"files": {"a.png": {"bytes": 2, "sha256": "x"}}}, r"'a\.png' is not as its manifest\.json says"),
    ],
)
def test_a_manifest_that_does_not_fit_is_told(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(StoreError, match=words):
        ZipStore(made(tmp_path / "kept.zip", [("a.png", b"x")], manifest({"a.png": b"x"}, **changed)))


def test_a_value_that_the_manifest_lists_and_the_file_lacks_is_told(tmp_path: Path) -> None:
    told = manifest({"a.png": b"x", "b.png": b"y"})
    with pytest.raises(StoreError, match=r"'b\.png' is not as its manifest\.json says; get it anew"):
        ZipStore(made(tmp_path / "kept.zip", [("a.png", b"x")], told))


def test_folders_that_a_packer_lists_are_passed_over(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "kept.zip", "w") as archive:
        archive.mkdir("images")
        archive.writestr("images/a.png", b"x")
        archive.writestr("manifest.json", manifest({"images/a.png": b"x"}))

    assert list(ZipStore(tmp_path / "kept.zip").keys()) == ["images/a.png"]


# What is made to do harm


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a/../../b",
        "..",
        "a\\..\\b",
        "C:\\x",
        ".ssh/authorized_keys",
        "a//b",
        "a\nb",
        "../",
    ],
)
def test_a_name_that_leaves_the_folder_refuses_the_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"kept\.zip is refused: member .* its name is no key"):
        ZipStore(made(tmp_path / "kept.zip", [("a.png", b"x"), (name, b"x")]))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_a_link_or_device_refuses_the_file(tmp_path: Path, kind: int) -> None:
    link = zipfile.ZipInfo("a.png")
    link.create_system = 3
    link.external_attr = (kind | 0o777) << 16
    with pytest.raises(StoreError, match=r"member 'a\.png': it is a link or a device, not a file"):
        ZipStore(made(tmp_path / "kept.zip", [(link, b"/etc/passwd")]))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"member 'a\.png': it is there twice"):
        ZipStore(made(tmp_path / "kept.zip", [("a.png", b"x"), ("a.png", b"y")]))


def test_other_compressions_and_passwords_refuse_the_file(tmp_path: Path) -> None:
    odd = zipfile.ZipInfo("a.txt")
    odd.compress_type = zipfile.ZIP_LZMA
    with pytest.raises(StoreError, match="compressed in a way that we do not write"):
        ZipStore(made(tmp_path / "odd.zip", [(odd, b"x" * 100)]))
    data = made(tmp_path / "kept.zip", [("a.txt", b"x")]).read_bytes()
    entry = data.index(b"PK\1\2")
    (tmp_path / "kept.zip").write_bytes(data[: entry + 8] + b"\1" + data[entry + 9 :])
    with pytest.raises(StoreError, match=r"member 'a\.txt': it is encrypted"):
        ZipStore(tmp_path / "kept.zip")


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    bomb = b"\0" * (zipped.MAX_PACKED_BYTES + 1)
    file = made(tmp_path / "bomb.zip", [("runs/a/run.json", bomb)], b"{}")

    assert file.stat().st_size < 100_000
    with pytest.raises(StoreError, match=r"member 'runs/a/run\.json': unpacked it is larger than 64 MiB"):
        ZipStore(file)


def test_many_small_bombs_are_one_large_one(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(zipped.MAX_PACKED_BYTES)
    packed = packer.compress(zeros) + packer.flush()
    crc = zlib.crc32(zeros)
    local, directory = b"", b""
    for number in range(17):  # 17 × 64 MiB, each 65 kB in the file
        name = b"%02d.json" % number
        sizes = struct.pack("<3L2H", crc, len(packed), len(zeros), len(name), 0)
        about = struct.pack("<5H", 20, 0, 8, 0, 33)
        directory += b"PK\1\2\x14\3" + about + sizes + struct.pack("<3HLL", 0, 0, 0, 0, len(local)) + name
        local += b"PK\3\4" + about + sizes + name + packed
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 17, 17, len(directory), len(local), 0)
    (tmp_path / "bombs.zip").write_bytes(local + directory + end)
    with zipfile.ZipFile(tmp_path / "bombs.zip") as archive:
        assert len(archive.read("16.json")) == 64 * 2**20

    with pytest.raises(StoreError, match=r"unpacked it is larger than 1024 MiB"):
        ZipStore(tmp_path / "bombs.zip")


def forged(file: Path, change: Callable[[bytearray, int], None]) -> Path:
    """A file whose entry for its first member says something else."""
    data = bytearray(file.read_bytes())
    change(data, data.index(b"PK\1\2"))
    file.write_bytes(data)
    return file


def test_a_member_that_unpacks_to_more_than_it_says_is_cut_there(tmp_path: Path) -> None:
    zeros = bytes(50 * 2**20)
    file = made(tmp_path / "kept.zip", [("a.json", zeros)], manifest({"a.json": zeros[:10]}))

    def says_ten_bytes(data: bytearray, entry: int) -> None:
        data[entry + 24 : entry + 28] = struct.pack("<L", 10)

    forged(file, says_ten_bytes)
    code = (
        "import resource, sys; from pathlib import Path; from runpodkit.storage.zipped import ZipStore; "
        f"store = ZipStore(Path({str(file)!r})); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: store.get('a.json')\n"
        "except Exception as exc: print(type(exc).__name__, exc)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "StoreError cannot read key 'a.json'" in said
    assert said.splitlines()[-1] == "True"


def test_members_that_share_their_bytes_refuse_the_file(tmp_path: Path) -> None:
    members: list[tuple[str | zipfile.ZipInfo, bytes]] = []
    for name in ("a.png", "b.png"):
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_STORED
        members.append((info, bytes(100_000)))
    data = made(tmp_path / "kept.zip", members).read_bytes()
    second = data.index(b"PK\3\4", 4)
    start = data.index(b"PK\1\2")
    end = data.rindex(b"PK\5\6")
    directory = bytearray(data[start:end])
    # The second member lies where the first does, and its own bytes are gone; so is the manifest's place moved.
    entries = [place for place in range(len(directory)) if directory[place : place + 4] == b"PK\1\2"]
    manifest_at = struct.unpack_from("<L", directory, entries[2] + 42)[0]
    struct.pack_into("<L", directory, entries[1] + 42, 0)
    struct.pack_into("<L", directory, entries[2] + 42, second)
    local = data[:second] + data[manifest_at:start]
    tail = bytearray(data[end:])
    struct.pack_into("<L", tail, 16, len(local))
    (tmp_path / "kept.zip").write_bytes(local + directory + tail)

    with pytest.raises(StoreError, match="its members overlap"):
        ZipStore(tmp_path / "kept.zip")


def test_a_list_of_members_that_claims_to_be_huge_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.zip"
    with file.open("wb") as out:  # a sparse file: 100 MiB of it claims to be the list
        os.truncate(out.fileno(), 100 * 2**20)
        out.seek(100 * 2**20)
        out.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, 100 * 2**20, 0, 0))

    with pytest.raises(StoreError, match="its list of members is too long"):
        ZipStore(file)


def test_too_many_members_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "MAX_FILES", 3)

    with pytest.raises(StoreError, match="it holds more than 3 members"):
        ZipStore(file)


def test_a_missing_file_and_a_folder_are_told_as_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no file .*none\.zip"):
        ZipStore(tmp_path / "none.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(StoreError, match=r"folder\.zip cannot be read: Is a directory"):
        ZipStore(tmp_path / "folder.zip")
