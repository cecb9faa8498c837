# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""From command line options to labelled examples."""

from typing import Any

from datasets import Dataset

from ..data.columns import LABEL_NAMES, choose_columns
from ..data.examples import label_cells, make_examples
from ..data.labels import Labels, learn_labels, shorten
from ..data.tables import load_table
from ..data.tasks import find_task
from ..errors import InputError
from ..training_record import TrainingRecord
from .arguments import DataArguments, require_positive


VALIDATION_SHARE = 0.1
MAX_LENGTH = 128
COLUMNS = ("text_column", "text_pair_column", "label_column")


def max_length_of(data: DataArguments) -> int:
    """Tokens a text is cut at: as asked for, or as is usual for the task."""
    if data.max_length is not None:
        return data.max_length
    return MAX_LENGTH if data.task is None else find_task(data.task).max_length


def training_examples(
    data: DataArguments, seed: int
) -> tuple[Dataset, dict[str, Dataset], Labels, dict[str, str | None]]:
    """
    Examples to train on; to validate with, by the prefix of the metrics ("eval", and others that a task reports
    beside it); their labels; and the columns they came from.

    Raises:
        InputError: see the messages.
    """
    task = None if data.task is None else find_task(data.task)
    _require_one_source(data, data.train_file, data.task, "--train_file")
    if data.max_train_rows is not None:
        require_positive(data.max_train_rows, "--max_train_rows")
    if task is not None:
        train = task.examples("train", data.data_dir, data.max_train_rows)
        return train, task.evaluations(data.data_dir), task.labels, {}
    table = load_table(data.train_file)
    text, label, text_pair = choose_columns(table, data.text_column, data.label_column, data.text_pair_column)
    columns = {"text_column": text, "text_pair_column": text_pair, "label_column": label}
    labels = learn_labels(label_cells(table, label), data.train_file, data.problem_type)
    if data.label_column is None and label.lower() not in LABEL_NAMES:
        _require_classes(labels, label, len(table))
    print(
        f"{labels.problem_type}: {f'{len(labels.names)} classes, {shorten(labels.names)}' if labels.names else label}"
    )
    train = make_examples(table, text, label, labels, data.train_file, text_pair)
    if data.validation_file is not None:
        return train, {"eval": file_examples(data.validation_file, columns, labels)}, labels, columns
    if len(train) < 2:
        raise InputError(f"{data.train_file!r} has one row only, so none can be held out: name a --validation_file")
    parts = train.train_test_split(test_size=VALIDATION_SHARE, seed=seed)
    print(f"holds out {VALIDATION_SHARE:.0%} of the rows for validation (--validation_file names others)")
    return parts["train"], {"eval": parts["test"]}, labels, columns


def evaluation_examples(data: Any, labels: Labels, record: TrainingRecord) -> dict[str, Dataset]:
    """
    Examples to judge a trained head by, by the prefix of the metrics as in training; the columns are those it was
    trained with, where `data`, which are LabelledTextArguments, name no others.

    Raises:
        InputError: see the messages.
    """
    task_name = data.task or (record.task if data.validation_file is None else None)
    _require_one_source(data, data.validation_file, task_name, "--validation_file")
    if task_name is not None:
        task = find_task(task_name)
        if task.labels != labels:
            theirs, known = (shorten(each.names) or "scores" for each in (task.labels, labels))
            raise InputError(f"the labels of {task.name} are {theirs}, but this head knows {known}")
        return task.evaluations(data.data_dir)
    columns = {name: getattr(data, name) or getattr(record, name) for name in COLUMNS}
    return {"eval": file_examples(data.validation_file, columns, labels)}


def file_examples(source: str, columns: dict[str, str | None], labels: Labels) -> Dataset:
    """
    The labelled examples of a validation file.

    Raises:
        InputError: see the messages.
    """
    table = load_table(source, split="validation")
    named = (columns[name] for name in ("text_column", "label_column", "text_pair_column"))
    text, label, text_pair = choose_columns(table, *named)
    return make_examples(table, text, label, labels, source, text_pair)


def _require_classes(labels: Labels, column: str, num_rows: int) -> None:
    if labels.problem_type == "single_label_classification" and 2 * len(labels.names) > num_rows:
        raise InputError(
            f"the column {column!r} has {len(labels.names)} classes in {num_rows} rows ({shorten(labels.names, 3)}), "
            "which may be no labels: name the column with --label_column"
        )


def _require_one_source(data: Any, file: str | None, task: str | None, flag: str) -> None:
    if (file is None) == (task is None):
        raise InputError(f"name the texts: either {flag} or --task")
    for name in ("data_dir", "max_train_rows"):
        if file is not None and getattr(data, name, None) is not None:
            raise InputError(f"--{name} belongs to --task: {flag} names a file, which is read whole")
    for name in (*COLUMNS, "validation_file", "problem_type"):
        if task is not None and getattr(data, name, None) is not None:
            raise InputError(f"--{name} belongs to {flag}: the task {task} says it itself")
