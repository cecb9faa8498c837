# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The stress test: what distractors do to each pooling of the same frozen hidden states, and what no pooling needs."""

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
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..states.key import hash_json
from ..states.running import state_rows
from ..system.errors import InputError
from ..training.on_states import Budget, Rows, budgets_of, is_dead
from .cells import CellStore
from .panels import Cell, Metrics, Panel, Shared, Variants, run_panels
from .stress_report import write_stress_report
from .stress_texts import GENERATORS, POSITIONS


TRAIN_TEXTS, TEST_TEXTS = 1, 2  # the seeds of the texts

# Arguments of which more only add runs to those that are finished.
_ONLY_ADD_RUNS = ("output_dir", "ratios", "positions", "poolings", "seeds", "learning_rates", "steps")

Split = tuple[list[str], list[int]]  # texts and labels


@dataclass
class StressTestArguments:
    """
    The options of `glot-hf stress-test`.

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
        """Make `count` texts with their labels; see [`~glot_hf.experiments.stress_texts`]."""
        return GENERATORS[self.generator](count, ratio, seed, position, self.distance)


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
        return tuple(
            self.arguments.texts(size, self.ratio, self.position, seed)
            for size, seed in zip(sizes, (TRAIN_TEXTS, TEST_TEXTS))
        )

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
