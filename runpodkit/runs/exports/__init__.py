"""Exports: a run as files that other tools open.  Made at the end; never the store itself."""
