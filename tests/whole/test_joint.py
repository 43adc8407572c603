"""One sweep over several endpoints, from the file that names them to one grid, table and folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

import runpodkit as rk
from runpodkit import stack
from runpodkit.connecting import connect
from runpodkit.errors import ConfigError
from runpodkit.kit import Kit
from runpodkit.runs.policies import RunPolicy
from runpodkit.settings import EndpointAddress, Settings
from tests.whole.conftest import KEY, Simulated

SMALL = {"width": 64, "height": 64}


@pytest.fixture
def two(
    tmp_path: Path, simulated: Callable[..., Simulated], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Kit, Simulated]]:
    """A kit on the stand-in, and a second endpoint named `second`."""
    home = tmp_path / "own"
    home.mkdir()
    second = simulated("--workers", "2")
    monkeypatch.setenv("SECOND_KEY", KEY)
    monkeypatch.setenv("RUNPODKIT_HOME", str(home))
    (home / "endpoints.toml").write_text(
        f'[second]\nurl = "{second.url}"\nkey_env = "SECOND_KEY"\nmodel = "another"\nusd_per_image = 0.02\n'
    )
    kit = connect(quiet=True)
    yield kit, second
    kit.close()
    stack.down(Settings.load(tmp_path, RUNPODKIT_HOME=home))


def test_endpoints_are_an_axis_like_any_other(two: tuple[Kit, Simulated]) -> None:
    kit, _ = two
    plan = rk.sweep("a mill", endpoint=["simulator", "second"], steps=[1, 2], **SMALL)

    run = kit.submit(plan, name="cmp").wait(progress=False)

    table = run.table()
    assert list(table["endpoint"]) == ["simulator", "simulator", "second", "second"]
    assert list(table["steps"]) == [1, 2, 1, 2]
    assert table["seed"].nunique() == 1
    assert list(table["cost_usd"][2:]) == [0.02, 0.02]
    assert len({record.key for record in run.records()}) == 4  # another model, other pictures
    assert run.grid(rows="endpoint").image.width > 200
    assert (run.report()["submissions"], run.report()["state"]) == (4, "DONE")
    again = kit.submit(plan, name="cmp")
    assert (again.state, again.report()["submissions"]) == ("DONE", 4)
    assert list(kit.runs()["name"]) == ["cmp"]
    stored = rk.open_run(Path(os.environ["RUNPODKIT_HOME"]) / "store" / "runs" / "cmp")
    assert [record.endpoint for record in stored.records()] == list(table["endpoint"])


def test_what_one_endpoint_cannot_honour_is_told_before_and_may_stay_empty(two: tuple[Kit, Simulated]) -> None:
    kit, _ = two
    plan = rk.sweep("a mill", endpoint=["simulator", "second"], sampler_name=["Euler", "UniPC"], steps=1, **SMALL)

    with pytest.raises(ValueError, match=r"simulator: sampler_name='UniPC'.*empty_cells=True leaves those cells empty"):
        kit.submit(plan, name="holes")
    run = kit.submit(plan, name="holes", empty_cells=True).wait(progress=False)

    drawn = [(record.endpoint, record.params.sampler_name) for record in run.records()]
    assert drawn[0] == ("simulator", "Euler")
    assert ("simulator", "UniPC") not in drawn
    assert [record.trial for record in run.records()] == [0, 2, 3]


def test_a_joint_run_is_steered_as_one(two: tuple[Kit, Simulated]) -> None:
    kit, _ = two
    slow = {"mock": {"exec_ms": 400, "bytes": 300}}
    plan = rk.sweep("a mill", endpoint=["simulator", "second"], seed="1-12", extra=slow, steps=1, **SMALL)

    run = kit.submit(plan, name="steered")
    run.pause()
    run.wait(progress=False)
    paused = run.status()
    run.resume()
    run.wait(progress=False)

    assert str(paused.state) == "PAUSED"
    assert run.report()["collected"] == run.report()["submissions"] == 24


def test_a_name_that_no_endpoint_has_is_told_with_those_there_are(two: tuple[Kit, Simulated]) -> None:
    kit, _ = two

    with pytest.raises(ConfigError, match=r"'third' is not in .*endpoints\.toml; known: second, simulator"):
        kit.submit(rk.sweep("a mill", endpoint=["third"], **SMALL))


def test_connect_takes_a_name_of_the_file(two: tuple[Kit, Simulated]) -> None:
    _, second = two

    kit = connect("second", quiet=True)
    picture = kit.generate("a mill", seed=3, steps=1, **SMALL)

    assert kit.where()["endpoint"] == second.url.removesuffix("/run")
    assert picture.cost_usd == 0.02
    kit.close()


def test_a_file_that_changes_is_read_anew_and_a_finished_joint_run_stays_in_the_list(
    two: tuple[Kit, Simulated],
) -> None:
    kit, _ = two
    before = kit.on("second")
    file = Path(os.environ["RUNPODKIT_HOME"]) / "endpoints.toml"
    kit.submit(rk.sweep("a mill", endpoint=["simulator", "second"], steps=1, **SMALL), name="kept").wait(progress=False)

    assert kit.on("second") is before
    file.write_text(file.read_text().replace("0.02", "0.04"))
    assert kit.on("second") is not before
    assert kit.on("second").generate("a mill", seed=8, steps=1, **SMALL).cost_usd == 0.04
    listed = kit.runs()
    assert listed[["name", "state", "trials", "collected"]].values.tolist() == [["kept", "DONE", 2, 2]]


def test_looking_for_an_unknown_endpoint_starts_nothing(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path, RUNPODKIT_HOME=tmp_path / "own")
    address = EndpointAddress("https://api.runpod.ai/v2/abc123", SecretStr(KEY))
    try:
        kit = Kit(settings, address, stands_in=False)
        head = kit._head(rk.sweep("a mill", **SMALL), "theirs", RunPolicy())

        assert kit._for_head(head) is kit
        assert kit._for_head(replace(head, endpoint="gpu.example/xyz")) is None
        assert not [part for part in stack.status(settings) if part.name == "simulator" and part.running]
        kit.close()
    finally:
        stack.down(settings)
