# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf evaluate MODEL`: a head's metrics on a labelled file or a task, of vectors on a file of pairs."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..options.arguments import LabelledTextArguments, TrustArguments
from ..options.parser import CommandParser
from ..system.errors import InputError, require_extra, require_positive, require_writable
from ..system.options import option


@dataclass
class EvaluationArguments(TrustArguments, LabelledTextArguments):
    batch_size: int = option(64, "Texts a batch.")
    output_file: str | None = option(None, "Also write the metrics to this JSON file.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        EvaluationArguments,
        prog="glot-hf evaluate",
        description=__doc__,
        common=["validation_file", "label_column", "task", "data_dir", "output_file"],
        examples=[
            "glot-hf evaluate head --validation_file reviews.csv",
            "glot-hf evaluate head --task sst2 --data_dir glue_data/SST-2",
        ],
    )
    parser.add_argument("model", help="folder or repository of a head")
    return parser


def run(argv: list[str]) -> None:
    data, rest = parser().parse(argv)
    require_extra("train", "datasets", "sklearn", "scipy")
    require_positive(data.batch_size, "--batch_size")
    require_writable(data.output_file, "--output_file")
    from ..system.processes import find_processes
    from ..training.trained import load_trained

    head = load_trained(rest.model, data.trust)
    if head.gives_vectors:
        from ..runs.vectors import evaluate_embedding

        metrics = evaluate_embedding(head, data)
    else:
        metrics = _evaluate(head, data)
    # What Trainer adds of itself says nothing of a head that is not trained here.
    metrics = {name: value for name, value in metrics.items() if name != "epoch" and "preparation_time" not in name}
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise InputError(f"{name} is {value}, though all answers are finite: check the labels")
    printed = json.dumps(metrics, indent=2, allow_nan=False)
    print(printed)
    if data.output_file is not None and find_processes().is_main_process:
        Path(data.output_file).write_text(printed + "\n", encoding="utf-8")


def _evaluate(head: Any, data: EvaluationArguments) -> dict[str, float]:
    from ..runs.texts import evaluation_examples

    evaluations = evaluation_examples(data, head.labels_in_files, head.record)
    head.require_pairs("text_pair" in evaluations["eval"].column_names)
    metrics = {}
    for prefix, examples in evaluations.items():
        metrics |= head.predict(examples, data.batch_size, prefix).metrics
    return metrics
