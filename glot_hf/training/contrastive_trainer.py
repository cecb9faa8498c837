# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A Trainer of sentence vectors: a plain `GlotModel`, trained by the contrastive loss."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, TrainingArguments
from transformers.trainer_utils import TrainOutput

from ..data.text_groups import GroupCollator, GroupDataset
from .contrastive import ContrastiveLoss
from .metrics import embedding_metrics
from .trainer import DeadHeadCallback, HeadCollator, HeadTrainer


class ContrastiveTrainer(HeadTrainer):
    """
    A Trainer of a [`GlotModel`] on rows of a [`~glot_hf.data.text_groups.GroupDataset`]. It is judged by
    [`~glot_hf.training.metrics.embedding_metrics`], always with cosines.

    Args:
        loss ([`ContrastiveLoss`]): of the training; evaluated too, batch by batch, unless the pairs have scores.
        args, kwargs: of `Trainer`.
    """

    def __init__(self, *args, loss: ContrastiveLoss, **kwargs):
        super().__init__(*args, **kwargs)
        self.loss = loss

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs) -> TrainOutput:
        """Train as any Trainer does; a head without parameters, such as mean pooling, gathers its statistics alone."""
        if any(parameter.requires_grad for parameter in self.model.parameters()):
            return super().train(resume_from_checkpoint, **kwargs)
        if any(True for _ in self.model.head.buffers()):
            self.model.train()
            with torch.no_grad():
                for batch in self.get_train_dataloader():
                    self._vectors(self.model, self._prepare_inputs(batch))
        return TrainOutput(global_step=0, training_loss=0.0, metrics={})

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return the loss, and on request the vectors `(B, k, D)`."""
        vectors = self._vectors(model, inputs)
        loss = self.loss(vectors, inputs["text_ids"])
        return (loss, vectors) if return_outputs else loss

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """
        The loss, of pairs with scores None; the vectors `(B, k, D)`; the scores `(B,)`, or the numbers of the texts
        `(B, k)`.
        """
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            vectors = self._vectors(model, inputs)
            loss = None if "labels" in inputs else self.loss(vectors, inputs["text_ids"])
        if prediction_loss_only:
            return loss, None, None
        return loss, vectors.float(), inputs.get("labels", inputs["text_ids"])

    def _vectors(self, model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        """Return the vectors of a batch of groups, `(B, k, D)`, from one pass over their texts."""
        texts = {name: tensor for name, tensor in inputs.items() if name not in ("text_ids", "labels")}
        return model(**texts, return_dict=True).pooler_output.unflatten(0, inputs["text_ids"].shape)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["texts", "text_ids", "labels"]  # what the collator needs, and not the model


def make_contrastive_trainer(
    model: Any,  # a GlotModel, or a PeftModel around one
    tokenizer: PreTrainedTokenizerBase,
    arguments: TrainingArguments,
    loss: ContrastiveLoss,
    train: GroupDataset | None = None,
    validation: GroupDataset | None = None,
) -> ContrastiveTrainer:
    """Return a Trainer that says when a head dies. Anything of it can be changed as usual."""
    return ContrastiveTrainer(
        model=model,
        args=arguments,
        loss=loss,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=GroupCollator(HeadCollator(tokenizer)),
        compute_metrics=partial(embedding_metrics, sizes=loss.matryoshka_sizes),
        callbacks=[DeadHeadCallback()],
    )


def main_metric(validation: Any) -> str:
    """Return what a head is chosen by, of [`~glot_hf.training.metrics.embedding_metrics`]."""
    return "mrr" if validation.scores is None else "spearman"
