"""What is killed in the middle of a run comes back, and the run's promises hold; `benchmarks/chaos.py` is the large version."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import suffer


@pytest.mark.parametrize(
    "victims",
    [("worker's child",), ("worker",), ("Redis",), ("notebook", "worker"), ("simulator", "Redis")],
    ids=" and ".join,
)
def test_a_run_whose_parts_are_killed_ends_with_one_record_and_one_picture_per_trial(
    victims: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = suffer(tmp_path, victims, trials=60, seed=11, patience_s=120)

    assert outcome.broken == []
    assert outcome.records == 60
    assert outcome.images + outcome.failed == 60
