# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf predict DIR`: a trained head's answers, one JSON object a line."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, require_extra
from .arguments import CommandParser, TrustArguments, require_positive, require_writable


@dataclass
class PredictionArguments(TrustArguments):
    """Which texts: `--text` here and now, or `--test_file`."""

    text: list[str] | None = field(default=None, metadata={"help": "One or more texts."})
    text_pair: list[str] | None = field(default=None, metadata={"help": "Their second texts, for a pair head."})
    test_file: str | None = field(default=None, metadata={"help": "CSV, TSV, JSON lines or Parquet file."})
    text_column: str | None = field(default=None, metadata={"help": "Column of the text; default: as in training."})
    text_pair_column: str | None = field(default=None, metadata={"help": "Column of the second text of a pair."})
    batch_size: int = field(default=64, metadata={"help": "Texts a batch."})
    output_file: str | None = field(default=None, metadata={"help": "JSON lines file; default: standard output."})


def run(argv: list[str]) -> None:
    require_extra("train", "datasets", "sklearn", "scipy")
    parser = CommandParser(PredictionArguments, prog="glot-hf predict", description=__doc__)
    parser.add_argument("model", help="folder that `glot-hf train` wrote")
    arguments, rest = parser.parse(argv)
    require_positive(arguments.batch_size, "--batch_size")
    require_writable(arguments.output_file, "--output_file")
    from .trained import load_trained

    head = load_trained(rest.model, arguments.trust)
    examples = _examples(arguments, head)
    trainer = head.trainer(arguments.batch_size)
    prediction = trainer.predict(head.tokenize(examples))
    answers = (
        json.dumps(example | _answer(logits, head), ensure_ascii=False)
        for example, logits in zip(examples, torch.from_numpy(prediction.predictions))
    )
    if arguments.output_file is None:
        print(*answers, sep="\n")
    elif trainer.is_world_process_zero():
        Path(arguments.output_file).write_text("\n".join(answers) + "\n", encoding="utf-8")


def _examples(arguments: PredictionArguments, head) -> Any:
    from datasets import Dataset

    from ..data.columns import require_column
    from ..data.examples import texts_of
    from ..data.tables import load_table

    has_pairs = arguments.text_pair is not None or arguments.text_pair_column is not None
    head.require_pairs(has_pairs or (arguments.text is None and head.record.text_pair_column is not None))
    if (arguments.text is None) == (arguments.test_file is None):
        raise InputError("name the texts: either --text or --test_file")
    if arguments.text is not None:
        columns = {"text": arguments.text, "text_pair": arguments.text_pair}
        num_pairs = len(arguments.text_pair or ())
        if has_pairs and num_pairs != len(arguments.text):
            raise InputError(
                f"there are {len(arguments.text)} --text for {num_pairs} --text_pair: give as many of each"
            )
    else:
        names = {
            "text": arguments.text_column or head.record.text_column or "text",
            "text_pair": arguments.text_pair_column or head.record.text_pair_column,
        }
        table = load_table(arguments.test_file, split="test")
        for kind, name in names.items():
            require_column(table, name, f"--{kind}_column")
        columns = {kind: name and texts_of(table, name, arguments.test_file) for kind, name in names.items()}
    return Dataset.from_dict({kind: texts for kind, texts in columns.items() if texts is not None})


def _answer(logits: torch.Tensor, head) -> dict[str, Any]:
    match head.labels.problem_type:
        case "regression":
            return {"score": logits.item()}
        case "multi_label_classification":
            scores = dict(zip(head.labels.names, logits.sigmoid().tolist()))
            return {"labels": [name for name, score in scores.items() if score > 0.5], "scores": scores}
        case "single_label_classification":
            score, index = logits.softmax(dim=-1).max(dim=-1)
            return {"label": head.labels.names[index], "score": score.item()}
