"""A run as a contact sheet: files, captions, failed trials, and what a reader of the PDF finds in it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader

from runpodkit.runs.policies import RunPolicy
from runpodkit.runs.records import Record
from runpodkit.runs.results import Results
from runpodkit.runs.rows import ImageFile, RunHead, TrialState
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import sweep

REASON = "out of memory"


class Held(Results):
    """A run whose records are at hand."""

    def __init__(self, head: RunHead, store: LocalStore, records: list[Record]) -> None:
        super().__init__(head, store)
        self._held = records

    async def _read_records(self) -> list[Record]:
        return self._held


def held(folder: Path, *, trials: int = 8, images: int = 1, **words: Any) -> Held:
    """Trial 2 failed, trial 3 has not ended, the others have pictures."""
    plan = sweep("a mill", sampler_name=["Euler", "Heun"], seed=list(range(trials // 2)))
    head = RunHead(
        name="mill-1", plan=plan.to_plan(), sweep_hash=plan.hash, trials=trials, identity="sketch-1", endpoint="simulator",
        dialect="native", simulated=words.pop("simulated", True), store="s", family="f", created_at=0.0, policy=RunPolicy(),
        reuse=True,
    )  # fmt: skip
    store = LocalStore(folder)
    states = {2: TrialState.FAILED, 3: TrialState.SUBMITTED}
    records = []
    for trial in plan.trials("mill-1"):
        files = []
        for number in range(images if trial.number not in states else 0):
            out = io.BytesIO()
            Image.new("RGB", (64, 96), (trial.number * 20, 90, 40)).save(out, "PNG")
            files.append(ImageFile(f"images/{trial.number}-{number}.png", 64, 96, out.tell()))
            store.put(files[-1].key, out.getvalue())
        records.append(
            Record(
                trial=trial.number,
                state=states.get(trial.number, TrialState.COLLECTED),
                values=trial.values,
                params=trial.params,
                prompt="a mill",
                negative_prompt="",
                run="mill-1",
                endpoint="simulator",
                simulated=head.simulated,
                images=tuple(files),
                reason=REASON if trial.number == 2 else None,
                execution_time_s=1.2345,
                **words,
            )
        )
    return Held(head, store, records)


def test_a_pdf_has_every_picture_with_its_number_and_values_and_the_reason_of_what_failed(tmp_path):
    (path,) = held(tmp_path / "store").contact_sheet(tmp_path / "sheet.pdf", under=["execution_time_s", "cost_usd"])

    reader = PdfReader(path)
    text = reader.pages[0].extract_text()
    for words in (
        "mill-1",
        "8 trials · 6 pictures · 1 failed · 1 not done · page 1 of 1",
        "0 · Euler ·",
        "seed 3",
        "failed",
        REASON,
    ):
        assert words in text, words
    assert text.count("execution_time 1.23 s") == 8 and text.count("cost unknown") == 8
    assert len(reader.pages[0].images) == 6
    assert reader.metadata.title == "mill-1" and reader.metadata.subject.startswith("SIMULATOR")
    width, height = (float(side) for side in reader.pages[0].mediabox[2:])
    assert (width, height) == pytest.approx((595.28, 841.89), abs=0.3)


def test_a_live_run_is_not_called_a_simulation(tmp_path):
    (path,) = held(tmp_path / "store", simulated=False).contact_sheet(tmp_path / "sheet.pdf")

    assert "SIMULATOR" not in PdfReader(path).metadata.subject


def test_a_png_of_one_page_has_the_name_asked_and_of_several_numbered_ones(tmp_path):
    run = held(tmp_path / "store")
    assert run.contact_sheet(tmp_path / "one.png", dpi=72) == [tmp_path / "one.png"]

    paths = held(tmp_path / "store", trials=80).contact_sheet(tmp_path / "new" / "many.png", columns=4, dpi=72)
    assert [path.name for path in paths] == [f"many-{number}.png" for number in range(1, len(paths) + 1)] and len(
        paths
    ) > 1
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [path.name for path in paths]
    with Image.open(paths[0]) as page:
        assert page.size == (595, 842) and page.info["dpi"][0] == pytest.approx(72, abs=0.01)
        assert page.info["Title"] == "mill-1" and page.info["Description"].startswith("SIMULATOR · 80 trials")


def test_trials_of_several_pictures_have_each_of_them(tmp_path):
    (path,) = held(tmp_path / "store", images=3).contact_sheet(tmp_path / "sheet.pdf")

    text = PdfReader(path).pages[0].extract_text()
    assert "0.1 · Euler" in text and "7.3 · Heun" in text and "18 pictures" in text


def test_a_picture_that_is_gone_from_the_store_is_a_failed_cell(tmp_path):
    run = held(tmp_path / "store")
    (tmp_path / "store" / "images" / "0-0.png").unlink()
    (path,) = run.contact_sheet(tmp_path / "sheet.pdf")

    assert len(PdfReader(path).pages[0].images) == 5


def test_a_long_value_goes_on_with_an_ellipsis(tmp_path):
    run = held(tmp_path / "store")
    run._held = [
        Record(
            **{
                **{name: getattr(one, name) for name in Record.__dataclass_fields__},
                "values": {"user_prompt": "ä" * 4000},
            }
        )
        for one in run._held
    ]
    (path,) = run.contact_sheet(tmp_path / "sheet.pdf")

    text = PdfReader(path).pages[0].extract_text()
    assert "…" in text and text.count("ä") == 8 * 119


@pytest.mark.parametrize(
    ("path", "words", "message"),
    [
        ("sheet.jpg", {}, r"sheet\.jpg: a contact sheet is saved as \.pdf or \.png, not \.jpg"),
        ("sheet", {}, "not no suffix"),
        ("sheet.pdf", {"under": "sed"}, r"under='sed' is no field of this run's records; .*seed"),
        ("sheet.pdf", {"columns": 99}, "columns=99"),
        ("sheet.pdf", {"page": "A0"}, "page='A0'"),
    ],
)
def test_a_callers_mistake_writes_nothing(path, words, message, tmp_path):
    run = held(tmp_path / "store")
    with pytest.raises(ValueError, match=message):
        run.contact_sheet(tmp_path / "out" / path, **words)
    assert not (tmp_path / "out").exists()
