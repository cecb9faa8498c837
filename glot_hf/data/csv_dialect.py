# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""How CSV and TSV files are written: CSV quotes as usual, in TSV quotes are plain characters, as in GLUE's."""

import csv
import os
from pathlib import Path
from typing import Any


csv.field_size_limit(2**31 - 1)  # a cell may be a whole document


def csv_dialect(path: str | os.PathLike) -> dict[str, Any]:
    """Options of `csv.reader` and of pandas, by the suffix of a file."""
    return {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if Path(path).suffix.lower() == ".tsv" else {}
