# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What int8 costs: metrics of a classifier on labelled text, cosines of vectors."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor
from transformers import EvalPrediction, PreTrainedTokenizerBase

from ..commands.arguments import LabelledTextArguments
from ..commands.texts import evaluation_examples
from ..commands.trained import TrainedHead, with_record
from ..data.examples import PairCollator
from ..model.finite_glot import require_finite
from ..model.modeling_glot import GlotForSequenceClassification
from ..system.errors import user_errors
from ..training.metrics import metrics_for
from .program import Run, export_inputs


def load_judge(
    name: str, model: GlotForSequenceClassification, tokenizer: PreTrainedTokenizerBase, data: LabelledTextArguments
) -> tuple[TrainedHead, dict[str, Dataset]]:
    """
    The head in a folder or repository, and labelled examples for it, by the prefix of the metrics.

    Raises:
        InputError: there are none, or they do not fit the head.
    """
    head = with_record(name, model, tokenizer)
    evaluations = evaluation_examples(data, head.labels_in_files, head.record)
    head.require_pairs("text_pair" in evaluations["eval"].column_names)
    return head, evaluations


def compare_metrics(
    runs: dict[str, Run], head: TrainedHead, evaluations: dict[str, Dataset], with_backbone: bool, batch_size: int
) -> None:
    """
    Prints the metrics of exported classifiers, by their names, side by side.

    Raises:
        InputError: an answer is not finite; names its row, counted from 1, and the text.
    """
    collate = PairCollator(head.tokenizer)
    for prefix, examples in evaluations.items():
        outputs, rows = {kind: [] for kind in runs}, head.tokenize(examples).to_list()
        for start in range(0, len(rows), batch_size):
            inputs = export_inputs(head.model, collate(rows[start : start + batch_size]), with_backbone)
            for kind, run in runs.items():
                outputs[kind].append(run(inputs))
        for logits in outputs.values():
            with user_errors():
                require_finite(head.model, torch.cat(logits), examples["text"])
        labels, metrics_of = np.array([row["labels"] for row in rows]), metrics_for(head.labels.problem_type)
        metrics = {
            kind: metrics_of(EvalPrediction(torch.cat(logits).numpy(), labels)) for kind, logits in outputs.items()
        }
        _print_table(f"{prefix}, {len(rows)} rows", metrics)


def compare_vectors(runs: dict[str, Run], batches: list[dict[str, Tensor]]) -> None:
    """Prints the cosines between the vectors that two exported models give to the same texts."""
    exact, rounded = (torch.cat([run(inputs) for inputs in batches]) for run in runs.values())
    cosines = F.cosine_similarity(exact, rounded)
    print(f"cosine between the vectors of {' and '.join(runs)}: mean {cosines.mean():.4f}, least {cosines.min():.4f}")


def _print_table(title: str, metrics: dict[str, dict[str, Any]]) -> None:
    names = dict.fromkeys(name for each in metrics.values() for name in each)  # a constant has no correlation
    width = max(map(len, (title, *names)))
    print(f"{title:<{width}}", *(f"{kind:>9}" for kind in metrics))
    for name in names:
        print(f"{name:<{width}}", *(f"{each.get(name, math.nan):>9.4f}" for each in metrics.values()))
