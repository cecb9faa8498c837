# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
`glot-hf predict MODEL`: a head's answers, one JSON object a line, or as a file of any size. The same command goes on
with what was interrupted.
"""

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..options.arguments import TrustArguments
from ..options.engine import EngineArguments
from ..options.parser import CommandParser
from ..system.errors import InputError, require_extra, require_positive, require_writable
from ..system.lock import locked_file
from ..system.options import option


@dataclass
class PredictionArguments(TrustArguments):
    """Which texts: `--text` here and now, or `--test_file`."""

    text: list[str] | None = option(None, "One or more texts.")
    text_pair: list[str] | None = option(None, "Their second texts, for a pair head.")
    test_file: str | None = option(None, "CSV, TSV, JSON lines, Parquet or .xlsx file.")
    text_column: str | None = option(None, "Column of the text; default: as in training, or guessed.")
    text_template: str | None = option(
        None, 'A text of several columns, such as "{title}. {body}"; default: as in training.'
    )
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
        EngineArguments,
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
    arguments, engine, rest = parser().parse(argv)
    require_extra("train", "datasets", "sklearn", "scipy")
    require_positive(arguments.batch_size, "--batch_size")
    if arguments.top_k is not None:
        require_positive(arguments.top_k, "--top_k")
    if engine.engine == "ray":
        require_extra("ray", "ray", "pyarrow")
        if arguments.test_file is None or arguments.output_file is None:
            raise InputError("--engine ray reads a file and writes a folder: give --test_file and --output_file")
        arguments.test_file, rest.model = map(_placed, (arguments.test_file, rest.model))
    else:
        require_writable(arguments.output_file, "--output_file")
    from ..training.trained import load_trained

    head = load_trained(rest.model, arguments.trust)
    if head.gives_vectors:
        raise InputError(
            f"{rest.model!r} gives sentence vectors and no answers: glot-hf embed --model writes them, and in Python "
            f"AutoModel.from_pretrained({rest.model!r}) has encode(texts, tokenizer)"
        )
    if head.labels.problem_type == "regression" and arguments.top_k is not None:
        raise InputError("--top_k is about classes, and this head gives a score: leave it out")
    from ..embeddings.answer_job import AnswerJob

    texts = _texts(arguments, head)
    if engine.engine == "ray":
        _write_by_ray(texts, head, rest.model, arguments, engine)
        return
    model: Any = head.model
    job = AnswerJob(
        texts,
        model,
        head.tokenizer,
        head.max_length,
        arguments.batch_size,
        show_progress=arguments.test_file is not None,
    )
    if arguments.output_file is not None:
        _write(job, Path(arguments.output_file), head, arguments.top_k)
    elif job.processes.is_main_process:
        from ..data.answer_files import to_json

        answer = _answerer(head, arguments.top_k)
        for rows in job.answers():
            print(*(to_json(texts | answer(logits)) for _, texts, logits in rows), sep="\n")


def _write(job: Any, path: Path, head: Any, top_k: int | None) -> None:
    from ..data.answer_files import TABLES, require_free_columns, write_answers

    labels, answer = head.labels, _answerer(head, top_k)
    is_table, schema = path.suffix.lower() in TABLES, None
    if is_table:
        require_free_columns(path, job.texts.rows.columns, labels)
        schema = job.texts.rows.schema

    def write(part: Path, answered: Any) -> None:
        pieces = (
            [(cells if is_table else texts, answer(logits)) for cells, texts, logits in rows] for rows in answered
        )
        write_answers(part, pieces, schema, labels)

    with locked_file(path) if job.processes.is_main_process else nullcontext():
        count = job.run(path, write)
    if job.processes.is_main_process:
        print(f"{count:,} answers: {path}")


def _write_by_ray(texts: Any, head: Any, model: str, arguments: PredictionArguments, engine: EngineArguments) -> None:
    from ..data.answer_files import answer_schema, require_free_columns
    from ..embeddings import ray_engine

    output = Path(arguments.output_file or "")
    require_free_columns(output.with_suffix(".parquet"), texts.rows.columns, head.labels)
    schema = answer_schema(texts.rows.schema, head.labels)
    load = partial(_load_for_ray, model, arguments.trust, texts, arguments.batch_size, arguments.top_k)
    with locked_file(output):
        count = ray_engine.answer(texts, output, schema, load, engine)
    print(f"{count:,} answers: {output}, {len(list(output.iterdir()))} files")


def _load_for_ray(
    name: str, trust: dict[str, bool], texts: Any, batch_size: int, top_k: int | None
) -> tuple[Any, Callable[[Any], dict[str, Any]]]:
    from ..embeddings.answer_job import AnswerJob
    from ..training.trained import load_trained

    head = load_trained(name, trust)
    model: Any = head.model
    return AnswerJob(texts, model, head.tokenizer, head.max_length, batch_size), _answerer(head, top_k)


def _placed(path: str) -> str:
    """Return the absolute path of what is on the disk, and other names as they are."""
    return os.path.abspath(path) if os.path.exists(path) else path


def _texts(arguments: PredictionArguments, head: Any) -> Any:
    """Return the rows with their texts, as [`TextRows`]."""
    from ..data.table_rows import TableRows
    from ..data.text_rows import TextRows
    from ..data.utf8 import require_typed_text

    if (arguments.text is None) == (arguments.test_file is None):
        raise InputError("name the texts: either --text or --test_file")
    has_pairs = arguments.text_pair is not None or arguments.text_pair_column is not None
    require_typed_text("--text", arguments.text or [])
    require_typed_text("--text_pair", arguments.text_pair or [])
    if has_pairs or arguments.text is not None:
        head.require_pairs(has_pairs)
    if arguments.text is not None:
        num_pairs = len(arguments.text_pair or ())
        if has_pairs and num_pairs != len(arguments.text):
            raise InputError(
                f"there are {len(arguments.text)} --text for {num_pairs} --text_pair: give as many of each"
            )
        columns = {"text": arguments.text} | ({"text_pair": arguments.text_pair or []} if has_pairs else {})
        return TextRows(TableRows.of_texts(columns, "--text"), "text", "text_pair" if has_pairs else None)
    return head.texts_of(arguments.test_file or "", arguments)


def _answerer(head: Any, top_k: int | None) -> Callable[[Any], dict[str, Any]]:
    """Return a function that says in words what the logits `(num_labels,)` of a row mean."""
    import torch

    from ..model.decision_glot import at_threshold

    labels, threshold = head.labels, head.model.config.decision_threshold

    def answer(logits: Any) -> dict[str, Any]:
        logits = torch.from_numpy(logits)
        match labels.problem_type:
            case "regression":
                return {"score": logits.item()}
            case "multi_label_classification":
                scores = dict(zip(labels.names, logits.sigmoid().tolist()))
                found = {"labels": [name for name, score in scores.items() if score > 0.5]}
            case _:
                scores = dict(zip(labels.names, logits.softmax(dim=-1).tolist()))
                name = labels.names[at_threshold(logits, threshold).argmax()]
                found = {"label": name, "score": scores[name]}
        if top_k is not None:
            best = sorted(scores, key=lambda name: scores[name], reverse=True)[:top_k]
            scores = {name: scores[name] for name in best}
        return found | {"scores": scores}

    return answer
