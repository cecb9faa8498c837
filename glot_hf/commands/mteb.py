# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
`glot-hf mteb`: MTEB's scores of a head beside plain poolings of its backbone. They are kept in MTEB's own format, and
the same command goes on where a run was stopped.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..loading.encoder import load_encoder
from ..options.encoder import EncoderArguments
from ..options.parser import CommandParser
from ..system.atomic_files import write_text
from ..system.errors import InputError, require_distinct, require_extra, require_positive, user_errors
from ..system.options import option


@dataclass
class MtebArguments:
    """Which tasks, and what the model is compared with."""

    tasks: list[str] = option([], "MTEB's tasks by name; paper: the seven of the paper.")
    data_dir: str | None = option(None, "Folder of GLUE's STS-B: its dev pairs as a task, without a network.")
    poolings: list[str] = option(
        ["mean", "max", "last"],
        "Poolings of the last layer of the same backbone to compare with: mean, max, last, cls, ...",
    )
    batch_size: int = option(32, "Texts a batch.")
    output_dir: str = option("mteb_results", "Folder of all results, and of report.md.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return CommandParser(
        EncoderArguments,
        MtebArguments,
        prog="glot-hf mteb",
        description=__doc__,
        common=["model", "backbone", "tasks", "data_dir", "poolings", "output_dir"],
        examples=[
            "glot-hf mteb --model head --tasks paper --output_dir scores",
            "glot-hf mteb --backbone bert-base-uncased --poolings mean cls --data_dir glue/STS-B --output_dir mteb",
        ],
    )


def run(argv: list[str]) -> None:
    encoder, arguments = parser().parse(argv)
    require_extra("mteb", "mteb", "sentence_transformers")
    require_extra("train", "datasets", "sklearn", "scipy")
    require_positive(arguments.batch_size, "--batch_size")
    require_distinct(arguments.poolings, "--poolings")
    if not arguments.tasks and arguments.data_dir is None:
        raise InputError("no task is named: give --tasks paper, or MTEB's names, or --data_dir with GLUE's STS-B")
    from ..experiments.mteb import LocalSTS, evaluate, find_tasks, score_table

    tasks = find_tasks(arguments.tasks)
    if arguments.data_dir is not None:
        tasks.append(LocalSTS(arguments.data_dir))
    with user_errors():
        Path(arguments.output_dir).mkdir(parents=True, exist_ok=True)
        encoders = _encoders(encoder, arguments.poolings)
    scores, missing = evaluate(encoders, tasks, arguments.output_dir, arguments.batch_size)
    if scores:
        table = score_table(scores, tasks)
        write_text(Path(arguments.output_dir, "report.md"), table + "\n")
        print(f"{table}\n\nWritten to {arguments.output_dir}: report.md, and results in MTEB's format")
    if missing:
        raise InputError(
            f"cannot be downloaded: {', '.join(missing)}; connect to a network and run the same command again, or "
            "name a folder with GLUE's STS-B by --data_dir"
        )


def _encoders(arguments: EncoderArguments, poolings: list[str]) -> dict[str, Any]:
    """Return what is compared: the model first, then plain poolings of its backbone."""
    from ..experiments.mteb import make_encoder
    from ..model.modeling_glot import GlotModel
    from ..sentence_transformer import to_sentence_transformer

    model, tokenizer = load_encoder(**arguments.source)
    place = arguments.model or arguments.backbone or ""
    owner = _last_part(place)
    if arguments.model and owner in poolings:
        raise InputError(f"--model {place!r} has the name of one of the --poolings: leave out {owner}, or rename it")
    models = {owner if arguments.model else model.config.pooling: model}
    for pooling in poolings:
        plain = GlotModel.from_backbone(model.base_model.backbone, pooling=pooling)
        if any(True for _ in plain.head.parameters()):
            raise InputError(f"--poolings {pooling} would have to be trained: name ones without parameters, as mean")
        models.setdefault(pooling, plain)
    return {
        name: make_encoder(to_sentence_transformer(each, tokenizer), f"{owner}/{name}")
        for name, each in models.items()
    }


def _last_part(place: str) -> str:
    return re.split(r"[/\\]", place.rstrip("/\\"))[-1]
