# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf evaluate DIR`: a trained head's metrics on a labelled file or a task, of vectors on a file of pairs."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import require_extra
from .arguments import (
    EMBEDDING,
    CommandParser,
    LabelledTextArguments,
    TrustArguments,
    require_positive,
    require_writable,
)


@dataclass
class EvaluationArguments(TrustArguments, LabelledTextArguments):
    batch_size: int = field(default=64, metadata={"help": "Texts a batch."})
    output_file: str | None = field(default=None, metadata={"help": "Also write the metrics to this JSON file."})


def run(argv: list[str]) -> None:
    require_extra("train", "datasets", "sklearn", "scipy")
    parser = CommandParser(EvaluationArguments, prog="glot-hf evaluate", description=__doc__)
    parser.add_argument("model", help="folder that `glot-hf train` wrote")
    data, rest = parser.parse(argv)
    require_positive(data.batch_size, "--batch_size")
    require_writable(data.output_file, "--output_file")
    from ..processes import find_processes
    from ..training_record import TrainingRecord

    record = TrainingRecord.load(rest.model)
    if record.task == EMBEDDING:
        from .train_embedding import evaluate_embedding

        metrics = evaluate_embedding(rest.model, record, data)
    else:
        metrics = _evaluate(rest.model, data)
    # What Trainer adds of itself says nothing of a head that is not trained here.
    metrics = {name: value for name, value in metrics.items() if name != "epoch" and "preparation_time" not in name}
    print(json.dumps(metrics, indent=2))
    if data.output_file is not None and find_processes().is_main_process:
        Path(data.output_file).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def _evaluate(folder: str, data: EvaluationArguments) -> dict[str, float]:
    from .texts import evaluation_examples
    from .trained import load_trained

    head = load_trained(folder, data.trust)
    evaluations = evaluation_examples(data, head.labels, head.record)
    head.require_pairs("text_pair" in evaluations["eval"].column_names)
    trainer, metrics = head.trainer(data.batch_size), {}
    for prefix, examples in evaluations.items():
        metrics |= trainer.evaluate(head.tokenize(examples), metric_key_prefix=prefix)
    return metrics
