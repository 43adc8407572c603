"""ComfyUI graphs of every shape, hostile ones too, read for what they drew with."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.images.bounded_json import read_json
from runpodkit.images.comfy_graph import is_graph, read_graph


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


KSAMPLER = {
    "seed": 7, "steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, "model": ["4", 0],
    "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
}  # fmt: skip
PLAIN = {
    "3": node("KSampler", **KSAMPLER),
    "5": node("EmptyLatentImage", width=512, height=640, batch_size=1),
    "6": node("CLIPTextEncode", text="a fox"),
    "7": node("CLIPTextEncode", text="lowres"),
    "8": node("VAEDecode", samples=["3", 0]),
    "9": node("SaveImage", images=["8", 0]),
}
READ = {
    "user_prompt": "a fox", "negative_prompt": "lowres", "steps": 20, "cfg_scale": 8, "seed": 7,
    "sampler_name": "euler", "scheduler": "normal", "width": 512, "height": 640,
}  # fmt: skip


def test_the_graph_everybody_starts_from():
    assert read_graph(PLAIN) == READ


def test_flux_with_a_guider_of_its_own_and_no_negative_words():
    flux = {
        "1": node("SamplerCustomAdvanced", noise=["2", 0], guider=["3", 0], sampler=["4", 0], sigmas=["5", 0], latent_image=["6", 0]),
        "2": node("RandomNoise", noise_seed=99),
        "3": node("BasicGuider", model=["10", 0], conditioning=["7", 0]),
        "4": node("KSamplerSelect", sampler_name="euler"),
        "5": node("BasicScheduler", scheduler="simple", steps=28, denoise=1.0, model=["10", 0]),
        "6": node("EmptySD3LatentImage", width=["11", 0], height=["12", 0], batch_size=1),
        "7": node("FluxGuidance", guidance=3.5, conditioning=["8", 0]),
        "8": node("CLIPTextEncodeFlux", clip_l="fox", t5xxl="a red fox in the snow", guidance=2),
        "9": node("SaveImage", images=["1", 0]),
        "11": node("PrimitiveInt", value=1024),
        "12": node("INTConstant", value=768),
    }  # fmt: skip

    assert read_graph(flux) == {
        "user_prompt": "a red fox in the snow", "negative_prompt": "", "steps": 28, "cfg_scale": 3.5, "seed": 99,
        "sampler_name": "euler", "scheduler": "simple", "width": 1024, "height": 768,
    }  # fmt: skip


def test_words_and_seed_that_come_through_other_nodes():
    graph = PLAIN | {
        "3": node("KSampler", **KSAMPLER | {"seed": ["20", 0]}),
        "6": node("CLIPTextEncode", text=["21", 0]),
        "7": node("ConditioningZeroOut", conditioning=["6", 0]),
        "20": node("Seed (rgthree)", seed=1234),
        "21": node("ShowText", text=["22", 0], other=3),
        "22": node("PrimitiveString", value="a fox from afar"),
    }

    assert read_graph(graph) == READ | {"user_prompt": "a fox from afar", "negative_prompt": "", "seed": 1234}


def test_the_first_of_two_passes_is_what_it_was_drawn_with():
    graph = PLAIN | {
        "10": node("LatentUpscale", samples=["3", 0], width=1024, height=1280),
        "11": node("KSampler", **KSAMPLER | {"seed": 8, "denoise": 0.5, "latent_image": ["10", 0]}),
        "8": node("VAEDecode", samples=["11", 0]),
    }

    assert read_graph(graph) == READ
    through_pixels = graph | {
        "10": node("VAEEncode", pixels=["12", 0]),
        "12": node("ImageUpscaleWithModel", image=["13", 0]),
        "13": node("VAEDecode", samples=["3", 0]),
    }
    assert read_graph(through_pixels) == READ


def test_an_edit_has_a_strength_and_a_drawing_has_none():
    graph = PLAIN | {
        "3": node("KSampler", **KSAMPLER | {"denoise": 0.6}),
        "5": node("VAEEncode", pixels=["14", 0]),
        "14": node("LoadImage", image="in.png"),
    }
    read = read_graph(graph)

    assert read["strength"] == 0.6 and "width" not in read
    assert "strength" not in read_graph(PLAIN)


def test_of_two_pictures_in_one_graph_the_saved_one_counts():
    graph = PLAIN | {
        "30": node("KSampler", **KSAMPLER | {"seed": 1}),
        "31": node("VAEDecode", samples=["30", 0]),
        "32": node("PreviewImage", images=["31", 0]),
    }
    assert read_graph(graph) == READ

    with pytest.raises(ValueError, match=r"several samplers, 3 \(KSampler\), 30 \(KSampler\): which one drew it"):
        read_graph(graph | {"32": node("SaveImage", images=["31", 0])})


@pytest.mark.parametrize(
    "graph",
    [
        {"3": node("KSampler", **KSAMPLER | {"positive": ["3", 0], "negative": ["3", 0], "latent_image": ["3", 0]})},
        PLAIN | {"6": node("A", conditioning=["7", 0]), "7": node("B", conditioning=["6", 0])},
        PLAIN | {"6": node("CLIPTextEncode", text=["6", 0])},
        PLAIN | {"5": node("A", samples=["5", 0], width=["5", 0], height=["5", 0])},
        PLAIN | {"6": 3, "7": None, "5": []},
        {"3": node("KSampler", **KSAMPLER)},
        {"3": {"class_type": ["KSampler"], "inputs": KSAMPLER}},
        {"3": {"class_type": "KSampler", "inputs": []}},
        PLAIN | {"9": {"class_type": None, "inputs": {"images": [[], 0]}}},
    ],
)
def test_circles_and_missing_parts_end_in_fields_or_one_error(graph):
    with contextlib.suppress(ValueError):
        assert isinstance(read_graph(graph), dict)


def test_a_long_chain_is_walked_to_a_bound():
    chain = {str(at): node("A", conditioning=[str(at + 1), 0]) for at in range(100, 4000)}
    graph = PLAIN | chain | {"3": node("KSampler", **KSAMPLER | {"positive": ["100", 0]})}

    assert "user_prompt" not in read_graph(graph)


names = st.sampled_from(["1", "2", "3", "4", "5"])
inputs = st.dictionaries(
    st.sampled_from([*KSAMPLER, "text", "guider", "noise", "sigmas", "samples", "conditioning", "value", "width", "height", "guidance"]),
    st.one_of(names.map(lambda name: [name, 0]), st.integers(), st.text(max_size=5), st.none(), st.booleans(),
              st.lists(st.integers(), max_size=3), st.floats(), st.dictionaries(st.text(max_size=2), st.integers(), max_size=1)),
    max_size=10,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(
        names,
        st.one_of(
            st.fixed_dictionaries({"class_type": st.sampled_from(["KSampler", "SaveImage", "X", 3, None]), "inputs": inputs}),
            st.none(), st.integers(),
        ),
        max_size=5,
    )
)  # fmt: skip
def test_any_graph_ends_in_fields_or_a_value_error(graph):
    read_back = read_json(json.dumps(graph))
    if is_graph(read_back):
        with contextlib.suppress(ValueError):
            assert all(isinstance(value, str | int | float) for value in read_graph(read_back).values())
