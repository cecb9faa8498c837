# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The paper's tasks: where their rows are, what they are called, and how they are scored."""

from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset, load_dataset

from ..errors import InputError
from .examples import make_examples
from .labels import Labels
from .tables import load_table


_FILES = {"train": "train.tsv", "validation": "dev.tsv"}


@dataclass(frozen=True)
class Task:
    """
    A task in GLUE's public layout (train.tsv and dev.tsv), or from the datasets library.

    Args:
        name (`str`): as in `--task`.
        text_column, label_column (`str`): in the files and in the hub's dataset.
        labels ([`Labels`]): the classes by the names that a head should give them.
        codes (`tuple[str, ...]`): the classes as the files write them, in the same order.
        metric (`str`): the task's own, among the metrics that are reported.
        columns (`tuple[str, ...]`, *optional*): of files without a header.
        hub (`tuple[str, str]`): the dataset and its configuration.
    """

    name: str
    text_column: str
    label_column: str
    labels: Labels
    codes: tuple[str, ...]
    metric: str
    hub: tuple[str, str]
    columns: tuple[str, ...] | None = None

    def examples(self, split: str, data_dir: str | None) -> Dataset:
        """
        The examples of a split, "train" or "validation".

        Args:
            data_dir (`str`, *optional*): the task's own folder; without it, the datasets library downloads the task.

        Raises:
            InputError: a file is missing or malformed, or there is neither a folder nor a network.
        """
        if data_dir is None:
            table, where, names = self._download(split), f"{self.name} ({split})", self.labels.names
        else:
            where, names = str(Path(data_dir) / _FILES[split]), self.codes
            if not Path(where).is_file():
                raise InputError(
                    f"there is no file {where!r}: --data_dir is the folder of the task's train.tsv and dev.tsv"
                )
            table = load_table(where, columns=self.columns)
        missing = sorted({self.text_column, self.label_column} - set(table.column_names))
        if missing:
            raise InputError(f"{where!r} is not a file of {self.name}: it has no column {missing[0]!r}")
        labels = Labels(self.labels.problem_type, names)
        return make_examples(table, self.text_column, self.label_column, labels, where)

    def _download(self, split: str) -> Dataset:
        try:
            return load_dataset(*self.hub, split=split)
        except Exception as error:  # of many kinds, all of which mean the same here
            raise InputError(
                f"the task {self.name} cannot be downloaded without a network: name its folder, which holds train.tsv "
                "and dev.tsv, with --data_dir"
            ) from error


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="cola",
            text_column="sentence",
            label_column="label",
            labels=Labels("single_label_classification", ("unacceptable", "acceptable")),
            codes=("0", "1"),
            metric="matthews_correlation",
            hub=("nyu-mll/glue", "cola"),
            columns=("source", "label", "mark", "sentence"),
        ),
        Task(
            name="sst2",
            text_column="sentence",
            label_column="label",
            labels=Labels("single_label_classification", ("negative", "positive")),
            codes=("0", "1"),
            metric="accuracy",
            hub=("nyu-mll/glue", "sst2"),
        ),
    )
}


def find_task(name: str) -> Task:
    """
    Raises:
        InputError: there is no such task.
    """
    if name not in TASKS:
        raise InputError(f"there is no task {name!r}: the tasks are {', '.join(TASKS)}")
    return TASKS[name]
