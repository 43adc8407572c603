"""The mark of AI-made media and its switch, from the settings to the picture that a worker stored."""

from __future__ import annotations

from pathlib import Path

import pytest

import runpodkit as rk
from runpodkit.connecting import connect
from runpodkit.images.metadata import read_facts

SMALL = {"width": 64, "height": 64, "steps": 1}


def test_pictures_are_marked_unless_the_switch_is_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = []
    for switch, seed in (("", 7), ("0", 8)):
        monkeypatch.setenv("RUNPODKIT_AI_MARK", switch)
        kit = connect(quiet=True)
        data.append(kit.generate("a red boat", seed=seed, **SMALL).bytes)
        kit.close()

    marked, bare = data
    facts = read_facts(marked)
    assert (facts.tool, facts.source_type) == ("runpodkit", "trainedAlgorithmicMedia")
    assert facts.info["simulated"] is True and facts.info["job_id"]
    assert read_facts(bare).source_type is None
    assert rk.read_metadata(bare).seed == 8


def test_the_celery_worker_is_told_of_the_switch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPODKIT_AI_MARK", "off")
    kit = connect(quiet=True)
    run = kit.submit(rk.sweep("a red boat without a mark", seed=[1, 2], **SMALL), name="bare")
    run.wait()

    assert [read_facts(picture.bytes).source_type for picture in run.pictures()] == [None, None]
    kit.close()
