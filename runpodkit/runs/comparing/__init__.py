"""Comparing the trials of a run: what an axis does, what is noise, which axis matters, how many steps are enough."""
