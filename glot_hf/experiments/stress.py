# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The stress test: what distractors do to each pooling of the same frozen hidden states, and what no pooling needs."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

from datasets import Dataset
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer
from transformers.utils import logging

from ..states.key import hash_json
from ..states.running import state_rows
from ..system.errors import InputError
from ..training.trainer import count_parameters
from .cells import CellStore
from .heads import (
    SELECTION_SEED,
    Budget,
    Rows,
    Variant,
    budgets_of,
    choose_budget,
    fit_on_states,
    held_out_parts,
    is_dead,
    is_linear_on,
    train_on_states,
)
from .stress_report import write_report
from .stress_texts import GENERATORS, POSITIONS


TRAIN_TEXTS, TEST_TEXTS = 1, 2  # the seeds of the texts

Split = tuple[list[str], list[int]]  # texts and labels


@dataclass
class StressTestArguments:
    """
    Raises:
        InputError: a value is outside what its option takes.
    """

    output_dir: str = field(
        default="stress_test_output",
        metadata={
            "help": "Folder of results.json, accuracy.png, and what is finished, with which the same command goes on."
        },
    )
    generator: str = field(
        default="matched",
        metadata={
            "help": "Which texts: matched (only a relation decides), paper (two words differ) or released (as the "
            "released script: length and words give the class away)."
        },
    )
    ratios: list[float] = field(
        default_factory=lambda: [0.2, 0.5, 0.8, 0.9],
        metadata={"help": "How much distracts: for matched its share of the words, else words per longest text."},
    )
    positions: list[str] = field(
        default_factory=lambda: ["random"],
        metadata={"help": "Where the statement stands: start, middle, end, random."},
    )
    distance: int | None = field(
        default=None,
        metadata={"help": "Distractors between the parts of the statement; default: 0, and 10 for released."},
    )
    poolings: list[str] = field(
        default_factory=lambda: ["cls", "last", "mean", "max", "adapool", "glot:graph_type=self", "glot"],
        metadata={"help": "Poolings to compare, with options of their own as in glot:graph_type=self."},
    )
    seeds: list[int] = field(
        default_factory=lambda: [0, 1, 2], metadata={"help": "One head each, for each pooling, ratio and position."}
    )
    train_size: int = field(default=2000, metadata={"help": "Texts to train on."})
    test_size: int = field(default=500, metadata={"help": "Texts to test on."})
    max_length: int = field(default=512, metadata={"help": "Longer texts are cut at this many tokens."})
    learning_rates: list[float] = field(
        default_factory=lambda: [1e-3, 5e-3],
        metadata={"help": "Of several, each pooling takes the best on training texts that are held out."},
    )
    steps: list[int] = field(
        default_factory=lambda: [150, 450], metadata={"help": "Optimizer steps; of several, the same."}
    )
    batch_size: int = field(default=32, metadata={"help": "Training batch size."})

    def __post_init__(self):
        for flag, names, valid in (
            ("--generator", [self.generator], GENERATORS),
            ("--positions", self.positions, POSITIONS),
        ):
            for name in names:
                if name not in valid:
                    raise InputError(f"{flag} {name!r} is not one of {', '.join(valid)}")
        for name, least in (("train_size", 50), ("test_size", 1), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise InputError(f"--{name} {getattr(self, name)} is too small: give {least} or more")
        if self.distance is None:
            self.distance = signature(GENERATORS[self.generator]).parameters["distance"].default
        for ratio in self.ratios:
            self.texts(1, ratio, self.positions[0], seed=0)  # it refuses what it cannot make

    def texts(self, count: int, ratio: float, position: str, seed: int) -> Split:
        return GENERATORS[self.generator](count, ratio, seed, position, self.distance)


def leak_check(train: Split, test: Split) -> dict[str, float]:
    """
    Accuracy on the test texts of two classifiers that read no relation: of how often each word occurs, and of how many
    words there are. Above chance, the generator gives the label away, and a pooling may not need the relation either.
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
    variants: list[Variant],
    head_options: dict[str, Any],
    source: dict[str, Any],
) -> dict[str, Any]:
    """
    Trains every pooling, searched alike, on the texts of every ratio and position; prints a report and writes it, with
    results.json and accuracy.png, to `arguments.output_dir`, beside what is finished, which is never run again.

    Args:
        variants (`list[Variant]`): what `arguments.poolings` names.
        head_options (`dict`): for all of them, of [`GlotConfig`].
        source (`dict`): where the backbone is from, for the record.

    Returns:
        `dict`: `settings`; `leak_checks`, one for each ratio and position; `runs`, one for each head.

    Raises:
        InputError: the folder cannot be written, or holds results with other settings.
    """
    varied = (
        "output_dir",
        "ratios",
        "positions",
        "poolings",
        "seeds",
        "learning_rates",
        "steps",
    )  # more only adds runs
    settings = {name: value for name, value in asdict(arguments).items() if name not in varied}
    settings |= {**source, "head_options": head_options}
    store = CellStore(arguments.output_dir, settings)

    results = {"settings": settings, "leak_checks": [], "runs": []}
    panels = list(product(arguments.ratios, arguments.positions))
    total = len(panels) * len(variants)
    with logging.tqdm(total=total, desc="Poolings") as progress:
        for ratio, position in panels:
            panel = _Panel(ratio, position, backbone, tokenizer, arguments, head_options, store)
            results["leak_checks"].append(panel.leak_check())
            for variant in variants:
                results["runs"] += panel.run(variant)
                progress.update()
    report = write_report(results, Path(arguments.output_dir))
    print(f"\n{report}\n\nWritten to {arguments.output_dir}: report.md, results.json and accuracy.png")
    return results


@dataclass
class _Panel:
    """The texts of one ratio and position, and the heads that are trained on them."""

    ratio: float
    position: str
    backbone: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    arguments: StressTestArguments
    head_options: dict[str, Any]
    store: CellStore

    def leak_check(self) -> dict[str, Any]:
        return self._cell("leak-check", lambda: {"accuracy": leak_check(*self._texts)})

    def run(self, variant: Variant) -> list[dict[str, Any]]:
        """Return the runs that are reported, one a seed."""
        options = {
            **self.head_options,
            **variant.options,
            "problem_type": "single_label_classification",
            "num_labels": 2,
        }
        pooling = {"pooling": variant.name}
        if is_linear_on(self.backbone, options):
            fitted = self._cell(f"{variant.file_name}/test-linear", lambda: pooling | self._fit(options))
            return [fitted | {"seed": seed} for seed in self.arguments.seeds]  # they would all find the same
        budget = choose_budget(
            budgets_of(self.arguments.learning_rates, self.arguments.steps),
            lambda budget: self._cell(
                f"{variant.file_name}/held-out-{budget.file_name}", lambda: self._judge(options, budget)
            )["accuracies"],
        )
        return [
            self._cell(
                f"{variant.file_name}/test-{budget.file_name}-seed{seed}",
                lambda seed=seed: pooling | self._train_and_report(options, budget, seed),
            )
            for seed in self.arguments.seeds
        ]

    def _cell(self, name: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        place = {"ratio": self.ratio, "position": self.position}
        return self.store.get(f"{self.ratio}-{self.position}-{self._content}/{name}", lambda: place | run())

    def _fit(self, options: dict[str, Any]) -> dict[str, Any]:
        started, (train, test) = time.monotonic(), self._rows
        trainer, found = fit_on_states(self.backbone, options, train, metric="accuracy")
        return _report(trainer, test, str(found), started)

    def _train(self, options: dict[str, Any], budget: Budget, seed: int, train: Rows) -> Trainer:
        return train_on_states(
            self.backbone,
            options,
            train,
            seed,
            per_device_train_batch_size=self.arguments.batch_size,
            **budget.training_options,
        )

    def _judge(self, options: dict[str, Any], budget: Budget) -> dict[str, Any]:
        """Return the accuracies that a budget is chosen by."""
        accuracies = [
            self._train(options, budget, SELECTION_SEED, train).evaluate(held_out)["eval_accuracy"]
            for train, held_out in held_out_parts(self._rows[0])
        ]
        return {"accuracies": accuracies}

    def _train_and_report(self, options: dict[str, Any], budget: Budget, seed: int) -> dict[str, Any]:
        started, (train, test) = time.monotonic(), self._rows
        trainer = self._train(options, budget, seed, train)
        return _report(trainer, test, str(budget), started) | {"seed": seed}

    @cached_property
    def _texts(self) -> tuple[Split, Split]:
        sizes = (self.arguments.train_size, self.arguments.test_size)
        return tuple(
            self.arguments.texts(size, self.ratio, self.position, seed)
            for size, seed in zip(sizes, (TRAIN_TEXTS, TEST_TEXTS))
        )

    @cached_property
    def _content(self) -> str:
        """Hash the texts, which another version of a generator makes differently."""
        return hash_json(self._texts)[:12]

    @cached_property
    def _rows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Hidden states, computed when a head first needs them, and labels; to train on and to test on."""
        longest = max(len(ids) for texts, _ in self._texts for ids in self.tokenizer(texts)["input_ids"])
        if longest > self.arguments.max_length:
            print(
                f"texts of up to {longest} tokens are cut at --max_length {self.arguments.max_length}: the statement "
                f"may be lost (ratio {self.ratio:g}, position {self.position})"
            )
        return tuple(
            state_rows(
                self.backbone,
                self.tokenizer,
                Dataset.from_dict({"text": texts, "labels": labels}),
                layers=self.head_options.get("backbone_layers", -1),
                max_length=self.arguments.max_length,
            )
            for texts, labels in self._texts
        )


def _report(trainer: Trainer, test: Rows, chosen: str, started: float) -> dict[str, Any]:
    """Return what is kept of a trained head."""
    metrics = trainer.evaluate(test)
    return {
        "chosen": chosen,
        "accuracy": metrics["eval_accuracy"],
        "is_dead": is_dead(metrics),
        "head_parameters": count_parameters(trainer.model)[0],
        "seconds": round(time.monotonic() - started, 1),
    }
