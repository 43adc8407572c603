"""Statistics of paired and replicated numbers: intervals, noise, shares of a variance.

Floats and arrays only: no picture, run or name is known here, so each rule can be checked by hand.
Chance has a fixed seed, and the order in which values are given never matters.
"""
