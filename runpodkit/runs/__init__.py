"""Runs: executions of sweeps, driven over an endpoint, known to the ledger, kept in the store."""
