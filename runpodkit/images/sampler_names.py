"""How image tools spell samplers, brought to the spelling our fields use: that of A1111.

A name nobody here knows stays as it is: the field is open, and a dialect says what it takes.
"""

from __future__ import annotations

_OURS = {
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "euler_a": "Euler a",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "dpm2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "dpm2_a": "DPM2 a",
    "dpm_fast": "DPM fast",
    "dpm_adaptive": "DPM adaptive",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_2s_a": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "ddim": "DDIM",
    "lms": "LMS",
    "plms": "PLMS",
    "pndm": "PLMS",
    "lcm": "LCM",
    "restart": "Restart",
    "uni_pc": "UniPC",
    "unipc": "UniPC",
}
"""Of ComfyUI, Fooocus and SwarmUI; NovelAI says `k_euler`, InvokeAI `euler_a` and `heun_k` for karras."""
_SPELT_OUT = {"euler ancestral": "Euler a", "euler a": "Euler a", "dpm++ 2s ancestral": "DPM++ 2S a"}


def ours(name: str) -> tuple[str, str | None]:
    """Our sampler for a tool's name, and the scheduler where the name carries one ("DPM++ 2M Karras")."""
    for ending in ("Karras", "Exponential"):
        if name.endswith(f" {ending}"):
            return ours(name.removesuffix(f" {ending}"))[0], ending.lower()
    plain = name.strip().lower()
    plain = plain.removeprefix("k_").removesuffix("_gpu")
    if plain in _OURS:
        return _OURS[plain], None
    if plain.endswith("_k") and plain[:-2] in _OURS:
        return _OURS[plain[:-2]], "karras"
    return _SPELT_OUT.get(plain, name), None
