"""What a notebook shows and asks: forms, and nested event loops on request.

Views.  They hold no rules: names, bounds and help come from `ImageParams`, the work is
the kit's.  Needs the `lab` extra; nothing here is imported before it is asked for.
"""

from __future__ import annotations

from runpodkit.notebook.nesting import allow_nested_loops

__all__ = ["allow_nested_loops"]
