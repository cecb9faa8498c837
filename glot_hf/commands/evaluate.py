# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf evaluate DIR`: a trained head's metrics on a labelled file or a task."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import require_extra
from .arguments import TASK_NAMES, CommandParser, require_positive, require_writable


@dataclass
class EvaluationArguments:
    """Which labelled texts: `--validation_file`, or `--task`; default: the task that the head was trained on."""

    validation_file: str | None = field(
        default=None, metadata={"help": "CSV, TSV, JSON lines or Parquet file, or the name of a dataset."}
    )
    text_column: str | None = field(default=None, metadata={"help": "Column of the text; default: as in training."})
    text_pair_column: str | None = field(default=None, metadata={"help": "Column of the second text of a pair."})
    label_column: str | None = field(default=None, metadata={"help": "Column of the label; default: as in training."})
    task: str | None = field(default=None, metadata={"help": f"A task by name, instead of a file: {TASK_NAMES}."})
    data_dir: str | None = field(
        default=None, metadata={"help": "The task's own folder, such as GLUE's MRPC or aclImdb; default: the hub's."}
    )
    batch_size: int = field(default=64, metadata={"help": "Texts a batch."})
    output_file: str | None = field(default=None, metadata={"help": "Also write the metrics to this JSON file."})


def run(argv: list[str]) -> None:
    require_extra("train", "datasets", "sklearn", "scipy")
    parser = CommandParser(EvaluationArguments, prog="glot-hf evaluate", description=__doc__)
    parser.add_argument("model", help="folder that `glot-hf train` wrote")
    data, rest = parser.parse(argv)
    require_positive(data.batch_size, "--batch_size")
    require_writable(data.output_file, "--output_file")
    from .texts import evaluation_examples
    from .trained import load_trained

    head = load_trained(rest.model)
    evaluations = evaluation_examples(data, head.labels, head.record)
    head.require_pairs("text_pair" in evaluations["eval"].column_names)
    trainer, metrics = head.trainer(data.batch_size), {}
    for prefix, examples in evaluations.items():
        metrics |= trainer.evaluate(head.tokenize(examples), metric_key_prefix=prefix)
    print(json.dumps(metrics, indent=2))
    if data.output_file is not None and trainer.is_world_process_zero():
        Path(data.output_file).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
