"""Workflows as dialects: slots are found by walking from the sampler, or asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runpodkit.endpoint.dialects import get_dialect
from runpodkit.errors import ConfigError
from runpodkit.params import ImageParams


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


PLAIN = {
    "1": node("CheckpointLoaderSimple", ckpt_name="dream.safetensors"),
    "2": node("LoraLoader", model=["1", 0], clip=["1", 1], lora_name="x", strength_model=0.8, strength_clip=1.0),
    "pos": node("CLIPTextEncode", text="old words", clip=["2", 1]),
    "neg": node("CLIPTextEncode", text="old fears", clip=["2", 1]),
    "5": node("EmptyLatentImage", width=640, height=896, batch_size=1),
    "10": node(
        "KSampler", seed=1, steps=24, cfg=6.5, sampler_name="dpmpp_2m", scheduler="karras", denoise=1.0,
        model=["2", 0], positive=["pos", 0], negative=["neg", 0], latent_image=["5", 0],
    ),
    "11": node("VAEDecode", samples=["10", 0], vae=["1", 2]),
    "12": node("SaveImage", filename_prefix="ComfyUI", images=["11", 0]),
    "13": node("SaveImage", filename_prefix="again", images=["11", 0]),
}  # fmt: skip

FLUX = {
    "6": node("CLIPTextEncode", text="old", clip=["11", 0]),
    "8": node("VAEDecode", samples=["13", 0], vae=["10", 0]),
    "9": node("SaveImage", filename_prefix="flux", images=["8", 0]),
    "10": node("VAELoader", vae_name="ae.safetensors"),
    "11": node("DualCLIPLoader", clip_name1="t5", clip_name2="clip_l", type="flux"),
    "12": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
    "13": node(
        "SamplerCustomAdvanced", noise=["25", 0], guider=["22", 0], sampler=["16", 0], sigmas=["17", 0],
        latent_image=["27", 0],
    ),
    "16": node("KSamplerSelect", sampler_name="euler"),
    "17": node("BasicScheduler", scheduler="simple", steps=20, denoise=1.0, model=["12", 0]),
    "22": node("BasicGuider", model=["12", 0], conditioning=["26", 0]),
    "25": node("RandomNoise", noise_seed=5),
    "26": node("FluxGuidance", guidance=3.5, conditioning=["6", 0]),
    "27": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=1),
}  # fmt: skip


def dialect_of(folder: Path, graph: Any, toml: str = "") -> Any:
    (folder / "mine.json").write_text(graph if isinstance(graph, str) else json.dumps(graph))
    if not toml:
        return get_dialect(str(folder / "mine.json"))
    (folder / "mine.toml").write_text(toml)
    return get_dialect(str(folder / "mine.toml"))


def test_every_parameter_of_a_plain_workflow_finds_its_place(tmp_path: Path) -> None:
    mine = dialect_of(tmp_path, PLAIN)
    asked = ImageParams(
        user_prompt="a pier", negative_prompt="fog", use_enhanced_prompts=False, width=512, height=768, steps=9,
        cfg_scale=3, seed=77, sampler_name="Euler a", scheduler="exponential", num_images=2,
    )  # fmt: skip

    assert mine.refusals(asked) == []
    graph = mine.to_input(mine.resolve(asked), mark="run-3-1")["workflow"]
    assert graph["pos"]["inputs"]["text"] == "a pier"
    assert graph["neg"]["inputs"]["text"] == "fog"
    assert graph["5"]["inputs"] == {"width": 512, "height": 768, "batch_size": 2}
    sampler = {name: value for name, value in graph["10"]["inputs"].items() if not isinstance(value, list)}
    assert sampler == {
        "seed": 77, "steps": 9, "cfg": 3.0, "sampler_name": "euler_ancestral", "scheduler": "exponential",
        "denoise": 1.0,
    }  # fmt: skip
    assert graph["12"]["inputs"]["filename_prefix"] == "run-3-1"


def test_a_bare_prompt_keeps_what_the_workflow_says(tmp_path: Path) -> None:
    mine = dialect_of(tmp_path, PLAIN)

    params = mine.resolve(ImageParams(user_prompt="a pier", seed=1))

    assert (params.width, params.height, params.steps, params.cfg_scale) == (640, 896, 24, 6.5)
    assert (params.sampler_name, params.scheduler) == ("DPM++ 2M", "karras")
    sent = mine.to_input(params)["workflow"]["10"]["inputs"]
    assert (sent["sampler_name"], sent["scheduler"]) == ("dpmpp_2m", "karras")


def test_a_second_save_of_the_same_pictures_is_left_out(tmp_path: Path) -> None:
    assert "13" not in dialect_of(tmp_path, PLAIN).fixed["workflow"]


def test_the_mark_of_a_submission_does_not_count_for_the_key(tmp_path: Path) -> None:
    mine = dialect_of(tmp_path, PLAIN)
    params = mine.resolve(ImageParams(user_prompt="a pier", seed=1))

    assert mine.to_input(params, mark="a") != mine.to_input(params, mark="b")
    assert "filename_prefix" not in json.dumps(mine.canonical(params))


def test_a_flux_workflow_of_separate_nodes_is_understood(tmp_path: Path) -> None:
    mine = dialect_of(tmp_path, FLUX)
    asked = ImageParams(user_prompt="a pier", seed=7, steps=4, cfg_scale=2.5, sampler_name="Heun", height=768)

    assert mine.refusals(asked) == []
    graph = mine.to_input(mine.resolve(asked))["workflow"]
    assert graph["25"]["inputs"]["noise_seed"] == 7
    assert graph["17"]["inputs"]["steps"] == 4
    assert graph["26"]["inputs"]["guidance"] == 2.5
    assert graph["16"]["inputs"]["sampler_name"] == "heun"
    assert graph["27"]["inputs"]["height"] == 768
    assert "negative_prompt" not in mine.takes


def test_a_slot_of_the_user_s_own_is_a_legal_axis(tmp_path: Path) -> None:
    mine = dialect_of(
        tmp_path, PLAIN, 'workflow = "mine.json"\n[slots]\nlora_scale = ["2.strength_model", "2.strength_clip"]'
    )
    asked = ImageParams(user_prompt="a pier", seed=7, extra={"lora_scale": 0.3, "1.ckpt_name": "other.safetensors"})

    assert mine.refusals(asked, swept=["extra.lora_scale"]) == []
    graph = mine.to_input(mine.resolve(asked))["workflow"]
    assert (graph["2"]["inputs"]["strength_model"], graph["2"]["inputs"]["strength_clip"]) == (0.3, 0.3)
    assert graph["1"]["inputs"]["ckpt_name"] == "other.safetensors"


def test_an_input_image_is_uploaded_beside_the_workflow(tmp_path: Path) -> None:
    graph = {
        **PLAIN,
        "5": node("VAEEncode", pixels=["20", 0], vae=["1", 2]),
        "20": node("LoadImage", image="example.png"),
    }
    mine = dialect_of(tmp_path, graph)

    params = ImageParams(user_prompt="x", seed=1, input_image="inputs/1.png", strength=0.6)
    sent = mine.to_input(mine.resolve(params), image=lambda key: "data:image/png;base64,AAAA")

    assert sent["images"] == [{"name": "input.png", "image": "data:image/png;base64,AAAA"}]
    assert sent["workflow"]["20"]["inputs"]["image"] == "input.png"
    assert sent["workflow"]["10"]["inputs"]["denoise"] == 0.6
    assert "width" not in mine.takes


TWO = {
    **PLAIN,
    "30": node("EmptyLatentImage", width=64, height=64, batch_size=1),
    "31": node("KSampler", seed=1, steps=2, positive=["pos", 0], negative=["neg", 0], latent_image=["30", 0]),
}


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ("{", "is not JSON"),
        ({"nodes": [], "links": []}, "editor's format: in ComfyUI choose Workflow, Export (API)"),
        ({"1": {"class_type": "KSampler"}}, "is not a ComfyUI workflow in API format"),
        ({}, "is not a ComfyUI workflow in API format"),
        ([1], "is not a ComfyUI workflow in API format"),
        ({name: one for name, one in PLAIN.items() if one["class_type"] != "SaveImage"}, "saves nothing"),
        (TWO, "several samplers that start from an empty latent: 10 (KSampler), 31 (KSampler)"),
        ({"9": node("SaveImage", images=["8", 0], filename_prefix="x")}, "no sampler that is known"),
    ],
)
def test_a_workflow_that_leaves_a_question_is_told_what_to_do(tmp_path: Path, graph: Any, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        dialect_of(tmp_path, graph)
    assert said in str(told.value)


def test_two_samplers_are_fine_once_the_slots_are_named(tmp_path: Path) -> None:
    mine = dialect_of(
        tmp_path, TWO, 'workflow = "mine.json"\n[slots]\nuser_prompt = "pos.text"\nseed = ["10.seed", "31.seed"]'
    )

    graph = mine.to_input(mine.resolve(ImageParams(user_prompt="x", seed=8)))["workflow"]

    assert (graph["10"]["inputs"]["seed"], graph["31"]["inputs"]["seed"]) == (8, 8)


def test_a_slot_that_names_no_node_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"slot '99.x' names no node of the workflow; its nodes are 1, 2, pos"):
        dialect_of(tmp_path, PLAIN, 'workflow = "mine.json"\n[slots]\nlora = "99.x"')


def test_a_graph_that_runs_in_a_circle_ends_the_search(tmp_path: Path) -> None:
    graph = {
        **PLAIN,
        "a": node("ConditioningCombine", conditioning_1=["b", 0]),
        "b": node("ConditioningCombine", conditioning_1=["a", 0]),
    }
    graph["10"] = node("KSampler", **{**PLAIN["10"]["inputs"], "positive": ["a", 0]})

    with pytest.raises(ConfigError, match="no node takes the prompt"):
        dialect_of(tmp_path, graph)
