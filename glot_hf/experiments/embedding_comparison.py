# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Sentence vectors in a comparison of poolings: chosen on held-out training pairs, judged on other pairs."""

from typing import Any

from transformers import Trainer

from ..data.text_groups import GroupDataset, TextGroups, distinct_texts
from ..model.modeling_glot import GlotModel
from ..states.cache import HiddenStateCache
from ..training.contrastive import ContrastiveLoss
from ..training.contrastive_trainer import main_metric, make_contrastive_trainer
from ..training.on_states import Rows, held_out_parts, train_silently
from .comparison import ComparisonPanel
from .panels import Shared


class EmbeddingPanel(ComparisonPanel):
    """
    Texts that belong together, on which a head learns vectors by contrast.

    Args:
        shared ([`~glot_hf.experiments.panels.Shared`]): the backbone and what else all panels have in common.
        train ([`~glot_hf.data.text_groups.TextGroups`]): parts are held out to choose the budget by.
        validation ([`~glot_hf.data.text_groups.TextGroups`]): with scores, or without.
        loss ([`ContrastiveLoss`]): what the head is trained by.
        max_length (`int`): the number of tokens at which a text is cut.
    """

    name = "embedding"
    can_be_fitted = False  # a contrastive loss is fitted by no regression

    def __init__(
        self, shared: Shared, train: TextGroups, validation: TextGroups, loss: ContrastiveLoss, max_length: int
    ):
        super().__init__(shared)
        self.train_groups, self.validation_groups, self.loss, self.max_length = train, validation, loss, max_length
        self.selection_metric, self.final_metric = main_metric(train), main_metric(validation)

    @property
    def content(self) -> list[Any]:
        return [[groups.groups, groups.scores] for groups in (self.train_groups, self.validation_groups)]

    def train(self, head_options: dict[str, Any], rows: Rows, seed: int, **budget) -> Trainer:
        def make_trainer(arguments: Any) -> Trainer:
            model = GlotModel.from_backbone(self.shared.backbone, **head_options)
            return make_contrastive_trainer(model, self.shared.tokenizer, arguments, self.loss, rows)

        return train_silently(make_trainer, seed, **self.shared.training_options, **budget)

    def load_rows(self) -> tuple[GroupDataset, dict[str, GroupDataset]]:
        texts = distinct_texts((self.train_groups, self.validation_groups))
        cache = HiddenStateCache.build(
            self.shared.backbone,
            self.shared.tokenizer,
            {"text": texts},
            layers=self.shared.layers,
            token_features=self.shared.token_features,
            max_length=min(self.max_length, self.shared.tokenizer.model_max_length),
            show_progress=True,
            **self.shared.cache_options,
        )
        train, validation = (
            GroupDataset(groups, texts, cache) for groups in (self.train_groups, self.validation_groups)
        )
        return train, {"validation": validation}

    def parts(self, rows: Rows) -> list[tuple[Rows, Rows]]:
        """Divide the training rows like those of other tasks, except that no query is in both parts."""
        return held_out_parts(rows, groups=[query for query, *_ in self.train_groups.groups])
