"""Parameter sweeps, sampler grids and exports for image models on RunPod serverless endpoints.

    import runpodkit as rk

    kit = rk.connect()
    run = kit.submit(rk.sweep("a lighthouse at dusk", sampler_name=["Euler", "Heun"], steps=[5, 10, 20]))
    run.wait()
    run.grid()

Importing this package is light and starts nothing: each public name is loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpodkit.connecting import connect, generate_image_async, open_run
    from runpodkit.endpoint.client import Endpoint
    from runpodkit.endpoint.dialects.table import dialects
    from runpodkit.images.grids import Grid
    from runpodkit.images.metadata import read_metadata
    from runpodkit.kit import Kit
    from runpodkit.params import ImageParams
    from runpodkit.runs.grids import grid
    from runpodkit.runs.picture import Picture
    from runpodkit.runs.ranked import rank
    from runpodkit.runs.run import Run
    from runpodkit.sweeps.prompting import permutations, replace
    from runpodkit.sweeps.sampling import latin, random
    from runpodkit.sweeps.sweep import Sweep, seeds, sweep

__version__ = "0.1.0"

__all__ = [
    "Endpoint",
    "Grid",
    "ImageParams",
    "Kit",
    "Picture",
    "Run",
    "Sweep",
    "connect",
    "dialects",
    "generate_image_async",
    "grid",
    "latin",
    "open_run",
    "permutations",
    "random",
    "rank",
    "read_metadata",
    "replace",
    "seeds",
    "sweep",
]

_HOMES = {
    "Endpoint": "endpoint.client",
    "Grid": "images.grids",
    "ImageParams": "params",
    "Kit": "kit",
    "Picture": "runs.picture",
    "Run": "runs.run",
    "Sweep": "sweeps.sweep",
    "connect": "connecting",
    "dialects": "endpoint.dialects.table",
    "generate_image_async": "connecting",
    "grid": "runs.grids",
    "latin": "sweeps.sampling",
    "open_run": "connecting",
    "permutations": "sweeps.prompting",
    "random": "sweeps.sampling",
    "rank": "runs.ranked",
    "read_metadata": "images.metadata",
    "replace": "sweeps.prompting",
    "seeds": "sweeps.sweep",
    "sweep": "sweeps.sweep",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'runpodkit' has no attribute {name!r}")
    value = getattr(import_module(f"runpodkit.{home}"), name)
    globals()[name] = value
    return value


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext runpodkit`: `%%sweep` and `%nested_loops`."""
    magics = import_module("runpodkit.notebook.magics")
    ipython.register_magics(magics.RunpodkitMagics)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
