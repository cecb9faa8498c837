# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf train`: text in, a head out; with options, a tuned backbone too."""

import math
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from huggingface_hub.errors import HfHubHTTPError
from transformers import PreTrainedConfig

from ..errors import InputError, require_extra
from .arguments import (
    BackboneArguments,
    CommandParser,
    DataArguments,
    FinetuningArguments,
    HeadArguments,
    TrainingCacheArguments,
    head_options,
    require_positive,
    typed_options,
    user_errors,
)
from .backbone import load_tokenizer, require_backbone, set_max_length


def run(argv: list[str]) -> None:
    require_extra("train", "datasets", "sklearn", "scipy")
    from ..training import GlotTrainingArguments

    parser = CommandParser(
        BackboneArguments,
        DataArguments,
        HeadArguments,
        FinetuningArguments,
        TrainingCacheArguments,
        GlotTrainingArguments,
        prog="glot-hf train",
        description=__doc__,
    )
    backbone, data, head, finetuning, cache, arguments = parser.parse(argv)
    require_backbone(backbone)
    if data.max_train_rows is not None:
        require_positive(data.max_train_rows, "--max_train_rows")
    options = head_options(head)
    finetuning.require_possible(options, typed_options(argv))
    cache.cache = cache.cache and not finetuning.trains_backbone  # the states change in every step
    train(backbone, data, options, finetuning, cache, arguments, command=["glot-hf", "train", *argv])


def train(
    backbone: BackboneArguments,
    data: DataArguments,
    options: dict[str, Any],
    finetuning: FinetuningArguments,
    cache: TrainingCacheArguments,
    arguments: Any,
    command: list[str],
) -> dict[str, float]:
    """
    Trains a head, and what is asked for of its backbone, and writes them, the tokenizer, all_results.json and
    training_record.json to `arguments.output_dir`.

    Returns:
        `dict[str, float]`: what all_results.json holds.

    Raises:
        InputError: see the messages.
    """
    from transformers import set_seed

    from ..data.examples import tokenize
    from ..data.tasks import find_task
    from ..hub import training_of
    from ..machine import name_of_hardware
    from ..modeling_glot import GlotForSequenceClassification
    from ..training import (
        cache_disagreement,
        count_parameters,
        discard_checkpoints,
        find_checkpoint,
        last_evaluation,
        make_trainer,
    )
    from ..training_record import TrainingRecord
    from .finetuning import describe_training, find_head_config, save_base, save_trained, unfreeze
    from .hidden_states import cached_rows, describe
    from .texts import max_length_of, training_examples

    checkpoint = find_checkpoint(arguments)
    if checkpoint is None and not arguments.overwrite_output_dir:
        _require_unused(arguments.output_dir)
    if arguments.push_to_hub and os.path.isdir(backbone.backbone) and not options["backbone_in_checkpoint"]:
        raise InputError(
            f"--push_to_hub: nobody else has the backbone {backbone.backbone!r}, a local folder; train without it, "
            f"then glot-hf publish {arguments.output_dir} REPO --backbone_id OWNER/NAME"
        )
    try:
        os.makedirs(arguments.output_dir, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output_dir {arguments.output_dir!r} cannot be written: {error}") from error
    train_examples, evaluations, labels, columns = training_examples(data, arguments.seed)
    task = find_task(data.task) if data.task is not None else None
    max_length = max_length_of(data)
    is_pair = "text_pair" in train_examples.column_names
    if options["pair_mode"] is not None and not is_pair:
        raise InputError(
            f"--pair_mode {options['pair_mode']} compares two texts, but a row has one: leave it out, or name the "
            "second with --text_pair_column"
        )
    if options["pair_mode"] is None and is_pair:
        options["pair_mode"] = task.pair_mode if task is not None else "concat"
    if options["pair_mode"] == "cosine":
        _require_cosines(labels, train_examples["labels"][:] + evaluations["eval"]["labels"][:])
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
        tokenizer = load_tokenizer(backbone.backbone, model.config.backbone_revision, load_kwargs)
    set_max_length(tokenizer, max_length, model.config.get_text_config())
    network = unfreeze(model, finetuning)
    if checkpoint is not None:
        _require_same_head(model.config, checkpoint, find_head_config(network, checkpoint))
    count = count_parameters(model)
    is_main = arguments.process_index == 0
    print(describe_training(count, finetuning))
    print(f"{len(train_examples):,} training texts, {sum(map(len, evaluations.values())):,} for validation")

    splits = {"train": train_examples, **evaluations}
    with user_errors():  # an option that only Trainer finds wrong
        evaluations = {prefix: tokenize(examples, tokenizer, max_length) for prefix, examples in evaluations.items()}
        if cache.cache:
            encoder = model.glot.backbone
            if encoder.device.type == "cpu":
                encoder.to(arguments.device)  # where Trainer will want it
            where = {"revision": model.config.backbone_revision, "layers": model.config.backbone_layers}
            rows = cached_rows(encoder, tokenizer, splits, cache, max_length=max_length, **where)
            print(f"{describe(rows['train'])} (--no_cache goes without)")
        else:
            rows = {"train": tokenize(train_examples, tokenizer, max_length), **evaluations}
        trainer = make_trainer(network, tokenizer, arguments, rows["train"], rows["eval"])
    if checkpoint is None and is_main:
        discard_checkpoints(arguments.output_dir)  # only now, when nothing is left to be refused
    if finetuning.lora_r is not None and is_main:
        save_base(network, arguments.output_dir)
    results = trainer.train(resume_from_checkpoint=checkpoint).metrics
    live = trainer.predict(evaluations["eval"], metric_key_prefix="eval") if cache.cache else None
    results |= live.metrics if cache.cache else last_evaluation(trainer)
    if not math.isfinite(results["eval_loss"]):
        raise InputError(
            f"the loss is {results['eval_loss']} after training at --learning_rate {arguments.learning_rate}: no head "
            "was saved; train with a smaller one, or with the backbone in bfloat16 or float32 if it is in float16"
        )
    for prefix, examples in evaluations.items():
        if prefix != "eval":
            results |= trainer.evaluate(examples, metric_key_prefix=prefix)
    if cache.cache and rows["eval"].dtype != model.glot.backbone.dtype:
        cached = trainer.predict(rows["eval"], metric_key_prefix="eval")
        results |= cache_disagreement(live, cached, labels.problem_type)
    results |= {
        "head_parameters": count.head,
        "backbone_parameters": count.backbone_frozen,
        "backbone_trained_parameters": count.backbone_trained,
    }
    if is_main:
        # Not trainer.save_model, which would add training_args.bin, no safe format.
        save_trained(network, finetuning, arguments.output_dir)
        tokenizer.save_pretrained(arguments.output_dir)
        record = TrainingRecord(
            command=command,
            seed=arguments.seed,
            max_length=max_length,
            task=data.task,
            hardware=name_of_hardware(arguments.device),
            **columns,
        )
        record.save(arguments.output_dir)
        trainer.log_metrics("all", results)
        trainer.save_metrics("all", results, combined=False)
        if "cache_eval_loss" in results:
            _say_disagreement(results, len(rows["eval"]), cache.cache_dtype)
        if task is not None:
            metrics = [f"{prefix}_{task.metric}" for prefix in evaluations]
            scores = [f"{name} {results[name]:.4f}" if name in results else f"no {name}" for name in metrics]
            print(f"\n{task.name}: {', '.join(scores)}")
        _say_how_to_load(arguments.output_dir, is_pair)
    if arguments.push_to_hub:
        with user_errors(HfHubHTTPError):
            training = training_of(arguments.output_dir, model.config.backbone_name_or_path)
            commit = trainer.push_to_hub(training=training)
        if commit is not None:
            print(f"\n{commit.repo_url} is at commit {commit.oid}")
    return results


def _require_cosines(labels: Any, scores: list[float]) -> None:
    if labels.problem_type != "regression":
        raise InputError(f"--pair_mode cosine needs scores, but the labels are classes: {', '.join(labels.names)}")
    if not -1 <= min(scores) <= max(scores) <= 1:
        raise InputError(
            f"--pair_mode cosine needs scores in [-1, 1], but they go from {min(scores)} to {max(scores)}: divide "
            "them by the largest"
        )


def _require_same_head(config: Any, checkpoint: str, folder: str) -> None:
    with user_errors():
        stored = type(config).from_pretrained(folder)
    inherited = {field.name for field in fields(PreTrainedConfig)} | {"backbone_config"}
    names = [field.name for field in fields(config) if field.name not in inherited]
    changed = [name for name in (*names, "num_labels") if getattr(config, name) != getattr(stored, name)]
    if changed:
        raise InputError(
            f"{checkpoint!r} is of a head with another {changed[0]} ({getattr(stored, changed[0])}, not "
            f"{getattr(config, changed[0])}): resume with the options it was trained with"
        )


def _require_unused(folder: str) -> None:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    saved = ("config.json", "adapter_config.json")
    found = next((name for name in sorted(names) if name in saved or name.startswith("checkpoint-")), None)
    if found is not None:
        raise InputError(
            f"{folder!r} already holds {found!r}: go on with --resume_from_checkpoint, start anew with "
            "--overwrite_output_dir, or name another --output_dir"
        )


def _say_disagreement(results: dict[str, float], count: int, dtype: str) -> None:
    if "cache_changed_labels" in results:
        changed = f"another label to {results['cache_changed_labels']:,} of {count:,} validation texts"
    else:
        changed = f"scores that differ by up to {results['cache_largest_change']:.2g}"
    names = ("matthews_correlation", "f1_micro", "spearman", "accuracy", "mse")
    metrics = [
        f"{name} {results[f'cache_eval_{name}']:.4f}, live {results[f'eval_{name}']:.4f}"
        for name in names
        if f"eval_{name}" in results and f"cache_eval_{name}" in results
    ]
    print(f"\nThe cache, in {dtype}, gives {changed}: {'; '.join(metrics)}")


def _say_how_to_load(folder: str, is_pair: bool) -> None:
    pair = ' --text_pair "..."' if is_pair else ""
    size = sum(path.stat().st_size for path in Path(folder).glob("*model*.safetensors"))
    print(
        f"\nWhat was trained is in {folder} ({size / 1024:,.0f} KiB). In Python:\n\n"
        "    import glot_hf\n"
        "    from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
        f"    model = AutoModelForSequenceClassification.from_pretrained({folder!r})\n"
        f"    tokenizer = AutoTokenizer.from_pretrained({folder!r})\n\n"
        f'Or on the command line: glot-hf predict {folder} --text "..."{pair}'
    )
