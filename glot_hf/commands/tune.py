# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf tune`: search a head on your own rows for minutes, then train the winner as `glot-hf train` does."""

from ..options.arguments import (
    EMBEDDING,
    BackboneArguments,
    DataArguments,
    FinetuningArguments,
    HeadArguments,
    RecipeArguments,
    TrainingCacheArguments,
    TuneArguments,
    head_options,
    require_backbone,
    typed_options,
)
from ..options.parser import CommandParser, asks_for_help
from ..system.errors import InputError, require_extra, require_positive
from ..training.checked_options import OF_STEPS
from .train import COMMON


def parser(shows_all: bool = True) -> CommandParser:
    """Return the parser of the command line; `shows_all` and the errors are those of `glot-hf train`."""
    if shows_all:
        require_extra("tune", "datasets", "sklearn", "scipy", "matplotlib", "optuna")
        from ..training.trainer import GlotTrainingArguments as Training
    else:
        from ..training.options import TrainingOptions as Training
    parser = CommandParser(
        BackboneArguments,
        DataArguments,
        TuneArguments,
        TrainingCacheArguments,
        Training,
        prog="glot-hf tune",
        description=__doc__,
        common=[*(name for name in COMMON if name not in {*OF_STEPS, "recipe"}), "minutes", "trials"],
        examples=[
            "glot-hf tune --backbone bert-base-uncased --train_file reviews.csv --minutes 10 --output_dir head",
            "glot-hf tune --backbone bert-base-uncased --task cola --data_dir glue/CoLA --trials 40 --output_dir out",
        ],
    )
    parser.add_argument("--help_all", action="help", help="show every option of TrainingArguments too, and exit")
    return parser


def run(argv: list[str]) -> None:
    backbone, data, search, cache, arguments = parser(not asks_for_help(argv)).parse(argv)
    from ..runs.choice import Chosen
    from ..runs.classification import ClassificationObjective
    from ..runs.run import run_training
    from ..training.folder import alone_in

    require_backbone(backbone)
    if (search.minutes is None) == (search.trials is None):
        raise InputError("say how long to search: either --minutes, such as 10, or --trials, such as 40")
    if search.minutes is not None and not 0 < search.minutes < float("inf"):
        raise InputError(f"--minutes {search.minutes} is not positive: give 5 or more")
    if search.trials is not None:
        require_positive(search.trials, "--trials")
    if data.task == EMBEDDING:
        raise InputError(
            "--task embedding has no labels to tune by: glot-hf reproduce --tasks embedding compares poolings"
        )
    if given := sorted(typed_options(argv) & OF_STEPS):
        raise InputError(f"--{given[0]} is what tune searches: leave it out, or train with glot-hf train")
    if not cache.cache:
        raise InputError("--no_cache keeps no hidden states to search on: leave it out")
    threshold = RecipeArguments(threshold=search.threshold).fixed_threshold
    asked = {"threshold": threshold, "class_weight": search.class_weight}
    chosen = Chosen(head=True, layers=True, fits=True, search=search, **asked)
    head_options(HeadArguments(token_features=search.token_features))  # refuses what there is not
    options = head_options(HeadArguments())
    frozen = FinetuningArguments()
    objective = ClassificationObjective(data, options, chosen, frozen, cache, typed_options(argv))
    with alone_in(arguments):
        run_training(objective, backbone, frozen, arguments, ["glot-hf", "tune", *argv])
