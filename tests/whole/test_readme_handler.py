"""The README's handler, served and called as it is written there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.whole.conftest import KEY, Simulated

README = Path(__file__).parents[2] / "README.md"


def test_the_handler_of_the_readme_is_served_and_answers(tmp_path: Path, simulated: Callable[..., Simulated]) -> None:
    section = README.read_text("utf-8").partition("## Serve your own handler")[2].partition("\n## ")[0]
    handler, client = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "my_handler.py").write_text(handler)
    one = simulated("--handler", "my_handler.py")
    code = client.replace("http://127.0.0.1:8100/v2/local", one.url.removesuffix("/run")).replace("my-key", KEY)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stdout == "{'echo': 'A PIER'}\n", done.stderr
