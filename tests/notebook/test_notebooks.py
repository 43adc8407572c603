"""The notebooks as they are saved: executed, small, the same on every machine, and on public names alone."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import runpodkit

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MACHINE = re.compile(
    r"/(?:home|root|tmp|Users|private|var|mnt|usr|opt)/\w|[A-Z]:\\\\|127\.0\.0\.1|localhost|[0-9a-f]{16,}|0x[0-9a-f]{6,}"
)

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def words(path: Path) -> str:
    """All text that is saved as output; pictures are not text."""
    texts = []
    for cell in code_cells(path):
        for output in cell["outputs"]:
            data = {"text": output.get("text", ""), **output.get("data", {})}
            texts += ["".join(text) for kind, text in data.items() if not kind.startswith("image/")]
    return "\n".join(texts)


def test_it_asks_one_question_and_tells_its_cost_in_jobs_first(path: Path) -> None:
    first = source(read(path)["cells"][0])

    assert first.count("?") == 1
    assert re.search(r"\*\*\d+ jobs\*\*", first)


def test_it_is_saved_executed_from_top_to_bottom(path: Path) -> None:
    cells = code_cells(path)

    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


def test_it_is_small_and_for_any_python_3_kernel(path: Path) -> None:
    assert path.stat().st_size <= 1_000_000
    assert read(path)["metadata"]["kernelspec"]["name"] == "python3"


def test_no_path_port_or_random_id_is_saved_in_it(path: Path) -> None:
    without_widgets = read(path)["metadata"].keys() <= {"kernelspec", "language_info"}

    assert without_widgets
    assert MACHINE.findall(words(path)) == []
    assert not [cell for cell in code_cells(path) if "execution" in cell["metadata"]]


def test_it_uses_public_names_only(path: Path) -> None:
    tree = ast.parse("\n".join(source(cell) for cell in code_cells(path)))
    used: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            ours = [alias for alias in node.names if alias.name.startswith("runpodkit")]
            assert [(alias.name, alias.asname) for alias in ours] in ([], [("runpodkit", "rk")])
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("runpodkit"):
            assert node.module == "runpodkit"
            used += [alias.name for alias in node.names]
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
            if isinstance(node.value, ast.Name) and node.value.id == "rk":
                used.append(node.attr)

    assert used
    assert set(used) <= set(runpodkit.__all__)


def test_no_half_done_bar_is_left_in_it(path: Path) -> None:
    assert re.findall(r" 0%\||it/s|HBox|FloatProgress", words(path)) == []
    assert "NBVAL_IGNORE_OUTPUT" not in source(code_cells(path)[0])
