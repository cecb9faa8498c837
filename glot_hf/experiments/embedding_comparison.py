# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Sentence vectors in a comparison of poolings: chosen on held-out training pairs, judged on other pairs."""

from functools import cached_property
from typing import Any

from transformers import Trainer

from ..data.text_groups import GroupDataset, TextGroups, distinct_texts
from ..model.modeling_glot import GlotModel
from ..states.cache import HiddenStateCache
from ..states.key import hash_json
from ..training.contrastive import ContrastiveLoss
from ..training.contrastive_trainer import main_metric, make_contrastive_trainer
from .comparison import Comparison, TaskStates
from .heads import Rows, held_out_parts, train_silently


class EmbeddingStates(TaskStates):
    """
    The same as [`~glot_hf.experiments.comparison.TaskStates`], except that the rows are texts that belong together.

    Args:
        train ([`~glot_hf.data.text_groups.TextGroups`]): parts are held out to choose the budget by.
        validation ([`~glot_hf.data.text_groups.TextGroups`]): with scores, or without.
        loss ([`ContrastiveLoss`])
        max_length (`int`): tokens a text is cut at.
    """

    name, more_splits = "embedding", ()

    def __init__(
        self,
        comparison: Comparison,
        train: TextGroups,
        validation: TextGroups,
        loss: ContrastiveLoss,
        max_length: int,
    ):
        self.comparison, self.loss, self.max_length = comparison, loss, max_length
        self.groups = {"train": train, "validation": validation}

    def metric(self, phase: str) -> str:
        return main_metric(self.groups["train" if phase == "selection" else "validation"])

    def train(self, head_options: dict[str, Any], rows: Rows, seed: int, **options) -> Trainer:
        def make_trainer(arguments: Any) -> Trainer:
            model = GlotModel.from_backbone(self.comparison.backbone, **head_options)
            return make_contrastive_trainer(model, self.comparison.tokenizer, arguments, self.loss, rows)

        return train_silently(make_trainer, seed, **options)

    @cached_property
    def content(self) -> str:
        return hash_json([[groups.groups, groups.scores] for groups in self.groups.values()])[:12]

    @cached_property
    def final(self) -> tuple[GroupDataset, dict[str, GroupDataset]]:
        """All training rows, and the reported rows by split."""
        texts = distinct_texts(self.groups.values())
        cache = HiddenStateCache.build(
            self.comparison.backbone,
            self.comparison.tokenizer,
            {"text": texts},
            layers=self.comparison.head_options.get("backbone_layers", -1),
            max_length=min(self.max_length, self.comparison.tokenizer.model_max_length),
            show_progress=True,
            **self.comparison.cache_options,
        )
        train, validation = (GroupDataset(groups, texts, cache) for groups in self.groups.values())
        return train, {"validation": validation}

    def is_linear(self, head_options: dict[str, Any]) -> bool:
        """Return False: a contrastive loss is fitted by no regression."""
        return False

    @cached_property
    def selection(self) -> list[tuple[Rows, Rows]]:
        """The same as of other tasks, except that no query is in both parts."""
        queries = [query for query, *_ in self.groups["train"].groups]
        return held_out_parts(self.final[0], groups=queries)
