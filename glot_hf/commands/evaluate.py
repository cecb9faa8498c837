# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf evaluate MODEL`: a head's metrics on a labelled file or a task, of vectors on a file of pairs."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..options.arguments import LabelledTextArguments, TrustArguments
from ..options.parser import CommandParser
from ..system.atomic_files import write_text
from ..system.errors import InputError, require_extra, require_folder, require_positive, require_writable, user_errors
from ..system.lock import locked
from ..system.options import option


@dataclass
class EvaluationArguments(TrustArguments, LabelledTextArguments):
    batch_size: int = option(64, "Texts a batch.")
    output_file: str | None = option(None, "Also write the metrics to this JSON file.")
    output_dir: str | None = option(
        None, "Also write a report to this folder: report.md, report.json and pictures, as glot-hf train does."
    )


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        EvaluationArguments,
        prog="glot-hf evaluate",
        description=__doc__,
        common=["validation_file", "label_column", "task", "data_dir", "output_file", "output_dir"],
        examples=[
            "glot-hf evaluate head --validation_file reviews.csv",
            "glot-hf evaluate head --task sst2 --data_dir glue_data/SST-2",
        ],
    )
    parser.add_argument("model", help="folder or repository of a head")
    return parser


def run(argv: list[str]) -> None:
    data, rest = parser().parse(argv)
    require_extra("train", "datasets", "sklearn", "scipy", *(["matplotlib"] if data.output_dir else []))
    require_positive(data.batch_size, "--batch_size")
    require_writable(data.output_file, "--output_file")
    require_folder(data.output_dir, "--output_dir")
    from ..system.processes import find_processes
    from ..training.trained import load_trained

    head = load_trained(rest.model, data.trust)
    if head.gives_vectors:
        from ..runs.vectors import evaluate_embedding

        metrics, report = evaluate_embedding(head, data)
    else:
        metrics, report = _evaluate(head, data)
    # What Trainer adds of itself says nothing of a head that is not trained here.
    metrics = {name: value for name, value in metrics.items() if name != "epoch" and "preparation_time" not in name}
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise InputError(f"{name} is {value}, though all answers are finite: check the labels")
    printed = json.dumps(metrics, indent=2, allow_nan=False)
    print(printed)
    if data.output_file is not None and find_processes().is_main_process:
        write_text(Path(data.output_file), printed + "\n")
    if data.output_dir is not None and find_processes().is_main_process:
        from ..reports.report import print_report, write_report

        folder = Path(data.output_dir)
        with user_errors(), locked(folder):
            write_report(report, folder)
        print_report(report, folder)


def _evaluate(head: Any, data: EvaluationArguments) -> tuple[dict[str, float], dict[str, Any]]:
    from ..data.tasks import TASKS
    from ..reports.answers import report_answers
    from ..runs.choice import metric_of
    from ..runs.texts import evaluation_examples

    evaluations = evaluation_examples(data, head.labels_in_files, head.record)
    head.require_pairs("text_pair" in evaluations["eval"].column_names)
    answers = {prefix: head.predict(examples, data.batch_size, prefix) for prefix, examples in evaluations.items()}
    metrics = {name: value for each in answers.values() for name, value in each.metrics.items()}
    task = TASKS.get(data.task or head.record.task)
    main = metric_of(None, task and task.metric, head.labels, head.record.class_weight is not None)
    logits, truth = answers["eval"].predictions, answers["eval"].label_ids
    threshold = head.model.config.decision_threshold
    return metrics, report_answers(logits, truth, head.labels, main, evaluations["eval"], threshold)
