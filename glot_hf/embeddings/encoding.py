# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The vectors that a head compares."""

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ..pretrained_glot import GlotPreTrainedModel


@torch.no_grad()
def encode_texts(
    model: GlotPreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], batch_size: int | None = None
) -> Tensor:
    """
    As [`~GlotPreTrainedModel.encode`], `(N, D)`, but of a cosine head after its projection, so that the cosine of two
    vectors is what it answers.
    """
    vectors = model.encode(texts, tokenizer, batch_size=batch_size)
    if model.config.pair_mode == "cosine" and model is not model.base_model:
        projection = model.similarity_projection
        vectors = projection(vectors.to(projection.weight)).float().cpu()
    return vectors
