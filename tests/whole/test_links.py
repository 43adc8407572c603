"""Links of exports as somebody without keys follows them: a bucket's signed ones, until they lapse."""

from __future__ import annotations

from pathlib import Path

import httpx
import pandas as pd
from pydantic import SecretStr

from runpodkit.runs.tables import read_csv
from runpodkit.storage.s3 import S3Store
from tests.runs.made_up import failed, image_file, kept, record


def test_signed_links_in_a_table_open_the_pictures_and_the_plain_table_has_none(bucket: str, tmp_path: Path) -> None:
    store = S3Store("pictures", SecretStr("made-up"), SecretStr("made-up-too"), bucket, "ru-central1", "mine/")
    run = kept(tmp_path, [record(0), failed(1), record(2, images=(image_file(2), image_file(2, 1)))], store)

    linked = read_csv(run.to_csv(tmp_path / "linked.csv", links=7))
    plain = run.to_csv(tmp_path / "plain.csv")

    answers = [httpx.get(url, trust_env=False) for url in linked["url"].dropna()]
    assert [answer.content for answer in answers] == [store.get(image_file(0).key), store.get(image_file(2).key)]
    assert [answer.headers["content-type"] for answer in answers] == ["image/png"] * 2
    assert linked["url"].isna().tolist() == [False, True, False]
    assert linked["urls"][2].split("; ")[0] == linked["url"][2]
    pd.testing.assert_frame_equal(linked.drop(columns=["url", "urls"]), read_csv(plain))
    assert b"Signature" not in plain.read_bytes()


def test_an_imagefolder_is_made_from_a_bucket_too(bucket: str, tmp_path: Path) -> None:
    store = S3Store("pictures", SecretStr("made-up"), SecretStr("made-up-too"), bucket, "ru-central1", "mine/")
    run = kept(tmp_path, [record(number) for number in range(12)], store)

    folder = run.export(tmp_path / "out", "imagefolder")

    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert names == sorted(image_file(number).key for number in range(12))
    assert (folder / names[0]).read_bytes() == store.get(names[0])
