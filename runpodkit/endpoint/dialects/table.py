"""The table of built-in dialects, as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpodkit.endpoint.dialects.dialect import OURS, Dialect
from runpodkit.endpoint.dialects.rows import built_in
from runpodkit.params import ImageParams

if TYPE_CHECKING:
    import pandas as pd


def dialects() -> pd.DataFrame:
    """The dialects that are built in, one row each: name, what it is for, what it takes, defaults, price."""
    import pandas as pd

    return pd.DataFrame([_row(dialect) for dialect in built_in().values()]).set_index("dialect")


def _row(dialect: Dialect) -> dict[str, str]:
    params = dialect.resolve(ImageParams(user_prompt="-"))
    taken = [name for name in ImageParams.model_fields if name in dialect.takes - OURS]
    return {
        "dialect": dialect.name,
        "for": dialect.about,
        "takes": ", ".join(taken) + (" and any extra" if dialect.extra_at else ""),
        "default size": f"{params.width}×{params.height}" if "width" in dialect.takes else "the worker's",
        "steps": str(params.steps) if "steps" in dialect.takes else "–",
        "samplers": str(len(dialect.samplers)) if dialect.samplers else "–",
        "price": _price(dialect),
    }


def _price(dialect: Dialect) -> str:
    if dialect.usd_per_image is not None:
        return f"${dialect.usd_per_image:g} per picture"
    return "by the second" if dialect.usd_per_megapixel is None else f"${dialect.usd_per_megapixel:g} per megapixel"


def as_markdown() -> str:
    """The same table for a README."""
    lines = ["| dialect | for | steps | default size | price |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{name}` | {row['for']} | {row['steps']} | {row['default size']} | {row['price']} |"
        for name, row in dialects().iterrows()
    ]
    return "\n".join(lines) + "\n"
