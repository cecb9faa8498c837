# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The first sheet of an .xlsx file, by pandas (extra `xlsx`)."""

import sys
import zipfile
from xml.etree.ElementTree import ParseError  # nosec B405 # the error alone

from ..system.errors import InputError, require_extra


def sheet_rows(path: str) -> list[list[str]]:
    """
    Return the cells of the first sheet as text, row by row; empty cells are empty, and rows without a cell left out.

    Raises:
        InputError: pandas or openpyxl is missing, or the file is no sheet.
    """
    require_extra("xlsx", "pandas", "openpyxl")
    import pandas
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with pandas.ExcelFile(path, engine="openpyxl") as book:
            sheets = book.sheet_names
            frame = pandas.read_excel(book, header=None, dtype=str, keep_default_na=False, na_filter=False)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, ValueError, ParseError) as error:
        raise InputError(f"{path!r} cannot be read as a spreadsheet ({error}): save it again, or as CSV") from error
    if len(sheets) > 1:
        print(f"reads the first of {len(sheets)} sheets of {path}, {sheets[0]!r}", file=sys.stderr)
    rows = [["" if cell is None else str(cell) for cell in row] for row in frame.itertuples(index=False)]
    return [row for row in rows if any(row)]
