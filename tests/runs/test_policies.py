"""Policies: one table, made from the code, and changes that are checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from runpodkit.runs.policies import RunPolicy, as_markdown, changed_policy, shared_policy

ROOT = Path(__file__).parents[2]


def test_the_table_in_the_documents_is_the_one_the_code_makes() -> None:
    assert (ROOT / "docs" / "policies.md").read_text("utf-8") == as_markdown()


def test_every_policy_says_what_it_does_and_why() -> None:
    for name, info in RunPolicy.model_fields.items():
        assert info.description, name
        assert isinstance(info.json_schema_extra, dict), name
        assert info.json_schema_extra["why"], name


def test_a_change_keeps_the_rest_and_is_checked() -> None:
    policy = RunPolicy(window=7)

    assert changed_policy(policy, {"budget_usd": 3}) == RunPolicy(window=7, budget_usd=3)
    with pytest.raises(ValidationError, match="budget_usd"):
        changed_policy(policy, {"budget_usd": -1})
    with pytest.raises(ValidationError, match="budget"):
        changed_policy(policy, {"budget": 1})


def test_several_endpoints_share_a_budget_and_nothing_else() -> None:
    assert shared_policy({"budget_usd": 4.0, "window": 9}, 0.25) == {"budget_usd": 1.0, "window": 9}
    assert shared_policy({"window": 9}, 0.25) == {"window": 9}
