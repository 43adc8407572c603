"""The command line: parses, calls the library once, prints plain lines.

Results go to stdout, progress to stderr.  Our errors become one line and exit code 1;
a traceback means a bug of ours.  `--help` lists commands in the order of these imports.
"""

from runpodkit.cli.shell import main  # isort: skip
from runpodkit.cli import sweeps, runs, status, prune, exports, grids, scores, pictures, dialects, machine, worker  # isort: skip

__all__ = [
    "dialects",
    "exports",
    "grids",
    "machine",
    "main",
    "pictures",
    "prune",
    "runs",
    "scores",
    "status",
    "sweeps",
    "worker",
]
