# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf train`: text in, a head out; with options, a tuned backbone too."""

from dataclasses import fields
from typing import Any

from ..options.arguments import (
    AUTO,
    EMBEDDING,
    BackboneArguments,
    ContrastiveArguments,
    DataArguments,
    FinetuningArguments,
    HeadArguments,
    RecipeArguments,
    TrainingCacheArguments,
    given_head_options,
    head_options,
    require_backbone,
    typed_options,
)
from ..options.parser import CommandParser, asks_for_help
from ..system.errors import InputError, require_extra


COMMON = (
    "backbone train_file validation_file text_column text_pair_column label_column task data_dir output_dir recipe "
    "threshold max_length seed learning_rate num_train_epochs per_device_train_batch_size"
).split()


def parser(shows_all: bool = True) -> CommandParser:
    """
    Return the parser of the command line.

    Args:
        shows_all (`bool`): with every option of `TrainingArguments`, for which torch is imported; else with those
            alone that `--help` shows.

    Raises:
        InputError: the extra is missing that every option needs.
    """
    if shows_all:
        require_extra("train", "datasets", "sklearn", "scipy", "matplotlib")
        from ..training.trainer import GlotTrainingArguments as Training
    else:
        from ..training.options import TrainingOptions as Training
    parser = CommandParser(
        BackboneArguments,
        DataArguments,
        RecipeArguments,
        HeadArguments,
        FinetuningArguments,
        ContrastiveArguments,
        TrainingCacheArguments,
        Training,
        prog="glot-hf train",
        description=__doc__,
        common=COMMON,
        examples=[
            "glot-hf train --backbone bert-base-uncased --train_file reviews.csv --output_dir head",
            "glot-hf train --backbone bert-base-uncased --task mrpc --data_dir glue_data/MRPC --pair_mode late "
            "--learning_rate 1e-3 --output_dir pairs",
        ],
    )
    parser.add_argument("--help_all", action="help", help="show every option of TrainingArguments too, and exit")
    return parser


def run(argv: list[str]) -> None:
    backbone, data, recipe, head, finetuning, contrastive, cache, arguments = parser(not asks_for_help(argv)).parse(
        argv
    )
    from ..runs.run import run_training
    from ..training.folder import alone_in

    require_backbone(backbone)
    typed, is_auto = typed_options(argv), head.backbone_layers == [AUTO]
    if is_auto:
        head.backbone_layers = [-1]  # until the probe has found others
    cache.require_possible(typed)
    options, command = head_options(head), ["glot-hf", "train", *argv]
    if data.task == EMBEDDING:
        _require_embedding_options(options, finetuning)
        contrastive.require_possible(options)
        if is_auto or typed & {"recipe", "threshold", "class_weight"}:
            raise InputError(
                "--recipe, --threshold, --class_weight and --backbone_layers auto need labels: --task embedding has "
                "none"
            )
        from ..runs.vectors import VectorObjective

        objective = VectorObjective(data, options, contrastive, cache, typed)
    else:
        for option in fields(ContrastiveArguments):
            if option.name in typed:
                raise InputError(f"--{option.name} belongs to --task embedding")
        finetuning.require_possible(options, typed)
        if arguments.push_to_hub and finetuning.lora_r is not None and not finetuning.lora_merge:
            raise InputError("--push_to_hub publishes a head or a whole model and not LoRA adapters: add --lora_merge")
        from ..runs.choice import what_is_chosen
        from ..runs.classification import ClassificationObjective

        chosen = what_is_chosen(recipe, finetuning, cache, set(given_head_options(head, argv)), typed, is_auto)
        cache.cache = cache.cache and not finetuning.trains_backbone  # the states change in every step
        objective = ClassificationObjective(data, options, chosen, finetuning, cache, typed)
    with alone_in(arguments):
        run_training(objective, backbone, finetuning, arguments, command)


def _require_embedding_options(options: dict[str, Any], finetuning: FinetuningArguments) -> None:
    if options["pair_mode"] is not None:
        raise InputError("--pair_mode is for heads that compare two texts: --task embedding gives a vector of each")
    if finetuning.trains_backbone:
        raise InputError("--task embedding trains a head on a frozen backbone: leave out what is to train it")
