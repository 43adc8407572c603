"""Tables: one row per trial, one column per parameter and fact, under its name (so the unit is in it).

Records in, frames and files out; where records come from is not known here.  Integers stay
integers where values are missing, and a table read back from its CSV equals the table written.
"""

from runpodkit.runs.tables.csv_files import csv_text, read_csv, to_csv
from runpodkit.runs.tables.frame import table
from runpodkit.runs.tables.latex import to_latex
from runpodkit.runs.tables.links import linker
from runpodkit.runs.tables.summary import summary

__all__ = ["csv_text", "linker", "read_csv", "summary", "table", "to_csv", "to_latex"]
