"""What the dialects send, held to the rules of the workers they are named after.

The rules are data (`worker_rules.toml`), the checking is RunPod's own validator, which the
strict workers use; the published example inputs lie in `worker_inputs/`.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runpod.serverless.utils.rp_validator import validate

from runpodkit.endpoint.dialects import built_in, get_dialect
from runpodkit.params import ImageParams

HERE = Path(__file__).parent
RULES = tomllib.loads((HERE / "worker_rules.toml").read_text("utf-8"))
TYPES = {"str": str, "int": int, "float": float, "bool": bool}
EXAMPLES = {"sdxl": "worker-sdxl", "sdxl-turbo": "worker-sdxl-turbo", "sd2": "worker-stable_diffusion_v2"}


def schema(worker: str) -> dict[str, dict[str, Any]]:
    """The rules of a worker as its validator takes them."""
    rules: dict[str, dict[str, Any]] = {}
    for name, rule in RULES[worker].items():
        own: dict[str, Any] = {"type": TYPES[rule["type"]], "required": "default" not in rule}
        if "default" in rule:
            own["default"] = None if rule["default"] == "none" else rule["default"]
        own["constraints"] = lambda value, rule=rule: (
            value is None
            or (
                value in rule.get("choices", [value])
                and ("ge" not in rule or value >= rule["ge"])
                and ("le" not in rule or value <= rule["le"])
            )
        )
        rules[name] = own
    return rules


def errors_of(worker: str, input: dict[str, Any]) -> list[str]:
    # `None` passes only as the default itself: the validator compares types with the default's
    return [
        error
        for error in validate(json.loads(json.dumps(input)), schema(worker)).get("errors", [])  # type: ignore[union-attr]
        if not error.endswith("not <class 'NoneType'>.")
    ]


@pytest.mark.parametrize("worker", EXAMPLES)
def test_the_rules_written_down_here_accept_the_published_example(worker: str) -> None:
    example = json.loads((HERE / "worker_inputs" / f"{EXAMPLES[worker]}.json").read_text())
    example = example[0] if isinstance(example, list) else example

    assert errors_of(worker, example["input"]) == []


@pytest.mark.parametrize("worker", RULES)
def test_a_bare_prompt_is_accepted_by_the_worker(worker: str) -> None:
    dialect = get_dialect(worker)

    assert errors_of(worker, dialect.to_input(dialect.resolve(ImageParams(user_prompt="a pier", seed=5)))) == []


@pytest.mark.parametrize("worker", EXAMPLES)
def test_the_published_example_can_be_asked_for_in_our_words(worker: str) -> None:
    example = json.loads((HERE / "worker_inputs" / f"{EXAMPLES[worker]}.json").read_text())
    wanted = (example[0] if isinstance(example, list) else example)["input"]
    wanted = {name: value for name, value in wanted.items() if value is not None}
    dialect = get_dialect(worker)
    ours = {paths[0]: name for name, paths in dialect.names.items()}
    fields = {ours[name]: value for name, value in wanted.items() if name in ours}
    extra = {name: value for name, value in wanted.items() if name not in ours}
    wire = {theirs: name for name, theirs in dialect.samplers.items()}
    if "sampler_name" in fields:
        fields["sampler_name"] = wire[fields["sampler_name"]]
    params = ImageParams(
        **{"use_enhanced_prompts": False, "seed": 9, **{"user_prompt": fields.pop("user_prompt")}, **fields},
        extra=extra,
    )

    sent = dialect.to_input(dialect.resolve(params))

    assert dialect.refusals(params) == []
    assert {name: sent[name] for name in wanted} == wanted
    assert errors_of(worker, sent) == []


PARAMS = st.builds(
    ImageParams,
    user_prompt=st.just("a pier"),
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(8, 512).map(lambda eighth: eighth * 8),
    height=st.integers(8, 512).map(lambda eighth: eighth * 8),
    steps=st.integers(1, 150),
    cfg_scale=st.floats(0, 30),
    num_images=st.integers(1, 8),
    sampler_name=st.sampled_from(["Euler", "euler a", "DDIM", "DPM++ 2M", "LMS", "nonsense"]),
)


@pytest.mark.parametrize("worker", RULES)
@settings(max_examples=150, deadline=None)
@given(params=PARAMS)
def test_whatever_is_not_refused_here_is_not_refused_by_the_worker(worker: str, params: ImageParams) -> None:
    dialect = get_dialect(worker)
    if not dialect.refusals(params):
        assert errors_of(worker, dialect.to_input(dialect.resolve(params))) == []


@pytest.mark.parametrize("name", built_in())
@settings(max_examples=30, deadline=None)
@given(params=PARAMS)
def test_every_dialect_refuses_or_sends_what_json_can_hold(name: str, params: ImageParams) -> None:
    dialect = get_dialect(name)
    refusals = dialect.refusals(params)

    assert all("\n" not in refusal and name in refusal for refusal in refusals)
    if not refusals:
        json.dumps(dialect.to_input(dialect.resolve(params)), allow_nan=False)
