"""Endpoints: what a RunPod serverless endpoint can be asked, and how its workers spell things.

Knows the wire and nothing of sweeps, stores or the simulator.
"""
