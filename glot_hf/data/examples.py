# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Tables -> the examples a head is trained on or judged by: text, text_pair where there are pairs, and labels."""

import sys
from typing import Any

import torch
from datasets import ClassLabel, Dataset, List, Value
from transformers import PreTrainedTokenizerBase

from ..model.encoding_glot import pad_tokens
from ..system.errors import InputError
from .labels import Labels, place_rows


def make_examples(
    table: Dataset, text: str, label: str, labels: Labels, where: str, text_pair: str | None = None
) -> Dataset:
    """
    Return rows of `text`, `text_pair` where that column is named, and encoded `labels`, in the order of the table.

    Raises:
        InputError: a cell is not text, or a label is absent or unknown; names its row, counted from 1.
    """
    columns = {"text": texts_of(table, text, where)}
    if text_pair is not None:
        columns["text_pair"] = texts_of(table, text_pair, where)
    return Dataset.from_dict({**columns, "labels": labels.encode(label_cells(table, label), where)})


def texts_of(table: Dataset, column: str, where: str) -> list[str]:
    """
    Return the texts of a column; says which are empty.

    Raises:
        InputError: cells are not text; names their rows, counted from 1.
    """
    cells = table[column][:]
    wrong = [row for row, cell in enumerate(cells, start=1) if not isinstance(cell, str)]
    if wrong:
        raise InputError(f"{place_rows(where, wrong)}: {column!r} holds {cells[wrong[0] - 1]!r}, which is not text")
    warn_of_blanks([row for row, cell in enumerate(cells, start=1) if not cell.strip()], column, where)
    return cells


def warn_of_blanks(rows: list[int], column: str, where: str) -> None:
    """Say which texts are empty, if any."""
    if rows:
        print(f"warning: {place_rows(where, rows, limit=5)}: {column!r} is an empty text", file=sys.stderr)


def label_cells(table: Dataset, column: str) -> list[Any]:
    """Return the cells of a label column; where a dataset names its classes, the names."""
    feature, cells = table.features[column], table[column][:]
    names = getattr(feature, "feature", feature)  # of each item, where the cells are lists
    if not isinstance(names, ClassLabel):
        return cells
    return [_class_name(cell, names) for cell in cells]


def join_label_columns(table: Dataset, columns: list[str], where: str) -> tuple[Dataset, str]:
    """
    Return the table with one column in the place of several that hold a 0 or 1 for each class, and its name: of each
    row, the names of the columns that hold 1.

    Raises:
        InputError: a cell is neither 0 nor 1; names its row, counted from 1.
    """
    flags = {column: _flags(table[column][:], column, where) for column in columns}
    lists = [[column for column in columns if flags[column][row]] for row in range(len(table))]
    name = ", ".join(columns)
    return table.remove_columns(columns).add_column(name, lists, feature=List(Value("string"))), name


def _flags(cells: list[Any], column: str, where: str) -> list[bool]:
    values = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
    flags = [values.get(str(cell).strip().lower()) for cell in cells]
    wrong = [row for row, flag in enumerate(flags, start=1) if flag is None]
    if wrong:
        raise InputError(
            f"{place_rows(where, wrong)}: {column!r} holds {cells[wrong[0] - 1]!r}: a column of --label_columns says "
            "with 0 or 1 whether its class applies"
        )
    return [bool(flag) for flag in flags]


def _class_name(cell: Any, names: ClassLabel) -> Any:
    if isinstance(cell, list):
        return [_class_name(item, names) for item in cell]
    return None if cell is None or cell < 0 else names.int2str(cell)  # -1 stands for no label


def tokenize(examples: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int | None) -> Dataset:
    """
    Return examples as models take them: `input_ids` and its companions, those of a second text with `_b`, `labels`.

    Says how many texts were cut at `max_length`; None cuts none.
    """
    options = {"truncation": max_length is not None, "max_length": max_length}

    def encode(batch: dict[str, list]) -> dict[str, list]:
        encoded = dict(tokenizer(batch["text"], **options))
        if "text_pair" in batch:
            second = tokenizer(batch["text_pair"], **options)
            encoded |= {f"{name}_b": second[name] for name in ("input_ids", "attention_mask")}
        return encoded

    tokenized = examples.map(encode, batched=True, remove_columns=[n for n in examples.column_names if n != "labels"])
    full = 0 if max_length is None else sum(len(ids) >= max_length for ids in tokenized["input_ids"])
    if full:
        print(f"{full} of {len(tokenized)} texts fill max_length={max_length}: what is longer is cut", file=sys.stderr)
    return tokenized


class PairCollator:
    """
    Pads a batch of tokenized examples; the two texts of a pair each to their own longest.

    Args:
        tokenizer: pads on the side that it is set to.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self.tokenizer = tokenizer

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Make `(B, L)` tensors of rows of lists, and `labels` of shape `(B,)` or `(B, num_labels)`."""
        batch = {}
        for suffix in ("", "_b") if "input_ids_b" in examples[0] else ("",):
            names = [name for name in examples[0] if name != "labels" and name.endswith("_b") == bool(suffix)]
            rows = [{name.removesuffix(suffix): row[name] for name in names} for row in examples]
            batch |= {f"{name}{suffix}": tensor for name, tensor in pad_tokens(self.tokenizer, rows).items()}
        if "labels" in examples[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in examples])
        return batch
