"""The handler of the documentation, served and called as it is written there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.whole.conftest import KEY, Simulated

PAGE = Path(__file__).parents[2] / "docs" / "handlers.md"


def test_the_documented_handler_is_served_and_answers(tmp_path: Path, simulated: Callable[..., Simulated]) -> None:
    handler, client = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "my_handler.py").write_text(handler)
    one = simulated("--handler", "my_handler.py")
    code = client.replace("http://127.0.0.1:8100/v2/local", one.url.removesuffix("/run")).replace("my-key", KEY)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stdout == "{'echo': 'A PIER'}\n", done.stderr
