"""Sweeps: a base set of parameters and some axes become an ordered list of trials.

`axes` reads the values of one axis, from Python or from text; `sweep` puts axes
together.  Pure: no network, no clock, no chance.
"""
