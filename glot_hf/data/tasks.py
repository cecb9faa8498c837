# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The paper's tasks: where their rows are, what they are called, and how they are scored."""

import difflib
import sys
from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset, load_dataset

from ..system.errors import InputError
from .examples import make_examples
from .labels import Labels
from .tables import load_table
from .text_folders import load_text_folders


@dataclass(frozen=True)
class Split:
    """
    Args:
        path (`str`): its file or folder, in the task's own folder.
        hub (`str`): its name in the hub's dataset.
    """

    path: str
    hub: str


@dataclass(frozen=True)
class Task:
    """
    A task from its own folder, as its authors distribute it, or from the datasets library.

    Args:
        name (`str`): as in `--task`.
        labels ([`Labels`]): the classes by the names, and in the order, of the hub's dataset.
        metric (`str`): the paper's, among the metrics that are reported.
        text_columns (`tuple[str, ...]`): of the files: the text, or the two texts of a pair.
        label_column (`str`): of the files.
        pair_mode (`str`, *optional*): how a head compares the two texts, unless it is told otherwise.
        codes (`tuple[str, ...]`, *optional*): the classes as the files write them; default: by their names.
        largest_score (`float`, *optional*): scores from 0 to this become labels from 0 to 1, which a cosine can fit.
            Correlations stay as they are.
        header (`tuple[str, ...]`, *optional*): the columns of files that do not name them.
        has_broken_rows (`bool`): the files are known for rows broken in two. They lack the last cell, the label, and
            are left out.
        hub (`tuple[str, ...]`, *optional*): the dataset and its configuration; default: GLUE's of that name.
        hub_text_columns (`tuple[str, ...]`, *optional*): default: `text_columns`.
        splits (`dict[str, Split]`): "train", "validation", and others that are reported beside it.
        max_length (`int`): tokens a text is cut at, unless told otherwise.
        max_train_rows (`int`, *optional*): the paper trains on so many rows, the first ones.
    """

    name: str
    labels: Labels
    metric: str
    text_columns: tuple[str, ...]
    label_column: str = "label"
    pair_mode: str | None = None
    codes: tuple[str, ...] | None = None
    largest_score: float | None = None
    header: tuple[str, ...] | None = None
    has_broken_rows: bool = False
    hub: tuple[str, ...] | None = None
    hub_text_columns: tuple[str, ...] | None = None
    splits: dict[str, Split] = field(
        default_factory=lambda: {
            "train": Split("train.tsv", "train"),
            "validation": Split("dev.tsv", "validation"),
        }
    )
    max_length: int = 128
    max_train_rows: int | None = None

    @property
    def more_splits(self) -> tuple[str, ...]:
        """The splits that are reported beside "validation"."""
        return tuple(split for split in self.splits if split not in ("train", "validation"))

    def evaluations(self, data_dir: str | None) -> dict[str, Dataset]:
        """Return the examples of reported splits, by the prefix of their metrics, such as "eval_mismatched"."""
        more = {f"eval_{split}": self.examples(split, data_dir) for split in self.more_splits}
        return {"eval": self.examples("validation", data_dir), **more}

    def examples(self, split: str, data_dir: str | None, max_train_rows: int | None = None) -> Dataset:
        """
        The examples of a split: `text`, `text_pair` where there are pairs, and `labels`.

        Args:
            split (`str`): "train", "validation" or one of `more_splits`.
            data_dir (`str`, *optional*): the task's own folder; without it, the datasets library downloads the task.
            max_train_rows (`int`, *optional*): only the first so many rows of "train"; default: the task's own.

        Raises:
            InputError: a file is missing or malformed, or there is neither a folder nor a network.
        """
        part = self.splits[split]
        if data_dir is None:
            table, where = self._download(part), f"{self.name} ({split})"
            texts, label, codes = self.hub_text_columns or self.text_columns, "label", self.labels.names
        else:
            where = str(Path(data_dir) / part.path)
            table = self._read(where)
            texts, label, codes = self.text_columns, self.label_column, self.codes or self.labels.names
        missing = sorted({*texts, label} - set(table.column_names))
        if missing:
            raise InputError(f"{where!r} is not a file of {self.name}: it has no column {missing[0]!r}")
        if self.has_broken_rows:
            table = _without_broken_rows(table, label, where)
        if split == "train":
            table = self._first_rows(table, max_train_rows)
        examples = make_examples(table, texts[0], label, Labels(self.labels.problem_type, codes), where, *texts[1:])
        if split == "train" and self.labels.names and len(set(examples["labels"])) < 2:
            raise InputError(
                f"the {len(examples)} training rows of {self.name} are of one class only: give a larger "
                "--max_train_rows"
            )
        return examples if self.largest_score is None else _scaled(examples, self.largest_score, where)

    def _read(self, where: str) -> Dataset:
        if Path(where).is_dir():
            return load_text_folders(where, self.labels.names)
        if not Path(where).is_file():
            raise InputError(
                f"there is no {where!r}: --data_dir is the folder of {self.name} itself, which holds {self._parts}"
            )
        return load_table(where, columns=self.header, fill_short_rows=self.has_broken_rows)

    def _download(self, part: Split) -> Dataset:
        try:
            return load_dataset(*(self.hub or ("nyu-mll/glue", self.name)), split=part.hub)  # nosec B615 # likewise
        except Exception as error:  # of many kinds, all of which mean the same here
            raise InputError(
                f"the task {self.name} cannot be downloaded without a network: name its folder, which holds "
                f"{self._parts}, with --data_dir"
            ) from error

    @property
    def _parts(self) -> str:
        return ", ".join(part.path for part in self.splits.values())

    def _first_rows(self, table: Dataset, max_rows: int | None) -> Dataset:
        limit = self.max_train_rows if max_rows is None else max_rows
        if limit is None or limit >= len(table):
            return table
        why = ", as the paper" if max_rows is None else ""
        print(f"{self.name} trains on the first {limit:,} of {len(table):,} rows{why}", file=sys.stderr)
        return table.select(range(limit))


def _without_broken_rows(table: Dataset, label: str, where: str) -> Dataset:
    whole = [row for row, cell in enumerate(table[label][:]) if cell != ""]
    if len(whole) < len(table):
        print(f"{where}: leaves out {len(table) - len(whole):,} broken rows of {len(table):,}", file=sys.stderr)
    return table.select(whole)


def _scaled(examples: Dataset, largest: float, where: str) -> Dataset:
    scores = examples["labels"][:]
    for row, score in enumerate(scores, start=1):
        if not 0 <= score <= largest:
            raise InputError(f"{where}, row {row}: the score {score} is not between 0 and {largest}")
    return examples.remove_columns("labels").add_column("labels", [score / largest for score in scores])


def _classes(*names: str) -> Labels:
    return Labels("single_label_classification", names)


_TASKS = (
    Task(
        "cola",
        _classes("unacceptable", "acceptable"),
        "matthews_correlation",
        ("sentence",),
        codes=("0", "1"),
        header=("source", "label", "mark", "sentence"),
    ),
    Task("sst2", _classes("negative", "positive"), "accuracy", ("sentence",), codes=("0", "1")),
    Task(
        "stsb",
        Labels("regression"),
        "spearman",
        ("sentence1", "sentence2"),
        label_column="score",
        pair_mode="cosine",
        largest_score=5,
    ),
    Task(
        "mrpc",
        _classes("not_equivalent", "equivalent"),
        "f1",
        ("#1 String", "#2 String"),
        label_column="Quality",
        pair_mode="concat",
        codes=("0", "1"),
        hub_text_columns=("sentence1", "sentence2"),
    ),
    Task(
        "qqp",
        _classes("not_duplicate", "duplicate"),
        "f1",
        ("question1", "question2"),
        label_column="is_duplicate",
        pair_mode="concat",
        codes=("0", "1"),
        has_broken_rows=True,
        max_train_rows=20_000,
    ),
    Task(
        "mnli",
        _classes("entailment", "neutral", "contradiction"),
        "accuracy",
        ("sentence1", "sentence2"),
        label_column="gold_label",
        pair_mode="concat",
        hub_text_columns=("premise", "hypothesis"),
        splits={
            "train": Split("train.tsv", "train"),
            "validation": Split("dev_matched.tsv", "validation_matched"),
            "mismatched": Split("dev_mismatched.tsv", "validation_mismatched"),
        },
        max_train_rows=20_000,
    ),
    Task(
        "qnli",
        _classes("entailment", "not_entailment"),
        "accuracy",
        ("question", "sentence"),
        pair_mode="concat",
        max_train_rows=20_000,
    ),
    Task("rte", _classes("entailment", "not_entailment"), "accuracy", ("sentence1", "sentence2"), pair_mode="concat"),
    Task(
        "wnli",
        _classes("not_entailment", "entailment"),
        "accuracy",
        ("sentence1", "sentence2"),
        pair_mode="concat",
        codes=("0", "1"),
    ),
    Task(
        "imdb",
        _classes("neg", "pos"),
        "accuracy",
        ("text",),
        hub=("stanfordnlp/imdb",),
        splits={"train": Split("train", "train"), "validation": Split("test", "test")},
        max_length=512,
    ),
)
TASKS: dict[str, Task] = {task.name: task for task in _TASKS}


def find_task(name: str) -> Task:
    """
    Raises:
        InputError: there is no such task; names one that is written alike.
    """
    if name not in TASKS:
        # Sentence vectors are trained under a name too, without being a task with labels.
        close = difflib.get_close_matches(name, [*TASKS, "embedding"], n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(f"there is no task {name!r}: {hint}the tasks are {', '.join(TASKS)}")
    return TASKS[name]
