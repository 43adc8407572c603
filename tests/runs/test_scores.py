"""Scores: which pictures get a number and how often, what is refused, what fails and is told, and where the column stands."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from runpodkit.cli import main
from runpodkit.cli.scores import MEASURES
from runpodkit.errors import StoreError
from runpodkit.params import ImageParams
from runpodkit.runs import scoring
from runpodkit.runs.beside import ANSWERS
from runpodkit.runs.opening import open_place
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.runs.run import Run
from runpodkit.runs.score_keeping import Job
from runpodkit.runs.scorers import Scorer, built_ins
from runpodkit.runs.scores import Measure, Number, Score, read_score, score_key, write_score
from runpodkit.runs.tables import read_csv
from runpodkit.runs.tables.columns import KNOWN
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import Trial, sweep
from tests.runs.finished import finished
from tests.runs.kept import keep_joint

PLAN = sweep("a mill", steps=[4, 8, 12], seed=[1, 2], width=64, height=64)
"""Trials 0 to 5: steps 4 with seeds 1 and 2, then 8, then 12."""


def grey(level: int, size: tuple[int, int] = (64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (level,) * 3).save(out, "PNG")
    return out.getvalue()


def by_steps(trial: Trial, number: int) -> bytes:
    """A flat picture whose level is ten times the steps, plus the number of the picture."""
    return grey(10 * trial.params.steps + number)


class Watched(LocalStore):
    """A folder that tells which pictures were read, and may refuse to be written to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read: list[str] = []
        self.frozen = False

    def get(self, key: str) -> bytes:
        if key.startswith("images/"):
            self.read.append(key)
        return super().get(key)

    def put(self, key: str, data: bytes, content_type: str | None = None) -> None:
        if self.frozen:
            raise StoreError(f"cannot store key {key!r}: it can only be read")
        super().put(key, data, content_type)


def watched(run: Run, root: Path) -> Watched:
    """The run's store, with an eye on it."""
    store = Watched(root)
    run._store = store
    return store


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return finished(tmp_path, PLAN, draw=by_steps)


def level(image: Image.Image, params: ImageParams) -> float:
    """How bright the upper left pixel is."""
    return float(np.asarray(image)[0, 0, 0])


# numbers


def test_a_function_gets_picture_and_parameters_and_its_numbers_come_by_trial(run: Run) -> None:
    def both(image: Image.Image, params: ImageParams) -> float:
        return level(image, params) + params.seed / 10

    told = run.score(both)

    assert told.name == "both"
    assert told.to_dict() == {0: 40.1, 1: 40.2, 2: 80.1, 3: 80.2, 4: 120.1, 5: 120.2}
    assert str(told.dtype) == "Float64"


async def test_it_can_be_awaited(run: Run) -> None:
    assert list(await run.ascore(level)) == [40, 40, 80, 80, 120, 120]


def test_flat_pictures_have_the_built_in_numbers_that_the_formulas_give(run: Run) -> None:
    c1 = 2.55**2

    assert set(run.score("sharpness")) == set(run.score("contrast")) == set(run.score("colourfulness")) == {0}
    assert set(run.score("phash_distance", baseline={"steps": 4})) == {0}
    assert list(run.score("ssim", baseline={"steps": 4})) == pytest.approx(
        [1, 1, *[(2 * 40 * 80 + c1) / (40**2 + 80**2 + c1)] * 2, *[(2 * 40 * 120 + c1) / (40**2 + 120**2 + c1)] * 2]
    )


def test_baselines_pair_by_everything_else(tmp_path: Path) -> None:
    """Pictures of seed 1 are all alike, those of seed 2 all differ: only pairs within a seed show that."""
    rng = np.random.default_rng(3)
    noise = [rng.integers(0, 256, (64, 64, 3)).astype(np.uint8) for _ in range(4)]

    def draw(trial: Trial, number: int) -> bytes:
        out = io.BytesIO()
        Image.fromarray(noise[3 if trial.params.seed == 1 else trial.number // 2]).save(out, "PNG")
        return out.getvalue()

    run = finished(tmp_path, PLAN, draw=draw)
    told = run.score("ssim", baseline={"steps": 12})

    assert [told[trial] for trial in (0, 2, 4, 5)] == [1, 1, 1, 1]
    assert max(told[1], told[3]) < 0.2


def test_each_baseline_is_decoded_once(run: Run, tmp_path: Path) -> None:
    store = watched(run, tmp_path)
    run.score("ssim", baseline={"steps": 4}, workers=4)

    assert len(store.read) == 6 + 2


@pytest.mark.parametrize("pick", [lambda run: run.records()[2], lambda run: run.pictures(steps=8)[0]])
def test_one_record_or_picture_may_be_the_baseline_of_all(run: Run, pick: Callable[[Run], Any]) -> None:
    told = run.score("ssim", baseline=pick(run))

    assert [told[2], told[3]] == [1, 1]
    assert max(told[0], told[5]) < 1
    assert run.scores()["measure"]["ssim"] == "ssim against trial 2 of mill"


def test_a_trial_of_several_pictures_has_their_mean_and_its_pictures_their_pairs(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN, images=3, draw=by_steps)

    assert list(run.score(level)) == [41, 41, 81, 81, 121, 121]
    assert list(run.score("ssim", baseline={"steps": 4}))[:2] == [1, 1]


def test_a_trial_without_a_picture_and_one_without_a_baseline_have_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose(record: Record) -> Record:
        return replace(record, state=TrialState.FAILED, images=()) if record.trial == 1 else record

    run = finished(tmp_path, PLAN, draw=by_steps, edit=lose)
    told = run.score("ssim", baseline={"steps": 4})

    assert [trial for trial, value in told.items() if pd.isna(value)] == [1, 3, 5]
    assert "no picture of steps=4 to compare with: 2 trials (3, 5)" in capsys.readouterr().err


# a model that sees batches


class Model:
    """A scorer that remembers what it saw."""

    name = "clip"

    def __init__(self, batch_size: int = 4, bad: int = -1) -> None:
        self.batch_size, self.bad = batch_size, bad
        self._seen: list[int] = []
        self._threads: set[int] = set()

    def score(self, images: Sequence[Image.Image], params: Sequence[ImageParams]) -> list[np.float32]:
        self._seen.append(len(images))
        self._threads.add(threading.get_ident())
        if any(each.steps == self.bad for each in params):
            raise RuntimeError("CUDA out of memory")
        return [np.float32(level(image, each)) for image, each in zip(images, params, strict=True)]


def test_a_scorer_sees_batches_from_one_thread(run: Run) -> None:
    model = Model()

    assert isinstance(model, Scorer)
    assert list(run.score(model, workers=3)) == [40, 40, 80, 80, 120, 120]
    assert model._seen == [4, 2]
    assert len(model._threads) == 1
    assert list(run.table()["clip"]) == [40, 40, 80, 80, 120, 120]


def test_of_a_batch_that_fails_only_the_bad_pictures_are_without(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    told = run.score(Model(bad=8))

    assert list(told.dropna()) == [40, 40, 120, 120]
    assert "score clip: trial 2 has none: RuntimeError: CUDA out of memory" in capsys.readouterr().err


def test_a_batch_of_the_wrong_length_is_told(run: Run) -> None:
    class Short(Model):
        def score(self, images: Sequence[Image.Image], params: Sequence[ImageParams]) -> list[np.float32]:
            return []

    with pytest.raises(ValueError, match=r"none of 6 pictures; trial 0: it gave 0 numbers for 1 pictures"):
        run.score(Short())


# computed once


def test_a_second_call_reads_no_picture_and_computes_only_what_is_new(run: Run, tmp_path: Path) -> None:
    store = watched(run, tmp_path)
    part = run.score(level, where={"steps": [4, 8]})
    first = len(store.read)
    whole = run.score(level)
    run.score(level)

    assert (len(part), first) == (4, 4)
    assert len(store.read) == 6
    assert list(whole) == [40, 40, 80, 80, 120, 120]


def test_a_picture_drawn_anew_under_its_key_is_scored_anew(run: Run, tmp_path: Path) -> None:
    run.score(level)
    again = finished(tmp_path, PLAN, draw=lambda trial, number: grey(7))

    assert set(again.score(level)) == {7}


def test_another_baseline_picture_makes_its_pairs_new(run: Run, tmp_path: Path) -> None:
    run.score("ssim", baseline={"steps": 4})
    again = finished(
        tmp_path, PLAN, draw=lambda trial, number: by_steps(trial, 0) if trial.params.steps > 4 else grey(80)
    )
    store = watched(again, tmp_path)
    told = again.score("ssim", baseline={"steps": 4})

    assert [told[2], told[3]] == [1, 1]
    assert len(store.read) == 6 + 2


def test_the_same_picture_in_another_run_is_not_scored_again(tmp_path: Path) -> None:
    first = finished(tmp_path, PLAN, name="first", draw=by_steps)
    first.score("contrast")
    files = {record.trial: record.images for record in first.records()}

    def reuse(record: Record) -> Record:
        return replace(record, state=TrialState.REUSED, images=files[record.trial])

    second = finished(tmp_path, PLAN, name="second", draw=by_steps, edit=reuse)
    store = watched(second, tmp_path)

    assert list(second.score("contrast")) == [0] * 6
    assert store.read == []
    assert second.scores()["trials"]["contrast"] == 6


def test_a_function_that_changed_is_refused_until_redo_is_said(run: Run) -> None:
    def sharp(image: Image.Image, params: ImageParams) -> float:
        return 1.0

    run.score(sharp)

    def sharp(image: Image.Image, params: ImageParams) -> float:  # type: ignore[no-redef]
        return 2.0

    with pytest.raises(ValueError, match=r"'sharp' was computed by other code of that function.*redo=True"):
        run.score(sharp)
    assert set(run.score(sharp, redo=True)) == {2}
    assert set(run.score(sharp)) == {2}


def test_another_python_cannot_tell_and_says_so(run: Run, tmp_path: Path) -> None:
    run.score(level)
    there = read_score(run.store, "mill", "level")
    assert there is not None
    write_score(run.store, "mill", replace(there, measure=Measure("function", "py3.9:0123456789abcdef")))

    with pytest.raises(ValueError, match=r"computed by py3\.9, this is py3\.\d+, so nobody can tell"):
        run.score(level)


def test_another_measure_or_baseline_under_a_name_is_refused(run: Run) -> None:
    run.score("ssim", baseline={"steps": 4})

    with pytest.raises(
        ValueError, match="'ssim' was computed as ssim against steps=4, and not as ssim against steps=8"
    ):
        run.score("ssim", baseline={"steps": 8})
    with pytest.raises(ValueError, match="and not as contrast"):
        run.score("contrast", "ssim")
    assert run.score("ssim", "ssim-8", baseline={"steps": 8})[2] == 1


# failures


def test_a_picture_that_fails_is_told_with_its_trial_and_the_others_have_their_numbers(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    bad: dict[tuple[int, int], Any] = {
        (4, 1): float("nan"),
        (4, 2): float("inf"),
        (8, 1): 1j,
        (8, 2): "0.3",
        (12, 1): None,
    }

    def odd(image: Image.Image, params: ImageParams) -> Any:
        return bad.get((params.steps, params.seed), 5)

    told = run.score(odd)
    lines = capsys.readouterr().err.splitlines()

    assert told.dropna().to_dict() == {5: 5}
    assert [line for line in lines if "has none" in line] == [
        "score odd: trial 0 has none: it gave nan, which is no finite number",
        "score odd: trial 1 has none: it gave inf, which is no finite number",
        "score odd: trial 2 has none: it gave 1j, a complex, not a number",
        "score odd: trial 3 has none: it gave '0.3', a str, not a number",
        "score odd: trial 4 has none: it gave None: does the function return its number?",
    ]
    bad.clear()
    assert set(run.score(odd, redo=True)) == {5}


def test_a_picture_that_cannot_be_read_or_is_gone_is_told(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    keys = [record.images[0].key for record in run.records()]
    run.store.put(keys[0], b"no picture at all")
    run.store.delete(keys[1])

    assert list(run.score("contrast").dropna().index) == [2, 3, 4, 5]
    said = capsys.readouterr().err
    assert "trial 0 has none" in said
    assert f"trial 1 has none: cannot read key '{keys[1]}'" in said


def test_a_baseline_that_is_gone_is_said_to_be_what_is_wrong(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.store.delete(run.records()[0].images[0].key)

    assert list(run.score("ssim", baseline={"steps": 4}).dropna().index) == [1, 3, 5]
    assert "trial 2 has none: its baseline cannot be read: cannot read key" in capsys.readouterr().err


def test_a_store_that_does_not_answer_ends_it_and_keeps_what_there_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = watched(run, tmp_path)
    plain = store.get

    def away(key: str) -> bytes:
        if key.startswith("images/") and len(store.read) == 3:
            raise StoreError("no route to host")
        return plain(key)

    monkeypatch.setattr(store, "get", away)
    with pytest.raises(StoreError, match="no route to host"):
        run.score(level, workers=1)
    monkeypatch.undo()
    assert run.scores()["trials"]["level"] == 3


def test_many_failures_are_told_in_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished(tmp_path, sweep("a mill", seed=range(20), width=64, height=64), draw=lambda trial, number: grey(9))

    def most(image: Image.Image, params: ImageParams) -> float:
        return 1.0 if params.seed == 0 else 1 / 0

    run.score(most)

    assert capsys.readouterr().err.splitlines()[-1] == (
        "score most: 14 more have none: trials 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19"
    )


def test_a_function_that_never_works_is_given_up_and_keeps_what_there_was(tmp_path: Path) -> None:
    run = finished(tmp_path, sweep("a mill", seed=range(40), width=64, height=64), draw=lambda trial, number: grey(9))
    calls: list[int] = []

    def broken(image: Image.Image, params: ImageParams) -> float:
        calls.append(params.seed)
        raise NameError("np")

    with pytest.raises(ValueError, match="broken could score none of 25 pictures; trial 0: NameError: np"):
        run.score(broken, workers=1)
    assert len(calls) <= 26
    assert run.scores().empty


def test_an_interruption_keeps_what_was_computed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(image: Image.Image, params: ImageParams) -> float:
        if params.steps == 8:
            begun.set()
            go_on.wait(10)
        return 1.0

    async def interrupted() -> None:
        work = asyncio.ensure_future(run.ascore(slow, workers=1))
        await asyncio.to_thread(begun.wait, 10)
        work.cancel()
        await asyncio.sleep(0.05)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(interrupted())

    kept = int(run.scores()["trials"]["slow"])
    assert 2 <= kept <= 3
    assert "slow: stopped after" in capsys.readouterr().err
    assert list(run.score(slow)) == [1] * 6


def test_numbers_are_written_now_and_then_over_what_another_kernel_wrote(run: Run) -> None:
    """Every look at the clock is a minute later, so each number is saved at once."""
    saved: list[int] = []

    def slow(image: Image.Image, params: ImageParams) -> float:
        there = read_score(run.store, "mill", "slow")
        saved.append(len(there.values) if there else 0)
        return 1.0

    ticks = iter(range(0, 10_000, 60))
    score = Score("slow", Measure("function", "py:0"))
    job = Job(slow, score, workers=1, clock=lambda: float(next(ticks)))
    tasks, _ = scoring._tasks(score, run.records(), None)
    scoring._fill(run, job, tasks, [])

    assert saved == [0, 1, 2, 3, 4, 5]


def test_memory_holds_as_many_pictures_as_there_are_workers(tmp_path: Path) -> None:
    plan = sweep("a mill", seed=range(30), width=64, height=64)
    run = finished(tmp_path, plan, draw=lambda trial, number: grey(9))
    alive: list[int] = []
    lock = threading.Lock()
    most = 0

    def counted(image: Image.Image, params: ImageParams) -> float:
        nonlocal most
        with lock:
            alive.append(1)
            most = max(most, len(alive))
        with lock:
            alive.pop()
        return 1.0

    run.score(counted, workers=3)

    assert 1 <= most <= 3


# names


@pytest.mark.parametrize(
    "name", [*KNOWN, *ANSWERS, "starred", "note", "Steps", "extra.lora", "trials", "failure_rate", "run", "repeat"]
)
def test_a_name_that_would_hide_something_is_refused(run: Run, name: str) -> None:
    with pytest.raises(ValueError, match="would hide"):
        run.score("contrast", name)
    assert run.scores().empty


@pytest.mark.parametrize("name", ["", " clip", "clip ", "a/b", "..", "=1+1", "9lives", "x" * 41, "a\nb", 3])
def test_what_is_no_name_is_refused(run: Run, name: Any) -> None:
    with pytest.raises(ValueError, match="a score is named by"):
        run.score("contrast", name)


def test_an_axis_is_no_name_and_names_differ_by_more_than_case(tmp_path: Path) -> None:
    run = finished(tmp_path, sweep("a mill", **{"extra.lora": [1, 2]}, width=64, height=64), draw=by_steps)
    run.score("contrast", "clip")

    with pytest.raises(ValueError, match="would hide the axis"):
        run.score("contrast", "extra.lora")
    with pytest.raises(ValueError, match="there is a score 'clip'"):
        run.score("contrast", "CLIP")
    assert run.score("contrast", "яркость 2").name == "яркость 2"


def test_two_scores_never_share_a_column_of_a_comparison(run: Run) -> None:
    run.score("contrast", "clip")
    run.score("contrast", "tone_high")

    for name, other in (("clip_low", "clip"), ("tone", "tone_high"), ("cost_usd_difference", "cost_usd")):
        with pytest.raises(ValueError, match=f"name='{name}' and '{other}' would share a column of a comparison"):
            run.score("contrast", name)
    assert run.score("contrast", "flow").name == "flow"


@pytest.mark.parametrize(
    ("fn", "words", "said"),
    [
        ("sharpnes", {}, "did you mean sharpness"),
        ("ssim", {}, r"give baseline=\{axis: value\}"),
        ("contrast", {"baseline": {"steps": 4}}, "only ssim, phash_distance compare"),
        (lambda image, params: 1, {}, "a lambda has no name: add name="),
        (7, {}, "7 cannot score"),
        (Model(batch_size=0), {}, "batch_size=0 of Model"),
        ("contrast", {"workers": 0}, "workers=0: 1 to 64"),
        ("ssim", {"baseline": {"step": 4}}, "step is no axis of this run; its axes: steps, seed"),
        ("ssim", {"baseline": {"steps": 5}}, "5 is no value of steps; its values: 4, 8, 12"),
        ("ssim", {"baseline": 4}, "baseline=4: give the value of an axis"),
        ("contrast", {"where": {"sampler": "Heun"}}, "sampler is no parameter"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(run: Run, fn: Any, words: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run.score(fn, **words)


# where the column stands


def test_the_column_is_in_table_csv_parquet_lines_summary_and_latex(run: Run, tmp_path: Path) -> None:
    run.score(level)
    frame = run.table()
    run.to_csv(tmp_path / "t.csv")
    run.to_parquet(tmp_path / "t.parquet")
    run.to_jsonl(tmp_path / "t.jsonl")

    assert list(frame["level"]) == [40, 40, 80, 80, 120, 120]
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), frame)
    assert list(pd.read_parquet(tmp_path / "t.parquet")["level"]) == [40, 40, 80, 80, 120, 120]
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [line["beside"] for line in lines[:3]] == [{"level": 40}, {"level": 40}, {"level": 80}]
    assert run.summary("steps")["level"].to_dict() == {4: 40, 8: 80, 12: 120}
    assert list(run.summary("level")["trials"]) == [2, 2, 2]
    assert "80" in run.to_latex(by="steps", columns=["level"])


def test_a_missing_number_comes_back_missing_from_a_csv(run: Run, tmp_path: Path) -> None:
    run.score(level, where={"steps": [4]})
    run.to_csv(tmp_path / "t.csv")

    frame = read_csv(tmp_path / "t.csv")
    assert list(frame["level"].isna()) == [False, False, True, True, True, True]
    pd.testing.assert_frame_equal(frame, run.table())


def test_the_column_is_under_cells_in_the_page_and_on_contact_sheets(run: Run, tmp_path: Path) -> None:
    run.score(level)

    def page(**words: Any) -> str:
        return run.to_html(tmp_path / "p.html", **words).read_text("utf-8")

    assert '"under":"level"' in page(under="level")
    columns = json.loads('["' + page().partition('"columns":["')[2].partition('"]')[0] + '"]')
    assert "level" in columns
    plain, noted = run.grid(), run.grid(under="level")
    assert noted.image.height > plain.image.height
    run.grid(rows="level", cols="seed")  # it can be placed
    assert run.contact_sheet(tmp_path / "c.png", under="level")[0].exists()
    assert run.grid(where={"level": 80}).image.size != plain.image.size


# listing, dropping, keeping


def test_scores_are_listed_with_their_spread_and_dropped(run: Run) -> None:
    run.score(level)
    run.score("contrast", where={"steps": 4})
    there = run.scores()

    assert list(there.index) == ["contrast", "level"]
    assert there.loc["level", ["trials", "mean", "low", "high", "saved"]].tolist() == [6, 80, 40, 120, True]
    assert there["trials"]["contrast"] == 2
    run.drop_score("level")
    assert "level" not in run.table().columns
    with pytest.raises(ValueError, match="'level' is no score of run mill; its scores: contrast"):
        run.drop_score("level")


def test_a_store_that_cannot_be_written_to_costs_only_the_keeping(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = watched(run, tmp_path)
    store.frozen = True
    run.score(level, where={"steps": [4, 8]})
    run.score(level)

    assert len(store.read) == 6
    assert capsys.readouterr().err.count("kept in memory only: cannot store key") == 1
    assert list(run.table()["level"]) == [40, 40, 80, 80, 120, 120]
    assert run.scores()["saved"]["level"] == np.False_
    run.drop_score("level")
    assert "level" not in run.table().columns


def test_a_frozen_run_carries_its_scores_and_takes_new_ones_in_memory(run: Run, tmp_path: Path) -> None:
    run.score(level)
    run.freeze(tmp_path / "mill.zip")
    again = open_place(tmp_path / "mill.zip")

    assert again is not None
    assert list(again.table()["level"]) == [40, 40, 80, 80, 120, 120]
    assert list(again.score(level)) == [40, 40, 80, 80, 120, 120]
    assert list(again.score("contrast")) == [0] * 6
    assert list(again.scores()["saved"]) == [False, True]


def test_a_joint_run_has_scores_of_its_own_and_they_travel(tmp_path: Path) -> None:
    plan = sweep("a mill", endpoint=["one", "two"], seed=[1, 2], width=64, height=64)
    store = LocalStore(tmp_path)
    keep_joint(store, plan, "both")
    run = open_place(tmp_path / "runs" / "both")
    assert run is not None
    run.score("contrast")
    run.freeze(tmp_path / "both.zip")
    again = open_place(tmp_path / "both.zip")

    assert again is not None
    assert list(again.table()["contrast"]) == [0] * 4


def test_a_file_that_is_no_score_is_named(run: Run) -> None:
    run.store.put(score_key("mill", "level"), b'{"format": 1}\n')

    with pytest.raises(StoreError, match=r"runs/mill/scores/level\.jsonl holds no score: .*; delete that file"):
        run.table()


def test_a_file_of_somebody_else_hides_nothing_that_the_records_say(run: Run) -> None:
    score = Score("steps", Measure("function"))
    records = run.records()
    write_score(
        run.store, "mill", score.with_values({score.place(each, each.images[0]): Number(9.0) for each in records})
    )

    assert list(run.table()["steps"]) == [4, 4, 8, 8, 12, 12]


# the command line


def test_the_command_line_scores_a_runs_folder(run: Run, tmp_path: Path) -> None:
    def score(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["score", str(tmp_path / "runs" / "mill"), *words])
        return done.exit_code, done.output

    assert score("--measure", "contrast") == (0, "contrast: 6 of 6 trials, mean 0, 0 to 0\n")
    assert score("--measure", "ssim", "--baseline", "steps=4", "--as", "like")[0] == 0
    assert run.scores()["measure"]["like"] == "ssim against steps=4"
    assert "give baseline=" in score("--measure", "ssim")[1]
    assert "give AXIS=VALUE" in score("--measure", "ssim", "--baseline", "4")[1]
    assert set(MEASURES) == set(built_ins())
