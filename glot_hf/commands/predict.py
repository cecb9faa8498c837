# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf predict MODEL`: a head's answers, one JSON object a line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..options.arguments import TrustArguments
from ..options.parser import CommandParser
from ..system.errors import InputError, require_extra, require_positive, require_writable
from ..system.options import option


@dataclass
class PredictionArguments(TrustArguments):
    """Which texts: `--text` here and now, or `--test_file`."""

    text: list[str] | None = option(None, "One or more texts.")
    text_pair: list[str] | None = option(None, "Their second texts, for a pair head.")
    test_file: str | None = option(None, "CSV, TSV, JSON lines or Parquet file.")
    text_column: str | None = option(None, "Column of the text; default: as in training, or guessed.")
    text_pair_column: str | None = option(None, "Column of the second text of a pair.")
    batch_size: int = option(64, "Texts a batch.")
    top_k: int | None = option(None, "Give the probabilities of the so many likeliest classes; default: of all.")
    output_file: str | None = option(
        None,
        "File to write: .csv and .parquet keep the columns of --test_file beside the answers, others are JSON lines; "
        "default: standard output.",
    )


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        PredictionArguments,
        prog="glot-hf predict",
        description=__doc__,
        common=["text", "text_pair", "test_file", "text_column", "output_file"],
        examples=[
            'glot-hf predict head --text "a lovely film" "an awful film"',
            "glot-hf predict head --test_file reviews.csv --output_file answers.csv",
        ],
    )
    parser.add_argument("model", help="folder or repository of a head")
    return parser


def run(argv: list[str]) -> None:
    arguments, rest = parser().parse(argv)
    require_extra("train", "datasets", "sklearn", "scipy")
    require_positive(arguments.batch_size, "--batch_size")
    if arguments.top_k is not None:
        require_positive(arguments.top_k, "--top_k")
    require_writable(arguments.output_file, "--output_file")
    import torch

    from ..system.processes import find_processes
    from ..training.trained import load_trained

    head = load_trained(rest.model, arguments.trust)
    if head.gives_vectors:
        raise InputError(
            f"{rest.model!r} gives sentence vectors and no answers: glot-hf embed --model writes them, and in Python "
            f"AutoModel.from_pretrained({rest.model!r}) has encode(texts, tokenizer)"
        )
    from ..data.answer_files import TABLES, require_free_columns, to_json, write_answers

    table, examples = _examples(arguments, head)
    if arguments.output_file is not None:
        require_free_columns(Path(arguments.output_file), table.column_names, head.labels.names)
    prediction = head.predict(examples, arguments.batch_size)
    threshold = head.model.config.decision_threshold
    answers = [
        _answer(logits, head.labels, threshold, arguments.top_k) for logits in torch.from_numpy(prediction.predictions)
    ]
    if arguments.output_file is None:
        print(*(to_json(example | answer) for example, answer in zip(examples, answers)), sep="\n")
    elif find_processes().is_main_process:
        path = Path(arguments.output_file)
        write_answers(path, list(table if path.suffix in TABLES else examples), answers)


def _examples(arguments: PredictionArguments, head: Any) -> tuple[Any, Any]:
    """Return the rows as they were given, and their texts as the columns `text` and, for pairs, `text_pair`."""
    from datasets import Dataset

    from ..data.columns import choose_texts
    from ..data.examples import texts_of
    from ..data.tables import load_table

    if (arguments.text is None) == (arguments.test_file is None):
        raise InputError("name the texts: either --text or --test_file")
    has_pairs = arguments.text_pair is not None or arguments.text_pair_column is not None
    if has_pairs or arguments.text is not None:
        head.require_pairs(has_pairs)
    if arguments.text is not None:
        columns, table = {"text": arguments.text, "text_pair": arguments.text_pair}, None
        num_pairs = len(arguments.text_pair or ())
        if has_pairs and num_pairs != len(arguments.text):
            raise InputError(
                f"there are {len(arguments.text)} --text for {num_pairs} --text_pair: give as many of each"
            )
    else:
        table = load_table(arguments.test_file or "", split="test")
        # The columns of the training, where the file has them; else they are guessed, which is said.
        known = {name: getattr(head.record, name) for name in ("text_column", "text_pair_column")}
        known = {name: column if column in table.column_names else None for name, column in known.items()}
        text = arguments.text_column or known["text_column"]
        text_pair = arguments.text_pair_column or known["text_pair_column"]
        text, text_pair = choose_texts(table, text, text_pair if head.is_pair else None, head.is_pair)
        columns = {"text": text, "text_pair": text_pair}
        columns = {kind: name and texts_of(table, name, arguments.test_file or "") for kind, name in columns.items()}
    examples = Dataset.from_dict({kind: texts for kind, texts in columns.items() if texts is not None})
    return (examples if table is None else table), examples


def _answer(logits: Any, labels: Any, threshold: float | None, top_k: int | None) -> dict[str, Any]:
    match labels.problem_type:
        case "regression":
            return {"score": logits.item()}
        case "multi_label_classification":
            scores = dict(zip(labels.names, logits.sigmoid().tolist()))
            return {"labels": [name for name, score in scores.items() if score > 0.5], "scores": scores}
        case _:  # "single_label_classification"
            from ..model.decision_glot import at_threshold

            index = at_threshold(logits, threshold).argmax()
            scores = dict(zip(labels.names, logits.softmax(dim=-1).tolist()))
            best = sorted(scores, key=lambda name: scores[name], reverse=True)[:top_k]
            return {
                "label": labels.names[index],
                "score": scores[labels.names[index]],
                "scores": scores if top_k is None else {name: scores[name] for name in best},
            }
