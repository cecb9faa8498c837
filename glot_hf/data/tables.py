# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A table of texts from a CSV, TSV, JSON lines or Parquet file, or from a datasets name."""

import csv
import logging
from pathlib import Path

import datasets
from datasets import Dataset, Features, Value, load_dataset

from ..errors import InputError
from .csv_dialect import csv_dialect
from .utf8 import require_utf8


_FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}


def load_table(source: str, split: str = "train", columns: tuple[str, ...] | None = None) -> Dataset:
    """
    Reads a file, or a split of a dataset by its name (which needs a network).

    The cells of CSV and TSV files are kept as text: no number, date or "NA" is guessed. In a TSV file quotes are plain
    characters, as in GLUE's.

    Args:
        source (`str`): a file with one of the suffixes .csv, .tsv, .jsonl, .json (lines) or .parquet; or a name.
        split (`str`): of a dataset by name.
        columns (`tuple[str, ...]`, *optional*): the column names of a CSV or TSV file that has no header.

    Raises:
        InputError: the file is missing, empty, of another kind or cannot be parsed, or the name cannot be loaded.
    """
    path = Path(source)
    if not path.is_file():
        if path.suffix.lower() in _FORMATS or path.exists():
            raise InputError(f"there is no file {source!r}: check the path")
        try:
            return load_dataset(source, split=split)
        except Exception as error:  # of many kinds: no network, no such name, no such split
            raise InputError(
                f"{source!r} is neither a file nor a dataset that can be loaded ({_first_line(error)}): give a "
                f"{', '.join(_FORMATS)} file, or a dataset's name on a machine with a network"
            ) from error
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{source!r} is of an unknown kind: valid are {', '.join(_FORMATS)}")
    if path.stat().st_size == 0:
        raise InputError(f"{source!r} is empty: it must hold at least a header and a row")
    if kind != "parquet":
        require_utf8(path)  # a JSON reader would take other bytes as they are
    options = _csv_options(path, columns) if kind == "csv" else {}
    verbosity = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(logging.CRITICAL)  # its complaint is what the message below says
    try:
        table = load_dataset(kind, data_files=str(path), split="train", **options)
    except Exception as error:
        raise InputError(f"{source!r} cannot be read as {path.suffix}: {_first_line(error)}") from error
    finally:
        datasets.logging.set_verbosity(verbosity)
    if len(table) == 0:
        raise InputError(f"{source!r} is empty: it has no row below its header")
    return table


def _csv_options(path: Path, columns: tuple[str, ...] | None) -> dict:
    reading = csv_dialect(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, **reading)
        first, second = next(rows, None), next(rows, None)
    if first is None:
        raise InputError(f"{str(path)!r} is empty: it must hold at least a header and a row")
    names = columns or tuple(first)
    data = first if columns else second
    if data is None:
        raise InputError(f"{str(path)!r} is empty: it has no row below its header")
    if len(data) != len(names):
        raise InputError(
            f"{str(path)!r}: its first row has {len(data)} cells for the {len(names)} columns {list(names)}: check "
            "the separator (a comma in .csv, a tab in .tsv) and the quotes"
        )
    if len(set(names)) != len(names):
        raise InputError(f"{str(path)!r} names a column twice: {list(names)}")
    return {
        **reading,
        "column_names": list(names),
        "skiprows": 0 if columns else 1,
        "header": None,
        "features": Features({name: Value("string") for name in names}),
        "keep_default_na": False,
        "na_filter": False,
        "encoding": "utf-8-sig",
    }


def _first_line(error: BaseException) -> str:
    """The innermost cause: datasets wraps what went wrong in errors of its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
