"""A picture: one image with what is known of it: parameters, sent prompt, times, cost."""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpodkit.images.grids import thumbnail
from runpodkit.params import ImageParams
from runpodkit.runs.records import Record
from runpodkit.storage import Store

if TYPE_CHECKING:
    from PIL import Image

SHOWN_PX = 512


class Picture:
    """One image of a record, read from the store when it is looked at."""

    def __init__(self, record: Record, store: Store, number: int = 0) -> None:
        self.record, self._store, self._file = record, store, record.images[number]

    @property
    def params(self) -> ImageParams:
        """As sent, with the seed that was drawn."""
        return self.record.params

    @property
    def prompt(self) -> str:
        """The prompt that was sent, after enhancement."""
        return self.record.prompt

    @property
    def seed(self) -> int:
        """The one that was sent: of a random one, what was drawn."""
        return self.record.params.seed

    @property
    def cost_usd(self) -> float | None:
        """US dollars, for all jobs of its trial; None where nobody says."""
        return self.record.cost_usd

    @property
    def execution_time_s(self) -> float | None:
        """Seconds that the worker's handler took."""
        return self.record.execution_time_s

    @property
    def queue_delay_s(self) -> float | None:
        """Seconds from submission until a worker took the job, a cold start included."""
        return self.record.queue_delay_s

    @property
    def simulated(self) -> bool:
        """Whether the simulator drew it."""
        return self.record.simulated

    @property
    def key(self) -> str:
        """Its place in the store."""
        return self._file.key

    @property
    def url(self) -> str:
        """A link: for a bucket one that is signed and lasts an hour, for a folder a file address.

        Raises:
            StoreError: the run is a frozen one: it is one file, so its pictures have no links; `save` one.
        """
        return self._store.url(self._file.key)

    @cached_property
    def bytes(self) -> bytes:
        """The file as stored: the endpoint's own pixels, with the parameters written beside them."""
        return self._store.get(self._file.key)

    @property
    def image(self) -> Image.Image:
        """Its pixels, as Pillow has them."""
        from PIL import Image

        with Image.open(io.BytesIO(self.bytes)) as image:
            image.load()
            return image.copy()

    def save(self, path: str | Path) -> Path:
        """Write the file as stored; the suffix should be that of its format."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.bytes)
        return target

    def __repr__(self) -> str:
        params = self.params
        mark = " (SIMULATOR)" if self.simulated else ""
        steps = f"{params.steps} step{'s' if params.steps > 1 else ''}"
        return (
            f"Picture {self._file.width}×{self._file.height}, {params.sampler_name}, {steps}, "
            f"cfg scale {params.cfg_scale:g}, seed {params.seed}{mark}"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        import base64

        shown = base64.b64encode(thumbnail(self.bytes, SHOWN_PX)).decode()
        return {"text/plain": repr(self), "image/jpeg": shown}
