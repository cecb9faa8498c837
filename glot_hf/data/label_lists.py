# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Several labels in one cell: a list, text that is written as one, or names with a separator between them."""

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Collection
from typing import Any


# The first that occurs in a column separates its labels: the others are then part of a name.
SEPARATORS = ("|", ";", ",")


def parse_list(cell: Any) -> list[str] | None:
    """
    Return the labels of a list, or of text that is written as one in JSON or Python; None for anything else.

    Raises:
        ValueError: text in square brackets is no list, or a list or mapping holds what is no label.
    """
    if isinstance(cell, str):
        cell = _literal(cell.strip())
    if isinstance(cell, dict):
        raise ValueError("is a mapping: give the list of the labels that apply")
    if not isinstance(cell, (list, tuple, set)):
        return None
    for item in cell:
        is_label = isinstance(item, (str, int, float)) and str(item).strip() and not _is_nan(item)
        if not is_label:
            raise ValueError(f"holds {item!r}, which is not a label")
    return [name_of(item) for item in cell]


def name_of(cell: Any) -> str:
    """Return the class that a cell names."""
    return cell.strip() if isinstance(cell, str) else str(cell)


def find_separator(texts: Collection[str]) -> str:
    """Return what separates the labels of a column."""
    return next((each for each in SEPARATORS if any(each in text for text in texts)), SEPARATORS[0])


def split(text: str, separator: str) -> list[str]:
    """Return the labels that a text names; none of an empty one."""
    return [part.strip() for part in text.split(separator) if part.strip()]


def split_by_names(text: str, names: Collection[str]) -> list[str]:
    """Return the labels that a text names, by the separator that makes known ones of all of it, if there is one."""
    if text.strip() in names:
        return [text.strip()]
    ways = [split(text, separator) for separator in SEPARATORS if separator in text] or [split(text, SEPARATORS[0])]
    return next((parts for parts in ways if all(part in names for part in parts)), ways[0])


def find_combination(names: Collection[str], need_all: bool = False) -> tuple[str, str] | None:
    """
    Return a name that is made of several, and their separator: it shares a part with other names.

    Args:
        need_all (`bool`): all of its parts must be names themselves.
    """
    for separator in SEPARATORS:
        parts = {name: split(name, separator) for name in sorted(names)}
        counts = Counter(part for each in parts.values() for part in set(each))
        for name, each in parts.items():
            shared = [part in names if need_all else counts[part] > 1 for part in each]
            if len(each) > 1 and (all(shared) if need_all else any(shared)):
                return name, separator
    return None


def _literal(text: str) -> Any:
    """Return what Python or JSON in brackets stands for; of round and curly ones that are neither, the text."""
    if text[:1] + text[-1:] not in ("[]", "()", "{}"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    # NumPy writes lists without commas, which Python would join to one text.
    joins = re.search(r"""['"]\s+['"]""", text)
    try:
        if not joins:
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    if text.startswith("["):
        raise ValueError('looks like a list, but is neither JSON nor Python: write it as ["a", "b"], or as a|b')
    return text


def _is_nan(item: Any) -> bool:
    return isinstance(item, float) and math.isnan(item)
