# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Heads that give sentence vectors, trained by contrast: texts that belong together in, vectors out."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ..data.examples import tokenize
from ..data.text_groups import GroupDataset, TextGroups, distinct_texts
from ..model.finite_glot import require_finite
from ..model.modeling_glot import GlotModel
from ..options.arguments import ContrastiveArguments, DataArguments, TrainingCacheArguments
from ..reports.course import advice_on, curve_of
from ..reports.report import print_report, write_report
from ..reports.vectors import report_vectors
from ..states.key import hash_json
from ..system.errors import InputError, user_errors
from ..training.checked_options import require_effective, require_metric
from ..training.contrastive import ContrastiveLoss
from ..training.contrastive_trainer import ContrastiveTrainer, main_metric, make_contrastive_trainer
from ..training.metrics import embedding_metric_names, greater_is_better
from ..training.record import COLUMNS
from ..training.trained import TrainedHead, evaluation_arguments
from .embedding_texts import training_groups, validation_groups
from .hidden_states import cached_rows, describe, say_if_much
from .run import Objective, diverged, say_how_to_load
from .texts import MAX_LENGTH


@dataclass
class VectorObjective(Objective):
    """Train a [`GlotModel`] so that texts that belong together are near each other."""

    data: DataArguments
    options: dict[str, Any]
    contrastive: ContrastiveArguments
    cache: TrainingCacheArguments
    typed: set[str]  # names of the options that were typed

    model_class = GlotModel

    def read(self, arguments: Any) -> dict[str, Any]:
        self.loss = ContrastiveLoss(**self.contrastive.loss_options)
        self.train, validation = training_groups(self.data, self.contrastive, arguments.seed)
        self.validation = validation.longest_first()
        self.metric, has_scores = main_metric(self.validation), self.validation.scores is not None
        if "metric_for_best_model" not in self.typed:
            arguments.metric_for_best_model = self.metric
            if "greater_is_better" not in self.typed:
                arguments.greater_is_better = greater_is_better(self.metric)
        names = embedding_metric_names(has_scores, self.loss.matryoshka_sizes)
        require_effective(arguments, trains_backbone=False, problem_type=None)
        require_metric(arguments, names if has_scores else ["loss", *names])
        return dict(self.options)

    @property
    def max_length(self) -> int:
        return MAX_LENGTH if self.data.max_length is None else self.data.max_length

    @property
    def recorded(self) -> dict[str, Any]:
        columns = {name: getattr(self.data, name) for name in COLUMNS}
        return {"rows": hash_json([self.train.groups, self.train.scores]), **columns}

    def describe_rows(self) -> str:
        return f"{len(self.train):,} training pairs, {len(self.validation):,} for validation"

    def make_trainer(
        self, network: Any, tokenizer: PreTrainedTokenizerBase, max_length: int, arguments: Any
    ) -> ContrastiveTrainer:
        self.cached = None
        if self.cache.cache:
            texts, config = distinct_texts([self.train, self.validation]), network.config
            where = {"revision": config.backbone_revision, "layers": config.backbone_layers, "max_length": max_length}
            where["token_features"] = config.token_features
            splits = {"all": {"text": texts}}
            states = cached_rows(network.backbone, tokenizer, splits, self.cache, **where)["all"]
            train, validation = (GroupDataset(groups, texts, states) for groups in (self.train, self.validation))
            self.judged = validation
            if states.dtype != network.backbone.dtype:  # a head is judged by the vectors that it will give
                self.cached, self.judged = validation, _tokenized(self.validation, tokenizer, max_length)
            print(f"{describe(states)} (--no_cache goes without)")
            say_if_much(self.cache)
        else:
            train, validation = (_tokenized(groups, tokenizer, max_length) for groups in (self.train, self.validation))
            self.judged = validation
        return make_contrastive_trainer(network, tokenizer, arguments, self.loss, train, validation)

    def judge(self, trainer: ContrastiveTrainer) -> dict[str, Any]:
        prediction = trainer.predict(self.judged, metric_key_prefix="eval")
        results = dict(prediction.metrics)
        if not all(math.isfinite(value) for name, value in results.items() if name.startswith("eval_")):
            raise diverged("the vectors are not finite", trainer)
        if self.cached is not None:
            results |= trainer.evaluate(self.cached, metric_key_prefix="cache_eval")
        self.report = report_vectors(prediction.predictions, prediction.label_ids, self.validation)
        self.report["num_training_rows"] = len(self.train)
        self.report["curve"] = curve_of(trainer.state.log_history)
        self.report["advice"] = advice_on(self.report["curve"], steps_were_chosen=False)
        return results

    def write(self, folder: Path) -> None:
        write_report(self.report, folder)

    def say(self, results: dict[str, Any], folder: str) -> None:
        print_report(self.report, Path(folder))
        if f"cache_eval_{self.metric}" in results:
            scores = f"{results[f'cache_eval_{self.metric}']:.4f}, live {results[f'eval_{self.metric}']:.4f}"
            print(f"\nThe cache, in {self.cache.cache_dtype}, gives {self.metric} {scores}")
        vectors = '    vectors = model.encode(["a text", "another"], tokenizer)'
        say_how_to_load(folder, "AutoModel", vectors, has_parameters=results["head_parameters"] > 0)


def evaluate_embedding(head: TrainedHead, data: Any) -> tuple[dict[str, float], dict[str, Any]]:
    """
    Return a trained head's metrics on a file of pairs, and a report of them.

    Args:
        data: `EvaluationArguments`; columns that it does not name are those of the training, or guessed.

    Raises:
        InputError: there is no file, or a vector is not finite.
    """
    if data.validation_file is None or data.task is not None or data.data_dir is not None:
        raise InputError("this head gives vectors: name pairs, with scores or without, by --validation_file alone")
    if data.text_template is not None:
        raise InputError("--text_template is for heads with labels: pairs are read from one column each")
    for name in COLUMNS:
        setattr(data, name, getattr(data, name) or getattr(head.record, name))
    validation = validation_groups(data.validation_file, data, ContrastiveArguments()).longest_first()
    arguments = evaluation_arguments(data.batch_size)
    trainer = make_contrastive_trainer(head.model, head.tokenizer, arguments, ContrastiveLoss())
    prediction = trainer.predict(_tokenized(validation, head.tokenizer, head.max_length), metric_key_prefix="eval")
    vectors = torch.from_numpy(prediction.predictions).flatten(0, 1)  # (N * k, D)
    with user_errors():
        require_finite(head.model, vectors, [text for group in validation.groups for text in group])
    return prediction.metrics, report_vectors(prediction.predictions, prediction.label_ids, validation)


def _tokenized(groups: TextGroups, tokenizer: PreTrainedTokenizerBase, max_length: int | None) -> GroupDataset:
    """Return rows of tokens, for which the backbone runs in every step."""
    texts = distinct_texts([groups])
    return GroupDataset(groups, texts, tokenize(Dataset.from_dict({"text": texts}), tokenizer, max_length))
