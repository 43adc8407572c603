"""A Dockerfile, as far as a machine without Docker can follow it: its instructions, and what they leave in the image."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stage:
    """What one FROM begins."""

    base: str
    name: str | None
    instructions: list[tuple[str, str]] = field(default_factory=list)
    """In order: the instruction in capitals, and the rest of its line."""

    def all(self, instruction: str) -> list[str]:
        return [rest for name, rest in self.instructions if name == instruction]

    def last(self, instruction: str) -> str:
        return self.all(instruction)[-1]

    @property
    def env(self) -> dict[str, str]:
        """What ENV sets, PATH left out: it names a folder of the image."""
        pairs = re.findall(r"(\w+)=(\S+)", " ".join(self.all("ENV")))
        return {name: value for name, value in pairs if name != "PATH"}

    @property
    def command(self) -> list[str]:
        """The words of CMD; ValueError if it is not in the exec form, under which a shell would get the signals."""
        words: list[str] = json.loads(self.last("CMD"))
        return words

    @property
    def health(self) -> str:
        """The shell line of HEALTHCHECK."""
        return self.last("HEALTHCHECK").partition("CMD ")[2]


def stages(path: Path) -> list[Stage]:
    """The stages of a Dockerfile; the last one is the image."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base, name or None))
        else:
            found[-1].instructions.append((instruction, re.sub(r"\s+", " ", rest).strip()))
    return found
