"""The kit over real stand-ins: pictures, sweeps, attaching, refusing, finding runs again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pydantic import SecretStr

import runpodkit as rk
from runpodkit.blocking import shared_loop
from runpodkit.connecting import connect
from runpodkit.errors import ConfigError, RunConflictError, RunHeldError, StoreError
from runpodkit.kit import Kit
from runpodkit.runs.plans import refuse
from runpodkit.runs.tables import read_csv
from runpodkit.settings import EndpointAddress, Settings

SMALL = {"width": 64, "height": 64}


def test_the_ten_lines_of_the_readme_work_as_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    code = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)[0]

    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)

    run, kit = names["run"], names["kit"]
    assert isinstance(run, rk.Run)
    assert isinstance(kit, Kit)
    assert repr(run) == "Run lighthouse: DONE, 36 of 36 pictures, SIMULATOR"
    assert repr(names["sweep"]) == ("<Sweep 'a lighthouse at dusk': 36 trials = 3 sampler_name × 3 steps × 4 seed>")
    assert capsys.readouterr().out.startswith("SIMULATOR (nothing is paid) · endpoint simulator · dialect native")
    assert len(read_csv(Path("lighthouse.csv"))) == 36
    kit.close()


def test_one_picture_carries_what_is_known_of_it(kit: Kit) -> None:
    picture = kit.generate("a red boat", seed=7, steps=3, **SMALL)

    assert picture.image.size == (64, 64)
    assert (picture.seed, picture.params.steps, picture.simulated) == (7, 3, True)
    assert picture.prompt.startswith("a red boat, ")
    assert picture.execution_time_s is not None
    assert picture.execution_time_s > 0
    assert repr(picture) == "Picture 64×64, Euler, 3 steps, cfg scale 4, seed 7 (SIMULATOR)"
    assert rk.read_metadata(picture.bytes) == picture.params


def test_the_same_picture_is_drawn_once_and_a_random_seed_draws_another(kit: Kit) -> None:
    one, again = (kit.generate("a green hill", seed=11, steps=2, **SMALL) for _ in range(2))
    other, another = (kit.generate("a green hill", steps=2, **SMALL) for _ in range(2))

    assert again.record.state == "REUSED"
    assert again.bytes == one.bytes
    assert other.seed != another.seed


async def test_everything_that_waits_can_be_awaited_too(home: Path) -> None:
    kit = connect(quiet=True)
    try:
        picture = await kit.agenerate("a pier", seed=3, steps=2, **SMALL)
        run = await kit.asubmit(rk.sweep("a pier", seed=[3, 4], steps=2, **SMALL), name="awaited")
        await run
        ended = [record.trial async for record in run]
    finally:
        await kit.aclose()

    assert picture.seed == 3
    assert sorted(ended) == [0, 1]


def test_a_user_s_dialect_travels_with_the_run_and_its_file_may_be_gone(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'base = "native"\npreset = "none"\n[defaults]\nsteps = 3\nwidth = 64\nheight = 64\n[bounds]\nsteps = { le = 5 }'
    )
    kit = connect(dialect="mine.toml", quiet=True)
    (tmp_path / "mine.toml").unlink()

    with pytest.raises(ValueError, match=r"steps=6: must be within \.\.5 for the mine dialect"):
        kit.submit(rk.sweep("a kite", steps=[5, 6]))
    run = kit.submit(rk.sweep("a kite", seed=[1, 2]), name="mine").wait(progress=False)
    steps, prompt, collected = [*run.table()["steps"]], run.pictures()[0].prompt, run.report()["collected"]
    kit.close()

    assert (steps, prompt, collected) == ([3, 3], "a kite", 2)


def test_a_run_has_a_record_a_row_and_a_cell_for_each_trial(kit: Kit, tmp_path: Path) -> None:
    sweep = rk.sweep("a windmill", sampler_name=["Euler", "Heun"], steps=[2, 3], seed=5, **SMALL)

    run = kit.submit(sweep, name="four").wait(progress=False)
    table = run.table()
    run.to_csv(tmp_path / "four.csv")

    assert list(table["steps"]) == [2, 3, 2, 3]
    assert list(table["sampler_name"]) == ["Euler", "Euler", "Heun", "Heun"]
    assert set(table["seed"]) == {5}
    assert (table["state"] == "COLLECTED").all()
    assert table[["queue_delay_s", "execution_time_s", "cost_usd", "image"]].notna().all(axis=None)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "four.csv"), table)
    assert repr(run.grid()) == "Grid 2 × 2, 4 pictures"
    assert list(run.compare("sampler_name", baseline="Euler").table["pairs"]) == [2, 2]
    assert [picture.params.steps for picture in run.pictures(sampler_name="Heun")] == [2, 3]
    assert run.failures().empty


def test_the_same_name_and_sweep_attach_and_another_sweep_is_refused(kit: Kit) -> None:
    sweep = rk.sweep("a quarry", seed=[1, 2], steps=2, **SMALL)
    first = kit.submit(sweep, name="twice").wait(progress=False)
    before = first.status().submissions

    again = kit.submit(sweep, name="twice").wait(progress=False)
    with pytest.raises(RunConflictError, match=r"a run named 'twice' exists with another sweep .*fresh=True"):
        kit.submit(rk.sweep("a quarry", seed=[1, 2, 3], steps=2, **SMALL), name="twice")
    other = kit.submit(rk.sweep("a quarry", seed=[1, 2, 3], steps=2, **SMALL), name="twice", fresh=True)

    assert again.status().submissions == before == 2
    assert other.name == "twice-2"
    assert other.wait(progress=False).report()["reused"] == 2


def test_a_second_sweep_pays_only_for_what_is_new(kit: Kit) -> None:
    kit.submit(rk.sweep("a canal", seed=[1, 2], steps=2, **SMALL), name="old").wait(progress=False)
    wider = rk.sweep("a canal", seed=[1, 2, 3], steps=2, **SMALL)

    about = kit.estimate(wider)
    report = kit.submit(wider, name="wider").wait(progress=False).report()

    assert (about.trials, about.reused) == (3, 2)
    assert (report["collected"], report["reused"], report["submissions"]) == (3, 2, 1)


def test_a_finished_run_is_read_from_its_folder_without_redis(kit: Kit, home: Path) -> None:
    run = kit.submit(rk.sweep("a bridge", seed=[1, 2], steps=2, **SMALL), name="kept").wait(progress=False)

    read = rk.open_run(home / "store" / "runs" / "kept")

    pd.testing.assert_frame_equal(read.table(), run.table())
    assert read.grid().image.size == run.grid().image.size
    with pytest.raises(ConfigError, match="can only be read"):
        read.cancel()


def test_runs_are_listed_newest_first_and_opened_by_name(kit: Kit) -> None:
    for name in ("older", "newer"):
        kit.submit(rk.sweep(f"a {name} tree", seed=1, steps=2, **SMALL), name=name).wait(progress=False)

    listed = [name for name in kit.runs()["name"] if name in ("older", "newer")]

    assert listed == ["newer", "older"]
    assert kit.open_run("older").state == "DONE"
    with pytest.raises(StoreError, match="no run is named 'never'"):
        kit.open_run("never")


def test_a_run_whose_redis_was_lost_before_its_end_is_entered_again_and_keeps_its_pictures(kit: Kit) -> None:
    slow = {"mock": {"exec_ms": 1000, "bytes": 300}}
    sweep = rk.sweep("a wreck", seed=range(12), extra=slow, steps=2, **SMALL)
    run = kit.submit(sweep, name="stranded", window=4)
    while len([record for record in run.records() if record.images]) < 4:
        time.sleep(0.1)
    shared_loop().call(kit.ledger.forget("stranded"))

    again = kit.submit(sweep, name="stranded").wait(progress=False)

    report = again.report()
    assert report["collected"] == 12, report
    assert report["reused"] >= 4


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sampler_name": "Eular"}, "did you mean 'Euler'"),
        ({"sampler_name": ["Euler", "UniPC"]}, "sampler_name='UniPC' is unknown to the native dialect"),
        ({"steps": 0}, "steps"),
        ({"steps": [10, 0]}, "axis steps: 0 is below 1"),
        ({"width": 100}, "width"),
        ({"steps": []}, "axis steps"),
        ({"stepz": 3}, "stepz"),
        ({"num_images": 2}, "num_images=2: the native dialect has no such input"),
    ],
)
def test_a_bad_value_is_one_clear_error_before_anything_runs(kit: Kit, fields: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        kit.submit(rk.sweep("a pier", **fields), name="never-made")

    assert "never-made" not in set(kit.runs()["name"])


@pytest.mark.parametrize("name", ["../up", "a b", "", ".hidden", "x" * 81, "a/b", "naïve"])
def test_a_name_that_could_become_a_path_is_refused(kit: Kit, name: str) -> None:
    plan = rk.sweep("a pier", seed=1)
    if name:
        with pytest.raises(ValueError, match="a run's name has 1 to 80"):
            kit.submit(plan, name=name)


def test_a_real_endpoint_is_never_replaced_by_the_simulator(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"^RUNPOD_API_KEY is not set"):
        connect(live=True)
    with pytest.raises(ConfigError, match=r"^RUNPOD_API_KEY is not set"):
        connect("abc123def456")


def test_a_wrong_key_is_told_at_once(
    home: Path, simulated: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_URL", simulated().url)  # type: ignore[attr-defined]
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_another_key")
    kit = connect(quiet=True, start_worker=False)

    with pytest.raises(RunHeldError, match=r"HTTP 401.*check RUNPOD_API_KEY"):
        kit.generate("a pier", seed=1, **SMALL)
    checks = {check.what: check for check in kit.check()}
    kit.close()

    assert not checks["endpoint"].ok
    assert "401" in checks["endpoint"].detail
    assert checks["Redis"].ok
    assert checks["store"].ok


def test_an_unknown_endpoint_is_told_at_once(
    home: Path, simulated: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = simulated().url.replace("/local/", "/elsewhere/")  # type: ignore[attr-defined]
    monkeypatch.setenv("RUNPOD_URL", url)
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_made_up_for_tests")
    kit = connect(quiet=True, start_worker=False)

    with pytest.raises(RunHeldError, match=r"endpoint elsewhere is unknown.*check RUNPOD_URL"):
        kit.generate("a pier", seed=1, **SMALL)
    kit.close()


def test_interrupting_a_generation_cancels_its_job(kit: Kit) -> None:
    import asyncio

    async def interrupted() -> None:
        slow = {"mock": {"exec_ms": 60_000}}
        task = asyncio.ensure_future(kit.agenerate("a slow one", seed=1, extra=slow, call_id="slow", **SMALL))
        while (await kit.endpoint.health()).in_progress == 0:
            await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    shared_loop().call(interrupted())
    head_and_state = shared_loop().call(kit.ledger.rows("one-slow"))

    assert head_and_state[0].state == "CANCELLED"
    assert shared_loop().call(kit.endpoint.status(head_and_state[0].job or "")).status == "CANCELLED"


async def test_the_function_of_the_plain_integration_gives_an_address(home: Path) -> None:
    url = await rk.generate_image_async("a pier at dawn", width=64, height=64, steps=2, seed=9)

    assert url.startswith("file://")
    assert _starts_as_png(url.removeprefix("file://"))


def _starts_as_png(path: str) -> bool:
    return Path(path).read_bytes().startswith(b"\x89PNG")


SCHNELL = EndpointAddress(
    "https://api.runpod.ai/v2/black-forest-labs-flux-1-schnell", SecretStr("rpa_made_up_for_tests")
)
TURBO = EndpointAddress("https://api.runpod.ai/v2/z-image-turbo", SecretStr("rpa_made_up_for_tests"))


@pytest.mark.parametrize(
    ("address", "axes", "said"),
    [
        (SCHNELL, {"steps": [4, 20]}, ["steps=20: must be within 1..8 for the black-forest-labs-flux-1-schnell dialect"]),
        (SCHNELL, {"steps": [4, 8], "seed": [1, 2]}, []),
        (TURBO, {"width": [1280, 720], "height": [720, 1280], "mode": "zip"}, []),
        (TURBO, {"width": [1280], "height": [720, 768]}, ["1280×768: the z-image-turbo dialect takes these sizes"]),
        (TURBO, {"input_image": ["https://e.org/a.png"], "strength": [0.2, 0.9]}, []),
    ],
)  # fmt: skip
def test_only_values_that_a_trial_would_have_are_refused_each_once(
    address: EndpointAddress, axes: dict[str, object], said: list[str], home: Path
) -> None:
    kit = Kit(Settings.load(), address, stands_in=False)
    plan = rk.sweep("a pier", **axes)

    if not said:
        refuse(plan, kit._checked_dialect())
        return
    with pytest.raises(ValueError, match="dialect") as told:
        refuse(plan, kit._checked_dialect())
    problems = str(told.value).split("; ")
    assert len(problems) == len(said)
    assert all(problem.startswith(words) for problem, words in zip(problems, said, strict=True))


def test_any_number_of_watchers_see_each_trial_once_and_may_come_late(kit: Kit) -> None:
    slow = {"mock": {"exec_ms": 300, "bytes": 300}}
    run = kit.submit(rk.sweep("a watched mill", seed="1-16", extra=slow, **SMALL), name="watched")
    first: list[int] = []
    late: list[int] = []
    for record in run:
        first.append(record.trial)
        if len(first) == 6:
            late += [record.trial for record in kit.open_run("watched")]

    assert sorted(first) == sorted(late) == list(range(16))
    assert len(set(first)) == 16


def test_a_larger_sweep_extends_a_finished_run_and_pays_for_its_new_cells_alone(kit: Kit) -> None:
    small = rk.sweep("a growing mill", steps=[1, 2], **SMALL)
    large = rk.sweep("a growing mill", steps=[1, 2, 3], **SMALL)
    kit.submit(small, name="growing").wait(progress=False)

    with pytest.raises(RunConflictError):
        kit.submit(large, name="growing")
    run = kit.submit(large, name="growing", extend=True).wait(progress=False)
    again = kit.submit(large, name="growing", extend=True).wait(progress=False)

    for report in (run.report(), again.report()):
        assert (report["trials"], report["collected"], report["reused"], report["submissions"]) == (3, 3, 2, 1)
    assert len({record.params.seed for record in run.records()}) == 1
    with pytest.raises(ValueError, match=r"2 of 3 trials of run growing are not in this sweep, the first with steps=1"):
        kit.submit(rk.sweep("a growing mill", steps=[3, 4], **SMALL), name="growing", extend=True)


def test_a_run_that_only_the_store_knows_is_retried_for_what_is_missing(kit: Kit) -> None:
    run = kit.submit(rk.sweep("a forgotten mill", seed="1-4", steps=1, **SMALL), name="forgotten").wait(progress=False)
    gone = run.records()[2].images[0].key
    kit.store.delete(gone)
    shared_loop().call(kit.ledger.forget("forgotten"))
    shared_loop().call(kit.ledger._redis.delete(f"runpodkit:claim:{kit.ledger._store}:{run.records()[2].key}"))

    run = kit.open_run("forgotten").retry().wait(progress=False)

    assert run.report()["collected"] == 4
    assert run.report()["submissions"] == 1
    assert kit.store.get(gone)


def test_what_a_run_costs_is_told_per_value_of_an_axis(kit: Kit) -> None:
    run = kit.submit(rk.sweep("a dear mill", steps=[1, 2], seed="1-3", **SMALL), name="per-value").wait(progress=False)

    told = run.summary("steps")

    assert told["trials"].tolist() == told["collected"].tolist() == [3, 3]
    assert told["cost_usd"].sum() == pytest.approx(run.report()["cost_usd"], rel=0.01)
