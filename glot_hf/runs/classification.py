# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Heads that answer: classes, several labels or scores, of single texts or of pairs."""

import math
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, set_seed

from ..data.examples import tokenize
from ..model.modeling_glot import GlotForSequenceClassification
from ..options.arguments import DataArguments, FinetuningArguments, TrainingCacheArguments
from ..reports.answers import count_classes, report_answers
from ..reports.baseline import linear_baseline
from ..reports.course import advice_on, curve_of
from ..reports.report import print_report, write_report
from ..states.cache import HiddenStateCache
from ..states.key import hash_json
from ..system.errors import InputError, user_errors
from ..training.checked_options import require_effective, require_metric, warn_of_steps
from ..training.class_weights import class_weights
from ..training.linear_fit import fit_linear_layer, is_linear
from ..training.metrics import metric_names
from ..training.trainer import DeadHeadCallback, HeadTrainer, cache_disagreement, last_evaluation, make_trainer
from .choice import Chosen, apply_plan, choose, head_of, metric_of, recorded_plan
from .hidden_states import cached_rows, describe, say_if_much
from .run import Objective, diverged, say_how_to_load
from .texts import positions_of_held_out, training_texts


# For a user's own pairs: concat sees each text by itself, and so cannot compare them.
PAIR_MODE = "interaction"


@dataclass
class ClassificationObjective(Objective):
    """Train a [`GlotForSequenceClassification`] on labelled texts, with the recipe that is asked for."""

    data: DataArguments
    options: dict[str, Any]
    chosen: Chosen
    finetuning: FinetuningArguments
    cache: TrainingCacheArguments
    typed: set[str]  # names of the options that were typed

    model_class = GlotForSequenceClassification

    def read(self, arguments: Any) -> dict[str, Any]:
        self.texts = training_texts(self.data, arguments.seed)
        require_effective(arguments, self.finetuning.trains_backbone, self.texts.labels.problem_type)
        require_metric(arguments, ["loss", *metric_names(self.texts.labels)])
        of_task = None if self.texts.task is None else self.texts.task.metric
        asked, self.weights = self.chosen.class_weight, None
        if asked is not None:
            self.weights = class_weights(asked, self.texts.labels, self.texts.train["labels"][:])
            if arguments.label_smoothing_factor:
                raise InputError("--label_smoothing_factor and --class_weight exclude each other: leave one out")
        self.metric = metric_of(arguments.metric_for_best_model, of_task, self.texts.labels, asked is not None)
        self.is_pair = "text_pair" in self.texts.train.column_names
        self.options["pair_mode"] = self._pair_mode()
        return self.options | self.texts.labels.config_options

    def _pair_mode(self) -> str | None:
        """
        Raises:
            InputError: it does not fit the texts or their labels.
        """
        mode = self.options["pair_mode"]
        if mode is not None and not self.is_pair:
            raise InputError(
                f"--pair_mode {mode} compares two texts, but a row has one: leave it out, or name the second with "
                "--text_pair_column"
            )
        if self.is_pair and mode is None:
            mode = PAIR_MODE if self.texts.task is None or self.chosen.head else self.texts.task.pair_mode
        if self.is_pair and not self.chosen.head:
            print(f"pair mode: {mode} (--pair_mode names another)")
        if mode == "cosine":
            train, judged = self.texts.train, self.texts.evaluations["eval"]
            _require_cosines(self.texts.labels, train["labels"][:] + judged["labels"][:])
        return mode

    @property
    def max_length(self) -> int:
        return self.texts.max_length

    def choose(
        self,
        model: GlotForSequenceClassification,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        checkpoint: str | None,
        arguments: Any,
    ) -> GlotForSequenceClassification:
        backbone: Any = model.glot.backbone
        asked, self.plan = model.config.token_features, None
        self.tokenizer, self.cut, self.revision = tokenizer, max_length, model.config.backbone_revision
        if checkpoint is not None:
            self.plan = recorded_plan(checkpoint)
        elif self.chosen.head or self.chosen.layers:
            with user_errors():
                self.plan = choose(
                    self.chosen,
                    self.options,
                    backbone,
                    tokenizer,
                    self.texts.train,
                    self.texts.labels,
                    lambda layers, features=None: self._states(backbone, layers, features or asked),
                    self.metric,
                    max_length,
                    arguments,
                    self.weights,
                )
        if self.plan is not None:
            apply_plan(self.plan, arguments)
            set_seed(arguments.seed)
            model = head_of(self.plan, model, **self.options, **self.texts.labels.config_options)
        if isinstance(self.chosen.threshold, float):
            model.config.decision_threshold = self.chosen.threshold
        return model

    def _states(
        self, backbone: Any, layers: int | list[int], token_features: list[str] | None
    ) -> dict[str, HiddenStateCache]:
        """Return the hidden states of all splits at some layers, with token features behind them."""
        splits = {"train": self.texts.train, **self.texts.evaluations}
        where = {"revision": self.revision, "layers": layers, "max_length": self.cut, "token_features": token_features}
        return cached_rows(backbone, self.tokenizer, splits, self.cache, **where)

    @property
    def recorded(self) -> dict[str, Any]:
        recipe = None if self.plan is None else asdict(self.plan)
        weights = None if self.weights is None else dict(zip(self.texts.labels.names, self.weights))
        rows = hash_json(self.texts.train[:])
        return {"rows": rows, "recipe": recipe, "class_weight": weights, **self.texts.columns}

    def describe_rows(self) -> str:
        judged = sum(map(len, self.texts.evaluations.values()))
        return f"{len(self.texts.train):,} training texts, {judged:,} for validation"

    def make_trainer(
        self, network: Any, tokenizer: PreTrainedTokenizerBase, max_length: int, arguments: Any
    ) -> HeadTrainer:
        self.tokens = {
            prefix: tokenize(each, tokenizer, max_length) for prefix, each in self.texts.evaluations.items()
        }
        if self.cache.cache:
            self.rows = self._states(
                network.glot.backbone, network.config.backbone_layers, network.config.token_features
            )
            print(f"{describe(self.rows['train'])} (--no_cache goes without)")
            say_if_much(self.cache)
        else:
            self.rows = {"train": tokenize(self.texts.train, tokenizer, max_length), **self.tokens}
        return make_trainer(network, tokenizer, arguments, self.rows["train"], self.rows["eval"], self.weights)

    def fit(self, trainer: HeadTrainer, checkpoint: str | None) -> dict[str, Any]:
        fits = self.chosen.fits and not self.finetuning.trains_backbone
        if not fits or not is_linear(trainer.model.config):
            return super().fit(trainer, checkpoint)
        warn_of_steps(self.typed)
        # The recipe chose by the loss on held-out rows; its threshold sees to the metric.
        named = trainer.args.metric_for_best_model or (self.texts.task.metric if self.texts.task else "loss")
        return _fit(trainer, "loss" if self.chosen.head else named.removeprefix("eval_"), self.weights)

    def judge(self, trainer: HeadTrainer) -> dict[str, Any]:
        config = trainer.model.config
        # A head is judged by what it will answer to texts, which a cache that rounds would change.
        judged: Any = self.rows["eval"]
        is_rounded = self.cache.cache and judged.dtype != trainer.model.glot.backbone.dtype
        rows = self.tokens if is_rounded else self.rows
        answers = trainer.predict(rows["eval"], metric_key_prefix="eval") if is_rounded else None
        results: dict[str, Any] = last_evaluation(trainer) if answers is None else dict(answers.metrics)
        if not math.isfinite(results["eval_loss"]):
            raise diverged(f"the loss is {results['eval_loss']}", trainer)
        if answers is None:
            answers = trainer.predict(rows["eval"])
        for prefix in self.texts.evaluations:
            if prefix != "eval":
                results |= trainer.evaluate(rows[prefix], metric_key_prefix=prefix)
        if is_rounded:
            cached = trainer.predict(self.rows["eval"], metric_key_prefix="eval")
            results |= cache_disagreement(answers, cached, self.texts.labels.problem_type, config.decision_threshold)
        self.report = self._report(trainer, answers)
        return results

    def _report(self, trainer: HeadTrainer, answers: Any) -> dict[str, Any]:
        config, examples = trainer.model.config, self.texts.evaluations["eval"]
        num_rows = len(self.texts.train) + len(examples)
        report = report_answers(
            answers.predictions,
            answers.label_ids,
            self.texts.labels,
            self.metric,
            examples,
            config.decision_threshold,
            positions_of_held_out(self.data, num_rows, trainer.args.seed),
        )
        report["num_training_rows"] = len(self.texts.train)
        report["training_rows"] = count_classes(self.texts.train["labels"][:], self.texts.labels)
        report["curve"] = curve_of(trainer.state.log_history)
        report["advice"] = advice_on(report["curve"], bool(self.plan and self.plan.training_options))
        if self.cache.cache and not is_linear(config):
            layers, train, judged = config.backbone_layers, self.rows["train"], self.rows["eval"]
            backbone = trainer.model.glot.backbone
            labels, features = self.texts.labels, config.token_features
            report["baseline"] = linear_baseline(
                backbone, train, judged, layers, labels, self.metric, self.is_pair, features
            )
        return report

    def write(self, folder: Path) -> None:
        write_report(self.report, folder)

    def say(self, results: dict[str, Any], folder: str) -> None:
        print_report(self.report, Path(folder))
        if "cache_eval_loss" in results:
            _say_disagreement(results, len(self.rows["eval"]), self.cache.cache_dtype)
        if self.texts.task is not None:
            metrics = [f"{prefix}_{self.texts.task.metric}" for prefix in self.texts.evaluations]
            scores = [f"{name} {results[name]:.4f}" if name in results else f"no {name}" for name in metrics]
            print(f"\n{self.texts.task.name}: {', '.join(scores)}")
        pair = ' --text_pair "..."' if self.is_pair else ""
        command = f'\nOr on the command line: glot-hf predict {shlex.quote(folder)} --text "..."{pair}'
        say_how_to_load(folder, "AutoModelForSequenceClassification", command)


def _fit(trainer: HeadTrainer, metric: str, weights: list[float] | None) -> dict[str, Any]:
    """
    Fit a head that is one linear layer on fixed vectors, without steps and epochs.

    Args:
        metric (`str`): what the penalty is chosen by.
        weights (`list[float]`, *optional*): what a row of each class counts; default: the same.
    """
    trainer.remove_callback(DeadHeadCallback)  # which advises to train longer
    rows: Any = trainer.train_dataset
    found = fit_linear_layer(trainer.model, rows, trainer.data_collator, metric, weights)
    chosen = (
        f"chosen by {metric} in {found.num_folds}-fold cross-validation"
        if found.num_folds
        else "as there are too few rows"
    )
    print(
        f"the pooling has no parameters, so the linear layer was fitted to convergence in {found.seconds:.1f} s "
        f"(scikit-learn, standardised inputs, {found}, {chosen})"
    )
    return {"train_runtime": found.seconds, f"train_{found.penalty}": found.value}


def _require_cosines(labels: Any, scores: list[float]) -> None:
    if labels.problem_type != "regression":
        raise InputError(f"--pair_mode cosine needs scores, but the labels are classes: {', '.join(labels.names)}")
    if not -1 <= min(scores) <= max(scores) <= 1:
        raise InputError(
            f"--pair_mode cosine needs scores in [-1, 1], but they go from {min(scores)} to {max(scores)}: divide "
            "them by the largest"
        )


def _say_disagreement(results: dict[str, float], count: int, dtype: str) -> None:
    if "cache_changed_labels" in results:
        changed = f"another label to {results['cache_changed_labels']:,} of {count:,} validation texts"
    else:
        changed = f"scores that differ by up to {results['cache_largest_change']:.2g}"
    names = ("matthews_correlation", "f1_micro", "spearman", "accuracy", "mse")
    metrics = [
        f"{name} {results[f'cache_eval_{name}']:.4f}, live {results[f'eval_{name}']:.4f}"
        for name in names
        if f"eval_{name}" in results and f"cache_eval_{name}" in results
    ]
    print(f"\nThe cache, in {dtype}, gives {changed}: {'; '.join(metrics)}")
