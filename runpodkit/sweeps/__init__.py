"""Sweeps: a base set of parameters and some axes become an ordered list of trials.

Reading text and tables: `axes` and `axis_text` one axis, `pasted` other tools' words, `rows` tables, `toml_text` files.
Parts: `kinds` of axes, `prompting` for prompts, `conditions` and `sampling` for the cells that stay.
Together: `reading` makes `cells` of axes, `trials` makes parameters of cells, `plan` is the sweep, `sweep` its short form.
Pure: no network, no clock, no chance.
"""
