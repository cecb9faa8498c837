# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Which column of a table is the text and which the label."""

import re
import sys
from typing import Any

from datasets import Dataset

from ..system.errors import InputError
from .labels import parse_number


_TEXT_NAMES = ("text", "sentence", "content", "document", "review", "tweet", "comment", "message", "question")
_PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("sentence_a", "sentence_b"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "answer"),
    ("question", "sentence"),
    ("query", "document"),
    ("query", "passage"),
)
# As JSON lines of retrieval, sentence-transformers' data sets and GLUE call what belongs together, and what does not.
_QUERY_NAMES = ("query", "anchor", "sentence1", "sentence_a", "question", "text")
_POSITIVE_NAMES = ("pos", "positive", "sentence2", "sentence_b", "answer", "text_pair")
_NEGATIVE_NAMES = ("neg", "negative")
# What the names of two texts differ by, as in product_a and product_b, text_1 and text_2, left and right: the first's
# part, and what stands there in the second.
_PAIR_MARKS = (
    (re.compile(r"(?<![a-z0-9])a(?![a-z0-9])|a$"), "b"),
    (re.compile(r"(?<!\d)1(?!\d)"), "2"),
    (re.compile("left"), "right"),
    (re.compile("first"), "second"),
    *((re.compile("$"), ending) for ending in ("2", "_2", "_b", "_pair")),
)
# What a column holds that is taken for the label without being called so: few classes, and not dates.
_ROWS_OF_A_CLASS, _MOST_CLASSES = 10, 50
LABEL_NAMES = ("label", "labels", "target", "class", "category", "score", "rating", "sentiment", "intent")


def choose_columns(
    table: Dataset, text: str | None = None, label: str | None = None, text_pair: str | None = None
) -> tuple[str, str, str | None]:
    """
    Return the text column, the label column and, of pairs, that of the second text: those that were named, or else
    those with usual names, or else the column with the longest texts, and the only other one or the only one with few
    classes. A second text is guessed only where neither is named. What is guessed, and what is not read then, is said
    on standard error.

    Raises:
        InputError: there is no column of that name, none can be guessed, several may be meant, or what is guessed as
            text holds numbers.
    """
    names = table.column_names
    for given, kind in ((text, "text"), (label, "label"), (text_pair, "text_pair")):
        require_column(table, given, f"--{kind}_column")
    guessed = text is None
    if text is None and text_pair is None:
        text, text_pair = _guess_pair(table, taken=label)
    if text is None:
        text = _guess_text(table, label or _usual(names, LABEL_NAMES), text_pair)
    if label is None:
        others = [name for name in names if name not in (text, text_pair)]
        label = _guess(table, "label", _usual(names, LABEL_NAMES, taken=text) or _only_label(table, others))
    unread = [name for name in names if name not in (text, label, text_pair)]
    if guessed and unread:
        print(f"not read: {unread} (--text_pair_column names the second text of a pair)", file=sys.stderr)
    return text, label, text_pair


def choose_texts(
    table: Dataset, text: str | None = None, text_pair: str | None = None, is_pair: bool = False
) -> tuple[str, str | None]:
    """
    Return the text column and, where `is_pair`, that of the second text, of a table that needs no labels: those that
    were named, else guessed as in [`choose_columns`].

    Raises:
        InputError: there is no column of that name, none can be guessed, several may be meant, or what is guessed as
            text holds numbers.
    """
    for given, kind in ((text, "text"), (text_pair, "text_pair")):
        require_column(table, given, f"--{kind}_column")
    if is_pair and text is None and text_pair is None:
        text, text_pair = _guess_pair(table, taken=None, has_label=False)
    if is_pair and text_pair is None:
        raise InputError(
            "no column of the second texts can be guessed: name it with --text_pair_column, the columns are "
            f"{table.column_names}"
        )
    return text or _guess_text(table, _usual(table.column_names, LABEL_NAMES), text_pair), text_pair


def choose_groups(
    table: Dataset, query: str | None = None, positive: str | None = None, negative: str | None = None
) -> tuple[str, str, str | None]:
    """
    Return the columns of texts that belong together, and that of the texts that do not, where there is one: those that
    were named, else those with usual names. What is guessed is said on standard error.

    Raises:
        InputError: there is no column of that name, none can be guessed, or one would be both texts of a pair.
    """
    chosen = []
    for given, usual, kind in (
        (query, _QUERY_NAMES, "text"),
        (positive, _POSITIVE_NAMES, "text_pair"),
        (negative, _NEGATIVE_NAMES, "negative"),
    ):
        require_column(table, given, f"--{kind}_column")
        guess = None if given is not None else _usual(table.column_names, usual)
        if guess is not None:
            print(f"{kind} column: {guess!r} (guessed; --{kind}_column names another)", file=sys.stderr)
        elif given is None and kind != "negative":
            raise InputError(
                f"no column of pairs can be guessed: name it with --{kind}_column, the columns are "
                f"{table.column_names}"
            )
        chosen.append(given or guess)
    query, positive, negative = chosen
    if query == positive:
        raise InputError(f"the column {query!r} would be both texts of a pair: name the other with --text_pair_column")
    return str(query), str(positive), negative


def require_column(table: Dataset, name: str | None, flag: str) -> None:
    """
    Raises:
        InputError: a column was named that the table does not have.
    """
    if name is not None and name not in table.column_names:
        raise InputError(f"there is no column {name!r} for {flag}: the columns are {table.column_names}")


def _guess_text(table: Dataset, label: str | None, text_pair: str | None) -> str:
    usual = _usual(table.column_names, _TEXT_NAMES, taken=label)
    if usual is None and text_pair is None:
        _require_one_text(table, label)
    text = _guess(table, "text", usual or _longest(table, taken=(label, text_pair)))
    if _holds_numbers(table, text):
        raise InputError(f"the column {text!r} holds nothing but numbers: name the text with --text_column")
    return text


def _guess(table: Dataset, kind: str, guess: str | None) -> str:
    if guess is None:
        several = " (or several, of a 0 or 1 for each class, with --label_columns)" if kind == "label" else ""
        raise InputError(
            f"no {kind} column can be guessed: name it with --{kind}_column{several}, the columns are "
            f"{table.column_names}"
        )
    print(f"{kind} column: {guess!r} (guessed; --{kind}_column names another)", file=sys.stderr)
    return guess


def _only_label(table: Dataset, names: list[str]) -> str | None:
    """
    Return the only column, or the only one that holds few classes; None where there is none.

    Raises:
        InputError: several columns hold few classes.
    """
    if len(names) == 1:
        return names[0]
    classes = [name for name in names if _holds_classes(table, name)]
    if len(classes) > 1:
        raise InputError(f"the label may be any of {classes}: name it with --label_column")
    return classes[0] if classes else None


def _holds_classes(table: Dataset, name: str) -> bool:
    """Return whether the cells are 2 to 50 different values, each of ten rows in the mean or more."""
    distinct = {str(cell) for cell in table[name][:]}
    return 1 < len(distinct) <= min(_MOST_CLASSES, len(table) / _ROWS_OF_A_CLASS)


def _guess_pair(table: Dataset, taken: str | None, has_label: bool = True) -> tuple[str | None, str | None]:
    if has_label and taken is None and len(table.column_names) < 3:
        return None, None  # one of two columns is the label
    names = [name for name in table.column_names if name not in (taken, _usual(table.column_names, LABEL_NAMES))]
    by_lower_case = {name.lower(): name for name in names}
    usual = next((pair for pair in _PAIR_NAMES if {*pair} <= {*by_lower_case}), None)
    if usual is not None:
        pairs = [tuple(by_lower_case[name] for name in usual)]
    else:
        texts = [name for name in names if _holds_texts(table, name)]
        pairs = _marked_pairs(texts or [name for name in names if _varies(table, name)])
        alone = _usual(names, _TEXT_NAMES)
        if pairs and alone is not None and not any(alone in pair for pair in pairs):
            pairs.append(alone)
    if len(pairs) > 1:
        raise InputError(
            f"the texts may be {' or '.join(map(str, pairs))}: name them with --text_column and, where two are to be "
            "compared, --text_pair_column"
        )
    if not pairs:
        return None, None
    ((text, text_pair),) = pairs
    print(f"pairs: {text!r}, {text_pair!r} (guessed; --text_column alone makes it one text)", file=sys.stderr)
    return text, text_pair


def _marked_pairs(names: list[str]) -> list[Any]:
    by_lower_case = {name.lower(): name for name in names}
    pairs = {
        (name, by_lower_case.get(lower[: mark.start()] + second + lower[mark.end() :])): None
        for lower, name in by_lower_case.items()
        for first, second in _PAIR_MARKS
        for mark in first.finditer(lower)
    }
    return [pair for pair in pairs if pair[1] is not None]


def _require_one_text(table: Dataset, label: str | None) -> None:
    """
    Raises:
        InputError: several columns hold texts, and none has a usual name.
    """
    texts = [name for name in table.column_names if name != label and _holds_texts(table, name)]
    if label is not None and len(texts) > 1:
        raise InputError(
            f"several columns hold texts, {texts}: name the one to read with --text_column, and where two are to be "
            "compared, the other with --text_pair_column"
        )


def _holds_texts(table: Dataset, name: str) -> bool:
    """Return whether the cells are several words, and so many different ones that they are no classes."""
    return _varies(table, name) and 2 * sum(" " in cell.strip() for cell in table[name][:] if cell) > len(table)


def _varies(table: Dataset, name: str) -> bool:
    """Return whether the cells are strings, no numbers, and so many different ones that they are no classes."""
    cells = table[name][:]
    if not all(cell is None or isinstance(cell, str) for cell in cells) or _holds_numbers(table, name):
        return False
    return len(set(cells)) > max(len(cells) / 20, min(10, len(cells) / 2))


def _holds_numbers(table: Dataset, name: str) -> bool:
    return all(parse_number(cell) is not None for cell in table[name][:])


def _usual(names: list[str], usual: tuple[str, ...], taken: str | None = None) -> str | None:
    by_lower_case = {name.lower(): name for name in names if name != taken}
    return next((by_lower_case[name] for name in usual if name in by_lower_case), None)


def _longest(table: Dataset, taken: tuple[str | None, ...]) -> str | None:
    rows = table[:100]
    candidates = [name for name in table.column_names if name not in taken and isinstance(rows[name][0], str)]
    return max(candidates, key=lambda name: sum(len(str(cell)) for cell in rows[name]), default=None)
