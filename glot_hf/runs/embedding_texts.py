# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""From command line options to the rows that sentence vectors are trained on and judged by."""

import sys
from typing import Any

from ..data.columns import choose_groups, require_column
from ..data.examples import label_cells, texts_of
from ..data.labels import Labels
from ..data.tables import load_table
from ..data.text_groups import TextGroups, read_groups
from ..options.arguments import ContrastiveArguments, DataArguments
from ..system.errors import InputError, require_positive
from .texts import VALIDATION_SHARE


_SCORE_NAMES = ("score", "similarity", "similarity_score")


def training_groups(data: DataArguments, options: ContrastiveArguments, seed: int) -> tuple[TextGroups, TextGroups]:
    """
    Return rows to train on, and rows to validate with.

    Raises:
        InputError: the options name no file of pairs, or are for labels; or the file cannot be read as pairs.
    """
    if data.train_file is None:
        raise InputError("--task embedding needs a --train_file with texts that belong together")
    for name in ("data_dir", "problem_type", "label_columns", "text_template"):
        if getattr(data, name) is not None:
            raise InputError(f"--{name} is not for --task embedding, which reads pairs of --train_file")
    if data.max_train_rows is not None:
        require_positive(data.max_train_rows, "--max_train_rows")
    if data.label_column is not None and data.validation_file is None:
        raise InputError("--label_column names the scores of a --validation_file: name that too")
    groups = positive_groups(data.train_file, data, options, data.max_train_rows)
    if data.validation_file is not None:
        return groups, validation_groups(data.validation_file, data, options)
    train, held_out = groups.hold_out(VALIDATION_SHARE, seed)
    if len(held_out) == 1:
        print("warning: one row only is held out: the metrics say next to nothing", file=sys.stderr)
    print(f"holds out {VALIDATION_SHARE:.0%} of the queries for validation (--validation_file names others)")
    return groups.select(train), groups.select(held_out)


def positive_groups(source: str, data: Any, options: ContrastiveArguments, max_rows: int | None = None) -> TextGroups:
    """
    Every row of a file, or its first rows, as a query, its positive and its hard negatives.

    Args:
        data: `text_column` and `text_pair_column`, as [`DataArguments`] has them; None is guessed.

    Raises:
        InputError: no columns of pairs can be found in the file, or a cell holds no text.
    """
    table = load_table(source)
    if max_rows is not None and max_rows < len(table):
        print(f"reads the first {max_rows:,} of {len(table):,} rows of {source}", file=sys.stderr)
        table = table.select(range(max_rows))
    query, positive, negative = choose_groups(table, data.text_column, data.text_pair_column, options.negative_column)
    if negative is None and options.num_negatives > 1:
        raise InputError(
            f"--num_negatives {options.num_negatives}, but no column of negatives is known: name it with "
            f"--negative_column, the columns are {table.column_names}"
        )
    unread = [name for name in table.column_names if name not in (query, positive, negative)]
    if unread:
        print(f"not read: {unread}: every row is a pair that belongs together", file=sys.stderr)
    return read_groups(table, query, positive, negative, options.num_negatives, source)


def validation_groups(source: str, data: Any, options: ContrastiveArguments) -> TextGroups:
    """
    Return pairs with scores, where the file has a column of them; else rows as in training.

    Args:
        data: `text_column`, `text_pair_column` and `label_column`, as [`DataArguments`] has them; None is guessed.

    Raises:
        InputError: a column is absent, a score is no number, or `--label_columns` is given.
    """
    if data.label_columns is not None:
        raise InputError("--label_columns names classes, but vectors are judged by the scores of one --label_column")
    table = load_table(source, split="validation")
    require_column(table, data.label_column, "--label_column")
    score = data.label_column or next((name for name in _SCORE_NAMES if name in table.column_names), None)
    query, positive, negative = choose_groups(table, data.text_column, data.text_pair_column, options.negative_column)
    if score is None:
        return read_groups(table, query, positive, negative, options.num_negatives, source)
    if data.label_column is None:
        print(f"score column: {score!r} (guessed; --label_column names another)", file=sys.stderr)
    pairs = zip(texts_of(table, query, source), texts_of(table, positive, source))
    scores: Any = Labels("regression").encode(label_cells(table, score), source)
    groups = [list(pair) for pair in pairs]
    return TextGroups(groups, scores, rows=list(range(1, len(groups) + 1)))
