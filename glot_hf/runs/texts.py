# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""From command line options to labelled examples."""

import sys
from collections import Counter
from typing import Any, NamedTuple

from datasets import Dataset

from ..data.columns import LABEL_NAMES, choose_columns, require_column
from ..data.examples import join_label_columns, label_cells, make_examples
from ..data.labels import Labels, learn_labels, shorten
from ..data.tables import load_table
from ..data.tasks import Task, find_task
from ..data.templates import TextTemplate
from ..options.arguments import DataArguments
from ..system.errors import InputError, require_distinct, require_positive
from ..training.record import COLUMNS, TrainingRecord


VALIDATION_SHARE = 0.1
_FEW_CLASSES = 20  # that a small file may have in earnest
MAX_LENGTH = 128


class TrainingTexts(NamedTuple):
    """
    Labelled texts to train on and to judge by.

    Args:
        train (`Dataset`): examples to train on.
        evaluations (`dict[str, Dataset]`): examples to validate with, by the prefix of the metrics: "eval", and others
            that a task reports beside it.
        labels ([`Labels`]): what the labels are.
        columns (`dict`): the columns of a file that they came from, by `COLUMNS`.
        task ([`Task`], *optional*): the task that they are of.
        max_length (`int`): how many tokens a text is cut at: as asked for, or as is usual for the task.
    """

    train: Dataset
    evaluations: dict[str, Dataset]
    labels: Labels
    columns: dict[str, str | list[str] | None]
    task: Task | None
    max_length: int


def training_texts(data: DataArguments, seed: int) -> TrainingTexts:
    """
    Read the texts that are named. What is too little to learn or to judge by is said.

    Args:
        seed (`int`): decides which rows of a `--train_file` are held out.

    Raises:
        InputError: the options name no texts, or two sources; or these cannot be read as texts with labels.
    """
    task = None if data.task is None else find_task(data.task)
    _require_one_source(data, data.train_file, data.task, "--train_file")
    if data.max_train_rows is not None:
        require_positive(data.max_train_rows, "--max_train_rows")
    if task is not None:
        train = task.examples("train", data.data_dir, data.max_train_rows)
        evaluations, labels, columns = task.evaluations(data.data_dir), task.labels, {}
    else:
        train, evaluations, labels, columns = _training_file(data, seed)
    _warn_of_little(train, evaluations, labels)
    usual = MAX_LENGTH if task is None else task.max_length
    max_length = usual if data.max_length is None else data.max_length
    return TrainingTexts(train, evaluations, labels, columns, task, max_length)


def evaluation_examples(data: Any, labels: Labels, record: TrainingRecord) -> dict[str, Dataset]:
    """
    Return examples to judge a trained head by, by the prefix of the metrics as in training; the columns are those it
    was trained with, where `data`, which are LabelledTextArguments, name no others.

    Raises:
        InputError: the options name no texts, or the labels of the file or task are not those of the head.
    """
    task_name = data.task or (record.task if data.validation_file is None else None)
    _require_one_source(data, data.validation_file, task_name, "--validation_file")
    if task_name is not None:
        task = find_task(task_name)
        if task.labels != labels:
            theirs, known = (shorten(each.names) or "scores" for each in (task.labels, labels))
            raise InputError(f"the labels of {task.name} are {theirs}, but this head knows {known}")
        return task.evaluations(data.data_dir)
    columns = {name: getattr(record, name) if (given := getattr(data, name)) is None else given for name in COLUMNS}
    if data.text_column is not None or data.text_template is not None:  # one in the place of the other
        columns |= {"text_column": data.text_column, "text_template": data.text_template}
    if data.label_column is not None or data.label_columns is not None:  # one instead of several, or several of one
        columns |= {"label_column": data.label_column, "label_columns": data.label_columns}
    return {"eval": file_examples(data.validation_file or "", columns, labels)}


def file_examples(source: str, columns: dict[str, Any], labels: Labels) -> Dataset:
    """
    Return the labelled examples of a validation file.

    Args:
        columns (`dict`): by `COLUMNS`; None is guessed.

    Raises:
        InputError: the file cannot be read, or a column or label is absent or unknown.
    """
    table, text, label, text_pair = _choose(load_table(source, split="validation"), columns, source)
    return make_examples(table, text, label, labels, source, text_pair)


def _training_file(data: DataArguments, seed: int) -> tuple[Dataset, dict[str, Dataset], Labels, dict[str, Any]]:
    source = data.train_file or ""
    named = {name: getattr(data, name) for name in COLUMNS}
    table, text, label, text_pair = _choose(load_table(source), named, source)
    columns = {"text_column": text, "text_template": None, "text_pair_column": text_pair}
    if data.text_template is not None:
        columns |= {"text_column": None, "text_template": data.text_template}
    if data.label_columns is not None:
        if data.problem_type == "regression":
            raise InputError("--label_columns names classes, and --problem_type regression has one --label_column")
        labels = Labels(data.problem_type or "multi_label_classification", tuple(data.label_columns))
        columns["label_columns"] = data.label_columns
    else:
        labels = learn_labels(label_cells(table, label), source, data.problem_type)
        columns["label_column"] = label
        _require_classes(labels, data, label, len(table))
    print(
        f"{labels.problem_type}: {f'{len(labels.names)} classes, {shorten(labels.names)}' if labels.names else label}"
    )
    train = make_examples(table, text, label, labels, source, text_pair)
    if data.validation_file is not None:
        return train, {"eval": file_examples(data.validation_file, columns, labels)}, labels, columns
    if len(train) < 2:
        raise InputError(f"{source!r} has one row only, so none can be held out: name a --validation_file")
    parts = train.train_test_split(test_size=VALIDATION_SHARE, seed=seed)
    print(f"holds out {VALIDATION_SHARE:.0%} of the rows for validation (--validation_file names others)")
    return parts["train"], {"eval": parts["test"]}, labels, columns


def positions_of_held_out(data: DataArguments, num_rows: int, seed: int) -> list[int] | None:
    """Return where in `--train_file` the rows are that [`training_texts`] holds out; None where others judge."""
    if data.task is not None or data.validation_file is not None:
        return None
    positions = Dataset.from_dict({"position": range(num_rows)})  # is divided as the rows are
    return positions.train_test_split(test_size=VALIDATION_SHARE, seed=seed)["test"]["position"][:]


def _choose(table: Dataset, columns: dict[str, Any], source: str) -> tuple[Dataset, str, str, str | None]:
    """Return the table, several label columns made one, and its columns: text, label and second text of a pair."""
    label, several = columns.get("label_column"), columns.get("label_columns")
    if several is not None:
        if label is not None:
            raise InputError("--label_column names one column and --label_columns several: give one of them")
        if len(several) < 2:
            raise InputError(f"--label_columns {several[0]} is one class: name two or more, or give --label_column")
        require_distinct(several, "--label_columns")
        for name in several:
            require_column(table, name, "--label_columns")
        table, label = join_label_columns(table, several, source)
    text = columns.get("text_column")
    if (template := columns.get("text_template")) is not None:
        if text is not None:
            raise InputError("--text_column names one column and --text_template several: give one of them")
        require_column(table, label, "--label_column")  # while the table has all of its columns
        kept = (label, columns.get("text_pair_column"))
        table, text = _fill(table, TextTemplate(template), kept, source), template
    return table, *choose_columns(table, text, label, columns.get("text_pair_column"))


def _fill(table: Dataset, template: TextTemplate, kept: tuple[str | None, ...], source: str) -> Dataset:
    """Return the table with a column that is called as the template, in the place of those that it is made of."""
    template.require_columns(table.column_names)
    rows: Any = table  # dicts, which Dataset does not declare
    made = [template.fill(row, f"{source}, row {place}") for place, row in enumerate(rows, start=1)]
    table = table.remove_columns([column for column in template.columns if column not in kept])
    return table.add_column(template.template, made)


def _require_classes(labels: Labels, data: DataArguments, column: str, num_rows: int) -> None:
    """Refuse what is hardly labels: nearly as many classes as rows, unless it is said that they are."""
    count = len(labels.names)
    if labels.problem_type != "single_label_classification" or 2 * count <= num_rows:
        return
    found = f"the column {column!r} has {count} classes in {num_rows} rows ({shorten(labels.names, 3)})"
    if data.label_column is None and column.lower() not in LABEL_NAMES:
        raise InputError(f"{found}, which may be no labels: name the column with --label_column")
    if data.problem_type is None and count > _FEW_CLASSES:
        raise InputError(
            f"{found}, too few rows to learn them from: name another --label_column; or say what its cells are with "
            "--problem_type: regression for numbers, multi_label_classification for several labels in a cell, "
            "single_label_classification for classes all the same"
        )


def _warn_of_little(train: Dataset, evaluations: dict[str, Dataset], labels: Labels) -> None:
    for examples in evaluations.values():
        if len(examples) == 1:
            print("warning: there is one validation row only: the metrics say next to nothing", file=sys.stderr)
    match labels.problem_type:
        case "single_label_classification":
            counts = Counter(labels.names[index] for index in train["labels"][:])
        case "multi_label_classification":
            counts = Counter(name for flags in train["labels"][:] for name, flag in zip(labels.names, flags) if flag)
        case _:
            return
    rare = tuple(name for name in labels.names if counts[name] < 2)
    if rare:
        print(f"warning: classes with one training example or none: {shorten(rare)}", file=sys.stderr)


def _require_one_source(data: Any, file: str | None, task: str | None, flag: str) -> None:
    if (file is None) == (task is None):
        raise InputError(f"name the texts: either {flag} or --task")
    for name in ("data_dir", "max_train_rows"):
        if file is not None and getattr(data, name, None) is not None:
            raise InputError(f"--{name} belongs to --task: {flag} names a file, which is read whole")
    for name in (*COLUMNS, "validation_file", "problem_type"):
        if task is not None and getattr(data, name, None) is not None:
            raise InputError(f"--{name} belongs to {flag}: the task {task} says it itself")
