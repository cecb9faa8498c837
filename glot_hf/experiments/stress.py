# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The stress test: what distractors do to each pooling of the same frozen hidden states, and what no pooling needs."""

from dataclasses import asdict
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from datasets import Dataset
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..states.key import hash_json
from ..states.running import state_rows
from ..training.on_states import Budget, Rows, budgets_of, is_dead
from .cells import CellStore
from .panels import Cell, Metrics, Panel, Shared, Variants, run_panels
from .stress_options import Split, StressTestArguments
from .stress_report import write_stress_report


TRAIN_TEXTS, TEST_TEXTS = 1, 2  # the seeds of the texts

# Arguments of which more only add runs to those that are finished.
_ONLY_ADD_RUNS = ("output_dir", "ratios", "positions", "poolings", "seeds", "learning_rates", "steps")


def leak_check(train: Split, test: Split) -> dict[str, float]:
    """
    Return the accuracy on the test texts of two classifiers that read no relation.

    One knows how often each word occurs, the other how many words there are. Above chance, the generator gives the
    label away, and a pooling may not need the relation either.
    """
    classifiers = {
        "bag of words": make_pipeline(CountVectorizer(token_pattern=r"\S+"), LogisticRegression(max_iter=1000)),
        "length only": make_pipeline(FunctionTransformer(_lengths), DecisionTreeClassifier(max_depth=3)),
    }
    return {name: classifier.fit(*train).score(*test) for name, classifier in classifiers.items()}


def _lengths(texts: list[str]) -> list[list[int]]:
    return [[len(text.split())] for text in texts]


def run_stress_test(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    arguments: StressTestArguments,
    variants: Variants,
    head_options: dict[str, Any],
    source: dict[str, Any],
) -> dict[str, Any]:
    """
    Train every pooling, searched alike, on the texts of every ratio and position; print a report and write it, with
    results.json and accuracy.png, to `arguments.output_dir`, beside what is finished, which is never run again.

    Args:
        backbone, tokenizer: compute the states that are pooled.
        arguments ([`StressTestArguments`]): the texts, and how heads are trained.
        variants (`dict`): options of [`GlotConfig`] by the name of each pooling in `arguments.poolings`.
        head_options (`dict`): options of [`GlotConfig`] for all of them.
        source (`dict`): where the backbone is from, for the record.

    Returns:
        `dict`: `settings`; `leak_checks`, one for each ratio and position; `runs`, one for each head.

    Raises:
        InputError: the folder cannot be written, or holds results with other settings.
    """
    settings = {name: value for name, value in asdict(arguments).items() if name not in _ONLY_ADD_RUNS}
    settings |= {**source, "head_options": head_options}
    store = CellStore(arguments.output_dir, settings)
    shared = Shared(backbone, tokenizer, head_options, {"per_device_train_batch_size": arguments.batch_size})
    panels = [StressPanel(shared, arguments, *place) for place in product(arguments.ratios, arguments.positions)]
    leak_checks = [store.get(f"{panel.folder}/leak-check", panel.leak_check) for panel in panels]
    budgets = budgets_of(arguments.learning_rates, arguments.steps)
    found = run_panels(store, panels, variants, budgets, arguments.seeds)
    runs = [run for by_variant in found for cells in by_variant.values() for run in cells]
    results = {"settings": settings, "leak_checks": leak_checks, "runs": runs}
    write_stress_report(results, Path(arguments.output_dir))
    return results


class StressPanel(Panel):
    """
    The texts of one ratio and position, to train on and to test on.

    Args:
        shared ([`~glot_hf.experiments.panels.Shared`]): the backbone and what else all panels have in common.
        arguments ([`StressTestArguments`]): how many texts of which kind.
        ratio (`float`), position (`str`): one of each that `arguments` names.
    """

    selection_name, final_name, scores_name = "held-out", "test", "accuracies"
    selection_metric = "accuracy"

    def __init__(self, shared: Shared, arguments: StressTestArguments, ratio: float, position: str):
        super().__init__(shared)
        self.arguments, self.ratio, self.position = arguments, ratio, position
        self.place = {"ratio": ratio, "position": position}

    @cached_property
    def folder(self) -> str:
        return f"{self.ratio}-{self.position}-{hash_json(self._texts)[:12]}"

    @cached_property
    def _texts(self) -> tuple[Split, Split]:
        sizes = (self.arguments.train_size, self.arguments.test_size)
        train, test = (
            self.arguments.texts(size, self.ratio, self.position, seed)
            for size, seed in zip(sizes, (TRAIN_TEXTS, TEST_TEXTS))
        )
        return train, test

    def leak_check(self) -> Cell:
        """Return what is kept of [`leak_check`] on these texts."""
        return self.place | {"accuracy": leak_check(*self._texts)}

    def head_options(self, options: dict[str, Any]) -> dict[str, Any]:
        return super().head_options(options) | {"problem_type": "single_label_classification", "num_labels": 2}

    def load_rows(self) -> tuple[Rows, dict[str, Rows]]:
        tokenizer, max_length = self.shared.tokenizer, self.arguments.max_length
        longest = max(len(ids) for texts, _ in self._texts for ids in tokenizer(texts)["input_ids"])
        if longest > max_length:
            print(
                f"texts of up to {longest} tokens are cut at --max_length {max_length}: the statement may be lost "
                f"(ratio {self.ratio:g}, position {self.position})"
            )
        train, test = (
            state_rows(
                self.shared.backbone,
                tokenizer,
                Dataset.from_dict({"text": texts, "labels": labels}),
                layers=self.shared.layers,
                token_features=self.shared.token_features,
                max_length=max_length,
            )
            for texts, labels in self._texts
        )
        return train, {"test": test}

    def selection_cell(self, variant: str, budget: Budget, metrics: list[Metrics], found: Cell) -> Cell:
        return self.place | {"accuracies": [values["eval_accuracy"] for values in metrics]}

    def final_cell(self, variant: str, metrics: dict[str, Metrics], found: Cell) -> Cell:
        accuracy, dead = metrics["test"]["eval_accuracy"], is_dead(metrics["test"])
        return self.place | {"pooling": variant, "accuracy": accuracy, "is_dead": dead} | found
