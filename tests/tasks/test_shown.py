"""What Celery shows of arguments and results: no secret, no picture, not endless."""

from __future__ import annotations

import pytest
from kombu.utils.json import dumps, loads

from runpodkit.logs import hide
from runpodkit.tasks.shown import Answer, shown

SIGNED = "https://h/b/k.png?X-Amz-Credential=canary1&X-Amz-Signature=canary2"


def test_keys_signatures_and_pictures_are_taken_out() -> None:
    hide("canary-registered")
    text = shown(
        {
            "user_prompt": "a pier",
            "input_image": "data:image/png;base64," + "canary" * 1000,
            "extra": {
                "hf_token": "canary",
                "nested": [{"api_key": "canary"}, SIGNED, "data:image/png;base64," + "canary" * 10],
                "plain": "canary-registered",
                "header": "Bearer canary-of-a-header",
                "model": "hf_CANARYCANARYCANARYCANARY",
            },
            "key": "rpa_CANARYCANARYCANARY",
        }
    )

    assert "canary" not in text.lower()
    assert "a pier" in text
    assert len(text) < 600


def test_long_lists_and_texts_are_cut() -> None:
    text = shown({"prompts": ["a" * 5000] * 500})

    assert "480 more" in text
    assert len(text) < 6000


def test_what_is_nested_without_end_is_shown_all_the_same() -> None:
    deep: object = "a"
    for _ in range(100_000):
        deep = [deep]

    assert shown(deep) == "(nested too deep to be shown)"


@pytest.mark.parametrize("value", [None, 1, 0.5, True, [], {}, (), "", {"a": {"b": [1, None]}}])
def test_plain_values_are_shown_as_they_are(value: object) -> None:
    assert shown(value) == repr([] if value == () else value)


def test_an_answer_is_a_dict_for_the_caller_and_hides_the_link_in_a_log() -> None:
    answer = Answer({"success": True, "image_url": SIGNED})

    assert loads(dumps(answer)) == {"success": True, "image_url": SIGNED}
    assert answer == {"success": True, "image_url": SIGNED}
    assert answer["image_url"] == SIGNED
    assert "canary" not in repr(answer)
    assert "'success': True" in repr(answer)
