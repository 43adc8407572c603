"""Flower's door: what `celery -A runpodkit.tasks flower` is told before it reads its options.

Flower shows prompts to whoever reaches its port, and by itself it listens on every address of
the machine.  Knows nothing of Flower but the name of its command and of one of its variables.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence


def stay_on_this_machine(words: Sequence[str], env: MutableMapping[str, str]) -> None:
    """Let Flower listen on 127.0.0.1 alone unless FLOWER_ADDRESS or `--address` says otherwise.

    Args:
        words: The command line; nothing happens if it is another command's.
        env: Where Flower looks for its options.
    """
    if "flower" in words[1:]:
        env.setdefault("FLOWER_ADDRESS", "127.0.0.1")
