# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The contrastive loss of sentence vectors: symmetric, over a batch that may lie on several processes."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from ..model.processes_glot import sum_over_processes
from ..system.errors import InputError


@dataclass(frozen=True)
class ContrastiveLoss:
    """
    Symmetric InfoNCE, as the paper trains embeddings: each query has to find its positive among all positives and hard
    negatives of the batch, and each positive its query among all queries; the mean of both.

    No text counts twice, and none as a negative of a query that it is, or is known to be a positive of: such texts are
    masked by their numbers. With several processes the vectors of all are gathered, so that the loss, and under DDP
    its gradient, are those of one process with the whole batch.

    Args:
        temperature (`float`): similarities are divided by it.
        similarity (`str`): "cosine", or "dot": what the released code trains with.
        matryoshka_sizes (`tuple[int, ...]`): also train the first so many dimensions (Kusupati et al., 2022); the loss
            is the mean over these and the whole vector.

    Raises:
        InputError: there is no such similarity; when it is called, also if a size is not below the vector's.
    """

    temperature: float = 0.07
    similarity: str = "cosine"
    matryoshka_sizes: tuple[int, ...] = ()

    def __post_init__(self):
        if self.similarity not in ("cosine", "dot"):
            raise InputError(f"there is no similarity {self.similarity!r}: valid are 'cosine' and 'dot'")

    def __call__(self, vectors: Tensor, text_ids: Tensor) -> Tensor:
        """
        Args:
            vectors (`Tensor` of shape `(B, 2 + n, D)`): of a query, its positive and n hard negatives.
            text_ids (`Tensor` of shape `(B, 2 + n)`, int): the same number for equal texts. A row with fewer negatives
                repeats its positive.

        Returns:
            `Tensor`: a scalar, the same on all processes.
        """
        vectors, text_ids = _gather(vectors), _gather(text_ids)
        width = vectors.shape[-1]
        if not all(0 < size < width for size in self.matryoshka_sizes):
            raise InputError(f"matryoshka_sizes {self.matryoshka_sizes} are not all between 1 and {width - 1}")
        sizes = (*self.matryoshka_sizes, width)
        # The positives come first, so that row i finds its own in column i.
        candidate_ids = text_ids[:, 1:].T.flatten()
        query_ids, positive_ids = text_ids[:, 0], text_ids[:, 1]
        masks = false_negatives(query_ids, candidate_ids), false_negatives(positive_ids, query_ids)
        return torch.stack([self._of_size(vectors[..., :size], *masks) for size in sizes]).mean()

    def _of_size(self, vectors: Tensor, forward_mask: Tensor, backward_mask: Tensor) -> Tensor:
        """`(B, 2 + n, d)`, and what is no negative, `(B, B + Bn)` of queries, `(B, B)` of positives -> a scalar."""
        vectors = vectors.float()  # half precision is too coarse for similarities / temperature
        if self.similarity == "cosine":
            vectors = F.normalize(vectors, dim=-1)
        queries, positives = vectors[:, 0], vectors[:, 1]  # (B, d)
        candidates = torch.cat([positives, *vectors[:, 2:].unbind(1)])  # (B + Bn, d)
        forward = self._cross_entropy(queries, candidates, forward_mask)
        return (forward + self._cross_entropy(positives, queries, backward_mask)) / 2

    def _cross_entropy(self, anchors: Tensor, candidates: Tensor, masked: Tensor) -> Tensor:
        """`(B, d)`, `(C, d)` with the target of row i in column i, and what is no negative `(B, C)` -> a scalar."""
        logits = anchors @ candidates.T / self.temperature  # (B, C)
        rows = torch.arange(len(anchors), device=anchors.device)
        return F.cross_entropy(logits.masked_fill(masked, -torch.inf), rows)


def false_negatives(anchor_ids: Tensor, candidate_ids: Tensor) -> Tensor:
    """
    Return where a candidate must not count as a negative: it is the anchor's own text, a target of an equal anchor, or
    a text that an earlier column holds already.

    Args:
        anchor_ids (`Tensor` of shape `(B,)`, int)
        candidate_ids (`Tensor` of shape `(C,)`, int): begins with the targets of the B anchors.

    Returns:
        `Tensor` of shape `(B, C)`, bool: False where column i is the target of row i.
    """
    _, anchors = anchor_ids.unique(return_inverse=True)  # (B,), equal where anchors are
    texts, columns = candidate_ids.unique(return_inverse=True)  # (T,), (C,)
    is_target = columns.new_zeros(len(anchors), len(texts), dtype=torch.bool)  # of each different anchor
    is_target[anchors, columns[: len(anchors)]] = True
    places = torch.arange(len(columns), device=columns.device)
    first = torch.full_like(texts, len(columns)).scatter_reduce(0, columns, places, "amin")  # (T,)
    is_repeated = first[columns] != places  # (C,)
    masked = is_target[anchors][:, columns] | is_repeated | (anchor_ids[:, None] == candidate_ids)
    masked.fill_diagonal_(False)
    return masked


def _gather(rows: Tensor) -> Tensor:
    """
    The rows of all processes, which have equally many.

    Every process computes the whole loss, so the gradients that come back here are summed over processes, and DDP's
    mean over processes makes of that the gradient of one.
    """
    is_shared = dist.is_available() and dist.is_initialized()
    here, count = (dist.get_rank(), dist.get_world_size()) if is_shared else (0, 1)
    placed = torch.stack([rows if process == here else torch.zeros_like(rows) for process in range(count)])
    return sum_over_processes(placed)[0].flatten(0, 1)
