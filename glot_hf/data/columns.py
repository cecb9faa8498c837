# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Which column of a table is the text and which the label."""

import sys

from datasets import Dataset

from ..errors import InputError
from .labels import parse_number


_TEXT_NAMES = ("text", "sentence", "content", "document", "review", "tweet", "comment", "message", "question")
_PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
)
LABEL_NAMES = ("label", "labels", "target", "class", "category", "score", "rating", "sentiment", "intent")


def choose_columns(
    table: Dataset, text: str | None = None, label: str | None = None, text_pair: str | None = None
) -> tuple[str, str, str | None]:
    """
    The text column, the label column and, of pairs, that of the second text: those that were named, or else those with
    usual names, or else the column with the longest texts and the only other one. A second text is guessed only where
    neither is named. What is guessed, and what is not read then, is said on standard error.

    Raises:
        InputError: there is no column of that name, none can be guessed, or what is guessed as text holds numbers.
    """
    names = table.column_names
    for given, kind in ((text, "text"), (label, "label"), (text_pair, "text_pair")):
        require_column(table, given, f"--{kind}_column")
    guessed = text is None
    if text is None and text_pair is None:
        text, text_pair = _guess_pair(names, taken=label)
    if text is None:
        text = _guess_text(table, taken=label)
    if label is None:
        others = [name for name in names if name not in (text, text_pair)]
        only_other = others[0] if len(others) == 1 else None
        label = _guess(table, "label", _usual(names, LABEL_NAMES, taken=text) or only_other)
    unread = [name for name in names if name not in (text, label, text_pair)]
    if guessed and unread:
        print(f"not read: {unread} (--text_pair_column names the second text of a pair)", file=sys.stderr)
    return text, label, text_pair


def choose_texts(
    table: Dataset, text: str | None = None, text_pair: str | None = None, is_pair: bool = False
) -> tuple[str, str | None]:
    """
    The text column and, where `is_pair`, that of the second text, of a table that needs no labels: those that were
    named, else guessed as in [`choose_columns`].

    Raises:
        InputError: there is no column of that name, none can be guessed, or what is guessed as text holds numbers.
    """
    for given, kind in ((text, "text"), (text_pair, "text_pair")):
        require_column(table, given, f"--{kind}_column")
    if is_pair and text is None and text_pair is None:
        text, text_pair = _guess_pair(table.column_names, taken=None)
    if is_pair and text_pair is None:
        raise InputError(
            "no column of the second texts can be guessed: name it with --text_pair_column, the columns are "
            f"{table.column_names}"
        )
    return text or _guess_text(table, taken=text_pair), text_pair


def require_column(table: Dataset, name: str | None, flag: str) -> None:
    """
    Raises:
        InputError: a column was named that the table does not have.
    """
    if name is not None and name not in table.column_names:
        raise InputError(f"there is no column {name!r} for {flag}: the columns are {table.column_names}")


def _guess_text(table: Dataset, taken: str | None) -> str:
    usual = _usual(table.column_names, _TEXT_NAMES, taken)
    text = _guess(table, "text", usual or _longest(table, taken))
    if all(parse_number(cell) is not None for cell in table[text][:]):
        raise InputError(f"the column {text!r} holds nothing but numbers: name the text with --text_column")
    return text


def _guess(table: Dataset, kind: str, guess: str | None) -> str:
    if guess is None:
        raise InputError(
            f"no {kind} column can be guessed: name it with --{kind}_column, the columns are {table.column_names}"
        )
    print(f"{kind} column: {guess!r} (guessed; --{kind}_column names another)", file=sys.stderr)
    return guess


def _guess_pair(names: list[str], taken: str | None) -> tuple[str | None, str | None]:
    by_lower_case = {name.lower(): name for name in names if name != taken}
    for first, second in _PAIR_NAMES:
        if first in by_lower_case and second in by_lower_case:
            text, text_pair = by_lower_case[first], by_lower_case[second]
            print(f"pairs: {text!r}, {text_pair!r} (guessed; --text_column alone makes it one text)", file=sys.stderr)
            return text, text_pair
    return None, None


def _usual(names: list[str], usual: tuple[str, ...], taken: str | None) -> str | None:
    by_lower_case = {name.lower(): name for name in names if name != taken}
    return next((by_lower_case[name] for name in usual if name in by_lower_case), None)


def _longest(table: Dataset, taken: str | None) -> str | None:
    rows = table[:100]
    candidates = [name for name in table.column_names if name != taken and isinstance(rows[name][0], str)]
    return max(candidates, key=lambda name: sum(len(str(cell)) for cell in rows[name]), default=None)
