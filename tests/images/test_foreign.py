"""Other tools' texts, in the containers they write them into, read into our fields."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from runpodkit.images import metadata

COMMENT, EXIF_IFD = 0x9286, 0x8769


def png(size: tuple[int, int] = (64, 64), **texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword.replace("_dash_", "-").replace("_blank_", " "), text)
    out = io.BytesIO()
    Image.new("RGB", size).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def with_exif(form: str, exif: Image.Exif, size: tuple[int, int] = (64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size).save(out, form, exif=exif)
    return out.getvalue()


def with_comment(form: str, text: str, encoding: str = "utf-16-be") -> bytes:
    exif = Image.Exif()
    exif[0x0131] = "x"  # Pillow saves no block that has an inner part only
    exif.get_ifd(EXIF_IFD)[COMMENT] = b"UNICODE\0" + text.encode(encoding)
    return with_exif(form, exif)


def given(data: bytes) -> tuple[str | None, dict[str, Any]]:
    """The tool, and what its picture sets in our fields beside what all foreign pictures set."""
    facts = metadata.read_facts(data)
    assert facts.params is not None, facts.problem
    assert metadata.read_metadata(data) == facts.params
    assert facts.params.use_enhanced_prompts is False, "words are taken as they were sent"
    return facts.tool, facts.params.model_dump(exclude_unset=True, exclude={"use_enhanced_prompts"})


A1111 = (
    "portrait of a fox, (fur:1.2)\nNegative prompt: lowres, text\nSteps: 25, Sampler: DPM++ 2M, Schedule type: Karras, "
    "CFG scale: 6.5, Seed: 965400086, Size: 512x768, Model hash: 6ce0161689, Model: v1-5, Clip skip: 2, Version: {}"
)
A1111_FIELDS = {
    "user_prompt": "portrait of a fox, (fur:1.2)", "negative_prompt": "lowres, text", "steps": 25, "cfg_scale": 6.5,
    "sampler_name": "DPM++ 2M", "scheduler": "karras", "seed": 965400086, "width": 512, "height": 768,
}  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        lambda text: png(parameters=text),
        lambda text: with_comment("JPEG", text),
        lambda text: with_comment("JPEG", text, "utf-16-le"),
        lambda text: with_comment("WEBP", text),
        lambda text: with_comment("WEBP", text, "utf-16-le"),
        lambda text: with_comment("AVIF", text),
        lambda text: with_comment("PNG", text),
    ],
)
@pytest.mark.parametrize(
    ("version", "tool"), [("v1.10.1", "A1111"), ("f2.0.1v1.10.1-previous-669-gdfdcbab6", "Forge"), ("neo", "Forge")]
)
def test_a1111_and_forge_in_every_container(make, version, tool):
    assert given(make(A1111.format(version))) == (tool, A1111_FIELDS)


def test_a1111_in_the_comment_of_a_gif():
    out = io.BytesIO()
    images = [Image.new("P", (64, 64), number) for number in (0, 1)]
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], comment=A1111.format("v1.10.1"))

    assert given(out.getvalue()) == ("A1111", A1111_FIELDS)


def test_forge_with_a_distilled_model_says_its_guidance_beside_a_one():
    text = "x\nSteps: 8, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 1, Size: 64x64"

    assert given(png(parameters=text))[1]["cfg_scale"] == 3.5


def test_the_strength_of_a_second_pass_is_not_that_of_an_edit():
    text = "x\nSteps: 8, Sampler: Euler, Seed: 1, Size: 64x64, Denoising strength: 0.4"

    assert given(png(parameters=text))[1]["strength"] == 0.4
    assert "strength" not in given(png(parameters=f"{text}, Hires upscale: 2, Hires upscaler: Latent"))[1]


def test_sd_next():
    text = (
        "a barn\nNegative prompt: \nSteps: 20, Size: 1024x768, Sampler: UniPC, Seed: 1561296656, CFG scale: 6, "
        "CFG rescale: 0.7, App: SD.Next, Version: 8b73cb6, Pipeline: StableDiffusionXLPipeline, Model: hassakuXL"
    )

    assert given(with_comment("JPEG", text)) == (
        "SD.Next",
        {
            "user_prompt": "a barn", "negative_prompt": "", "steps": 20, "width": 1024, "height": 768,
            "sampler_name": "UniPC", "seed": 1561296656, "cfg_scale": 6.0,
        },
    )  # fmt: skip


def test_settings_that_are_followed_by_templates():
    text = "a cat\nNegative prompt: dog\nSteps: 9, Sampler: Heun, Seed: 4, Size: 64x64\nTemplate: a {cat|dog}\n\nNegative Template: dog"

    assert given(png(parameters=text))[1]["steps"] == 9


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("container", ["PNG", "JPEG", "WEBP"])
def test_swarmui(container, as_text):
    number = str if as_text else (lambda value: value)
    stated = {
        "sui_image_params": {
            "prompt": "a photo of a cat", "model": "OfficialStableDiffusion/sd_xl_base_1.0", "seed": number(7),
            "steps": number(20), "cfgscale": number(7.5), "aspectratio": "1:1", "width": number(1024),
            "height": number(768), "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "negativeprompt": "",
            "swarm_version": "0.9.3.1",
        },
        "sui_extra_data": {"date": "2024-11-13", "generation_time": "6.11 (prep) and 4.84 (gen) seconds"},
    }  # fmt: skip
    text = json.dumps(stated, indent=2)

    assert given(png(parameters=text) if container == "PNG" else with_comment(container, text, "utf-16-le")) == (
        "SwarmUI",
        {
            "user_prompt": "a photo of a cat", "negative_prompt": "", "seed": 7, "steps": 20, "cfg_scale": 7.5,
            "width": 1024, "height": 768, "sampler_name": "DPM++ 2M SDE", "scheduler": "karras",
        },
    )  # fmt: skip


@pytest.mark.parametrize("container", ["PNG", "JPEG", "WEBP"])
def test_fooocus(container):
    text = json.dumps(
        {
            "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL", "base_model_hash": "aeb7e9e689",
            "full_prompt": ["cinematic still a fox"], "guidance_scale": 4, "loras": [], "metadata_scheme": "fooocus",
            "negative_prompt": "text", "performance": "Speed", "prompt": "a fox", "resolution": "(1152, 896)",
            "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "5427683", "sharpness": 2, "steps": 30,
            "styles": "['Fooocus V2']", "vae": "Default (model)", "version": "Fooocus v2.5.5",
        }
    )  # fmt: skip
    if container == "PNG":
        data = png(parameters=text, fooocus_scheme="fooocus")
    else:  # a plain text where cameras have their make
        exif = Image.Exif()
        exif[COMMENT], exif[0x0131], exif[0x927C] = text, "Fooocus v2.5.5", "fooocus"
        data = with_exif(container, exif)

    assert given(data) == (
        "Fooocus",
        {
            "user_prompt": "a fox", "negative_prompt": "text", "steps": 30, "cfg_scale": 4.0, "seed": 5427683,
            "sampler_name": "DPM++ 2M SDE", "scheduler": "karras", "width": 1152, "height": 896,
        },
    )  # fmt: skip


def test_fooocus_in_its_other_scheme():
    text = "a fox\nNegative prompt: text\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 1, Size: 1152x896, CFG scale: 4, Scheduler: karras, Version: Fooocus v2.5.5"
    tool, fields = given(png(parameters=text, fooocus_scheme="a1111"))

    assert tool == "Fooocus"
    assert (fields["sampler_name"], fields["scheduler"], fields["cfg_scale"]) == ("DPM++ 2M SDE", "karras", 4.0)


def test_invokeai_of_today():
    stated = {
        "generation_mode": "sdxl_txt2img", "positive_prompt": "a fox", "negative_prompt": None, "width": 1024,
        "height": 768, "seed": 3735928559, "rand_device": "cpu", "cfg_scale": 7.5, "steps": 30, "scheduler": "dpmpp_2m_k",
        "model": {"key": "k", "name": "sd_xl"}, "app_version": "5.6.0",
    }  # fmt: skip

    assert given(png(invokeai_metadata=json.dumps(stated))) == (
        "InvokeAI",
        {
            "user_prompt": "a fox", "negative_prompt": "", "width": 1024, "height": 768, "seed": 3735928559,
            "cfg_scale": 7.5, "steps": 30, "sampler_name": "DPM++ 2M", "scheduler": "karras",
        },
    )  # fmt: skip


def test_invokeai_of_2022_and_its_dream():
    stated = {
        "model": "stable diffusion", "model_weights": "stable-diffusion-1.5", "app_version": "2.2.0",
        "image": {
            "prompt": [{"prompt": "a fox, fur [lowres] [text, ]", "weight": 1.0}], "steps": 50, "cfg_scale": 7.5,
            "height": 512, "width": 640, "seed": 2560, "type": "txt2img", "sampler": "k_euler_a", "variations": [],
        },
    }  # fmt: skip
    wanted = {
        "user_prompt": "a fox, fur", "negative_prompt": "lowres, text", "steps": 50, "cfg_scale": 7.5, "height": 512,
        "width": 640, "seed": 2560, "sampler_name": "Euler a",
    }  # fmt: skip
    dream = '"a fox, fur [lowres] [text, ]" -s 50 -S 2560 -W 640 -H 512 -C 7.5 -A k_euler_a'

    assert given(png(sd_dash_metadata=json.dumps(stated), Dream=dream)) == ("InvokeAI", wanted)
    assert given(png(Dream=dream)) == ("InvokeAI", wanted)


def test_novelai():
    stated = {
        "prompt": "a fox, {{fur}}", "steps": 28, "height": 1216, "width": 832, "scale": 5.0, "uncond_scale": 0.0,
        "seed": 1016281108, "n_samples": 1, "noise_schedule": "karras", "sampler": "k_dpmpp_2s_ancestral",
        "uc": "lowres", "strength": 0.7, "request_type": "PromptGenerateRequest",
    }  # fmt: skip
    texts = {
        "Title": "NovelAI generated image", "Description": "a fox, {{fur}}", "Software": "NovelAI",
        "Source": "NovelAI Diffusion V4 37442FCA", "Comment": json.dumps(stated),
    }  # fmt: skip
    wanted = {
        "user_prompt": "a fox, {{fur}}", "negative_prompt": "lowres", "steps": 28, "height": 1216, "width": 832,
        "cfg_scale": 5.0, "seed": 1016281108, "sampler_name": "DPM++ 2S a", "scheduler": "karras",
    }  # fmt: skip

    assert given(png(**texts)) == ("NovelAI", wanted)
    del stated["prompt"]  # as its first models wrote it
    texts["Comment"] = json.dumps(stated | {"request_type": "Img2ImgRequest", "noise_schedule": "native"})
    del wanted["scheduler"]
    assert given(png(**texts)) == ("NovelAI", wanted | {"strength": 0.7})


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("container", ["PNG", "JPEG", "WEBP"])
def test_easy_diffusion(container, labelled):
    stated = {
        "prompt": "a fox", "negative_prompt": "lowres", "seed": "7", "use_stable_diffusion_model": "sd-v1-5",
        "sampler_name": "euler_a", "width": "512", "height": "640", "num_inference_steps": "25", "guidance_scale": "7.5",
    }  # fmt: skip
    if labelled:
        names = {
            "prompt": "Prompt", "negative_prompt": "Negative Prompt", "seed": "Seed", "sampler_name": "Sampler",
            "use_stable_diffusion_model": "Stable Diffusion model", "width": "Width", "height": "Height",
            "num_inference_steps": "Steps", "guidance_scale": "Guidance Scale",
        }  # fmt: skip
        stated = {names[key]: value for key, value in stated.items()}
    data = png(**stated) if container == "PNG" else with_comment(container, json.dumps(stated))

    assert given(data) == (
        "Easy Diffusion",
        {
            "user_prompt": "a fox", "negative_prompt": "lowres", "seed": 7, "sampler_name": "Euler a", "width": 512,
            "height": 640, "steps": 25, "cfg_scale": 7.5,
        },
    )  # fmt: skip


@pytest.mark.parametrize("container", ["PNG", "JPEG", "WEBP"])
def test_draw_things(container):
    stated = {
        "c": "a fox & \"fur\" <3", "uc": "lowres", "model": "sd_xl_base.ckpt", "sampler": "DPM++ 2M Karras", "scale": 4.5,
        "seed": 2441935286, "seed_mode": "Scale Alike", "size": "1024x768", "steps": 20, "strength": 1,
        "v2": {"loras": [{"file": "detail.ckpt", "weight": 0.8}]},
    }  # fmt: skip
    escaped = json.dumps(stated).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""><dc:description><rdf:Alt><rdf:li xml:lang="x-default">a fox&#xA;-lowres</rdf:li>'
        "</rdf:Alt></dc:description><xmp:CreatorTool>Draw Things</xmp:CreatorTool><exif:UserComment><rdf:Alt>"
        f'<rdf:li xml:lang="x-default">{escaped}</rdf:li></rdf:Alt></exif:UserComment></rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    if container == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet)
        how: dict[str, Any] = {"pnginfo": info}
    else:
        how = {"xmp": packet.encode()}
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, container, **how)

    assert given(out.getvalue()) == (
        "Draw Things",
        {
            "user_prompt": 'a fox & "fur" <3', "negative_prompt": "lowres", "cfg_scale": 4.5, "sampler_name": "DPM++ 2M",
            "scheduler": "karras", "steps": 20, "seed": 2441935286, "width": 1024, "height": 768,
        },
    )  # fmt: skip


def graph(**changes: Any) -> dict[str, Any]:
    sampler = {
        "seed": 7, "steps": 20, "cfg": 8.0, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
        "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
    }  # fmt: skip
    return {
        "3": {"class_type": "KSampler", "inputs": sampler | changes, "is_changed": [float("nan")]},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 1024, "height": 768, "batch_size": 4}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "lowres", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    }


COMFY_FIELDS = {
    "user_prompt": "a fox", "negative_prompt": "lowres", "steps": 20, "cfg_scale": 8.0, "seed": 7, "width": 1024,
    "height": 768, "sampler_name": "DPM++ 2M", "scheduler": "karras",
}  # fmt: skip


@pytest.mark.parametrize("container", ["PNG", "WEBP", "JPEG"])
def test_comfyui(container):
    if container == "PNG":
        data = png(prompt=json.dumps(graph()), workflow=json.dumps({"nodes": []}))
    else:  # where cameras have make and model
        exif = Image.Exif()
        exif[0x0110], exif[0x010F] = f"prompt:{json.dumps(graph())}", f"workflow:{json.dumps({'nodes': []})}"
        data = with_exif(container, exif)

    assert given(data) == ("ComfyUI", COMFY_FIELDS)


def test_a_seed_of_comfyui_that_is_larger_than_ours_is_named_and_the_rest_can_be_had():
    data = png(prompt=json.dumps(graph(seed=156680208700286)))

    with pytest.raises(ValueError, match=r"seed=156680208700286: input should be less than or equal to 4294967295"):
        metadata.read_metadata(data)
    facts = metadata.read_facts(data)
    assert facts.tool == "ComfyUI" and facts.params is None
    assert facts.values["seed"] == 156680208700286 and facts.values["user_prompt"] == "a fox"


def test_a_picture_of_comfyui_with_the_text_of_a1111_is_read_by_that():
    data = png(parameters=A1111.format("ComfyUI"), prompt=json.dumps(graph()))

    assert given(data) == ("ComfyUI", A1111_FIELDS)


def test_where_a_tool_says_no_size_it_is_the_pictures_if_our_fields_can_hold_it():
    text = "x\nSteps: 8, Sampler: Euler, Seed: 1"

    assert (
        given(png((640, 480), parameters=text))[1] | {"width": 640, "height": 480}
        == given(png((640, 480), parameters=text))[1]
    )
    assert "width" not in given(png((641, 480), parameters=text))[1]
    assert "width" not in given(png((8, 8), parameters=text))[1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(invokeai_metadata="{"), "invokeai_metadata is broken"),
        (png(invokeai_metadata="[1]"), "invokeai_metadata is no JSON object"),
        (png(invokeai_metadata="[" * 300 + "]" * 300), "nested deeper than 100"),
        (png(invokeai_metadata='{"steps": 3}'), "parameters but no prompt"),
        (png(sd_dash_metadata='{"image": 3}'), "no image in it"),
        (png(prompt=json.dumps({"1": {"class_type": "SaveImage", "inputs": {}}})), "no sampler that is known"),
        (png(workflow=json.dumps({"nodes": [], "links": []})), "as the editor keeps it"),
        (png(prompt="a plain sentence"), "carries no parameters"),
        (png(parameters='{"unknown": 1}'), "carries no parameters"),
        (png(Comment="Created with GIMP", Software="GIMP"), "carries no parameters"),
        (png(parameters="\nSteps: 8, Sampler: Euler, Seed: 1"), "parameters but no prompt"),
        (png(prompt=json.dumps(graph(steps={"a": 1}, seed=[1, 2, 3]))), None),
        (png(prompt=json.dumps(graph(steps="many"))), None),
        (png(prompt=json.dumps(graph(cfg=1e9))), "cfg_scale=1000000000.0: input should be less than or equal to 30"),
        (png(prompt=json.dumps(graph(steps=900))), "steps=900: input should be less than or equal to 150"),
        (png(Comment=json.dumps({"uc": "", "steps": {"a": []}, "prompt": 3})), "steps={'a': \\[\\]}: neither a number nor a text"),
        (png(Comment=json.dumps({"uc": "", "steps": True, "prompt": "x"})), "steps=True: neither"),
        (png(parameters=json.dumps({"sui_image_params": {"prompt": "x" * 5000}})), "at most 4000 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_clear_line(data, said):
    facts = metadata.read_facts(data)

    if said is None:
        assert facts.params is not None and "steps" not in facts.params.model_fields_set
        return
    with pytest.raises(ValueError, match=said) as caught:
        metadata.read_metadata(data)
    assert type(caught.value) is ValueError
    assert str(caught.value).startswith("the picture") and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
