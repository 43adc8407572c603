"""What one text-to-image job is asked to draw: names, bounds, defaults, help.

The one home of all four: forms, the command line and the docs read them from the
fields of `ImageParams`.  How a worker spells a name is its dialect's business, and
which defaults it really has too: the ones here are those of the `native` dialect.
"""

from __future__ import annotations

import base64
import difflib
import io
import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from runpodkit.reprs import facts_html

RANDOM_SEED = -1
MAX_SEED = 2**32 - 1


def _as_text(image: object) -> object:
    """A path as it is written; a PIL picture, or a `Picture` of ours, as a data URI."""
    if isinstance(image, os.PathLike):
        return os.fspath(image)
    image = getattr(image, "image", image)
    if not callable(save := getattr(image, "save", None)):
        return image
    file = io.BytesIO()
    save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


class ImageParams(BaseModel):
    """What one text-to-image job is asked to draw.

    Frozen, and a misspelt name is an error.  `model_fields_set` tells what the caller
    set: only that can be refused by a dialect.

    Source: `cfg_scale` is 1 + w in Ho & Salimans (2022), Classifier-Free Diffusion Guidance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_prompt: str = Field(min_length=1, max_length=4000, description="What to draw, in your words.")
    negative_prompt: str | None = Field(
        None, max_length=4000, description="What to keep out; empty: nothing, unset: the preset's words."
    )
    use_enhanced_prompts: bool = Field(True, description="Adds the preset's quality words to both prompts.")
    width: int = Field(832, ge=64, le=4096, multiple_of=8, description="Pixels.")
    height: int = Field(1216, ge=64, le=4096, multiple_of=8, description="Pixels.")
    steps: int = Field(30, ge=1, le=150, description="Denoising steps; more is slower.")
    cfg_scale: float = Field(4.0, ge=0, le=30, allow_inf_nan=False, description="Pull of the prompt; 1: none.")
    seed: int = Field(RANDOM_SEED, ge=-1, le=MAX_SEED, description="Same seed, same picture; -1 draws one.")
    sampler_name: str = Field(
        "Euler", min_length=1, max_length=100, description="The method that steps from noise to picture."
    )
    scheduler: str = Field(
        "Euler A",
        min_length=1,
        max_length=100,
        description='The spacing of noise levels; "Euler A" is the worker\'s own default.',
    )
    num_images: int = Field(1, ge=1, le=8, description="Pictures per job.")
    input_image: Annotated[str | None, BeforeValidator(_as_text)] = Field(
        None, description="For edit models: a picture to start from; a path, a link or a PIL picture."
    )
    strength: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="How far an edit may leave the input image."
    )
    extra: Mapping[str, Any] = Field(default_factory=dict, description="Worker-specific inputs, sent as they are.")
    timeout: int = Field(
        300, ge=1, le=86_400, description="Seconds of our patience once a worker has the job; not part of the picture."
    )

    def __repr__(self) -> str:
        return f"ImageParams({', '.join(f'{name}={value}' for name, value in self._given().items())})"

    def _repr_html_(self) -> str:
        return facts_html("ImageParams", self._given())

    def _given(self) -> dict[str, str]:
        """What was set, short enough for one line."""
        names = [name for name in ImageParams.model_fields if name in self.model_fields_set]
        return {name: _short(getattr(self, name)) for name in names}

    def with_values(self, values: Mapping[str, Any]) -> ImageParams:
        """These parameters with some replaced, validated; what was set stays marked as set.

        Raises:
            pydantic.ValidationError: a name is unknown or a value out of bounds.
        """
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return ImageParams(**{**kept, **values})


def explain(error: ValidationError) -> str:
    """The problems of a `ValidationError` in one line: field, value, what is wanted."""
    problems: list[str] = []
    for item in error.errors(include_url=False):
        name = ".".join(str(part) for part in item["loc"]) or "value"
        if item["type"] == "missing":
            problems.append(f"{name} is required")
        elif item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, ImageParams.model_fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(ImageParams.model_fields)}"
            problems.append(f"{name} is not a parameter; {hint}")
        else:
            problems.append(f"{name}={_short(item['input'])}: {item['msg'][0].lower()}{item['msg'][1:]}")
    return "; ".join(problems)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
