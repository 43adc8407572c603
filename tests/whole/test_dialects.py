"""A sweep through each dialect against a simulator that speaks it: from the prompt to pictures in the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import runpodkit as rk
from runpodkit.connecting import connect
from runpodkit.endpoint.dialects import get_dialect
from runpodkit.errors import JobFailedError
from runpodkit.settings import Settings
from runpodkit.simulator.speech import SPEECHES
from tests.whole.conftest import KEY, Simulated

FIXED_SIZE = {"sdxl-turbo": {}, "black-forest-labs-flux-1-schnell": {"width": 256, "height": 256}}


@pytest.mark.parametrize("name", SPEECHES)
def test_a_prompt_becomes_pictures_with_their_seeds(name: str, home: Path, simulated: Callable[..., Simulated]) -> None:
    one = simulated("--as", name, "--workers", "2")
    settings = Settings.load(RUNPOD_URL=one.url, RUNPOD_API_KEY=KEY, RUNPODKIT_DIALECT=name)
    kit = connect(settings=settings, start_worker=False, quiet=True)
    size = FIXED_SIZE.get(name, {"width": 256, "height": 256})
    size = {"width": 128, "height": 128} if name == "sd2" else size
    needed = {"input_image": Image.new("RGB", (32, 32), "teal")} if kit.dialect.needs else {}
    size = size | needed if "width" in kit.dialect.takes else needed
    several = {"num_images": 2} if "num_images" in kit.dialect.takes else {}
    try:
        picture = kit.generate("a red boat", seed=11, **size)
        again = kit.generate("a red boat", seed=11, **size)
        both = kit.generate("a red boat", seed=11, **size, **several)
    finally:
        kit.close()

    params = rk.read_metadata(picture.bytes)
    if "width" in get_dialect(name).takes:
        assert picture.image.size == (params.width, params.height)
    assert again.record.state == "REUSED"
    assert len(both.record.images) == (2 if several else 1)
    assert not [flag for flag in picture.record.flags if "delivered" in flag]


def test_the_wrong_dialect_is_told_with_the_one_to_choose(home: Path, simulated: Callable[..., Simulated]) -> None:
    one = simulated("--as", "comfyui")
    kit = connect(settings=Settings.load(RUNPOD_URL=one.url, RUNPOD_API_KEY=KEY), start_worker=False, quiet=True)
    try:
        with pytest.raises(JobFailedError, match=r"Missing 'workflow' parameter; .* use the comfyui dialect"):
            kit.generate("a red boat")
    finally:
        kit.close()


async def test_a_strict_worker_that_hides_its_refusal_is_told_as_completed_without_output(
    simulated: Callable[..., Simulated],
) -> None:
    async with rk.Endpoint(simulated("--as", "sdxl").url, KEY) as endpoint:
        job = await endpoint.runsync({"prompt": "a red boat", "steps": 3})

    assert (job.status, job.output) == ("COMPLETED", None)
    assert "a strict worker that refuses its input may look the same" in job.reason
