"""What to do about the errors that known workers report: one line for each text they are known to use.

Data; the texts are those of the published workers.
"""

from __future__ import annotations

import re

_DIALECT = "choose the worker's dialect (RUNPODKIT_DIALECT; `runpodkit dialects` lists them)"
_KNOWN: tuple[tuple[str, str], ...] = (
    (
        r"Missing 'workflow' parameter",
        "this endpoint runs a ComfyUI worker: use the comfyui dialect, or the API-format JSON of your own "
        "workflow (RUNPODKIT_DIALECT=comfyui or =my_workflow.json)",
    ),
    (
        r"Schema error, missing default value for (\w+)",
        f"the worker wants an input named {{0}} that the {{dialect}} dialect does not send: {_DIALECT}",
    ),
    (r"(\w+) is a required input", f"the worker wants an input named {{0}}: {_DIALECT}"),
    (
        r"Unexpected input\. (\w+) is not a valid input option",
        f"the worker knows no input named {{0}}: leave it out, or {_DIALECT}",
    ),
    (
        r"(\w+) should be <class '(\w+)'> type, not <class '(\w+)'>",
        "give {0} as {1}: this worker takes no {2} there, not even a whole one",
    ),
    (r"(\w+) does not meet the constraints", "{0} is out of the bounds of this worker"),
    (r"(width|height) must be divisible by (\d+)", "give a {0} that is a multiple of {1}"),
    (
        r"ComfyUI server .* not reachable",
        "ComfyUI did not start in the worker: its log on the RunPod console says why",
    ),
    (
        r"Workflow validation failed|Workflow execution error",
        "the workflow names a node, model or value that this worker does not have",
    ),
    (r"A1111 status code: 422", "A1111 refused a value: check sampler_name and scheduler against its own lists"),
    (r"executionTimeout exceeded", "raise timeout=: the job was stopped at that bound"),
)


def advice(reason: str, dialect: str) -> str | None:
    """What to do about an error text; None for one that nobody knows."""
    for pattern, text in _KNOWN:
        if match := re.search(pattern, reason[:4000]):
            return text.format(*match.groups(), dialect=dialect)
    return None
