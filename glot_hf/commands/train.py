# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf train`: text in, a head of a few hundred kilobytes out."""

import os
from typing import Any

from ..errors import InputError, require_extra
from .arguments import BackboneArguments, CommandParser, DataArguments, HeadArguments, head_options, user_errors


def run(argv: list[str]) -> None:
    require_extra("train", "datasets", "sklearn", "scipy")
    from ..training import GlotTrainingArguments

    parser = CommandParser(
        BackboneArguments,
        DataArguments,
        HeadArguments,
        GlotTrainingArguments,
        prog="glot-hf train",
        description=__doc__,
    )
    backbone, data, head, arguments = parser.parse(argv)
    if backbone.backbone is None:
        raise InputError("--backbone is missing: name a repository or a folder, such as bert-base-uncased")
    train(backbone, data, head_options(head), arguments, command=["glot-hf", "train", *argv])


def train(
    backbone: BackboneArguments, data: DataArguments, options: dict[str, Any], arguments: Any, command: list[str]
) -> dict[str, float]:
    """
    Trains a head and writes it, its tokenizer, all_results.json and training_record.json to `arguments.output_dir`.

    Returns:
        `dict[str, float]`: what all_results.json holds.

    Raises:
        InputError: see the messages.
    """
    from transformers import set_seed

    from ..data.examples import tokenize
    from ..modeling_glot import GlotForSequenceClassification
    from ..training import count_parameters, find_checkpoint, make_trainer
    from ..training_record import TrainingRecord
    from .texts import training_examples

    checkpoint = find_checkpoint(arguments)
    if checkpoint is None and not arguments.overwrite_output_dir:
        _require_unused(arguments.output_dir)
    train_examples, validation_examples, labels, columns = training_examples(data, arguments.seed)
    if data.text_pair_column is not None and options["pair_mode"] is None:
        options["pair_mode"] = "concat"
    with user_errors():
        load_kwargs = options.pop("backbone_load_kwargs") or {}
        set_seed(arguments.seed)  # the head's first weights
        model = GlotForSequenceClassification.from_backbone(
            backbone.backbone,
            revision=backbone.backbone_revision,
            backbone_kwargs=load_kwargs,
            **options,
            **labels.config_options,
        )
        tokenizer = load_tokenizer(backbone.backbone, backbone.backbone_revision, load_kwargs, data.max_length)
    trained, frozen = count_parameters(model)
    print(f"trains {trained:,} head parameters on {frozen:,} frozen backbone parameters ({trained / frozen:.2%})")
    print(f"{len(train_examples):,} training texts, {len(validation_examples):,} for validation")

    trainer = make_trainer(
        model,
        tokenizer,
        arguments,
        tokenize(train_examples, tokenizer, data.max_length),
        tokenize(validation_examples, tokenizer, data.max_length),
    )
    results = trainer.train(resume_from_checkpoint=checkpoint).metrics | trainer.evaluate()
    results |= {"head_parameters": trained, "backbone_parameters": frozen}
    if trainer.is_world_process_zero():
        model.save_pretrained(arguments.output_dir)
        tokenizer.save_pretrained(arguments.output_dir)
        record = TrainingRecord(
            command=command, seed=arguments.seed, max_length=data.max_length, task=data.task, **columns
        )
        record.save(arguments.output_dir)
        trainer.log_metrics("all", results)
        trainer.save_metrics("all", results, combined=False)
        _say_how_to_load(arguments.output_dir)
    return results


def load_tokenizer(name: str, revision: str | None, load_kwargs: dict[str, Any], max_length: int):
    """The backbone's tokenizer, cutting at `max_length`, with a padding token."""
    from transformers import AutoTokenizer

    where = {key: load_kwargs[key] for key in ("gguf_file", "subfolder") if key in load_kwargs}
    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision or "main", **where)
    tokenizer.model_max_length = max_length
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
        print(f"the tokenizer has no padding token: pads with {tokenizer.eos_token!r}")
    return tokenizer


def _require_unused(folder: str) -> None:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = next((name for name in sorted(names) if name == "config.json" or name.startswith("checkpoint-")), None)
    if found is not None:
        raise InputError(
            f"{folder!r} already holds {found!r}: go on with --resume_from_checkpoint, start anew with "
            "--overwrite_output_dir, or name another --output_dir"
        )


def _say_how_to_load(folder: str) -> None:
    size = os.path.getsize(os.path.join(folder, "model.safetensors"))
    print(
        f"\nThe head is in {folder} ({size / 1024:,.0f} KiB). In Python:\n\n"
        "    import glot_hf\n"
        "    from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
        f"    model = AutoModelForSequenceClassification.from_pretrained({folder!r})\n"
        f"    tokenizer = AutoTokenizer.from_pretrained({folder!r})\n\n"
        f'Or on the command line: glot-hf predict {folder} --text "..."'
    )
