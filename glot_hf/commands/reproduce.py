# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf reproduce`: the paper's comparison of poolings, every one tuned alike, over tasks and seeds."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..configuration_glot import GlotConfig
from ..errors import InputError, require_extra
from .arguments import (
    BackboneArguments,
    CommandParser,
    HeadArguments,
    given_head_options,
    parse_variant,
    require_positive,
    user_errors,
)
from .backbone import load_backbone_and_tokenizer, require_backbone


TUNED_RATES = [2e-4, 1e-3, 5e-3]
RELEASED_RATES = [2e-4]


@dataclass
class ReproductionArguments:
    tasks: list[str] = field(default_factory=lambda: ["cola"], metadata={"help": "Tasks by name."})
    data_dir: str | None = field(
        default=None,
        metadata={"help": "Folder that holds the tasks' own folders: CoLA, SST-2, STS-B, ..., aclImdb."},
    )
    poolings: list[str] = field(
        default_factory=lambda: ["cls", "mean", "max", "adapool", "deepsets", "glot:graph_type=self", "glot"],
        metadata={"help": "Poolings, with options of their own as in glot:graph_type=self,input_norm=standard."},
    )
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2], metadata={"help": "One head each."})
    protocol: Literal["tuned", "released"] = field(
        default="tuned",
        metadata={
            "help": "tuned: learning rate chosen on held out training rows, last epoch reported. released: one rate, "
            "the epoch with the best accuracy on the reported split."
        },
    )
    learning_rates: list[float] | None = field(
        default=None, metadata={"help": f"To choose from; default: {TUNED_RATES}, or {RELEASED_RATES} if released."}
    )
    num_train_epochs: int = field(default=3, metadata={"help": "Of every head."})
    batch_size: int = field(default=32, metadata={"help": "Training batch size."})
    max_train_rows: int | None = field(default=None, metadata={"help": "Use only the first rows of larger tasks."})
    output_dir: str = field(
        default="reproduction", metadata={"help": "Folder for every finished cell, the tables and the picture."}
    )


def run(argv: list[str]) -> None:
    require_extra("train", "datasets", "sklearn", "scipy", "matplotlib")
    parser = CommandParser(
        BackboneArguments, ReproductionArguments, HeadArguments, prog="glot-hf reproduce", description=__doc__
    )
    backbone, arguments, head = parser.parse(argv)
    require_backbone(backbone)
    for name in ("num_train_epochs", "batch_size", "max_train_rows"):
        if getattr(arguments, name) is not None:
            require_positive(getattr(arguments, name), f"--{name}")
    options = given_head_options(head, argv)
    if "pooling" in options:
        raise InputError("--pooling is for one head: name what is compared with --poolings")
    reproduce(backbone, arguments, options)


def reproduce(backbone: BackboneArguments, arguments: ReproductionArguments, options: dict[str, Any]) -> None:
    """
    Trains what is not trained yet; prints a report and writes it, with results.json and heat_map.png, to
    `arguments.output_dir`.

    Args:
        options (`dict`): of [`GlotConfig`], for every pooling.

    Raises:
        InputError: see the messages.
    """
    from ..cells import CellStore
    from ..data.tasks import find_task
    from ..reproduce import Comparison

    tasks = [(task := find_task(name), _folder_of(task.name, arguments.data_dir)) for name in arguments.tasks]
    variants = [parse_variant(text) for text in arguments.poolings]
    load_kwargs = options.pop("backbone_load_kwargs", None) or {}
    rates = arguments.learning_rates or (TUNED_RATES if arguments.protocol == "tuned" else RELEASED_RATES)
    if arguments.protocol == "released" and len(rates) > 1:
        raise InputError(f"--protocol released takes one learning rate and chooses none: {rates} are {len(rates)}")
    training_options = {
        "num_train_epochs": arguments.num_train_epochs,
        "per_device_train_batch_size": arguments.batch_size,
    }
    model, tokenizer, revision = load_backbone_and_tokenizer(backbone, load_kwargs)
    with user_errors():
        for variant in variants:  # a misfit is told before anything is trained
            GlotConfig(backbone_config=model.config.to_dict(), **options | variant.options)
    settings = {
        "backbone": backbone.backbone,
        "backbone_revision": revision,
        "backbone_load_kwargs": load_kwargs,
        "protocol": arguments.protocol,
        "head_options": options,
        "training_options": training_options,
        "max_train_rows": arguments.max_train_rows,
    }
    store = CellStore(arguments.output_dir, settings)
    comparison = Comparison(
        backbone=model,
        tokenizer=tokenizer,
        head_options=options,
        training_options=training_options,
        learning_rates=rates,
        seeds=arguments.seeds,
        protocol=arguments.protocol,
        store=store,
        max_train_rows=arguments.max_train_rows,
    )
    results = comparison.run(tasks, variants)
    report = write_report(results, settings, arguments)
    print(report)


def write_report(results: Any, settings: dict[str, Any], arguments: ReproductionArguments) -> str:
    """Writes the report's files. Returns its text, to be printed."""
    from ..published import published_scores
    from ..report import difference_table, heat_map, learning_rate_table, published_table, score_table

    name = "/".join(Path(settings["backbone"]).parts[-2:])
    baselines = [text for text in arguments.poolings if text.partition(":")[0] != "glot"]
    parts = [
        f"Protocol {arguments.protocol}, {name}: mean (deviation) of seeds {', '.join(map(str, arguments.seeds))}, "
        "in percent.",
        score_table(results),
    ]
    if baselines and len(baselines) < len(arguments.poolings):
        parts.append(difference_table(results, baselines))
    parts.append(learning_rate_table(results))
    if published := published_scores(settings["backbone"]):
        parts.append(published_table(results, published))
    report = "\n\n".join(parts)
    folder = Path(arguments.output_dir)
    (folder / "report.md").write_text(report + "\n", encoding="utf-8")
    (folder / "results.json").write_text(json.dumps({**settings, "results": results}, indent=2) + "\n", "utf-8")
    heat_map(results, f"Frozen {name}, {arguments.protocol} protocol").savefig(folder / "heat_map.png", dpi=150)
    return f"\n{report}\n\nWritten to {folder}: report.md, results.json and heat_map.png"


def _folder_of(task: str, data_dir: str | None) -> str | None:
    """The task's own folder in one that holds several: SST-2 for sst2, aclImdb for imdb."""
    if data_dir is None:
        return None
    children = sorted(Path(data_dir).iterdir()) if Path(data_dir).is_dir() else []
    for child in children:
        if re.sub("[^a-z0-9]", "", child.name.lower()) in (task, f"acl{task}"):
            return str(child)
    raise InputError(
        f"--data_dir {data_dir!r} holds no folder of the task {task}: it should be named as GLUE names it"
    )
