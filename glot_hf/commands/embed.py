# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
`glot-hf embed`: files of text to a file of sentence vectors, in the order of the texts. The same command goes on with
what was interrupted, and `accelerate launch` shares the work between processes: the result is the same bits.
"""

import dataclasses
import json
import os
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ..loading.encoder import load_encoder
from ..model.options_glot import RECORDED_BACKBONE_KWARGS
from ..options.arguments import parse_load_kwargs
from ..options.encoder import EncoderArguments
from ..options.engine import EngineArguments
from ..options.parser import CommandParser
from ..system.errors import InputError, require_extra, require_positive, user_errors
from ..system.lock import locked_file
from ..system.options import REQUIRED, option


@dataclass
class EmbeddingArguments:
    """Which texts, and how their vectors are stored."""

    input: list[str] = option(
        REQUIRED, ".txt (one text a line), CSV, TSV, JSON lines, Parquet or .xlsx files, read one after the other."
    )
    output: str = option(REQUIRED, ".npy, .safetensors, or .parquet, which holds ids and texts too.")
    text_column: str | None = option(
        None, "Column of the text, in files that have columns; default: that of the head's training, or text."
    )
    text_template: str | None = option(
        None, 'A text of several columns, such as "{title}. {body}"; default: as in the head\'s training.'
    )
    id_column: str | None = option(None, "Column of the ids; default: the number of the row, from 0.")
    prompt: str = option("", 'Put before every text, as some backbones were trained: "passage: " of E5.')
    truncate_dim: int | None = option(
        None, "Keep the first so many dimensions, of a head trained with --matryoshka_sizes."
    )
    normalize: bool = option(False, "Make vectors of length 1.")
    dtype: Literal["float32", "float16"] = option("float32", "The dtype of the stored vectors.")
    batch_size: int | None = option(
        None, "Texts a batch; default: about 1,024 tokens on a CPU, 16,384 on an accelerator."
    )


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return CommandParser(
        EncoderArguments,
        EmbeddingArguments,
        EngineArguments,
        prog="glot-hf embed",
        description=__doc__,
        common=["model", "backbone", "input", "output", "text_column"],
        examples=[
            "glot-hf embed --model head --input texts.jsonl --output vectors.npy",
            "glot-hf embed --backbone bert-base-uncased --pooling mean --input texts.txt --output vectors.parquet",
        ],
    )


def run(argv: list[str]) -> None:
    encoder, arguments, engine = parser().parse(argv)
    if arguments.batch_size is not None:
        require_positive(arguments.batch_size, "--batch_size")
    if arguments.truncate_dim is not None:
        require_positive(arguments.truncate_dim, "--truncate_dim")
    from ..embeddings.job import EmbeddingJob
    from ..embeddings.text_files import TextFiles
    from ..embeddings.vector_files import WRITERS
    from ..system.disk import format_bytes

    output = Path(arguments.output)
    if engine.engine is None and output.suffix not in WRITERS:
        raise InputError(f"--output {arguments.output!r} is of an unknown kind: valid are {', '.join(WRITERS)}")
    if output.suffix == ".parquet":
        require_extra("train", "pyarrow")
    with user_errors():
        texts = TextFiles(arguments.input, *_columns(encoder.model, arguments), arguments.id_column)
        output.parent.mkdir(parents=True, exist_ok=True)
        recorded = _portable(encoder)
        make_job = partial(
            EmbeddingJob,
            texts,
            output,
            encoder=recorded,
            prompt=arguments.prompt,
            batch_size=arguments.batch_size,
            truncate_dim=arguments.truncate_dim,
            normalize=arguments.normalize,
            dtype=arguments.dtype,
        )
        if engine.engine == "ray":
            require_extra("ray", "ray", "pyarrow")
            from ..embeddings import ray_engine

            places = {"head": recorded.get("model"), "backbone": recorded.get("backbone")}  # from any working folder
            load = partial(load_encoder, **encoder.source | places)
            with locked_file(output):
                count = ray_engine.embed(texts, output, partial(make_job, load=load), engine)
            print(f"{count:,} vectors in {arguments.dtype}: {output}, {len(list(output.iterdir()))} files")
            return
        job = make_job(load=lambda: load_encoder(**encoder.source), show_progress=True)
        already = "already there: " if output.exists() else ""
        with locked_file(output) if job.processes.is_main_process else nullcontext():
            count = job.run()
    if job.processes.is_main_process:
        size = format_bytes(output.stat().st_size)
        print(f"{already}{count:,} vectors of width {job.width} in {arguments.dtype}: {output}, {size}")


def _columns(model: str | None, arguments: EmbeddingArguments) -> tuple[str, str | None]:
    """Return the text column and the template: those that were named, else those of the head's training."""
    column, template = arguments.text_column, arguments.text_template
    if column is not None and template is not None:
        raise InputError("--text_column names one column and --text_template several: give one of them")
    if column is None and template is None and model is not None:
        from ..training.record import TrainingRecord

        record = TrainingRecord.find(model)
        column, template = record.text_column, record.text_template
    if template is not None:
        from ..data.templates import TextTemplate

        TextTemplate(template)  # complains of it before anything is loaded
    return column or "text", template


def _portable(encoder: EncoderArguments) -> dict[str, str]:
    """Return what was asked for as it is recorded: options of loading that may be, and folders by absolute paths."""
    asked = {name: value for name, value in dataclasses.asdict(encoder).items() if value is not None}
    del asked["trust_remote_code"]
    if (load_kwargs := parse_load_kwargs(encoder.backbone_load_kwargs)) is not None:
        recorded = {name: load_kwargs[name] for name in RECORDED_BACKBONE_KWARGS if name in load_kwargs}
        asked["backbone_load_kwargs"] = json.dumps(recorded)
    return asked | {
        name: os.path.abspath(asked[name]) for name in ("model", "backbone") if os.path.isdir(asked.get(name, ""))
    }
